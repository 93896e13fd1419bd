/** @file What each program is asked for, and what it answers. */

/** An exported file, and texts that it continues greedily. */
export type Asked = {
  /** The file. */
  path: string;
  /** transformers.js's name of its precision, or llama.cpp's. */
  dtype: string;
  /** The folder that transformers.js loads, or the one with tokenizer.json. */
  folder: string;
  texts: readonly string[];
  /** Texts that it encodes alone. */
  encode: readonly string[];
  max_new_tokens: number;
};

/**
 * The tokens of each text, and of those that are encoded alone behind them, where the program has a tokenizer; of each text
 * its continuation with the token that ended it.
 */
export type Answer = { encoded?: number[][]; continued: number[][] } | { error: string };

/** A program of one version: it answers each, in order; or a sentence that says why it is not there. */
export type Program = {
  name: string;
  version: string;
  /** Which of the two kinds of files it runs. */
  format: "onnx" | "gguf";
  /** The precisions that it has no kernels for, each with the reason. */
  lacks?: Record<string, string>;
  /** The families that it knows; all unless given. */
  knows?: readonly string[];
  /** Whether it ends a text by itself. */
  stops: boolean;
  answer(asked: readonly Asked[]): Promise<Answer[] | string>;
};
