/** @file Which teacher opens a file, and what it reads beside it. */

import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { componentOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import * as teachers from "./index.ts";
import type { ModelFile, TeacherComponent } from "./teacher.ts";

/** The name of the teacher that opens the file at `path`. */
export function teacherFor(path: string): string {
  const all = Object.entries(teachers as Record<string, TeacherComponent>);
  const found = all.find(([, { file }]) => file && path.endsWith(file.ending));
  if (!found) {
    const endings = all.flatMap(([, { file }]) => file?.ending ?? []);
    throw new DistillError(`No teacher opens ${path}. Expected a file that ends in ${endings.join(" or ")}.`);
  }
  return found[0];
}

/** A teacher as a recipe names it, with what those have among their options that open a file. */
export type TeacherFile = { type: string; path?: string; chat_template?: string };

/** The template through which a teacher is asked, as it is given, else its model's own; undefined where it has none. */
export function templateThrough(teacher: TeacherFile): string | undefined {
  const { type, path, chat_template } = teacher;
  const { file, folder, template } = componentOf<TeacherComponent>(teachers, type, "teacher");
  return chat_template ?? (path ? (file ?? folder)?.template(path) : template?.(teacher));
}

/** The files that are read with the one at `path`, as far as they are there. */
export function filesBeside({ beside, above = [] }: ModelFile, path: string): string[] {
  const folder = dirname(path);
  const names = beside && existsSync(folder) ? beside(basename(path), readdirSync(folder).sort()) : [];
  const places = [...names.map((name) => join(folder, name)), ...above.map((name) => join(dirname(folder), name))];
  return places.filter((place) => existsSync(place));
}
