import type { Sample } from "./reward.ts";

/** Whether a sample is judged correct; a cut one is not. Undefined where no verdict says. */
export function isCorrect({ verdict }: Sample): boolean | undefined {
  if (verdict === "correct") return true;
  return verdict === "incorrect" || verdict === "truncated" ? false : undefined;
}
