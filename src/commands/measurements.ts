import type { Measurement } from "../evaluation/report.ts";
import type { Evaluation } from "../recipe/recipe.ts";
import type { Manifest } from "../recipe/stages.ts";
import { stageOf } from "./stages/evaluate.ts";

/** What a run measured, in the order in which it did. */
export const allMeasurements = (stages: Manifest["stages"]): Measurement[] =>
  measurementsIn(
    Object.keys(stages).flatMap((stage) => {
      const found = /^evaluate(?:\.(.+))?$/.exec(stage);
      return found ? [{ name: found[1] }] : [];
    }),
    stages,
  );

/** What was measured, of what a recipe says. */
export const measurementsIn = (
  evaluations: readonly Pick<Evaluation, "name">[],
  stages: Manifest["stages"],
): Measurement[] =>
  evaluations.flatMap((evaluation) => {
    const { models, curves } = (stages[stageOf(evaluation)]?.result ?? {}) as Partial<Measurement>;
    return models && models.length > 0 ? [{ name: evaluation.name, models, curves }] : [];
  });
