/**
 * @file The folder of a run: everything that stages leave is written through here. A folder is claimed while it is new or
 * empty, has one writer at a time, and holds nothing that was written half; what somebody else put there stays.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { isTaken, makeFolder, syncFolder, writeFolder, writeWhole } from "../core/files.ts";
import { contentHash, sha256 } from "../core/hash.ts";
import { readFile } from "../core/streams.ts";
import { logDamage } from "./append-log.ts";
import { type Claim, claimed, OWN, readClaim, refuseForeign, temporaryIn, WHOLE_FILES, writeClaim } from "./claim.ts";
import { EARLIER, earlierRun } from "./earlier.ts";
import { type FileHashes, fileHashes } from "./hashes.ts";
import { acquireLock } from "./lock.ts";
import { damageIn, foreignIn, readSeal, SEAL, sealFolder, sealOf, writeSeal } from "./seal.ts";
import { encodeState, readState } from "./state.ts";
import { wholeFiles } from "./whole-files.ts";

/** What a run keeps of something that it wrote: a sealed folder's key, a file's content, or how far a ledger has grown. */
export type Written = { key: string; content?: string } | { bytes: number; sha256: string } | { rows: number };

export type RunFolder = {
  readonly path: string;
  /** Names the run in what it writes. */
  readonly id: string;
  /** Who may write here, as the manifest keeps it too. */
  readonly claim: Claim;
  readonly writable: boolean;
  readonly hashes: FileHashes;
  /** Refuse what is not this run's to write, before work is done for it. */
  reserve(name: string): void;
  /** Write a folder, whole and sealed under a key; what this run wrote there before is replaced. */
  writeFolder(name: string, key: string, fill: (folder: string) => void | Promise<void>): Promise<Written>;
  /**
   * Write a file whole. Nothing is written where it has this content already; what somebody else made of it is moved aside.
   * `isOwn` says whether what lies there may be replaced: what this run wrote there last, unless given.
   */
  writeFile(name: string, content: string | Uint8Array, isOwn?: (content: Uint8Array) => boolean): Written;
  /** A state with its checksum, which readState reads. */
  writeState(name: string, state: object): void;
  /** The path of something that grows, such as a ledger. */
  place(name: string): string;
  /** A folder for what can be made again and is named by its content: whoever reads may add to it. */
  cache(name: string): string;
  /** Note something that was written where place() said, as something to compare later. */
  keep(name: string, written: Written): void;
  /** The size and the hash of a file that grew where place() said. */
  fileAsItIs(name: string): Written;
  /** What is wrong with something that was written, in words; files that were not touched since are not read again. */
  damage(name: string, written: Written): string | undefined;
  /** The same for a sealed folder that is about to be read: every byte of it is compared. */
  damageBeforeReading(name: string, key?: string): string | undefined;
  /** Move something out of the way, keep it, and say so. */
  setAside(name: string, why: string): void;
  /** Remove a sealed folder that this run wrote; one of which that is not known is moved aside. */
  remove(name: string): void;
  /** Remove something that grew where place() said. */
  discard(name: string): void;
  close(): void;
};

/** Open a run's folder to write: claim it where it is new or empty, and keep other writers out until it is closed. */
export async function openRunFolder(path: string, name: string): Promise<RunFolder> {
  refuseForeign(path, name);
  try {
    makeFolder(path);
    const lock = await acquireLock(join(path, OWN, "lock"), path);
    try {
      return inFolder(path, claimed(path, name), lock.release);
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    const claim = readClaim(path);
    const reason = (error as { cause?: unknown }).cause ?? error;
    if (!claim || !isReadOnly(reason)) throw error;
    return inFolder(path, claim, () => {}, `${path} cannot be written: ${(error as Error).message}`);
  }
}

/** Look into a run's folder while somebody may be writing; nothing can be written. */
export function readRunFolder(path: string, name: string): RunFolder {
  refuseForeign(path, name);
  const claim = readClaim(path) ?? { id: "", name, created_at: "", names: [] };
  if (claim.id === "" && earlierRun(path))
    console.error(
      `${path} was made by an earlier version. A run keeps what that wrote in ${EARLIER}, and takes its traces over.`,
    );
  return inFolder(path, claim, () => {}, `${path} was opened to be read`);
}

/** A folder of the caller's own as a run's folder, without claim and lock. */
export function plainRunFolder(path: string): RunFolder {
  makeFolder(path);
  return inFolder(path, { id: "", name: "", created_at: "", names: [] }, () => {}, undefined, false);
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Of each folder that a stage left whole, by name, its key and the hash of its files. */
function leftIn(path: string): Record<string, { key: string; content: string }> {
  const stages = Object.values(Object(readState(join(path, "manifest.json"))?.state?.stages));
  const outputs = stages.flatMap((stage) => Object.entries(Object((stage as { outputs?: unknown } | null)?.outputs)));
  return Object.fromEntries(
    outputs.filter((output): output is [string, { key: string; content: string }] => {
      const { key, content } = Object(output[1]) as Record<string, unknown>;
      return typeof key === "string" && typeof content === "string";
    }),
  );
}

const isReadOnly = (error: unknown) =>
  ["EROFS", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "") ||
  /EROFS|EACCES|EPERM/.test((error as Error).message);

function inFolder(path: string, claim: Claim, release: () => void, closed?: string, claims = true): RunFolder {
  const { id } = claim;
  const at = (name: string) => join(path, name);
  const hashes = fileHashes(at(`${OWN}/hashes.json`), (file, content) => {
    if (closed === undefined && claims) writeWhole(file, content, temporaryIn(path, "hashes.json"));
  });
  const files = wholeFiles(at(WHOLE_FILES), (content) =>
    writeWhole(at(WHOLE_FILES), content, temporaryIn(path, "files.json")),
  );

  /** What a top-level name holds is this run's from the first time that it writes there, or if it is known to be. */
  const own = (name: string, known = false) => {
    if (closed !== undefined) throw new DistillError(`${closed}, and ${name} is to be written there.`);
    const [top = name] = name.split("/");
    if (!claims || claim.names.includes(top)) return;
    if (existsSync(at(top)) && !known)
      throw new DistillError(
        `${at(top)} was not written by this run, and is not touched. Move it away, or give the recipe another output.`,
      );
    claim.names.push(top);
    writeClaim(path, claim);
  };

  const isFolder = (name: string) => statSync(at(name), { throwIfNoEntry: false })?.isDirectory() === true;
  const left = claims ? leftIn(path) : {};
  /** The seal of a folder. One that is lost or damaged is made again where the manifest knows the files as this run's. */
  const seal = (name: string): ReturnType<typeof readSeal> => {
    const read = readSeal(at(name));
    const known = Object.hasOwn(left, name) ? left[name]! : undefined;
    if ((read && read.damage === undefined) || !known || !isFolder(name)) return read;
    const found = sealOf(at(name), { run: id, key: known.key });
    if (contentHash(found.files) !== known.content) return read;
    if (closed === undefined) writeSeal(at(name), found);
    console.error(
      `${read?.damage ?? `${join(at(name), SEAL)} is missing`}. ${closed === undefined ? "It is made again, since" : "Still"} the files are what this run left there.`,
    );
    return { seal: found };
  };

  /** Whether the seal of a folder, or that it is empty, lets this run write there. */
  const isOwn = (name: string): boolean => {
    const read = seal(name);
    return read ? read.damage !== undefined || read.seal.run === id : readdirSync(at(name)).length === 0;
  };

  /** `folder`: what is to be written is one. */
  const reserve = (name: string, folder = false) => {
    own(name);
    if (!isTaken(at(name)) || (isFolder(name) && isOwn(name)) || (!folder && !isFolder(name))) return;
    throw new DistillError(
      `${at(name)} was not written by this run${seal(name) ? ", but by another one" : ""}, and is not touched. Move it away, or give the recipe another output.`,
    );
  };

  /** Move what stands in the way of something new: out of sight where it is as this run wrote it, else aside. */
  const retire = (name: string): string | undefined => {
    if (!isTaken(at(name))) return undefined;
    reserve(name, true);
    const read = seal(name);
    const changed = !read
      ? undefined
      : (read.damage ??
        damageIn(at(name), read.seal, hashes.file) ??
        (foreignIn(at(name), read.seal)[0] && `${at(name)}/${foreignIn(at(name), read.seal)[0]} was added to it`));
    if (changed) {
      setAside(name, changed);
      return undefined;
    }
    const old = temporaryIn(path, `old-${basename(name)}`);
    renameSync(at(name), old);
    return old;
  };

  const setAside = (name: string, why: string) => {
    own("set-aside");
    let [n, to] = [1, ""];
    do to = at(`set-aside/${name.replaceAll("/", "-")}-${n++}`);
    while (existsSync(to));
    makeFolder(dirname(to));
    renameSync(at(name), to);
    syncFolder(dirname(to));
    console.error(`${why}. It is kept as ${to}.`);
  };

  return {
    path,
    id,
    claim,
    writable: closed === undefined,
    hashes,
    reserve,
    async writeFolder(name, key, fill) {
      reserve(name, true);
      const temporary = temporaryIn(path, basename(name));
      makeFolder(dirname(at(name)));
      let [old, content] = [undefined as string | undefined, ""];
      await writeFolder(
        at(name),
        async (folder) => {
          await fill(folder);
          const { files } = sealFolder(folder, { run: id, key });
          content = contentHash(files);
          old = retire(name);
          for (const file of Object.keys(files))
            hashes.know(join(folder, file), files[file]!.sha256, join(at(name), file));
        },
        temporary,
      );
      if (old) rmSync(old, { recursive: true, force: true });
      return { key, content };
    },
    writeFile(name, content, isOwn) {
      const bytes = Buffer.from(content as string);
      const now = existsSync(at(name)) ? readFile(at(name)) : undefined;
      if (!now?.equals(bytes)) {
        own(name, now && isOwn?.(now));
        makeFolder(dirname(at(name)));
        const before = now && hashOf(now);
        const others = before !== undefined && claims && !(isOwn ? isOwn(now!) : files.isOwn(name, before));
        if (others) setAside(name, `${at(name)} is not what this run wrote there`);
        if (claims && !isOwn) files.begin(name, hashOf(bytes), others ? undefined : before);
        writeWhole(at(name), bytes, temporaryIn(path, name));
      }
      return { bytes: bytes.length, sha256: sha256(at(name)) };
    },
    writeState(name, state) {
      own(name);
      makeFolder(dirname(at(name)));
      writeWhole(at(name), encodeState(state), temporaryIn(path, name));
    },
    place(name) {
      own(name);
      return at(name);
    },
    cache: (name) => at(`${OWN}/${name}`),
    keep() {},
    fileAsItIs: (name) => ({ bytes: statSync(at(name)).size, sha256: hashes.file(at(name)) }),
    damage(name, expected) {
      if (!existsSync(at(name))) return `${at(name)} is missing`;
      if ("rows" in expected) return logDamage(at(name), expected.rows, hashes);
      if ("bytes" in expected) {
        const { size } = statSync(at(name));
        if (size !== expected.bytes) return `${at(name)} has ${size} bytes, and ${expected.bytes} were written`;
        return hashes.file(at(name)) === expected.sha256
          ? undefined
          : `${at(name)} is not what was written: its sha256 differs`;
      }
      return damaged(name, expected, hashes.file);
    },
    damageBeforeReading: (name, key) =>
      damaged(name, key === undefined ? {} : { key }, (file) => {
        const hash = sha256(file);
        hashes.know(file, hash); // what is found now is known to the next plan
        return hash;
      }),
    setAside,
    remove(name) {
      if (existsSync(at(name)) && !(isFolder(name) && isOwn(name)))
        return setAside(name, `${at(name)} has no seal of this run`);
      const old = retire(name);
      if (old) rmSync(old, { recursive: true, force: true });
    },
    discard(name) {
      own(name);
      if (!existsSync(at(name))) return;
      const old = temporaryIn(path, `old-${basename(name)}`);
      renameSync(at(name), old);
      rmSync(old, { recursive: true, force: true });
    },
    close() {
      hashes.save();
      release();
    },
  };

  function damaged(
    name: string,
    { key, content }: { key?: string; content?: string },
    hashOf: (path: string) => string,
  ): string | undefined {
    const read = seal(name);
    if (!read) return `${at(name)} has lost its seal`;
    if (read.damage !== undefined) return read.damage;
    if (read.seal.run !== id) return `${at(name)} was written by another run`;
    if (key !== undefined && read.seal.key !== key) return `${at(name)} was written under other settings`;
    if (content !== undefined && contentHash(read.seal.files) !== content)
      return `${at(name)} is not what was left there last`;
    return damageIn(at(name), read.seal, hashOf);
  }
}
