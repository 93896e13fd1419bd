/** @file What the card of a dataset's folder, README.md, says of its files: configurations, each with files by split. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { DistillError } from "../../core/errors.ts";
import { readText, UNTRUSTED_BYTES } from "../../core/reading.ts";

const Patterns = z.union([z.string().transform((one) => [one]), z.array(z.string())]);
const Files = z.union([
  Patterns.transform((patterns) => [{ split: "train", path: patterns }]),
  z.array(z.looseObject({ split: z.string(), path: Patterns })),
  z
    .record(z.string(), Patterns)
    .transform((splits) => Object.entries(splits).map(([split, path]) => ({ split, path }))),
]);
const Config = z.looseObject({
  config_name: z.string().default("default"),
  data_files: Files.optional(),
  data_dir: z.string().optional(),
  default: z.boolean().optional(),
});
const Card = z.looseObject({ configs: z.array(Config).min(1) });

/** The files that a configuration names: patterns by split, from the folder; where it names a folder alone, that. */
export type Configured = { splits?: readonly { split: string; patterns: readonly string[] }[]; folder?: string };

const FRONT_MATTER = /^---\r?\n([\s\S]*?)\r?\n---\s*(?:\n|$)/;

/** The configuration that is read where none is named; a card that names several and none as the default is refused. */
export function configured(folder: string): Configured | undefined {
  const path = join(folder, "README.md");
  const matter = existsSync(path) ? FRONT_MATTER.exec(readText(path, "The dataset's card", UNTRUSTED_BYTES)) : null;
  if (!matter) return undefined;
  let card: ReturnType<typeof Card.safeParse>;
  try {
    card = Card.safeParse(parse(matter[1]!, { maxAliasCount: 100 }));
  } catch {
    return undefined; // words that are not YAML say nothing of files
  }
  if (!card.success) return undefined;
  const { configs } = card.data;
  const one = configs.find((config) => config.default) ?? configs.find(({ config_name }) => config_name === "default");
  const meant = one ?? (configs.length === 1 ? configs[0]! : undefined);
  if (!meant) throw severalIn(folder, configs);
  const dir = meant.data_dir ?? "";
  const outside = [dir, ...(meant.data_files ?? []).flatMap(({ path }) => path.map((one) => join(dir, one)))].find(
    (one) => /^\.\.(?:\/|$)/.test(join(one)),
  );
  if (outside !== undefined)
    throw new DistillError(`${path} names files outside its folder, ${outside}. Give those that are meant as a path.`);
  if (!meant.data_files) return meant.data_dir === undefined ? undefined : { folder: join(folder, dir) };
  return {
    splits: meant.data_files.map(({ split, path }) => ({ split, patterns: path.map((one) => join(folder, dir, one)) })),
  };
}

function severalIn(folder: string, configs: readonly z.output<typeof Config>[]): DistillError {
  const [{ data_files, data_dir = "" }] = configs as [z.output<typeof Config>];
  const [pattern = "*"] = data_files?.[0]?.path ?? [];
  return new DistillError(
    `${folder} has the configurations ${configs.map(({ config_name }) => config_name).join(", ")}, as its README.md says, each of which is a dataset of its own. Give the files of one, as a list or a pattern such as ${join(folder, data_dir, pattern)}.`,
  );
}
