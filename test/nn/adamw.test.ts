import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "../../src/compiler/lower.ts";
import { targets } from "../../src/compiler/targets.ts";
import { toposort } from "../../src/graph/value.ts";
import { adamWOfFlat, updatedInPlace } from "../../src/nn/adamw.ts";

test("what an update of AdamW writes over is read by nodes before the one that writes it only", () => {
  for (const target of Object.values(targets))
    for (const decays of [true, false]) {
      const outputs = adamWOfFlat({ decays });
      const names = Object.keys(outputs);
      const lowered = lower(Object.values(outputs), target);
      for (const [output, input] of Object.entries(updatedInPlace({ decays }))) {
        const last = lowered[names.indexOf(output)]!;
        const readers = toposort(...lowered).filter(({ node }) => node?.inputs.some(({ name }) => name === input));
        const before = new Set(toposort(...last.node!.inputs));
        assert.ok(readers.length > 0 && readers.every((reader) => reader !== last && before.has(reader)), output);
      }
    }
});
