/** @file The lines of a file of results. */

import { jsonOf } from "./assemble.ts";

/** A line of what came: an answer's status and body, or why there is none. Nothing for a request that was not done. */
export type Line = { status: number; body: unknown };

/** The lines of files of results, by name. A line that cannot be read is none; of two with one name the first counts. */
export function linesOf(texts: readonly string[]): Map<string, Line> {
  const lines = new Map<string, Line>();
  for (const text of texts)
    for (const one of text.split("\n")) {
      const { custom_id, response, error } = (jsonOf(one) ?? {}) as {
        custom_id?: unknown;
        response?: { status_code?: unknown; body?: unknown } | null;
        error?: { code?: unknown; message?: unknown } | null;
      };
      if (typeof custom_id !== "string" || lines.has(custom_id)) continue;
      const status = Number(response?.status_code ?? Number.NaN);
      if (response && Number.isInteger(status)) lines.set(custom_id, { status, body: response.body });
      else if (error && !isExpired(error)) lines.set(custom_id, { status: 400, body: { error } });
    }
  return lines;
}

/** An error that says that a request was not done, rather than that it failed. */
const isExpired = ({ code }: { code?: unknown }) => /expired|cancel/i.test(String(code));
