import { existsSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as Implementation } from "@huggingface/tokenizers";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readJson, UNTRUSTED_BYTES } from "../core/reading.ts";
import { withinTime } from "../core/time-limit.ts";
import { type ChatTemplate, chatTemplate } from "./chat-template.ts";
import {
  ConfiguredTemplate,
  TEMPLATE_FILE,
  type TemplateVariables,
  templateIn,
  withVariables,
} from "./template-files.ts";
import { templateText } from "./templates.ts";
import { checkTokenizer } from "./tokenizer-json.ts";
import type { Turn } from "./turns.ts";

/** A tokenizer folder: tokenizer.json, tokenizer_config.json and, beside or in it, the chat template. */
export type Tokenizer = {
  readonly folder: string;
  /** Token ids of a text as it stands: no token is added. */
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
  /** The token's text, special or not. */
  token(id: number): string;
  /** Whether an id is a token's. */
  has(id: number): boolean;
  /** Whether a token is one that stands for something beside text. */
  special(id: number): boolean;
  /** The token that a text must begin with, if the model was trained with one. */
  readonly bos: number | undefined;
  /** The token that ends a text. */
  readonly eos: number;
  /** How chat templates write the tokens that begin and end a text. */
  readonly written: { readonly bos: string; readonly eos: string };
  /** The Jinja text of the chat template, if there is one. */
  readonly template: string | undefined;
  /** The token with which the chat template ends a turn of the assistant; `eos` where it writes none, or there is none. */
  readonly endOfTurn: number;
  /** The tokens that end a completion: `eos` first, and `endOfTurn`. */
  readonly stops: readonly number[];
  /** One more than the largest id. */
  readonly size: number;
  /** The texts of tokens that are found in a text as they stand. */
  readonly added: readonly string[];
  /** The first special token that a text holds, by its text. */
  mentions(text: string): string | undefined;
  /** The text of a conversation; with `generate`, up to where the assistant speaks. */
  render(messages: readonly Turn[], options: { generate: boolean; tools?: readonly unknown[] | undefined }): string;
};

/** How prompts are rendered, where that is not how the tokenizer's own template does it. */
export type Rendering = {
  /** By name, or as a Jinja text. */
  chat_template?: string | undefined;
  chat_template_kwargs?: TemplateVariables | undefined;
};

const token = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const Config = z.looseObject({
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  add_bos_token: z.boolean().optional(),
  chat_template: ConfiguredTemplate,
});

const Named = Config.pick({ bos_token: true, eos_token: true });

/** The special tokens that a file names, where it is there and names some. */
function namesIn(path: string): z.output<typeof Named> {
  const read = existsSync(path) ? Named.safeParse(readJson(path, "The special tokens", UNTRUSTED_BYTES)) : undefined;
  return read?.success ? read.data : {};
}

/** Files that belong to a tokenizer, and go along with a student. */
export const TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", TEMPLATE_FILE];

/** The tokenizer in a folder; `called` is what sentences about its chat template call it. */
export function loadTokenizer(folder: string, called = folder, rendering: Rendering = {}): Tokenizer {
  const path = join(folder, "tokenizer.json");
  const configPath = join(folder, "tokenizer_config.json");
  const refuse = (why: string): never => {
    throw new DistillError(`${path} is not a tokenizer that can be read: ${why}.`);
  };
  const { json, known } = checkTokenizer(readJson(path, "The tokenizer's tokenizer.json", UNTRUSTED_BYTES), refuse);
  const parsed = Config.safeParse(readJson(configPath, "The tokenizer's tokenizer_config.json", UNTRUSTED_BYTES));
  if (!parsed.success)
    throw new DistillError(
      `${configPath}: ${parsed.error.issues[0]!.path.join(".")}: ${parsed.error.issues[0]!.message}.`,
    );
  // where it was written before one file said it all
  const named = namesIn(join(folder, "special_tokens_map.json"));
  const config = {
    ...parsed.data,
    bos_token: parsed.data.bos_token ?? named.bos_token,
    eos_token: parsed.data.eos_token ?? named.eos_token,
  };
  let implementation: Implementation;
  try {
    // what it calls special tokens is asked for nowhere, and costs the square of their number
    implementation = new Implementation(json, { ...config, additional_special_tokens: [] });
  } catch (error) {
    return refuse((error as Error).message);
  }
  const encode = (text: string, add_special_tokens = false) => {
    const call = () => implementation.encode(text, { add_special_tokens });
    try {
      const found = known ? { value: call() } : withinTime(1000 + text.length / 100, call);
      if (!found) return refuse(`its regular expressions take too long for a text of ${text.length} characters`);
      if (!found.value.ids.every(Number.isInteger))
        refuse("it has neither a token nor an unk_token for a part of a text");
      return found.value;
    } catch (error) {
      if (error instanceof DistillError) throw error;
      return refuse((error as Error).message);
    }
  };
  const id = (name: string, text: string | null | undefined): number | undefined => {
    const found = text ? implementation.token_to_id(text) : undefined;
    if (text && found === undefined)
      throw new DistillError(`${configPath} names the ${name} "${text}", which tokenizer.json does not have.`);
    return found;
  };
  const eos = id("eos_token", config.eos_token);
  if (eos === undefined)
    throw new DistillError(
      `${configPath} names no eos_token; a student that is never taught to stop does not stop. Name the token that ends a text there.`,
    );
  const source = templateOf(folder, config.chat_template, rendering, otherTokens(config));
  let template: ChatTemplate | undefined;
  const written = { bos: config.bos_token ?? "", eos: config.eos_token ?? "" };
  let endOfTurn: number | undefined;
  const added = implementation.get_added_tokens_decoder();
  let specials: string[] | undefined;
  return {
    folder,
    encode: (text) => (text === "" ? [] : encode(text).ids),
    decode(ids) {
      const known = ids.filter((id) => implementation.id_to_token(id) !== undefined); // a model may have more rows
      const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
      return known.length === 0 ? "" : implementation.decode(known, options);
    },
    token: (index) => implementation.id_to_token(index) ?? `<${index}>`,
    has: (index) => implementation.id_to_token(index) !== undefined,
    special: (index) => added.get(index)?.special ?? false,
    added: [...added.values()].map(({ content }) => content),
    mentions(text) {
      specials ??= [...added.values()].flatMap(({ special, content }) => (special ? [content] : []));
      return specials.find((content) => text.includes(content));
    },
    bos:
      (config.add_bos_token ?? (config.bos_token ? encode("a", true).tokens[0] === config.bos_token : false))
        ? id("bos_token", config.bos_token)
        : undefined,
    eos,
    written,
    template: source,
    get endOfTurn() {
      endOfTurn ??= source ? endOfTurnOf(this) : eos;
      return endOfTurn;
    },
    get stops() {
      return [...new Set([eos, this.endOfTurn])];
    },
    size: sizeOf(implementation),
    render(messages, options) {
      if (!source)
        throw new DistillError(
          `${called} has no chat template, and the dataset has messages. Give prompt and completion, or a template.`,
        );
      template ??= chatTemplate(source, `The chat template of ${called}`, written);
      return template(messages, options);
    },
  };
}

function templateOf(
  folder: string,
  configured: z.output<typeof ConfiguredTemplate>,
  { chat_template, chat_template_kwargs = {} }: Rendering,
  tokens: Record<string, string>,
): string | undefined {
  const source = chat_template === undefined ? templateIn(folder, configured) : templateText(chat_template);
  if (source === undefined && Object.keys(chat_template_kwargs).length > 0)
    throw new DistillError(
      `chat_template_kwargs are for a chat template, and ${folder} has none. Leave them out, or give chat_template.`,
    );
  if (!source) return source;
  // what transformers gives to a template beside its messages, where the template reads it
  const named = Object.entries(tokens).filter(([name]) => new RegExp(`\\b${name}\\b`).test(source));
  return withVariables(source, { ...Object.fromEntries(named), ...chat_template_kwargs });
}

/** The texts of a config's special tokens by their names, of those that begin and end texts none. */
function otherTokens(config: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([name, value]) => {
      const text = token.safeParse(value);
      const own = /^[a-z]\w*_token$/.test(name) && name !== "bos_token" && name !== "eos_token";
      return own && text.success ? [[name, text.data]] : [];
    }),
  );
}

/** What ends a completion, as generation_config.json has it: one token, or a list. */
export const eosTokenId = ({ stops }: Tokenizer): number | readonly number[] =>
  stops.length === 1 ? stops[0]! : stops;

/**
 * The first special token that the template writes behind what the assistant said, or, where several stand there, `eos` if it
 * is one of them: <|END_RESPONSE|><|END_OF_TURN_TOKEN|>.
 */
function endOfTurnOf({ render, encode, special, bos, eos }: Tokenizer): number {
  const said = "something else";
  const turns = [
    { role: "user", content: "something" },
    { role: "assistant", content: said },
  ];
  const text = render(turns, { generate: false });
  const at = text.lastIndexOf(said);
  const behind = at < 0 ? [] : encode(text.slice(at + said.length));
  const ends = (id: number) => special(id) && id !== bos;
  const first = behind.findIndex(ends);
  if (first < 0) return eos;
  const other = behind.findIndex((id, i) => i > first && !ends(id));
  return behind.slice(first, other < 0 ? undefined : other).includes(eos) ? eos : behind[first]!;
}

function sizeOf(implementation: Implementation): number {
  let largest = -1; // a quarter of a million ids are too many for the arguments of Math.max
  for (const id of implementation.get_vocab(true).values()) largest = Math.max(largest, id);
  return largest + 1;
}
