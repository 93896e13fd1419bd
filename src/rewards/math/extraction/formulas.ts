/** @file Formulas between marks in running text. */

/** A piece of a text and where it stands. */
export type Span = { content: string; start: number; end: number };

/** A piece that is the answer even where it reads as words. */
export type Said = Span & { decisive?: boolean };

/** Characters of a formula that are read. */
export const LONGEST = 2_000;

const ENVIRONMENT = /^\\begin\{((?:align|equation|gather)\*?)\}/;

/** The formulas between $…$, $$…$$, \(…\) \[…\] and in environments, in order. */
export function formulas(text: string): Span[] {
  const found: Span[] = [];
  const closings = new Map<string, number>();
  /** The next place of a closing mark; searched for once until it is passed. */
  const next = (mark: string, from: number): number => {
    const known = closings.get(mark);
    if (known !== undefined && (known < 0 || known >= from)) return known;
    closings.set(mark, text.indexOf(mark, from));
    return closings.get(mark)!;
  };
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === "\\") {
      const close = text[at + 1] === "(" ? "\\)" : text[at + 1] === "[" ? "\\]" : undefined;
      const environment = ENVIRONMENT.exec(text.slice(at, at + 20));
      const finish = environment ? next(`\\end{${environment[1]}}`, at + 8) : -1;
      if (environment && finish > 0 && finish < at + LONGEST) {
        const end = finish + environment[1]!.length + 6;
        found.push({ content: text.slice(at, end), start: at, end });
        at = end - 1;
        continue;
      }
      // \\[2pt] is a line break.
      const end = close && text[at - 1] !== "\\" ? next(close, at + 2) : -1;
      if (end > 0 && end < at + LONGEST) {
        found.push({ content: text.slice(at + 2, end), start: at, end: end + 2 });
        at = end + 1;
      } else at++;
    } else if (c === "$") {
      const marks = text[at + 1] === "$" ? "$$" : "$";
      const end = closingDollar(text, at + marks.length, marks);
      if (end === undefined) continue;
      found.push({ content: text.slice(at + marks.length, end), start: at, end: end + marks.length });
      at = end + marks.length - 1;
    }
  }
  return found;
}

/** The dollar that closes a formula; none where the first is a price. */
function closingDollar(text: string, from: number, marks: string): number | undefined {
  const stop = Math.min(text.length, from + LONGEST);
  for (let i = from; i < stop; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "\n" && text[i + 1] === "\n") return undefined;
    else if (text.startsWith(marks, i) && i > from) {
      const content = text.slice(from, i);
      const prose = !content.includes("\\") && /[a-zA-Z]{2,}\s+[a-zA-Z]{2,}/.test(content);
      return prose ? undefined : i;
    }
  }
  return undefined;
}

/** The formula at index i with those after it (or before it) that only "and", "or" or a comma parts from it, and a percent sign. */
export function joinedFormulas(text: string, all: readonly Span[], i: number, direction: 1 | -1): Span {
  const joins = (a: Span, b: Span) => /^\s*(?:,|;|and|or|, and|, or)\s*$/i.test(text.slice(a.end, b.start));
  let [first, last] = [i, i];
  if (direction === 1) while (all[last + 1] && joins(all[last]!, all[last + 1]!)) last++;
  else while (all[first - 1] && joins(all[first - 1]!, all[first]!)) first--;
  const content = all
    .slice(first, last + 1)
    .map((span) => span.content)
    .join(", ");
  return withPercent(text, { content, start: all[first]!.start, end: all[last]!.end });
}

/** The span with the percent sign or word that follows it in the text. */
export function withPercent(text: string, span: Span): Span {
  const sign = /^[\s$}*)\\\]]{0,4}?\s?(?:\\?%|percent(?:age)?\b|pct\b|per cent\b)/i.exec(
    text.slice(span.end, span.end + 24),
  );
  if (!sign || /%|percent|pct/i.test(span.content)) return span;
  return { ...span, content: `${span.content}\\%`, end: span.end + sign[0].length };
}
