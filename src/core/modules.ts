import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The folder that the compiled modules are in, or were in before several became one file. */
function modulesFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "cli.js"))) folder = dirname(folder);
  return folder;
}

/**
 * A module that a thread or a process of its own begins with, or a folder of modules that a browser loads, by its path in
 * the folder of modules: "runtime/worker.js". The build finds each call of this, so the path is written out.
 */
export const moduleUrl = (path: string): URL => pathToFileURL(join(modulesFolder(), path));
