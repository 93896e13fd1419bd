/** @file What a reply that is no answer means: whether work was done for it, and whether to ask again. */

import type { Outcome } from "../../data/journal.ts";

export type Fault = {
  outcome: Exclude<Outcome, "complete" | "note">;
  reason: string;
  /** Milliseconds for which the server asks to be left alone. */
  wait?: number;
};

/** The header fields of a reply, in lower case. */
export type Headers = Record<string, string | string[] | undefined>;

const text = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value);

/** What an error status means. `body` is what came with it. */
export function faultOfStatus(status: number, headers: Headers, body: string): Fault {
  const said = saidIn(body);
  const reason = `${status}${said.message ? `: ${said.message}` : ""}`;
  const wait = waitOf(headers);
  if (status >= 300 && status < 400)
    return {
      outcome: "fatal",
      reason: `${status}: it sends on to ${text(headers.location) ?? "another place"}. Put that into base_url`,
    };
  return { ...classOf(status, said), reason, ...(wait === undefined ? {} : { wait }) };
}

/** What an error that came inside a reply of 200 means. `worked`: tokens had come before. */
export function faultOfError(error: unknown, worked: boolean): Fault {
  const { code, type, message } = (typeof error === "object" && error !== null ? error : {}) as Said & {
    code?: unknown;
  };
  const said: Said = { code: String(code ?? ""), type: String(type ?? ""), message: cut(String(message ?? error)) };
  const status = /^\d{3}$/.test(said.code) ? Number(said.code) : 500;
  const { outcome } = classOf(status, said);
  const reason = `an error in the answer${said.code ? ` (${said.code})` : ""}: ${said.message}`;
  // an error after tokens is one after work, whatever it calls itself
  return { outcome: worked && (outcome === "refused" || outcome === "unsent") ? "failed" : outcome, reason };
}

type Said = { code: string; type: string; message: string };

/** What an error's body says, in the shapes that servers have for it. */
function saidIn(body: string): Said {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    const plain = body
      .replace(/<[^>]*>/g, " ")
      .replace(/\s+/g, " ")
      .trim();
    return { code: "", type: "", message: cut(plain) };
  }
  const outer = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const inner = (typeof outer.error === "object" && outer.error !== null ? outer.error : outer) as Record<
    string,
    unknown
  >;
  const message =
    inner.message ?? outer.message ?? outer.detail ?? (typeof outer.error === "string" ? outer.error : "");
  return {
    code: String(inner.code ?? ""),
    type: String(inner.type ?? ""),
    message: cut(typeof message === "string" ? message : JSON.stringify(message)),
  };
}

const cut = (message: string) => {
  const line = message.replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)} …` : line;
};

const NO_MONEY =
  /insufficient[_ ](quota|balance|credit|funds)|exceeded your current quota|billing|payment required|out of credit/i;
const NO_KEY = /invalid[_ ]api[_ ]key|incorrect api key|authentication/i;
const FILTERED = /content[_ ]filter|content[_ ]policy|moderation|flagged/i;

function classOf(status: number, { code, type, message }: Said): Pick<Fault, "outcome"> {
  const all = `${code} ${type} ${message}`;
  if (FILTERED.test(all) && status >= 400 && status < 500) return { outcome: "impossible" };
  if (NO_MONEY.test(all) || status === 402) return { outcome: "fatal" };
  if (status === 401 || status === 403 || status === 407 || (status < 500 && NO_KEY.test(all)))
    return { outcome: "fatal" };
  if (status === 503 && /loading/i.test(all)) return { outcome: "unsent" };
  if (status === 429 || status === 503 || status === 529 || status === 408 || status === 409 || status === 425)
    return { outcome: "refused" };
  if (/rate[_ ]limit|overloaded|too many requests/i.test(`${code} ${type}`)) return { outcome: "refused" };
  return { outcome: status >= 500 ? "failed" : "impossible" };
}

/** What an error of the connection means. Only where it was never made, the server has seen nothing. */
export function faultOfConnection(error: unknown): Fault {
  const { code = "", syscall, message } = error as NodeJS.ErrnoException;
  const cause = (error as { cause?: NodeJS.ErrnoException }).cause;
  const errors = (error as { errors?: NodeJS.ErrnoException[] }).errors ?? [];
  const inner = [error as NodeJS.ErrnoException, ...(cause ? [cause] : []), ...errors];
  const never = inner.some(
    (one) =>
      one.syscall === "connect" ||
      one.syscall === "getaddrinfo" ||
      /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(
        one.code ?? "",
      ),
  );
  const said = [code || syscall, message].filter(Boolean).join(": ").replace(/\.$/, "");
  return never
    ? { outcome: "unsent", reason: `no connection (${said})` }
    : { outcome: "failed", reason: `the connection was lost (${said})` };
}

/** Milliseconds that headers ask to wait: retry-after in its three forms, else the reset of a limit that is used up. */
export function waitOf(headers: Headers, now = Date.now()): number | undefined {
  const ms = Number(text(headers["retry-after-ms"])?.trim() || Number.NaN);
  if (Number.isFinite(ms)) return Math.max(0, ms);
  const after = text(headers["retry-after"])?.trim();
  if (after) {
    const seconds = Number(after);
    if (Number.isFinite(seconds)) return Math.max(0, 1000 * seconds);
    const date = Date.parse(after);
    // a server's clock may be another one than ours
    const base = Date.parse(text(headers.date) ?? "");
    if (Number.isFinite(date)) return Math.max(0, date - (Number.isFinite(base) ? base : now));
  }
  const waits = ["requests", "tokens"].flatMap((what) => {
    const left = text(headers[`x-ratelimit-remaining-${what}`]);
    const reset = text(headers[`x-ratelimit-reset-${what}`]);
    if (reset === undefined || (left !== undefined && Number(left) > 0)) return [];
    return duration(reset, now) ?? [];
  });
  return waits.length > 0 ? Math.max(...waits) : undefined;
}

/** Milliseconds until a limit that an answer used up is there again. */
export const usedUpFor = (headers: Headers): number | undefined =>
  ["requests", "tokens"].some((what) => text(headers[`x-ratelimit-remaining-${what}`]) === "0")
    ? waitOf(headers)
    : undefined;

/** A duration as Go writes it ("6m0s", "12ms", "1h2m3.5s"), or seconds, or a time since 1970, in milliseconds from now. */
function duration(value: string, now: number): number | undefined {
  if (/^\d+(\.\d+)?$/.test(value)) {
    const number = Number(value);
    if (number < YEAR) return 1000 * number;
    return Math.max(0, (number < 1000 * EPOCH ? 1000 * number : number) - now);
  }
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== value) return undefined;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
}

/** Seconds that nobody asks to wait: more are a time of day; those of a time in this century, in seconds. */
const [YEAR, EPOCH] = [366 * 24 * 3600, 1e9];

const UNITS: Record<string, number> = { h: 3600e3, m: 60e3, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };
