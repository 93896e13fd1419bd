/** @file The token with which a model ends its turn, where it was kept in a text. */

/** As the families of models write it; each is the last of what was said. */
const ENDS = [
  ...["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "<|return|>", "<|eom_id|>"],
  ...["<｜end▁of▁sentence｜>", "<end_of_turn>", "<eos>", "<|END_OF_TURN_TOKEN|>", "[/INST]", "</s>"],
];

/** A completion without the tokens of the end of a turn that stand at its end: they are no part of the answer. */
export function withoutEndOfTurn(completion: string): string {
  let text = completion;
  for (;;) {
    const bare = text.trimEnd();
    const end = ENDS.find((token) => bare.endsWith(token));
    if (end === undefined || (end === "</s>" && bare.includes("<s>"))) return text;
    text = bare.slice(0, -end.length);
  }
}
