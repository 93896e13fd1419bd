/**
 * @file Builds the sources, once for what they are: into .dist/HASH, which is never written again, so that what runs from it
 * keeps its modules whatever is built beside it.
 *
 *     node build.mjs             build, and put the result into dist
 *     node build.mjs --test      build into .build/dist, and beside it compile the tests into .build
 *     node build.mjs --run …     build, and run distill with these arguments
 */

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { buildSync } from "esbuild";

const ROOT = import.meta.dirname;
const BUILDS = join(ROOT, ".dist");
const TESTS = join(ROOT, ".build");
const TSC = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");

/** What begins a process that may read its own folder and nothing else of the package. */
const ALONE = ["rewards/sandbox/child.js"];

/** A build that was not used for so long, in ms, is of nobody any more. */
const OLD = 7 * 24 * 3600 * 1000;

const [flag, ...args] = process.argv.slice(2);
if (flag === "--run") {
  const cli = join(built(), "cli.js");
  process.argv = [process.argv[0], cli, ...args];
  await import(pathToFileURL(cli).href);
} else if (flag === "--test") {
  rmSync(TESTS, { recursive: true, force: true });
  mkdirSync(TESTS);
  const tests = spawn(process.execPath, [TSC, "-p", join(ROOT, "tsconfig.test.json")], { stdio: "inherit" });
  const compiled = once(tests, "exit");
  publish(built(), join(TESTS, "dist"));
  process.exitCode = (await compiled)[0] ?? 1;
} else publish(built(), join(ROOT, "dist"));

/** The folder of the sources' build, made if it is not there. */
function built() {
  const target = join(
    BUILDS,
    hashOf(["build.mjs", "package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "src"]),
  );
  if (existsSync(target)) utimesSync(target, new Date(), new Date());
  else {
    const begun = `${target}.${process.pid}`;
    try {
      execFileSync(process.execPath, [TSC, "-p", join(ROOT, "tsconfig.build.json"), "--outDir", begun], {
        stdio: "inherit",
      });
      bundle(begun);
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

/**
 * Make few files of the many modules in a folder, since Node takes longer to find and link modules than to run them. What
 * is loaded later stays in files of its own, and so does what a thread or a process begins with: `moduleUrl` names it.
 */
function bundle(folder) {
  const modules = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".js"));
  const named = modules.flatMap((name) =>
    [...readFileSync(join(folder, name), "utf8").matchAll(/\bmoduleUrl\("([^"]+)"\)/g)].map(([, path]) => path),
  );
  const entries = ["cli.js", "index.js", ...named.filter((path) => path.endsWith(".js"))].filter((path) =>
    modules.includes(path),
  );
  const served = named.filter((path) => !path.endsWith(".js"));
  const shared = {
    absWorkingDir: folder,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    write: false,
    outdir: ".",
    outbase: ".",
  };
  const alone = entries.filter((path) => ALONE.includes(path));
  const made = [
    ...buildSync({ ...shared, entryPoints: entries.filter((path) => !alone.includes(path)), splitting: true })
      .outputFiles,
    ...alone.flatMap((path) => buildSync({ ...shared, entryPoints: [path] }).outputFiles),
  ];
  for (const name of modules) if (!served.some((path) => name.startsWith(join(path, "/")))) rmSync(join(folder, name));
  for (const { path, contents } of made) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
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

/** The folder is the build, whole or as it was; where it is the build already, nothing is touched. */
function publish(build, dist) {
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
