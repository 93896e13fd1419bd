import { readFileSync } from "node:fs";

/** The op types of ONNX Runtime's profile in the order in which they ran; a node with a body comes after the body's nodes. */
export function ranOps(path: string): string[] {
  const events = JSON.parse(readFileSync(path, "utf8")) as Event[];
  return events
    .filter(({ name }) => name.endsWith("_kernel_time"))
    .sort((a, b) => a.ts + a.dur - (b.ts + b.dur))
    .map(({ args }) => args!.op_name!);
}

type Event = { name: string; ts: number; dur: number; args?: { op_name?: string } };
