/**
 * @file 300,000 rows of each kind of file, read and tokenised as training does: rows a second, and how much memory a process
 * of its own took at most. Parquet, Arrow with compression and zstd are written by pyarrow, where .venv has it.
 * Options: --rows N (300,000), --kinds a,b (all of them).
 */

import { execFileSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { createGzip } from "node:zlib";
import { readExamples } from "../../src/data/examples.ts";
import { stories } from "../../src/data/generators/index.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";

const { values: options } = parseArgs({
  options: { rows: { type: "string", default: "300000" }, kinds: { type: "string" }, read: { type: "string" } },
});

const PYTHON = ".venv/bin/python";
const PYTHON_KINDS = new Set(["parquet", "lz4.feather", "saved"]);

if (options.read) await read(options.read);
else await compare(Number(options.rows));

/** In a process of its own: the rows of one file. */
async function read(path: string): Promise<void> {
  const folder = join(path, "..", "cache");
  const start = performance.now();
  const cache = { key: "0123456789abcdef", keyNow: () => "0123456789abcdef", folder };
  const sizes = { max_length: 1024, overlength: "drop" } as const;
  const examples = await readExamples({ path }, loadTokenizer("data/stories"), sizes, undefined, cache);
  const seconds = (performance.now() - start) / 1000;
  const tokens = examples!.segments.lengths.reduce((sum, length) => sum + length, 0);
  const peak_mb = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ rows: examples!.rows, tokens, seconds, peak_mb }));
  rmSync(folder, { recursive: true, force: true });
}

async function compare(rows: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bench-rows-"));
  try {
    const jsonl = join(folder, "rows.jsonl");
    const kinds: Record<string, () => Promise<string> | string> = {
      jsonl: () => write(jsonl, lines(rows)),
      "jsonl.gz": () => write(join(folder, "rows.jsonl.gz"), lines(rows), true),
      json: () => write(join(folder, "rows.json"), array(rows)),
      csv: () => write(join(folder, "rows.csv"), table(rows)),
      parquet: () => byPython("parquet", jsonl, join(folder, "rows.parquet")),
      "lz4.feather": () => byPython("feather", jsonl, join(folder, "rows.feather")),
      saved: () => byPython("saved", jsonl, join(folder, "saved")),
    };
    const chosen = options.kinds?.split(",") ?? Object.keys(kinds);
    await kinds.jsonl!();
    console.log(
      "| kind | MB | rows | million tokens | seconds | rows/s | peak memory, MB |\n|---|---|---|---|---|---|---|",
    );
    for (const kind of chosen) {
      if (PYTHON_KINDS.has(kind) && !existsSync(PYTHON)) {
        console.log(`| ${kind} | skipped: ${PYTHON} is not there | | | | | |`);
        continue;
      }
      const path = await kinds[kind]!();
      const args = ["--enable-source-maps", process.argv[1]!, "--read", path];
      const {
        seconds,
        tokens,
        peak_mb,
        rows: found,
      } = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
      const cells = [
        kind,
        (sizeOf(path) / 1e6).toFixed(0),
        found,
        (tokens / 1e6).toFixed(1),
        seconds.toFixed(1),
        (found / seconds).toFixed(0),
        peak_mb.toFixed(0),
      ];
      console.log(`| ${cells.join(" | ")} |`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function* pairs(rows: number): Generator<{ prompt: string; completion: string }> {
  let made = 0;
  for (const { prompt, completion } of stories.create(stories.options.parse({}))("train", 1)) {
    yield { prompt, completion };
    if (++made === rows) return;
  }
}

function* lines(rows: number): Generator<string> {
  for (const row of pairs(rows)) yield `${JSON.stringify(row)}\n`;
}

function* array(rows: number): Generator<string> {
  let before = "[\n";
  for (const row of pairs(rows)) {
    yield before + JSON.stringify(row);
    before = ",\n";
  }
  yield "\n]\n";
}

function* table(rows: number): Generator<string> {
  yield "prompt,completion\n";
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  for (const { prompt, completion } of pairs(rows)) yield `${cell(prompt)},${cell(completion)}\n`;
}

async function write(path: string, texts: Iterable<string>, packed = false): Promise<string> {
  mkdirSync(join(path, ".."), { recursive: true });
  const from = Readable.from(texts);
  const to = createWriteStream(path);
  await (packed ? pipeline(from, createGzip({ level: 1 }), to) : pipeline(from, to));
  return path;
}

function byPython(kind: string, jsonl: string, path: string): string {
  const write = {
    parquet: "pq.write_table(t, p)",
    feather: "feather.write_feather(t, p, compression='lz4')",
    saved: "datasets.Dataset(t).save_to_disk(p)",
  }[kind]!;
  const imports = kind === "saved" ? "import datasets; " : "";
  const program = `${imports}import sys, pyarrow.json as j, pyarrow.parquet as pq, pyarrow.feather as feather; t = j.read_json(sys.argv[1]); p = sys.argv[2]; ${write}`;
  execFileSync(PYTHON, ["-c", program, jsonl, path], { stdio: "ignore" });
  return path;
}

function sizeOf(path: string): number {
  return statSync(statSync(path).isFile() ? path : join(path, "data-00000-of-00001.arrow")).size;
}
