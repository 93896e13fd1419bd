import { gradients } from "../../compiler/gradients.ts";
import { deriveSeed, seededRandom } from "../../core/random.ts";
import { tensor, toNumbers } from "../../runtime/tensor.ts";
import { nextToken, nextTokenFeeds } from "../supervised.ts";
import { batchOf, type Law, longest, verdict } from "./law.ts";

/** The move of each weight, as its norm: larger, and the slope's own change shows; smaller, and the loss's rounding does. */
const H = 1e-5;
const TOLERANCE = 1e-5;

/**
 * In float64, along two directions: each weight moves along its own gradient, then each along a random direction, all of
 * them at once. (loss(w + h d) - loss(w - h d)) / 2h = Σ gradient · d.
 */
export const finite_difference: Law = {
  states: "the gradient is the slope of the loss, by central differences in float64",
  async check(subject) {
    const { device, segments } = subject;
    const model = subject.model({ dtype: "float64" });
    const batch = batchOf(
      subject,
      segments.map((segment) => [segment]),
      longest(segments),
    );
    const feeds = nextTokenFeeds(batch, 1 / batch.supervised.length, "float64");
    const names = model.parameters.map(({ name }) => name);
    const { loss } = nextToken.loss(model, batch.shape);
    const forward = await device.compile({ loss });
    const slopes = gradients(
      loss,
      names.map((name) => model.weight(name)),
    );
    const backward = await device.compile(Object.fromEntries(names.map((name, i) => [`grad ${name}`, slopes[i]!])));
    const state = (name: string) => `float64/${name}`;
    const reads = Object.fromEntries(names.map((name) => [name, state(name)]));

    const weights = [...subject.weights()];
    type Direction = ReadonlyMap<string, Float64Array>;
    /** Put the weights on the device, moved by `step` along unit vectors of `direction`. */
    const place = async (step = 0, direction?: Direction) => {
      for (const { name, shape, data } of weights) {
        const moved = Float64Array.from(data);
        const d = direction?.get(name);
        if (d) for (let i = 0; i < moved.length; i++) moved[i]! += step * d[i]!;
        await device.write(state(name), tensor("float64", shape, moved));
      }
    };
    await place();
    const found = await backward.run(feeds, { reads });
    const gradient = (name: string) => found[`grad ${name}`]!.data as Float64Array;
    const along = (direction: (name: string) => Float64Array): Direction =>
      new Map(names.map((name) => [name, unit(direction(name))]));
    let worst = 0;
    for (const make of [gradient, (name: string) => randomLike(gradient(name), name)]) {
      const direction = along(make);
      const at = async (step: number) => {
        await place(step, direction);
        return toNumbers((await forward.run(feeds, { reads })).loss!)[0]!;
      };
      const slope = ((await at(H)) - (await at(-H))) / (2 * H);
      const expected = names.reduce((sum, name) => sum + dot(direction.get(name)!, gradient(name)), 0);
      worst = Math.max(worst, Math.abs(slope - expected) / (Math.abs(expected) + 1e-3));
    }
    await device.forget(...names.map(state));
    await forward.release();
    await backward.release();
    return verdict(worst <= TOLERANCE, `they differ by ${worst.toExponential(1)} (at most ${TOLERANCE})`);
  },
};

function randomLike({ length }: Float64Array, name: string): Float64Array {
  const random = seededRandom(deriveSeed("direction", name));
  const values = new Float64Array(length);
  for (let i = 0; i < length; i++) values[i] = random.uniform() - 0.5;
  return values;
}

function unit(v: Float64Array): Float64Array {
  const norm = Math.sqrt(dot(v, v));
  return norm === 0 ? v : v.map((x) => x / norm);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
