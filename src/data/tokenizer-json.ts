/** @file What a tokenizer.json may hold. The library trusts its file: what would make it hang or grow is refused before. */

import { NUMBERS, WORDS } from "./pre-tokenizers.ts";
import { asPython } from "./python-pre-tokenizer.ts";

/** More than any vocabulary has, and few enough for a list of all ids up to the largest. */
const ID_LIMIT = 1 << 22;
/** UTF-16 units of a token, a pattern or what takes its place. */
const TEXT_LIMIT = 4096;
const ADDED_LIMIT = 1 << 17;
/** Parts of a normalizer, a pre-tokenizer, a post-processor or a decoder, and how deep they lie in each other. */
const PARTS_LIMIT = 64;
const DEPTH_LIMIT = 8;
/** How many times its own length a text may have before words are looked up. */
const GROWTH_LIMIT = 512;

type Json = Record<string, unknown>;

/** What is known of a tokenizer.json that was let through. */
export type Checked = {
  json: object;
  /** Whether its regular expressions are ones that never backtrack for long. */
  known: boolean;
};

/** A tokenizer.json that the library reads in bounded time and memory; `refuse` throws the sentence that says why not. */
export function checkTokenizer(json: unknown, refuse: (why: string) => never): Checked {
  const object = (value: unknown, what: string): Json =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Json)
      : refuse(`its ${what} is no object`);
  const { added_tokens, model, ...parts } = object(json, "content");
  const size = checkAdded(added_tokens, object, refuse);
  const type = checkModel(object(model, "model"), size, refuse);

  let known = true;
  const growth = (name: "normalizer" | "pre_tokenizer" | "post_processor" | "decoder"): number => {
    let count = 0;
    const visit = (value: unknown, depth: number): number => {
      if (++count > PARTS_LIMIT || depth > DEPTH_LIMIT) refuse(`its ${name} has too many parts`);
      const part = object(value, name);
      const inner = part[LISTS[name]];
      if (part.type !== "Sequence") {
        if (part.type === "FixedLength" && !(Number.isInteger(part.length) && (part.length as number) > 0))
          refuse(`its ${name} cuts words of ${part.length} characters`);
        const regex = patternOf(part)?.Regex;
        if (regex !== undefined && !KNOWN.has(regex)) known = false;
        return growthOf(part, name, refuse);
      }
      if (!Array.isArray(inner)) return refuse(`its ${name} is a Sequence without ${LISTS[name]}`);
      return inner.reduce((product: number, part) => product * visit(part, depth + 1), 1);
    };
    const value = parts[name];
    return value === null || value === undefined ? 1 : visit(value, 0);
  };
  const total = growth("normalizer") * growth("pre_tokenizer") * growth("post_processor");
  for (const times of [total, growth("decoder")])
    if (!(times <= GROWTH_LIMIT)) refuse(`it can make a text ${times} times as long`);
  const pre_tokenizer = parts.pre_tokenizer === undefined ? {} : { pre_tokenizer: asPython(parts.pre_tokenizer) };
  return { json: { ...(json as Json), ...pre_tokenizer, model: { ...(model as Json), type } }, known };
}

const LISTS = {
  normalizer: "normalizers",
  pre_tokenizer: "pretokenizers",
  post_processor: "processors",
  decoder: "decoders",
} as const;

const KNOWN: ReadonlySet<string> = new Set(Object.values({ ...WORDS, ...NUMBERS }));

type ToObject = (value: unknown, what: string) => Json;

function checkAdded(added: unknown, object: ToObject, refuse: (why: string) => never): number {
  if (!Array.isArray(added)) return refuse("its added_tokens are no list");
  if (added.length > ADDED_LIMIT) refuse(`it has ${added.length} added_tokens; at most ${ADDED_LIMIT} are read`);
  for (const [i, value] of added.entries()) {
    const { content, id } = object(value, `added_tokens.${i}`);
    if (typeof content !== "string" || content === "" || content.length > TEXT_LIMIT)
      refuse(`its added_tokens.${i} has no content of 1 to ${TEXT_LIMIT} characters`);
    checkId(id, content as string, refuse);
  }
  return added.length;
}

function checkId(id: unknown, token: string, refuse: (why: string) => never): void {
  if (!(Number.isInteger(id) && (id as number) >= 0 && (id as number) < ID_LIMIT))
    refuse(`its token "${token}" has the id ${JSON.stringify(id)}, expected a number from 0 to ${ID_LIMIT - 1}`);
}

/** The model's type; files of 2020 leave it out. */
function checkModel(model: Json, added: number, refuse: (why: string) => never): string {
  const type = model.type ?? (Array.isArray(model.merges) ? "BPE" : undefined);
  if (type === "Unigram") {
    checkPieces(model, refuse);
    return type;
  }
  if (type !== "BPE" && type !== "WordPiece")
    return refuse(`its model is ${JSON.stringify(type)}, expected BPE, Unigram or WordPiece`);
  const { vocab } = model;
  if (typeof vocab !== "object" || vocab === null || Array.isArray(vocab)) return refuse("its vocab is no object");
  const entries = Object.entries(vocab);
  if (entries.length + added === 0) refuse("it has no tokens");
  for (const [token, id] of entries) {
    if (token.length > TEXT_LIMIT) refuse(`one of its tokens has ${token.length} characters`);
    checkId(id, token, refuse);
  }
  if (type === "BPE") checkMerges(model, vocab as Record<string, number>, refuse);
  else if (!((model.max_input_chars_per_word ?? 100) as number) || (model.max_input_chars_per_word as number) > 512)
    refuse(`its words have up to ${model.max_input_chars_per_word} characters`);
  return type;
}

/** A merge of what is no token, or into what is no token, would lose text; Python's library refuses it too. */
function checkMerges({ merges, ...model }: Json, vocab: Record<string, number>, refuse: (why: string) => never): void {
  if (!Array.isArray(merges)) refuse("its merges are no list");
  if (model.continuing_subword_prefix) refuse("it has a continuing_subword_prefix");
  for (const key of ["end_of_word_suffix", "continuing_subword_suffix", "unk_token"])
    if (typeof (model[key] ?? "") !== "string" || String(model[key]).length > TEXT_LIMIT)
      refuse(`its ${key} is no text`);
  const paired = Array.isArray(merges[0]);
  for (const merge of merges) {
    const pair: unknown = paired ? merge : typeof merge === "string" ? merge.split(" ") : undefined;
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((token) => typeof token === "string"))
      refuse(`one of its merges is ${JSON.stringify(merge)}, expected two tokens`);
    const [left, right] = pair as [string, string];
    for (const token of [left, right, left + right])
      if (!Object.hasOwn(vocab, token)) refuse(`its merges speak of "${token}", which is no token`);
  }
}

function checkPieces({ vocab, unk_id }: Json, refuse: (why: string) => never): void {
  if (!Array.isArray(vocab) || vocab.length === 0) refuse("its vocab is no list of tokens");
  if (vocab.length > ID_LIMIT) refuse(`it has ${vocab.length} tokens; at most ${ID_LIMIT} are read`);
  for (const [i, entry] of vocab.entries()) {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token !== "string" || token.length > TEXT_LIMIT) refuse(`its vocab.${i} is no token`);
    if (!Number.isFinite(score)) refuse(`its token "${token}" has the score ${JSON.stringify(score)}`);
  }
  if (!(Number.isInteger(unk_id) && (unk_id as number) >= 0 && (unk_id as number) < vocab.length))
    refuse(`its unk_id is ${JSON.stringify(unk_id)}, and it has ${vocab.length} tokens`);
}

const patternOf = ({ pattern }: Json) => pattern as { Regex?: string; String?: string } | undefined;

/** What Unicode's normal forms and cases, and bytes spelled as characters, at most make of one UTF-16 unit. */
const GROWTH: Record<string, number> = {
  NFC: 3,
  NFD: 4,
  NFKC: 18,
  NFKD: 18,
  Precompiled: 18,
  Lowercase: 3,
  BertNormalizer: 12,
  ByteLevel: 4,
  BPEDecoder: 2,
};

/** How many times longer one part can make a text. */
function growthOf(part: Json, name: string, refuse: (why: string) => never): number {
  const text = (value: unknown, what: string): string => {
    if (value !== undefined && (typeof value !== "string" || value.length > TEXT_LIMIT))
      refuse(`the ${what} of its ${name} is no text of at most ${TEXT_LIMIT} characters`);
    return (value ?? "") as string;
  };
  const { type } = part;
  if (name === "post_processor")
    return Math.max(sequencesOf(part.single, name, refuse), sequencesOf(part.pair, name, refuse));
  if (type === "Prepend") return 1 + text(part.prepend, "prepend").length;
  if (type === "Metaspace")
    return 1 + Math.max(text(part.replacement, "replacement").length, text(part.str_rep, "str_rep").length);
  if (type === "Replace" || type === "Split") {
    const pattern = patternOf(part);
    const [regex, string] = [text(pattern?.Regex, "pattern"), text(pattern?.String, "pattern")];
    if (regex === "" && pattern?.String === undefined) refuse(`its ${name} has no pattern`);
    if (type === "Split") return 1;
    return Math.max(1, Math.ceil(text(part.content, "content").length / Math.max(1, string.length)) + (string ? 0 : 1));
  }
  return name === "decoder" && type === "ByteLevel" ? 1 : (GROWTH[type as string] ?? 1);
}

/** How often a template repeats the text. */
function sequencesOf(template: unknown, name: string, refuse: (why: string) => never): number {
  if (template === undefined) return 1;
  if (!Array.isArray(template) || template.length > PARTS_LIMIT) return refuse(`its ${name} is no list of a few parts`);
  return Math.max(1, template.filter((part) => part?.Sequence !== undefined).length);
}
