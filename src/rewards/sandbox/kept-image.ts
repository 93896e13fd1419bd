/**
 * @file The memory of a Python interpreter that has just started, kept beside other caches of the user: a child that starts
 * from it needs a fifth of the time. What is damaged, or of another release, is made again.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { cached } from "../../core/caches.ts";
import { writeWhole } from "../../core/files.ts";
import { SUM_BYTES } from "./protocol.ts";

/** An image that was not used for so long, in ms, is of a release that is no longer there. */
const OLD = 30 * 24 * 3600 * 1000;

/** The file with the image that `make` makes by the code in a folder, made if it is not there or not whole. */
export async function keptImage(folder: string, make: () => Promise<Uint8Array>): Promise<string> {
  const path = cached(`python-${keyOf(folder)}.image`);
  if (isWhole(path)) utimesSync(path, new Date(), new Date());
  else {
    const image = await make();
    writeWhole(path, Buffer.concat([image, sumOf(image)]));
    removeOld(path);
  }
  return path;
}

const sumOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

function isWhole(path: string): boolean {
  if (!existsSync(path)) return false;
  const bytes = readFileSync(path);
  return bytes.length > SUM_BYTES && sumOf(bytes.subarray(0, -SUM_BYTES)).equals(bytes.subarray(-SUM_BYTES));
}

/** Names what an image hangs on: the code that makes it, the interpreter and Node. */
function keyOf(folder: string): string {
  const code = readdirSync(folder)
    .filter((name) => name.endsWith(".js"))
    .sort()
    .map((name) => join(folder, name));
  const hash = createHash("sha256").update(process.version);
  for (const path of [createRequire(import.meta.url).resolve("pyodide/package.json"), ...code])
    hash.update("\0").update(readFileSync(path));
  return hash.digest("hex").slice(0, 16);
}

function removeOld(path: string): void {
  for (const name of readdirSync(dirname(path))) {
    const other = join(dirname(path), name);
    if (!/^python-[0-9a-f]{16}\.image$/.test(name) || name === basename(path)) continue;
    if (Date.now() - statSync(other).mtimeMs > OLD) rmSync(other, { force: true });
  }
}
