import { DistillError } from "../../core/errors.ts";
import * as runners from "./index.ts";
import type { FileRunner, Runner } from "./runner.ts";

/** The runner for an exported file, by the ending of its name. */
export function openRunner(path: string): Promise<Runner> {
  const all: FileRunner[] = Object.values(runners);
  const found = all.find(({ ending }) => path.endsWith(ending));
  if (!found) {
    const endings = all.map(({ ending }) => ending);
    throw new DistillError(`Nothing runs ${path}. Expected a file that ends in ${endings.join(" or ")}.`);
  }
  return found.open(path);
}
