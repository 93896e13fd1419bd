import { DistillError } from "../../core/errors.ts";
import * as runners from "./index.ts";
import type { FileRunner, Runner } from "./runner.ts";

/** The runner for an exported file, by the ending of its name. */
export const openRunner = (path: string, base?: string): Promise<Runner> => runnerOf(path).open(path, base);

/** What runs files of this ending. */
export function runnerOf(path: string): FileRunner {
  const all: FileRunner[] = Object.values(runners);
  const found = all.find(({ ending }) => path.endsWith(ending));
  if (found) return found;
  const endings = all.map(({ ending }) => ending);
  throw new DistillError(`Nothing runs ${path}. Expected a file that ends in ${endings.join(" or ")}.`);
}
