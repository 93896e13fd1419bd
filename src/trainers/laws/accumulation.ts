import { agreement, batchOf, type Law, longest, lossAndGradients, placeWeights, trainingOf } from "./law.ts";

/** The mean is over all supervised tokens, not a mean of means. */
export const accumulation: Law = {
  states: "accumulated micro-batches have the loss and the gradients of one large batch",
  async check(subject) {
    const { segments } = subject;
    const model = await placeWeights(subject);
    const length = longest(segments);
    const large = batchOf(
      subject,
      segments.map((segment) => [segment]),
      length,
    );
    const expected = await lossAndGradients(subject, model, await trainingOf(subject, model, large), [large]);
    const micro = segments.map((segment) => batchOf(subject, [[segment]], length));
    const found = await lossAndGradients(subject, model, await trainingOf(subject, model, micro[0]!), micro);
    return agreement(found, expected, 1e-4);
  },
};
