/** @file Versions of programs in folders of their own, installed when they are first needed and kept in .exports. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const FOLDER = resolve(".exports");
const MINUTES = 5;

function run(command: string, args: readonly string[], { cwd = FOLDER, minutes = MINUTES } = {}): string {
  mkdirSync(FOLDER, { recursive: true });
  return execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: minutes * 60_000,
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip", ONNXRUNTIME_NODE_INSTALL_CUDA: "skip" },
  });
}

/** The Python of a virtual environment that has `packages`; or why there is none. What must be compiled needs `minutes`. */
export function python(
  name: string,
  packages: readonly string[],
  { minutes = MINUTES } = {},
): { python: string } | string {
  const place = join(FOLDER, name);
  const python = join(place, "bin/python");
  const done = join(place, "done");
  if (existsSync(done)) return { python };
  try {
    run("python3", ["-m", "venv", place]);
    run(python, ["-m", "pip", "install", "--quiet", ...packages], { minutes });
    writeFileSync(done, packages.join("\n"));
    return { python };
  } catch (error) {
    return `pip cannot install ${packages[0]} (${firstLine(error)})`;
  }
}

/** The folder node_modules of a project that has `packages`; or why there is none. */
export function npm(name: string, packages: readonly string[]): { modules: string } | string {
  const place = join(FOLDER, name);
  const modules = join(place, "node_modules");
  const done = join(place, "done");
  if (existsSync(done)) return { modules };
  try {
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "package.json"), '{"private":true}');
    run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", ...packages], { cwd: place });
    writeFileSync(done, packages.join("\n"));
    return { modules };
  } catch (error) {
    return `npm cannot install ${packages[0]} (${firstLine(error)})`;
  }
}

const firstLine = (error: unknown) => {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (
    stderr
      ?.trim()
      .split("\n")
      .findLast((line) => /error/i.test(line)) ?? message.split("\n")[0]!
  ).slice(0, 160);
};
