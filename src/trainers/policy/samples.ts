/** @file The completions of a step that say most of it, to be read while the run goes on. */

import type { Rollout } from "../../data/rollouts.ts";
import { average } from "./advantages.ts";

/** The best, the worst and the most surprising completions of a generation as Markdown. */
export function samplesOf(number: number, drawn: readonly Rollout[]): string {
  const rewardOf = ({ judgement }: Rollout) => judgement?.reward ?? Number.NaN;
  const known = drawn.filter((one) => !Number.isNaN(rewardOf(one)));
  const extreme = (of: (one: Rollout) => number, among: readonly Rollout[] = known) =>
    among.reduce<Rollout | undefined>(
      (best, one) => (best === undefined || of(one) > of(best) ? one : best),
      undefined,
    );
  const parts: [string, Rollout | undefined][] = [
    ["The best", extreme(rewardOf)],
    ["The worst", extreme((one) => -rewardOf(one))],
    ["The most surprising", extreme(({ logprobs }) => -average(logprobs), drawn)],
  ];
  const mean = known.length > 0 ? average(known.map(rewardOf)).toFixed(3) : "unknown";
  const lines = [`# Generation ${number + 1}`, `${drawn.length} completions, with a mean reward of ${mean}.`];
  for (const [title, one] of parts) if (one) lines.push(`## ${title}`, described(one));
  return `${lines.join("\n\n")}\n`;
}

function described({ prompt_id, prompt, answer, completion, logprobs, judgement, finish_reason }: Rollout): string {
  const quoted = (text: string) => text.replaceAll(/^/gm, "    ");
  const rules = Object.entries(judgement?.rewards ?? {}).map(([name, score]) => `${name} ${score ?? "unknown"}`);
  const facts = [
    `reward ${judgement?.reward ?? "unknown"} (${rules.join(", ")})`,
    judgement ? `${judgement.verdict}: ${judgement.reason}` : undefined,
    `${logprobs.length} tokens, ${(-average(logprobs)).toFixed(3)} nats each`,
    finish_reason === "length" ? "cut at its limit" : undefined,
  ].filter((fact) => fact !== undefined);
  return [
    `Prompt ${prompt_id}${answer === null ? "" : `, answer ${JSON.stringify(answer)}`}:`,
    quoted(prompt),
    "Completion:",
    quoted(completion),
    `${facts.join("; ")}.`,
  ].join("\n\n");
}
