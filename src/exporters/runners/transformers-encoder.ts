import { dirname, resolve } from "node:path";
import { DistillError, reasonOf } from "../../core/errors.ts";
import type { TextEncoder } from "./runner.ts";

/** The folder of the tokenizer beside an ONNX file: the one that its folder is in. */
export const tokenizerFolder = (path: string): string => resolve(dirname(dirname(path)));

/** What transformers.js makes of texts, by the tokenizer beside an ONNX file. */
export async function openTransformersEncoder(path: string): Promise<TextEncoder> {
  const { AutoTokenizer } = await import("@huggingface/transformers"); // slow to load
  const folder = tokenizerFolder(path);
  const tokenizer = await AutoTokenizer.from_pretrained(folder, { local_files_only: true }).catch((error: Error) => {
    throw new DistillError(
      `transformers.js cannot open the tokenizer in ${folder}: ${reasonOf(error)}. If it was moved, cut or damaged, export again.`,
      { cause: error },
    );
  });
  const encode = (text: string, add_special_tokens: boolean) =>
    text === "" && !add_special_tokens ? [] : tokenizer.encode(text, { add_special_tokens });
  const [first, second] = [encode("a", true), encode("a", false)];
  return {
    encode: (text) => encode(text, false),
    bos: first.length > second.length ? first[0] : undefined,
    close: async () => {},
  };
}
