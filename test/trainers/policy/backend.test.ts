import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { PolicyBatch } from "../../../src/trainers/policy/objective.ts";
import type { Backend } from "../../../src/trainers/rollouts.ts";
import { testDevice } from "../../support/finite-differences.ts";
import { begin, CASES, optionsOf } from "../../support/trainers.ts";

/** The log-probabilities that a backend says of its three tokens; nothing of the second. */
const SAID = [-9, undefined, -1];

/** Draws other tokens for each request, so that rewards differ. */
const backend: Backend = {
  name: "a backend",
  always: true,
  async *draw(requests) {
    for (const [index] of requests.entries())
      yield { index, tokens: [index % 5, (index * 3) % 7, 21], finish_reason: "stop", logprobs: SAID };
  },
};

test("a token that another sampler drew counts by the ratio of its probabilities, at most twice, and once where it does not say", async () => {
  const one = CASES.grpo!;
  const device = await testDevice();
  const given = async (...args: Parameters<typeof one.given>) => ({ ...(await one.given(...args)), backend });
  const { course } = await begin({ ...one, given }, device, optionsOf(one, { loss_type: "bnpo" }));
  const { batches } = (await course.source.step(0))!;
  let [tokens, cut] = [0, 0];
  for (const { old, shares } of batches as PolicyBatch[]) {
    const share = shares![1]!; // of a token of which it says nothing
    for (const [i, logprob] of old!.entries()) {
      const said = SAID[i % 3];
      const ratio = said === undefined ? 1 : Math.min(2, Math.exp(logprob - said));
      assert.ok(Math.abs(shares![i]! - share * ratio) <= 1e-5 * share * 2, `token ${i}: ${shares![i]} of ${share}`);
      tokens++;
      if (ratio === 2) cut++;
    }
  }
  assert.ok(tokens > 6 && cut > 0 && cut < tokens, `${cut} of ${tokens} are cut`);
  await course.source.close?.();
});

after(async () => (await testDevice()).close());
