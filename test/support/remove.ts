/** @file Folders that are removed while somebody still writes into them. */

import { rmSync } from "node:fs";

/** Remove a folder as `rm -rf` until it is gone: what was written meanwhile makes Node give up, whose retries look for nothing new. */
export function removeInUse(folder: string): void {
  const end = performance.now() + 10_000;
  for (;;)
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY" || performance.now() > end) throw error;
    }
}
