import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder of this package: its recipes and data are there. */
export function packageFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** This package's own package.json. */
export const ownPackage = (): { version: string; dependencies: Record<string, string> } =>
  JSON.parse(readFileSync(join(packageFolder(), "package.json"), "utf8"));
