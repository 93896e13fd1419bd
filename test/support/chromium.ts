/** @file Which Chromium opens pages here, and how it is started. */

import { existsSync } from "node:fs";

/** Flags beside those that a page needs, set by test/main.ts. */
export const MORE_FLAGS = "DISTILL_TEST_CHROMIUM";

export const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

/** Without a window and its bars, in a profile of its own. */
export const headless = (profile: string): string[] => [
  "--headless=new",
  "--no-sandbox",
  "--hide-scrollbars",
  `--user-data-dir=${profile}`,
  ...(process.env[MORE_FLAGS] ? [process.env[MORE_FLAGS]] : []),
];
