import { componentOf } from "../core/component.ts";
import type { Price } from "./budget.ts";
import * as teachers from "./index.ts";
import type { TeacherComponent } from "./teacher.ts";

/** What a teacher costs, where somebody knows it; `model` is its name where the recipe leaves that to the server. */
export function priceOf(spec: { type: string }, model?: string): Price | undefined {
  const { price } = componentOf<TeacherComponent>(teachers, spec.type, "teacher");
  return price?.({ ...(model === undefined ? {} : { model }), ...spec } as never);
}
