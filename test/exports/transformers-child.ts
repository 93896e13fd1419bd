/** @file Continues texts with the transformers.js of a folder: `<entry of the package> <job.json> <answers.json>`. */

import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Answer, Asked } from "./job.ts";

const [entry, job, out] = process.argv.slice(2) as [string, string, string];
type Module = typeof import("@huggingface/transformers");
const module = (await import(pathToFileURL(entry).href)) as Module & { default?: Module };
const { AutoModelForCausalLM, AutoTokenizer, env } = module.env ? module : module.default!; // of CommonJS
env.allowRemoteModels = false;

async function answer({ folder, dtype, texts, encode, max_new_tokens }: Asked): Promise<Answer> {
  try {
    env.localModelPath = `${dirname(folder)}/`;
    const name = basename(folder);
    const tokenizer = await AutoTokenizer.from_pretrained(name, { local_files_only: true });
    const model = await AutoModelForCausalLM.from_pretrained(name, { dtype: dtype as "fp32", local_files_only: true });
    const ids = (text: string) => {
      const inputs = tokenizer(text, { add_special_tokens: false });
      return { inputs, ids: (inputs.input_ids.tolist() as bigint[][])[0]!.map(Number) };
    };
    const encoded = [...texts, ...encode].map((text) => (text === "" ? [] : ids(text).ids));
    const continued: number[][] = [];
    for (const [i, text] of texts.entries()) {
      const output = (await model.generate({ ...ids(text).inputs, max_new_tokens, do_sample: false })) as {
        tolist(): bigint[][];
      };
      continued.push(output.tolist()[0]!.slice(encoded[i]!.length).map(Number));
    }
    await model.dispose();
    return { encoded, continued };
  } catch (error) {
    return { error: (error as Error).message.split("\n")[0]!.slice(-200) };
  }
}

const answers: Answer[] = [];
for (const asked of JSON.parse(readFileSync(job, "utf8")) as Asked[]) answers.push(await answer(asked));
writeFileSync(out, JSON.stringify(answers));
process.exit(0);
