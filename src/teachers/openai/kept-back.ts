/** @file Rows without an answer, until any row has one: it may be what is asked of all of them that is wrong. */

export type Unanswered = { index: number; error: string };

/** So many of them, and no answer, end the run. */
const ALL = 8;

export function keptBack() {
  const refused: Unanswered[] = [];
  const lies: Unanswered[] = [];
  return {
    /** The server refuses the row, which costs nothing. */
    refuse(row: Unanswered): void {
      refused.push(row);
    },
    /** Its answers to the row are none, and cost what answers cost. Why nothing more is asked, where that is so. */
    lie(row: Unanswered, url: string, journal: string | undefined): string | undefined {
      if (lies.push(row) < ALL) return undefined;
      return `${url} gives no answers that can be used. ${row.error} What it sent is in ${journal ?? "the journal"}.`;
    },
    /** All of them, once they are the rows' own fault. */
    release: (): Unanswered[] => [...refused.splice(0), ...lies.splice(0)],
    /** Why they are not, at the end. */
    fault(): string | undefined {
      if (refused.length < ALL) return undefined;
      return `All of ${refused.length} requests were refused. ${refused[0]!.error} Mend what the recipe asks for: teacher.extra_body adds fields, and a field that is null there is left out.`;
    },
  };
}
