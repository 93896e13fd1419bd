import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { code } from "../../src/rewards/code.ts";
import { openBubblewrap } from "../../src/rewards/sandbox/bubblewrap.ts";
import { isTooBusy } from "../../src/rewards/sandbox/own-time.ts";
import { extent } from "../support/extent.ts";

/** The most that processors are kept busy, in milliseconds. */
const BUSY_MS = 120_000;

/** Work beside processes that take all processors. */
async function whileBusy(work: () => Promise<void>): Promise<void> {
  const burn = `const end = Date.now() + ${BUSY_MS}; while (Date.now() < end) Math.sqrt(2);`;
  const burners = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn(process.execPath, ["-e", burn], { stdio: "ignore" }),
  );
  try {
    await work();
  } finally {
    for (const burner of burners) burner.kill("SIGKILL");
  }
}

const hasBubblewrap = await openBubblewrap(1).then((sandbox) => {
  sandbox?.close();
  return sandbox !== undefined;
});

/** So many of a language's programs run while the machine is busy, the others before that: each takes a new interpreter. */
const WHILE_BUSY = extent(1, Number.POSITIVE_INFINITY);

/** Seconds. */
const TIME_LIMIT = 0.2;
const LIMITS = { time_limit: TIME_LIMIT, memory_mb: 256, processes: 1 };
const OUT_OF_TIME = new RegExp(`time limit of ${String(TIME_LIMIT).replace(".", "\\.")} s`);
const reward = (options: object) => code.create(code.options.parse({ ...LIMITS, ...options }));

const PYTHON: Record<string, string> = {
  "a loop": "while True: pass",
  "a sleep": "import time\ntime.sleep(10_000)",
  "a computation that never returns to the interpreter": "print(sum(range(10 ** 13)))",
  "a loop that swallows what ends it":
    "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
  "a pattern that backtracks": "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
  "a coroutine that waits": "import asyncio\nasyncio.run(asyncio.sleep(10_000))",
};
const JAVASCRIPT: Record<string, string> = {
  "a loop": "for (;;) {}",
  "a loop that swallows what ends it": "for (;;) try { for (;;) {} } catch {}",
};

const SANDBOXES = [
  { name: "Python in WebAssembly", language: "python", programs: PYTHON, options: { engine: "wasm" }, skip: false },
  {
    name: "Python under bubblewrap",
    language: "python",
    programs: PYTHON,
    options: { engine: "bubblewrap" },
    skip: hasBubblewrap ? false : "bubblewrap with python3 does not work here",
  },
  { name: "JavaScript", language: "javascript", programs: JAVASCRIPT, options: {}, skip: false },
];

for (const { name, language, programs, options, skip } of SANDBOXES)
  test(`${name}: what does not end is out of its own time, however busy the machine is`, { skip }, async () => {
    const judge = reward({ language, ...options });
    const judged = (program: string, tests: object) =>
      judge({
        prompt: "",
        completion: `\`\`\`${language}\n${program}\n\`\`\``,
        answer: JSON.stringify({ language, ...tests }),
      });
    // a program that needs less than its time is judged by what it does
    const right = language === "python" ? "print(sum(range(10 ** 5)))" : "console.log(4999950000);";
    const finishes = async () => {
      const finished = await judged(right, { stdin_tests: [{ input: "", output: "4999950000\n" }] });
      assert.deepEqual([finished.score, finished.verdict], [1, "correct"], finished.reason);
    };
    const endless = async (kinds: [string, string][]) => {
      for (const [kind, program] of kinds) {
        const { score, verdict, reason } = await judged(program, { stdin_tests: [{ input: "", output: "" }] });
        assert.deepEqual([score, verdict], [0, "incorrect"], `${kind}: ${reason}`);
        assert.match(reason, OUT_OF_TIME, kind);
      }
    };
    await finishes(); // with what takes long to start on an idle machine, too
    await endless(Object.entries(programs).slice(WHILE_BUSY));
    await whileBusy(async () => {
      await endless(Object.entries(programs).slice(0, WHILE_BUSY));
      // what a test calls has the same clock
      const loop = language === "python" ? "def f():\n    while True: pass" : "function f() { for (;;) {} }";
      const called = await judged(loop, { assertions: ["f()"] });
      assert.deepEqual([called.score, called.verdict], [0, "incorrect"], called.reason);
      assert.match(called.reason, OUT_OF_TIME);
      await finishes();
    });
  });

test("a program is waited for as long as the machine gives it a hundredth, and given up where it gives it nothing", () => {
  for (const share of [1, 1 / 10, 1 / 40, 1 / 100])
    for (let passed = 0; passed * share < 6000; passed += 500)
      assert.equal(isTooBusy(passed * share, passed, 6000), false);
  assert.equal(isTooBusy(0, 100_000, 6000), false);
  assert.equal(isTooBusy(100, 200_000, 6000), true);
});
