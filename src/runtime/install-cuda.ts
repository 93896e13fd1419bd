/** @file ONNX Runtime's CUDA provider, which its npm package leaves out, got by that package's own script. */

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { readJson } from "../core/reading.ts";
import { packageRoot } from "./ort/library.ts";

const LIBRARIES = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** The script says what it does through `say`. Returns the files that are then there. */
export async function installCuda(say: (line: string) => void, signal: AbortSignal): Promise<string[]> {
  const root = packageRoot();
  const { version } = readJson(join(root, "package.json"), "onnxruntime-node's package.json") as { version: string };
  const place = `${process.platform}/${process.arch}`;
  if (place !== "linux/x64")
    throw new DistillError(
      `There is no CUDA provider for onnxruntime-node on ${place}, only on linux/x64. Use device: webgpu.`,
    );
  const folder = join(root, "bin", "napi-v6", place);
  const script = join(root, "script", "install.js");
  say(`Running ${script} with ONNXRUNTIME_NODE_INSTALL=cuda12: it downloads ONNX Runtime ${version}'s libraries for`);
  say(`CUDA 12, some hundred MB, from the feed that it names, and puts ${LIBRARIES.join(" and ")} into ${folder}.`);
  const { code, said } = await runScript(script, root, say, signal);
  const files = LIBRARIES.map((name) => join(folder, name));
  const missing = files.filter((file) => !existsSync(file) || statSync(file).size === 0);
  if (code === 0 && missing.length === 0) return files;
  const why =
    /^(?:\w*Error: |.*\[)(.*)$/m.exec(said)?.[1] ?? (said.trim().split("\n").at(-1) || `it ended with ${code}`);
  throw new DistillError(
    `ONNX Runtime's CUDA provider was not installed: ${why.replace(/[.\s]+$/, "")}. Where the network does not allow the download, take ${LIBRARIES.join(" and ")} from ONNX Runtime ${version}'s GPU package (its release archive, or the Python wheel onnxruntime-gpu) and put them into ${folder}.`,
  );
}

function runScript(script: string, cwd: string, say: (line: string) => void, signal: AbortSignal) {
  // run by npm in a project's own folder, the script takes it for ONNX Runtime's and does nothing
  const { npm_package_json: _, ...ours } = process.env;
  const env = { ...ours, ONNXRUNTIME_NODE_INSTALL: "cuda12" };
  const child = spawn(process.execPath, [script], { cwd, env, stdio: ["ignore", "pipe", "pipe"], signal });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.trim().split("\n")) say(line);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000);
  });
  return new Promise<{ code: number | null; said: string }>((resolve) => {
    child.on("error", (error) => resolve({ code: null, said: error.message }));
    child.on("close", (code) => resolve({ code, said }));
  });
}
