/** @file The maths grader on generated pairs of known truth: `npm run bench:pairs -- [--count 100000] [--seed 1]`. */

import { parseArgs } from "node:util";
import { gradePairs } from "../rewards/math/pairs/index.ts";

const { values } = parseArgs({
  options: { count: { type: "string", default: "100000" }, seed: { type: "string", default: "1" } },
});
const started = performance.now();
const { kinds, wrong, missed } = gradePairs(Number(values.count), Number(values.seed));
const total = { pairs: 0, equal: 0, missed: 0, wrong: 0 };
for (const [kind, count] of Object.entries(kinds)) {
  console.log(
    `${kind.padEnd(16)} ${count.pairs} pairs, ${count.missed} of ${count.equal} equal ones missed, ${count.wrong} wrong`,
  );
  for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += count[name];
}
const ms = (performance.now() - started) / total.pairs;
console.log(
  `${total.pairs} pairs: ${total.wrong} wrong, ${total.missed} of ${total.equal} equal ones missed ` +
    `(${((100 * total.missed) / total.equal).toFixed(2)} %), ${ms.toFixed(3)} ms each`,
);
for (const [name, pairs] of [
  ["Wrong", wrong],
  ["Missed", missed],
] as const)
  for (const { kind, prediction, answer } of pairs.slice(0, 30))
    console.log(`${name}, ${kind}: ${answer}  <>  ${prediction}`);
if (wrong.length > 0) process.exitCode = 1;
