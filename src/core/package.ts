import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** This package's own package.json. */
export function ownPackage(): { version: string; dependencies: Record<string, string> } {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}
