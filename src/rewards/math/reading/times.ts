/** @file Times of day. */

import { plainWords } from "../extraction/text.ts";

/** A time of day: 9:05, 20:34:00, 12:00 p.m. With its half it is one of 24 hours. */
export function timeOf(text: string): string | undefined {
  const words = plainWords(text).replace(/\s*:\s*/g, ":");
  const match = /^(\d{1,2}):([0-5]\d)(?::([0-5]\d))?\s*(?:([ap])\.?\s?m\.?)?$/i.exec(words);
  if (!match) return undefined;
  const [, hours, minutes, seconds, half] = match;
  const tail = seconds && seconds !== "00" ? `:${seconds}` : "";
  return `${Number(hours)}:${minutes}${tail}${half ? ` ${half.toLowerCase()}m` : ""}`;
}

/** Whether two times of day are one: 2:30 pm is 14:30, and 2:30 may be it. */
export function sameTime(a: string, b: string): boolean {
  const [x, y] = [read(a), read(b)];
  if (!x || !y || x.tail !== y.tail) return false;
  if (x.half && y.half) return x.hours === y.hours && x.half === y.half;
  const [known, other] = x.half ? [x, y] : [y, x];
  if (x.hours === y.hours) return true;
  return known.half === "pm"
    ? known.hours < 12 && other.hours === known.hours + 12
    : known.hours === 12 && other.hours === 0;
}

function read(time: string): { hours: number; tail: string; half: string | undefined } | undefined {
  const match = /^(\d+)(:\d\d(?::\d\d)?)(?: ([ap]m))?$/.exec(time);
  return match ? { hours: Number(match[1]), tail: match[2]!, half: match[3] } : undefined;
}
