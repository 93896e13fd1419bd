/** @file How a recipe names what lies on the Hugging Face hub: hf:[datasets/]owner/name[@revision][:file]. */

import { DistillError } from "../core/errors.ts";

export type HubReference = {
  type: "model" | "dataset";
  /** owner/name */
  name: string;
  /** A branch, a tag or a commit. */
  revision: string;
  file?: string;
};

export const isHubReference = (path: string): boolean => path.startsWith("hf:");

const SHAPE = /^hf:(datasets\/)?([\w.-]+\/[\w.-]+)(?:@([^:@]+))?(?::(.+))?$/;

export function parseHubReference(text: string): HubReference {
  const [, dataset, name, revision = "main", file] = SHAPE.exec(text) ?? [];
  if (
    !name ||
    name.includes("..") ||
    name.includes("--") ||
    !isInside(revision) ||
    !(file === undefined || isInside(file))
  )
    throw new DistillError(
      `"${text}" is not a reference to the hub. Expected hf:owner/name, with @revision and :file where they are needed, such as hf:owner/name@main:model-q4_0.gguf.`,
    );
  return { type: dataset ? "dataset" : "model", name, revision, ...(file === undefined ? {} : { file }) };
}

export const formatHubReference = ({ type, name, revision, file }: HubReference): string =>
  `hf:${type === "dataset" ? "datasets/" : ""}${name}@${revision}${file === undefined ? "" : `:${file}`}`;

/** Whether a path of another machine stays inside the folder that it is put into. */
const isInside = (path: string) =>
  path.length <= 512 && path.split("/").every((part) => /^[^\\:\0]+$/.test(part) && part !== "." && part !== "..");
