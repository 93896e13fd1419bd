/** @file How a chat template wants the arguments of calls: as an object that it writes itself, or as text. */

import type { ToolCall } from "./calls.ts";
import { toJson } from "./chat-template/text.ts";
import { fromJson } from "./chat-template/values.ts";
import type { Turn } from "./turns.ts";

type Render = (
  messages: readonly Turn[],
  options: { generate: boolean; tools?: readonly unknown[] | undefined },
) => string;

/** In which form a template writes arguments as JSON, each once and unescaped; undefined where it writes none. */
export type ArgumentsAs = "object" | "text" | undefined;

const known = new WeakMap<Render, Map<boolean, ArgumentsAs>>();

const TOOL = { type: "function", function: { name: "look_up", parameters: { type: "object", properties: {} } } };

/** Tried once with tools and once without, on calls of our own. */
export function argumentsAs(render: Render, withTools: boolean): ArgumentsAs {
  const tried = known.get(render) ?? new Map<boolean, ArgumentsAs>();
  known.set(render, tried);
  if (tried.has(withTools)) return tried.get(withTools);
  const writes = (form: "object" | "text", content: string | null): boolean => {
    const call = {
      type: "function",
      id: "call12345",
      function: { name: "look_up", arguments: { place: "here" } },
    } as const;
    const turns: Turn[] = [
      { role: "user", content: "Where?" },
      { role: "assistant", content, tool_calls: [call] },
    ];
    try {
      const tools = withTools ? [TOOL] : undefined;
      const text = render(withArguments(turns, form), { generate: false, tools });
      const call = text.slice(text.lastIndexOf("look_up"));
      return text.includes("look_up") && /\bplace\b.*\bhere\b/s.test(call) && !call.includes('\\"');
    } catch {
      return false; // the others are tried
    }
  };
  const found = (["object", "text"] as const).find((form) => ["", null].some((content) => writes(form, content)));
  tried.set(withTools, found);
  return found;
}

/** Conversations with the arguments of calls in a form. */
export function withArguments(messages: readonly Turn[], form: "object" | "text"): Turn[] {
  const of = ({ function: { text, arguments: object, name }, ...call }: ToolCall): ToolCall => ({
    ...call,
    function: { name, arguments: form === "text" ? (text ?? written(object)) : object },
  });
  return messages.map(({ tool_calls, ...turn }) => (tool_calls ? { ...turn, tool_calls: tool_calls.map(of) } : turn));
}

/** JSON as Python writes it. */
const written = (value: unknown): string =>
  toJson(fromJson(value), {
    ensure_ascii: false,
    indent: undefined,
    separators: [", ", ": "],
    sort: (keys) => keys,
  });
