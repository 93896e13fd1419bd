/** @file The page that an export leaves, used in a browser as a person would. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { before, test } from "node:test";
import { writeFolder } from "../../src/core/files.ts";
import type { Exported } from "../../src/exporters/exporter.ts";
import { web } from "../../src/exporters/web.ts";
import { gguf as packed } from "../../src/student/packed/gguf.ts";
import { resultOfPage, serveFolders, whyNoBrowser } from "../support/browser.ts";
import { LOOKS, openTab } from "../support/devtools.ts";
import { extent } from "../support/extent.ts";
import { scratch, writeStudent } from "../support/students.ts";

const folder = scratch();
const output = join(folder, "web");
/** Answered in few tokens: software for GPUs makes two a second. */
const question = "58-37=?";
const story = JSON.parse(readFileSync("data/stories/test.jsonl", "utf8").split("\n", 1)[0]!).prompt as string;
let files: Exported[];

before(async () => {
  const student = join(folder, "weights");
  await writeFolder(student, (into) => packed.unpack("data/models/stories-teacher-q8_0.gguf", into));
  const options = { dtypes: ["q4f16", "q4", "q8"] as const, title: "Stories & sums", max_new_tokens: 200 };
  files = await web.create({ ...options, dtypes: [...options.dtypes] })({ folder: student }, output);
});

/** Opens the page in a frame, asks, and tells what it shows; `stop` presses the button once so many characters are thought. */
const driver = (query: string, stop = Number.POSITIVE_INFINITY) => `<!doctype html><meta charset="utf-8">
<style>body { margin: 0 } iframe { width: 100vw; height: 100vh; border: 0 } img { display: none }</style>
<iframe src="/web/index.html${query}"></iframe><img src="/done" alt="">
<script type="module">
const frame = document.querySelector("iframe");
await new Promise((resolve) => { frame.onload = resolve; });
const page = frame.contentDocument;
const until = async (what) => {
  for (let i = 0; i < 1000; i++) {
    const { failed } = page.body.dataset;
    if (failed) throw new Error(failed);
    if (what()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("The page did not come so far: " + page.body.innerText);
};
const ask = async (text, answered) => {
  page.getElementById("question").value = text;
  page.getElementById("question").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  await until(() => {
    const thought = page.querySelector(".assistant:last-of-type details div")?.textContent.length ?? 0;
    if (thought >= ${stop}) page.getElementById("stop").click();
    return Number(page.body.dataset.answered) === answered;
  });
};
const result = {};
try {
  await until(() => page.body.dataset.ready);
  result.ready = page.body.dataset.ready;
  await ask(${JSON.stringify(question)}, 2);
  const box = page.querySelector(".assistant");
  result.answer = box.querySelector(".answer").textContent;
  result.thought = box.querySelector("details div").textContent;
  result.folded = !box.querySelector("details").open && !box.querySelector("details").hidden;
  result.facts = box.querySelector(".facts").textContent;
  result.title = page.querySelector("h1").textContent;
  if (${stop} < Infinity) throw "stopped";
  await ask(${JSON.stringify(story)}, 4); // of what the student never saw, one question after another, it says nothing
  result.silence = [...page.querySelectorAll(".assistant .answer")].at(-1).textContent;
} catch (error) {
  if (error !== "stopped") result.error = String(error && error.stack || error);
}
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
</script>`;

const skip = whyNoBrowser();

/** Characters of thought after which a page on WebGPU is told to stop, since a token takes software for GPUs a second. */
const ENOUGH = extent(1, Number.POSITIVE_INFINITY);

for (const [name, query, webgpu, ready, stop] of [
  ["WebAssembly, where there is no WebGPU", "", false, "wasm q8"],
  ["WebGPU without halves", "", true, "webgpu q4", ENOUGH],
  ["WebAssembly with the file for WebGPU", "?device=wasm&dtype=q4f16", false, "wasm q4f16"],
] as [name: string, query: string, webgpu: boolean, ready: string, stop?: number][])
  test(`the page answers, folds the reasoning and tells its speed: ${name}`, { skip }, async (t) => {
    const screenshot = resolve(`.build/screenshots/web-${ready.replace(" ", "-")}.png`);
    mkdirSync(dirname(screenshot), { recursive: true });
    rmSync(screenshot, { force: true });
    const found = (await resultOfPage(driver(query, stop), { web: output }, screenshot, { webgpu })) as Record<
      string,
      unknown
    >;
    assert.equal(found.error, undefined);
    assert.equal(found.ready, ready);
    assert.equal(found.title, "Stories & sums");
    assert.match(String(found.thought), /\d/);
    const [, tokens] = /^(\d+) tokens, [\d.]+ tokens\/s/.exec(String(found.facts)) ?? assert.fail(`${found.facts}`);
    if ((stop ?? Number.POSITIVE_INFINITY) < Number.POSITIVE_INFINITY) {
      assert.ok(Number(tokens) < 20, `${tokens} tokens, and it was told to stop`);
    } else {
      assert.match(String(found.answer), /^<answer>21<\/answer>$/);
      assert.equal(found.folded, true);
      assert.equal(found.silence, "");
    }
    assert.ok(statSync(screenshot).size > 5000);
    t.diagnostic(`${found.facts}; what the page looked like: ${relative(".", screenshot)}`);
  });

test(
  "the page is read in light and dark, on a desk and on a phone: nothing sticks out, nothing is complained of",
  {
    skip,
  },
  async () => {
    const server = await serveFolders({ web: output });
    const tab = await openTab();
    try {
      await tab.look(LOOKS.light!);
      await tab.open(`${server.url}/web/index.html`);
      await tab.until("document.body.dataset.ready", 120);
      for (const [i, text] of [question, story].entries()) {
        await tab.value('document.getElementById("question").focus()');
        await tab.type(text);
        await tab.press("Enter");
        await tab.until(`document.body.dataset.answered === "${2 * i + 2}"`, 120);
      }
      for (const [name, look] of Object.entries(LOOKS)) {
        await tab.look(look);
        assert.equal(await tab.value("document.documentElement.scrollWidth <= innerWidth"), true, name);
        const [top, bottom] = await tab.value<number[]>(
          '(({ top, bottom }) => [top, innerHeight - bottom])(document.getElementById("ask").getBoundingClientRect())',
        );
        assert.ok(top! >= 0 && bottom! >= 0, `${name}: the field to write in is seen`);
        await tab.picture(`.build/screenshots/web-${name}.png`);
      }
      assert.deepEqual(tab.complaints, []);
    } finally {
      await tab.close();
      server.close();
    }
  },
);

test("the folder has all that the page loads, and no address of another machine", () => {
  const names = readdirSync(output, { recursive: true, encoding: "utf8" });
  for (const name of ["index.html", "chat.js", "worker.js", "model/config.json", "model/onnx/model_q4f16.onnx"])
    assert.ok(names.includes(name), name);
  assert.ok(names.some((name) => /^transformers\/.*\.wasm$/.test(name)));
  for (const name of ["index.html", "chat.js", "worker.js"])
    assert.doesNotMatch(readFileSync(join(output, name), "utf8"), /https?:\/\//);
  assert.deepEqual(
    files.map(({ name, same_as }) => [name, same_as]),
    ["q4f16", "q4", "q8"].map((dtype) => [`web-${dtype}`, `onnx-${dtype}`]),
  );
});

test("a student without a chat template is refused in a sentence", async () => {
  const student = join(folder, "silent");
  await writeStudent(student);
  await assert.rejects(
    web.create({ dtypes: ["q8"], max_new_tokens: 8 })({ folder: student }, join(folder, "none")),
    /has no chat template, and the page asks through one/,
  );
});
