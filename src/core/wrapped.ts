/** Longer lines than this, in columns, are hard to read. */
const WIDEST = 110;

/** A text in lines that are no wider than the terminal, all but the first indented by `hanging`. */
export function wrapped(text: string, indent: number, hanging = indent): string[] {
  const width = Math.min(process.stdout.columns || WIDEST, WIDEST);
  const lines: string[] = [];
  let line = " ".repeat(indent);
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && line.length + word.length + 1 > width) {
      lines.push(line);
      line = " ".repeat(hanging);
    }
    line += line.trim() === "" ? word : ` ${word}`;
  }
  return line.trim() === "" ? lines : [...lines, line];
}
