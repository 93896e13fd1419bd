/** @file What becomes of a request that was not answered: asked again, given up, or the end of the run. */

import type { Endpoint } from "./endpoint.ts";
import type { Fault } from "./faults.ts";
import type { Options } from "./options.ts";

export type Decision =
  /** Ask again: before others where it cost nothing, else after them. */
  | { again: "next" | "last"; said?: string }
  /** There is no answer to this request. */
  | { error: string }
  /** The server refuses it, or all that are like it. */
  | { refused: string }
  /** No request will be answered. */
  | { stop: string };

/** What the journal knows of a request, and whether others were answered meanwhile, once in an earlier process, or never. */
export type History = {
  sentAt: number;
  failed: number;
  lies: number;
  /** Whether there is a server that has not failed at it. */
  elsewhere: boolean;
  others: "answered" | "once" | "never";
};

/** How often an answer that is none is asked for again. */
const MAX_LIES = 1;

/** What to do after a fault; nothing where it was we who stopped. The server is treated as it deserves. */
export function decisionOn(
  { outcome, reason, wait }: Fault,
  endpoint: Endpoint,
  options: Options,
  { sentAt, failed, lies, elsewhere, others }: History,
): Decision | undefined {
  if (outcome === "cancelled") return undefined;
  const missing = outcome === "impossible" && reason.startsWith("404") && endpoint.answered === 0;
  if (outcome === "fatal" || missing) {
    const sentence = fatalSentence(endpoint, reason, options);
    if (!elsewhere) return { stop: sentence };
    const first = Number.isFinite(endpoint.pausedUntil);
    endpoint.leave(reason, Number.POSITIVE_INFINITY);
    return { again: "next", ...(first ? { said: `${sentence} The others go on.` } : {}) };
  }
  if (outcome === "unsent") {
    endpoint.unreachable(reason);
    return { again: "next" };
  }
  if (outcome === "refused") {
    if (wait !== undefined && wait > 1000 * options.patience && elsewhere) {
      endpoint.leave(reason, wait);
      return { again: "next" };
    }
    if (wait !== undefined && wait > 1000 * options.patience)
      return {
        stop: `${endpoint.place.url} asks to wait ${Math.ceil(wait / 1000)} s (${reason}), and the recipe's teacher.patience is ${options.patience} s. What was drawn is kept; the same command continues.`,
      };
    endpoint.refused(reason, sentAt, wait);
    return { again: "next" };
  }
  const noAnswer = (times: number) => ({ error: `The server gave no answer: ${reason}, ${times} times.` });
  if (outcome === "failed") {
    endpoint.failed(reason, sentAt);
    // a server that answers nobody is no fault of this row
    const most =
      options.max_retries + (others === "answered" ? 0 : others === "once" ? SEVERAL : Number.POSITIVE_INFINITY);
    return failed > most && !elsewhere ? noAnswer(failed) : { again: "last" };
  }
  if (outcome === "lying") return lies > MAX_LIES ? noAnswer(lies) : { again: "last" };
  const field = rejectedField(reason);
  if (field && !endpoint.refuses.has(field)) endpoint.refuses.set(field, Date.now());
  if (field && sentAt <= endpoint.refuses.get(field)!) return { again: "next" };
  return { refused: `The server refuses the request (${reason}).` };
}

const SEVERAL = 3;

/** A request was taken away from a server that had not begun to answer it. */
export function tooSlow(endpoint: Endpoint): Decision {
  endpoint.unreachable("it is too slow");
  return { again: "next" };
}

/** A field that some servers do not take, and that can be left out or named otherwise. */
const rejectedField = (reason: string): "stream_options" | "limit" | undefined => {
  if (/stream_options/.test(reason)) return "stream_options";
  const unsupported = /max_tokens.*(un|not )supported|(un|not )supported.*max_tokens/i.test(reason);
  return /max_completion_tokens/.test(reason) || unsupported ? "limit" : undefined;
};

/** What a fault means that ends the run. */
export function fatalSentence(
  { place: { url } }: Pick<Endpoint, "place">,
  reason: string,
  { model, endpoint }: Options,
): string {
  const said = reason.replace(/\.$/, "");
  const kept = "What was drawn is kept; the same command continues.";
  if (/^(401|403|407)/.test(reason))
    return `${url} refuses the key (${said}). Look at api_key_env and the key in it. ${kept}`;
  if (/^404/.test(reason))
    return `${url} has no ${endpoint === "chat" ? "chat/completions" : "completions"}${model === undefined ? "" : `, or no model "${model}"`} (${said}). Look at base_url, which mostly ends in /v1, and at teacher.model.`;
  if (/^3\d\d/.test(reason)) return `${url} is not the address of the API: ${said}.`;
  return `${url} answers nothing more: ${said}. ${kept}`;
}
