/** @file The program of the page: the modules in client/, which a browser loads as they were built. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { moduleUrl } from "../../core/modules.ts";

const FOLDER = fileURLToPath(moduleUrl("commands/review/client"));

/** The first module, which loads the others. */
export const PROGRAM = "client/main.js";

/** The sources by the paths under which the page asks for them. */
export const programModules = (): Map<string, string> =>
  new Map(
    readdirSync(FOLDER)
      .filter((name) => name.endsWith(".js"))
      .map((name) => [`client/${name}`, readFileSync(join(FOLDER, name), "utf8")]),
  );
