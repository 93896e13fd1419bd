/** @file Which model is meant by a run, a folder, a file or a reference to the hub, and the teacher that opens it. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { create, oneOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { isHubReference } from "../../hub/reference.ts";
import { recipeOf } from "../../recipe/recipe.ts";
import { readManifest } from "../../recipe/stages.ts";
import { readClaim } from "../../store/claim.ts";
import { readRunFolder } from "../../store/run-folder.ts";
import { requireWhole } from "../../store/seal.ts";
import { teacherFor } from "../../teachers/files.ts";
import * as teachers from "../../teachers/index.ts";
import type { Teacher } from "../../teachers/teacher.ts";
import { NAMES } from "../stages/context.ts";
import { fromHub } from "../stages/hub.ts";

/** A teacher as a recipe names it. */
export type Spoken = { name: string; spec: { type: string } & Record<string, unknown> };

/**
 * What is talked to: of a run its student, or those that are named ("base", "teacher", "student", "student-gguf-q8_0");
 * else the model itself, and those that are named as places too.
 */
export function modelsAt(place: string, named: readonly string[]): Spoken[] {
  if (isHubReference(place) || !isRun(place)) return [place, ...named].map(modelOf);
  const inRun = modelsOfRun(place);
  return (named.length > 0 ? named : ["student"]).map((name) => {
    const spec = inRun.get(name);
    if (spec) return ofRun(place, { name, spec });
    if (isHubReference(name) || existsSync(name)) return modelOf(name);
    throw new DistillError(`${place} has no model "${name}". Expected one of: ${[...inRun.keys()].join(", ")}.`);
  });
}

/** A model of a run, whole where the run wrote it. */
function ofRun(place: string, { name, spec }: Spoken): Spoken {
  if (typeof spec.path === "string" && spec.path.startsWith(`${resolve(place)}/`)) requireWhole(spec.path);
  return { name, spec };
}

const isRun = (place: string) => existsSync(place) && statSync(place).isDirectory() && readClaim(place) !== undefined;

/** What a run has made or learns from, by name. */
function modelsOfRun(place: string): Map<string, Spoken["spec"]> {
  const claim = readClaim(place)!;
  const manifest = readManifest(readRunFolder(place, claim.name));
  const recipe = (manifest?.recipe ?? {}) as { student?: { path?: string }; teacher?: Spoken["spec"] };
  const found = new Map<string, Spoken["spec"]>();
  const add = (name: string, path: string | undefined) => {
    if (path !== undefined && (isHubReference(path) || existsSync(path))) found.set(name, specOf(path));
  };
  const unpacked = [NAMES.merged, NAMES.base].map((name) => join(place, name)).find(existsSync);
  add("base", unpacked ?? recipe.student?.path);
  if (recipe.teacher) found.set("teacher", recipe.teacher);
  add("student", join(place, NAMES.student));
  const files = (manifest?.stages.export?.result?.files ?? []) as { name: string; path: string }[];
  for (const { name, path } of files) add(`student-${name}`, join(place, path));
  if (found.size === 0) throw new DistillError(`${place} has no model yet. Run distill train first.`);
  return found;
}

const modelOf = (place: string): Spoken => ({ name: place, spec: specOf(place) });

function specOf(place: string): Spoken["spec"] {
  if (isHubReference(place))
    return { type: /:[^/]+$/.test(place.slice(3)) ? teacherFor(place) : "engine", path: place };
  if (!existsSync(place)) throw new DistillError(`${place} is not there. ${EXPECTED}`);
  if (!statSync(place).isDirectory()) return { type: teacherFor(place), path: resolve(place) };
  const weights = readdirSync(place).some((name) => name.endsWith(".safetensors"));
  if (existsSync(join(place, "config.json")) && weights) return { type: "engine", path: resolve(place) };
  const files = (readdirSync(place, { recursive: true }) as string[])
    .filter((name) => /\.(?:gguf|onnx)$/.test(name))
    .sort();
  if (files.length === 1) return specOf(join(place, files[0]!));
  throw new DistillError(
    files.length === 0
      ? `${place} is no model. ${EXPECTED}`
      : `${place} has ${files.length} models: ${files.slice(0, 12).join(", ")}. Name one of them.`,
  );
}

const EXPECTED =
  "Expected a run, a folder with config.json and safetensors, a .gguf or .onnx file, or hf:owner/name with :file where it is one.";

const Spec = oneOf(teachers);

/** Open it, fetched first where it is on the hub; undefined where `signal` stopped that. */
export async function openModel(
  { name, spec }: Spoken,
  chat_template: string | undefined,
  signal: AbortSignal,
): Promise<Teacher | undefined> {
  const alone = spec.type === "llama_cpp" || spec.type === "transformers" ? { sequences: 1 } : {};
  const wanted = { ...spec, ...alone, ...(chat_template === undefined ? {} : { chat_template }) };
  const parsed = Spec.safeParse(wanted);
  if (!parsed.success)
    throw new DistillError(
      `${name} cannot be talked to: ${parsed.error.issues[0]!.path.join(".")}: ${parsed.error.issues[0]!.message}.`,
    );
  const recipe = recipeOf(
    { name: "chat", student: { path: "." }, dataset: { path: "." }, teacher: parsed.data },
    name,
    process.cwd(),
  );
  const fetched = await fromHub(recipe, { weights: ["teacher"], signal });
  return fetched && (await create(teachers, fetched.recipe.teacher as { type: string }, "teacher"));
}
