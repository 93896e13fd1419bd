/**
 * @file npm run bench:train: how fast a training step is, as a share of the machine's plain MatMul in the same run and,
 * with --peer, as a multiple of PyTorch's step. Options: --peer, --json, --rounds N, --threads N, --shape NAME (may be
 * repeated). On a machine that others use too, processor times of one thread say more than wall times. With --kernels
 * nothing is timed: how many kernels a step launches on a GPU, before and after, and the nodes of a micro-batch by kind. With
 * --turns two trainings of each shape are timed in turns, over one after the other.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { keeping, sparing, targets } from "../../src/compiler/targets.ts";
import { countKernelsOf, kindsOfStep } from "./kernels.ts";
import { median } from "./median.ts";
import { type BenchShape, GPU_SHAPES, SHAPES } from "./shapes.ts";
import { measureTurns, type Ratio } from "./turns.ts";

const { values: options } = parseArgs({
  options: {
    peer: { type: "boolean", default: false },
    kernels: { type: "boolean", default: false },
    turns: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "0" },
    shape: { type: "string", multiple: true, default: Object.keys(SHAPES) },
  },
});

if (options.kernels) {
  await printKernels();
  await printKinds();
  process.exit(0);
}

if (options.turns) {
  for (const name of options.shape) {
    const { inTurns, again } = await measureTurns(shapeOf(name), Number(options.rounds), Number(options.threads));
    const said = ({ median, from, to }: Ratio) => `${round(median, 3)} (${round(from, 3)} to ${round(to, 3)})`;
    console.log(
      `${name}: two in turns take ${said(inTurns)} times as long as one after the other, which once more takes ${said(again)}`,
    );
  }
  process.exit(0);
}

type Ours = {
  params: number;
  tokens_per_s: number;
  gflops: number;
  matmul_gflops: number;
  of_matmul: number;
  peak_rss_mb: number;
  cpu_s: number;
};
type Theirs = { tokens_per_s: number; peak_rss_mb: number; cpu_s: number };

const PYTHON = ".venv/bin/python";
if (options.peer && !existsSync(PYTHON)) {
  console.error(
    `--peer needs ${PYTHON} with torch and transformers; see README.md, section Benchmarks. Going on without it.`,
  );
  options.peer = false;
}

const table: Record<string, unknown>[] = [];
for (const name of options.shape) {
  const shape = shapeOf(name);
  const ours = contestant<Ours>(process.execPath, [
    new URL("train-round.js", import.meta.url).pathname,
    name,
    options.threads,
  ]);
  const peer = options.peer
    ? contestant<Theirs>(PYTHON, ["test/bench/peers/train.py", JSON.stringify(shape), options.threads])
    : undefined;
  const rounds: { ours: Ours; theirs: Theirs | undefined }[] = [];
  for (let i = 0; i < Number(options.rounds); i++)
    rounds.push({ ours: await ours.round(), theirs: await peer?.round() });
  ours.end();
  peer?.end();
  const middle = (pick: (round: (typeof rounds)[number]) => number) => median(rounds.map(pick));
  const row = {
    shape: name,
    params: rounds[0]!.ours.params,
    tokens_per_s: round(
      middle(({ ours }) => ours.tokens_per_s),
      0,
    ),
    gflops: round(
      middle(({ ours }) => ours.gflops),
      1,
    ),
    matmul_gflops: round(
      middle(({ ours }) => ours.matmul_gflops),
      1,
    ),
    of_matmul: round(
      middle(({ ours }) => ours.of_matmul),
      3,
    ),
    peak_rss_mb: round(Math.max(...rounds.map(({ ours }) => ours.peak_rss_mb)), 0),
    peer_ratio: peer
      ? round(
          middle(({ ours, theirs }) => ours.tokens_per_s / theirs!.tokens_per_s),
          3,
        )
      : null,
    cpu_s: round(
      middle(({ ours }) => ours.cpu_s),
      2,
    ),
    ...(peer
      ? {
          peer_cpu_s: round(
            middle(({ theirs }) => theirs!.cpu_s),
            2,
          ),
          peer_peak_rss_mb: round(Math.max(...rounds.map(({ theirs }) => theirs!.peak_rss_mb)), 0),
        }
      : {}),
  };
  table.push(row);
  if (!options.json)
    console.log(
      Object.entries(row)
        .map(([key, value]) => `${key} ${value}`)
        .join(" · "),
    );
}
if (options.json) console.log(JSON.stringify({ rows: table }));
else {
  const [short, long] = ["SmolLM2-135M", "SmolLM2-135M rows of 4096"].map((name) =>
    table.find(({ shape }) => shape === name),
  );
  if (short && long)
    console.log(
      `rows of 4096 at ${round((long.tokens_per_s as number) / (short.tokens_per_s as number), 3)} of the tokens/s of rows of 1024`,
    );
}

function shapeOf(name: string): BenchShape {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`Unknown shape "${name}". Expected one of: ${Object.keys(SHAPES).join(", ")}.`);
  return shape;
}

/** Two micro-batches a step, so that their sum is counted too. */
async function printKernels(): Promise<void> {
  const counts = await countKernelsOf(SHAPES["SmolLM2-135M"]!, 2);
  if (options.json) return console.log(JSON.stringify({ shape: "SmolLM2-135M", micro_batches: 2, counts }));
  const parts = Object.keys(counts.at(-1)!.parts);
  console.log("Kernels of a training step of SmolLM2-135M's shape, two micro-batches of 2 × 1024 tokens:\n");
  console.log(`| emission | ${parts.join(" | ")} | total | of plain |\n|${"---|".repeat(parts.length + 3)}`);
  for (const { emission, parts: known, total } of counts)
    console.log(
      `| ${emission} | ${parts.map((part) => known[part] ?? 0).join(" | ")} | ${total} | ${round(total / counts[0]!.total, 3)} |`,
    );
}

/** Where the nodes of one micro-batch go. */
async function printKinds(): Promise<void> {
  const [gpu, small] = [GPU_SHAPES["SmolLM2-135M"]!, SHAPES["SmolLM2-135M"]!];
  const columns = [
    { name: "webgpu fp32, keeping", shape: gpu, target: keeping(targets.webgpu), precision: "fp32" },
    { name: "webgpu fp32, 2 rows", shape: small, target: targets.webgpu, precision: "fp32" },
    { name: "webgpu fp32", shape: gpu, target: targets.webgpu, precision: "fp32" },
    { name: "webgpu fp16", shape: gpu, target: targets.webgpu, precision: "fp16" },
    { name: "cuda fp32", shape: gpu, target: targets.cuda, precision: "fp32" },
    { name: "cuda fp16", shape: gpu, target: targets.cuda, precision: "fp16" },
    { name: "cuda fp16, memory short", shape: gpu, target: sparing(targets.cuda), precision: "fp16" },
  ] as const;
  const counts: ({ name: string } & Awaited<ReturnType<typeof kindsOfStep>>)[] = [];
  for (const { name, shape, target, precision } of columns)
    counts.push({ name, ...(await kindsOfStep(shape, { ...target, residency: "device" }, precision)) });
  if (options.json)
    return console.log(
      JSON.stringify(counts.map(({ kinds, ...rest }) => ({ ...rest, kinds: Object.fromEntries(kinds) }))),
    );
  const ops = [...new Set(counts.flatMap(({ kinds }) => [...kinds.keys()]))];
  const most = (op: string) => Math.max(...counts.map(({ kinds }) => kinds.get(op)?.nodes ?? 0));
  console.log("\nNodes of forward and backward of one micro-batch of 4 × 1024 tokens:\n");
  const line = (cells: readonly (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);
  line(["op", ...counts.map(({ name }) => name)]);
  console.log(`|${"---|".repeat(counts.length + 1)}`);
  for (const op of ops.sort((a, b) => most(b) - most(a)))
    line([op, ...counts.map(({ kinds }) => kinds.get(op)?.nodes ?? "")]);
  line(["nodes", ...counts.map(({ nodes }) => nodes)]);
  line(["kernels on WebGPU", ...counts.map(({ kernels }) => kernels)]);
  line(["kernels of the step", ...counts.map(({ step }) => step)]);
  line(["GB that all but products move", ...counts.map(({ moved_gb }) => moved_gb)]);
  line(["TFLOP of products", ...counts.map(({ tflop }) => tflop)]);
}

/** A process that answers a line with a round's measurements. */
function contestant<Round>(command: string, args: string[]): { round(): Promise<Round>; end(): void } {
  const child: ChildProcess = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  return {
    async round() {
      child.stdin!.write("round\n");
      const { value, done } = await lines.next();
      if (done) throw new Error(`${command} ${args.join(" ")} ended early.`);
      return JSON.parse(value) as Round;
    },
    end: () => child.stdin!.end(),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
