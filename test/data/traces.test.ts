import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeDataset } from "../../src/data/dataset-folder.ts";
import { openLedger, readLedger } from "../../src/data/ledger.ts";
import { SelectionOptions, select } from "../../src/data/selection.ts";
import { reasoningOf } from "../../src/data/think.ts";
import { type Accepted, acceptedTable, rowsIn, type Trace, tracesTable } from "../../src/data/traces.ts";
import { scanStream } from "../../src/formats/arrow.ts";
import { readExtents } from "../../src/store/append-log.ts";
import { usableRows } from "../support/rows.ts";
import { scratch } from "../support/students.ts";
import { trace } from "../support/traces.ts";

const accepted = (prompt: string): Accepted => ({
  prompt,
  completion: "4",
  messages: [],
  prompt_id: prompt,
  sample: 0,
});
const ids = (folder: string) =>
  [...readLedger(folder)].flatMap(({ table }) => [...rowsIn<Trace>(table)].map(({ prompt_id }) => prompt_id));

/** A ledger that must not find anything wrong. */
const sound = (folder: string, shardBytes?: number) =>
  openLedger(folder, {
    key: "k",
    ...(shardBytes ? { shardBytes } : {}),
    told: (sentence) => assert.fail(sentence),
  });

test("rows come back as they were appended, in as many pieces as they were", () => {
  const folder = join(scratch(), "samples");
  const traces = Array.from({ length: 7 }, (_, i) => trace(`p${i}`, i));
  const ledger = sound(folder);
  ledger.append(tracesTable(traces.slice(0, 3)));
  ledger.append(tracesTable(traces.slice(3)));
  ledger.close();
  const pieces = [...readLedger(folder, "k")];
  assert.deepEqual(
    pieces.map(({ first }) => first),
    [0, 3],
  );
  assert.deepEqual(
    pieces.flatMap(({ table }) => [...rowsIn(table)]),
    traces,
  );
});

test("a ledger is read under its own key only", () => {
  const folder = join(scratch(), "samples");
  const ledger = sound(folder);
  ledger.append(tracesTable([trace("a", 0)]));
  ledger.close();
  assert.throws(() => [...readLedger(folder, "other")], /drawn under the key k, and it lies where other is kept/);
  assert.throws(() => openLedger(folder, { key: "other" }), /drawn under the key k/);
});

test("a piece that was being written is cut off at any byte, and the next one goes behind what is whole", () => {
  const folder = join(scratch(), "samples");
  const [path, lines] = [join(folder, "data-00000.arrow"), join(folder, "checksums.jsonl")];
  const ledger = sound(folder);
  ledger.append(tracesTable([trace("a", 0)]));
  const [whole, known] = [readFileSync(path).length, readFileSync(lines)];
  ledger.append(tracesTable([trace("b", 1)]));
  ledger.close();
  const bytes = readFileSync(path);
  for (let length = whole; length <= bytes.length; length += 37) {
    writeFileSync(path, bytes.subarray(0, length));
    writeFileSync(lines, known); // a line is written when its piece is on the disk
    assert.deepEqual(ids(folder), ["a"], `cut at ${length}`);
    const again = sound(folder);
    again.append(tracesTable([trace("c", 2)]));
    again.close();
    assert.deepEqual(ids(folder), ["a", "c"]);
  }
});

test("damage anywhere is told with the rows that it costs, stays what it is, and the rest is read and appended to", () => {
  const folder = join(scratch(), "samples");
  const path = join(folder, "data-00000.arrow");
  const ledger = sound(folder);
  for (const id of ["a", "b", "c"]) ledger.append(tracesTable([trace(id, 0)]));
  ledger.close();
  const [bytes, lines] = [readFileSync(path), readFileSync(join(folder, "checksums.jsonl"))];
  const pieces = [...readExtents(folder)];
  const harms: [what: string, harm: () => void, left: string[], lost: number][] = [];
  for (const { offset, bytes: size } of pieces.slice(1))
    for (const at of [0, 5, 9, size >> 1, size - 1])
      harms.push([
        `bit ${offset + at}`,
        () => {
          const flipped = Buffer.from(bytes);
          flipped[offset + at]! ^= 4;
          writeFileSync(path, flipped);
        },
        pieces.slice(1).flatMap((piece, i) => (piece.offset === offset ? [] : ["abc"[i]!])),
        1,
      ]);
  for (const { offset } of pieces.slice(1))
    harms.push([
      `cut at ${offset + 9}`,
      () => truncateSync(path, offset + 9),
      pieces.slice(1).flatMap((piece, i) => (piece.offset < offset ? ["abc"[i]!] : [])),
      pieces.slice(1).filter((piece) => piece.offset >= offset).length,
    ]);
  for (const [what, harm, left, lost] of harms) {
    for (const file of readdirSync(folder)) rmSync(join(folder, file));
    writeFileSync(path, bytes);
    writeFileSync(join(folder, "checksums.jsonl"), lines);
    harm();
    const before = readFileSync(path);
    assert.throws(() => ids(folder), /is damaged: the \d+ bytes from \d+ are not what was written/, what);
    const told: string[] = [];
    const again = openLedger(folder, { key: "k", told: (sentence) => told.push(sentence) });
    assert.equal(told.length, lost, what);
    assert.equal(again.damaged, lost, what);
    again.append(tracesTable([trace("d", 0)]));
    again.close();
    assert.deepEqual(readFileSync(path), before, `${what}: what was written is not changed`);
    assert.deepEqual(ids(folder), [...left, "d"], what);
    sound(folder).close(); // told once
  }
});

test("lines of checksums that are lost or damaged are made again from what can be read", () => {
  const folder = join(scratch(), "samples");
  const path = join(folder, "checksums.jsonl");
  const ledger = sound(folder);
  for (const id of ["a", "b", "c"]) ledger.append(tracesTable([trace(id, 0)]));
  ledger.close();
  const lines = readFileSync(path, "utf8");
  const harms = [
    () => rmSync(path),
    ...[0, 40, 200, 400].map((length) => () => writeFileSync(path, lines.slice(0, length))),
    ...[3, 100, 300, 500].map((at) => () => {
      writeFileSync(path, `${lines.slice(0, at)}#${lines.slice(at + 1)}`);
    }),
  ];
  for (const [i, harm] of harms.entries()) {
    harm();
    const told: string[] = [];
    openLedger(folder, { key: "k", told: (sentence) => told.push(sentence) }).close();
    assert.equal(told.length, 1, `harm ${i}`);
    assert.match(told[0]!, /made again from what can be read/);
    assert.deepEqual(ids(folder), ["a", "b", "c"]);
    sound(folder).close();
  }
});

test("what is appended where a shard was deleted is read by whoever comes next", () => {
  for (const shards of [1, 3])
    for (let gone = 0; gone < shards; gone++) {
      const folder = join(scratch(), "samples");
      for (let i = 0; i < shards; i++) {
        const ledger = sound(folder, 1);
        ledger.append(tracesTable([trace(`p${i}`, i)]));
        ledger.close();
      }
      rmSync(join(folder, `data-0000${gone}.arrow`));
      const told: string[] = [];
      const again = openLedger(folder, { key: "k", told: (sentence) => told.push(sentence) });
      again.append(tracesTable([trace("d", 0)]));
      again.close();
      assert.equal(told.length, 2, "the rows, and what they are read with");
      const left = Array.from({ length: shards }, (_, i) => `p${i}`).filter((_, i) => i !== gone);
      assert.deepEqual(ids(folder), [...left, "d"]);
      sound(folder).close();
      assert.deepEqual(ids(folder), [...left, "d"]);
    }
});

test("a shard that is full is followed by another, and all are read", () => {
  const folder = join(scratch(), "samples");
  for (let i = 0; i < 5; i++) {
    const ledger = sound(folder, 10_000);
    ledger.append(tracesTable([trace(`p${i}`, i)]));
    ledger.close();
  }
  assert.ok(readdirSync(folder).includes("data-00001.arrow"));
  assert.deepEqual(ids(folder), ["p0", "p1", "p2", "p3", "p4"]);
});

test("an Arrow stream that was cut inside a record batch is refused, at any byte", async () => {
  const folder = join(scratch(), "dataset");
  await writeDataset(folder, [acceptedTable([accepted("a")]), acceptedTable([accepted("b")])]);
  const path = join(folder, "data-00000.arrow");
  const bytes = readFileSync(path);
  const ends = new Set(
    scanStream(path, 0).map((_, i, all) => all.slice(0, i + 1).reduce((sum, m) => sum + m.bytes, 0)),
  );
  for (let length = 10; length < bytes.length; length += 41) {
    if (ends.has(length)) continue;
    writeFileSync(path, bytes.subarray(0, length));
    await assert.rejects(() => usableRows(folder), /cut or damaged|does not begin with a schema/, `cut at ${length}`);
  }
});

test("the accepted view holds each completion of a prompt once, as text and as conversation", async () => {
  const options = SelectionOptions.parse({ max_per_prompt: 2, prefer: "shortest" });
  const traces = [
    trace("a", 3),
    trace("a", 2),
    trace("a", 1),
    trace("a", 4, { completion: trace("a", 1).completion, token_ids: [] }),
    trace("b", 0, { accepted: false, verdict: "incorrect" }),
  ];
  const rows = select(traces, options);
  assert.deepEqual(
    rows.map(({ sample }) => sample),
    [1, 2],
  );
  const folder = join(scratch(), "dataset");
  await writeDataset(folder, [acceptedTable(rows)]);
  assert.deepEqual((await usableRows(folder))[0], { prompt: "What?\n", completion: rows[0]!.completion });
  assert.deepEqual((await usableRows(folder, "messages"))[0], { messages: rows[0]!.messages });
});

test("what was cut at a limit is not trained on, and a think tag of the teacher's template belongs to the answer", () => {
  const prefilled = { prompt_text: "What?<think>\n", completion: "2 + 2\n</think>\n4" };
  const rows = select(
    [trace("a", 1, { finish_reason: "length" }), trace("b", 1, prefilled)],
    SelectionOptions.parse({}),
  );
  assert.equal(rows.length, 1);
  assert.deepEqual(rows[0]!.messages.at(-1), { role: "assistant", content: "<think>\n2 + 2\n</think>\n4" });
  assert.deepEqual([rows[0]!.prompt, rows[0]!.completion], [prefilled.prompt_text, prefilled.completion]);
});

test("the reasoning is what stands in the think block", () => {
  assert.equal(reasoningOf("<think> a \n</think><answer>1</answer>"), "a");
  assert.equal(reasoningOf("prefilled</think>1"), "prefilled");
  assert.equal(reasoningOf("<think>never closed"), null);
});

test("the accepted traces are in the order of their prompts, whatever the order in which they were finished", () => {
  const finished = [trace("p10", 0), trace("p2", 1), trace("p2", 0), trace("p1", 0)];
  const ids = (traces: typeof finished) =>
    select(traces, SelectionOptions.parse({})).map(({ prompt_id, sample }) => `${prompt_id} ${sample}`);
  assert.deepEqual(ids(finished), ["p1 0", "p2 0", "p2 1", "p10 0"]);
  assert.deepEqual(ids([...finished].reverse()), ids(finished));
});
