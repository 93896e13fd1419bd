/** @file Rows that are tokenised already, with labels or a mask of what is learned. */

import { isEmpty, RowFault } from "../values.ts";
import type { Shape } from "./shape.ts";

const MASKS = ["completion_mask", "assistant_masks", "loss_mask"];

/** What labels are where nothing is learned. */
const IGNORED = -100;

export const tokens: Shape = {
  kind: "tokens",
  needs: ["input_ids"],
  reads: ["labels", "attention_mask", "position_ids", "seq_lengths", ...MASKS],
  read(columns) {
    const ids = numbers(columns.input_ids, "input_ids");
    const whole = (name: string) => {
      const found = numbers(columns[name], name);
      if (found.length !== ids.length)
        throw new RowFault(`has ${found.length} ${name} and ${ids.length} input_ids. Expected one for each`);
      return found;
    };
    const mask = (name: string) => {
      const found = whole(name);
      const odd = found.find((value) => value !== 0 && value !== 1);
      if (odd !== undefined) throw new RowFault(`has ${name} with ${odd}. Expected 0 and 1: a token is learned or not`);
      return found;
    };
    if (!isEmpty(columns.attention_mask) && whole("attention_mask").some((seen) => seen !== 1))
      throw new RowFault("has an attention_mask with zeros. Leave padding out: rows are laid out here");
    const packed = packedBy(columns, whole);
    if (packed !== undefined)
      throw new RowFault(
        `has ${packed} of several examples in one row, each of which would see those before it. Give each a row of its own: rows are packed here`,
      );
    const masks = MASKS.filter((name) => !isEmpty(columns[name])).map(mask);
    const labels = isEmpty(columns.labels) ? undefined : whole("labels");
    const odd = labels?.findIndex((label, i) => label !== IGNORED && label !== ids[i]) ?? -1;
    if (odd >= 0)
      throw new RowFault(
        `has the label ${labels![odd]} at token ${odd + 1}, which is ${ids[odd]}. Expected the token itself, or ${IGNORED}: labels are not shifted`,
      );
    const supervised = ids.map(
      (_, i) => i > 0 && masks.every((mask) => mask[i] === 1) && (labels === undefined || labels[i] !== IGNORED),
    );
    return { row: { tokens: ids, supervised } };
  },
};

/** The column that says that a row holds several examples, if one does. */
function packedBy(
  { position_ids, seq_lengths }: Readonly<Record<string, unknown>>,
  whole: (name: string) => number[],
): string | undefined {
  if (!isEmpty(seq_lengths) && numbers(seq_lengths, "seq_lengths").length > 1) return "seq_lengths";
  return !isEmpty(position_ids) && whole("position_ids").some((place, i) => place !== i) ? "position_ids" : undefined;
}

function numbers(value: unknown, name: string): number[] {
  if (!Array.isArray(value)) throw new RowFault(`has ${name} that are no list. Expected a list of integers`);
  if (value.every((item) => typeof item === "boolean")) return value.map(Number); // a mask
  const wrong = value.findIndex((item) => !Number.isSafeInteger(item));
  if (wrong >= 0) throw new RowFault(`has ${name} with ${JSON.stringify(value[wrong])}. Expected integers`);
  return value;
}
