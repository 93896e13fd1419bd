/** @file Letters of multiple choice. */

import { lastBox } from "./boxes.ts";
import { plainWords } from "./text.ts";

const LONE = /^\(?([A-J])[).:]?$/;

/** The letter, where a text is nothing but one: C, (C), \text{C}. */
export function loneChoice(text: string): string | undefined {
  return text.length > 60 ? undefined : LONE.exec(plainWords(text).replaceAll(" ", ""))?.[1];
}

/** The letter that an option begins with: "(C) Cecile", "C. 42". */
export function leadingChoice(text: string): string | undefined {
  const words = plainWords(text.slice(0, 200));
  if (/^[AI] [a-z]|^[A-J]\s*[-=<>+*/^_\\]/.test(words)) return undefined;
  return /^(?:option |choice |answer )?(?:\( ?([A-J]) ?\)|([A-J])(?=[).:,\s]|[^\x00-\x7f]|$))/i
    .exec(words)
    ?.slice(1)
    .find((letter) => letter !== undefined && letter === letter.toUpperCase());
}

/** The letter that a text chooses: in its box, after "answer", at its start, at its end. */
export function findChoice(text: string): string | undefined {
  const box = lastBox(text);
  if (box) return leadingChoice(box.content);
  const tail = text.slice(-6_000);
  const anchors = [...tail.matchAll(/\b(?:answer|choice|option)\b|答案|答え|정답/gi)].slice(-4).reverse();
  for (const anchor of anchors) {
    const after = tail.slice(anchor.index + anchor[0].length, anchor.index + anchor[0].length + 60);
    const letter = /(?:^|[^A-Za-z0-9'’])(?:([B-HJ])(?![A-Za-z0-9'’])|([AI])(?![A-Za-z0-9'’]|\s[a-z]{2,}))/
      .exec(after)
      ?.slice(1)
      .find((found) => found !== undefined);
    if (letter) return letter;
  }
  const leading = leadingChoice(text.trim());
  if (leading) return leading;
  return /(?:^|[\s(*])([A-J])[)*.]*\s*$/.exec(tail.slice(-40))?.[1];
}
