/** @file What a recipe names on the hub becomes files of this machine, at one commit. */

import { basename, dirname, join } from "node:path";
import { componentOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { TOKENIZER_FILES } from "../../data/tokenizer.ts";
import { formatHubReference, type HubReference, isHubReference, parseHubReference } from "../../hub/reference.ts";
import type { HubRevision } from "../../hub/revision.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from "../../models/adapter-folder.ts";
import { readIndex } from "../../models/load.ts";
import type { PathKind } from "../../recipe/places.ts";
import { mapPaths, type Recipe } from "../../recipe/recipe.ts";
import { formatOf } from "../../student/packed/format.ts";
import * as teachers from "../../teachers/index.ts";
import type { ModelFile, TeacherComponent } from "../../teachers/teacher.ts";

export type FromHub = {
  /** The recipe with paths of this machine. */
  recipe: Recipe;
  /** The recipe with references at the commits that were taken, to do the same again. */
  pinned: Recipe;
  /** References at their commits, by path. */
  hub: ReadonlyMap<string, string>;
};

/**
 * Fetch what a recipe names on the hub, as far as it is not in the cache; undefined where `signal` stopped it. Of models
 * that are not among `weights` only what is needed to tokenize and to plan.
 */
export async function fromHub(
  recipe: Recipe,
  { weights, signal }: { weights: readonly ("student" | "teacher")[]; signal?: AbortSignal },
): Promise<FromHub | undefined> {
  const named = new Map<string, { path: string; kind: HubKind }>();
  mapPaths(recipe, (path, kind) => {
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
        recipe,
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
    recipe: mapPaths(recipe, (path, kind) => local.get(keyOf(path, kind)) ?? path),
    pinned: mapPaths(recipe, (path, kind) => pinned.get(keyOf(path, kind)) ?? path),
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
  recipe: Recipe,
  path: string,
) => Promise<string>;

/** Which of the recipe's teachers reads from `path`: its own, or one that is measured. */
function typeOf({ teacher, evaluation }: Recipe, path: string): string {
  const all = [teacher, ...(evaluation?.models ?? [])];
  const found = all.find((one) => typeof one === "object" && (one as { path?: string }).path === path);
  return (found as { type: string }).type;
}

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
  async teacher(revision, reference, weights, recipe, path) {
    const { file: kind } = componentOf<TeacherComponent>(teachers, typeOf(recipe, path), "teacher");
    if (!kind) {
      refuseFile("teacher", reference.file);
      return NEEDS.student(revision, reference, weights, recipe, path);
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
