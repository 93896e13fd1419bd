import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { gguf } from "../../src/exporters/gguf.ts";
import { type Metadata, type MetadataValue, writeGguf } from "../../src/formats/gguf.ts";
import { openGguf } from "../../src/formats/gguf-reader.ts";
import { openGgufModel, otherPieces } from "../../src/formats/gguf-split.ts";
import { gguf as packed } from "../../src/student/packed/gguf.ts";
import { loadOnProcessor } from "../../src/teachers/llama-cpp/start.ts";
import { scratch, writeStudent } from "../support/students.ts";

const folder = scratch();
const name = (number: number) => `m-0000${number}-of-00003.gguf`;
const whole = join(folder, "whole", "model-f32.gguf");
const first = join(folder, "split", name(1));
const student = join(folder, "student");

before(async () => {
  await writeStudent(student);
  await gguf.create({ types: ["f32"] })({ folder: student }, join(folder, "whole"));
  await split(whole, join(folder, "split"));
});

/** Write a file's tensors into three, as llama.cpp's gguf-split names and marks them. */
async function split(path: string, into: string): Promise<void> {
  mkdirSync(into);
  const file = openGguf(path);
  const tensors = [...file.tensors.values()];
  for (let i = 0; i < 3; i++) {
    const own = tensors.filter((_, k) => k % 3 === i);
    const marks: [string, MetadataValue][] = [
      ["split.no", { type: "uint16", value: i }],
      ["split.count", { type: "uint16", value: 3 }],
      ["split.tensors.count", { type: "int32", value: tensors.length }],
    ];
    const metadata: Metadata = new Map([...(i === 0 ? file.metadata : []), ...marks]);
    const pieces: Uint8Array[] = [];
    for await (const piece of writeGguf(metadata, own, (k) => file.read(own[k]!.name))) pieces.push(piece);
    writeFileSync(join(into, name(i + 1)), Buffer.concat(pieces));
  }
  file.close();
}

/** The split model with one of its files replaced, or without it. */
function broken(as: string, number: number, by?: string): string {
  const into = join(folder, as);
  mkdirSync(into);
  for (const file of readdirSync(join(folder, "split"))) copyFileSync(join(folder, "split", file), join(into, file));
  if (by) copyFileSync(by, join(into, name(number)));
  else rmSync(join(into, name(number)));
  return join(into, name(1));
}

const refused = (message: RegExp) => ({ name: "DistillError", message });

test("a model in several files is the same as in one, for us and for llama.cpp", async () => {
  const [one, several] = [openGguf(whole), openGgufModel(first)];
  assert.deepEqual([...several.tensors.keys()].sort(), [...one.tensors.keys()].sort());
  for (const tensor of one.tensors.keys()) assert.deepEqual(several.read(tensor), one.read(tensor));
  for (const file of [one, several]) file.close();
  const [a, b] = [join(folder, "unpacked-one"), join(folder, "unpacked-split")];
  for (const place of [a, b]) mkdirSync(place);
  await packed.unpack(whole, a);
  await packed.unpack(first, b);
  const bytes = (place: string) => readFileSync(join(place, "model.safetensors"));
  assert.ok(bytes(a).equals(bytes(b)));
  const { model } = await loadOnProcessor({ modelPath: first });
  await model.dispose();
});

test("the other files of a model are known by its name", () => {
  assert.deepEqual(otherPieces(name(2)), [name(1), name(3)]);
  assert.deepEqual(otherPieces("model-q8_0.gguf"), []);
});

test("a file that is missing, is of another model or comes out of turn is refused in a sentence", async () => {
  assert.throws(
    () => openGgufModel(broken("missing", 2)),
    refused(/m-00002-of-00003\.gguf is missing: the model in .*m-00001-of-00003\.gguf has 3 files/),
  );
  assert.throws(
    () => openGgufModel(broken("whole-instead", 3, whole)),
    refused(/m-00003-of-00003\.gguf does not belong to the model in .*: it says that it is file 1 of 1/),
  );
  assert.throws(
    () => openGgufModel(broken("twice", 3, join(folder, "split", name(2)))),
    refused(/it says that it is file 2 of 3/),
  );
  assert.throws(
    () => openGgufModel(join(folder, "split", name(2))),
    refused(/is file 2 of the 3 of a model\. Give the first, .*m-00001-of-00003\.gguf/),
  );
  const renamed = join(folder, "renamed.gguf");
  copyFileSync(first, renamed);
  assert.throws(
    () => openGgufModel(renamed),
    refused(
      /is one of 3 files of a model, and its name does not say which\. Expected one that ends in -00001-of-00003\.gguf/,
    ),
  );
  // of as many tensors, and other shapes
  const other = join(folder, "other");
  await writeStudent(other, { hidden_size: 64 });
  await gguf.create({ types: ["f32"] })({ folder: other }, join(folder, "other-whole"));
  await split(join(folder, "other-whole", "model-f32.gguf"), join(folder, "other-split"));
  const mixed = broken("mixed", 2, join(folder, "other-split", name(2)));
  await assert.rejects(packed.unpack(mixed, folder), refused(/has the shape \[.*\], and its keys ask for/));
});

test("a folder is no GGUF file, and a file in it is proposed", () => {
  assert.throws(
    () => openGguf(join(folder, "whole")),
    refused(/whole is a folder\. Expected a GGUF file, such as .*whole\/model-f32\.gguf\.$/),
  );
});
