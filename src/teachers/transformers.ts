/** @file Exported ONNX decoders through transformers.js: what a browser will run, sampled in this process. */

import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { notContent } from "../core/component.ts";
import { DistillError, reasonOf } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";
import { readJson } from "../core/reading.ts";
import { several, tokens } from "../core/sizes.ts";
import { templateOf } from "../data/templates.ts";
import { loadTokenizer, TOKENIZER_FILES } from "../data/tokenizer.ts";
import { vocabularyOf } from "../data/vocabulary.ts";
import { drawToken } from "../generation/draw.ts";
import { forRequest, notFinite } from "../generation/finite.ts";
import { mersenneTwister } from "./mersenne-twister.ts";
import { defineTeacher, type Finished, type GenerateOptions, type Generation, type SampleRequest } from "./teacher.ts";

/** transformers.js's names of precisions, by the file each is in. */
const DTYPES: Record<string, string> = {
  "model.onnx": "fp32",
  "model_fp16.onnx": "fp16",
  "model_quantized.onnx": "q8",
  "model_q4.onnx": "q4",
  "model_q4f16.onnx": "q4f16",
};

/** The most logits that are computed at once, where a file gives those of every token. */
const LOGITS = 2 ** 26;

/** The folder of the model whose file is onnx/…. */
const folderOf = (path: string) => dirname(dirname(resolve(path)));

export const transformers = defineTeacher({
  options: z
    .object({
      path: notContent(z.string().min(1)).describe(
        "A file onnx/model*.onnx in a folder with config.json and a tokenizer.",
      ),
      sequences: notContent(several.default(32)).describe("Completions that are written at a time."),
      context_size: tokens.default(2048).describe("Tokens of prompt and completion together."),
      device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu").describe("What it runs on."),
      chat_template: z
        .string()
        .min(1)
        .optional()
        .describe('"plain", "r1" or a Jinja text; the model\'s own unless given.'),
    })
    .describe("An exported ONNX decoder in this process, through transformers.js."),
  file: {
    format: "ONNX",
    ending: ".onnx",
    example: "onnx/model_q4.onnx",
    beside: (name, names) => names.filter((other) => other.startsWith(`${name}_data`)),
    above: ["config.json", "generation_config.json", ...TOKENIZER_FILES],
    template: (path) => loadTokenizer(folderOf(path)).template,
  },
  positions: (path) => {
    const config = join(folderOf(path), "config.json");
    const { max_position_embeddings: most } = existsSync(config)
      ? (readJson(config, "The model's config.json") as { max_position_embeddings?: unknown })
      : {};
    return typeof most === "number" ? most : undefined;
  },
  async create({ path, sequences, context_size, device, chat_template }) {
    const dtype = DTYPES[basename(path)];
    if (!existsSync(path)) throw new DistillError(`The model's file was not found: ${path}.`);
    if (!dtype)
      throw new DistillError(
        `${path} is no file that transformers.js loads. Expected ${Object.keys(DTYPES).join(", ")}.`,
      );
    const folder = folderOf(path);
    const tokenizer = loadTokenizer(folder);
    const { stops } = tokenizer;
    const render = templateOf(chat_template, tokenizer.template, folder, tokenizer.written);
    const { AutoModelForCausalLM, env, Tensor } = await import("@huggingface/transformers");
    env.allowRemoteModels = false;
    const model = await AutoModelForCausalLM.from_pretrained(folder, {
      dtype: dtype as "fp32",
      device,
      local_files_only: true,
    }).catch((error: Error) => {
      throw new DistillError(
        `transformers.js cannot open ${path}: ${reasonOf(error)}. If it was cut or damaged, export or download it again.`,
        { cause: error },
      );
    });
    type Cache = Record<string, InstanceType<typeof Tensor>>;

    /** The logits after each row's last new token, [rows, vocab], and the cache with them; `unread` tokens come later. */
    async function step(
      rows: readonly Row[],
      tokens: readonly (readonly number[])[],
      past: Cache | undefined,
      unread = 0,
    ) {
      const int64 = (values: readonly (readonly number[])[]) =>
        new Tensor("int64", BigInt64Array.from(values.flat(), BigInt), [values.length, values[0]!.length]);
      const lengths = rows.map(({ ids }) => ids.length - unread);
      const longest = Math.max(...rows.map(({ ids, padding }) => ids.length + padding)) - unread;
      const output = await model({
        input_ids: int64(tokens),
        attention_mask: int64(
          rows.map(({ padding }) => Array.from({ length: longest }, (_, i) => Number(i >= padding))),
        ),
        position_ids: int64(tokens.map((row, r) => row.map((_, i) => Math.max(0, lengths[r]! - row.length + i)))),
        num_logits_to_keep: new Tensor("int64", [1n], []),
        ...(past ? { past_key_values: past } : {}),
      });
      const present = Object.entries(output as Cache).filter(([name]) => name.startsWith("present"));
      const { data, dims } = (output as { logits: InstanceType<typeof Tensor> }).logits;
      const [, length, vocab] = dims as [number, number, number];
      const last = rows.map((_, r) =>
        (data as Float32Array).subarray(((r + 1) * length - 1) * vocab, (r + 1) * length * vocab),
      );
      return {
        logits: last,
        past: Object.fromEntries(present.map(([name, value]) => [name.replace("present", "past_key_values"), value])),
      };
    }

    /** The rows of a cache that go on. */
    function kept(past: Cache, rows: readonly number[]): Cache {
      const entries = Object.entries(past).map(
        ([name, { type, data, dims }]): [string, InstanceType<typeof Tensor>] => {
          const size = data.length / dims[0]!;
          const values = data as Float32Array;
          const chosen = new (values.constructor as Float32ArrayConstructor)(rows.length * size);
          rows.forEach((row, i) => {
            chosen.set(values.subarray(row * size, (row + 1) * size), i * size);
          });
          return [name, new Tensor(type, chosen, [rows.length, ...dims.slice(1)])];
        },
      );
      return Object.fromEntries(entries);
    }

    async function* together(
      all: readonly (SampleRequest & { index: number })[],
      options: GenerateOptions,
      count: () => void,
    ): AsyncGenerator<Finished> {
      const requests: (SampleRequest & { index: number })[] = [];
      const prompts: number[][] = [];
      for (const request of all) {
        const tokens = tokensOf(request.prompt);
        if (typeof tokens === "string") yield { index: request.index, error: tokens };
        else {
          requests.push(request);
          prompts.push(tokens);
        }
      }
      const longest = Math.max(...prompts.map(({ length }) => length));
      let rows = requests.map((request, i): Row => {
        const { index, seed } = request;
        const prompt = prompts[i]!;
        return {
          index,
          request,
          ids: [...prompt],
          prompt: prompt.length,
          padding: longest - prompt.length,
          uniform: mersenneTwister(seed % 0xffffffff),
        };
      });
      let tokens = rows.map(({ ids, padding }) => [...Array<number>(padding).fill(tokenizer.eos), ...ids]);
      let past: Cache | undefined;
      // a file may give the logits of every token that it reads: long prompts are read in parts
      const part = Math.max(1, Math.floor(LOGITS / (rows.length * tokenizer.size)));
      while (tokens[0] && tokens[0].length > part) {
        const read = tokens.map((row) => row.slice(0, part));
        past = (await step(rows, read, past, tokens[0].length - part)).past;
        tokens = tokens.map((row) => row.slice(part));
      }
      while (rows.length > 0 && !options.signal?.aborted) {
        const result = await step(rows, tokens, past);
        past = result.past;
        const open: number[] = [];
        for (const [i, row] of rows.entries()) {
          const token = drawToken(result.logits[i]!, options, row.uniform);
          if (token === undefined) throw notFinite(path, forRequest(row.request, row.index));
          row.ids.push(token);
          count();
          const generation = finished(row, token, options);
          options.onText?.(row.index, generation?.completion ?? tokenizer.decode(row.ids.slice(row.prompt)));
          if (generation) yield { index: row.index, generation };
          else open.push(i);
        }
        if (open.length < rows.length) {
          past = kept(past, open);
          rows = open.map((i) => rows[i]!);
        }
        tokens = rows.map(({ ids }) => ids.slice(-1));
      }
    }

    /** The tokens of a prompt, or why there can be no completion of it. */
    function tokensOf(prompt: string): number[] | string {
      const ids = tokenizer.encode(prompt);
      const whole = tokenizer.bos === undefined || ids[0] === tokenizer.bos ? ids : [tokenizer.bos, ...ids];
      if (whole.length === 0) return `The prompt is empty, and ${folder} has no token to begin a text with.`;
      if (whole.length < context_size) return whole;
      return `The prompt has ${whole.length} tokens, which leaves no room in a context of ${context_size}. Raise context_size, or leave it out.`;
    }

    /** What a row generated, if that token was its last. */
    function finished(
      row: Row,
      token: number,
      { stop, max_completion_length }: GenerateOptions,
    ): Generation | undefined {
      const token_ids = row.ids.slice(row.prompt);
      const ended = stops.includes(token);
      const text = ended || stop.length > 0 ? tokenizer.decode(ended ? token_ids.slice(0, -1) : token_ids) : "";
      const cut = Math.min(...stop.map((words) => text.indexOf(words)).filter((at) => at >= 0));
      const full = token_ids.length >= max_completion_length || row.ids.length >= context_size;
      if (!ended && !Number.isFinite(cut) && !full) return undefined;
      const whole = text || tokenizer.decode(token_ids);
      return {
        completion: Number.isFinite(cut) ? whole.slice(0, cut) : whole,
        token_ids,
        prompt_tokens: row.prompt,
        finish_reason: ended || Number.isFinite(cut) ? "stop" : "length",
      };
    }

    return {
      model: `${basename(folder)}/${basename(path)}`,
      hash: sha256(path),
      render: (messages) => render(messages, { generate: true }),
      async *generate(requests, options) {
        if (options.top_logprobs > 0)
          throw new DistillError("The teacher transformers gives no top_logprobs. Set it to 0, or take llama_cpp.");
        let [index, generated] = [0, 0];
        let group: (SampleRequest & { index: number })[] = [];
        const count = () => options.onTokens?.(++generated);
        for (const request of requests) {
          if (options.signal?.aborted) return;
          group.push({ ...request, index: index++ });
          if (group.length < sequences) continue;
          yield* together(group, options, count);
          group = [];
        }
        if (group.length > 0) yield* together(group, options, count);
      },
      vocabulary: () => vocabularyOf(tokenizer),
      async close() {
        await model.dispose();
      },
    };
  },
});

/** A completion as it grows; rows of one batch are padded on the left to one length. */
type Row = {
  index: number;
  request: SampleRequest;
  ids: number[];
  prompt: number;
  padding: number;
  uniform: () => number;
};
