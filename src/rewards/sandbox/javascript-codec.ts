/** @file The texts of plain values that go between the two sides of a judgement; JavaScript for inside QuickJS. */

export const CODEC = `
const makeCodec = (keep, find, known = () => undefined) => {
  const { isArray } = Array, { getPrototypeOf, keys, entries } = Object;
  const encode = (value, depth = 0) => {
    if (depth > 200) throw new RangeError("a value is nested too deeply");
    const reference = known(value);
    if (reference) return reference.y ? reference : { r: reference };
    const down = (items) => Array.from(items, (item) => encode(item, depth + 1));
    switch (typeof value) {
      case "undefined": return { u: 1 };
      case "boolean": return value;
      case "string": return value;
      case "number": return Number.isFinite(value) && !Object.is(value, -0) ? value : { n: Object.is(value, -0) ? "-0" : String(value) };
      case "bigint": return { b: String(value) };
      case "object": {
        if (value === null) return null;
        if (isArray(value)) return { a: down(value) };
        if (value instanceof Map) return { m: down([...Map.prototype.entries.call(value)]) };
        if (value instanceof Set) return { s: down([...Set.prototype.values.call(value)]) };
        if (value instanceof Date) return { d: Date.prototype.getTime.call(value) };
        if (value instanceof RegExp) return { x: [value.source, value.flags] };
        if (value instanceof Error) return { e: [String(value.name), String(value.message).slice(0, 300)] };
        if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return { t: [value.constructor.name, down(value)] };
        const prototype = getPrototypeOf(value);
        const plain = prototype === null || prototype === Object.prototype;
        if (plain && keys(value).every((key) => typeof value[key] !== "function"))
          return { o: entries(value).map(([key, item]) => [key, encode(item, depth + 1)]) };
      }
    }
    return keep(value);
  };
  const decode = (value) => {
    if (typeof value !== "object" || value === null) return value;
    if ("u" in value) return undefined;
    if ("n" in value) return Number(value.n);
    if ("b" in value) return BigInt(value.b);
    if ("a" in value) return value.a.map(decode);
    if ("m" in value) return new Map(value.m.map(decode));
    if ("s" in value) return new Set(value.s.map(decode));
    if ("d" in value) return new Date(value.d);
    if ("x" in value) return new RegExp(...value.x);
    if ("e" in value) return makeError(...value.e);
    if ("t" in value) return new globalThis[/^(Big)?(Ui|I)nt\\d+(Clamped)?Array$|^Float\\d+Array$/.exec(value.t[0])?.[0] ?? "Array"](value.t[1].map(decode));
    if ("o" in value) return Object.fromEntries(value.o.map(([key, item]) => [key, decode(item)]));
    return find(value);
  };
  return { encode, decode };
};
/** What a call did to an argument, done to it here. */
const update = (before, after) => {
  if (Array.isArray(before)) before.splice(0, before.length, ...after);
  else if (before instanceof Map) { before.clear(); for (const [k, v] of after) before.set(k, v); }
  else if (before instanceof Set) { before.clear(); for (const v of after) before.add(v); }
  else if (ArrayBuffer.isView(before)) before.set(after);
  else if (typeof before === "object" && before !== null && Object.getPrototypeOf(before) === Object.prototype) {
    for (const key of Object.keys(before)) if (!(key in after)) delete before[key];
    Object.assign(before, after);
  }
};
const makeError = (name, message) => {
  const own = /^[A-Za-z]*Error$/.test(name) ? globalThis[name] : undefined;
  return typeof own === "function" ? new own(message) : Object.assign(new Error(message), { name });
};
`;
