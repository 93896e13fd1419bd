/** @file What an assistant asks to be called, from whichever keys people write it with. */

import { parseJson } from "./python-json.ts";
import { brief, isEmpty, isRecord, parsedText, wellFormedIn } from "./values.ts";

/** What an assistant asks to be called. */
export type ToolCall = {
  type: "function";
  id?: string;
  function: {
    name: string;
    /** An object. */
    arguments: unknown;
    /** The JSON that it was given as, where it was. */
    text?: string;
  };
};

/** Throws what is wrong with a turn. */
export type Refuse = (why: string) => never;

/** The calls of a turn: a list of them, or the one that it has in its place. */
export function callsIn(several: unknown, one: unknown, refuse: Refuse): ToolCall[] {
  const [calls, single] = [parsedText(several), parsedText(one)];
  if (isEmpty(calls)) return isEmpty(single) ? [] : [callOf(single, refuse)];
  if (!Array.isArray(calls)) return refuse(`has tool_calls ${brief(calls)}. Expected a list`);
  return calls.map((call) => callOf(parsedText(call), refuse));
}

/** Arguments that are JSON; what is none is refused where it is read. */
function argumentsIn(text: string): unknown {
  if (text.trim() === "") return {};
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** What arguments are called. */
const ARGUMENTS = ["arguments", "parameters", "args", "kwargs", "input"];
/** What else a call may have. */
const OF_CALLS = ["id", "type", "function", "name", "index", ...ARGUMENTS];

/** { function: { name, arguments } }, or the inner object alone; arguments as an object or as its JSON. */
export function callOf(call: unknown, refuse: Refuse): ToolCall {
  const inner = isRecord(call) ? (parsedText(call.function) ?? call) : call;
  if (!isRecord(call) || !isRecord(inner) || typeof inner.name !== "string" || inner.name === "")
    return refuse(`calls ${brief(call)}. Expected { function: { name, arguments } }`);
  if (!isEmpty(call.type) && !["function", "tool_call", "tool_use"].includes(call.type as string))
    refuse(`calls a tool of type ${brief(call.type)}. Expected "function"`);
  const other = [...Object.keys(call), ...Object.keys(inner)].find((key) => !OF_CALLS.includes(key));
  if (other !== undefined)
    refuse(`calls ${inner.name} with the key "${other}", which is not read. Expected name and arguments`);
  const places = [inner, ...(inner === call ? [] : [call])];
  const all = places.flatMap((place) => ARGUMENTS.flatMap((name) => (isEmpty(place[name]) ? [] : [place[name]])));
  if (all.length > 1) refuse(`calls ${inner.name} with arguments under two names. Leave out one of them`);
  const given = all[0] ?? {};
  const text = typeof given === "string" ? argumentsIn(given) : given;
  try {
    wellFormedIn([inner.name, text], "call");
  } catch (error) {
    refuse((error as Error).message);
  }
  if (!isRecord(text)) refuse(`calls ${inner.name} with ${brief(given)}. Expected an object, or its JSON`);
  return {
    type: "function",
    ...(typeof call.id === "string" ? { id: call.id } : {}),
    function: {
      name: inner.name,
      arguments: text,
      ...(typeof given === "string" && given.trim() ? { text: given } : {}),
    },
  };
}
