/** @file The trackers that a recipe names: by name alone, or with options. */

import { join, resolve } from "node:path";
import { z } from "zod";
import { create, oneOf } from "../core/component.ts";
import type { Followed } from "./follow.ts";
import * as trackers from "./index.ts";
import type { Place } from "./tracker.ts";

const One = oneOf(trackers);

export const Tracking = z.array(
  z.union([z.enum(Object.keys(trackers) as [keyof typeof trackers]).describe("A tracker with its defaults."), One]),
);
export type Tracking = z.output<typeof Tracking>;

/** With the folders of event files as a recipe in `folder` means them. */
export const withLogFolders = (tracking: Tracking | undefined, folder: string): { tracking?: Tracking } =>
  tracking
    ? {
        tracking: tracking.map((one) =>
          typeof one === "object" && "logdir" in one && typeof one.logdir === "string"
            ? { ...one, logdir: resolve(folder, one.logdir) }
            : one,
        ),
      }
    : {};

/** The trackers, each with what it remembers in a file of `memory`. */
export const openTrackers = (tracking: Tracking, place: Place, memory: string): Followed[] =>
  tracking.map((given, i) => {
    const spec = One.parse(typeof given === "string" ? { type: given } : given) as { type: string };
    const same = tracking.slice(0, i).filter((other) => (typeof other === "string" ? other : other.type) === spec.type);
    const name = same.length > 0 ? `${spec.type}-${same.length + 1}` : spec.type;
    return { name, tracker: create(trackers, spec, "tracker")(place), memory: join(memory, `${name}.json`) };
  });
