import { dirname, resolve } from "node:path";
import type { TextEncoder } from "./runner.ts";

/** The folder of the tokenizer beside an ONNX file: the one that its folder is in. */
export const tokenizerFolder = (path: string): string => resolve(dirname(dirname(path)));

/** What transformers.js makes of texts, by the tokenizer beside an ONNX file. */
export async function openTransformersEncoder(path: string): Promise<TextEncoder> {
  const { AutoTokenizer } = await import("@huggingface/transformers"); // slow to load
  const tokenizer = await AutoTokenizer.from_pretrained(tokenizerFolder(path), { local_files_only: true });
  const encode = (text: string, add_special_tokens: boolean) =>
    text === "" && !add_special_tokens ? [] : tokenizer.encode(text, { add_special_tokens });
  const [first, second] = [encode("a", true), encode("a", false)];
  return {
    encode: (text) => encode(text, false),
    bos: first.length > second.length ? first[0] : undefined,
    close: async () => {},
  };
}
