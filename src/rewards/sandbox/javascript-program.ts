/** @file The JavaScript beside a judged program inside QuickJS: what Node programs use of their host (console, standard input, timers). */

import { CODEC } from "./javascript-codec.ts";

export const PROGRAM = `(() => {
"use strict";
const { print, input, leave, back } = __host;
delete globalThis.__host;
const { parse, stringify } = JSON;
${CODEC}
const show = (value, depth = 0) => {
  if (typeof value === "string") return depth === 0 ? value : "'" + value + "'";
  if (typeof value === "bigint") return value + "n";
  if (typeof value === "function") return "[Function: " + (value.name || "(anonymous)") + "]";
  if (Object.is(value, -0)) return "-0";
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return value.stack ? value.name + ": " + value.message : String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (depth > 2) return Array.isArray(value) ? "[Array]" : "[Object]";
  const down = (item) => show(item, depth + 1);
  const fold = (open, items, close) => {
    if (items.length === 0) return open + close;
    const line = open + " " + items.join(", ") + " " + close;
    if (line.length <= 76 && items.length <= 6) return line;
    return line.length <= 76 ? line : open + "\\n  " + items.join(",\\n  ") + "\\n" + close;
  };
  if (Array.isArray(value)) return fold("[", Array.from(value, down), "]");
  if (value instanceof Map) return fold("Map(" + value.size + ") {", [...value].map(([k, v]) => down(k) + " => " + down(v)), "}");
  if (value instanceof Set) return fold("Set(" + value.size + ") {", [...value].map(down), "}");
  const key = (name) => (/^[A-Za-z_$][\\w$]*$/.test(name) ? name : "'" + name + "'");
  const name = value.constructor && value.constructor !== Object ? value.constructor.name + " " : "";
  return name + fold("{", Object.entries(value).map(([k, v]) => key(k) + ": " + down(v)), "}");
};
const format = (...words) => {
  if (typeof words[0] === "string" && words.length > 1)
    words[0] = words[0].replace(/%[sdifjoO%]/g, (code) => {
      if (code === "%%") return "%";
      if (words.length < 2) return code;
      const [word] = words.splice(1, 1);
      return code === "%d" || code === "%f" ? String(Number(word)) : code === "%i" ? String(parseInt(word, 10)) : code === "%j" ? stringify(word) : show(word, code === "%s" ? 0 : 1);
    });
  return words.map((word) => show(word)).join(" ");
};
const say = (...words) => print(format(...words) + "\\n");
const silent = () => {};
globalThis.console = { log: say, info: say, debug: say, error: silent, warn: silent, trace: silent, assert: silent, time: silent, timeEnd: silent, table: say };

let queue = [], now = 0, count = 0;
const later = (f, wait, repeat, args) => { queue.push({ id: ++count, at: now + Math.max(1, Number(wait) || 0), f, args, repeat, wait }); return count; };
globalThis.setTimeout = (f, wait, ...args) => later(f, wait, false, args);
globalThis.setInterval = (f, wait, ...args) => later(f, wait, true, args);
globalThis.setImmediate = (f, ...args) => later(f, 0, false, args);
globalThis.clearTimeout = globalThis.clearInterval = globalThis.clearImmediate = (id) => { queue = queue.filter((timer) => timer.id !== id); };
globalThis.queueMicrotask = (f) => { Promise.resolve().then(f); };
globalThis.structuredClone = (value) => { const { encode, decode } = makeCodec(() => { throw new Error("cannot be cloned"); }); return decode(encode(value)); };
globalThis.performance = { now: () => Date.now() };
const tick = () => {
  if (queue.length === 0) return false;
  const timer = queue.reduce((first, other) => (other.at < first.at ? other : first));
  queue = queue.filter((other) => other !== timer);
  now = timer.at;
  if (timer.repeat) queue.push({ ...timer, at: now + Math.max(1, Number(timer.wait) || 0) });
  timer.f(...timer.args);
  return true;
};

const emitter = () => {
  const handlers = {};
  const on = (name, f) => { (handlers[name] ??= []).push(f); return self; };
  const self = { on, once: on, addListener: on, off: () => self, emit(name, ...args) { for (const f of handlers[name] ?? []) f(...args); return self; } };
  return self;
};
const lines = () => { const all = input().split(/\\r?\\n/); if (all[all.length - 1] === "") all.pop(); return all; };
const stdin = Object.assign(emitter(), { fd: 0, setEncoding: () => stdin, resume: () => stdin, pause: () => stdin, isTTY: false,
  read: (() => { let done = false; return () => (done ? null : ((done = true), input())); })(),
  async *[Symbol.asyncIterator]() { yield input(); } });
later(() => { if (input() !== "") stdin.emit("data", input()); stdin.emit("readable"); stdin.emit("end"); stdin.emit("close"); }, 0, false, []);
const openLines = () => {
  const all = lines();
  let at = 0, closed = false;
  const reader = Object.assign(emitter(), {
    close() { if (!closed) { closed = true; reader.emit("close"); } },
    setPrompt: silent, prompt: silent, pause: () => reader, resume: () => reader,
    question(text, options, f = options) { later(() => at < all.length && f(all[at++]), 0, false, []); },
    async *[Symbol.asyncIterator]() { while (at < all.length) yield all[at++]; },
  });
  const feed = () => { if (closed) return; if (at < all.length) { reader.emit("line", all[at++]); later(feed, 0, false, []); } else reader.close(); };
  const on = reader.on;
  let fed = false;
  reader.on = reader.addListener = (name, f) => { if (name === "line" && !fed) { fed = true; later(feed, 0, false, []); } return on(name, f); };
  return reader;
};
let line = 0;
globalThis.readline = globalThis.prompt = () => lines()[line++] ?? null;
const stdout = { write: (text) => { print(typeof text === "string" ? text : show(text)); return true; }, isTTY: false, fd: 1 };
globalThis.process = Object.assign(emitter(), {
  argv: ["node", "main.js"], env: {}, platform: "linux", version: "v20.0.0", versions: {}, stdin, stdout, stderr: { write: () => true },
  exit: (code = 0) => { leave(Number(code) || 0); for (;;); }, nextTick: (f, ...args) => { Promise.resolve().then(() => f(...args)); },
  cwd: () => "/", uptime: () => 0, hrtime: Object.assign(() => [0, 0], { bigint: () => BigInt(Date.now()) * 1000000n }), memoryUsage: () => ({ heapUsed: 0 }),
});
const readFileSync = (path, how) => {
  if (path === 0 || path === "/dev/stdin") return how ? input() : { toString: input, trim: () => input().trim(), split: (by) => input().split(by), length: input().length };
  throw Object.assign(new Error("ENOENT: no such file or directory, open '" + path + "'"), { code: "ENOENT" });
};
const writeSync = (fd, text) => { if (fd === 1) stdout.write(text); return String(text).length; };
const modules = {
  fs: { readFileSync, writeSync, writeFileSync: (path, text) => { if (path === 1 || path === "/dev/stdout") stdout.write(text); else throw new Error("EACCES: permission denied, open '" + path + "'"); }, existsSync: () => false },
  readline: { createInterface: openLines }, os: { EOL: "\\n" }, process: globalThis.process,
  util: { inspect: (value) => show(value, 1), format, promisify: (f) => (...args) => new Promise((yes, no) => f(...args, (error, value) => (error ? no(error) : yes(value)))) },
  events: Object.assign(function () { return emitter(); }, { EventEmitter: function () { return emitter(); } }),
  perf_hooks: { performance: globalThis.performance },
  assert: Object.assign((value, message) => { if (!value) throw new Error(message ?? "assertion failed"); }, {}),
};
globalThis.require = (name) => {
  const found = modules[String(name).replace(/^node:/, "")];
  if (!found) throw Object.assign(new Error("Cannot find module '" + name + "'"), { code: "MODULE_NOT_FOUND" });
  return found;
};
globalThis.module = { exports: {} };
globalThis.exports = globalThis.module.exports;

const kept = [];
const keep = (value) => { if (foreign.has(value)) return { y: [foreign.get(value)] }; kept.push(value); return { r: [kept.length - 1, typeof value === "function" ? 1 : 0] }; };
const foreign = new WeakMap();
const ask = (...request) => {
  const answer = parse(back(stringify(request)));
  if (answer.error) throw makeError(...answer.error);
  return answer;
};
/** An object or a function of the test's, by reference. */
const borrow = ({ r, l }) => {
  if (r) return kept[r[0]];
  const [number, callable, iterable] = l;
  const at = { y: [number] };
  const target = callable ? function () {} : {};
  const proxy = new Proxy(target, {
    apply(_, owner, args) {
      const answer = ask("call", at, encode(foreign.has(owner) ? owner : undefined), encode(args));
      decode(answer.args).forEach((after, i) => args[i] === after || update(args[i], after));
      if (answer.rejected) return Promise.reject(makeError(...answer.rejected));
      return "resolved" in answer ? Promise.resolve(decode(answer.resolved)) : decode(answer.value);
    },
    construct: (_, args) => decode(ask("construct", at, encode(args)).value),
    get(_, key) {
      if (key === Symbol.iterator) return iterable ? function* () {
        const steps = decode(ask("iterate", at).value);
        for (let step = steps.next(); !step.done; step = steps.next()) yield step.value;
      } : undefined;
      if (typeof key === "symbol") return undefined;
      if (callable) return key === "call" ? (self, ...args) => proxy(...args) : key === "apply" ? (self, args) => proxy(...args) : key === "bind" ? (self, ...first) => (...args) => proxy(...first, ...args) : target[key];
      return decode(ask("get", at, encode(key)).value);
    },
    set: (_, key, value) => decode(ask("set", at, encode(key), encode(value)).value),
    has: (_, key) => typeof key === "string" && decode(ask("has", at, encode(key)).value),
    ...(callable ? {} : {
      ownKeys: () => decode(ask("keys", at).value),
      getOwnPropertyDescriptor: (_, key) => ({ value: proxy[key], enumerable: true, configurable: true, writable: true }),
    }),
  });
  foreign.set(proxy, number);
  return proxy;
};
const { encode, decode } = makeCodec(keep, borrow, (value) => (typeof value === "object" && value !== null) || typeof value === "function" ? foreign.has(value) ? { y: [foreign.get(value)] } : undefined : undefined);
const operations = {
  call: (f, self, args) => { const result = Reflect.apply(f, self, args); return { result, args }; },
  construct: (f, args) => Reflect.construct(f, args),
  get: (target, key) => target[key],
  set: (target, key, value) => { target[key] = value; return true; },
  has: (target, key) => key in target,
  is: (item, target) => item instanceof target,
  exported: (name) => globalThis.module.exports?.[name],
};
const fail = (error) => ({ error: error instanceof Error ? [String(error.name), String(error.message).slice(0, 300)] : ["Error", String(error)] });
const settle = (value) => {
  if (!(value instanceof Promise)) return { value: encode(value) };
  const slot = {};
  value.then((result) => { slot.value = encode(result); }, (error) => { Object.assign(slot, fail(error)); });
  return { slot };
};
let pending;
return {
  tick,
  encode: (value) => stringify(encode(value)),
  /** The answer, or "" where a promise has yet to settle. */
  serve(request) {
    try {
      const [op, ...operands] = parse(request);
      const made = operations[op](...operands.map(decode));
      if (op !== "call") return stringify({ value: encode(made) });
      const same = made.args.findIndex((arg) => arg === made.result && typeof arg === "object" && arg !== null && !foreign.has(arg));
      const args = encode(made.args);
      if (same >= 0) return stringify({ same, args });
      const settled = settle(made.result);
      if (!settled.slot) return stringify({ ...settled, args });
      pending = { ...settled, args };
      return "";
    } catch (error) { return stringify(fail(error)); }
  },
  settled() {
    const { slot, args } = pending;
    return "error" in slot ? stringify({ rejected: slot.error, args }) : "value" in slot ? stringify({ resolved: slot.value, args }) : "";
  },
};
})()`;
