import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { completionHash, type Decision, decisionsPlace, openDecisions } from "../../src/data/decisions.ts";
import { readTrainingRows } from "../../src/data/rows.ts";
import { allRows } from "../support/rows.ts";
import { scratch } from "../support/students.ts";

let clock = 0;
type Said = Pick<Decision, "prompt_id"> & Partial<Decision> & { of: string };
const said = ({ of, ...changes }: Said): Decision => ({
  sample: 0,
  completion_hash: completionHash(of),
  reviewer: "Ada",
  decision: null,
  edited: null,
  tags: [],
  note: null,
  time: new Date(1_800_000_000_000 + 1000 * clock++).toISOString(),
  undoes: null,
  ...changes,
});

/** What is read of rows about which this was decided. */
async function read(rows: readonly object[], decisions: readonly Said[], prefer?: "messages") {
  const path = join(scratch(), "rows.jsonl");
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  const log = await openDecisions(decisionsPlace(path), "Ada");
  log.append(decisions.map(said));
  log.close();
  return (await allRows(path, prefer)).map((found) =>
    "fault" in found ? found.fault.replace(/^.*rows\.jsonl, /, "") : found.row,
  );
}

const pair = (n: number) => ({ prompt: `${n} + 1?`, completion: `${n + 1}` });

test("rows of any dataset are read as people left them: without what they dropped, and as they edited it", async () => {
  const rows = [pair(1), pair(2), pair(3), pair(4)];
  assert.deepEqual(
    await read(rows, [
      { prompt_id: "row-1", of: "2", decision: "drop" },
      { prompt_id: "row-3", of: "4", edited: "It is 4.", decision: "keep" },
      { prompt_id: "row-4", of: "5", decision: "drop" },
      { prompt_id: "row-4", of: "5" }, // cleared
    ]),
    [pair(2), { prompt: "3 + 1?", completion: "It is 4." }, pair(4)],
  );
});

test("a decision about another text under the same number says nothing", async () => {
  assert.deepEqual(await read([pair(1)], [{ prompt_id: "row-1", of: "another", decision: "drop" }]), [pair(1)]);
});

test("decisions about rows that are not there any more, or in another place, are counted", async () => {
  const path = join(scratch(), "rows.jsonl");
  writeFileSync(path, [pair(9), pair(1)].map((row) => JSON.stringify(row)).join("\n"));
  const log = await openDecisions(decisionsPlace(path), "Ada");
  log.append([
    said({ prompt_id: "row-1", of: "2", decision: "drop" }), // before a row was put above it
    said({ prompt_id: "row-7", of: "8", decision: "drop" }),
    said({ prompt_id: "row-2", of: "2", tags: ["fine"] }),
  ]);
  log.close();
  const found = [];
  for await (const read of readTrainingRows(path)) found.push("row" in read ? read.row : "stale" in read && read.stale);
  assert.deepEqual(found, [pair(9), pair(1), 2]);
});

test("files that were reviewed one by one are read so through a pattern, a list and the folder that they are in", async () => {
  const folder = scratch();
  const files = ["a.jsonl", "b.jsonl"].map((name) => join(folder, name));
  for (const [i, path] of files.entries())
    writeFileSync(path, [pair(2 * i), pair(2 * i + 1)].map((row) => JSON.stringify(row)).join("\n"));
  const log = await openDecisions(decisionsPlace(files[1]!), "Ada");
  log.append([said({ prompt_id: "row-1", of: "3", decision: "drop" })]);
  log.close();
  for (const path of [join(folder, "*.jsonl"), files, folder])
    assert.deepEqual(
      (await allRows(path)).map((found) => "row" in found && found.row),
      [pair(0), pair(1), pair(3)],
    );
});

test("of a conversation the last turn is decided about, as OpenAI and ShareGPT write it", async () => {
  const turns = (text: string) => [
    { role: "user", content: "1 + 1?" },
    { role: "assistant", content: text },
  ];
  const edit = [{ prompt_id: "row-1", of: "3", edited: "2" }];
  assert.deepEqual(await read([{ messages: turns("3") }], edit), [{ messages: turns("2") }]);
  const shared = [
    { from: "human", value: "1 + 1?" },
    { from: "gpt", value: "3" },
  ];
  assert.deepEqual(await read([{ conversations: shared }], edit), [{ messages: turns("2") }]);
});

test("a trace that rules refused or that was cut is read once somebody keeps it or has written its end, in both of its forms", async () => {
  const trace = (sample: number, more: object) => ({
    ...{ prompt_id: "p", sample, prompt: "1 + 1?", prompt_text: "1 + 1?", completion: "3", reasoning: "hm" },
    ...{
      messages: [{ role: "user", content: "1 + 1?" }],
      token_ids: [7],
      accepted: true,
      finish_reason: "stop",
      ...more,
    },
  });
  const rows = [trace(0, { accepted: false }), trace(1, { finish_reason: "length" }), trace(2, { accepted: false })];
  const decisions: Said[] = [
    { prompt_id: "p", sample: 0, of: "3", decision: "keep" },
    { prompt_id: "p", sample: 1, of: "3", edited: "2" },
  ];
  const asked = { role: "user", content: "1 + 1?" };
  const [kept, mended, refused] = await read(rows, decisions, "messages");
  assert.deepEqual(kept, { messages: [asked, { role: "assistant", content: "3" }] });
  assert.deepEqual(mended, { messages: [asked, { role: "assistant", content: "2" }] });
  assert.match(String(refused), /was not accepted/);
  assert.deepEqual((await read(rows, decisions))[1], { prompt: "1 + 1?", completion: "2" });
});
