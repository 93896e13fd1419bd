/** @file The JavaScript beside a test inside QuickJS: assert, and proxies for what the judged program defines. */

import { CODEC } from "./javascript-codec.ts";

export const JUDGE = `(() => {
"use strict";
const { ask } = __host;
delete globalThis.__host;
${CODEC}
const numbers = new WeakMap();
const speak = (...request) => {
  const answer = JSON.parse(ask(JSON.stringify(request)));
  if (answer.error) throw makeError(...answer.error);
  return answer;
};
const lent = [];
const find = ({ r, y }) => {
  if (y) return lent[y[0]];
  const [number, callable] = r;
  const at = (value) => ({ r: [number, callable], ...value });
  const self = callable ? function () {} : {};
  const remote = new Proxy(self, {
    apply(_, owner, args) {
      const answer = speak("call", at(), encode(numbers.has(owner) ? owner : undefined), encode(args));
      if (answer.args) decode(answer.args).forEach((after, i) => args[i] === after || update(args[i], after));
      if ("same" in answer) return args[answer.same];
      if (answer.rejected) return Promise.reject(makeError(...answer.rejected));
      return "resolved" in answer ? Promise.resolve(decode(answer.resolved)) : decode(answer.value);
    },
    construct: (_, args) => decode(speak("construct", at(), encode(args)).value),
    get: (_, key) => {
      if (key === Symbol.iterator) return function* () {
        const values = remote.values?.() ?? remote;
        for (let step = values.next(); !step.done; step = values.next()) yield step.value;
      };
      if (key === Symbol.hasInstance) return (item) => numbers.has(item) && decode(speak("is", encode(item), at()).value);
      return typeof key === "symbol" ? undefined : decode(speak("get", at(), encode(key)).value);
    },
    set: (_, key, value) => decode(speak("set", at(), encode(key), encode(value)).value),
    has: (_, key) => decode(speak("has", at(), encode(String(key))).value),
  });
  numbers.set(remote, [number, callable]);
  return remote;
};
// What has no plain value is lent: the program's calls come back here. Of functions it sees nothing but what they return.
const { encode, decode } = makeCodec((value) => {
  if (typeof value === "symbol") return { r: undefined, s: 0 };
  lent.push(value);
  const iterable = typeof value !== "function" && typeof value[Symbol.iterator] === "function";
  return { l: [lent.length - 1, typeof value === "function" ? 1 : 0, iterable ? 1 : 0] };
}, find, (value) => numbers.get(value));
const visible = (target, key) => typeof target !== "function" && key !== "constructor" && key !== "__proto__";
const lending = {
  call: (f, self, args) => ({ result: Reflect.apply(f, self, args), args }),
  construct: (f, args) => Reflect.construct(f, args),
  get: (target, key) => (visible(target, key) ? target[key] : undefined),
  set: (target, key, value) => { if (visible(target, key)) target[key] = value; return true; },
  has: (target, key) => visible(target, key) && key in target,
  keys: (target) => (typeof target === "function" ? [] : Object.keys(target)),
  iterate: (target) => { const steps = target[Symbol.iterator](); return { next: () => steps.next() }; },
};
let open;

class AssertionError extends Error { get name() { return "AssertionError"; } }
const brief = (value) => { try { return String(typeof value === "object" ? JSON.stringify(value) : value).slice(0, 80); } catch { return "?"; } };
const claim = (truth, message, otherwise) => { if (!truth) throw message instanceof Error ? message : new AssertionError(message ?? otherwise); };
const equal = (a, b, same) => {
  if (same(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || numbers.has(a) || numbers.has(b)) return false;
  const [p, q] = [a, b].map((value) => Object.getPrototypeOf(value));
  if (p !== q && !([p, q].every((value) => value === null || value === Object.prototype))) return false;
  if (a instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof Error) return a.name === b.name && a.message === b.message;
  if (a instanceof Set) return a.size === b.size && [...a].every((x) => b.has(x) || [...b].some((y) => equal(x, y, same)));
  if (a instanceof Map) return a.size === b.size && [...a].every(([k, v]) => b.has(k) && equal(v, b.get(k), same));
  const keys = Object.keys(a);
  return a.length === b.length && keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key], same));
};
const loose = (a, b) => a == b || (a !== a && b !== b);
const fits = (error, expected) => {
  if (expected === undefined || typeof expected === "string") return true;
  if (expected instanceof RegExp) return expected.test(String(error?.message ?? error));
  if (typeof expected === "function") return error instanceof expected || (expected.prototype === undefined && expected(error) === true);
  return Object.keys(expected).every((key) => (expected[key] instanceof RegExp ? expected[key].test(error?.[key]) : equal(error?.[key], expected[key], Object.is)));
};
const assert = (value, message) => claim(value, message, "the value is " + brief(value));
Object.assign(assert, {
  ok: assert,
  AssertionError,
  equal: (a, b, message) => claim(loose(a, b), message, brief(a) + " is not " + brief(b)),
  notEqual: (a, b, message) => claim(!loose(a, b), message, brief(a) + " is " + brief(b)),
  strictEqual: (a, b, message) => claim(Object.is(a, b), message, brief(a) + " is not " + brief(b)),
  notStrictEqual: (a, b, message) => claim(!Object.is(a, b), message, brief(a) + " is " + brief(b)),
  deepEqual: (a, b, message) => claim(equal(a, b, loose), message, brief(a) + " is not " + brief(b)),
  deepStrictEqual: (a, b, message) => claim(equal(a, b, Object.is), message, brief(a) + " is not " + brief(b)),
  notDeepEqual: (a, b, message) => claim(!equal(a, b, loose), message, "both are " + brief(a)),
  notDeepStrictEqual: (a, b, message) => claim(!equal(a, b, Object.is), message, "both are " + brief(a)),
  match: (text, pattern, message) => claim(pattern.test(text), message, brief(text) + " does not match " + pattern),
  fail: (message) => claim(false, message, "failed"),
  throws(f, expected, message) {
    let thrown;
    try { f(); } catch (error) { thrown = { error }; }
    claim(thrown, message, "nothing was thrown");
    claim(fits(thrown.error, expected), message, "another error was thrown: " + brief(thrown.error?.message));
  },
  doesNotThrow: (f) => { f(); },
  async rejects(promise, expected, message) {
    let thrown;
    try { await (typeof promise === "function" ? promise() : promise); } catch (error) { thrown = { error }; }
    claim(thrown, message, "nothing was rejected");
    claim(fits(thrown.error, expected), message, "another error was thrown: " + brief(thrown.error?.message));
  },
});
assert.strict = assert;
const quiet = () => {};
globalThis.console = { log: quiet, info: quiet, error: quiet, warn: quiet, debug: quiet, assert };
globalThis.assert = assert;
globalThis.require = (name) => {
  if (/^(node:)?assert(\\/strict)?$/.test(name)) return assert;
  throw new Error("Cannot find module '" + name + "'");
};
const state = {};
const failure = (error) => ({ error: error instanceof Error ? [String(error.name), String(error.message).slice(0, 300)] : ["Error", String(error)] });
return {
  /** What the program asks of something that was lent to it; "" where a promise has yet to settle. */
  lend(request) {
    try {
      const [op, target, ...operands] = JSON.parse(request);
      if (!target?.y || !Object.hasOwn(lending, op)) throw new TypeError("nothing of the test");
      const made = lending[op](decode(target), ...operands.map(decode));
      if (op !== "call") return JSON.stringify({ value: encode(made) });
      const args = encode(made.args);
      if (!(made.result instanceof Promise)) return JSON.stringify({ value: encode(made.result), args });
      open = { args };
      made.result.then((value) => { open.resolved = encode(value); }, (error) => { open.rejected = failure(error).error; });
      return "";
    } catch (error) { return JSON.stringify(failure(error)); }
  },
  lent: () => ("resolved" in open || "rejected" in open ? JSON.stringify(open) : ""),
  names: () => JSON.stringify(Object.getOwnPropertyNames(globalThis)),
  define(name, answer) { Object.defineProperty(globalThis, name, { value: decode(JSON.parse(answer)), configurable: true, writable: true }); },
  watch(promise) { promise.then(() => { state.passed = true; }, (error) => { state.failed = (error?.name ?? "Error") + ": " + (error?.message ?? error); }); },
  verdict: () => JSON.stringify(state),
};
})()`;
