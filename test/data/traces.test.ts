import assert from "node:assert/strict";
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openDataset, readDataset } from "../../src/data/dataset-folder.ts";
import { readTrainingRows } from "../../src/data/rows.ts";
import { SelectionOptions, select } from "../../src/data/selection.ts";
import { acceptedTable, readTraces, reasoningOf, tracesTable } from "../../src/data/traces.ts";
import { scratch } from "../support/students.ts";
import { trace } from "../support/traces.ts";

test("traces come back as they were written, in as many pieces as they were appended", () => {
  const folder = join(scratch(), "traces");
  const traces = Array.from({ length: 7 }, (_, i) => trace(`p${i}`, i));
  const writer = openDataset(folder);
  writer.append(tracesTable(traces.slice(0, 3)));
  writer.append(tracesTable(traces.slice(3)));
  writer.close();
  assert.deepEqual([...readTraces(folder)], traces);
});

test("a tail that was torn off at any byte loses its batch only, and the next one goes behind what is whole", () => {
  const folder = join(scratch(), "traces");
  const path = join(folder, "data-00000.arrow");
  const writer = openDataset(folder);
  writer.append(tracesTable([trace("a", 0)]));
  const whole = readFileSync(path).length;
  writer.append(tracesTable([trace("b", 1)]));
  writer.close();
  const bytes = readFileSync(path);
  for (let length = whole; length < bytes.length; length += 37) {
    writeFileSync(path, bytes);
    truncateSync(path, length);
    assert.deepEqual(
      [...readTraces(folder)].map(({ prompt_id }) => prompt_id),
      ["a"],
      `cut at ${length}`,
    );
    const again = openDataset(folder);
    again.append(tracesTable([trace("c", 2)]));
    again.close();
    assert.deepEqual(
      [...readTraces(folder)].map(({ prompt_id }) => prompt_id),
      ["a", "c"],
    );
  }
});

test("zeros and garbage behind the last batch are cut off", () => {
  const folder = join(scratch(), "traces");
  const writer = openDataset(folder);
  writer.append(tracesTable([trace("a", 0)]));
  writer.close();
  for (const tail of [Buffer.alloc(100), Buffer.from("ffffffff10000000deadbeefdeadbeefdeadbeefdeadbeef", "hex")]) {
    appendFileSync(join(folder, "data-00000.arrow"), tail);
    assert.equal([...readTraces(folder)].length, 1);
    openDataset(folder).close();
  }
});

test("a shard that is full is followed by another, and all are read", () => {
  const folder = join(scratch(), "traces");
  for (let i = 0; i < 5; i++) {
    const writer = openDataset(folder, { shardBytes: 10_000 });
    writer.append(tracesTable([trace(`p${i}`, i)]));
    writer.close();
  }
  assert.ok([...readDataset(folder)].length > 1);
  assert.deepEqual(
    [...readTraces(folder)].map(({ prompt_id }) => prompt_id),
    ["p0", "p1", "p2", "p3", "p4"],
  );
});

test("the accepted view holds each completion of a prompt once, as text and as conversation", () => {
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
  const writer = openDataset(folder);
  writer.append(acceptedTable(rows));
  writer.close();
  assert.deepEqual(readTrainingRows(folder)[0], { prompt: "What?\n", completion: rows[0]!.completion });
  assert.deepEqual(readTrainingRows(folder, "messages")[0], { messages: rows[0]!.messages });
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
