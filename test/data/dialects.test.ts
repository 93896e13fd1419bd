import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { dataOf } from "../../src/data/columns.ts";
import { readPrompts } from "../../src/data/prompts.ts";
import type { TrainingRow } from "../../src/data/rows.ts";
import { tableOf } from "../../src/data/tables.ts";
import { Utf8 } from "../../src/formats/apache-arrow.ts";
import { END_OF_STREAM, encodeStream } from "../../src/formats/arrow.ts";
import { allRows, usableRows } from "../support/rows.ts";
import { scratch } from "../support/students.ts";

const folder = scratch();
function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const ROWS = [
  { prompt: "Is 6 even?", completion: "Yes; it is." },
  { prompt: "Is 7?", completion: "No." },
];
const lines = ROWS.map((row) => `${JSON.stringify(row)}\n`);
const table = (delimiter: string) =>
  `prompt${delimiter}completion\n${ROWS.map(({ prompt, completion }) => `"${prompt}"${delimiter}"${completion}"`).join("\n")}\n`;

for (const [name, content] of Object.entries({
  "semicolons.csv": table(";"),
  "tabs.csv": table("\t"),
  "bars.csv": table("|"),
  "said.csv": `sep=;\r\n${table(";").replaceAll("\n", "\r\n")}`,
  "packed.csv.gz": gzipSync(table(";")),
}))
  test(`${name}: what separates the cells is known by the line of names`, async () =>
    assert.deepEqual(await usableRows(write(name, content)), ROWS));

test("a name with a semicolon in quotes separates nothing", async () => {
  const rows = await usableRows(write("quoted.csv", 'prompt,completion,"a;b"\nx,y;z,1\n'));
  assert.deepEqual(rows, [{ prompt: "x", completion: "y;z" }]);
});

test("what begins and ends as a file of columns is one, whatever it is called", async () => {
  for (const [from, to] of [
    ["none.parquet", "columns.json"],
    ["zstd.feather", "columns"],
    ["utf8.feather", "columns.csv"],
  ] as const) {
    copyFileSync(join("test/data/brought", from), join(folder, to));
    assert.equal((await usableRows(join(folder, to))).length, 5, to);
  }
  assert.deepEqual(await usableRows(write("PAR1.csv", "PAR1,prompt,completion\n1,x,y\n")), [
    { prompt: "x", completion: "y" },
  ]);
});

test("frames of zstd that are to be passed over are passed over", async () => {
  const frame = Buffer.from("5d2a4d1803000000ffffff", "hex");
  const packed = readFileSync("test/data/brought/lines.jsonl.zst");
  const rows = await usableRows("test/data/brought/lines.jsonl.zst");
  assert.deepEqual(await usableRows(write("frames.jsonl.zst", Buffer.concat([frame, packed, frame, packed]))), [
    ...rows,
    ...rows,
  ]);
});

const hexed = (hex: string, length = 300) => Buffer.concat([Buffer.from(hex, "hex"), Buffer.alloc(length)]);
const tar = Buffer.alloc(1024);
tar.write("rows.jsonl", 0);
tar.write("ustar", 257);

const REFUSED: Record<string, [path: () => string, sentence: RegExp]> = {
  "an archive": [() => write("rows.tar", tar), /rows\.tar is a tar archive, which is not read\. Unpack it/],
  "an archive that is packed": [() => write("rows.tgz", gzipSync(tar)), /rows\.tgz is a tar archive/],
  "a packing of another kind": [
    () => write("a.jsonl.lz4", hexed("04224d18")),
    /packed as lz4, .*Pack it as \.gz or \.zst/,
  ],
  "a workbook": [
    () => write("a.xlsx", hexed("504b0304")),
    /a\.xlsx is an Excel workbook, .*as \.csv, \.jsonl or \.parquet/,
  ],
  "a workbook of long ago": [() => write("a.xls", hexed("d0cf11e0")), /a\.xls is an Excel workbook/],
  "a database": [() => write("a.sqlite", `SQLite format 3\0${"\0".repeat(99)}`), /a SQLite database/],
  "a program of Python's": [() => write("a.pt.pkl", hexed("8005")), /a pickle of Python's, which is a program/],
  "a pointer in place of a file": [
    () => write("pointer/train.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    /train\.parquet is a pointer of Git LFS and not the file itself\. Fetch it with git lfs pull\./,
  ],
  NaN: [
    () => write("nan.json", '[{"prompt": "a", "completion": "b", "x": [1, -NaN]}]'),
    /row 1: not JSON .*write null in their place\.$/,
  ],
  "an object as Python prints it": [() => write("a.jsonl", "{'prompt': 'a'}\n"), /line 1: not JSON .*json\.dumps\.$/],
  "objects over several lines": [
    () => write("spread.json", ROWS.map((row) => JSON.stringify(row, null, 1)).join("\n")),
    /spread\.json has JSON objects over several lines\. Expected one object a line, .*jq -c \. writes one a line/,
  ],
  "rows under a key": [
    () => write("keyed.json", JSON.stringify({ name: "a", items: ROWS }, null, 1)),
    /keyed\.json is one JSON object over several lines, with rows under "items"\. .*jq '\.items'/,
  ],
  "a quote within a cell": [
    () => write("quote.csv", 'prompt,completion\na,b "c" d\n'),
    /line 2.*A quote inside a cell is written twice/,
  ],
  "a part of a split": [
    () => `${join(write("parts/train.jsonl", lines[0]!), "..")}:train[:5%]`,
    /A part of a split is not named so: give .*parts:train, and dataset\.limit/,
  ],
  "a place that a shell knows": [
    () => join(folder, "~/rows.jsonl"),
    /Dataset not found: .*Only a shell knows what ~ is/,
  ],
  "a run": [() => join(write("run/manifest.json", "{}"), ".."), /run is the folder of a run, which holds no dataset/],
  "a file of several that is missing": [
    () => {
      for (const i of [0, 2]) write(`of3/train-0000${i}-of-00003-ab${i}.jsonl`, lines[0]!);
      return join(folder, "of3:train");
    },
    /of3\/train-00001-of-00003 is missing, of 3 files that belong together/,
  ],
  "several configurations": [
    () => card("two", "- config_name: easy\n  data_files: easy/*.jsonl\n- config_name: hard\n  data_dir: hard\n"),
    /two has the configurations easy, hard, as its README\.md says, .*two\/easy\/\*\.jsonl\.$/,
  ],
  "files that a card names and that are not there": [
    () => card("none", "- config_name: default\n  data_files:\n    train: gone/*.jsonl\n"),
    /none\/README\.md names .*gone\/\*\.jsonl as files of the split train, and there are none/,
  ],
  "files outside the folder": [
    () => card("out", "- config_name: default\n  data_files: ../two/easy/*.jsonl\n"),
    /out\/README\.md names files outside its folder, \.\.\/two\/easy/,
  ],
};

/** A folder with two files, and a card that says what they are. */
function card(name: string, configs: string): string {
  write(`${name}/easy/rows.jsonl`, lines[0]!);
  write(`${name}/hard/rows.jsonl`, lines[1]!);
  return join(write(`${name}/README.md`, `---\nlicense: mit\nconfigs:\n${configs}---\nWords.\n`), "..");
}

for (const [what, [path, sentence]] of Object.entries(REFUSED))
  test(`${what}: refused in a sentence`, async () => {
    const found = await allRows(path()).catch((error) => {
      if (error.name !== "DistillError") throw error;
      return [{ where: "", fault: String(error.message) }];
    });
    const [first] = found as { fault?: string; row?: TrainingRow }[];
    assert.match(first?.fault ?? JSON.stringify(first), sentence);
  });

test("a card says which files are a dataset, and which split each is of", async () => {
  const of = async (path: string) =>
    (await usableRows(path)).map((row) => ROWS.indexOf(ROWS.find((one) => one.prompt === (row as typeof one).prompt)!));
  const named =
    "- config_name: a\n  default: true\n  data_files:\n  - split: held\n    path: [hard/*.jsonl]\n  - split: train\n    path: easy/*\n- config_name: b\n  data_dir: hard\n";
  assert.deepEqual(await of(`${card("cards", named)}:held`), [1]);
  assert.deepEqual(await of(`${card("cards", named)}:train`), [0]);
  await assert.rejects(of(card("cards", named)), /cards has the splits train, held\. Give one of them: .*cards:train/);
  assert.deepEqual(await of(card("dir", "- config_name: only\n  data_dir: hard\n")), [1]);
  assert.deepEqual(await of(card("plain", "- config_name: only\n  data_files: hard/rows.jsonl\n")), [1]);
  write("wordy/README.md", "---\nconfigs: [\n---\n");
  write("wordy/rows.jsonl", lines[1]!);
  assert.deepEqual(await of(join(folder, "wordy")), [1]);
});

test("a column that is null is there, and says that its row lacks it", async () => {
  const nullable = tableOf({ prompt: dataOf(["a", "b"], new Utf8()), completion: dataOf(["c", null], new Utf8()) });
  const { schema, batches } = encodeStream(nullable);
  for (const path of [
    write("null.arrow", Buffer.concat([schema, batches, END_OF_STREAM])),
    write("null.jsonl", `${lines[0]}{"prompt": "a", "completion": null}\n`),
  ]) {
    const [, second] = await allRows(path);
    assert.match((second as { fault: string }).fault, / 2 has null as its completion\. Expected a text\.$/);
  }
});

test("a question whose system text or context would be left out is refused", async () => {
  for (const name of ["system_prompt", "context", "history"])
    await assert.rejects(
      readPrompts({ path: write("asked.jsonl", `{"prompt": "a", "answer": "b", "${name}": "c"}\n`) }, "test"),
      { name: "DistillError", message: new RegExp(`line 1 has a column "${name}", which is not read of questions`) },
    );
});
