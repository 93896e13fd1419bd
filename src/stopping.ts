/** @file How a command is told to stop. */

/** The signals that ask for it, and the exit codes that say so. */
export const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
export type StopSignal = keyof typeof EXIT_CODES;

/** What the process that works is told; `again` is at once. */
export type Stop = { signal: StopSignal; again: boolean };

/** What it says when its work is done: a library that crashes while it is put away takes nothing of that back. */
export type Done = { code: number };

/** ms that a service has to stop. */
export const GRACE = 9000;
