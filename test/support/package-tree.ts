/** @file The command line as it is installed, beside packages of which some are others. */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { scratch } from "./students.ts";

const MODULES = resolve("node_modules");

export type Tree = {
  /** The folder of a package that may be changed. */
  package(name: string): string;
  distill(...args: string[]): { code: number | null; out: string; err: string };
};

/** A tree whose packages are this one's, but for copies of `own` without the files that `without` names. */
export function packageTree(own: readonly string[], without: (path: string) => boolean = () => false): Tree {
  const root = scratch();
  const modules = join(root, "node_modules");
  cpSync(resolve(import.meta.dirname, "../../src"), join(root, "dist"), { recursive: true });
  for (const name of ["package.json", "data", "recipes"]) symlinkSync(resolve(name), join(root, name));
  for (const name of packages()) {
    if (own.includes(name)) continue;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(MODULES, name), join(modules, name));
  }
  for (const name of own)
    cpSync(join(MODULES, name), join(modules, name), { recursive: true, filter: (path) => !without(path) });
  return {
    package: (name) => join(modules, name),
    distill(...args) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "dist/cli.js"), ...args], {
        encoding: "utf8",
        cwd: root,
      });
      return { code: status, out: stdout, err: stderr };
    },
  };
}

/** The names of all packages, those of scopes too. */
const packages = (): string[] =>
  readdirSync(MODULES)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) =>
      name.startsWith("@") ? readdirSync(join(MODULES, name)).map((inner) => join(name, inner)) : [name],
    );
