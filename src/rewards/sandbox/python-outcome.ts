/** @file What the two sides of a judgement in Python say of how it ended. */

import { clip, type Job, type Outcome } from "./protocol.ts";

/** What a judge says of a program. */
export function verdictOf(text: string): Outcome {
  const judged = readObject(text);
  if (judged.passed === true) return { status: "finished", stdout: "" };
  if (typeof judged.failed === "string") return { status: "failed", reason: clip(judged.failed) };
  return { status: "unreadable", reason: `the test cannot be judged here: ${clip(String(judged.unreadable))}` };
}

/** How a program ended, as its side tells it: [error, exit code]. */
export function endOf(text: string, { kind }: Pick<Job, "kind">, stdout: string): Outcome {
  const [error, code] = readList(text) ?? ["the interpreter broke down", 1];
  if (error === "exit" && code !== 0) return { status: "failed", reason: `exit code ${clip(String(code), 20)}` };
  if (error === "exit" && kind === "assertion") return { status: "failed", reason: "it ended before the test" };
  if (error && error !== "exit") return { status: "failed", reason: clip(String(error)) };
  return { status: "finished", stdout };
}

/** A program may have written what it likes. */
function readList(text: string): unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function readObject(text: unknown): Record<string, unknown> {
  const value: unknown = typeof text === "string" ? JSON.parse(text) : undefined;
  return Object.assign(Object.create(null), value);
}
