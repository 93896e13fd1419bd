import assert from "node:assert/strict";
import { test } from "node:test";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import * as runners from "../../src/exporters/runners/index.ts";
import { openRunner } from "../../src/exporters/runners/open.ts";
import { formatOf } from "../../src/student/packed/format.ts";
import * as formats from "../../src/student/packed/index.ts";
import { teacherFor, templateThrough } from "../../src/teachers/files.ts";
import * as teachers from "../../src/teachers/index.ts";
import type { TeacherComponent } from "../../src/teachers/teacher.ts";

const opening = Object.entries(teachers as Record<string, TeacherComponent>).filter(([, { file }]) => file);

test("each teacher that opens files is the one for the file that it gives as an example", () => {
  for (const [name, { file }] of opening) assert.equal(teacherFor(`folder/${file!.example}`), name);
});

test("no two teachers, runners or formats of students claim a file", () => {
  for (const [what, endings] of Object.entries({
    teachers: opening.map(([, { file }]) => file!.ending),
    runners: Object.values(runners).map(({ ending }) => ending),
    formats: Object.values(formats).map(({ ending }) => ending),
  }))
    for (const ending of endings)
      assert.deepEqual(
        endings.filter((other) => other.endsWith(ending) || ending.endsWith(other)),
        [ending],
        what,
      );
});

test("GGUF and ONNX files, which are exported, have a teacher that answers with them beside the runner that scores them", () => {
  for (const { ending } of [runners.gguf, runners.onnx]) assert.ok(teacherFor(`model${ending}`));
});

test("a teacher is asked through the template that is given, else its model's own", () => {
  const teacher = { type: "llama_cpp", path: "data/models/stories-teacher-q8_0.gguf" };
  assert.equal(templateThrough({ ...teacher, chat_template: "r1" }), "r1");
  assert.match(templateThrough(teacher)!, /\{%.*messages/s);
  const folder = { type: "engine", path: "data/models/stories-base" };
  assert.equal(templateThrough(folder), loadTokenizer(folder.path).template);
});

test("a file that nothing opens is refused with what is opened", () => {
  assert.throws(() => teacherFor("model.bin"), {
    name: "DistillError",
    message: "No teacher opens model.bin. Expected a file that ends in .gguf or .onnx.",
  });
  assert.throws(() => openRunner("model.bin"), {
    name: "DistillError",
    message: "Nothing runs model.bin. Expected a file that ends in .gguf or .onnx.",
  });
  assert.equal(formatOf("model.bin"), undefined);
});
