/**
 * @file npm run test:exports: every export in every program, old versions and new. Needs a network and Python for those that
 * are not here; what cannot be had is skipped, and said.
 * Options: --only TEXT of a program's name and version, --students NAMES, --write (into test/bench/results).
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { markdownTable } from "../../src/core/table.ts";
import { GGUF_TYPES } from "../../src/exporters/gguf/types.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { DTYPES } from "../../src/exporters/onnx/storage.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { compared, type Expected, expectedOf, expectedSaying } from "./compare.ts";
import type { Asked } from "./job.ts";
import { labelOf, PROGRAMS } from "./programs.ts";
import { students } from "./students.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    students: { type: "string", default: "" },
    write: { type: "boolean", default: false },
  },
});

type Case = { student: string; family: string; asked: Asked; expected: Expected };
const scratch = mkdtempSync(join(tmpdir(), "exports-"));
const cases: Record<"onnx" | "gguf", Case[]> = { onnx: [], gguf: [] };
const chosen = PROGRAMS.filter(({ name, version }) => `${name} ${version}`.includes(options.only));

try {
  const wanted = options.students.split(",").filter(Boolean);
  for (const { name, family, folder, texts, encode, max_new_tokens, says } of await students(
    join(scratch, "students"),
  )) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const place = join(scratch, name.replace(/\W+/g, "-"));
    const formats = new Set(chosen.map(({ format }) => format));
    const written = [
      ...(formats.has("onnx")
        ? await onnx.create({ dtypes: [...DTYPES], max_file_bytes: 1e9, transformers_js: 3 })(
            { folder },
            join(place, "onnx"),
          )
        : []),
      ...(formats.has("gguf") ? await gguf.create({ types: GGUF_TYPES })({ folder }, join(place, "gguf")) : []),
    ];
    for (const { name: file, path } of written) {
      const [format, dtype] = file.split("-") as ["onnx" | "gguf", string];
      const tokenizer = format === "onnx" ? join(place, "onnx") : folder;
      const asked = { path, dtype, folder: tokenizer, texts, encode, max_new_tokens };
      const expected = says === undefined ? await expectedOf(asked, folder) : expectedSaying(asked, says);
      cases[format].push({ student: name, family, asked, expected });
    }
    const ended = cases.onnx
      .concat(cases.gguf)
      .filter(({ student }) => student === name)
      .flatMap(({ expected }) => expected.stopped);
    console.log(
      `${name}: ${written.length} files; ${ended.filter((id) => id !== undefined).length} of ${ended.length} texts end with a stop token (${[...new Set(ended.filter((id) => id !== undefined))].join(", ")}).`,
    );
  }

  const problems: string[] = [];
  const rows: { format: string; label: string; cells: Map<string, string> }[] = [];
  for (const program of chosen) {
    const { format, lacks = {}, knows, stops } = program;
    const known = cases[format].filter(({ family }) => knows?.includes(family) ?? true);
    const asked = known.filter(({ asked: { dtype } }) => !(dtype in lacks));
    const cells = new Map(Object.keys(lacks).map((dtype) => [dtype, "–"]));
    const answers = await program
      .answer(asked.map(({ asked }) => asked))
      .catch((error: Error) => `it failed: ${error.message.trim().split("\n").at(-1)!.slice(0, 200)}`);
    const label = `${labelOf(program)}${knows ? `, ${knows.join(", ")}` : ""}`;
    for (const [dtype, why] of Object.entries(lacks)) console.log(`${label}: ${dtype} skipped, ${why}.`);
    if (typeof answers === "string") {
      console.log(`${label}: skipped, ${answers}.`);
      for (const {
        asked: { dtype },
      } of asked)
        cells.set(dtype, "–");
      rows.push({ format, label, cells });
      continue;
    }
    const ties = new Map<string, number>();
    for (const [i, { student, asked: one, expected }] of asked.entries()) {
      const found = compared(expected, answers[i] ?? { error: "no answer" }, stops);
      if ("wrong" in found) {
        problems.push(`${label}, ${student}, ${one.dtype}: ${found.wrong}`);
        cells.set(one.dtype, "✗");
      } else ties.set(one.dtype, (ties.get(one.dtype) ?? 0) + found.ties);
    }
    for (const [dtype, count] of ties)
      if (cells.get(dtype) !== "✗")
        cells.set(dtype, count === 0 ? "✓" : `✓ (${count} ${count === 1 ? "tie" : "ties"})`);
    rows.push({ format, label, cells });
    console.log(`${label}: ${[...cells].map(([dtype, cell]) => `${dtype} ${cell}`).join(", ")}`);
  }

  const tables = (["onnx", "gguf"] as const).flatMap((format) => {
    const dtypes = format === "onnx" ? DTYPES : GGUF_TYPES;
    const own = rows.filter((row) => row.format === format);
    return own.length > 0
      ? [
          markdownTable(
            ["program", ...dtypes],
            own.map(({ label, cells }) => [label, ...dtypes.map((dtype) => cells.get(dtype) ?? "")]),
          ),
        ]
      : [];
  });
  console.log(`\n${tables.join("\n\n")}\n`);
  for (const problem of problems) console.log(problem);
  console.log(problems.length === 0 ? "Every file says the same in every program." : `${problems.length} went wrong.`);
  if (options.write)
    writeFileSync(
      `test/bench/results/exports-${new Date().toISOString().slice(0, 10)}.md`,
      `# Exports in other programs\n\n\`npm run test:exports\`, ${cpus()[0]!.model}, ${cpus().length} cores.\n\n${tables.join("\n\n")}\n${problems.map((problem) => `\n- ${problem}`).join("")}\n`,
    );
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit();
