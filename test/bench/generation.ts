/**
 * @file npm run bench:generation: tokens a second of completions, prompts included, that the cached sampler draws on this
 * engine with 1, 8 and 64 sequences; that the whole text computed again for every token gives; and that llama.cpp gives from
 * our own GGUF export of the same weights in F32. They alternate in rounds. "per CPU s" counts processor time, which other
 * work on the machine disturbs less. Prints a table for test/bench/results.
 * Options: --rounds N, --threads N (of each), --shape NAME and --sequences N (may be repeated), --json.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../../src/core/random.ts";
import { batchShape, layOut } from "../../src/data/batch.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { drawToken } from "../../src/generation/draw.ts";
import { openSampler } from "../../src/generation/sampler.ts";
import { tokenFeeds, tokenInputs } from "../../src/generation/tokens.ts";
import { input } from "../../src/graph/value.ts";
import { createModel, loadWeights, type ModelConfig } from "../../src/models/load.ts";
import { linear } from "../../src/nn/linear.ts";
import { Gather } from "../../src/ops/index.ts";
import { openDevice, type Program } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import { writeModel } from "../support/models.ts";
import { median } from "./median.ts";
import { SHAPES as TRAINING_SHAPES } from "./shapes.ts";

const TOKENIZER = "data/stories";

type Shape = {
  config: ModelConfig;
  /** Characters of a prompt. */
  prompt: number;
  /** Tokens of a completion, by the number of sequences; and of one whose text is computed again for every token. */
  tokens: (sequences: number) => number;
  recomputed: (sequences: number) => number;
  /** Rounds, where they are fewer than were asked for. */
  rounds?: number;
};

const SHAPES: Record<string, Shape> = {
  "stories-base, 0.45 M": {
    config: JSON.parse(readFileSync("data/models/stories-base/config.json", "utf8")),
    prompt: 100,
    tokens: () => 128,
    recomputed: (sequences) => (sequences < 64 ? 32 : 8),
  },
  "SmolLM2-135M": {
    config: TRAINING_SHAPES["SmolLM2-135M"]!.config,
    prompt: 16,
    tokens: (sequences) => ({ 1: 16, 8: 8 })[sequences] ?? 6,
    recomputed: (sequences) => (sequences < 64 ? 2 : 1),
    rounds: 2,
  },
};

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: String(availableParallelism()) },
    shape: { type: "string", multiple: true, default: Object.keys(SHAPES) },
    sequences: { type: "string", multiple: true, default: ["1", "8", "64"] },
    json: { type: "boolean", default: false },
  },
});
const threads = Number(options.threads);
const tokenizer = loadTokenizer(TOKENIZER);
const stories = readFileSync("data/stories/test.jsonl", "utf8")
  .trim()
  .split("\n")
  .map((line) => (JSON.parse(line) as { prompt: string }).prompt);

/** Draws completions of a round's prompts and says how many tokens they have. */
type Contestant = { round(seed: number): Promise<number>; close(): Promise<void> };

async function contestants(name: string, { config, prompt, tokens, recomputed }: Shape) {
  const folder = mkdtempSync(join(tmpdir(), "bench-generation-"));
  const source = await writeModel(join(folder, "model"), config, { tokenizer: TOKENIZER });
  const [file] = await gguf.create({ types: ["f32"] })({ folder: source }, folder);
  const device = await openDevice("cpu", { threads });
  const model = createModel(config, name);
  for (const { name, shape, data } of loadWeights(source, model))
    await device.write(name, tensor("float32", shape, data));
  const texts = (sequences: number) => stories.slice(0, sequences).map((story) => story.slice(0, prompt));
  const prompts = (sequences: number) => texts(sequences).map(tokenizer.encode);

  const cached = async (sequences: number): Promise<Contestant> => {
    const sampler = openSampler(device, model, { stops: tokenizer.stops });
    return {
      async round(seed) {
        const requests = prompts(sequences).map((tokens, i) => ({ tokens, seed: 1000 * seed + i }));
        let count = 0;
        const limit = { max_completion_length: tokens(sequences), sequences };
        for await (const { tokens } of sampler.generate(requests, limit)) count += tokens.length;
        return count;
      },
      close: () => sampler.close(),
    };
  };
  const llama = async (sequences: number): Promise<Contestant> => {
    const teacher = await llama_cpp.create(
      llama_cpp.options.parse({ path: file!.path, sequences, context_size: 256, gpu: false, threads }),
    );
    return {
      async round(seed) {
        const requests = texts(sequences).map((prompt, i) => ({ prompt, seed: 1000 * seed + i }));
        const sampling = { temperature: 1, top_p: 1, top_k: 0, min_p: 0, stop: [], top_logprobs: 0 };
        const limit = { ...sampling, max_completion_length: tokens(sequences) };
        let count = 0;
        for await (const { generation } of teacher.generate(requests, limit)) count += generation!.token_ids.length;
        return count;
      },
      close: () => teacher.close(),
    };
  };
  /** All texts in one batch, as long as the longest, computed from the beginning for each token. */
  const wholeText = async (sequences: number): Promise<Contestant> => {
    const programs = new Map<number, Program>();
    const vocab = model.head.shape[0] as number;
    return {
      async round(seed) {
        const { uniform } = seededRandom(seed);
        const all = prompts(sequences);
        for (let n = 0; n < recomputed(sequences); n++) {
          const length = Math.ceil(Math.max(...all.map(({ length }) => length)) / 32) * 32;
          const shape = batchShape(sequences, length, vocab);
          const last = Gather(model.hidden(tokenInputs(shape)), input("last", "int32", ["texts"]));
          const program = programs.get(length) ?? (await device.compile({ logits: linear(last, model.head) }));
          programs.set(length, program);
          const rows = all.map((tokens) => [{ tokens, supervised: [] }]);
          const places = all.map((tokens, i) => i * length + tokens.length - 1);
          const { logits } = await program.run({
            ...tokenFeeds(layOut(rows, shape)),
            last: tensor("int32", [sequences], places),
          });
          all.forEach((tokens, i) => {
            const row = (logits!.data as Float32Array).subarray(i * vocab, (i + 1) * vocab);
            tokens.push(drawToken(row, { temperature: 1, top_k: 0, top_p: 1, min_p: 0 }, uniform)!);
          });
        }
        return sequences * recomputed(sequences);
      },
      async close() {
        for (const program of programs.values()) await program.release();
      },
    };
  };
  return {
    open: { cached, llama, wholeText },
    async close() {
      await device.close();
      rmSync(folder, { recursive: true });
    },
  };
}

type Rates = { per_s: number; per_cpu_s: number };

async function measured({ round }: Contestant, seed: number): Promise<Rates> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const tokens = await round(seed);
  const { user, system } = process.cpuUsage(before);
  return { per_s: (1000 * tokens) / (performance.now() - start), per_cpu_s: (1e6 * tokens) / (user + system) };
}

const begun = { date: new Date().toISOString(), load: loadavg()[0]!.toFixed(1) };
const rows: Record<string, string | number>[] = [];
for (const name of options.shape) {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`Unknown shape "${name}". Expected one of: ${Object.keys(SHAPES).join(", ")}.`);
  const { open, close } = await contestants(name, shape);
  for (const sequences of options.sequences.map(Number)) {
    const all: Record<string, { contestant: Contestant; rates: Rates[] }> = {};
    for (const [who, make] of Object.entries(open)) all[who] = { contestant: await make(sequences), rates: [] };
    const rounds = Math.min(Number(options.rounds), shape.rounds ?? Number.POSITIVE_INFINITY);
    for (let round = 0; round <= rounds; round++)
      for (const { contestant, rates } of Object.values(all)) {
        const rate = await measured(contestant, round);
        if (round > 0) rates.push(rate); // the first warms up
      }
    for (const { contestant } of Object.values(all)) await contestant.close();
    const middle = (who: string, pick: (rates: Rates) => number) => median(all[who]!.rates.map(pick));
    const ratio = (pick: (rates: Rates) => number) =>
      median(all.cached!.rates.map((rates, i) => pick(rates) / pick(all.llama!.rates[i]!)));
    const row = {
      shape: name,
      sequences,
      cached: round(middle("cached", ({ per_s }) => per_s)),
      llama_cpp: round(middle("llama", ({ per_s }) => per_s)),
      whole_text: round(middle("wholeText", ({ per_s }) => per_s)),
      of_llama_cpp: ratio(({ per_s }) => per_s).toFixed(2),
      cached_per_cpu_s: round(middle("cached", ({ per_cpu_s }) => per_cpu_s)),
      llama_cpp_per_cpu_s: round(middle("llama", ({ per_cpu_s }) => per_cpu_s)),
      of_llama_cpp_per_cpu_s: ratio(({ per_cpu_s }) => per_cpu_s).toFixed(2),
    };
    rows.push(row);
    if (!options.json)
      console.error(
        Object.entries(row)
          .map(([key, value]) => `${key} ${value}`)
          .join(" · "),
      );
  }
  await close();
}
const machine = {
  cpu: cpus()[0]!.model,
  cores: availableParallelism(),
  threads,
  load_before: begun.load,
  load_after: loadavg()[0]!.toFixed(1),
};
if (options.json) console.log(JSON.stringify({ ...machine, rows }));
else {
  console.log(
    `\n${machine.cpu}, ${machine.cores} cores, ${threads} threads each; load ${machine.load_before} before, ${machine.load_after} after\n`,
  );
  const head = [
    "shape",
    "sequences",
    "sampler",
    "llama.cpp",
    "whole text",
    "× llama.cpp",
    "sampler per CPU s",
    "llama.cpp per CPU s",
    "× llama.cpp",
  ];
  console.log(`| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}`);
  for (const row of rows)
    console.log(
      `| ${Object.values(row)
        .map((x) => x.toLocaleString("en"))
        .join(" | ")} |`,
    );
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
