/** @file Who answers at an address: which server it is, whether it has the model, and how much it takes at once. */

import { DistillError } from "../../core/errors.ts";
import { sameModel } from "./answer.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Connections, Reply } from "./exchange.ts";
import { type Fault, faultOfStatus } from "./faults.ts";
import type { Mask, Place } from "./secrets.ts";
import * as servers from "./servers/index.ts";
import { type Facts, type Model, Models, type Server } from "./servers/server.ts";

export type Identity = {
  /** Where its API begins, without a slash at the end, and where the server's own paths do. */
  base: URL;
  root: URL;
  server: Server;
  /** What is asked for, and the names under which that may answer. */
  model: string;
  names: string[];
  /** Whether its list of models has it. */
  listed: boolean;
  slots: number | undefined;
  context: number | undefined;
};

/** Seconds for a look at what a server says of itself. */
const LOOK = 10;

/** A path behind an address, whose parameters stay. */
export function pathOf(base: URL, path: string): string {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, "")}${path}`;
  return url.href;
}

/** Ask who is there; a fault where nobody can say now. What the user is to mend is thrown. */
async function identify(
  { url, headers }: Place,
  asked: string | undefined,
  connections: Connections,
  signal?: AbortSignal,
): Promise<Identity | Fault> {
  const given = new URL(url);
  given.pathname = given.pathname.replace(/\/+$/, "").replace(/\/(chat\/)?completions$|\/models$/, "");
  const root = new URL(given);
  root.pathname = root.pathname.replace(/\/v\d+$/, "");
  const look = (at: string) => connections.exchange({ method: "GET", url: at, headers, signal, within: LOOK });

  // without /v1 some have paths of their own by the same names
  const bases = /\/v\d+(\/|$)/.test(given.pathname) ? [given] : [new URL(pathOf(given, "/v1")), given];
  let [base, reply]: [URL, Reply | undefined] = [given, undefined];
  for (const candidate of bases) {
    const now = await look(pathOf(candidate, "/models"));
    if (now.fault) return now.fault;
    if (reply && notThere(now)) continue;
    [base, reply] = [notThere(now) ? given : candidate, now];
    if (modelsIn(now)) break;
  }
  const models = modelsIn(reply!);
  if (!models && !notThere(reply!)) {
    const { status, headers, body } = reply!;
    if (status !== 200) return faultOfStatus(status, headers, Buffer.from(body).toString("utf8"));
    throw new DistillError(
      `${url} answers, and not as a server of models does: ${pathOf(base, "/models")} is no list of models. Expected the address of an OpenAI-compatible API as base_url, such as http://127.0.0.1:8000/v1.`,
    );
  }
  const props = models?.some(({ owned_by }) => owned_by === "llamacpp")
    ? jsonIn(await look(pathOf(root, "/props")))
    : undefined;
  const facts: Facts = { host: given.hostname, models, props };
  const server = Object.values(servers as Record<string, Server>).find((one) => one.is(facts)) ?? servers.other;
  const { name, names, found } = modelAt(url, asked, models);
  return {
    ...{ base, root, server, model: name, names, listed: found !== undefined },
    slots: server.slots?.(facts),
    context: server.context(facts, found),
  };
}

/**
 * Ask a server who it is, and treat it as it answers. Why it will answer nobody, where it says so; what the user is to mend is
 * thrown.
 */
export async function acquaint(
  endpoint: Endpoint,
  model: string | undefined,
  mask: Mask,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const found = await identify(endpoint.place, model, endpoint.connections, signal);
  if (!("outcome" in found)) {
    endpoint.identity = found;
    return undefined;
  }
  const reason = mask.text(found.reason);
  if (found.outcome === "fatal") endpoint.leave(reason, Number.POSITIVE_INFINITY);
  else endpoint.unreachable(reason);
  return found.outcome === "fatal" ? reason : undefined;
}

/** Whether there is no list of models at a path: an error of an API or a page, or JSON of something else. */
const notThere = (reply: Reply) =>
  [400, 404, 405, 406, 410, 500, 501].includes(reply.status) || (jsonIn(reply) !== undefined && !modelsIn(reply));

function jsonIn({ status, body, fault }: Reply): unknown {
  if (fault || status !== 200) return undefined;
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}

const modelsIn = (reply: Reply): Model[] | undefined => Models.safeParse(jsonIn(reply)).data?.data;

function modelAt(
  url: string,
  asked: string | undefined,
  models: readonly Model[] | undefined,
): { name: string; names: string[]; found: Model | undefined } {
  const namesOf = ({ id, aliases }: Model) => [id, ...(aliases ?? [])];
  if (asked === undefined) {
    const [only] = models ?? [];
    if (models?.length === 1) return { name: only!.id, names: namesOf(only!), found: only };
    throw new DistillError(
      models
        ? `The recipe names no model, and ${url} has ${models.length}: ${listed(models.map(({ id }) => id))}. Name one as teacher.model.`
        : `The recipe names no model, and ${url} has no list of them. Name it as teacher.model.`,
    );
  }
  if (!models || models.length === 0) return { name: asked, names: [asked], found: undefined };
  const exact = models.find((model) => namesOf(model).includes(asked));
  const found = exact ?? models.find((model) => namesOf(model).some((name) => sameModel(name, asked)));
  if (found) return { name: asked, names: [asked, ...namesOf(found)], found };
  throw new DistillError(
    `${url} has no model "${asked}". It has ${listed(models.map(({ id }) => id))}. Name one of them as teacher.model.`,
  );
}

const listed = (names: readonly string[]) =>
  names.length > 12 ? `${names.slice(0, 12).join(", ")} and ${names.length - 12} more` : names.join(", ");
