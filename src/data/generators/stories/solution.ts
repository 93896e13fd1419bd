/** @file The lines that work a chain of operations out, one for each sum, difference or half, in one of two languages. */

import { pick, type Random } from "../../../core/random.ts";
import { apply, type Chain, type Operation } from "./chain.ts";

/** How often a line is in the second language: in a solution that begins with it, and in one that does not. */
export type Languages = { share: number; mixing: number };

type Draws = { slips: () => boolean; random: Random; chinese?: Languages | undefined };

type Sum = { value: number; sign: "+" | "-" | "/"; by: number };

/** What a line says where it comes to `result`, and whether that is right. */
type Line = (sum: Sum, result: number) => string;

/** 14+23=37; check 37-23=14, ok. */
const english: Line = ({ value, sign, by }, result) => {
  const back = sign === "+" ? result - by : sign === "-" ? result + by : result + result;
  const check = sign === "+" ? `${result}-${by}` : sign === "-" ? `${result}+${by}` : `${result}+${result}`;
  return `${value}${sign}${by}=${result}; check ${check}=${back}, ${back === value ? "ok." : `not ${value}. Wait.`}`;
};

const SIGNS = { "+": "加", "-": "减", "/": "除" };

/** 14加23得37。 Nothing is checked. */
const chinese: Line = ({ value, sign, by }, result) =>
  `${value}${SIGNS[sign]}${by}得${result}${result === apply(value, { sign, by } as Operation) ? "。" : "，不对。"}`;

export function solve(
  { start, operations }: Chain,
  { slips, random, chinese: second }: Draws,
): { lines: string[]; value: number } {
  const lines: string[] = [];
  const begins = second !== undefined && random.uniform() < second.share;
  let value = start;
  const step = (sign: Sum["sign"], by: number) => {
    const other = second !== undefined && random.uniform() < second.mixing;
    const line = begins !== other ? chinese : english;
    const sum = { value, sign, by };
    const result = apply(value, { sign, by } as Operation);
    if (slips()) lines.push(line(sum, slip(random, result, sign === "+" ? by : 0)));
    lines.push(line(sum, result));
    value = result;
  };
  for (const { sign, by } of operations) {
    if (sign !== "*") step(sign, by);
    else for (let i = 1, once = value; i < by; i++) step("+", once);
  }
  return { lines, value };
}

/** A result that is wrong by one, two or ten, not less than `least`. */
function slip(random: Random, result: number, least: number): number {
  const wrong = result + pick(random, [1, -1, 10, -10, 2, -2]);
  return wrong < least ? result + 1 : wrong;
}
