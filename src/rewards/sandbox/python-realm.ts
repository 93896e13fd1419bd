/**
 * @file The JavaScript realm in which one Python interpreter lives. The realm is a bare V8 context: ECMAScript and
 * WebAssembly, no code generation from strings, no `import`, no object of Node. Only strings and bytes cross its border,
 * so Python code that reaches JavaScript reaches nothing.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import vm from "node:vm";
import { exportState } from "./wasm-state.ts";

export type Realm = vm.Context;

declare const WebAssembly: { Module: new (bytes: Uint8Array) => object };

const require = createRequire(import.meta.url);

const read = (file: string) => readFileSync(require.resolve(`pyodide/${file}`));

/** `text` with `from` replaced; another release of the package may need other edits. */
function edit(text: string, from: string | RegExp, to: string): string {
  const edited = text.replace(from, to);
  if (edited === text) throw new Error(`This release of pyodide is not supported: ${from} is not in its source.`);
  return edited;
}

const loader = new vm.Script(
  `(() => {${edit(
    read("pyodide.mjs").toString(),
    /export\{(\w+) as loadPyodide,\w+ as version\};[\s\S]*$/,
    "globalThis.loadPyodide=$1;",
  )}})()`,
  { filename: "pyodide" },
);

const glue = new vm.Script(
  edit(
    edit(read("pyodide.asm.mjs").toString(), /import\.meta\.url/g, '"/"'),
    "export default _createPyodideModule;",
    "",
  ),
  { filename: "python" },
);

const assets = { "pyodide.asm.wasm": Buffer.alloc(0), "python_stdlib.zip": read("python_stdlib.zip") };

/** Compiled once for all realms; each gets a wrapper of its own around it. */
const machine = new WebAssembly.Module(exportState(read("pyodide.asm.wasm")));

const lock = {
  info: { ...JSON.parse(read("pyodide-lock.json").toString()).info },
  packages: {},
};

/** Imports that leave nothing in JavaScript but what `reset` undoes: streams, their places, the seed of random bytes. */
const HARMLESS = [
  ...["fd_read", "fd_write", "fd_seek", "fd_close", "fd_pread", "fd_fdstat_get", "__syscall_fcntl64", "random_get"],
  ...["clock_time_get", "clock_res_get", "emscripten_date_now", "emscripten_get_now"],
  ...["_localtime_js", "_gmtime_js", "_mktime_js", "_timegm_js", "_tzset_js"],
  ...["__syscall_fstat64", "__syscall_stat64", "__syscall_lstat64", "__syscall_newfstatat", "__syscall_faccessat"],
  ...["__syscall_getcwd", "__syscall_getdents64", "__syscall_readlinkat", "__syscall_getuid32_js"],
  ...["emscripten_resize_heap", "emscripten_get_heap_max", "environ_get", "environ_sizes_get"],
  ...["_Py_CheckEmscriptenSignals_Helper", "_PyEM_TrampolineCall_JS", "_emscripten_get_progname"],
];

/** O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_LARGEFILE, O_NONBLOCK: flags with which a file is only read. */
const READING = 0o2000000 | 0o200000 | 0o400000 | 0o100000 | 0o4000;

/** What pyodide asks of a JavaScript shell, and text coding, which is no part of ECMAScript. */
const surroundings = new vm.Script(
  `"use strict";
  // Node would call this with an array of its own realm.
  Object.defineProperty(Error, "prepareStackTrace", { value: undefined });
  Object.defineProperty(globalThis, "Error", { value: Error, writable: false, configurable: false });
  const files = Object.create(null);
  let seed = 0x9e3779b9;
  const byte = () => (seed = (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0, (seed >>> 11) & 255);
  globalThis.file = (name, length) => (files[name] = new ArrayBuffer(length));
  globalThis.forget = () => { for (const name in files) delete files[name]; };
  globalThis.load = () => {};
  globalThis.read = globalThis.readbuffer = (path) => {
    const content = files[path.slice(path.lastIndexOf("/") + 1)];
    if (!content) throw new Error("no such file: " + path);
    return content;
  };
  globalThis.os = {
    system(_, [, command]) {
      const bytes = Array.from({ length: Number(/-c(\\d+)/.exec(command)[1]) }, byte);
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      let text = "";
      for (let i = 0; i < bytes.length; i += 3) {
        const [a, b, c] = bytes.slice(i, i + 3);
        text += alphabet[a >> 2] + alphabet[((a & 3) << 4) | ((b ?? 0) >> 4)];
        text += b === undefined ? "=" : alphabet[((b & 15) << 2) | ((c ?? 0) >> 6)];
        text += c === undefined ? "=" : alphabet[c & 63];
      }
      return text;
    },
  };
  globalThis.crypto = { getRandomValues(view) { for (let i = 0; i < view.length; i++) view[i] = byte(); return view; } };
  globalThis.performance = { now: () => Date.now() };
  globalThis.setTimeout = (f) => (Promise.resolve().then(f), 0);
  globalThis.clearTimeout = () => {};
  globalThis.FinalizationRegistry = class { register() {} unregister() {} };
  const { Module, Instance, instantiate } = WebAssembly;
  // Whatever WebAssembly does to this realm it does through its imports. What they leave behind ends the realm.
  const harmless = new Set(${JSON.stringify(HARMLESS)});
  const judged = { dirty: false };
  const writes = { __syscall_openat: ([, , flags]) => (flags & ~${READING}) !== 0, __syscall_ioctl: ([, op]) => op !== 0x5413 && op !== 0x5401 };
  const watched = (imports) => Object.fromEntries(Object.entries(imports).map(([space, names]) => [space, space.startsWith("GOT") ? names : Object.fromEntries(
    Module.imports(module).filter((wanted) => wanted.module === space && wanted.kind === "function").map(({ name }) => {
      const f = names[name], writing = writes[name];
      if (harmless.has(name) || typeof f !== "function") return [name, f];
      return [name, writing
        ? (...args) => { if (writing(args)) judged.dirty = name; return f(...args); }
        : (...args) => { judged.dirty = name; return f(...args); }];
    }))]));
  let module;
  globalThis.judged = judged;
  globalThis.reseed = () => { seed = 0x9e3779b9; };
  globalThis.adopt = (given) => {
    module = Object.setPrototypeOf(given, Module.prototype);
    delete WebAssembly.Suspending;
    WebAssembly.instantiate = async (source, imports) => {
      if (source.byteLength !== 0) return instantiate(source, imports);
      const instance = globalThis.instance = new Instance(module, watched(imports));
      return { module, instance };
    };
  };
  const messages = [];
  const say = (...words) => { if (messages.length < 20) messages.push(words.join(" ").slice(0, 500)); };
  globalThis.console = { log: say, warn: say, error: say, info: say, debug: say };
  globalThis.messages = messages;
  globalThis.TextEncoder = class {
    encode(text = "") {
      const room = new Uint8Array(text.length * 3);
      return room.slice(0, this.encodeInto(text, room).written);
    }
    encodeInto(text, room) {
      let read = 0, written = 0;
      for (const letter of text) {
        let c = letter.codePointAt(0);
        if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
        const n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (written + n > room.length) break;
        if (n === 1) room[written] = c;
        else {
          room[written] = (c >> (6 * (n - 1))) | (0xf00 >> n) & 0xff;
          for (let i = 1; i < n; i++) room[written + i] = 0x80 | ((c >> (6 * (n - 1 - i))) & 63);
        }
        read += letter.length;
        written += n;
      }
      return { read, written };
    }
  };
  globalThis.TextDecoder = class {
    constructor(label = "utf-8", { fatal = false } = {}) { this.encoding = label.toLowerCase(); this.fatal = fatal; }
    decode(view = new Uint8Array()) {
      const bytes = ArrayBuffer.isView(view) ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view);
      let text = "", codes = [];
      const put = (c) => { codes.push(c); if (codes.length === 4096) flush(); };
      const flush = () => { text += String.fromCodePoint(...codes); codes = []; };
      if (/16/.test(this.encoding)) for (let i = 0; i + 1 < bytes.length; i += 2) put(bytes[i] | (bytes[i + 1] << 8));
      else if (!/utf-?8/.test(this.encoding)) for (const b of bytes) put(b);
      else for (let i = 0; i < bytes.length; ) {
        const b = bytes[i++];
        const n = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : b >= 0xe0 && b < 0xf0 ? 2 : b >= 0xf0 && b < 0xf5 ? 3 : -1;
        let c = n === 0 ? b : b & (0x3f >> n), k = 0;
        for (; k < n && (bytes[i + k] & 0xc0) === 0x80; k++) c = (c << 6) | (bytes[i + k] & 63);
        if (n < 0 || k < n || c > 0x10ffff || (n === 2 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (n === 3 && c < 0x10000)) {
          if (this.fatal) throw new TypeError("invalid utf-8");
          put(0xfffd);
        } else { put(c); i += n; }
      }
      flush();
      return text;
    }
  };`,
  { filename: "surroundings" },
);

/** A realm with a running interpreter: from the image of another's memory in a tenth of the time. */
export async function bootPython(image?: Uint8Array): Promise<Realm> {
  const realm = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: true } });
  surroundings.runInContext(realm);
  for (const [name, bytes] of Object.entries(image ? { ...assets, image } : assets))
    new Uint8Array(vm.runInContext(`file(${JSON.stringify(name)}, ${bytes.length})`, realm)).set(bytes);
  vm.runInContext("adopt", realm)(structuredClone(machine));
  loader.runInContext(realm);
  glue.runInContext(realm);
  const source = image ? '_loadSnapshot: read("image")' : "_makeSnapshot: true";
  await vm.runInContext(
    `loadPyodide({
      createPyodideModule: _createPyodideModule, indexURL: "/", lockFileContents: ${JSON.stringify(lock)},
      env: { HOME: "/home/user", PYTHONHASHSEED: "0" }, jsglobals: Object.create(null), ${source},
    }).then((python) => { globalThis.python = python; forget(); })`,
    realm,
  );
  return realm;
}

/** The memory of an interpreter that has just started, with the modules that programs usually import. */
export async function pythonImage(): Promise<Uint8Array> {
  const realm = await bootPython();
  vm.runInContext(`python.runPython(${JSON.stringify(USUAL)}); globalThis.image = python.makeMemorySnapshot();`, realm);
  return new Uint8Array(vm.runInContext("image", realm));
}

const USUAL = `
import array, ast, bisect, collections, copy, datetime, decimal, fractions, functools, heapq, itertools, json, math
import asyncio, cmath, dataclasses, enum, inspect, io, numbers, operator, queue, random, re, statistics, string, sys
import textwrap, threading, time, traceback, types, typing, unittest, uuid
`;
