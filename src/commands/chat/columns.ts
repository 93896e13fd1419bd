/** @file Texts side by side. */

/** The lines of `texts` in columns that are together `width` wide, each under its name. */
export function inColumns(names: readonly string[], texts: readonly string[], width: number): string[] {
  const column = Math.max(10, Math.floor((width - 3 * (texts.length - 1)) / texts.length));
  const lines = texts.map((text, i) => [names[i]!.slice(0, column), "─".repeat(column), ...wrapped(text, column)]);
  const height = Math.max(...lines.map(({ length }) => length));
  return Array.from({ length: height }, (_, row) =>
    lines
      .map((column_, i) => (i === lines.length - 1 ? (column_[row] ?? "") : padded(column_[row] ?? "", column)))
      .join(" │ ")
      .trimEnd(),
  );
}

const padded = (text: string, width: number) => text + " ".repeat(Math.max(0, width - columns(text)));

/** Columns that a text takes on a terminal: wide characters of East Asia and pictures take two. */
const columns = (text: string) =>
  [...text].reduce(
    (sum, char) =>
      sum +
      (/\p{Mn}|\u200d|\ufe0f/u.test(char)
        ? 0
        : /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u.test(
              char,
            )
          ? 2
          : 1),
    0,
  );

/** Lines of at most `width` columns, broken at blanks where there are some. */
export function wrapped(text: string, width: number): string[] {
  return text.split("\n").flatMap((line) => {
    const lines: string[] = [];
    let current = "";
    for (const word of line.replaceAll("\t", "    ").match(/\s*\S+|\s+$/g) ?? [""]) {
      if (columns(current + word) <= width) current += word;
      else {
        if (current) lines.push(current);
        current = word.trimStart();
        while (columns(current) > width) {
          const head = [...current]
            .slice(0, Math.max(1, Math.floor(width / (columns(current) / [...current].length))))
            .join("");
          lines.push(head);
          current = current.slice(head.length);
        }
      }
    }
    return [...lines, current];
  });
}
