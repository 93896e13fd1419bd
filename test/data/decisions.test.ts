import assert from "node:assert/strict";
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  completionHash,
  type Decision,
  decisionsInput,
  mendDecisions,
  openDecisions,
  parseDecisions,
  readDecisions,
  reviewed,
  standing,
  undoing,
} from "../../src/data/decisions.ts";
import { SelectionOptions, select } from "../../src/data/selection.ts";
import { scratch } from "../support/students.ts";
import { trace } from "../support/traces.ts";

let clock = 0;
const said = (sample: number, changes: Partial<Decision> = {}): Decision => ({
  prompt_id: "p",
  sample,
  completion_hash: completionHash(trace("p", sample).completion),
  reviewer: "Ada",
  decision: null,
  edited: null,
  tags: [],
  note: null,
  time: new Date(1_800_000_000_000 + 1000 * clock++).toISOString(),
  undoes: null,
  ...changes,
});
const SELECTION = SelectionOptions.parse({});
const chosen = (decisions: Decision[]) =>
  select(
    reviewed(
      [trace("p", 0), trace("p", 1, { accepted: false }), trace("p", 2), trace("p", 3, { finish_reason: "length" })],
      decisions,
    ),
    SELECTION,
  ).map(({ sample, completion }) => [sample, completion.replace(/<.*?>/g, "")]);

test("what people keep is selected, what they drop is not, and what they edited is trained on as they left it", () => {
  assert.deepEqual(chosen([]), [
    [0, "04"],
    [2, "24"],
  ]);
  assert.deepEqual(chosen([said(1, { decision: "keep" }), said(2, { decision: "drop" })]), [
    [0, "04"],
    [1, "14"],
  ]);
  assert.deepEqual(chosen([said(0, { edited: "better" })]), [
    [0, "better"],
    [2, "24"],
  ]);
  // what was cut is kept only once somebody has written its end
  assert.deepEqual(chosen([said(3, { decision: "keep" })]).length, 2);
  assert.deepEqual(chosen([said(3, { decision: "keep", edited: "whole" })]).at(-1), [3, "whole"]);
});

test("who decided last has the last word, and a decision about another completion says nothing", () => {
  const [mine, theirs] = [said(0, { decision: "keep" }), said(0, { decision: "drop", reviewer: "Bo" })];
  assert.deepEqual(chosen([mine, theirs]), [[2, "24"]]);
  assert.equal(chosen([theirs, mine]).length, 2);
  assert.equal(chosen([said(0, { decision: "drop", completion_hash: completionHash("another") })]).length, 2);
});

test("tags and notes are no reason to select again; decisions are, and only what they come to", () => {
  assert.deepEqual(decisionsInput([said(0, { tags: ["x"], note: "?" })]), {});
  const once = decisionsInput([said(0, { decision: "drop" }), said(1, { decision: "keep" })]);
  assert.match(once.decisions!, /^[0-9a-f]{16}$/);
  assert.deepEqual(
    decisionsInput([said(1, { decision: "drop" }), said(1, { decision: "keep" }), said(0, { decision: "drop" })]),
    once,
  );
  assert.notDeepEqual(decisionsInput([said(1, { decision: "drop" })]), once);
  assert.deepEqual(decisionsInput([said(0, { decision: "drop" }), said(0)]), {});
});

test("undo takes back one change after the other, of any trace, and never another's", () => {
  const rows = [
    said(0, { decision: "keep" }),
    said(1, { decision: "drop" }),
    said(0, { decision: "drop", note: "no" }),
  ];
  const now = () => {
    const all = standing(rows);
    return [0, 1].map((sample) => all.get(`${sample} p`)?.[0]?.decision ?? null);
  };
  assert.deepEqual(now(), ["drop", "drop"]);
  for (const expected of [
    ["keep", "drop"],
    ["keep", null],
    [null, null],
  ]) {
    rows.push(undoing(rows, new Date(1_900_000_000_000 + rows.length).toISOString())!);
    assert.deepEqual(now(), expected);
  }
  assert.equal(undoing(rows, new Date().toISOString()), undefined);
  rows.push(said(1, { decision: "keep", time: new Date(1_950_000_000_000).toISOString() }));
  rows.push(undoing(rows, new Date(1_950_000_000_001).toISOString())!);
  assert.deepEqual(now(), [null, null]);
  // an undoing that was made elsewhere and imported behind another change takes nothing of that one back
  const [kept, other] = [said(0, { decision: "keep" }), said(1, { decision: "drop" })];
  const imported = { ...undoing([kept], new Date(1_960_000_000_000).toISOString())!, undoes: 0 };
  const next = undoing([kept, other, imported], new Date(1_960_000_000_001).toISOString())!;
  assert.deepEqual([next.sample, next.undoes], [1, 1]);
});

test("decisions are on the disk when they are made, one writer for each reviewer, and a half-written one is cut off", async () => {
  const place = join(scratch(), "decisions");
  const told: string[] = [];
  const ada = await openDecisions(place, "Ada L.", (sentence) => told.push(sentence));
  const bo = await openDecisions(place, "Bo/..");
  await assert.rejects(openDecisions(place, "Ada L."), /The decisions of Ada L\./);
  ada.append([said(0, { decision: "keep", reviewer: "Ada L.", tags: ["a", "b"], note: "ü\n何" })]);
  bo.append([said(0, { decision: "drop", reviewer: "Bo/.." })]);
  ada.append([said(1, { edited: "e", reviewer: "Ada L." })]);
  const all = readDecisions(place);
  assert.deepEqual(all, [ada.rows[0], bo.rows[0], ada.rows[1]]);
  assert.equal(readdirSync(place).filter((name) => name.startsWith("Bo")).length, 1, "no folder above its own");
  ada.close();
  appendFileSync(
    join(place, "Ada%20L.", "data-00000.arrow"),
    readFileSync(join(place, "Ada%20L.", "data-00000.arrow")).subarray(0, 700),
  );
  const again = await openDecisions(place, "Ada L.", (sentence) => told.push(sentence));
  assert.deepEqual(again.rows, [all[0], all[2]]);
  again.close();
  bo.close();
  assert.deepEqual(told, []);
});

test("lines of JSON are read as they were written; a wrong one is named", () => {
  const rows = [said(0, { decision: "keep" }), said(1, { note: "n" })];
  assert.deepEqual(parseDecisions(rows.map((row) => JSON.stringify(row)).join("\n"), "d.jsonl"), rows);
  assert.throws(
    () => parseDecisions('{"prompt_id":"p"}', "d.jsonl"),
    /d\.jsonl, line 1, sample: .*Expected what --export writes\./,
  );
  assert.throws(() => parseDecisions("\n{", "d.jsonl"), /d\.jsonl, line 2 is not JSON/);
  const odd = JSON.stringify({ ...rows[0], reviewer: "../x" });
  assert.throws(() => parseDecisions(odd, "d.jsonl"), /line 1, reviewer: expected up to 40 letters/);
});

test("a reader misses decisions of which the checksums are lost or cut, and a review finds them again", async () => {
  for (const harm of ["deleted", "emptied", "cut", "flipped"]) {
    const place = join(scratch(), "decisions");
    for (const reviewer of ["Ada", "Bob"]) {
      const log = await openDecisions(place, reviewer);
      for (let i = 0; i < 4; i++) log.append([said(i, { reviewer, decision: "drop" })]);
      assert.equal(readDecisions(place).length, reviewer === "Ada" ? 4 : 8); // while it is open
      log.close();
    }
    const [lines, rows] = ["checksums.jsonl", "data-00000.arrow"].map((name) => join(place, "Ada", name)) as [
      string,
      string,
    ];
    if (harm === "deleted") rmSync(lines);
    if (harm === "emptied") writeFileSync(lines, "");
    if (harm === "cut")
      writeFileSync(lines, readFileSync(lines, "utf8").split("\n").slice(0, 2).join("\n").concat("\n"));
    if (harm === "flipped") {
      const bytes = readFileSync(rows);
      bytes[bytes.length - 20]! ^= 4;
      writeFileSync(rows, bytes);
    }
    assert.throws(() => readDecisions(place), /Ada.*(is missing|was cut|is damaged)/, harm);
    const heard: string[] = [];
    await mendDecisions(place, (sentence) => heard.push(sentence));
    assert.equal(heard.length, 1, harm);
    assert.equal(readDecisions(place).length, harm === "flipped" ? 7 : 8, harm);
    await mendDecisions(place, (sentence) => heard.push(sentence));
    assert.equal(heard.length, 1, harm);
  }
});
