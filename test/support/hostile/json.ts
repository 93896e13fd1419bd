/** @file JSON with one thing in it changed: what JSON.stringify would not write is written too. */

import type { Random } from "../../../src/core/random.ts";
import { pick } from "./target.ts";

/** Text that takes the place of a value as it is. */
type Raw = { raw: string };
const raw = (text: string): Raw => ({ raw: text });

/** Values that break what trusts them. */
const VALUES: readonly (Raw | ((random: Random) => unknown))[] = [
  ...["null", "true", "false", "0", "-1", "1", "0.5", "1e999", "-1e999", "1e308", "9007199254740993"].map(raw),
  ...[
    "4294967295",
    "4294967296",
    "2147483647",
    "2147483648",
    "4194303",
    "9223372036854775808",
    "-9223372036854775809",
  ].map(raw),
  ...[
    '""',
    '" "',
    '"\\u0000"',
    '"\\ud800"',
    '"__proto__"',
    '"constructor"',
    '"../../x"',
    '"(a+)+$"',
    '"(?:(?:a|a)*)*b"',
  ].map(raw),
  ...[
    "[]",
    "{}",
    "[[]]",
    "[null]",
    '{"type":"Sequence"}',
    '{"__proto__":1}',
    "[0,0]",
    "[1,2,3,4,5,6,7,8,9]",
    "NaN",
    "",
    "}",
  ].map(raw),
  () => "x".repeat(100_000),
  () => raw(`${"[".repeat(20_000)}${"]".repeat(20_000)}`),
  () => raw(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`),
  () => raw(`[${new Array(50_000).fill("0").join(",")}]`),
  () => raw(`[${new Array(20_000).fill("{}").join(",")}]`),
  () => raw(`{${Array.from({ length: 5000 }, (_, i) => `"k${i}":${i}`).join(",")}}`),
  (random) => random.below(2 ** 31) * pick(random, [1, -1, 2 ** 20, 1e-6]),
];

/** The JSON of a value with one to three changes, and which they were. */
export function mutateJson(
  random: Random,
  value: unknown,
  special: readonly unknown[] = [],
): [text: string, what: string] {
  const done: string[] = [];
  let changed = structuredClone(value);
  for (let n = 1 + (random.below(3) === 0 ? random.below(3) : 0); n > 0; n--) {
    const [next, what] = changeOnce(random, changed, special);
    changed = next;
    done.push(what);
  }
  return [write(changed), done.join(", ")];
}

type Slot = { parent: Record<string, unknown>; key: string; path: string };

function changeOnce(random: Random, value: unknown, special: readonly unknown[]): [unknown, string] {
  const slots = slotsOf(value);
  if (slots.length === 0) return [value, "nothing"];
  const { parent, key, path } = choose(random, slots);
  const fresh = () => {
    if (special.length > 0 && random.below(3) === 0) return structuredClone(pick(random, special));
    const chosen = pick(random, VALUES);
    return typeof chosen === "function" ? chosen(random) : chosen;
  };
  const kinds: Record<string, () => void> = {
    replace() {
      parent[key] = fresh();
    },
    remove() {
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
    },
    nudge() {
      if (typeof parent[key] === "number") parent[key] = (parent[key] as number) + pick(random, [1, -1, 4, -4, 1024]);
      else parent[key] = fresh();
    },
    swap() {
      const other = choose(random, slots);
      [parent[key], other.parent[other.key]] = [other.parent[other.key], parent[key]];
    },
    graft() {
      parent[key] = structuredClone(choose(random, slots).parent);
    },
    twice() {
      if (Array.isArray(parent)) parent.push(structuredClone(parent[Number(key)]));
      else parent[`${key}\u0000`] = fresh(); // written under the same name
    },
    rename() {
      if (Array.isArray(parent)) parent.reverse();
      else {
        parent[pick(random, ["__proto__", "", "toString", `${key}x`, "type"])] = parent[key];
        delete parent[key];
      }
    },
  };
  const kind = pick(random, Object.keys(kinds));
  kinds[kind]!();
  return [value, `${kind} ${path}`.slice(0, 80)];
}

/** Every place for a value. Large lists give some of theirs, so that a vocabulary does not outnumber all else. */
function slotsOf(value: unknown, path = "", depth = 0): Slot[] {
  if (typeof value !== "object" || value === null || depth > 20 || "raw" in value) return [];
  const parent = value as Record<string, unknown>;
  const keys = Object.keys(parent);
  const some = keys.length > 24 ? keys.filter((_, i) => i % Math.ceil(keys.length / 24) === 0) : keys;
  return some.flatMap((key) => [
    { parent, key, path: `${path}/${key}` },
    ...slotsOf(parent[key], `${path}/${key}`, depth + 1),
  ]);
}

/** A place high up as often as one deep down. */
function choose(random: Random, slots: readonly Slot[]): Slot {
  const depth = (slot: Slot) => slot.path.split("/").length;
  const level = pick(random, [...new Set(slots.map(depth))]);
  return pick(
    random,
    slots.filter((slot) => depth(slot) === level),
  );
}

function write(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if ("raw" in value) return (value as Raw).raw;
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  const members = Object.entries(value).map(
    ([key, member]) => `${JSON.stringify(key.replace("\u0000", ""))}:${write(member)}`,
  );
  return `{${members.join(",")}}`;
}
