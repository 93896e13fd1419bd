/** @file Fenced code blocks of Markdown. */

export type Fence = { language: string; code: string };

/** The closed blocks of a text, in order. A fence ends at one of the same sign that is at least as long. */
export function fencedBlocks(text: string): Fence[] {
  const blocks: Fence[] = [];
  let open: { fence: string; indent: number; language: string; lines: string[] } | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, indent = "", fence = "", rest = ""] = /^([ \t]*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (!open) {
      const inline = fence.startsWith("`") && rest.includes("`");
      if (fence && !inline)
        open = { fence, indent: indent.length, language: rest.trim().split(/[\s{]/)[0]!.toLowerCase(), lines: [] };
    } else if (fence && rest.trim() === "" && fence[0] === open.fence[0] && fence.length >= open.fence.length) {
      blocks.push({ language: open.language, code: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else open.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)));
  }
  return blocks;
}
