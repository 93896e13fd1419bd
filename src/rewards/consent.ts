/** @file Reward modules are programs. Recipes are passed around, so a module runs only where the user has said that it may. */

import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { DistillError } from "../core/errors.ts";
import { readFile } from "../core/streams.ts";
import type { RewardSpec } from "./create.ts";

/** The user's own list of modules that may run, one path a line; a folder stands for all in it. */
export const allowedModulesFile = (): string =>
  join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "distill", "allowed-modules");

/** Throw a sentence where rewards run modules that nobody allowed. `allowed` is --allow-modules. */
export function requireConsent(specs: readonly RewardSpec[], allowed: boolean | undefined): void {
  if (allowed) return;
  const modules = specs.flatMap((spec) => (spec.type === "module" ? [resolve((spec as { path?: string }).path!)] : []));
  if (modules.length === 0) return;
  const list = allowedModulesFile();
  const known = listed(list);
  const unknown = modules.find((path) => !known.some((entry) => path === entry || path.startsWith(`${entry}/`)));
  if (unknown)
    throw new DistillError(
      `The reward module ${unknown} is a program, and would run with your rights. Read it; then allow it with --allow-modules, or write its path or its folder's on a line of ${list}.`,
    );
}

function listed(path: string): string[] {
  if (!existsSync(path)) return [];
  const { uid, mode } = statSync(path);
  const me = process.getuid?.();
  if (me !== undefined && (uid !== me || (mode & 0o022) !== 0))
    throw new DistillError(`${path} can be written by others than you, so it allows nothing. Own it: chmod go-w.`);
  return readFile(path)
    .toString("utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => resolve(dirname(path), line));
}
