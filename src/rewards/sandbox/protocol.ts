/** @file What the judging process and its sandboxed children say to each other. */

export type Language = "python" | "javascript";

/** In the place of the image that a child starts from: it writes one to its standard output, and ends. */
export const MAKE = "make";

/** What follows an image in its file: the sha256 of it. */
export const SUM_BYTES = 32;

export type Limits = {
  /** A program's own time in one run: that for which it had a processor, where the system tells. */
  time_ms: number;
  memory_mb: number;
  /** Standard output beyond it ends the run. */
  output_bytes: number;
};

/** One run of a program in an interpreter that no other has touched. */
export type Job = { id: number; program: string; limits: Limits } & (
  | { kind: "stdin"; stdin: string }
  /** `test` runs in an interpreter of its own and reaches the program's functions through calls. */
  | { kind: "assertion"; test: string }
);

/**
 * How a run ended. `failed`: an exception, a failed assertion or an exit code; `limit`: time, output or memory.
 * `unreadable` is the test's fault, `crashed` the sandbox's own; neither says anything of the program.
 */
export type Outcome =
  | { status: "finished"; stdout: string }
  | { status: "failed" | "limit" | "unreadable" | "crashed"; reason: string };

/** `loaded` follows the start of a child, `running` the moment at which a job's clock starts. */
export type Reply =
  | { type: "loaded" }
  | { type: "running"; id: number }
  | { type: "ended"; id: number; outcome: Outcome };

/** An engine inside a child. Everything in it happens before `run`, so that a run's clock counts the program alone. */
export type Engine = {
  /** Have an interpreter ready for the next job; whether it is another than before. */
  prepare(kind: Job["kind"]): Promise<boolean>;
  run(job: Job): Outcome;
};

export const clip = (text: string, length = 300) => (text.length > length ? `${text.slice(0, length)}…` : text);
