/** @file Where words lead that a recipe does not know: to another section of it, or from another tool's names to ours. */

import { everyKey } from "./options.ts";
import type { Leads } from "./parsed.ts";
import { LEADS, NONE, VALUES, WITHIN } from "./peers.ts";
import type { JsonSchema } from "./schema.ts";

/** More places than these say nothing. */
const MOST = 3;

/** What is known of words in a recipe of this schema, which is asked for only where there is something to say. */
export const leadsIn = (recipe: () => JsonSchema): Leads => ({
  ofKey: (key, path) => {
    const section = path.findLast((part) => typeof part === "string" && Object.hasOwn(WITHIN, part));
    const within = WITHIN[String(section ?? (path.includes("mix") ? "dataset" : ""))];
    if (within && Object.hasOwn(within, key)) return within[key];
    if (Object.hasOwn(NONE, key)) return NONE[key];
    const here = [...path.filter((part) => typeof part === "string"), key].join(".");
    const keys = everyKey(recipe()).filter((known) => known.path !== here);
    const lead = keys.find((known) => Object.hasOwn(LEADS, key) && known.path === LEADS[key]);
    // what stands in evaluation or in a judge stands in teacher or sampling too
    const same = keys.filter(({ path }) => path.split(".").at(-1) === key && !/^evaluation\.|\.judge\./.test(path));
    const places = [...new Set([...(lead ? [lead] : []), ...(same.length <= MOST ? same : [])])];
    return places.length === 0 ? undefined : `it is ${places.map(described).join(" or ")}`;
  },
  ofValue: (value, path) => {
    const words = VALUES[path.join(".")];
    return typeof value === "string" && words && Object.hasOwn(words, value) ? words[value] : undefined;
  },
});

const described = ({ path, types }: { path: string; types: readonly string[] }): string =>
  types.length === 0 ? path : `${path} of ${types.join(", ")}`;
