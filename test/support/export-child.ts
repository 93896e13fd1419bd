/** @file Exports a student in a process of its own: `<student> <output> <options of each exporter> [what to export before]`. */

import { join } from "node:path";
import { emit } from "../../src/compiler/emit.ts";
import { targets } from "../../src/compiler/targets.ts";
import { create } from "../../src/core/component.ts";
import { batchShape } from "../../src/data/batch.ts";
import * as exporters from "../../src/exporters/index.ts";
import { tokenInputs } from "../../src/generation/tokens.ts";
import { createModel, readConfig } from "../../src/models/load.ts";
import { linear } from "../../src/nn/linear.ts";

/** A student, with the adapter beside its folder. */
const sourceOf = (folder: string) => ({ folder, adapter: { folder: `${folder}-adapter`, base: folder } });

const [folder, output, options, other] = process.argv.slice(2) as [string, string, string, string?];
const exports = Object.entries(JSON.parse(options) as Record<string, object>).map(
  ([type, options]) => [type, create(exporters, { type, ...options }, "exporter")] as const,
);

if (other) {
  const model = createModel(readConfig(other), other);
  for (const length of [32, 64]) {
    const hidden = model.hidden(tokenInputs(batchShape(1, length, model.head.shape[0] as number)));
    emit({ logits: linear(hidden, model.head) }, targets.cpu);
  }
  for (const [type, exporter] of exports) await exporter(sourceOf(other), join(output, "other", type));
}
for (const [type, exporter] of exports) await exporter(sourceOf(folder), join(output, type));
