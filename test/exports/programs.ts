/** @file The programs that exports are tried in, each with its versions, oldest first. */

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { create } from "../../src/core/component.ts";
import * as teachers from "../../src/teachers/index.ts";
import { openLlamaEncoder } from "../../src/teachers/llama-encoder.ts";
import { installLlamaServer, startLlamaServer } from "../servers/llama-server.ts";
import { resultOfPage, whyNoBrowser } from "../support/browser.ts";
import { halfChromium } from "../support/half-chromium.ts";
import { npm, python } from "./installed.ts";
import type { Answer, Asked, Program } from "./job.ts";

const run = promisify(execFile);
/** Debian's Chromium alone has no shader-f16 in software. */
const HALF = halfChromium();
const MOST = { maxBuffer: 1 << 28, timeout: 30 * 60_000 };

/** A job in a file, and what a process made of it. */
async function inProcess<Result>(
  asked: readonly Asked[],
  work: (job: string, folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "exports-job-"));
  try {
    const job = join(folder, "job.json");
    writeFileSync(job, JSON.stringify(asked));
    return await work(job, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const onnxruntimePython = (version: string): Program => ({
  name: "onnxruntime (Python)",
  version,
  format: "onnx",
  stops: false,
  answer: (asked) =>
    inProcess(asked, async (job) => {
      const found = python(`onnxruntime-${version}`, [`onnxruntime==${version}`, "onnx", "tokenizers", "numpy"]);
      if (typeof found === "string") return found;
      const { stdout } = await run(found.python, [resolve("test/exports/python_child.py"), job], MOST);
      return JSON.parse(stdout.trim().split("\n").at(-1)!) as Answer[];
    }),
});

/** The one that this package has, or one in a folder of its own. */
function transformersAt(version: string): { modules: string } | string {
  return version === own.version
    ? { modules: resolve("node_modules") }
    : npm(`transformers-${version}`, [`@huggingface/transformers@${version}`]);
}

const versionIn = (modules: string, name: string) =>
  JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version as string;
const own = { version: versionIn("node_modules", "@huggingface/transformers") };

const transformersNode = (version: string): Program => ({
  name: "transformers.js in Node",
  version,
  ...(version === "3.0.2" ? { knows: ["llama", "qwen2"] } : {}),
  format: "onnx",
  stops: true,
  answer: (asked) =>
    inProcess(asked, async (job, folder) => {
      const found = transformersAt(version);
      if (typeof found === "string") return found;
      runtimes.set(`node ${version}`, `onnxruntime-node ${versionIn(found.modules, "onnxruntime-node")}`);
      const entry = createRequire(join(found.modules, "x.js")).resolve("@huggingface/transformers");
      const out = join(folder, "answers.json");
      await run(process.execPath, [join(import.meta.dirname, "transformers-child.js"), entry, job, out], MOST);
      return JSON.parse(readFileSync(out, "utf8")) as Answer[];
    }),
});

/** What each program turned out to run on. */
const runtimes = new Map<string, string>();

const transformersBrowser = (version: string, device: "wasm" | "webgpu"): Program => ({
  name: `transformers.js in Chromium, ${device}`,
  version,
  format: "onnx",
  stops: true,
  ...(device === "webgpu" && typeof HALF === "string" ? { lacks: { fp16: HALF, q4f16: HALF } } : {}),
  async answer(asked) {
    const none = whyNoBrowser();
    if (none) return none;
    const found = transformersAt(version);
    if (typeof found === "string") return found;
    runtimes.set(`${device} ${version}`, `onnxruntime-web ${versionIn(found.modules, "onnxruntime-web")}`);
    const dist = join(found.modules, "@huggingface/transformers/dist");
    const names = ["ort-wasm-simd-threaded.asyncify.wasm", "ort-wasm-simd-threaded.jsep.wasm"];
    const ort = names.some((name) => existsSync(join(dist, name))) ? dist : join(found.modules, "onnxruntime-web/dist");
    const folders = Object.fromEntries(
      [...new Set(asked.map(({ folder }) => folder))].map((folder, i) => [`m${i}`, folder]),
    );
    const placed = asked.map((one) => ({
      ...one,
      folder: Object.keys(folders).find((key) => folders[key] === one.folder),
    }));
    const screenshot = resolve(".build/screenshots/exports.png");
    mkdirSync(dirname(screenshot), { recursive: true });
    const page = PAGE.replace("JOB", JSON.stringify(placed).replaceAll("<", "\\u003c")).replace("DEVICE", device);
    const result = await resultOfPage(page, { ...folders, tjs: dist, ort }, screenshot, {
      webgpu: device === "webgpu",
      seconds: 1800,
      half: device === "webgpu" && typeof HALF !== "string" ? HALF : undefined,
    });
    return (result as { error?: string }).error ?? (result as { answers: Answer[] }).answers;
  },
});

const PAGE = `<!doctype html><meta charset="utf-8"><img src="/done" alt="">
<script type="module">
const post = (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) });
try {
  const { AutoModelForCausalLM, AutoTokenizer, env } = await import("/tjs/transformers.min.js");
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.useBrowserCache = false;
  env.localModelPath = "/";
  env.backends.onnx.wasm.wasmPaths = "/ort/";
  env.backends.onnx.wasm.numThreads = 1;
  const answers = [];
  for (const { folder, dtype, texts, encode, max_new_tokens } of JOB)
    try {
      const tokenizer = await AutoTokenizer.from_pretrained(folder);
      const model = await AutoModelForCausalLM.from_pretrained(folder, { dtype, device: "DEVICE" });
      const inputs = (text) => tokenizer(text, { add_special_tokens: false });
      const encoded = [...texts, ...encode].map((text) => (text === "" ? [] : inputs(text).input_ids.tolist()[0].map(Number)));
      const continued = [];
      for (const [i, text] of texts.entries()) {
        const output = await model.generate({ ...inputs(text), max_new_tokens, do_sample: false });
        continued.push(output.tolist()[0].slice(encoded[i].length).map(Number));
      }
      await model.dispose();
      answers.push({ encoded, continued });
    } catch (error) {
      answers.push({ error: String(error?.message ?? error).slice(0, 200) });
    }
  await post({ answers });
} catch (error) {
  await post({ error: String(error?.message ?? error) });
}
</script>`;

const GREEDY = { temperature: 0, top_p: 1, top_k: 0, min_p: 0, stop: [], top_logprobs: 0 };

const nodeLlama: Program = {
  name: "node-llama-cpp",
  version: versionIn("node_modules", "node-llama-cpp"),
  format: "gguf",
  stops: true,
  async answer(asked) {
    const answers: Answer[] = [];
    for (const { path, texts, encode, max_new_tokens } of asked) {
      const spec = {
        type: "llama_cpp",
        path,
        gpu: false,
        context_size: 256,
        sequences: 1,
        threads: 1,
        chat_template: "plain",
      };
      const teacher = await create(teachers, { batch_size: undefined, ...spec } as { type: string }, "teacher");
      const continued: number[][] = [];
      const requests = texts.map((prompt) => ({ prompt, seed: 1 }));
      for await (const { index, generation, error } of teacher.generate(requests, {
        ...GREEDY,
        max_completion_length: max_new_tokens,
      }))
        if (error === undefined) continued[index] = generation!.token_ids;
      await teacher.close();
      const encoder = await openLlamaEncoder(path);
      const encoded = [...texts, ...encode].map((text) => encoder.encode(text));
      await encoder.close();
      answers.push({ encoded, continued });
    }
    return answers;
  },
};

const llamaServer: Program = {
  name: "llama-server",
  version: "0.10434.0",
  format: "gguf",
  stops: true,
  async answer(asked) {
    const found = installLlamaServer();
    if (typeof found === "string") return found;
    const answers: Answer[] = [];
    for (const { path, texts, encode, max_new_tokens } of asked) {
      const server = await startLlamaServer(found.binary, { model: path, slots: 1, context: 256, threads: 1 });
      const post = async (place: string, body: object) =>
        (await (await fetch(`${server.url}${place}`, { method: "POST", body: JSON.stringify(body) })).json()) as Record<
          string,
          number[]
        >;
      const [encoded, continued]: [number[][], number[][]] = [[], []];
      for (const content of [...texts, ...encode])
        encoded.push((await post("/tokenize", { content, add_special: false, parse_special: true })).tokens!);
      for (const prompt of texts) {
        const asked = { prompt, n_predict: max_new_tokens, temperature: 0, return_tokens: true, cache_prompt: false };
        continued.push((await post("/completion", asked)).tokens!);
      }
      await server.stop();
      answers.push({ encoded, continued });
    }
    return answers;
  },
};

const llamaPython = (version: string): Program => ({
  name: "llama-cpp-python",
  version,
  format: "gguf",
  stops: true,
  answer: (asked) =>
    inProcess(asked, async (job) => {
      // its registry has the sources alone
      const found = python(`llama-cpp-python-${version}`, [`llama-cpp-python==${version}`], { minutes: 45 });
      if (typeof found === "string") return found;
      const { stdout } = await run(found.python, [resolve("test/exports/llama_child.py"), job], MOST);
      return JSON.parse(stdout.trim().split("\n").at(-1)!) as Answer[];
    }),
});

export const PROGRAMS: readonly Program[] = [
  ...["1.20.1", "1.21.1", "1.22.1", "1.23.2", "1.32.0"].map(onnxruntimePython),
  ...["3.0.2", "3.8.1", "4.0.1", own.version].map(transformersNode),
  ...["3.8.1", own.version].flatMap((version) =>
    (["wasm", "webgpu"] as const).map((device) => transformersBrowser(version, device)),
  ),
  nodeLlama,
  llamaServer,
  llamaPython("0.3.36"),
];

export const labelOf = ({ name, version }: Program): string => {
  const kind = /Node$/.test(name) ? "node" : /wasm$/.test(name) ? "wasm" : /webgpu$/.test(name) ? "webgpu" : "";
  const on = runtimes.get(`${kind} ${version}`);
  return `${name} ${version}${on ? ` (${on})` : ""}`;
};
