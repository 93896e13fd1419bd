/** @file The tokenizer in a GGUF file as a Hugging Face folder: tokenizer.json and tokenizer_config.json. */

import { DistillError } from "../core/errors.ts";
import type { Metadata, MetadataValue } from "../formats/gguf.ts";
import { PRE_TOKENIZERS } from "./pre-tokenizers.ts";
import { sentencePieceTokenizer } from "./sentencepiece.ts";

/** llama.cpp's kinds of token. */
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;
const BYTE = 6;

export type Vocabulary = {
  tokens: readonly string[];
  /** Whether a token is one of the text's own, not one that stands for itself or for nothing. */
  ordinary(id: number): boolean;
  /** Whether a token stands for itself. */
  added(id: number): boolean;
  unknown: string | undefined;
};

/** The files of the tokenizer, by name. `path` names the GGUF file in errors. */
export function tokenizerFromGguf(metadata: Metadata, path: string): Record<string, string> {
  const refuse = (why: string): never => {
    throw new DistillError(`The tokenizer of ${path} cannot be read: ${why}.`);
  };
  const get = (key: string) => metadata.get(`tokenizer.${key}`);
  const text = (key: string) => textOf(get(key));
  const tokens = textsOf(get("ggml.tokens")) ?? refuse('it has no "tokenizer.ggml.tokens"');
  const types = numbersOf(get("ggml.token_type"));
  if (types && types.length !== tokens.length)
    refuse(`it has ${tokens.length} tokens, and types for ${types.length} of them`);
  const type = (id: number) => types?.[id] ?? 1;
  const special = (key: string): string | undefined => {
    const id = get(`ggml.${key}_token_id`);
    if (id === undefined) return undefined;
    const found = typeof id.value === "number" ? tokens[id.value] : undefined;
    return found ?? refuse(`its ${key} token is ${id.value}, and it has ${tokens.length} tokens`);
  };
  const flag = (key: string): boolean | undefined => {
    const value = get(`ggml.${key}`);
    return value?.type === "bool" ? value.value : undefined;
  };

  const [bos, eos, pad] = [special("bos"), special("eos"), special("padding")];
  const unknown = special("unknown");
  const added = (id: number) => type(id) === CONTROL || type(id) === USER_DEFINED;
  const added_tokens = tokens.flatMap((content, id) =>
    added(id)
      ? [
          {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: type(id) === CONTROL,
          },
        ]
      : [],
  );
  const vocabulary: Vocabulary = {
    tokens,
    ordinary: (id) => ![CONTROL, USER_DEFINED, UNUSED, BYTE].includes(type(id)),
    added,
    unknown,
  };
  const kind = text("ggml.model");
  const scores = numbersOf(get("ggml.scores"));
  const add_bos = flag("add_bos_token") ?? kind === "llama";
  const described =
    kind === "gpt2"
      ? byteLevel(vocabulary, text("ggml.pre") ?? "default", textsOf(get("ggml.merges")) ?? [], refuse)
      : kind === "llama"
        ? sentencePieceTokenizer(
            vocabulary,
            scores ?? refuse("it has no scores"),
            flag("add_space_prefix") ?? true,
            refuse,
          )
        : refuse(`its model is "${kind}". Expected gpt2 (byte-level BPE) or llama (SentencePiece)`);
  const start = add_bos && bos !== undefined ? bos : undefined;
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens,
    ...described,
    post_processor: start === undefined ? described.post_processor : beginsWith(start, tokens.indexOf(start)),
  };
  const template = text("chat_template");
  const config = {
    ...(bos !== undefined && { bos_token: bos }),
    ...(eos !== undefined && { eos_token: eos }),
    ...(pad !== undefined && { pad_token: pad }),
    ...(unknown !== undefined && { unk_token: unknown }),
    add_bos_token: start !== undefined,
    clean_up_tokenization_spaces: false,
    tokenizer_class: "PreTrainedTokenizerFast",
    ...(template !== undefined && { chat_template: template }),
  };
  return {
    "tokenizer.json": JSON.stringify(json),
    "tokenizer_config.json": `${JSON.stringify(config, null, 2)}\n`,
  };
}

/** Byte-level BPE, cut into words as llama.cpp does under that name. */
function byteLevel(
  { tokens, ordinary, added }: Vocabulary,
  pre: string,
  merges: readonly string[],
  refuse: (why: string) => never,
) {
  const known = Object.hasOwn(PRE_TOKENIZERS, pre) ? PRE_TOKENIZERS[pre] : undefined;
  if (!known)
    return refuse(`its pre-tokenizer is "${pre}". Expected one of: ${Object.keys(PRE_TOKENIZERS).join(", ")}`);
  const vocab = new Map(tokens.flatMap((token, id) => (ordinary(id) ? [[token, id] as const] : [])));
  for (const merge of merges) {
    const at = merge.indexOf(" ", 1);
    if (at < 0 || !vocab.has(merge.slice(0, at) + merge.slice(at + 1)))
      return refuse(`its merge "${merge}" makes no token`);
  }
  return {
    normalizer: known.normalizer ? { type: known.normalizer } : null,
    pre_tokenizer: known.json,
    post_processor: null as object | null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: known.ignore_merges ?? false,
      // Python's tokenizers numbers anew what is added and not in the vocabulary, whatever id it is given
      vocab: Object.fromEntries(tokens.flatMap((token, id) => (ordinary(id) || added(id) ? [[token, id]] : []))),
      merges,
    },
  };
}

/** Puts a token before every text. */
const beginsWith = (token: string, id: number) => ({
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [
    { SpecialToken: { id: token, type_id: 0 } },
    { Sequence: { id: "A", type_id: 0 } },
    { SpecialToken: { id: token, type_id: 1 } },
    { Sequence: { id: "B", type_id: 1 } },
  ],
  special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
});

const textOf = (value: MetadataValue | undefined) => (value?.type === "string" ? value.value : undefined);
const textsOf = (value: MetadataValue | undefined): readonly string[] | undefined =>
  value?.type === "array" && value.of === "string" ? value.value : undefined;
const numbersOf = (value: MetadataValue | undefined): ArrayLike<number> | undefined =>
  value?.type === "array" && (value.of === "int32" || value.of === "float32" || value.of === "uint32")
    ? value.value
    : undefined;
