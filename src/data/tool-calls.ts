/** @file How a chat template wants the arguments of calls: as an object that it writes itself, or as text. */

import type { ToolCall, Turn } from "./turns.ts";

type Render = (messages: readonly Turn[], options: { generate: boolean }) => string;

/** In which form a template writes arguments as JSON, each once and unescaped; undefined where it writes none. */
export type ArgumentsAs = "object" | "text" | undefined;

const known = new WeakMap<Render, ArgumentsAs>();

/** Tried once, on calls of our own. */
export function argumentsAs(render: Render): ArgumentsAs {
  if (known.has(render)) return known.get(render);
  const found = (["object", "text"] as const).find((form) => {
    const call = {
      type: "function",
      id: "call12345",
      function: { name: "look_up", arguments: { place: "here" } },
    } as const;
    const turns: Turn[] = [
      { role: "user", content: "Where?" },
      { role: "assistant", content: "", tool_calls: [call] },
    ];
    try {
      const text = render(withArguments(turns, form), { generate: false });
      return text.includes("look_up") && /"place": ?"here"/.test(text);
    } catch {
      return false; // the other form is tried
    }
  });
  known.set(render, found);
  return found;
}

/** Conversations with the arguments of calls in a form. */
export function withArguments(messages: readonly Turn[], form: "object" | "text"): Turn[] {
  const of = ({ function: { text, arguments: object, name }, ...call }: ToolCall): ToolCall => ({
    ...call,
    function: { name, arguments: form === "text" ? (text ?? spaced(object)) : object },
  });
  return messages.map(({ tool_calls, ...turn }) => (tool_calls ? { ...turn, tool_calls: tool_calls.map(of) } : turn));
}

/** JSON as Python writes it, with a blank behind commas and colons. */
export function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
    .join(", ")}}`;
}
