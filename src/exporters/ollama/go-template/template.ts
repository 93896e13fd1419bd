/** @file As much of Go's text/template as chat templates need, read and run as its documentation says: what Ollama would write. */

import { parse } from "./parse.ts";
import { run } from "./run.ts";
import type { GoValue } from "./syntax.ts";

export type { GoValue };

/** A template as a function of its data, or a DistillError with the place that cannot be read. */
export function goTemplate(source: string): (data: GoValue) => string {
  const nodes = parse(source);
  return (data) => run(nodes, data);
}

/** Text as it stands between actions. */
export const goText = (text: string): string => text.replaceAll("{{", '{{ "{{" }}');
