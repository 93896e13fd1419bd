/** @file Tables whose first column is text and whose others are numbers, for a terminal and as Markdown. */

export type Row = readonly string[];

/** Lines with their columns aligned, the first of them the header's. */
export function alignedTable(header: Row, rows: readonly Row[]): string[] {
  const table = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

export const markdownTable = (header: Row, rows: readonly Row[]): string =>
  [header, header.map((_, i) => (i === 0 ? "---" : "---:")), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
