/** @file Prints what llama.cpp predicts after each of some tokens, or why it is refused: node logits-child.js TOKENS FILE ... */

import { openLlamaScorer } from "../../src/teachers/llama-logits.ts";

const [tokens, ...files] = process.argv.slice(2);
const scored = [];
for (const file of files) {
  const scorer = await openLlamaScorer(file);
  scored.push(await scorer.logits(JSON.parse(tokens!)).then(Array.from, (error: Error) => `${error}`));
  await scorer.close();
}
console.log(JSON.stringify(scored));
process.exit();
