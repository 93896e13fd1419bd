/** @file A process of its own for what a driver could crash or hang: it does one task, sends what it found, and is killed. */

import { DistillError } from "../../core/errors.ts";
import { TASKS } from "./tasks.ts";

process.on("disconnect", () => process.exit());
const [task, argument] = process.argv.slice(2);
try {
  const found = await TASKS[task as keyof typeof TASKS](argument as never);
  process.send!({ found });
} catch (error) {
  if (!(error instanceof DistillError)) throw error;
  process.send!({ reason: error.message });
}
