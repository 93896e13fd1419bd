/** @file Fenced code blocks of Markdown. */

/** `closed` is false of the last block of a text that ends inside it. */
export type Fence = { language: string; code: string; closed: boolean };

/** The blocks of a text, in order. A fence ends at one of the same sign that is at least as long. */
export function fencedBlocks(text: string): Fence[] {
  const blocks: Fence[] = [];
  let open: { fence: string; indent: number; language: string; lines: string[] } | undefined;
  const end = (closed: boolean) => {
    const { language, lines } = open!;
    blocks.push({ language, code: `${lines.join("\n")}\n`, closed });
    open = undefined;
  };
  for (const line of text.split(/\r?\n/)) {
    const [, indent = "", fence = "", rest = ""] = /^([ \t]*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (!open) {
      const inline = fence.startsWith("`") && rest.includes("`");
      const language = /^\{?\.?([\w+#-]*)/.exec(rest.trim())![1]!.toLowerCase();
      if (fence && !inline) open = { fence, indent: indent.length, language, lines: [] };
    } else if (fence && rest.trim() === "" && fence[0] === open.fence[0] && fence.length >= open.fence.length)
      end(true);
    else open.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)));
  }
  if (open) end(false);
  return blocks;
}
