/** @file Rules of the user's own, in modules. */

import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readFile } from "../core/streams.ts";
import { VERDICTS } from "../core/trace.ts";
import type { Reward, RewardComponent, Score } from "./reward.ts";

const scoreSchema = z.object({
  score: z.number().nullable(),
  verdict: z.enum(VERDICTS).optional(),
  extracted: z.string().nullable().optional(),
  reason: z.string(),
});

/**
 * The rule that a module exports as its default: a function of a sample, or a component `{ options, create, ofGroup }`
 * like the built-in ones. A function with a second parameter is a rule of a group. What it returns is checked at each call.
 */
export async function loadReward(path: string): Promise<RewardComponent> {
  const file = resolve(path);
  if (!existsSync(file)) throw new DistillError(`Reward module not found: ${path}.`);
  const rule: unknown = (await load(file, path)).default;
  if (rule === undefined)
    throw new DistillError(
      `Reward module ${path} has no default export. Expected \`export default (sample) => score\`.`,
    );
  if (typeof rule === "function")
    return {
      options: z.strictObject({}),
      ofGroup: rule.length > 1,
      ownThread: true,
      create: () => checked(rule as Reward, path),
    };
  if (!isComponent(rule))
    throw new DistillError(
      `The default export of reward module ${path} is ${nameOf(rule)}. Expected a function of a sample, or { options: a zod object, create(options) }.`,
    );
  return {
    options: rule.options,
    ofGroup: rule.ofGroup === true,
    ownThread: true,
    create(options) {
      const made: unknown = rule.create(options);
      if (typeof made !== "function")
        throw new DistillError(
          `create() of reward module ${path} returned ${nameOf(made)}. Expected a function of a sample.`,
        );
      return checked(made as Reward, path);
    },
  };
}

/** What an import or a require names, where that is a file beside: packages are named otherwise. */
const IMPORTED = /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*["'](\.{1,2}\/[^"']+)["']/g;

/** The files that a module is made of: its own, and those that it and they import from beside them. */
export function filesOfModule(path: string): string[] {
  const files = new Set<string>();
  const open = [resolve(path)];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file) || !existsSync(file) || !statSync(file).isFile()) continue;
    files.add(file);
    for (const [, name] of readFile(file).toString("utf8").matchAll(IMPORTED)) open.push(resolve(dirname(file), name!));
  }
  return [...files];
}

async function load(file: string, path: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    throw new DistillError(`Reward module ${path} does not load: ${messageOf(error)}.`, { cause: error });
  }
}

function isComponent(
  value: unknown,
): value is { options: z.ZodObject; create(options: unknown): unknown; ofGroup?: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const { options, create } = value as Record<string, unknown>;
  const zodObject = options as { safeParse?: unknown; shape?: unknown } | undefined;
  return (
    typeof create === "function" && typeof zodObject?.safeParse === "function" && typeof zodObject.shape === "object"
  );
}

/** The rule, whose scores are checked. */
const checked =
  (rule: Reward, path: string): Reward =>
  async (sample, group) => {
    let score: Score;
    try {
      score = await rule(sample, group);
    } catch (error) {
      throw new DistillError(`Reward module ${path} failed on a sample: ${messageOf(error)}.`, { cause: error });
    }
    const { success, error } = scoreSchema.safeParse(score);
    if (success) return score;
    const [issue] = error.issues;
    const where = issue?.path.length ? `its ${issue.path.join(".")}: ${issue.message}` : nameOf(score);
    throw new DistillError(
      `Reward module ${path} returned no score (${where}). Expected { score: a number or null, reason: a text }, with verdict and extracted where it judges correctness.`,
    );
  };

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");

const nameOf = (value: unknown) =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "a list"
      : typeof value === "object"
        ? "an object of another shape"
        : `a ${typeof value}`;
