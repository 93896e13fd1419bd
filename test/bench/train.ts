import { seededRandom } from "../../src/core/random.ts";
import { batchShape, layOut } from "../../src/data/batch.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { measureMatMul } from "../../src/runtime/probe.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";

const shapes: any = {
  s: {
    config: {
      model_type: "llama",
      vocab_size: 64,
      hidden_size: 128,
      intermediate_size: 352,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      tie_word_embeddings: true,
    },
    rows: 16,
    length: 128,
  },
  m: {
    config: {
      model_type: "llama",
      vocab_size: 4096,
      hidden_size: 256,
      intermediate_size: 704,
      num_hidden_layers: 6,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      tie_word_embeddings: true,
    },
    rows: 8,
    length: 256,
  },
  a: {
    config: {
      model_type: "llama",
      vocab_size: 23,
      hidden_size: 192,
      intermediate_size: 512,
      num_hidden_layers: 5,
      num_attention_heads: 6,
      tie_word_embeddings: true,
    },
    rows: 32,
    length: 160,
  },
  l: {
    config: {
      model_type: "llama",
      vocab_size: 49152,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      tie_word_embeddings: true,
    },
    rows: 2,
    length: 1024,
  },
};
const { config, rows, length } = shapes[process.argv[2]!];
const steps = Number(process.argv[3] ?? 10),
  remat = process.argv.includes("--remat");
if (process.env.LEN) {
}
const L = process.env.LEN ? Number(process.env.LEN) : length,
  R = process.env.LEN ? Math.max(1, (rows * length) / L) : rows;
const model = createModel(config, "bench");
const n = model.parameters.reduce((s, p) => s + p.shape.reduce((a, b) => a * b, 1), 0);
const device = await openDevice("cpu", {
  threads: Number(process.env.THREADS ?? 2),
  ...(process.env.PROFILE ? { profile: "/tmp/exp/train" } : {}),
});
const shape = batchShape(R, L, config.vocab_size);
let t = performance.now();
for (const w of initialWeights(model, 1)) await device.write(w.name, tensor("float32", w.shape, w.data));
console.log("init", performance.now() - t);
t = performance.now();
const training = await compileTraining(device, model, shape, {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weight_decay: 0.01,
  rematerialize: remat,
});
console.log("compile", performance.now() - t, "nodes", training.nodes);
await resetMoments(device, model.parameters);
const random = seededRandom(1);
const batch = layOut(
  Array.from({ length: R }, () => [
    { tokens: Array.from({ length: L }, () => random.below(config.vocab_size)), supervised: Array(L).fill(true) },
  ]),
  shape,
);
const flops = 6 * n * R * L + 6 * config.num_hidden_layers * config.hidden_size * L * R * L;
for (let i = 1; i <= steps; i++) {
  const t0 = performance.now();
  const loss = await training.accumulate(batch, batch.supervised.length);
  const t1 = performance.now();
  const norm = await training.update(i, 1e-3, 1);
  const t2 = performance.now();
  if (i < 4 || i % 5 === 0) {
    const mm = await measureMatMul(device, { runs: 5 });
    console.log(
      i,
      "loss",
      loss.toFixed(4),
      "norm",
      norm.toFixed(3),
      "fb",
      (t1 - t0).toFixed(0),
      "upd",
      (t2 - t1).toFixed(0),
      "tok/s",
      (((R * L) / (t2 - t0)) * 1e3).toFixed(0),
      "GF",
      (flops / (t2 - t0) / 1e6).toFixed(0),
      "mm",
      mm.toFixed(0),
      "ratio",
      (flops / (t2 - t0) / 1e6 / mm).toFixed(2),
      "rss",
      (await device.peakMemory()).toFixed(0),
    );
  }
}
await device.close();
