import { ownPackage } from "../core/package.ts";

/** What goes into a result beside its inputs: this package, Node and the runtimes. */
export function versions(): Record<string, string> {
  const { version, dependencies } = ownPackage();
  const runtimes = ["onnxruntime-node", "node-llama-cpp", "@huggingface/transformers"];
  return {
    distill: version,
    node: process.versions.node,
    ...Object.fromEntries(runtimes.map((name) => [name, dependencies[name]!])),
  };
}
