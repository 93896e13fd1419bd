import { seededRandom } from "../../core/random.ts";
import type { Segment } from "../../data/batch.ts";
import {
  agreement,
  batchOf,
  type Law,
  lengthOf,
  longest,
  lossAndGradients,
  lossOf,
  placeWeights,
  trainingOf,
  verdict,
} from "./law.ts";

/** Several examples in one row are as good as each in a row of its own. */
export const packed_loss: Law = {
  states: "packed rows have the loss and the gradients of rows of their own",
  async check(subject) {
    const { segments } = subject;
    const model = await placeWeights(subject);
    const apart = batchOf(
      subject,
      segments.map((segment) => [segment]),
      longest(segments),
    );
    const expected = await lossAndGradients(subject, model, await trainingOf(subject, model, apart), [apart]);
    // all but one in a row, in another order, so that positions differ from what they were
    const rows = [segments.slice(1).reverse(), segments.slice(0, 1)];
    const packed = batchOf(subject, rows, Math.max(...rows.map(lengthOf)));
    const found = await lossAndGradients(subject, model, await trainingOf(subject, model, packed), [packed]);
    return agreement(found, expected, 1e-4);
  },
};

/** The loss of one prediction, whose row also holds other segments and later tokens, is no matter of what those are. */
export const segments_apart: Law = {
  states: "a token sees no other segment, and nothing that comes after it",
  async check(subject) {
    const [first, middle, last = first] = subject.segments as [Segment, Segment, Segment?];
    const model = await placeWeights(subject);
    const at = Math.max(1, middle.tokens.length >> 1);
    const { vocab_size } = subject.config;
    const random = seededRandom(1);
    const others = ({ tokens }: Segment, from = 0): Segment => ({
      tokens: tokens.map((id, i) =>
        i < from ? id : (id + 1 + random.below((vocab_size as number) - 1)) % (vocab_size as number),
      ),
      supervised: tokens.map(() => false),
    });
    const probe = { ...middle, supervised: middle.tokens.map((_, i) => i === at) };
    const changed = { ...others(middle, at + 1), supervised: probe.supervised };
    const quiet = (segment: Segment) => ({ ...segment, supervised: segment.tokens.map(() => false) });
    const losses: number[] = [];
    for (const row of [
      [quiet(first), probe, quiet(last)],
      [others(first), changed, others(last)],
    ]) {
      const batch = batchOf(subject, [row], lengthOf(row));
      losses.push(await lossOf(await trainingOf(subject, model, batch), batch));
    }
    const [before, after] = losses as [number, number];
    return verdict(before === after, `${before.toFixed(6)} and, with all else changed, ${after.toFixed(6)}`);
  },
};
