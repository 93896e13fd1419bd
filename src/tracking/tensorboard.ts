import { appendFileSync, existsSync, statSync, truncateSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { makeFolder } from "../core/files.ts";
import { contentHash } from "../core/hash.ts";
import { encodeEvent, FILE_VERSION } from "../formats/tensorboard.ts";
import { defineTracker, type Metric } from "./tracker.ts";

const State = z.object({
  /** The file that is written, below the log folder, and how far it is whole. */
  file: z.string(),
  bytes: z.int(),
  series: z.string(),
  /** How many lines of metrics are told, the hash of the last of them, and the results. */
  lines: z.int(),
  last: z.string(),
  results: z.record(z.string(), z.number()),
});
type State = z.output<typeof State>;

export const tensorboard = defineTracker({
  options: z
    .object({
      logdir: z
        .string()
        .min(1)
        .optional()
        .describe("Where event files go, in a folder of the run's name; runs/<name>/tensorboard unless given."),
    })
    .describe("Event files that TensorBoard shows."),
  create:
    ({ logdir }) =>
    ({ path }) => ({
      place: logdir ?? join(path, "tensorboard"),
      async tell(told, remembered, remember) {
        const folder = logdir ? join(logdir, told.name) : join(path, "tensorboard");
        const known = State.safeParse(remembered);
        const earlier = known.success && existsSync(join(folder, known.data.file)) ? known.data : undefined;
        let state = earlier?.series === told.series ? earlier : undefined;
        const now = Date.now() / 1000;
        // a killed run takes back what it logged after its last checkpoint: all is told anew, which takes back the rest
        if (state && lastOf(told.metrics, state.lines) !== state.last) state = undefined;
        const fresh = state === undefined;
        state ??= { file: fileName(now), bytes: 0, series: told.series, lines: 0, last: lastOf([], 0), results: {} };
        const place = join(folder, state.file);
        // what was half written when a process was killed
        if (existsSync(place) && statSync(place).size > state.bytes) truncateSync(place, state.bytes);

        const records: Uint8Array[] = [];
        if (fresh) {
          records.push(encodeEvent({ wall_time: now, file_version: FILE_VERSION }));
          records.push(encodeEvent({ wall_time: now, step: told.metrics[0]?.step ?? 0, start: true }));
          const recipe = Object.entries(told.params).map(([key, value]) => `    ${key}: ${value}`);
          records.push(encodeEvent({ wall_time: now, step: 0, texts: { recipe: recipe.join("\n") } }));
        }
        for (const metric of told.metrics.slice(state.lines)) {
          const scalars = scalarsOf(metric);
          if (Object.keys(scalars).length > 0)
            records.push(encodeEvent({ wall_time: now, step: metric.step ?? 0, scalars }));
        }
        const last = told.metrics.at(-1)?.step ?? 0;
        const results = Object.fromEntries(
          Object.entries(told.results).filter(([name, value]) => state.results[name] !== value),
        );
        if (Object.keys(results).length > 0)
          records.push(encodeEvent({ wall_time: now, step: last, scalars: results }));
        const bytes = Buffer.concat(records);
        if (bytes.length > 0) {
          makeFolder(dirname(place));
          appendFileSync(place, bytes);
        }
        const done: State = {
          ...state,
          bytes: state.bytes + bytes.length,
          lines: told.metrics.length,
          last: lastOf(told.metrics, told.metrics.length),
          results: { ...state.results, ...told.results },
        };
        remember(done);
        return done;
      },
    }),
});

const lastOf = (metrics: readonly Metric[], lines: number) => contentHash(metrics[lines - 1] ?? null);

const scalarsOf = ({ step: _, ...metric }: Metric): Record<string, number> =>
  Object.fromEntries(Object.entries(metric).filter(([, value]) => typeof value === "number"));

let files = 0;
const fileName = (now: number) => `events.out.tfevents.${Math.floor(now)}.${hostname()}.${process.pid}.${files++}`;
