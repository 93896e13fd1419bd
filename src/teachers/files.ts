/** @file Which teacher opens a file, and the template that its model brings along. */

import { componentOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import * as teachers from "./index.ts";
import type { TeacherComponent } from "./teacher.ts";

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

/** The template through which a teacher is asked, as it is given, else its model's own; undefined where it has none. */
export function templateThrough(teacher: { type: string; path?: string; chat_template?: string }): string | undefined {
  const { type, path, chat_template } = teacher;
  const { file, folder } = componentOf<TeacherComponent>(teachers, type, "teacher");
  return chat_template ?? (path ? (file ?? folder)?.template(path) : undefined);
}
