import { existsSync } from "node:fs";
import { relative } from "node:path";
import { z } from "zod";
import { contentHash, sha256 } from "../core/hash.ts";
import { readFile } from "../core/streams.ts";
import { defineTracker, type Told } from "./tracker.ts";

const State = z.object({
  run_id: z.string(),
  artifact_uri: z.string(),
  series: z.string(),
  /** By name the last step that is told. */
  steps: z.record(z.string(), z.number()),
  params: z.record(z.string(), z.string()),
  results: z.record(z.string(), z.number()),
  tags: z.string(),
  /** The checksum of each file that was sent. */
  files: z.record(z.string(), z.string()),
  status: z.string(),
  /** The time of points of which nobody knows whether they came: told again with it, they are the same points. */
  sending: z.number().nullable(),
});
type State = z.output<typeof State>;

const STATUS = { finished: "FINISHED", stopped: "KILLED", failed: "FAILED" } as const;

/** What one request may hold. */
const [METRICS, PARAMS, LONGEST] = [1000, 100, 500];
const TIMEOUT = 10_000; // ms

export const mlflow = defineTracker({
  options: z
    .object({
      tracking_uri: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe("The server; MLFLOW_TRACKING_URI unless given, else http://127.0.0.1:5000."),
      experiment: z
        .string()
        .min(1)
        .optional()
        .describe("The experiment's name; MLFLOW_EXPERIMENT_NAME unless given, else distill."),
      artifacts: z.boolean().default(true).describe("Whether the report, the curves and the manifest are sent, too."),
    })
    .describe("An MLflow server, over its REST API; secrets are in MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD."),
  create:
    ({ tracking_uri, experiment, artifacts }) =>
    ({ path, env }) => {
      const server = (tracking_uri ?? env.MLFLOW_TRACKING_URI ?? "http://127.0.0.1:5000").replace(/\/+$/, "");
      const named = experiment ?? env.MLFLOW_EXPERIMENT_NAME ?? "distill";
      const authorization = credentials(env);

      async function ask<Found = unknown>(
        path: string,
        body: string | Uint8Array<ArrayBuffer> | undefined,
        signal: AbortSignal,
        method = "POST",
      ): Promise<Found> {
        const response = await fetch(`${server}/api/2.0/${path}`, {
          method,
          redirect: "error",
          headers: {
            "content-type": typeof body === "string" ? "application/json" : "application/octet-stream",
            ...(authorization ? { authorization } : {}),
          },
          ...(body === undefined ? {} : { body }),
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
        });
        const text = await response.text();
        if (!response.ok) throw new Refused(response.status, text);
        return (text === "" ? {} : JSON.parse(text)) as Found;
      }
      const post = <Found = unknown>(path: string, body: object, signal: AbortSignal) =>
        ask<Found>(`mlflow/${path}`, JSON.stringify(body), signal);

      async function experimentId(signal: AbortSignal): Promise<string> {
        type Found = { experiment: { experiment_id: string } };
        const query = `mlflow/experiments/get-by-name?experiment_name=${encodeURIComponent(named)}`;
        try {
          return (await ask<Found>(query, undefined, signal, "GET")).experiment.experiment_id;
        } catch (error) {
          if (!(error instanceof Refused) || error.status !== 404) throw error;
          return (await post<{ experiment_id: string }>("experiments/create", { name: named }, signal)).experiment_id;
        }
      }

      /** A run there, looked for by what names it here before one is made: the answer to a request may have been lost. */
      async function runOf(told: Told, signal: AbortSignal): Promise<State> {
        const experiment_id = await experimentId(signal);
        const filter = `tags.\`distill.series\` = '${told.series}'`;
        type Run = { info: { run_id: string; artifact_uri: string } };
        const { runs = [] } = await post<{ runs?: Run[] }>(
          "runs/search",
          { experiment_ids: [experiment_id], filter, max_results: 1 },
          signal,
        );
        const tags = Object.entries({ ...told.tags, "distill.series": told.series, "mlflow.source.name": "distill" });
        const made =
          runs[0] ??
          (
            await post<{ run: Run }>(
              "runs/create",
              {
                experiment_id,
                run_name: told.name,
                start_time: Date.now(),
                tags: tags.map(([key, value]) => ({ key, value })),
              },
              signal,
            )
          ).run;
        const { run_id, artifact_uri } = made.info;
        const nothing = { steps: {}, params: {}, results: {}, files: {}, tags: "", status: "RUNNING", sending: null };
        return { run_id, artifact_uri, series: told.series, ...nothing };
      }

      async function tell(
        told: Told,
        remembered: unknown,
        remember: (state: object) => void,
        signal: AbortSignal,
      ): Promise<State> {
        const known = State.safeParse(remembered);
        let state = known.success && known.data.series === told.series ? known.data : undefined;
        state ??= await runOf(told, signal);
        const keep = (change: Partial<State>) => {
          state = { ...state!, ...change };
          remember(state);
        };
        keep({});
        const { run_id } = state;
        const status = told.ending ? STATUS[told.ending] : "RUNNING";
        if (status === "RUNNING" && state.status !== status) {
          await post("runs/update", { run_id, status }, signal);
          keep({ status });
        }
        // a parameter is said once: another value later is a tag
        const [params, changed]: [typeof state.params, Record<string, string>] = [{}, {}];
        for (const [key, value] of Object.entries(told.params).map(
          ([key, value]) => [key, value.slice(0, LONGEST)] as const,
        ))
          if (!(key in state.params)) params[key] = value;
          else if (state.params[key] !== value) changed[`changed.${key}`] = value;
        const tags = { ...told.tags, ...changed };
        for (const some of inPieces(Object.entries(params), PARAMS)) {
          await post("runs/log-batch", { run_id, params: pairs(some) }, signal);
          keep({ params: { ...state.params, ...Object.fromEntries(some) } });
        }
        if (contentHash(tags) !== state.tags) {
          for (const some of inPieces(Object.entries(tags), PARAMS))
            await post("runs/log-batch", { run_id, tags: pairs(some) }, signal);
          keep({ tags: contentHash(tags) });
        }
        const time = () => {
          const timestamp = state!.sending ?? Date.now();
          keep({ sending: timestamp });
          return timestamp;
        };
        const rows = told.metrics.flatMap(({ step = 0, ...metric }) =>
          Object.entries(metric).flatMap(([key, value]) =>
            typeof value === "number" && step > (state!.steps[key] ?? -1)
              ? [{ key: keyOf(key), name: key, value, step }]
              : [],
          ),
        );
        for (const some of inPieces(rows, METRICS)) {
          const timestamp = time();
          const metrics = some.map(({ key, value, step }) => ({ key, value, step, timestamp }));
          await post("runs/log-batch", { run_id, metrics }, signal);
          const steps = { ...state.steps };
          for (const { name, step } of some) steps[name] = Math.max(steps[name] ?? -1, step);
          keep({ steps, sending: null });
        }
        const last = told.metrics.at(-1)?.step ?? 0;
        const results = Object.entries(told.results).filter(([name, value]) => state!.results[name] !== value);
        for (const some of inPieces(results, METRICS)) {
          const timestamp = time();
          const metrics = some.map(([name, value]) => ({ key: keyOf(name), value, step: last, timestamp }));
          await post("runs/log-batch", { run_id, metrics }, signal);
          keep({ results: { ...state.results, ...Object.fromEntries(some) }, sending: null });
        }
        if (artifacts && told.ending) await sendFiles(told, state, keep, signal);
        if (status !== state.status) {
          await post(
            "runs/update",
            { run_id, status, ...(status === "RUNNING" ? {} : { end_time: Date.now() }) },
            signal,
          );
          keep({ status });
        }
        return state;
      }

      /** Through the server, where it keeps artefacts; other stores have keys of their own and are left alone. */
      async function sendFiles(
        told: Told,
        { artifact_uri, files }: State,
        keep: (change: Partial<State>) => void,
        signal: AbortSignal,
      ): Promise<void> {
        const [, place] = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.+)$/.exec(artifact_uri) ?? [];
        if (place === undefined) return;
        const sent = { ...files };
        for (const file of told.files) {
          if (!existsSync(file)) continue;
          const name = relative(path, file);
          const hash = sha256(file);
          if (sent[name] === hash) continue;
          const target = `${place}/${name}`.split("/").map(encodeURIComponent).join("/");
          await ask(`mlflow-artifacts/artifacts/${target}`, new Uint8Array(readFile(file)), signal, "PUT");
          sent[name] = hash;
          keep({ files: sent });
        }
      }

      return { place: server, tell };
    },
});

class Refused extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(`it answered ${status}: ${said(text)}`);
    this.status = status;
  }
}

/** What MLflow says in its errors, or the beginning of what else it sent. */
function said(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: string }).message ?? text).slice(0, 200);
  } catch {
    return text.slice(0, 80).replace(/\s+/g, " ");
  }
}

function credentials(env: Record<string, string | undefined>): string | undefined {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = env;
  if (token) return `Bearer ${token}`;
  return user ? `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}` : undefined;
}

/** A name as MLflow takes it: letters, digits, _ - . space : and /. */
const keyOf = (name: string) => name.replace(/@/g, "_at_").replace(/[^\w\-. :/]/g, "_");

const pairs = (entries: readonly (readonly [string, string])[]) =>
  entries.map(([key, value]) => ({ key: keyOf(key), value }));

function* inPieces<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
