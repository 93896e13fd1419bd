import { deriveSeed, seededRandom } from "../../core/random.ts";
import { initialWeights, type Weight } from "../../models/load.ts";
import { loraNames, magnitudesOf, mergeLora } from "../../models/lora.ts";
import { moduleOf } from "../../models/lora-targets.ts";
import type { Model } from "../../models/model.ts";
import { tensor } from "../../runtime/tensor.ts";
import { resetMoments } from "../program.ts";
import { batchOf, type Law, longest, lossOf, placeWeights, trainingOf, verdict } from "./law.ts";

const TOLERANCE = 1e-5;

/** Without dropout, which acts in training only. */
export const lora_merged: Law = {
  states: "a new adapter changes nothing, and one that is merged into the weights does as it does beside them",
  async check(subject) {
    const { device, segments } = subject;
    if (!subject.lora) return { status: "skipped", found: "the recipe has no lora" };
    const batch = batchOf(
      subject,
      segments.map((segment) => [segment]),
      longest(segments),
    );
    const base = await placeWeights(subject);
    const baseTraining = await trainingOf(subject, base, batch);
    const plain = await lossOf(baseTraining, batch);

    const model = subject.model({ lora: { ...subject.lora, lora_dropout: 0 } });
    const { parameters } = model.adapter!;
    await resetMoments(device, parameters);
    const besideTraining = await trainingOf(subject, model, batch, device, parameters);
    const lossWith = async (weights: Iterable<Weight>) => {
      for (const { name, shape, data } of weights) await device.write(name, tensor("float32", shape, data));
      return lossOf(besideTraining, batch);
    };
    const magnitudes = new Map(
      model.adapter!.options.use_dora
        ? [...subject.weights()].flatMap(({ name, data }) => magnitudesOf(model.adapter!, name, data))
        : [],
    );
    const initial = [...initialWeights({ ...model, parameters }, 1)];
    const fresh = await lossWith(
      initial.map((weight) => ({ ...weight, data: magnitudes.get(weight.name) ?? weight.data })),
    );
    const beside = await lossWith(randomAdapter(model));

    const halves = new Map([...randomAdapter(model)].map(({ name, data }) => [name, data]));
    for (const { name, shape, data } of subject.weights()) {
      const module = moduleOf(name);
      const target = name.endsWith(".weight") && model.adapter!.targets.get(module);
      if (!target) continue;
      const [a, b, magnitude] = loraNames(module).map((name) => halves.get(name));
      mergeLora(data, [a!, b!, magnitude], target);
      await device.write(name, tensor("float32", shape, data));
    }
    const merged = await lossOf(await trainingOf(subject, base, batch), batch);
    const near = (a: number, b: number) => Math.abs(a - b) <= TOLERANCE * Math.abs(b);
    return verdict(
      near(fresh, plain) && near(merged, beside) && !near(beside, plain),
      `losses ${plain.toFixed(5)} without, ${fresh.toFixed(5)} with a new one; ${beside.toFixed(5)} beside, ${merged.toFixed(5)} merged`,
    );
  },
};

/** Matrices that change what the model says, as much as its own weights do. */
function* randomAdapter({ adapter, initializer_range }: Model): Generator<Weight> {
  for (const parameter of adapter!.parameters) {
    const random = seededRandom(deriveSeed("adapter", parameter.name));
    const size = parameter.shape.reduce((a, b) => a * b, 1);
    const scale = parameter.name.includes("lora_A") ? 1 / Math.sqrt(parameter.shape.at(-1)!) : initializer_range;
    yield { ...parameter, data: Float32Array.from({ length: size }, () => scale * random.normal()) };
  }
}
