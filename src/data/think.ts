/** @file Think blocks, whichever side writes their tags: the completion, or the template that opens one for it. */

/** The think block, open or closed, that a prompt ends with; "" if none. */
export const prefilledThink = (prompt: string): string => /<think>\s*(?:<\/think>\s*)?$/.exec(prompt)?.[0] ?? "";

/** What is left of a completion behind a prompt: without the tags with which the prompt ends already. */
export function continuation(prompt: string, completion: string): string {
  const written = prefilledThink(prompt);
  if (!written) return completion;
  if (completion.startsWith(written)) return completion.slice(written.length);
  const own = (written.includes("</think>") ? /^\s*<think>\s*<\/think>\s*/ : /^\s*<think>\s*/).exec(completion)?.[0];
  return completion.slice(own?.length ?? 0);
}

/** What stands between the first <think> and the first </think> behind it, or before a </think> whose tag was prefilled. */
export function reasoningOf(completion: string): string | null {
  const end = completion.indexOf("</think>");
  if (end < 0) return null;
  const start = completion.indexOf("<think>");
  return completion.slice(start >= 0 && start < end ? start + "<think>".length : 0, end).trim();
}

/** What is wrong with the think block of a text, where it has one: there is one, it is opened and then closed. */
export function thinkFault(text: string): string | undefined {
  const [opened, closed] = [places(text, "<think>"), places(text, "</think>")];
  if (opened.length === 0 && closed.length === 0) return undefined;
  if (closed.length === 0) return "opens a think block and never closes it";
  if (opened.length === 0) return "closes a think block that it never opened";
  if (opened.length > 1 || closed.length > 1)
    return `has ${Math.max(opened.length, closed.length)} think blocks, or parts of them`;
  return opened[0]! < closed[0]! ? undefined : "closes its think block before it opens it";
}

function places(text: string, tag: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(tag); at >= 0; at = text.indexOf(tag, at + 1)) found.push(at);
  return found;
}
