/** @file Models in HF folders that lie: config.json, the index of shards, and safetensors files. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toBfloat16, toFloat16 } from "../../../src/formats/float16.ts";
import { safetensorsHeader } from "../../../src/formats/safetensors.ts";
import { createModel, initialWeights, loadWeights, type ModelConfig, readConfig } from "../../../src/models/load.ts";
import { saveWeights } from "../../../src/models/save.ts";
import { damage, NUMBERS, put } from "./bytes.ts";
import { mutateJson } from "./json.ts";
import { pick, type Target } from "./target.ts";

const COMMON = { vocab_size: 40, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 };
const CONFIGS: ModelConfig[] = [
  {
    model_type: "llama",
    ...COMMON,
    num_key_value_heads: 1,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
  },
  { model_type: "qwen2", ...COMMON, rope_scaling: { rope_type: "linear", factor: 4 }, tie_word_embeddings: true },
  { model_type: "qwen3", ...COMMON, head_dim: 8 },
  {
    model_type: "gemma3_text",
    ...COMMON,
    head_dim: 8,
    sliding_window: 4,
    layer_types: ["full_attention"],
    rope_parameters: { full_attention: { rope_type: "default", rope_theta: 1e6 } },
  },
];
const TYPES = { F32: undefined, F16: toFloat16, BF16: toBfloat16 };
const STRANGE = [
  [0, 2 ** 52],
  [8, 4],
  [-4, 4],
  [4, 0],
  [2 ** 40, 2 ** 40],
  "F64",
  "U8",
  "F8_E4M3",
  "BOOL",
  "I64",
  [1, 16, 1],
];

type Folder = { files: Record<string, Buffer>; config: ModelConfig };

export const target: Target = async (folder) => {
  const folders: Folder[] = [];
  for (const [i, config] of CONFIGS.entries()) {
    const whole = join(folder, `${i}`);
    const weights = new Map([...initialWeights(createModel(config, ""), i)].map((weight) => [weight.name, weight]));
    const read = async (name: string) => weights.get(name)!.data;
    for (const [name, limit] of [
      ["whole", Number.POSITIVE_INFINITY],
      ["shards", 2048],
    ] as const) {
      mkdirSync(join(whole, name), { recursive: true });
      await saveWeights(join(whole, name), [...weights.values()], read, limit);
    }
    const shards = Object.values(
      JSON.parse(readFileSync(join(whole, "shards", "model.safetensors.index.json"), "utf8")).weight_map as Record<
        string,
        string
      >,
    );
    const filesOf = (name: string, names: readonly string[]) =>
      Object.fromEntries([...new Set(names)].map((file) => [file, readFileSync(join(whole, name, file))]));
    folders.push({ config, files: filesOf("shards", ["model.safetensors.index.json", ...shards]) });
    for (const [dtype, round] of Object.entries(TYPES)) {
      if (!round) folders.push({ config, files: filesOf("whole", ["model.safetensors"]) });
      else {
        const all = [...weights.values()].map(({ name, shape }) => ({ name, shape, dtype: dtype as "F16" }));
        const data = [...weights.values()].map(({ data }) => Buffer.from(Uint16Array.from(data, round).buffer));
        folders.push({ config, files: { "model.safetensors": Buffer.concat([safetensorsHeader(all), ...data]) } });
      }
    }
  }
  return (random, path) => {
    const { config, files } = pick(random, folders);
    const name = pick(random, Object.keys(files));
    const bytes = files[name]!;
    let configText = JSON.stringify(config);
    let [changed, what]: [Buffer, string] = [bytes, ""];
    const header = name.endsWith(".safetensors") ? 8 + Number(bytes.readBigUInt64LE(0)) : bytes.length;
    const kind = random.below(10);
    if (kind < 2) {
      [configText, what] = mutateJson(random, config, ["llama", "qwen2", "gemma3_text", "yarn", 7, 2 ** 31]);
      what = `config.json: ${what}`;
    } else if (kind < 4) [changed, what] = damage(random, bytes, random.below(3) === 0 ? bytes.length : header);
    else if (name.endsWith(".json")) {
      const [text, change] = mutateJson(random, JSON.parse(bytes.toString()), Object.keys(files));
      [changed, what] = [Buffer.from(text), change];
    } else if (kind === 4) {
      changed = Buffer.from(bytes);
      const length = pick(random, [...NUMBERS, BigInt(header - 8 + random.below(64) - 32), BigInt(bytes.length - 8)]);
      put(changed, 0, 8, length);
      what = `a header of ${length} bytes`;
    } else {
      const [text, change] = mutateJson(random, JSON.parse(bytes.subarray(8, header).toString()), STRANGE);
      const json = Buffer.from(text);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(json.length));
      [changed, what] = [Buffer.concat([length, json, bytes.subarray(header)]), change];
    }
    writeFileSync(join(path, "config.json"), configText);
    for (const [file, content] of Object.entries(files))
      writeFileSync(join(path, file), file === name ? changed : content);
    return {
      what: `${config.model_type}, ${name}: ${what}`,
      load() {
        const model = createModel(readConfig(path), join(path, "config.json"));
        let count = 0;
        for (const { data } of loadWeights(path, model)) count += data.length;
        return count;
      },
    };
  };
};
