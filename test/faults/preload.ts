/**
 * @file Loaded before the command line: a disk that fails on purpose, or that is photographed before and after each change.
 * What a process leaves when it is killed at a moment is what is in its files at that moment.
 */

import { createHash } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join, resolve } from "node:path";
import { isMainThread } from "node:worker_threads";

const { FAULTS_FOLDER: folder = "", FAULTS_STATES: states, FAULTS_BYTES, FAULTS_FILES, FAULTS_READ_ONLY } = process.env;

type Fs = Record<string, (...args: unknown[]) => unknown>;
const patched = fs as unknown as Fs;
const original = { ...fs } as unknown as Fs;

/** Paths of open files, to know which are in the folder. */
const opened = new Map<number, string>();
const inside = (target: unknown): boolean => {
  const path =
    typeof target === "number" ? opened.get(target) : typeof target === "string" ? resolve(target) : undefined;
  return path === folder || (path?.startsWith(`${folder}/`) ?? false);
};
const failing = (code: string, message: string, syscall: string, path: unknown): Error =>
  Object.assign(new Error(`${code}: ${message}, ${syscall}${typeof path === "string" ? ` '${path}'` : ""}`), {
    code,
    syscall,
    errno: -1,
    ...(typeof path === "string" ? { path } : {}),
  });

if (isMainThread && folder) {
  const openSync = original.openSync!;
  patched.openSync = (...args) => {
    const [path, flags] = args as [string, string | undefined];
    const writes = typeof flags === "string" && flags !== "r";
    if (writes && inside(path)) {
      refuseWrite("open", path);
      if (!original.existsSync!(path)) useFile("open", path);
    }
    const file = openSync(...args) as number;
    opened.set(file, resolve(path));
    return file;
  };
  let bytesLeft = FAULTS_BYTES === undefined ? Number.POSITIVE_INFINITY : Number(FAULTS_BYTES);
  let filesLeft = FAULTS_FILES === undefined ? Number.POSITIVE_INFINITY : Number(FAULTS_FILES);
  const useFile = (syscall: string, path: string) => {
    if (--filesLeft < 0) throw failing("ENOSPC", "no space left on device", syscall, path);
  };
  const refuseWrite = (syscall: string, path: unknown) => {
    if (FAULTS_READ_ONLY) throw failing("EROFS", "read-only file system", syscall, path);
  };
  const writeSync = original.writeSync!;
  patched.writeSync = (...args) => {
    const [file, data, ...rest] = args as [number, Uint8Array | string, ...unknown[]];
    if (!inside(file)) return writeSync(...args);
    const asked =
      typeof data === "string"
        ? Buffer.byteLength(data)
        : typeof rest[1] === "number"
          ? (rest[1] as number)
          : data.length;
    if (asked <= bytesLeft) {
      bytesLeft -= asked;
      return writeSync(...args);
    }
    const room = bytesLeft;
    bytesLeft = 0;
    // a disk takes what it has room for, and refuses the next
    if (room > 0 && typeof data !== "string") return writeSync(file, data, rest[0] ?? 0, room, rest[2]);
    throw failing("ENOSPC", "no space left on device", "write", undefined);
  };
  const changes = [
    "renameSync",
    "rmSync",
    "ftruncateSync",
    "fsyncSync",
    "mkdirSync",
    "utimesSync",
    "appendFileSync",
    "unlinkSync",
  ];
  let points = 0;
  for (const name of changes) {
    const call = original[name]!;
    patched[name] = (...args) => {
      const where = args.find(inside);
      if (where === undefined) return call(...args);
      if (name !== "fsyncSync") refuseWrite(name.replace("Sync", ""), args[0]);
      if (name === "mkdirSync" && !original.existsSync!(args[0])) useFile("mkdir", args[0] as string);
      if (!states) return call(...args);
      photograph(`${++points} before ${name}`);
      try {
        return call(...args);
      } finally {
        photograph(`${points} after ${name}`);
      }
    };
  }
  syncBuiltinESMExports();
  process.on("exit", () => {
    if (states)
      original.writeFileSync!(join(states, `points-${process.pid}.json`), JSON.stringify({ points: 2 * points }));
  });
}

const known = new Map<string, { touched: string; hash: string }>();
const taken = new Set<string>();

/** Keep the state of the folder, once for each content: a list of its files, and their bytes under their hashes. */
function photograph(what: string): void {
  const files: [string, string | null][] = [];
  const walk = (path: string) => {
    if (!original.existsSync!(path)) return;
    for (const entry of fs.readdirSync(path, { withFileTypes: true })) {
      const inner = join(path, entry.name);
      const name = inner.slice(folder.length + 1);
      if (entry.isDirectory()) {
        files.push([name, null]);
        walk(inner);
        continue;
      }
      const stat = fs.statSync(inner, { bigint: true });
      const touched = `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino}`;
      let hash = known.get(inner)?.touched === touched ? known.get(inner)!.hash : undefined;
      if (!hash) {
        const bytes = fs.readFileSync(inner);
        hash = createHash("sha256").update(bytes).digest("hex");
        const blob = join(states!, "blobs", hash);
        original.mkdirSync!(join(states!, "blobs"), { recursive: true });
        if (!original.existsSync!(blob)) original.writeFileSync!(blob, bytes);
        known.set(inner, { touched, hash });
      }
      files.push([name, hash]);
    }
  };
  walk(folder);
  files.sort(([a], [b]) => (a < b ? -1 : 1));
  // what is being written lies in one place, which is emptied before anything else: whether there is something is one state
  const alike = files
    .map(([name, hash]) => [name.replace(/^\.distill\/(temporary|lock)\/.+/, ".distill/$1/…"), hash] as const)
    .map(([name, hash]) => (name.endsWith("…") ? name : `${name} ${hash}`));
  const id = createHash("sha256")
    .update([...new Set(alike)].join("\n"))
    .digest("hex")
    .slice(0, 16);
  if (taken.has(id)) return;
  taken.add(id);
  original.writeFileSync!(
    join(states!, `state-${process.pid}-${String(taken.size).padStart(4, "0")}.json`),
    JSON.stringify({ what, files }),
  );
}
