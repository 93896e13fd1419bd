/** @file What an adapter's configuration calls the model that it belongs to. */

import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import { parseHubReference } from "../hub/reference.ts";

const OWNER_AND_NAME = /^[\w.-]+\/[\w.-]+$/;

/**
 * What PEFT finds a model by: its name on the hub where there is one, else its folder. `hub` are references of files from the
 * hub, by path; a folder may also lie in Hugging Face's cache, or its config say what it was loaded from.
 */
export const baseName = (path: string, config: Record<string, unknown>, hub: ReadonlyMap<string, string>): string =>
  hubName(path, hub) ?? nameInConfig(config) ?? path;

/** The name on the hub of what lies at `path`, where that says so. */
export function hubName(path: string, hub: ReadonlyMap<string, string>): string | undefined {
  const reference = hub.get(path);
  return (reference && parseHubReference(reference).name) ?? nameInCache(path);
}

/** …/models--Owner--Name/snapshots/COMMIT */
function nameInCache(path: string): string | undefined {
  const snapshots = dirname(path);
  const [kind, owner, name, ...more] = basename(dirname(snapshots)).split("--");
  const known = basename(snapshots) === "snapshots" && kind === "models" && owner && name && more.length === 0;
  return known ? `${owner}/${name}` : undefined;
}

function nameInConfig({ _name_or_path: name }: Record<string, unknown>): string | undefined {
  if (typeof name !== "string" || !OWNER_AND_NAME.test(name) || name.split("/").some((part) => /^\.+$/.test(part)))
    return undefined;
  return existsSync(name) ? undefined : name; // a folder, from where the command runs
}
