/** @file Whether a chat template writes all that a conversation says. */

import { DistillError } from "../core/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { argumentsAs, withArguments } from "./tool-calls.ts";
import type { Turn } from "./turns.ts";
import { isRecord, RowFault } from "./values.ts";

type Writer = Pick<Tokenizer, "render">;

/** A conversation as the template takes it; throws a RowFault where that would leave something out. */
export function writable(messages: readonly Turn[], tools: readonly unknown[] | undefined, tokenizer: Writer): Turn[] {
  const calls = messages.findIndex(({ tool_calls }) => tool_calls);
  const form = calls < 0 ? "object" : argumentsAs(tokenizer.render, tools !== undefined);
  if (form === undefined)
    throw new RowFault(
      `turn ${calls + 1} calls tools, and the chat template writes no calls. Leave such rows out, or give a chat_template that does`,
    );
  const turns = withContents(withArguments(messages, form), tools, tokenizer);
  requireWritten(turns, tools, tokenizer);
  return turns;
}

/** Turns without content have an empty one where the template cannot write them otherwise. */
function withContents(turns: Turn[], tools: readonly unknown[] | undefined, { render }: Writer): Turn[] {
  if (turns.every(({ content }) => content !== null)) return turns;
  try {
    render(turns, { generate: false, tools });
    return turns;
  } catch {
    return turns.map((turn) => ({ ...turn, content: turn.content ?? "" }));
  }
}

/** What was found of conversations of a form, which a template treats alike: the turn that is not written, if one is. */
const known = new WeakMap<Writer["render"], Map<string, string | undefined>>();

function requireWritten(turns: readonly Turn[], tools: readonly unknown[] | undefined, { render }: Writer): void {
  const forms = known.get(render) ?? new Map<string, string | undefined>();
  known.set(render, forms);
  const form = JSON.stringify([Boolean(tools), turns.map(formOf)]);
  if (!forms.has(form)) {
    const missing = missingIn(turns, tools, render);
    if (missing === undefined) return; // it cannot be told of others
    forms.set(form, missing || undefined);
  }
  const missing = forms.get(form);
  if (missing) throw new RowFault(missing);
}

const formOf = ({ role, content, tool_calls, name }: Turn) =>
  [role, Number(content !== null && content !== ""), tool_calls?.length ?? 0, Number(Boolean(name))].join(":");

/** Marks that no template and no text holds. */
const mark = (i: number) => `zq${i}qz`;

/** What is not written where each turn ends with a mark of its own: "" where all is; undefined where marks are refused. */
function missingIn(
  turns: readonly Turn[],
  tools: readonly unknown[] | undefined,
  render: Writer["render"],
): string | undefined {
  const marked = turns.map(
    (turn, i): Turn => ({
      ...turn,
      ...(turn.content ? { content: turn.content + mark(i) } : {}),
      ...(turn.tool_calls
        ? {
            tool_calls: turn.tool_calls.map((call, k) => ({
              ...call,
              function: { ...call.function, name: `${call.function.name}${mark(i)}${k}` },
            })),
          }
        : {}),
    }),
  );
  let text: string;
  try {
    text = render(marked, { generate: false, tools });
  } catch (error) {
    if (error instanceof DistillError) return undefined; // the template's own rules, which the row itself may keep
    throw error;
  }
  const missing = turns.findIndex(
    ({ content, tool_calls = [] }, i) =>
      (content && !text.includes(mark(i))) || tool_calls.some((_, k) => !text.includes(`${mark(i)}${k}`)),
  );
  if (missing >= 0)
    return `turn ${missing + 1} (${turns[missing]!.role}) is not in the text that the chat template writes. Leave it out, give it a role that the template knows (dataset.roles), or give another chat_template`;
  const silent = tools?.map(toolName).find((name) => !text.includes(name));
  return silent === undefined
    ? ""
    : `has the tool "${silent}", and the chat template writes no tools. Leave tools out, or give a chat_template that writes them`;
}

const toolName = (tool: unknown): string => {
  const described = isRecord(tool) ? (isRecord(tool.function) ? tool.function : tool) : {};
  return String(described.name);
};
