/** @file The models that are exported: a small random one of each family, whose stop tokens are ones that it says, and a trained one. */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import * as families from "../../src/models/index.ts";
import type { ModelConfig } from "../../src/models/load.ts";
import { writeModel } from "../support/models.ts";

export type Student = { name: string; folder: string; texts: string[]; max_new_tokens: number };

const TEXTS = ["12*34+5=?", "98*76-543=?", "7*8"];

const { cases } = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  cases: Record<string, { config: ModelConfig }>;
};

/** Rows of two blocks of every quantisation. */
const SIZES = { hidden_size: 64, head_dim: 16, intermediate_size: 128, initializer_range: 0.3 };

export async function students(place: string): Promise<Student[]> {
  const made: Student[] = [];
  for (const type of Object.keys(families)) {
    const config = Object.values(cases).find(({ config }) => config.model_type === type)!.config;
    const folder = await writeModel(join(place, type), { ...config, ...SIZES } as ModelConfig);
    await giveStops(folder);
    made.push({ name: type, folder, texts: TEXTS, max_new_tokens: 10 });
  }
  const trained = join(place, "trained");
  cpSync("data/models/stories-base", trained, { recursive: true });
  const { prompt } = JSON.parse(readFileSync("data/stories/test.jsonl", "utf8").split("\n")[0]!);
  const text = loadTokenizer(trained).render([{ role: "user", content: prompt }], { generate: true });
  made.push({ name: "trained", folder: trained, texts: [text], max_new_tokens: 24 });
  return made;
}

/** Let the tokens that it says fourth to two of the texts end texts: one as eos_token, one as what ends a turn. */
async function giveStops(folder: string): Promise<void> {
  const tokenizer = loadTokenizer(folder);
  const runner = await openReferenceRunner(folder);
  const prompts = TEXTS.map((text) => tokenizer.encode(text));
  const said = await runner.continueGreedily(prompts, { stops: [], max_completion_length: 8 });
  await runner.close();
  const eos = said[0]!.completion[3]!;
  const turn =
    [...said]
      .reverse()
      .flatMap(({ completion }) => completion.slice(2))
      .find((id) => id !== eos) ?? eos + 1;
  const edit = (name: string, change: (json: Record<string, unknown>) => object) => {
    const path = join(folder, name);
    const json = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...json, ...change(json) }));
  };
  const special = [eos, turn].map((id) => ({
    id,
    content: tokenizer.token(id),
    special: true,
    lstrip: false,
    rstrip: false,
    single_word: false,
    normalized: false,
  }));
  edit("tokenizer.json", ({ added_tokens }) => ({
    added_tokens: [...(added_tokens as { id: number }[]).filter(({ id }) => id !== eos && id !== turn), ...special],
  }));
  edit("tokenizer_config.json", () => ({
    eos_token: tokenizer.token(eos),
    chat_template: `{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}${tokenizer.token(turn)}{% endif %}{% endfor %}`,
  }));
  const { stops } = loadTokenizer(folder);
  edit("config.json", () => ({ eos_token_id: eos }));
  writeFileSync(join(folder, "generation_config.json"), JSON.stringify({ eos_token_id: stops }));
}
