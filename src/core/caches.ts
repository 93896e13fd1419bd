/** @file Where a user's caches lie: what is there can be made again, and is nothing's only copy. */

import { homedir } from "node:os";
import { join } from "node:path";

/** A file of the user's caches. */
export const cached = (name: string): string =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "distill", name);
