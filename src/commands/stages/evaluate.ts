/** @file Every model of the run on the same unseen problems. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { componentOf, create, oneOf } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { contentHash } from "../../core/hash.ts";
import { loadTokenizer } from "../../data/tokenizer.ts";
import { evaluateModel, type ModelReport, withGains } from "../../evaluation/evaluate.ts";
import type { Exported } from "../../exporters/exporter.ts";
import * as exporters from "../../exporters/index.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import { createRewards, type RewardSpec, rewardsInput } from "../../rewards/create.ts";
import type { RunFolder } from "../../store/run-folder.ts";
import { baseFolder } from "../../student/unpack.ts";
import { teacherFor } from "../../teachers/files.ts";
import * as teachers from "../../teachers/index.ts";
import { describePlacement, type Placement, type TeacherComponent } from "../../teachers/teacher.ts";
import {
  askedThrough,
  type Context,
  contentOfTeacher,
  hashOf,
  ledgerOf,
  modelInput,
  NAMES,
  placeOf,
  promptsInput,
  questions,
  teacherInput,
  templateInput,
} from "./context.ts";
import { wholeStudent } from "./train.ts";

export function evaluateStage(context: Context): Stage {
  const { recipe } = context;
  const { prompts: source, models: wanted, weights, rewards: further = [], ...options } = recipe.evaluation!;
  const rules: RewardSpec[] = [...RULES, ...further];
  const prompts = () => questions(source, "test", rules);
  return {
    name: "evaluate",
    after: recipe.export.length > 0 ? ["train", "export"] : ["train"],
    inputs: () => ({
      evaluation: { ...options, weights, models: wanted?.map((one) => (typeof one === "string" ? one : one.name)) },
      ...others(context, wanted ?? []),
      rewards: rewardsInput(rules),
      prompts: promptsInput(prompts()),
      ...(recipe.teacher ? { teacher: teacherInput(context) } : {}),
    }),
    leaves: [REPORT],
    async run({ results, folder, signal, requireUnchanged }) {
      const asked = prompts();
      const subjects = subjectsOf(context, (results.export?.files ?? []) as Exported[]);
      const chosen = wanted
        ? wanted.map((one) => (typeof one === "string" ? named(subjects, one) : other(context, one)))
        : unasked(context, subjects);
      const measured: ModelReport[] = [];
      const placements: Record<string, Placement> = {};
      const tracesOf = (name: string) => `${NAMES.evaluation}/traces/${name}`;
      for (const { name, content, make } of chosen) {
        const hash = content();
        const key = contentHash({ content: hash, prompts: asked, options, rules: rewardsInput(rules) });
        const report = await evaluateModel({
          name,
          open: async () => {
            const { teacher: spec, bytes } = await make(folder);
            const teacher = await create(teachers, spec, "teacher");
            try {
              requireUnchanged();
            } catch (error) {
              await teacher.close();
              throw error;
            }
            const { placement } = teacher;
            if (placement) {
              placements[name] = placement;
              console.log(`${name} runs ${describePlacement(placement)}.`);
            }
            return { teacher, bytes };
          },
          prompts: asked,
          rewards: await createRewards(rules),
          options,
          folder,
          names: { state: `${NAMES.evaluation}/${name}.json`, traces: tracesOf(name) },
          ledger: ledgerOf(context, hash, rules, options).place(),
          key,
          signal,
        });
        if (!report) return { stopped: true, result: {} };
        measured.push(report);
      }
      const models = withGains(measured, "base", (name) => join(folder.path, tracesOf(name)));
      folder.writeFile(REPORT, `${JSON.stringify({ models }, null, 2)}\n`);
      return { result: { models, placements } };
    },
  };
}

const REPORT = `${NAMES.evaluation}/report.json`;

/** Correctness alone, wherever in the completion the answer stands: format is for training, not for measuring. */
const RULES = [{ type: "accuracy", profile: "lenient", weight: 1 }];

/** A model that can be measured: what its answers hang on, and how it is opened. */
type Subject = { name: string; content: () => unknown; make: (run: RunFolder) => Promise<Made> };
type Made = { teacher: { type: string }; bytes: number };

function subjectsOf(context: Context, files: readonly Exported[]): Subject[] {
  const { recipe } = context;
  const output = context.folder.path;
  const weights = (name: string, folder: string): Subject => {
    const file = () => [hashOf(context, folder, "folder", "The model"), recipe.evaluation!.weights];
    const content = () => [...file(), ...Object.values(templateInput(context, loadTokenizer(folder)))];
    return { name, content, make: (run) => asGguf(folder, name, contentHash(file()), context, run) };
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

/** All but a teacher that is paid for, which is asked where it is named. */
function unasked({ recipe: { teacher } }: Context, subjects: readonly Subject[]): readonly Subject[] {
  if (!teacher || !componentOf<TeacherComponent>(teachers, teacher.type, "teacher").price) return subjects;
  console.log("The teacher is behind a server, and is measured where evaluation.models names it.");
  return subjects.filter(({ name }) => name !== "teacher");
}

type Given = NonNullable<NonNullable<Recipe["evaluation"]>["models"]>[number];

/** A model that the recipe only measures. */
function other(context: Context, { name, ...teacher }: Exclude<Given, string>): Subject {
  const { path } = teacher as { path?: string };
  return {
    name,
    content: () => contentOfTeacher(context, teacher),
    make: async () => ({ teacher, bytes: bytesAt(path) }),
  };
}

/** What their answers hang on, where there are any. */
function others(context: Context, wanted: readonly Given[]): Record<string, unknown> {
  const contents = wanted.flatMap((one) => (typeof one === "string" ? [] : [other(context, one)]));
  return contents.length > 0
    ? { others: Object.fromEntries(contents.map(({ name, content }) => [name, content()])) }
    : {};
}

const bytesAt = (path: string | undefined) => (path && existsSync(path) ? statSync(path).size : 0);

function named(subjects: readonly Subject[], name: string): Subject {
  const found = subjects.find((subject) => subject.name === name);
  if (!found)
    throw new DistillError(
      `evaluation.models names "${name}", which this recipe does not make. Expected some of: ${subjects.map((subject) => subject.name).join(", ")}.`,
    );
  return found;
}

/** Weights as llama.cpp reads them, written once for the same weights. */
async function asGguf(folder: string, name: string, key: string, context: Context, run: RunFolder): Promise<Made> {
  const type = context.recipe.evaluation!.weights;
  const place = `${NAMES.evaluation}/models/${name}`;
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
function backendOf(path: string, folder: string, { recipe }: Context): { type: string } {
  const type = teacherFor(path);
  const { chat_template: _, ...alike } = {
    chat_template: "",
    ...(recipe.teacher?.type === type ? recipe.teacher : {}),
  };
  const chat_template = askedThrough(recipe, loadTokenizer(folder));
  return Backend.parse({ ...alike, ...(chat_template ? { chat_template } : {}), type, path });
}
