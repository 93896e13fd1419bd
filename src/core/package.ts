import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package: its recipes and data are there. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** This package's own package.json. */
export const ownPackage = (): { version: string; dependencies: Record<string, string> } =>
  JSON.parse(readFileSync(join(packageFolder(), "package.json"), "utf8"));
