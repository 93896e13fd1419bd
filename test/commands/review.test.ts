import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { readDecisions, standing } from "../../src/data/decisions.ts";
import { whyNoBrowser } from "../support/browser.ts";
import { distill, type Running, startDistill } from "../support/cli.ts";
import { LOOKS, openTab } from "../support/devtools.ts";
import { extent } from "../support/extent.ts";
import { writeManyTraces } from "../support/many-traces.ts";
import { scratch } from "../support/students.ts";

const MANY = extent(20_000, 100_000);
/** What is decided in the browser, and how much of it before each kill. */
const ROWS = extent(48, 120);
const KILLED = extent([12, 30], [25, 60]);
/** A row far down. */
const FAR = Math.floor(0.77777 * MANY);
const folder = scratch();
const dataset = join(folder, "many");
const place = `${dataset}.decisions`;
await writeManyTraces(dataset, MANY);

/** Those that a test which fails leaves behind would keep this file from ending. */
const children: Running["child"][] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
});

/** A review in a process of its own, and where it is. */
const started = () => startedOn(dataset);

async function startedOn(dataset: string): Promise<Running & { url: string }> {
  const running = startDistill(["review", dataset, "--as", "Ada"]);
  children.push(running.child);
  const url = await new Promise<string>((resolve, reject) => {
    let said = "";
    running.child.stdout!.on("data", (piece) => {
      said += piece;
      const [found] = /http:\/\/127\.0\.0\.1:\d+\/[\w-]+\//.exec(said) ?? [];
      if (found) resolve(found);
    });
    void running.ended.then(({ err }) => reject(new Error(err)));
  });
  return { ...running, url };
}
const end = async ({ child, ended }: Running, signal: NodeJS.Signals = "SIGTERM") => {
  child.kill(signal);
  return ended;
};
const post = (url: string, body: object) => fetch(url, { method: "POST", body: JSON.stringify(body) });
const nothing = { decision: null, edited: null, tags: [], note: null };

test("only its own page may ask: the secret, the address and the origin are compared, and nothing else is answered", async () => {
  const { url, ...running } = await started();
  const { origin } = new URL(url);
  for (const [what, response] of [
    ["no secret", await fetch(`${origin}/`)],
    ["another secret", await fetch(`${origin}/${"x".repeat(24)}/rows?from=0&count=1`)],
    ["another origin", await fetch(`${url}rows?from=0&count=1`, { headers: { origin: "http://evil.example" } })],
    ["another site", await fetch(`${url}rows?from=0&count=1`, { headers: { "sec-fetch-site": "cross-site" } })],
  ] as const) {
    assert.equal(response.status, 403, what);
    assert.doesNotMatch(await response.text(), /task-/);
  }
  assert.equal((await fetch(`${url}row?i=100000`)).status, 400);
  assert.equal((await fetch(`${url}rows?from=0&count=9999`)).status, 400);
  assert.equal((await fetch(`${url}nothing`)).status, 404);
  assert.equal((await post(`${url}decide`, { i: 0, reviewer: "../x", ...nothing })).status, 400);
  const page = await (await fetch(url)).text();
  assert.match(
    page,
    /default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src 'nonce-/,
  );
  assert.deepEqual(readDecisions(place), []);
  const { code } = await end(running);
  assert.equal(code, 143);
});

test("filters find what they say", async () => {
  const { url, ...running } = await started();
  const total = async (query: string) =>
    ((await (await fetch(`${url}rows?from=0&count=2&${query}`)).json()) as { total: number }).total;
  assert.equal(await total(""), MANY);
  assert.equal(await total("verdict=incorrect"), MANY / 4);
  assert.equal(await total("accepted=yes&verdict=incorrect"), 0);
  assert.equal(await total("rule=accuracy&at_most=0.5"), MANY / 4);
  assert.equal(await total("prompt=TASK-17"), extent(444, 4444));
  assert.equal(await total("longest=2"), 0);
  assert.equal(await total("shortest=3"), MANY);
  assert.equal(await total("disagreement=scores"), MANY / 4);
  assert.equal(await total("disagreement=samples"), MANY);
  await post(`${url}decide`, { i: 3, reviewer: "Ada", ...nothing, decision: "keep" });
  await post(`${url}decide`, { i: 0, reviewer: "Ada", ...nothing, decision: "keep" });
  await post(`${url}decide`, { i: 0, reviewer: "Bo", ...nothing, decision: "drop" });
  assert.equal(await total("disagreement=rules"), 2);
  assert.equal(await total("disagreement=people"), 1);
  assert.equal(await total("decided=any"), 2);
  assert.equal(await total("decided=drop"), 1);
  for (const [reviewer, times] of [
    ["Ada", 2],
    ["Bo", 1],
  ] as const)
    for (let i = 0; i < times; i++)
      assert.notEqual(((await (await post(`${url}undo`, { reviewer })).json()) as { undone: unknown }).undone, null);
  assert.equal(await total("decided=any"), 0);
  await end(running);
});

test("a second person joins from another process; under the same name that is refused in a sentence", async () => {
  const [one, two] = [await started(), await started()];
  assert.equal((await post(`${one.url}decide`, { i: 7, reviewer: "Ada", ...nothing, decision: "keep" })).status, 200);
  const refused = await post(`${two.url}decide`, { i: 8, reviewer: "Ada", ...nothing, decision: "drop" });
  assert.equal(refused.status, 400);
  assert.match(((await refused.json()) as { error: string }).error, /^The decisions of Ada /);
  assert.equal((await post(`${two.url}decide`, { i: 7, reviewer: "Bo", ...nothing, decision: "drop" })).status, 200);
  type Seen = { decisions: { reviewer: string; decision: string }[] };
  const seen = async ({ url }: { url: string }) =>
    ((await (await fetch(`${url}row?i=7`)).json()) as Seen).decisions.map(
      ({ reviewer, decision }) => `${reviewer} ${decision}`,
    );
  await fetch(`${one.url}version`);
  assert.deepEqual(await seen(one), ["Ada keep", "Bo drop"]);
  assert.deepEqual(await seen(two), ["Ada keep", "Bo drop"]);
  await post(`${one.url}undo`, { reviewer: "Ada" });
  await post(`${two.url}undo`, { reviewer: "Bo" });
  await Promise.all([end(one), end(two)]);
});

test("a port that is taken, and what is not there, are one sentence each", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as AddressInfo;
  const taken = await distill("review", dataset, "--port", String(port));
  assert.equal(taken.code, 1);
  assert.match(
    taken.err,
    /^Error: Port \d+ is taken by another program\. Give another one with --port, or none: a free one is found\.\n$/,
  );
  other.close();
  for (const args of [
    ["review", join(folder, "nowhere")],
    ["review", dataset, "--port", "0"],
    ["review", dataset, "--as", "a/b"],
    ["review", dataset, "--import", "nowhere.jsonl"],
  ])
    assert.equal((await distill(...args)).code, 1);
});

test("decisions travel as lines of JSON, and to Argilla as records", async () => {
  const dataset = join(folder, "some");
  await writeManyTraces(dataset, 2000);
  const { url, ...running } = await startedOn(dataset);
  for (let i = 0; i < 5; i++)
    await post(`${url}decide`, {
      i,
      reviewer: i % 2 ? "Bo" : "Ada",
      decision: "keep",
      edited: i === 1 ? "<b>" : null,
      tags: ["t"],
      note: null,
    });
  await end(running);
  const [lines, records] = [join(folder, "d.jsonl"), join(folder, "argilla.json")];
  assert.equal((await distill("review", dataset, "--export", lines)).code, 0);
  const copy = join(folder, "copy.jsonl");
  writeFileSync(
    copy,
    Array.from({ length: 5 }, (_, i) => JSON.stringify({ prompt: `p${i}`, completion: "c" })).join("\n"),
  );
  assert.match((await distill("review", copy, "--import", lines)).out, /^\d+ decisions were added/);
  assert.match(
    (await distill("review", copy, "--import", lines)).out,
    /^0 decisions were added to .*; \d+ were there\.$/m,
  );
  assert.deepEqual(readDecisions(`${copy}.decisions`), readDecisions(`${dataset}.decisions`));
  assert.equal((await distill("review", dataset, "--argilla", records)).code, 0);
  const all = JSON.parse(readFileSync(records, "utf8")) as {
    status: string;
    responses: { edited?: { value: string }[] };
  }[];
  assert.equal(all.length, 2000);
  assert.equal(all.filter(({ status }) => status === "completed").length, 5);
  assert.equal(all[1]!.responses.edited![0]!.value, "<b>");
});

test(
  "in Chromium many traces open and scroll, and of decisions by the keyboard a kill loses none",
  { skip: whyNoBrowser() },
  async (t) => {
    const tab = await openTab();
    try {
      const before = readDecisions(place).length;
      let start = performance.now();
      let { url, ...running } = await started();
      const served = performance.now() - start;
      await tab.look(LOOKS.light!);
      start = performance.now();
      await tab.open(url);
      await tab.until("document.querySelector('#detail .completion')");
      t.diagnostic(
        `served after ${Math.round(served)} ms, shown after ${Math.round(performance.now() - start)} ms more`,
      );
      assert.ok(performance.now() - start < 1000 * Number(process.env.DISTILL_SLOW ?? 3));
      assert.equal(
        await tab.value("document.querySelectorAll('.row').length < 60"),
        true,
        "only what is seen is there",
      );
      start = performance.now();
      await tab.value(`list.scrollTop = 44 * ${FAR}`);
      await tab.until(
        `[...document.querySelectorAll('.row .name')].some(({ textContent }) => textContent.startsWith('task-${Math.floor(FAR / 4)} · ${FAR % 4}'))`,
      );
      t.diagnostic(`row ${FAR} after ${Math.round(performance.now() - start)} ms`);

      // reasoning folded, formulas and code drawn, and nothing of the traces obeyed
      assert.equal(await tab.value("document.querySelector('#detail details').open"), false);
      await tab.press("r");
      assert.equal(await tab.value("document.querySelector('#detail details').open"), true);
      assert.equal(await tab.value("document.querySelectorAll('#detail math mfrac').length"), 1);
      assert.equal(await tab.value("document.querySelector('#detail .code').textContent"), "x = 0\n");
      assert.equal(await tab.value("document.querySelectorAll('#detail script, #detail b').length"), 0);

      // keys faster than a disk, and kills while decisions are on their way: what the page went on from is kept, and it names what is not
      const script = (row: number) => (row % 3 === 0 ? "x" : "y");
      const status = () => tab.value<string>("document.querySelector('#status').textContent");
      const kept = () => readDecisions(place).slice(before);
      let row = 0;
      for (const killed of [...KILLED, undefined]) {
        await tab.press("Home");
        for (let n = 0; n < row; n++) await tab.press("j");
        for (; row < ROWS && (killed === undefined || kept().length < killed); row++) await tab.press(script(row));
        if (killed === undefined) break;
        await end(running, "SIGKILL");
        await tab.until("/the server does not answer/i.test(document.querySelector('#status').textContent)");
        // the one that was on its way may be kept or not, and is named; the page went on from all before it
        const [, task, sample] = /^Not saved: what you said of task-(\d+), sample (\d),/.exec(await status()) ?? [];
        const { size } = standing(kept());
        row = task === undefined ? size : 4 * Number(task) + Number(sample);
        assert.ok([row, row + 1].includes(size), `${size} are kept, and the page says that row ${row} is not`);
        ({ url, ...running } = await started());
        await tab.open(url);
        await tab.until("document.querySelector('#detail .completion')");
      }
      await tab.until(`document.querySelector('#detail .dim').textContent.startsWith('task-${ROWS / 4}, sample 0')`);
      assert.deepEqual(
        [...standing(kept()).values()].map(([{ prompt_id, sample, decision } = kept()[0]!]) => [
          prompt_id,
          sample,
          decision,
        ]),
        Array.from({ length: ROWS }, (_, row) => [
          `task-${Math.floor(row / 4)}`,
          row % 4,
          script(row) === "x" ? "drop" : "keep",
        ]),
        "0 lost, and none of another row",
      );

      // undo, edit, tag and note
      await tab.press("u");
      await tab.until(
        `document.querySelector('#status').textContent.startsWith('Taken back: task-${ROWS / 4 - 1}, sample 3')`,
      );
      await tab.press("e");
      await tab.value("text.value = 'Better.'");
      await tab.press("Enter", 2);
      await tab.until("editor.hidden");
      await tab.until(
        "[...document.querySelectorAll('#detail .said')].some(({ textContent }) => textContent.includes('edited'))",
      );
      await tab.press("t");
      await tab.type("odd #good");
      await tab.press("Enter", 2);
      await tab.until("document.querySelector('#detail .said')?.textContent.includes('#odd #good')");
      assert.equal(readDecisions(place).at(-1)!.edited, "Better.");
      t.diagnostic(await status());
      // a reload loses nothing
      await tab.open(url);
      await tab.until("document.querySelector('#list .row.drop')");
      for (const [name, look] of Object.entries(LOOKS)) {
        await tab.look(look);
        await tab.picture(`.build/pictures/review-${name}.png`);
        assert.equal(await tab.value("document.documentElement.scrollWidth <= innerWidth"), true, name);
      }
      // but that the server which was killed did not answer
      assert.deepEqual(
        tab.complaints.filter((complaint) => !complaint.includes("Failed to load resource: net::ERR_")),
        [],
      );
      await end(running);
    } finally {
      await tab.close();
    }
  },
);
