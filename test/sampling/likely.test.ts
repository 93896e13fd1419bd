import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inMemory } from "../../src/data/example-store.ts";
import { readLedger } from "../../src/data/ledger.ts";
import { readLikely } from "../../src/data/likely.ts";
import { type LikelyRun, scoreExamples } from "../../src/sampling/likely.ts";
import { engine } from "../../src/teachers/engine.ts";
import type { Teacher } from "../../src/teachers/teacher.ts";
import { writeModel } from "../support/models.ts";
import { scratch } from "../support/students.ts";
import { segment, TOY } from "../support/training.ts";

const VOCAB = 23;
const SEGMENTS = Array.from({ length: 150 }, (_, i) => ({ ...segment(i + 1, 6 + (i % 9), 2, VOCAB), row: i + 1 }));
const segments = inMemory(SEGMENTS);
let teacher: Teacher;

before(async () => {
  const path = await writeModel(
    join(scratch(), "model"),
    { ...TOY, vocab_size: VOCAB, initializer_range: 0.4 },
    { seed: 12 },
  );
  teacher = await engine.create(engine.options.parse({ path, device: "cpu", threads: 1 }));
});
after(() => teacher.close());

async function* none() {}

/** The teacher stays open between runs. */
const run = (folder: string, more: Partial<LikelyRun> = {}) =>
  scoreExamples({
    segments,
    top_logprobs: 3,
    place: { folder, key: "a test" },
    stored: none(),
    teacher: async () => ({ ...teacher, close: async () => {} }),
    ...more,
  });

test("scoring that is stopped goes on with what is missing, and scores each example once", async () => {
  const [whole, stopped] = [mkdtempSync(join(tmpdir(), "whole-")), mkdtempSync(join(tmpdir(), "stopped-"))];
  const first = await run(whole);
  assert.deepEqual([first.stopped, first.examples, first.scored], [false, 150, 150]);
  assert.equal(
    first.tokens_scored,
    SEGMENTS.reduce((sum, { tokens }) => sum + tokens.length, 0),
  );
  assert.ok(first.tail > 0 && first.tail < 1);

  const stop = new AbortController();
  const watched = {
    ...teacher,
    close: async () => {},
    async *score(...asked: Parameters<NonNullable<Teacher["score"]>>) {
      for await (const one of teacher.score!(...asked)) {
        yield one;
        if (one.index === 70) stop.abort();
      }
    },
  };
  const half = await run(stopped, { teacher: async () => watched, signal: stop.signal });
  assert.ok(half.stopped && half.examples > 0 && half.examples < 150, `${half.examples} of 150`);
  const rest = await run(stopped);
  assert.deepEqual([rest.stopped, rest.examples, rest.scored], [false, 150, 150 - half.examples]);
  assert.deepEqual(await run(stopped).then(({ scored, tokens_scored }) => [scored, tokens_scored]), [0, 0]);
  const rows = [...readLedger(stopped)].flatMap(({ table }) => [...table.getChild("example")!]);
  assert.equal(rows.length, 150);
  assert.equal(new Set(rows).size, 150);
  const [a, b] = [whole, stopped].map((folder) => readLikely({ folder, key: "a test" }));
  for (let i = 0; i < 150; i++) assert.deepEqual(b!.of(i).ids, a!.of(i).ids);
});

test("what is stored is taken where its tokens are those that are learned, and only the rest is scored", async () => {
  async function* stored() {
    for (const [i, { tokens, supervised, row }] of SEGMENTS.entries()) {
      if (i % 3 === 0) continue;
      const learned = tokens.filter((_, k) => k > 0 && supervised[k]);
      // every sixth was written with other tokens than it is read as
      const token_ids = i % 6 === 1 ? [...learned.slice(0, -1), (learned.at(-1)! + 1) % VOCAB] : learned;
      const likely = { ids: [1, 2, 3, 4], logprobs: [0.4, 0.3, 0.1, 0.1].map(Math.log), tail: 0.1 };
      yield { row, token_ids, tokens: token_ids.map(() => likely) };
    }
  }
  const folder = mkdtempSync(join(tmpdir(), "stored-"));
  const { examples, scored } = await run(folder, { stored: stored() });
  assert.deepEqual([examples, scored], [150, 50 + 25]);
  const { ids, logprobs, tail } = readLikely({ folder, key: "a test" }).of(2);
  assert.deepEqual([...ids.slice(0, 3)], [1, 2, 3]);
  assert.ok(Math.abs(Math.exp(logprobs[0]!) - 0.4) < 1e-6);
  assert.ok(Math.abs(Math.exp(tail[0]!) - 0.2) < 1e-6, "the fourth is one of the others now");
});
