import assert from "node:assert/strict";
import { after, test } from "node:test";
import { layOut } from "../../src/data/batch.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { defineOp, type Unary } from "../../src/graph/op.ts";
import { scalar, type Value } from "../../src/graph/value.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import type { Model, Tokens } from "../../src/models/model.ts";
import { Expand, Mul } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import * as laws from "../../src/trainers/laws/index.ts";
import type { Law, Subject } from "../../src/trainers/laws/law.ts";
import { ADAMW, TOY } from "../../src/trainers/toy.ts";
import { testDevice } from "../support/finite-differences.ts";
import { ARITHMETIC_TOKENIZER } from "../support/models.ts";
import { batchOf, compileFor, measure, prepare, segment } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const segments = [segment(1, 20, 5), segment(2, 9, 3), segment(3, 14, 1), segment(4, 5, 2)];

const tokenizer = loadTokenizer(ARITHMETIC_TOKENIZER);
const rows = Array.from({ length: 20 }, (_, i) => ({ prompt: `${i}*3+1=?`, completion: `${3 * i + 1}` }));

async function subject(changes: Partial<Subject> = {}): Promise<Subject> {
  return {
    device: await testDevice(),
    config: TOY,
    model: (options) => createModel(TOY, "toy", options),
    weights: (parameters) => {
      const model = createModel(TOY, "toy");
      return initialWeights(parameters ? { ...model, parameters } : model, 3);
    },
    segments,
    rows,
    tokenizer,
    options: ADAMW,
    lora: LoraOptions.parse({ r: 4, target_modules: "all-linear" }),
    ...changes,
  };
}

for (const [name, law] of Object.entries(laws as Record<string, Law>)) {
  if (name === "devices_agree") continue;
  test(`${name}: ${law.states}`, async () => {
    const { status, found } = await law.check(await subject());
    assert.equal(status, "ok", found);
  });
}

test("a new adapter with DoRA changes nothing, and is merged as it is beside", async () => {
  const { status, found } = await laws.lora_merged.check(
    await subject({ lora: LoraOptions.parse({ r: 4, target_modules: ".*_proj", use_dora: true }) }),
  );
  assert.equal(status, "ok", found);
});

for (const block of [8, 24])
  test(`packed rows and their tokens stay apart in blocks of ${block} queries, kept or computed again`, async () => {
    for (const rematerialize of [false, true]) {
      const blocks = await subject({ block, options: { ...ADAMW, rematerialize } });
      for (const law of [laws.packed_loss, laws.segments_apart]) {
        const { status, found } = await law.check(blocks);
        assert.equal(status, "ok", found);
      }
    }
  });

test("a model on webgpu has the losses of the CPU", { skip: whyNoVulkan() ?? false }, async () => {
  const other = await openDevice("webgpu", { strict: true });
  const { status, found } = await laws.devices_agree.check(await subject({ other }));
  assert.equal(status, "ok", found);
  await other.close();
});

/** The toy, whose last hidden states are something else. */
const changed =
  (change: (model: Model, tokens: Tokens) => Value): Subject["model"] =>
  (options) => {
    const model = createModel(TOY, "toy", options);
    return { ...model, hidden: (tokens) => change(model, tokens) };
  };

/** x, with a gradient that is too large by a hundredth. */
const Steeper: Unary = defineOp("steeper", {
  infer: (_, x) => x,
  expand: (_, x) => x,
  gradient: ({ dy }) => [Mul(dy, scalar(1.01, dy.dtype))],
});

const BROKEN: Record<string, { law: Law; subject: Partial<Subject> }> = {
  "a model that sees the whole row": {
    law: laws.packed_loss,
    subject: {
      model: changed((model, tokens) =>
        model.hidden({ ...tokens, segmentStarts: Expand(scalar(0), { shape: tokens.segmentStarts.shape }) }),
      ),
    },
  },
  "a model that sees its neighbours": {
    law: laws.segments_apart,
    subject: {
      model: changed((model, tokens) =>
        model.hidden({ ...tokens, segmentStarts: Expand(scalar(0), { shape: tokens.segmentStarts.shape }) }),
      ),
    },
  },
  "a gradient that is a hundredth too large": {
    law: laws.finite_difference,
    subject: { model: changed((model, tokens) => Steeper(model.hidden(tokens))) },
  },
  "a row without an answer": {
    law: laws.supervision,
    subject: {
      rows: [...rows, { messages: [{ role: "user", content: "1+1=?" }] }],
    },
  },
  "a tokenizer that gives a prompt other tokens each time": {
    law: laws.supervision,
    subject: { tokenizer: { ...tokenizer, encode: changing(tokenizer.encode) }, rows },
  },
  "an adapter that is merged at another scale than it has beside": {
    law: laws.lora_merged,
    subject: {
      model: (options) => {
        const model = createModel(TOY, "toy", options);
        if (!model.adapter) return model;
        const targets = new Map(
          [...model.adapter.targets].map(([module, target]) => [module, { ...target, scaling: 3 }]),
        );
        return { ...model, adapter: { ...model.adapter, targets } };
      },
    },
  },
};

/** The same tokens, but every third time the last one twice. */
function changing(encode: (text: string) => number[]): (text: string) => number[] {
  let calls = 0;
  return (text) => {
    const ids = encode(text);
    return ++calls % 3 === 0 ? [...ids, ids.at(-1)!] : ids;
  };
}

for (const [name, { law, subject: changes }] of Object.entries(BROKEN))
  test(`${name} breaks its law`, async () => {
    const { status, found } = await law.check(await subject(changes));
    assert.equal(status, "failed", found);
  });

test("a program is compiled for a number of rows and runs with fewer", async () => {
  const device = await testDevice();
  const model = await prepare(device);
  const two = batchOf([[segments[0]!], [segments[2]!]], 24);
  const one = layOut([[segments[0]!]], two.shape);
  const alone = batchOf([[segments[0]!]], 24);
  const a = await measure(await compileFor(device, model, two), one);
  const b = await measure(await compileFor(device, model, alone), alone);
  assert.ok(Math.abs(a - b) < 1e-6 * b, `${a} and ${b}`);
});

after(async () => (await testDevice()).close());
