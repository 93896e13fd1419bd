/** @file distill init: a recipe to begin with, and the rows and prompts that it names. */

import { DistillError } from "../core/errors.ts";
import { isTaken, writeWhole } from "../core/files.ts";
import { NAME } from "../core/names.ts";
import { suggestion } from "../core/nearest.ts";
import { wrapped } from "../core/wrapped.ts";
import { packaged } from "./init/begun.ts";
import * as beginnings from "./init/index.ts";

export type InitArguments = {
  from?: string;
  url?: string;
  model?: string;
  teacher?: string;
  dataset?: string;
  student?: string;
};

type From = keyof typeof beginnings;

/** What is begun from, and the option that says so where --from does not. */
const SAID: Record<From, "url" | "teacher" | "dataset"> = { server: "url", gguf: "teacher", dataset: "dataset" };

export function init(given: string, options: InitArguments): void {
  const name = given.replace(/\.ya?ml$/, "");
  if (!NAME.test(name))
    throw new DistillError(
      `"${given}" is no name of a run. Expected letters, digits, '.', '_' and '-'; the recipe is written into the folder where the command runs.`,
    );
  const from = fromOf(options);
  const { recipe, files, begin } = beginnings[from](name, options);
  const written = new Map([[`${name}.yaml`, `${header(name)}${recipe}`], ...Object.entries(files)]);
  const there = [...written.keys()].filter(isTaken);
  if (there.length > 0)
    throw new DistillError(
      `${there.join(" and ")} ${there.length > 1 ? "are" : "is"} there already, and nothing is overwritten. Give another name.`,
    );
  for (const [path, content] of written) writeWhole(path, content);
  const next = [
    [`distill plan ${name}.yaml`, "says what will be done, and what it will take"],
    [`distill run ${name}.yaml`, "does it, and goes on where it was stopped"],
    ["distill options", "says what else may stand in a recipe"],
  ];
  const width = Math.max(...next.map(([command]) => command!.length));
  console.log(
    [
      ...wrapped(`Wrote ${[...written.keys()].join(", ")}. ${begin}`, 0),
      "",
      ...next.map(([command, what]) => `  ${command!.padEnd(width)}   ${what}`),
    ].join("\n"),
  );
}

function fromOf(options: InitArguments): From {
  const said = (Object.keys(SAID) as From[]).filter((from) => options[SAID[from]] !== undefined);
  const from = options.from ?? said[0] ?? "dataset";
  if (!Object.hasOwn(beginnings, from))
    throw new DistillError(`--from is "${from}"${suggestion(from, Object.keys(beginnings))}.`);
  const stray = said.find((other) => other !== from);
  if (stray) throw new DistillError(`--${SAID[stray]} goes with --from ${stray}, not with ${from}. Give one of them.`);
  if (options.model !== undefined && from !== "server")
    throw new DistillError("--model names the model of a server: give its --url with it.");
  return from as From;
}

const header = (name: string): string => `# yaml-language-server: $schema=${packaged("recipes/recipe.schema.json")}
# distill plan ${name}.yaml says what this does, distill run ${name}.yaml does it, distill options says what else there is.
name: ${name}
`;
