import { componentOf } from "../../core/component.ts";
import * as scorers from "./index.ts";
import type { Scorer, ScorerComponent } from "./scorer.ts";

/** Open several; what was opened is closed together, also where one of them cannot be. */
export async function openScorers(
  specs: readonly { type: string }[],
): Promise<{ scorers: Scorer[]; close(): Promise<void> }> {
  const opened: Scorer[] = [];
  const close = async () => {
    for (const scorer of opened) await scorer.close?.();
  };
  try {
    for (const { type, ...options } of specs)
      opened.push(await componentOf<ScorerComponent>(scorers, type, "scorer").create(options));
  } catch (error) {
    await close();
    throw error;
  }
  return { scorers: opened, close };
}
