import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { readPrompts } from "../../src/data/prompts.ts";
import { allRows, usableRows } from "../support/rows.ts";
import { scratch } from "../support/students.ts";

/** What test/reference/dataset_files.py wrote. */
const BROUGHT = "test/data/brought";
const at = (name: string) => join(BROUGHT, name);
const PAIRS = Array.from({ length: 5 }, (_, i) => ({
  prompt: `Is ${i} even?`,
  completion: i % 2 === 0 ? "yes" : "no – ¡jamás!",
}));
const TURNS = PAIRS.map(({ prompt, completion }) => ({
  messages: [
    { role: "user", content: prompt },
    { role: "assistant", content: completion },
  ],
}));

for (const name of [
  "lines.jsonl.gz",
  "lines.jsonl.zst",
  "utf8.feather",
  "large.feather",
  "dictionary.feather",
  "lz4.feather",
  "zstd.feather",
  "view.arrow",
  "none.parquet",
  "snappy.parquet",
  "gzip.parquet",
  "brotli.parquet",
  "zstd.parquet",
  "lz4.parquet",
  "saved",
  "labelled",
  "splits:train",
  "repository:train",
])
  test(`${name} is read as it was written`, async () => assert.deepEqual(await usableRows(at(name)), PAIRS));

test("conversations are read from columns of lists", async () => {
  assert.deepEqual(await usableRows(at("messages.parquet")), TURNS);
  const calls = await usableRows(at("calls"));
  const called = calls.map((row) => "messages" in row && row.messages[1]!.tool_calls![0]!.function);
  assert.deepEqual(called, [
    { name: "look", arguments: { at: "this" } },
    { name: "count", arguments: { to: 3 } },
  ]);
});

const folder = scratch();
const write = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
};
const lines = PAIRS.map((row) => JSON.stringify(row));

const TEXTS: Record<string, string | Uint8Array> = {
  "lines.jsonl": lines.join("\n"),
  "lines.ndjson": `${lines.join("\n\n")}\n`,
  "lines.json": lines.join("\r\n"),
  "no-name": lines.join("\n"),
  "marked.jsonl": `\ufeff${lines.join("\n")}`,
  "array.json": JSON.stringify(PAIRS, null, 2),
  "array.jsonl": JSON.stringify(PAIRS),
  "array.json.gz": gzipSync(JSON.stringify(PAIRS)),
  "renamed.jsonl": gzipSync(lines.join("\n")),
  "two-members.jsonl.gz": Buffer.concat([gzipSync(`${lines[0]}\n`), gzipSync(lines.slice(1).join("\n"))]),
  "table.csv": `prompt,completion\n${PAIRS.map(({ prompt, completion }) => `${prompt},"${completion}"`).join("\n")}`,
  "table.tsv": `id\tcompletion\tprompt\n${PAIRS.map(({ prompt, completion }, i) => `${i}\t${completion}\t${prompt}`).join("\r\n")}\r\n`,
};

for (const [name, content] of Object.entries(TEXTS))
  test(`${name} is read`, async () => assert.deepEqual(await usableRows(write(name, content)), PAIRS));

test("a table's cells hold quotes, commas and lines, and lists as JSON", async () => {
  const path = write("cells.csv", 'prompt,completion\n"a ""b"", c","first\nsecond"\n');
  assert.deepEqual(await usableRows(path), [{ prompt: 'a "b", c', completion: "first\nsecond" }]);
  const cell = JSON.stringify(TURNS[0]!.messages).replaceAll('"', '""');
  assert.deepEqual(await usableRows(write("turns.csv", `messages\n"${cell}"\n`)), [TURNS[0]]);
});

test("several files, those of a pattern and those of a folder are one dataset", async () => {
  for (const [i, line] of lines.entries()) write(`many/part-${i}.jsonl`, `${line}\n`);
  write("many/README.md", "not rows");
  assert.deepEqual(await usableRows(join(folder, "many/part-*.jsonl")), PAIRS);
  assert.deepEqual(await usableRows(join(folder, "many")), PAIRS);
  const [first, last] = [join(folder, "many/part-0.jsonl"), join(folder, "many/part-4.jsonl")];
  assert.deepEqual(await usableRows([last, first]), [PAIRS[4], PAIRS[0]]);
});

test("splits are known by the names that the hub's datasets have for them", async () => {
  for (const [i, name] of ["training.jsonl", "rows-eval.jsonl", "a.val.jsonl"].entries())
    write(`named/${name}`, `${lines[i]}\n`);
  for (const [i, name] of ["train/a.csv", "testing/a.csv"].entries())
    write(`nested/${name}`, `prompt,completion\n${i},${i}\n`);
  const of = (path: string) => usableRows(join(folder, path));
  assert.deepEqual(await of("named:train"), [PAIRS[0]]);
  assert.deepEqual(await of("named:test"), [PAIRS[1]]);
  assert.deepEqual(await of("named:validation"), [PAIRS[2]]);
  assert.deepEqual(await of("nested:test"), [{ prompt: "1", completion: "1" }]);
  await assert.rejects(of("nested"), /nested has the splits train, test\. Give one of them: .*nested:train/);
  // a cache of datasets
  for (const name of ["json-train.arrow", "json-test.arrow", "cache-0123.arrow"]) {
    mkdirSync(join(folder, "cached"), { recursive: true });
    copyFileSync(at("splits/train/data-00000-of-00001.arrow"), join(folder, "cached", name));
  }
  assert.deepEqual(await of("cached:train"), PAIRS);
  // what .map left beside its dataset holds the same rows again
  for (const name of ["rows.arrow", "cache-0123.arrow"]) {
    mkdirSync(join(folder, "mapped"), { recursive: true });
    copyFileSync(at("splits/train/data-00000-of-00001.arrow"), join(folder, "mapped", name));
  }
  assert.deepEqual(await of("mapped"), PAIRS);
});

test("a row that is no JSON, too short or too long is one bad row", async () => {
  const faults = async (path: string) =>
    (await allRows(path)).map((read) =>
      "fault" in read ? read.fault.replace(/^.*?, /, "").replace(/\(.*\)/, "") : "row",
    );
  const table = write("UNEVEN.CSV", "prompt,completion\na,b\na\na,b,c\na,b\n");
  const [, short, long] = await faults(table);
  assert.match(short!, /^line 3 has 1 cells, and the first line 2\. Expected one for each column/);
  assert.match(long!, /^line 4 has 3 cells/);
  const array = write("comma.json", `[${lines[0]},,${lines[1]},{"a":]}]`);
  assert.deepEqual(
    (await faults(array)).map((fault) => fault.slice(0, 16)),
    ["row", "row 2: not JSON ", "row", "row 4: not JSON "],
  );
});

test("numbers in calls are those of the file, whatever kind it is", async () => {
  const call = '{"name": "f", "arguments": {"x": 1.0, "n": 12345678901234567890, "e": 1e2}}';
  const row = `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "tool_calls": [${call}]}]}`;
  const [one] = await usableRows(write("numbers.jsonl", row));
  const [other] = await usableRows(write("numbers.json", `[\n${row}\n]`));
  assert.deepEqual(one, other);
  assert.ok("messages" in one! && one.messages[1]!.tool_calls);
  const { arguments: given } = one.messages[1]!.tool_calls[0]!.function as { arguments: Record<string, unknown> };
  assert.deepEqual([given.n, typeof given.x, typeof given.e], [12345678901234567890n, "object", "object"]);
});

test("lines of text are texts", async () => {
  assert.deepEqual(await usableRows(write("lines.txt", "one\n\ntwo\r\n")), [{ text: "one" }, { text: "two" }]);
});

test("questions come from all of these, with numbers as their names", async () => {
  assert.deepEqual(await readPrompts({ path: at("questions") }, "test"), [
    { id: "7", prompt: "a", answer: "1" },
    { id: "9007199254740993", prompt: "b", answer: "2" },
  ]);
  const path = write("questions.csv", "question,answer\nHow many?,3\n");
  assert.deepEqual(await readPrompts({ path }, "test"), [{ id: "line-2", prompt: "How many?", answer: "3" }]);
  const named = { path, columns: { prompt: "answer", answer: "question" } };
  assert.deepEqual((await readPrompts(named, "test"))[0], { id: "line-2", prompt: "3", answer: "How many?" });
  const shards = [at("splits:train"), at("splits:held-out")];
  const all = await readPrompts({ path: shards, columns: { id: "prompt" } }, "test").catch((error) => error);
  assert.match(all.message, /the id "Is 0 even\?" was there before/);
  const twice = await readPrompts({ path: [at("messages.parquet")] }, "test").catch((error) => error);
  assert.match(twice.message, /messages\.parquet, row 1 has messages\. Expected .*conversations with their answers/);
});

test("a question with half of a character is refused", async () => {
  const path = write("half.jsonl", '{"id": "a\\ud800", "prompt": "b"}\n');
  await assert.rejects(readPrompts({ path }, "test"), /half\.jsonl, line 1 has half of a surrogate pair .* in its id/);
});

const latin = Buffer.from('{"prompt":"caf\xe9","completion":"b"}\n', "latin1");
const REFUSED: Record<string, [path: () => string, sentence: RegExp]> = {
  "Latin-1": [
    () => write("latin.jsonl", Buffer.concat([Buffer.from(`${lines.slice(0, 2).join("\n")}\n`), latin])),
    /latin\.jsonl, line 3: not UTF-8\. Save the file as UTF-8/,
  ],
  "Latin-1 in a table": [
    () => write("latin.csv", Buffer.from("prompt,completion\na,caf\xe9\n", "latin1")),
    /latin\.csv, line 2: not UTF-8/,
  ],
  "Latin-1 in an array": [
    () => write("latin.json", Buffer.concat([Buffer.from("[\n"), latin, Buffer.from("]")])),
    /latin\.json, line 2: not UTF-8/,
  ],
  "UTF-16 with a mark": [
    () => write("utf16.jsonl", Buffer.from(`\ufeff${lines.join("\n")}`, "utf16le")),
    /utf16\.jsonl is not UTF-8: it looks like UTF-16/,
  ],
  "UTF-16 without a mark": [
    () => write("utf16b.csv", Buffer.from("prompt,completion\na,b\n", "utf16le")),
    /it looks like UTF-16/,
  ],
  "an object over several lines": [
    () => write("pretty.json", JSON.stringify(PAIRS[0], null, 2)),
    /pretty\.json is one JSON object over several lines\. Expected one object a line, or an array/,
  ],
  "an array that is cut": [
    () => write("cut.json", JSON.stringify(PAIRS, null, 1).slice(0, -30)),
    /cut\.json is cut: its array of JSON is not closed behind row 4/,
  ],
  "lines of lists": [
    () => write("lists.jsonl", "[1]\n[2]\n"),
    /lists\.jsonl is not one array of JSON: behind row 0, there is more behind its end\. Expected an array/,
  ],
  "a table with two columns of a name": [
    () => write("twice.csv", "prompt, prompt ,completion\na,b,c\n"),
    /twice\.csv, line 1: two columns are called "prompt"\. Give each a name of its own\.$/,
  ],
  "a kind of packing that is not read": [
    () => write("rows.jsonl.bz2", Buffer.from("425a683931415926535953", "hex")),
    /rows\.jsonl\.bz2 is packed as bzip2, which is not read\. Pack it as \.gz or \.zst/,
  ],
  "files of several kinds": [
    () => {
      for (const name of ["a.jsonl", "LICENSE.txt", "b.txt"]) write(`kinds/${name}`, "{}");
      return join(folder, "kinds");
    },
    /kinds holds files of several kinds, such as a\.jsonl and b\.txt\. Give those that are meant/,
  ],
  "files of a split beside others": [
    () => {
      for (const name of ["train.jsonl", "more.jsonl"]) write(`some/${name}`, "{}");
      return join(folder, "some");
    },
    /some has files of the split train and files of none\. Give those that are meant/,
  ],
  "bytes that Arrow calls text": [
    () => at("not-utf8.arrow"),
    /not-utf8\.arrow: the column "completion" holds bytes that are not UTF-8/,
  ],
  "bytes that Parquet calls text": [() => at("not-utf8.parquet"), /not-utf8\.parquet is not .*UTF-8|not valid/],
  "the first Feather": [() => at("old.feather"), /old\.feather .*Feather/],
  "a packed file that is cut": [
    () => {
      const path = write("cut.jsonl.gz", readFileSync(at("lines.jsonl.gz")));
      truncateSync(path, 60);
      return path;
    },
    /cut\.jsonl\.gz is cut or damaged/,
  ],
  "a packed file that is damaged": [
    () => {
      const bytes = readFileSync(at("lines.jsonl.zst"));
      return write("damaged.jsonl.zst", bytes.subarray(0, 90));
    },
    /damaged\.jsonl\.zst is cut or damaged/,
  ],
  "packed columns": [
    () => {
      const path = join(folder, "none.parquet.gz");
      copyFileSync(at("none.parquet"), path);
      return path;
    },
    /none\.parquet\.gz: a file of columns is read where it lies\. Unpack it first/,
  ],
  "splits without a name": [
    () => at("splits"),
    /splits has the splits train, held-out\. Give one of them: .*splits:train/,
  ],
  "a split that there is not": [() => at("splits:dev"), /has no split "dev"\. Expected one of: train, held-out/],
  "files of several splits": [
    () => at("repository"),
    /repository has the splits train, test\. Give one of them: .*repository:train/,
  ],
  "a split of no splits": [
    () => at("saved:train"),
    /saved has no split "train"\. It has no splits; give the folder alone/,
  ],
  "a pattern of nothing": [() => join(folder, "none-*.jsonl"), /Dataset not found: no file is called .*none-\*\.jsonl/],
  "nothing there": [() => join(folder, "none.jsonl"), /Dataset not found: .*none\.jsonl\./],
  "a folder without rows": [
    () => join(write("empty/notes.md", "a"), ".."),
    /holds no \.arrow files, and none of .*\.parquet/,
  ],
};

for (const [what, [path, sentence]] of Object.entries(REFUSED))
  test(`${what}: refused in a sentence`, async () => {
    await assert.rejects(allRows(path()), { name: "DistillError", message: sentence });
  });

test("a line that is no JSON is one bad row among others", async () => {
  const rows = await allRows(write("broken.jsonl", `${lines[0]}\n{"prompt":\n${lines[1]}\n`));
  assert.deepEqual(
    rows.map((read) => ("fault" in read ? read.fault.replace(/\(.*\)/, "") : "row")),
    ["row", `${join(folder, "broken.jsonl")}, line 2: not JSON . Expected one JSON object a line.`, "row"],
  );
});
