import { existsSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as Implementation } from "@huggingface/tokenizers";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readJson, readText } from "../core/files.ts";
import type { Message } from "../core/trace.ts";
import { type ChatTemplate, chatTemplate } from "./chat-template.ts";

/** A tokenizer folder: tokenizer.json, tokenizer_config.json and, beside or in it, the chat template. */
export type Tokenizer = {
  readonly folder: string;
  /** Token ids of a text as it stands: no token is added. */
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
  /** The token's text, special or not. */
  token(id: number): string;
  /** Whether a token is one that stands for something beside text. */
  special(id: number): boolean;
  /** The token that a text must begin with, if the model was trained with one. */
  readonly bos: number | undefined;
  /** The token that ends a text. */
  readonly eos: number;
  /** The token with which the chat template ends a turn of the assistant; `eos` where it writes none, or there is none. */
  readonly endOfTurn: number;
  /** The tokens that end a completion: `eos` first, and `endOfTurn`. */
  readonly stops: readonly number[];
  /** One more than the largest id. */
  readonly size: number;
  /** Whether there is a chat template. */
  readonly conversational: boolean;
  /** The text of a conversation; with `generate`, up to where the assistant speaks. */
  render(messages: readonly Message[], options: { generate: boolean }): string;
};

const token = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const Config = z.looseObject({
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  add_bos_token: z.boolean().optional(),
  chat_template: z.string().optional(),
});

/** Files that belong to a tokenizer, and go along with a student. */
export const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];

export function loadTokenizer(folder: string): Tokenizer {
  const json = readJson(join(folder, "tokenizer.json"), "The tokenizer's tokenizer.json");
  const configPath = join(folder, "tokenizer_config.json");
  const parsed = Config.safeParse(readJson(configPath, "The tokenizer's tokenizer_config.json"));
  if (!parsed.success)
    throw new DistillError(
      `${configPath}: ${parsed.error.issues[0]!.path.join(".")}: ${parsed.error.issues[0]!.message}.`,
    );
  const config = parsed.data;
  let implementation: Implementation;
  try {
    implementation = new Implementation(json as object, { ...config });
  } catch (error) {
    throw new DistillError(
      `${join(folder, "tokenizer.json")} is not a tokenizer that can be read: ${(error as Error).message}.`,
    );
  }
  const id = (name: string, text: string | null | undefined): number | undefined => {
    const found = text ? implementation.token_to_id(text) : undefined;
    if (text && found === undefined)
      throw new DistillError(`${configPath} names the ${name} "${text}", which tokenizer.json does not have.`);
    return found;
  };
  const eos = id("eos_token", config.eos_token);
  if (eos === undefined)
    throw new DistillError(`${configPath} names no eos_token; a student that is never taught to stop does not stop.`);
  const templatePath = join(folder, "chat_template.jinja");
  const source =
    config.chat_template ?? (existsSync(templatePath) ? readText(templatePath, "The chat template") : undefined);
  let template: ChatTemplate | undefined;
  let endOfTurn: number | undefined;
  const added = implementation.get_added_tokens_decoder();
  return {
    folder,
    encode: (text) => (text === "" ? [] : implementation.encode(text, { add_special_tokens: false }).ids),
    decode: (ids) =>
      ids.length === 0
        ? ""
        : implementation.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    token: (index) => implementation.id_to_token(index) ?? `<${index}>`,
    special: (index) => added.get(index)?.special ?? false,
    bos:
      (config.add_bos_token ?? addsBos(implementation, config.bos_token))
        ? id("bos_token", config.bos_token)
        : undefined,
    eos,
    get endOfTurn() {
      endOfTurn ??= source ? endOfTurnOf(this) : eos;
      return endOfTurn;
    },
    get stops() {
      return [...new Set([eos, this.endOfTurn])];
    },
    conversational: source !== undefined,
    size: sizeOf(implementation),
    render(messages, { generate }) {
      if (!source)
        throw new DistillError(
          `${folder} has no chat template, and the dataset has messages. Give prompt and completion, or a template.`,
        );
      template ??= chatTemplate(source, `The chat template of ${folder}`, {
        bos: config.bos_token ?? "",
        eos: config.eos_token ?? "",
      });
      return template(messages, { generate });
    },
  };
}

/** What ends a completion, as generation_config.json has it: one token, or a list. */
export const eosTokenId = ({ stops }: Tokenizer): number | readonly number[] =>
  stops.length === 1 ? stops[0]! : stops;

/** The first special token that the template writes behind what the assistant said. */
function endOfTurnOf({ render, encode, special, bos, eos }: Tokenizer): number {
  const said = "something else";
  const turns = [
    { role: "user", content: "something" },
    { role: "assistant", content: said },
  ];
  const text = render(turns, { generate: false });
  const at = text.lastIndexOf(said);
  const behind = at < 0 ? [] : encode(text.slice(at + said.length));
  return behind.find((id) => special(id) && id !== bos) ?? eos;
}

function sizeOf(implementation: Implementation): number {
  let largest = -1; // a quarter of a million ids are too many for the arguments of Math.max
  for (const id of implementation.get_vocab(true).values()) largest = Math.max(largest, id);
  return largest + 1;
}

/** Whether the post-processor puts the BOS token in front. */
function addsBos(implementation: Implementation, bos: string | null | undefined): boolean {
  return Boolean(bos) && implementation.encode("a").tokens[0] === bos;
}
