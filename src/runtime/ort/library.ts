/** @file The library of ONNX Runtime that onnxruntime-node ships, called through its C API. */

import { closeSync, existsSync, fstatSync, readdirSync, readFileSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { DistillError, reasonOf } from "../../core/errors.ts";
import { openFile } from "../../core/streams.ts";
import { FUNCTIONS, type FunctionName } from "./functions.ts";

/** The version of the C API whose table `FUNCTIONS` is part of: ONNX Runtime 1.22's, which all later versions have. */
const API = 22;

/** What a function takes: a pointer, a number, a text, texts, or the memory of an array. */
export type Argument = bigint | number | string | null | readonly string[] | NodeJS.ArrayBufferView;

type Koffi = typeof import("koffi");
type Callable = { readonly address: bigint; readonly type: ReturnType<Koffi["proto"]>; readonly fails: boolean };

/** The folder of onnxruntime-node, wherever it was installed. */
export function packageRoot(): string {
  let folder = dirname(createRequire(import.meta.url).resolve("onnxruntime-node"));
  while (basename(folder) !== "onnxruntime-node") folder = dirname(folder);
  return folder;
}

/** The folder of the libraries for this machine. */
export const libraryFolder = (): string =>
  join(packageRoot(), "bin", "napi-v6", process.platform, process.arch === "arm64" ? "arm64" : process.arch);

export class OrtLibrary {
  readonly version: string;
  readonly #koffi: Koffi;
  /** Kept, or the library is unloaded when the handle is collected. */
  readonly #handle: ReturnType<Koffi["load"]>;
  readonly #table: bigint;
  readonly #known = new Map<FunctionName, Callable>();

  private constructor(path: string, koffi: Koffi) {
    this.#koffi = koffi;
    this.#handle = koffi.load(path);
    const base = this.#handle.func("void *OrtGetApiBase()")() as bigint;
    const [getApi, getVersion] = [0, 8].map((place) => koffi.decode(base, place, "void *") as bigint);
    this.version = koffi.call(getVersion, koffi.proto("const char *()")) as string;
    const expected = packageVersion();
    if (this.version !== expected)
      throw new DistillError(
        `${path} is ONNX Runtime ${this.version}, and onnxruntime-node beside it is ${expected}. Install it again: npm ci.`,
      );
    const table = koffi.call(getApi, koffi.proto("void *(uint32 version)"), API) as bigint | null;
    if (!table)
      throw new DistillError(
        `ONNX Runtime ${this.version} (${path}) has no API of version ${API}. Install the onnxruntime-node that package.json names.`,
      );
    this.#table = table;
  }

  static #opened: OrtLibrary | undefined;

  /** The library, opened once in a thread and never closed; or a sentence that says why there is none. */
  static open(): OrtLibrary {
    OrtLibrary.#opened ??= OrtLibrary.#load();
    return OrtLibrary.#opened;
  }

  static #load(): OrtLibrary {
    const folder = libraryFolder();
    const pattern = { win32: /^onnxruntime\.dll$/, darwin: /^libonnxruntime\.\d+\.\d+\.\d+\.dylib$/ };
    const wanted = pattern[process.platform as "win32" | "darwin"] ?? /^libonnxruntime\.so\.\d+$/;
    const name = existsSync(folder) ? readdirSync(folder).find((name) => wanted.test(name)) : undefined;
    if (!name)
      throw new DistillError(
        `onnxruntime-node has no library of ONNX Runtime for ${process.platform} ${process.arch}: ${folder} holds none. ` +
          "It ships Linux and Windows (x64, arm64) and macOS (arm64).",
      );
    const path = join(folder, name);
    refuseCutShort(path);
    const koffi = loadKoffi();
    try {
      return new OrtLibrary(path, koffi);
    } catch (error) {
      if (error instanceof DistillError) throw error;
      const why = reasonOf(error);
      throw new DistillError(`ONNX Runtime's library ${path} cannot be loaded: ${why}. Install it again: npm ci.`);
    }
  }

  /** Call a function; a status that it returns is thrown as an error of ONNX Runtime's words. */
  call(name: FunctionName, ...args: Argument[]): void {
    const { address, type, fails } = this.#callable(name);
    const status = this.#koffi.call(address, type, ...args) as bigint | null | undefined;
    if (!fails || !status) return;
    const message = this.#text(status);
    this.call("ReleaseStatus", status);
    throw new Error(message);
  }

  /** Call a function whose last parameter is where it puts a pointer or a size, and return that. */
  make(name: FunctionName, ...args: Argument[]): bigint {
    const out = new BigUint64Array(new ArrayBuffer(8));
    this.call(name, ...args, out);
    return out[0]!;
  }

  /** The text at an address, up to its zero. */
  textAt(address: bigint): string {
    return this.#koffi.decode(address, "char", -1) as string;
  }

  /** The pointers at an address. */
  pointersAt(address: bigint, count: number): bigint[] {
    return Array.from({ length: count }, (_, i) => this.#koffi.decode(address, 8 * i, "void *") as bigint);
  }

  /** The memory at an address, without a copy. */
  memoryAt(address: bigint, bytes: number): ArrayBuffer {
    return this.#koffi.view(address, bytes);
  }

  #text(status: bigint): string {
    const { address, type } = this.#callable("GetErrorMessage");
    return this.#koffi.call(address, type, status) as string;
  }

  #callable(name: FunctionName): Callable {
    const known = this.#known.get(name);
    if (known) return known;
    const [place, result, parameters] = FUNCTIONS[name];
    const path = process.platform === "win32" ? "const char16_t *" : "const char *";
    const callable = {
      address: this.#koffi.decode(this.#table, place * 8, "void *") as bigint,
      type: this.#koffi.proto(`${result} (${parameters.replaceAll("PATH", path)})`),
      fails: result === "void *",
    };
    this.#known.set(name, callable);
    return callable;
  }
}

/** Of a library that was copied in part, the system's loader would end the process: an ELF file names its own end. */
function refuseCutShort(path: string): void {
  const header = Buffer.alloc(64);
  const file = openFile(path);
  try {
    readSync(file, header, 0, 64, 0);
    const { size } = fstatSync(file);
    const isElf64 = header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1;
    // the table of sections is the last of the file: its place, the size of an entry, and how many there are
    const end = isElf64 ? Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60) : 0;
    if (size < end)
      throw new DistillError(
        `ONNX Runtime's library ${path} is cut short: it has ${size} bytes, and is ${end} long. Install it again: npm ci.`,
      );
  } finally {
    closeSync(file);
  }
}

/** The version of onnxruntime-node. */
export const packageVersion = (): string =>
  JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;

/** The package that calls C, which comes as a binary for each kind of machine. */
function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (error) {
    const why = reasonOf(error);
    throw new DistillError(
      `ONNX Runtime cannot be called on ${process.platform} ${process.arch}: the package koffi has no binary for it (${why}). ` +
        "Install again with optional packages (npm ci --include=optional), or use a machine of another kind.",
    );
  }
}
