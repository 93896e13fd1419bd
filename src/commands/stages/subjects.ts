/** @file The models that a recipe makes or names, as what can be measured. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { componentOf, create, oneOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { contentHash } from "../../core/hash.ts";
import { loadTokenizer } from "../../data/tokenizer.ts";
import type { Exported } from "../../exporters/exporter.ts";
import * as exporters from "../../exporters/index.ts";
import type { Evaluation, Recipe } from "../../recipe/recipe.ts";
import type { RunFolder } from "../../store/run-folder.ts";
import { baseFolder } from "../../student/unpack.ts";
import { teacherFor } from "../../teachers/files.ts";
import * as teachers from "../../teachers/index.ts";
import type { TeacherComponent } from "../../teachers/teacher.ts";
import {
  askedThrough,
  type Context,
  contentOfTeacher,
  hashOf,
  modelInput,
  NAMES,
  placeOf,
  teacherInput,
  templateInput,
} from "./context.ts";
import { wholeStudent } from "./train.ts";

/** A model that can be measured: what its answers hang on, and how it is opened. */
export type Subject = { name: string; content: () => unknown; make: (run: RunFolder) => Promise<Made> };
type Made = { teacher: { type: string }; bytes: number };

/** Those that a measurement asks for, of all that its recipe has. */
export function chosenOf(context: Context, evaluation: Evaluation, files: readonly Exported[]): readonly Subject[] {
  const subjects = subjectsOf(context, evaluation, files);
  const { models } = evaluation;
  return models
    ? models.map((one) => (typeof one === "string" ? named(subjects, one) : other(context, one)))
    : unasked(context, subjects, files);
}

/** Refuse names of models that no run of this recipe makes, before there is any: those of exports are known when they are there. */
export function requireNames(context: Context, evaluation: Evaluation): void {
  const names = (evaluation.models ?? []).filter((one) => typeof one === "string");
  const exported = (name: string) => name.startsWith("student-") && context.recipe.export.length > 0;
  for (const name of names) if (!exported(name)) named(subjectsOf(context, evaluation, []), name);
}

function subjectsOf(context: Context, evaluation: Evaluation, files: readonly Exported[]): Subject[] {
  const { recipe } = context;
  const output = context.folder.path;
  const weights = (name: string, folder: string): Subject => {
    const file = () => [hashOf(context, folder, "folder", "The model"), evaluation.weights];
    const content = () => [...file(), ...Object.values(templateInput(context, loadTokenizer(folder)))];
    return { name, content, make: (run) => asGguf(folder, name, contentHash(file()), context, evaluation, run) };
  };
  const start = baseFolder(recipe.student, context.folder);
  const base = start ? [weights("base", start)] : [];
  const teacher: Subject[] = recipe.teacher
    ? [
        {
          name: "teacher",
          content: () => teacherInput(context),
          make: async () => ({
            teacher: recipe.teacher!,
            bytes: bytesAt((recipe.teacher as { path?: string }).path),
          }),
        },
      ]
    : [];
  const whole = files.filter(({ base }) => !base);
  const exported = whole.map(({ name, path, bytes }): Subject => {
    const absolute = join(output, path);
    return {
      name: `student-${name}`,
      content: () => {
        const { file: kind } = componentOf<TeacherComponent>(teachers, teacherFor(absolute), "teacher");
        const { file, beside } = modelInput(context, kind!, absolute, "The exported file");
        const asked = templateInput(context, loadTokenizer(placeOf(context, "student")));
        const parts = [file, ...(beside ? [beside] : []), ...Object.values(asked)];
        return parts.length > 1 ? parts : file;
      },
      make: async (run) => {
        const folder = path.split("/").slice(0, 2).join("/");
        const damage = run.damageBeforeReading(folder);
        if (damage) throw new DistillError(`${damage}. The same command exports it again.`);
        return { teacher: backendOf(absolute, placeOf(context, "student"), context), bytes };
      },
    };
  });
  return [...base, ...teacher, weights("student", placeOf(context, "student")), ...exported];
}

/** All but exports that another one stands for, and a teacher that is paid for, which is asked where it is named. */
function unasked(
  { recipe: { teacher } }: Context,
  all: readonly Subject[],
  files: readonly Exported[],
): readonly Subject[] {
  const twins = files.filter(({ same_as }) => files.some(({ name }) => name === same_as));
  const subjects = all.filter((subject) => !twins.some(({ name }) => subject.name === `student-${name}`));
  if (!teacher || !componentOf<TeacherComponent>(teachers, teacher.type, "teacher").price) return subjects;
  console.log("The teacher is behind a server, and is measured where evaluation.models names it.");
  return subjects.filter(({ name }) => name !== "teacher");
}

type Given = NonNullable<Evaluation["models"]>[number];

/** A model that is only measured. */
export function other(context: Pick<Context, "folder" | "hub">, { name, ...teacher }: Exclude<Given, string>): Subject {
  const { path } = teacher as { path?: string };
  return {
    name,
    content: () => contentOfTeacher(context, teacher),
    make: async () => ({ teacher, bytes: bytesAt(path) }),
  };
}

/** What the answers of models that are only measured hang on, where there are any. */
export function others(context: Pick<Context, "folder" | "hub">, wanted: readonly Given[]): Record<string, unknown> {
  const contents = wanted.flatMap((one) => (typeof one === "string" ? [] : [other(context, one)]));
  return contents.length > 0
    ? { others: Object.fromEntries(contents.map(({ name, content }) => [name, content()])) }
    : {};
}

/** Of a file, or of the weights in a folder. */
function bytesAt(path: string | undefined): number {
  if (!path || !existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).size;
  const weights = readdirSync(path).filter((name) => name.endsWith(".safetensors"));
  return weights.reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

function named(subjects: readonly Subject[], name: string): Subject {
  const found = subjects.find((subject) => subject.name === name);
  if (!found)
    throw new DistillError(
      `evaluation.models names "${name}", which this recipe does not make. Expected some of: ${subjects.map((subject) => subject.name).join(", ")}.`,
    );
  return found;
}

/** Weights as llama.cpp reads them, written once for the same weights. */
async function asGguf(
  folder: string,
  name: string,
  key: string,
  context: Context,
  { weights: type, name: measurement }: Evaluation,
  run: RunFolder,
): Promise<Made> {
  // measurements share it where they ask for the same type
  const place = `${NAMES.evaluation}/models/${measurement === undefined ? name : `${name}-${type}`}`;
  if (folder === placeOf(context, "student")) wholeStudent(context);
  if (run.damageBeforeReading(place, key))
    await run.writeFolder(place, key, async (into) => {
      const spec = { type: "gguf", types: [type] } as { type: string };
      await create(exporters, spec, "exporter")({ folder }, into);
    });
  const path = join(run.path, place, `model-${type}.gguf`);
  return { teacher: backendOf(path, folder, context), bytes: statSync(path).size };
}

const Backend = oneOf(teachers);

/** What runs an exported file of the model in `folder`, as the recipe's teacher runs where it is of the same kind. */
function backendOf(path: string, folder: string, { recipe }: { recipe: Recipe }): { type: string } {
  const type = teacherFor(path);
  const { chat_template: _, ...alike } = {
    chat_template: "",
    ...(recipe.teacher?.type === type ? recipe.teacher : {}),
  };
  const chat_template = askedThrough(recipe, loadTokenizer(folder));
  return Backend.parse({ ...alike, ...(chat_template ? { chat_template } : {}), type, path });
}
