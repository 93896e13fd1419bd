/** @file How a command is told to stop. */

/** The signals that ask for it, and the exit codes that say so. */
export const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
export type StopSignal = keyof typeof EXIT_CODES;

/** What the process that works is told; `again` is at once. */
export type Stop = { signal: StopSignal; again: boolean };

/** ms that a service has to stop. */
export const GRACE = 9000;
