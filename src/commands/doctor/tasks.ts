/** @file What doctor finds out in processes of their own, so that it always ends with a report. */

import { fork } from "node:child_process";
import { moduleUrl } from "../../core/modules.ts";
import { type Device, openDevice } from "../../runtime/device.ts";
import { measureSpellings } from "../../runtime/measure-spellings.ts";
import { measureLargeMatMul } from "../../runtime/probe.ts";
import type { Provider } from "../../runtime/protocol.ts";
import { keepSpelling } from "../../runtime/spellings.ts";
import { describeLlama } from "../../teachers/llama-cpp/start.ts";
import { whyNoHalf } from "../../trainers/precision.ts";
import { trainToy } from "../../trainers/toy.ts";

export const TASKS = {
  /** The toy trained on a device, no node of its programs on the CPU if it is WebGPU, and a product timed. */
  device: async (name: Provider) => {
    const device = await openDevice(name, { strict: name === "webgpu" });
    const { losses, train_step_ms } = await trainToy(device);
    const matmul = await measureLargeMatMul(device);
    const products = device.spelling && (await measureProducts(device, matmul.gflops));
    return { losses, train_step_ms, matmul_gflops: matmul.gflops, matmul_size: matmul.size, products };
  },
  /** What llama.cpp computes on. */
  llama: describeLlama,
};

/** Which spelling of products is fastest on this adapter, which is kept for what is trained on it from now on. */
async function measureProducts(device: Device, gflops: number) {
  const half = (await whyNoHalf(device)) === undefined;
  const { spelling, measured } = await measureSpellings(device, gflops, half ? ["float32", "float16"] : ["float32"]);
  return { spelling, measured, kept_in: keepSpelling(spelling) };
}

type Tasks = typeof TASKS;
export type Found<Task extends keyof Tasks> = Awaited<ReturnType<Tasks[Task]>>;

export type Outcome<Task extends keyof Tasks> = { found: Found<Task> } | { reason: string };

/** What a task finds, or why it does not come back: an error, a crash, or more than `time_limit` seconds. */
export function tryTask<Task extends keyof Tasks>(task: Task, argument = "", time_limit = 120): Promise<Outcome<Task>> {
  const child = fork(moduleUrl("commands/doctor/child.js"), [task, argument], { silent: true });
  let said = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000);
    });
  return new Promise((resolve) => {
    const settle = (outcome: Outcome<Task>) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      resolve(outcome);
    };
    const timer = setTimeout(
      () => settle({ reason: `It did not end within ${time_limit} s, and was stopped.` }),
      time_limit * 1000,
    );
    child.on("message", (outcome) => settle(outcome as Outcome<Task>));
    child.on("error", ({ message }) => settle({ reason: message }));
    child.on("close", (code, signal) => settle({ reason: howItEnded(signal ?? `code ${code}`, said) }));
  });
}

function howItEnded(how: string, said: string): string {
  const lines = said.split("\n").filter((line) => line.trim() && !/^Node\.js v|^\s+at /.test(line));
  const last = lines.find((line) => /error/i.test(line)) ?? lines.at(-1);
  return `Its process ended with ${how}${last ? `: ${last.trim().slice(0, 300)}` : ""}.`;
}
