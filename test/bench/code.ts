/** @file Programs a second in each sandbox, from its start and warm: `npm run bench:code -- [--programs 200] [--processes 2]`. */

import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { openBubblewrap } from "../../src/rewards/sandbox/bubblewrap.ts";
import { openSandbox, type Request, type Sandbox } from "../../src/rewards/sandbox/process.ts";
import { processorTime } from "./processor-time.ts";

const { values } = parseArgs({
  options: { programs: { type: "string", default: "200" }, processes: { type: "string", default: "2" } },
});
const [programs, processes] = [Number(values.programs), Number(values.processes)];
const limits = { time_ms: 6000, memory_mb: 512, output_bytes: 1 << 20 };

const PRIMES = {
  python: `import sys
from collections import Counter
n = int(sys.stdin.readline())
sieve = bytearray([1]) * (n + 1)
for i in range(2, int(n ** 0.5) + 1):
    if sieve[i]: sieve[i * i :: i] = bytes(len(range(i * i, n + 1, i)))
print(Counter(sieve[2:])[1])`,
  javascript: `const n = Number(require("fs").readFileSync(0, "utf8"));
const sieve = new Uint8Array(n + 1).fill(1);
for (let i = 2; i * i <= n; i++) if (sieve[i]) for (let j = i * i; j <= n; j += i) sieve[j] = 0;
console.log(sieve.subarray(2).reduce((a, b) => a + b, 0));`,
};
const SORTS = {
  python: [
    "def merge(a, b):\n    c = []\n    while a and b: c.append((a if a[0] <= b[0] else b).pop(0))\n    return c + a + b",
    "for i in range(5):\n    assert merge([i, 4, 9], [2, 7]) == sorted([i, 4, 9, 2, 7])",
  ],
  javascript: [
    "const merge = (a, b) => { const c = []; while (a.length && b.length) c.push((a[0] <= b[0] ? a : b).shift()); return [...c, ...a, ...b]; };",
    "for (let i = 0; i < 5; i++) assert.deepStrictEqual(merge([i, 4, 9], [2, 7]), [i, 4, 9, 2, 7].sort((x, y) => x - y))",
  ],
};

type Kind = { name: string; request: Request; stdout?: string };
const kindsOf = (language: "python" | "javascript"): Kind[] => [
  {
    name: "prints, from an input",
    request: { kind: "stdin", program: PRIMES[language], stdin: "1000\n", limits },
    stdout: "168\n",
  },
  {
    name: "is called by a test",
    request: { kind: "assertion", program: SORTS[language][0]!, test: SORTS[language][1]!, limits },
  },
];

async function right(sandbox: Pick<Sandbox, "run">, { request, stdout }: Kind): Promise<void> {
  const outcome = await sandbox.run(request);
  if (outcome.status !== "finished" || (stdout !== undefined && outcome.stdout !== stdout))
    throw new Error(`A right program was not judged right: ${JSON.stringify(outcome)}`);
}

const seconds = (since: number) => (performance.now() - since) / 1000;

async function measure(name: string, open: () => Promise<Sandbox | undefined>, language: "python" | "javascript") {
  const kinds = kindsOf(language);
  const start = performance.now();
  const sandbox = await open();
  if (!sandbox) return console.log(`| ${name} | does not work here | | | | |`);
  await right(sandbox, kinds[0]!);
  const cold = seconds(start);
  const rates: string[] = [];
  for (const kind of kinds) {
    await Promise.all(Array.from({ length: 2 * processes }, () => right(sandbox, kind))); // every process has started
    const before = processorTime();
    const warm = performance.now();
    await Promise.all(Array.from({ length: programs }, () => right(sandbox, kind)));
    rates.push((programs / seconds(warm)).toFixed(0));
    const after = processorTime();
    rates.push(before === undefined || after === undefined ? "–" : ((after - before) / programs).toFixed(1));
  }
  sandbox.close();
  console.log(`| ${name} | ${cold.toFixed(1)} | ${rates.join(" | ")} |`);
}

const [processor] = cpus();
console.log(
  `${processor?.model}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}, Node ${process.version}; ${processes} processes, ${programs} programs of each kind\n`,
);
console.log(
  "| sandbox | s from its start to the first verdict | programs/s, from an input | ms of processors each | programs/s, called by a test | ms of processors each |\n|---|---|---|---|---|---|",
);
await measure(
  "Python in WebAssembly",
  async () => openSandbox("python", { processes, memory_mb: limits.memory_mb }),
  "python",
);
await measure("python3 under bubblewrap", () => openBubblewrap(processes), "python");
await measure(
  "JavaScript in WebAssembly",
  async () => openSandbox("javascript", { processes, memory_mb: limits.memory_mb }),
  "javascript",
);
