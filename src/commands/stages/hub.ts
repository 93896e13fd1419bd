/** @file What a recipe names on the hub becomes files of this machine, at one commit. */

import { basename, dirname, join } from "node:path";
import { componentOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { TOKENIZER_FILES } from "../../data/tokenizer.ts";
import { formatHubReference, type HubReference, isHubReference, parseHubReference } from "../../hub/reference.ts";
import type { HubRevision } from "../../hub/revision.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from "../../models/adapter-folder.ts";
import { readIndex } from "../../models/load.ts";
import { judgeOf, mapEvaluation, mapPaths, mapRule, scorersOf } from "../../recipe/paths.ts";
import type { PathKind } from "../../recipe/places.ts";
import { type Evaluation, evaluationsOf, type Recipe } from "../../recipe/recipe.ts";
import { formatOf } from "../../student/packed/format.ts";
import * as teachers from "../../teachers/index.ts";
import type { ModelFile, TeacherComponent } from "../../teachers/teacher.ts";

export type FromHub<Of = Recipe> = {
  /** The recipe with paths of this machine. */
  recipe: Of;
  /** The recipe with references at the commits that were taken, to do the same again. */
  pinned: Of;
  /** References at their commits, by path. */
  hub: ReadonlyMap<string, string>;
};

/**
 * Fetch what a recipe names on the hub, as far as it is not in the cache; undefined where `signal` stopped it. Of models
 * that are not among `weights` only what is needed to tokenize and to plan.
 */
export const fromHub = (recipe: Recipe, options: Fetching): Promise<FromHub | undefined> =>
  fetched(recipe, mapPaths, teachersOf(recipe), options);

/** The same of measurements. */
export const measurementsFromHub = (
  all: Evaluation[],
  signal: AbortSignal,
): Promise<FromHub<Evaluation[]> | undefined> =>
  fetched(all, (some, change) => some.map((one) => mapEvaluation(one, change)), all.flatMap(teachersIn), {
    weights: ["teacher"],
    signal,
  });

/** The same of rules. */
export const rulesFromHub = <Rule extends object>(
  rules: Rule[],
  signal: AbortSignal,
): Promise<FromHub<Rule[]> | undefined> =>
  fetched(rules, (some, change) => some.map((rule) => mapRule(rule, change)), judgesOf(rules), {
    weights: ["teacher"],
    signal,
  });

type Fetching = { weights: readonly ("student" | "teacher")[]; signal?: AbortSignal };

async function fetched<Of>(
  recipe: Of,
  mapped: (of: Of, change: (path: string, kind: PathKind) => string) => Of,
  opened: readonly Named[],
  { weights, signal }: Fetching,
): Promise<FromHub<Of> | undefined> {
  const named = new Map<string, { path: string; kind: HubKind }>();
  mapped(recipe, (path, kind) => {
    if (kind !== "reward" && isHubReference(path)) named.set(keyOf(path, kind), { path, kind });
    return path;
  });
  if (named.size === 0) return { recipe, pinned: recipe, hub: new Map() };

  const { hubSettings } = await import("../../hub/settings.ts"); // slow to load, and only such recipes need it
  const { openHubRevision } = await import("../../hub/revision.ts");
  const settings = hubSettings();
  const revisions = new Map<string, HubRevision>(); // one commit of a revision, wherever it is named
  const local = new Map<string, string>();
  const pinned = new Map<string, string>();
  try {
    for (const [key, { path, kind }] of named) {
      const reference = parseHubReference(path);
      const { file: _, ...repository } = reference;
      const name = formatHubReference(repository);
      const revision = revisions.get(name) ?? (await openHubRevision(reference, settings, signal));
      revisions.set(name, revision);
      const file = await NEEDS[kind](
        revision,
        reference,
        (weights as readonly string[]).includes(kind === "adapter" ? "student" : kind),
        opened,
        path,
      );
      if (signal?.aborted) return undefined;
      local.set(key, join(revision.folder, file));
      pinned.set(key, formatHubReference({ ...reference, revision: revision.commit, ...(file ? { file } : {}) }));
    }
  } catch (error) {
    if (signal?.aborted) return undefined;
    throw error;
  }
  return {
    recipe: mapped(recipe, (path, kind) => local.get(keyOf(path, kind)) ?? path),
    pinned: mapped(recipe, (path, kind) => pinned.get(keyOf(path, kind)) ?? path),
    hub: new Map([...local].map(([key, place]) => [place, pinned.get(key)!])),
  };
}

type HubKind = Exclude<PathKind, "reward">;

const keyOf = (path: string, kind: PathKind) => `${kind} ${path}`;

/** Have what is needed; where it then lies in the repository. */
type Need = (
  revision: HubRevision,
  reference: HubReference,
  weights: boolean,
  teachers: readonly Named[],
  path: string,
) => Promise<string>;

type Named = { type: string; path?: string };

/** The models that are measured, and those that judge. */
const teachersIn = ({ models = [], search = [], correctness }: Evaluation): Named[] => [
  ...judgesOf(correctness ? [correctness] : []),
  ...models.flatMap((one) => (typeof one === "string" ? [] : [one])),
  ...search.flatMap((one) => scorersOf(one).flatMap(({ teacher }) => (teacher ? [teacher as Named] : []))),
];

/** The models that rules ask. */
const judgesOf = (rules: readonly object[]): Named[] => rules.flatMap((rule) => judgeOf(rule)?.teacher ?? []);

/** Whatever of a recipe is opened as a teacher. */
const teachersOf = (recipe: Recipe): Named[] => [
  ...(recipe.teacher ? [recipe.teacher] : []),
  ...judgesOf(recipe.rewards ?? []),
  ...evaluationsOf(recipe).flatMap(teachersIn),
];

const NEEDS: Record<HubKind, Need> = {
  async student(revision, { file }, weights) {
    if (file !== undefined) {
      await revision.need([file, ...placed(dirname(file), formatOf(file)?.beside(basename(file)) ?? [])]);
      return file;
    }
    await revision.need(["config.json"]);
    await revision.need(["generation_config.json", ...TOKENIZER_FILES], true);
    if (!weights) return "";
    const names = await revision.files("");
    if (names.includes("model.safetensors")) await revision.need(["model.safetensors"]);
    else if (await revision.need(["model.safetensors.index.json"]))
      await revision.need([...new Set(Object.values(readIndex(revision.folder)))]);
    return "";
  },
  async adapter(revision, { file }, weights) {
    refuseFile("adapter", file);
    await revision.need([ADAPTER_CONFIG, ...(weights ? [ADAPTER_WEIGHTS] : [])]);
    return "";
  },
  async tokenizer(revision, { file }) {
    refuseFile("tokenizer", file);
    await revision.need(["tokenizer.json", "tokenizer_config.json"]);
    await revision.need(TOKENIZER_FILES, true);
    return "";
  },
  async teacher(revision, reference, weights, named, path) {
    const { type } = named.find((one) => one.path === path)!;
    const { file: kind } = componentOf<TeacherComponent>(teachers, type, "teacher");
    if (!kind) {
      refuseFile("teacher", reference.file);
      return NEEDS.student(revision, reference, weights, named, path);
    }
    const file = reference.file ?? onlyFile(kind, reference, await revision.files(""));
    if (!weights) return file;
    const { beside, above = [] } = kind;
    const folder = dirname(file);
    const names = beside ? beside(basename(file), await revision.files(folder === "." ? "" : folder)) : [];
    await revision.need([file, ...placed(folder, names)]);
    await revision.need(placed(dirname(folder), above), true);
    return file;
  },
  async data(revision, reference) {
    const { file } = reference;
    if (file === undefined)
      throw new DistillError(
        `${formatHubReference(reference)} names a dataset without a file of it. Expected such as hf:datasets/owner/name:train.jsonl.`,
      );
    await revision.need([file]);
    return file;
  },
};

/** Names in a folder as the repository has them. */
const placed = (folder: string, names: readonly string[]): string[] =>
  names.map((name) => (folder === "." ? name : `${folder}/${name}`));

function refuseFile(what: string, file: string | undefined): void {
  if (file !== undefined)
    throw new DistillError(`The ${what} is a folder on the hub, and "${file}" names a file of it. Leave that out.`);
}

function onlyFile({ format, ending, example }: ModelFile, reference: HubReference, names: readonly string[]): string {
  const files = names.filter((name) => name.endsWith(ending));
  if (files.length === 1) return files[0]!;
  const name = formatHubReference(reference);
  throw new DistillError(
    files.length === 0
      ? `${name} has no ${format} file. Name a file of it behind a colon, such as ${name}:${example}.`
      : `${name} has ${files.length} ${format} files: ${files.slice(0, 12).join(", ")}. Name one behind a colon, such as ${name}:${files[0]}.`,
  );
}
