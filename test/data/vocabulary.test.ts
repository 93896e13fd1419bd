import assert from "node:assert/strict";
import { test } from "node:test";
import { requireSameVocabulary } from "../../src/data/vocabulary.ts";

const compare = (student: (string | undefined)[], teacher: (string | undefined)[]) => () =>
  requireSameVocabulary({ name: "small", tokens: student }, { name: "large", tokens: teacher });

test("tokens are the same however a file spells their bytes, and rows that stand for nothing may be there or not", () => {
  const same: [student: (string | undefined)[], teacher: (string | undefined)[]][] = [
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [
      ["\n", " the", "é"],
      ["Ċ", "Ġthe", "Ã©"],
    ],
    [
      ["▁the", "\n"],
      [" the", "<0x0A>"],
    ],
    [
      ["a", "b"],
      ["a", "b", undefined, undefined],
    ],
    [
      ["a", "b"],
      ["a", "b", "[PAD2]", "[PAD3]"],
    ],
    [
      ["a", "b", undefined],
      ["a", "b"],
    ],
    [
      ["a", undefined, "c"],
      ["a", "<unused1>", "c"],
    ],
  ];
  for (const [student, teacher] of same) assert.doesNotThrow(compare(student, teacher), `${student} ${teacher}`);
});

test("another token at an id, or one that the other does not have, is named, three at most", () => {
  assert.throws(compare(["a", "b"], ["a", "c"]), /differ in 1 of 2 \(1 is "c" and "b"\)/);
  assert.throws(compare(["a"], ["a", "b"]), /\(1 is "b" and nothing\)/);
  assert.throws(compare(["a", "b"], ["a"]), /\(1 is nothing and "b"\)/);
  assert.throws(
    compare(["a", "b", "c", "d"], ["b", "a", "d", "c"]),
    /large and the student small do not have the same tokens.*differ in 4 of 4 \(0 is "b" and "a"; 1 is "a" and "b"; 2 is "d" and "c"\)/,
  );
});
