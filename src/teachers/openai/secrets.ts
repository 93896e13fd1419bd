/** @file Keys: read from the environment, sent, and written nowhere. */

import { DistillError } from "../../core/errors.ts";
import type { Options } from "./options.ts";

export type Place = { url: string; headers: Record<string, string> };

/** The servers that options name, with the header fields that are sent to each; and what hides the secrets among them. */
export function placesOf({ base_url, api_key_env, headers }: Options): { places: Place[]; mask: Mask } {
  const secrets = new Set<string>();
  const secretIn = (name: string, what: string): string => {
    const value = process.env[name]?.trim();
    if (!value)
      throw new DistillError(
        `The environment has no ${name}, which the recipe names as ${what}. Set it: export ${name}=…`,
      );
    if (/[^\x21-\x7e]/.test(value))
      throw new DistillError(`The environment variable ${name} holds blanks or characters that no ${what} has.`);
    secrets.add(value);
    return value;
  };
  const fields = (given: Options["headers"]) =>
    Object.fromEntries(
      Object.entries(given).map(([field, value]) => [
        field.toLowerCase(),
        typeof value === "string" ? value : secretIn(value.env, `the header ${field}`),
      ]),
    );
  const places = (Array.isArray(base_url) ? base_url : [base_url]).map((given): Place => {
    const own = typeof given === "string" ? { url: given } : given;
    const key = own.api_key_env ?? api_key_env;
    return {
      url: own.url,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(key === undefined ? {} : { authorization: `Bearer ${secretIn(key, "the server's key")}` }),
        ...fields(headers),
        ...fields(own.headers ?? {}),
      },
    };
  });
  return { places, mask: maskOf([...secrets]) };
}

/** Hides secrets in what servers say, who like to repeat them. */
export type Mask = { text(said: string): string; bytes(said: Uint8Array): Uint8Array };

const HIDDEN = "[key]";

export function maskOf(secrets: readonly string[]): Mask {
  // as they are, and as JSON and addresses write them
  const forms = [
    ...new Set(secrets.flatMap((one) => [one, JSON.stringify(one).slice(1, -1), encodeURIComponent(one)])),
  ];
  const text = (said: string) => forms.reduce((rest, form) => rest.replaceAll(form, HIDDEN), said);
  return {
    text,
    bytes(said) {
      const buffer = Buffer.from(said.buffer, said.byteOffset, said.length);
      if (!forms.some((form) => buffer.includes(form))) return said;
      return Buffer.from(text(buffer.toString("latin1")), "latin1");
    },
  };
}
