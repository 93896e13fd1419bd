/** @file GGUF files that lie, unpacked into a folder as a student is. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../../src/core/random.ts";
import { loadTokenizer } from "../../../src/data/tokenizer.ts";
import { gguf } from "../../../src/exporters/gguf.ts";
import {
  type GgufTensor,
  ggufHeader,
  type Metadata,
  type MetadataValue,
  SCALARS,
  TYPES,
} from "../../../src/formats/gguf.ts";
import { openGguf } from "../../../src/formats/gguf-reader.ts";
import { createModel, type ModelConfig, readConfig } from "../../../src/models/load.ts";
import { gguf as packed } from "../../../src/student/packed/gguf.ts";
import { writeModel } from "../models.ts";
import { writeTokenizer } from "../tokenizers.ts";
import { damage, NUMBERS, put } from "./bytes.ts";
import { pick, type Target } from "./target.ts";

const TEXTS = ["12*34=408", "a  b\n\n🙂 \u0000", ""];
const COMMON = { vocab_size: 40, hidden_size: 32, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const scaling = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
const MODELS: [config: ModelConfig, type: "f32" | "q8_0" | "q4_0" | "bf16"][] = [
  [{ model_type: "llama", ...COMMON, rope_scaling: { rope_type: "llama3", factor: 8, ...scaling } }, "q8_0"],
  [{ model_type: "qwen2", ...COMMON, rope_scaling: { rope_type: "linear", factor: 4 } }, "q4_0"],
  [{ model_type: "qwen3", ...COMMON, head_dim: 8, tie_word_embeddings: true }, "bf16"],
  [{ model_type: "gemma3_text", ...COMMON, vocab_size: 300, head_dim: 8 }, "f32"],
];

type Original = { bytes: Buffer; metadata: Metadata; tensors: GgufTensor[]; data: Buffer; fields: Field[] };

export const target: Target = async (folder) => {
  const pieces = join(folder, "pieces");
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  writeTokenizer(pieces, {
    characters: [...bytes, "▁", ..."0123456789ab"],
    words: ["▁a", "▁ab"],
    every_way: true,
    added: [
      ["<eos>", true],
      ["<bos>", true],
      ["<unk>", true],
    ],
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    model: { byte_fallback: true, fuse_unk: true, unk_token: "<unk>" },
    config: { bos_token: "<bos>", unk_token: "<unk>", add_bos_token: true, chat_template: "{{ messages[0].content }}" },
  });
  const originals: Original[] = [];
  for (const [i, [config, type]] of MODELS.entries()) {
    const source = join(folder, `${i}`);
    await writeModel(source, config, config.model_type === "gemma3_text" ? { tokenizer: pieces } : {});
    const [exported] = await gguf.create({ types: [type] })({ folder: source }, `${source}-gguf`);
    const { path } = exported!;
    const bytes = readFileSync(path);
    const { metadata, tensors, close } = openGguf(path);
    close();
    const data = bytes.subarray(Math.min(...[...tensors.values()].map(({ begin }) => begin)));
    originals.push({ bytes, metadata, tensors: [...tensors.values()], data, fields: fieldsOf(bytes) });
  }
  return (random, path) => {
    const original = pick(random, originals);
    const [bytes, what] = pick(random, [lie, lie, retell, retell, retell, harm])(random, original);
    const file = join(path, "model.gguf");
    writeFileSync(file, bytes);
    return {
      what: `${original.metadata.get("general.architecture")!.value}: ${what}`,
      async load() {
        const folder = join(path, "unpacked");
        await packed.unpack(file, folder);
        createModel(readConfig(folder), folder);
        const tokenizer = loadTokenizer(folder);
        for (const text of TEXTS) tokenizer.decode(tokenizer.encode(text));
        if (tokenizer.template) tokenizer.render([{ role: "user", content: "1" }], { generate: true });
      },
    };
  };
};

/** A number of the file, and its bytes. */
type Field = { at: number; size: 4 | 8; what: string };

/** Where the header has counts, lengths, types, dimensions and offsets. */
function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 4;
  const number = (size: 4 | 8, what: string) => {
    fields.push({ at, size, what });
    at += size;
    return Number(size === 4 ? bytes.readUInt32LE(at - 4) : bytes.readBigUInt64LE(at - 8));
  };
  const text = (what: string) => {
    const length = number(8, `the length of ${what}`);
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  number(4, "the version");
  const [tensors, keys] = [number(8, "the number of tensors"), number(8, "the number of keys")];
  for (let i = 0; i < keys; i++) {
    const key = text("a key");
    const type = TYPES[number(4, `the type of ${key}`)]!;
    const of = type === "array" ? TYPES[number(4, `the type of the elements of ${key}`)]! : type;
    const count = type === "array" ? number(8, `the number of elements of ${key}`) : 1;
    for (let n = 0; n < count; n++)
      if (of === "string") text(`an element of ${key}`);
      else {
        const [size] = SCALARS[of as "uint32"];
        if (size === 4 || size === 8) fields.push({ at, size, what: `an element of ${key}` });
        at += size;
      }
  }
  for (let i = 0; i < tensors; i++) {
    const name = text("a name");
    const dims = number(4, `the dimensions of ${name}`);
    for (let n = 0; n < dims; n++) number(8, `a dimension of ${name}`);
    number(4, `the type of ${name}`);
    number(8, `the offset of ${name}`);
  }
  return fields;
}

type Mutate = (random: Random, original: Original) => [Buffer, string];

const harm: Mutate = (random, { bytes, data }) =>
  damage(random, bytes, random.below(4) === 0 ? bytes.length : bytes.length - data.length);

/** One or two numbers of the header say something else. */
const lie: Mutate = (random, { bytes, fields }) => {
  const changed = Buffer.from(bytes);
  const done: string[] = [];
  for (let n = 1 + random.below(2); n > 0; n--) {
    const what = pick(random, [...new Set(fields.map(({ what }) => what))]);
    const { at, size } = pick(
      random,
      fields.filter((field) => field.what === what),
    );
    const old = size === 4 ? BigInt(bytes.readUInt32LE(at)) : bytes.readBigUInt64LE(at);
    const near = [old + 1n, old - 1n, old + 32n, old * 2n, BigInt(bytes.length), BigInt(random.below(48))];
    const value = BigInt.asUintN(64, pick(random, [...NUMBERS, ...near]));
    put(changed, at, size, value);
    done.push(`${value} for ${what}`);
  }
  return [changed, done.join(", ")];
};

/** A whole header whose keys or tensors are others. */
const retell: Mutate = (random, { metadata, tensors, data }) => {
  const keys = new Map(metadata);
  const list = [...tensors];
  const done: string[] = [];
  for (let n = 1 + random.below(3); n > 0; n--) {
    if (random.below(5) === 0) done.push(changeTensors(random, list));
    else {
      const key = pick(random, [...keys.keys()]);
      const value = changedValue(random, keys.get(key)!);
      if (value) keys.set(key, value);
      else keys.delete(key);
      done.push(
        `${key} ${value ? `is ${JSON.stringify(value, (_, x) => (typeof x === "bigint" ? `${x}` : x)).slice(0, 60)}` : "is missing"}`,
      );
    }
  }
  return [Buffer.concat([ggufHeader(keys, list), data]), done.join(", ")];
};

function changeTensors(random: Random, list: GgufTensor[]): string {
  const i = random.below(list.length);
  const tensor = list[i]!;
  const kinds: Record<string, () => void> = {
    removed: () => list.splice(i, 1),
    added: () => list.push({ ...tensor, name: `${tensor.name}.more` }),
    renamed: () => list.splice(i, 1, { ...tensor, name: pick(random, list).name }),
    reversed: () => list.reverse(),
    turned: () => list.splice(i, 1, { ...tensor, shape: [...tensor.shape].reverse() }),
    flattened: () => list.splice(i, 1, { ...tensor, shape: [tensor.shape.reduce((a, b) => a * b, 1)] }),
    empty: () => list.splice(i, 1, { ...tensor, shape: [0, ...tensor.shape.slice(1)] }),
    doubled: () => list.splice(i, 1, { ...tensor, shape: tensor.shape.map((dim) => 2 * dim) }),
    typed: () =>
      list.splice(i, 1, { ...tensor, type: pick(random, ["F16", "Q4_K", "Q6_K", "I8", "IQ1_S", "Q8_1", "F64"]) }),
  };
  const kind = pick(random, Object.keys(kinds));
  kinds[kind]!();
  return `${tensor.name} ${kind}`;
}

const FLOATS = [0, -0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e38, 1e-45, 0.5];
const INTEGERS = [0, 1, 2, 3, 7, 31, 39, 41, 255, 4095, 65_536, 2 ** 20, 2 ** 30, 2 ** 31 - 1];
const STRINGS = [
  "",
  "a",
  "a b",
  "▁",
  "▁▁▁▁▁▁▁▁",
  "<0x00>",
  "<0xFF>",
  "\u0000",
  "gpt2",
  "llama",
  "bert",
  "qwen2",
  "llama-bpe",
  "yarn",
];
const TEMPLATES = [
  "{% for i in range(10**9) %}x{% endfor %}",
  "{% set x = namespace(s='ab') %}{% for i in range(99) %}{% set x.s = x.s ~ x.s %}{% endfor %}",
  "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
  "{{ '('*99 ",
  `{{ ${"(".repeat(20_000)}`,
  " ".repeat(50_000),
  "{{ messages[9].content.split('').x.y }}{{ raise_exception('no') }}",
];
const long = (random: Random, text: string) => text.repeat(1 + random.below(20_000));

/** Another value of the same type, or of another one, or none. */
function changedValue(random: Random, value: MetadataValue): MetadataValue | undefined {
  const kind = random.below(8);
  if (kind === 0) return undefined;
  if (kind === 1)
    return pick(random, [
      { type: "string", value: pick(random, STRINGS) },
      { type: "bool", value: true },
      { type: "uint64", value: 2n ** 63n },
      { type: "float32", value: pick(random, FLOATS) },
      { type: "uint32", value: pick(random, INTEGERS) },
    ]);
  if (value.type === "string")
    return {
      type: "string",
      value: pick(random, [...STRINGS, ...TEMPLATES, long(random, "ab "), value.value.slice(0, -3)]),
    };
  if (value.type !== "array")
    return value.type === "float32" || value.type === "float64"
      ? { type: value.type, value: pick(random, FLOATS) }
      : value.type === "bool"
        ? { type: "bool", value: !value.value }
        : ({
            ...value,
            value: value.type.endsWith("64") ? BigInt(pick(random, INTEGERS)) : pick(random, INTEGERS) % 2 ** 31,
          } as MetadataValue);
  const list = Array.from(value.value as ArrayLike<unknown>);
  const i = random.below(list.length);
  const fresh = () => {
    if (value.of === "string") return pick(random, [...STRINGS, long(random, "▁a"), pick(random, list) ?? ""]);
    return value.of === "float32"
      ? pick(random, FLOATS)
      : value.of === "bool"
        ? false
        : pick(random, [...INTEGERS, 3, 4, 5, 6]);
  };
  const edit = random.below(6);
  if (edit === 0) list.splice(i);
  else if (edit === 1) list.splice(i, 1);
  else if (edit === 2) list.push(fresh());
  else if (edit === 3) list.reverse();
  else if (edit === 4) list.fill(fresh());
  else for (let n = 1 + random.below(4); n > 0; n--) list[random.below(list.length)] = fresh();
  return { ...value, value: list } as MetadataValue;
}
