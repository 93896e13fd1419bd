/**
 * @file A child process that runs untrusted programs: it opens one engine, gives up what it does not need, takes jobs.
 *
 *     node child.js LANGUAGE IMAGE-FILE STACK-KB    the file that an interpreter starts from, or nothing
 *     node child.js python make STACK-KB            writes what is in such a file, runs no program and ends
 */

import { openJavascript } from "./javascript.ts";
import { clip, type Job, type Language, MAKE, type Reply } from "./protocol.ts";
import { openPython } from "./python.ts";
import { pythonImage } from "./python-realm.ts";

const host = process;
const [language, imageFile, stack] = host.argv.slice(2) as [Language, string, string];
if (imageFile === MAKE) {
  const image = await pythonImage();
  await new Promise((written) => host.stdout.write(image, written));
  host.exit(0);
}
const engine = await { python: openPython, javascript: openJavascript }[language](Number(stack) * 1024, imageFile);
const collect = globalThis.gc;

// Even if a program came out of its engine, there would be nothing here to hold on to.
const KEPT = new Set(
  `Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol Date Promise RegExp Error
  AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError globalThis JSON Math Intl ArrayBuffer
  Atomics Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array Float32Array Float64Array Uint8ClampedArray
  BigUint64Array BigInt64Array DataView Map BigInt Set WeakMap WeakSet WeakRef Proxy Reflect FinalizationRegistry
  SharedArrayBuffer WebAssembly decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape isFinite isNaN
  Iterator TextDecoder TextEncoder structuredClone queueMicrotask setTimeout clearTimeout Buffer`.split(/\s+/),
);
for (const name of Object.getOwnPropertyNames(globalThis))
  if (!KEPT.has(name)) Reflect.deleteProperty(globalThis, name);

const silent = () => {};
Object.assign(globalThis, { console: { log: silent, warn: silent, error: silent } });

const send = (reply: Reply) => host.send!(reply);

let last: Promise<unknown> = Promise.resolve();
let runs = 0;

host.on("message", (job: Job) => {
  last = last.then(async () => {
    await engine.prepare(job.kind);
    send({ type: "running", id: job.id });
    send({ type: "ended", id: job.id, outcome: engine.run(job) });
    if ((await engine.prepare(job.kind)) && ++runs % 4 === 0) collect?.();
  });
  last.catch((error: Error) => {
    const reply: Reply = { type: "ended", id: job.id, outcome: { status: "crashed", reason: clip(error.message) } };
    host.send!(reply, () => host.exit(1));
  });
});

// what is left of an interpreter that was stopped may still throw when it is collected
host.on("uncaughtException", silent);

send({ type: "loaded" });
