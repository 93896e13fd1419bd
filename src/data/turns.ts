/** @file Turns of a conversation, from whichever keys people write them with. A key that means something is read or refused. */

import { DistillError } from "../core/errors.ts";
import { callOf, callsIn, type Refuse, type ToolCall } from "./calls.ts";
import { brief, isEmpty, isRecord, parsedText, RowFault, textOf } from "./values.ts";

/** A turn as templates read it. */
export type Turn = {
  role: string;
  content: string | null;
  reasoning_content?: string;
  tool_calls?: readonly ToolCall[];
  name?: string;
  tool_call_id?: string;
};

/** A turn, and whether it is trained on where its key says so. */
export type ReadTurn = {
  turn: Turn;
  learn: boolean | undefined;
  unread: readonly string[];
  /** Whether all that it does is to call, as its role says. */
  calls?: boolean;
};

/** The keys of a turn's role and text, where they have other names. */
export type TurnKeys = { role?: string | undefined; content?: string | undefined };

/** What the names of those who speak mean. */
export type Roles = Readonly<Record<string, string>>;

const ROLES = ["system", "developer", "user", "assistant", "tool"];
const KNOWN = [...ROLES, "ipython"];
const SHAREGPT: Roles = { human: "user", gpt: "assistant", chatgpt: "assistant", function_response: "tool" };
const TOOLS: Roles = { observation: "tool", function: "tool", tool_response: "tool", ipython: "ipython" };
const CALL = "function_call";
/** Roles of an assistant who calls, in JSON that is all of what is said. */
const CALLERS = [CALL, "tool_call"];

const REASONING = ["reasoning_content", "reasoning", "thinking"];
/** Whether a turn is trained on, as several programs call it; `masked` is the other way round. */
const LEARN = ["weight", "train", "loss", "trainable", "training", "train_on_turn", "supervised", "masked"];
const READ = ["role", "from", "content", "value", "name", "tool_calls", "tool_call_id", CALL, ...REASONING, ...LEARN];
/** Keys that would change what a model is taught, and that nothing here reads. */
const REFUSED = [
  "images",
  "image",
  "audio",
  "audios",
  "videos",
  "video",
  "refusal",
  "prefix",
  "train_detail",
  "mask",
  "label",
];

/** The turns of a list. Calls that stand one after the other, each as a turn, are of one turn. */
export function readTurns(list: readonly unknown[], roles: Roles, keys: TurnKeys): ReadTurn[] {
  const unknown = Object.entries(roles).find(([named, role]) => role !== named && !KNOWN.includes(role));
  if (unknown)
    throw new DistillError(
      `dataset.roles says that ${unknown[0]} is "${unknown[1]}", which no row is read for. Expected one of: ${KNOWN.join(", ")}; a role that the chat template alone knows is named by itself, { ${unknown[0]}: ${unknown[0]} }.`,
    );
  const turns: ReadTurn[] = [];
  for (const [i, value] of list.entries()) {
    const read = readTurn(value, i + 1, roles, keys);
    const before = turns.at(-1);
    if (before && read.calls && before.calls && read.learn === before.learn)
      turns[turns.length - 1] = {
        ...before,
        turn: { ...before.turn, tool_calls: [...before.turn.tool_calls!, ...read.turn.tool_calls!] },
        unread: [...before.unread, ...read.unread],
      };
    else turns.push(read);
  }
  return turns;
}

/** A turn from what a row has; what is wrong with it is said with its number. */
function readTurn(value: unknown, number: number, roles: Roles, keys: TurnKeys): ReadTurn {
  try {
    return turnOf(value, number, roles, keys);
  } catch (error) {
    if (error instanceof RowFault && !error.message.startsWith("turn "))
      throw new RowFault(`turn ${number} ${error.message}`);
    throw error;
  }
}

/** A turn from what a row has; `speaker` and `said` are the keys of its role and its text, where they are given. */
function turnOf(value: unknown, number: number, roles: Roles, keys: TurnKeys): ReadTurn {
  const refuse = (why: string): never => {
    throw new RowFault(`turn ${number} ${why}`);
  };
  const given = parsedText(value);
  if (!isRecord(given)) return refuse(`is ${brief(given)}. Expected an object with role and content`);
  const key = (own: string | undefined, known: readonly string[]) =>
    own ?? known.find((name) => given[name] !== undefined && given[name] !== null);
  const speaker = key(keys.role, ["role", "from"]);
  const said = key(keys.content, ["content", "value"]);
  if (speaker === undefined || typeof given[speaker] !== "string")
    return refuse(`has ${Object.keys(given).join(", ") || "no keys"}. Expected role and content, or from and value`);
  for (const name of REFUSED)
    if (!isEmpty(given[name])) refuse(`has the key "${name}", which is not read here. Leave such rows out`);

  const named = given[speaker] as string;
  const role =
    roles[named] ?? (ROLES.includes(named) ? named : undefined) ?? (speaker === "from" ? SHAREGPT : {})[named];
  const learn = learnOf(given, refuse);
  if (given.finish_reason === "length") refuse("was cut at a limit of tokens, and would teach to stop in the middle");
  const unread = Object.keys(given).filter(
    (name) => name !== speaker && name !== said && !READ.includes(name) && !isEmpty(given[name]),
  );
  const reasoning = REASONING.filter((name) => !isEmpty(given[name]));
  if (reasoning.length > 1) refuse(`has its reasoning twice, as ${reasoning.join(" and ")}. Leave out one of them`);
  const text = said === undefined ? null : contentOf(given[said], refuse);

  if (role === undefined && CALLERS.includes(named)) {
    const said = parsedText(text?.text ?? "");
    const tool_calls = (Array.isArray(said) ? said : [said]).map((call) => callOf(call, refuse));
    if (tool_calls.length === 0) refuse("calls nothing: its list of calls is empty. Leave such turns out");
    return { turn: { role: "assistant", content: null, tool_calls }, learn, unread, calls: true };
  }
  const known = role ?? TOOLS[named];
  if (known === undefined)
    return refuse(
      `has the role "${named}". Expected one of ${ROLES.join(", ")}; dataset.roles says what another one means, as { ${named}: assistant }`,
    );
  if (learn && known !== "assistant")
    refuse(
      `of the role ${known} is to be trained on. Only turns of the assistant are; trainer.train_on: all trains on everything`,
    );
  const tool_calls = callsIn(given.tool_calls, given[CALL], refuse);
  if (tool_calls.length > 0 && known !== "assistant")
    refuse(`of the role ${known} calls tools, which only the assistant does. Give them to the assistant's turn`);
  if ((text?.text ?? null) === null && tool_calls.length === 0)
    refuse(
      known === "assistant"
        ? "has no content. Expected a text, or tool_calls; leave such turns out"
        : "has no content. Expected a text; leave such turns out",
    );
  const thought = reasoning[0] === undefined ? text?.thought : textOf(given[reasoning[0]], reasoning[0]);
  if (thought && known !== "assistant")
    refuse(`of the role ${known} has reasoning, which only the assistant does. Give it to the assistant's turn`);
  const own = (name: "name" | "tool_call_id") => (isEmpty(given[name]) ? {} : { [name]: textOf(given[name], name) });
  return {
    turn: {
      role: known,
      content: text?.text ?? null,
      ...(thought ? { reasoning_content: thought } : {}),
      ...(tool_calls.length > 0 ? { tool_calls } : {}),
      ...own("name"),
      ...own("tool_call_id"),
    },
    learn,
    unread,
  };
}

/** Text, or parts of which all are text or reasoning. */
function contentOf(content: unknown, refuse: Refuse): { text: string | null; thought?: string } {
  if (content === null || content === undefined) return { text: null };
  if (!Array.isArray(content)) return { text: textOf(content, "content") };
  const texts: string[] = [];
  const thoughts: string[] = [];
  for (const part of content) {
    const type = isRecord(part) ? String(part.type ?? "text") : "text";
    if (typeof part === "string") texts.push(textOf(part, "content"));
    else if (/^(input_|output_)?text$/.test(type)) texts.push(textOf(part.text, "text"));
    else if (type === "thinking" || type === "reasoning") thoughts.push(textOf(part.thinking ?? part.text, type));
    else refuse(`has a part of type "${type}". ${PARTS[type] ?? "Expected parts of type text; leave such rows out"}`);
  }
  return { text: texts.join(""), ...(thoughts.length > 0 ? { thought: thoughts.join("") } : {}) };
}

/** Where else what a part says is read. */
const PARTS: Record<string, string> = {
  tool_use: "Expected it as one of tool_calls, { function: { name, arguments } }",
  tool_call: "Expected it as one of tool_calls, { function: { name, arguments } }",
  tool_result: "Expected it as a turn of its own, of the role tool",
};

function learnOf(given: Record<string, unknown>, refuse: Refuse): boolean | undefined {
  const said = new Set<boolean>();
  for (const name of LEARN) {
    const value = given[name];
    if (value === undefined || value === null) continue;
    if (![true, false, 0, 1].includes(value as never))
      refuse(`has ${name} ${brief(value)}. Expected 0 or 1: a turn is trained on or not`);
    said.add(Boolean(value) !== (name === "masked"));
  }
  if (said.size > 1) refuse("says both that it is trained on and that it is not. Leave out one of them");
  return [...said][0];
}
