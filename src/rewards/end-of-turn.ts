/** @file The token with which a model ends its turn, where it was kept in a text. */

/** Tokens of templates between bars, such as <|im_end|>, <｜end▁of▁sentence｜> and [|endofturn|]: they are no text of an answer. */
const BARRED = /(?:<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|\[\|[^|[\]\s]{1,40}\|\])$/;

/** Those of other families. */
const ENDS = ["<end_of_turn>", "<eos>", "[/INST]", "</s>"];

const LONGEST = 50;

/** A completion without the tokens of the end of a turn that stand at its end: they are no part of the answer. */
export function withoutEndOfTurn(completion: string): string {
  let text = completion;
  for (;;) {
    const bare = text.trimEnd();
    const end = BARRED.exec(bare.slice(-LONGEST))?.[0] ?? ENDS.find((token) => bare.endsWith(token));
    if (end === undefined || (end === "</s>" && bare.includes("<s>"))) return text;
    text = bare.slice(0, -end.length);
  }
}
