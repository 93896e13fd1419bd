/** @file What a YAML file says, before any of it is checked. */

import { resolve } from "node:path";
import { parse, YAMLParseError } from "yaml";
import { DistillError } from "../core/errors.ts";
import { readText } from "../core/reading.ts";
import { withPaths } from "./places.ts";

/** The keys of a YAML file, with overrides applied. A path in an override is relative to the folder where the command runs. */
export function readKeys(path: string, overrides: readonly string[] = []): Record<string, unknown> {
  const raw = readYaml(path, "Recipe");
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    throw new DistillError(`${path} is not a recipe: expected keys and values.`);
  for (const override of overrides) applyOverride(raw as Record<string, unknown>, override);
  return raw as Record<string, unknown>;
}

/** What stands in a YAML file; `what` names it in errors. */
export const readYaml = (path: string, what: string): unknown => parseYaml(readText(path, what), path);

/** Values that aliases may stand for in all: some bytes of YAML can mean billions. */
const MAX_ALIASES = 100;

function parseYaml(source: string, where: string): unknown {
  try {
    return parse(source, { maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (error instanceof YAMLParseError)
      throw new DistillError(`${where} is not YAML: ${error.message.split("\n")[0]!.replace(/[:.]$/, "")}.`);
    if (error instanceof ReferenceError || error instanceof RangeError)
      throw new DistillError(
        `${where} cannot be read: ${error.message}. Write out what its aliases (*name) stand for.`,
      );
    throw error;
  }
}

/** Keys with overrides applied. */
export function withOverrides(raw: Record<string, unknown>, overrides: readonly string[]): Record<string, unknown> {
  const keys = structuredClone(raw);
  for (const override of overrides) applyOverride(keys, override);
  return keys;
}

function applyOverride(raw: Record<string, unknown>, override: string): void {
  const equals = override.indexOf("=");
  if (equals < 1)
    throw new DistillError(`"${override}" is not an override. Expected key=value, such as trainer.learning_rate=1e-4.`);
  const keys = override.slice(0, equals).split(".");
  const empty = keys.find((key) => key === "" || key in Object.prototype);
  if (empty !== undefined)
    throw new DistillError(`"${override}" names the key "${empty}", which no recipe has. Expected key.path=value.`);
  let at = raw;
  for (const key of keys.slice(0, -1)) {
    const inner = Object.hasOwn(at, key) ? at[key] : undefined;
    if (typeof inner !== "object" || inner === null) at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  const last = keys.at(-1)!;
  const text = override.slice(equals + 1);
  if (text.trim() === "")
    throw new DistillError(
      `"${override}" says nothing behind the =. Give a value, or ${override.slice(0, equals)}=null to leave the key out.`,
    );
  // a template's braces are not YAML's
  const given =
    last === "chat_template" && /^\s*[^"'\s].*\{[{%]|^\s*\{[{%]/s.test(text) ? text : parseYaml(text, override);
  const value =
    keys.length === 1 && last === "output" && typeof given === "string"
      ? resolve(given)
      : withPaths(given, process.cwd(), last);
  // a step of a pipeline says by null what it does not take of the file that it extends
  if (value === null && keys[0] !== "steps") delete at[last];
  else at[last] = value;
}
