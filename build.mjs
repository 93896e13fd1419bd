/**
 * @file Builds the sources, once for what they are: into .dist/HASH, which is never written again, so that what runs from it
 * keeps its modules whatever is built beside it.
 *
 *     node build.mjs             build, and put the result into dist
 *     node build.mjs --run …     build, and run distill with these arguments
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = import.meta.dirname;
const BUILDS = join(ROOT, ".dist");

/** A build that was not used for so long, in ms, is of nobody any more. */
const OLD = 7 * 24 * 3600 * 1000;

const [flag, ...args] = process.argv.slice(2);
const build = built();
if (flag === "--run") {
  const cli = join(build, "cli.js");
  process.argv = [process.argv[0], cli, ...args];
  await import(pathToFileURL(cli).href);
} else publish(build);

/** The folder of the sources' build, made if it is not there. */
function built() {
  const target = join(
    BUILDS,
    hashOf(["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "src"]),
  );
  if (existsSync(target)) utimesSync(target, new Date(), new Date());
  else {
    const begun = `${target}.${process.pid}`;
    const tsc = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");
    try {
      execFileSync(process.execPath, [tsc, "-p", join(ROOT, "tsconfig.build.json"), "--outDir", begun], {
        stdio: "inherit",
      });
      moved(begun, target);
    } catch (error) {
      rmSync(begun, { recursive: true, force: true });
      process.exit(error.status ?? 1);
    }
  }
  for (const name of readdirSync(BUILDS)) {
    const path = join(BUILDS, name);
    if (Date.now() - statSync(path).mtimeMs > OLD) rmSync(path, { recursive: true, force: true });
  }
  return target;
}

/** Whoever is first is taken: another's build of the same sources is the same. */
function moved(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
    rmSync(from, { recursive: true, force: true });
  }
}

/** dist is the build, whole or as it was; where it is the build already, nothing is touched. */
function publish(build) {
  const dist = join(ROOT, "dist");
  if (existsSync(dist) && contentOf(dist) === contentOf(build)) return;
  const [begun, before] = [`${build}.dist.${process.pid}`, `${build}.before.${process.pid}`];
  cpSync(build, begun, { recursive: true });
  if (existsSync(dist)) renameSync(dist, before);
  moved(begun, dist);
  rmSync(before, { recursive: true, force: true });
}

function hashOf(names) {
  const hash = createHash("sha256");
  for (const name of names) hash.update(contentOf(join(ROOT, name)));
  return hash.digest("hex").slice(0, 16);
}

/** A hash of a file, or of all files in a folder with their names. */
function contentOf(path) {
  const hash = createHash("sha256");
  const files = statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
    : [path];
  for (const file of files)
    hash
      .update(`${relative(path, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  return hash.digest("hex");
}
