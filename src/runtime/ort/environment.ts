/** @file ONNX Runtime in this thread: its environment, of which a process has one, and how sessions are opened in it. */

import type { HostOptions } from "../protocol.ts";
import { OrtLibrary } from "./library.ts";
import { OrtSession } from "./session.ts";

/** Severity of ONNX Runtime's log: what fails is also thrown, and said in a sentence. */
const FATAL = 4;

/** GraphOptimizationLevel. */
const [DISABLED, ALL] = [0, 99];

export type SessionWishes = {
  /** Threads within an op on the CPU, where they are not the host's. */
  threads?: number | undefined;
  /** Let ONNX Runtime rewrite a program that is not in an order of ours. */
  rewrite?: boolean;
  /** Have the device keep its launches, to repeat them in later runs of the same tensors. */
  capture?: boolean;
  /** Have WebGPU's kernels of int64, in which only the lower half of each element counts. */
  int64?: boolean;
};

export class OrtEnvironment {
  readonly ort: OrtLibrary;
  /** What runs are given, which can also be told from another thread to stop. */
  readonly runOptions: bigint;
  readonly #options: HostOptions;
  readonly #env: bigint;
  /** Whether sessions compute with the threads of the process, rather than with their own. */
  #pooled: boolean;
  #profiles = 0;

  constructor(options: HostOptions) {
    this.#options = options;
    this.ort = OrtLibrary.open();
    this.#pooled = options.threads === options.pool;
    this.#env = this.#createEnv(options.pool);
    this.runOptions = this.ort.make("CreateRunOptions");
  }

  get provider(): HostOptions["provider"] {
    return this.#options.provider;
  }

  open(model: Uint8Array | string, wishes: SessionWishes = {}): OrtSession {
    const pooled = this.#pooled && wishes.threads === undefined;
    try {
      return new OrtSession(this.ort, this.#env, model, this.#sessionOptions(wishes, pooled));
    } catch (error) {
      // another library of this process made the environment first, without threads of its own
      if (!pooled || !/CreateEnvWithGlobalThreadPools/.test((error as Error).message)) throw error;
      this.#pooled = false;
      return this.open(model, wishes);
    }
  }

  /** The environment of the process, which is made once and never released: programs may run in other threads. */
  #createEnv(threads: number): bigint {
    const { ort } = this;
    const threading = ort.make("CreateThreadingOptions");
    ort.call("SetGlobalIntraOpNumThreads", threading, threads);
    ort.call("SetGlobalInterOpNumThreads", threading, 1);
    ort.call("SetGlobalDenormalAsZero", threading);
    try {
      return ort.make("CreateEnvWithGlobalThreadPools", FATAL, "distill", threading);
    } finally {
      ort.call("ReleaseThreadingOptions", threading);
    }
  }

  #sessionOptions({ threads, rewrite, ...wishes }: SessionWishes, pooled: boolean): bigint {
    const { ort } = this;
    const { profile, strict, provider } = this.#options;
    const options = ort.make("CreateSessionOptions");
    ort.call("SetSessionLogSeverityLevel", options, FATAL);
    // programs arrive fused and in order; a rewrite would lose the order
    ort.call("SetSessionGraphOptimizationLevel", options, rewrite ? ALL : DISABLED);
    ort.call("DisableMemPattern", options); // its one block for the peak comes on top of what the first run took
    if (pooled) ort.call("DisablePerSessionThreads", options);
    else {
      ort.call("SetIntraOpNumThreads", options, threads ?? this.#options.threads);
      ort.call("SetInterOpNumThreads", options, 1);
    }
    const entries = {
      "session.set_denormal_as_zero": "1",
      // else a session's own threads wait at full speed while another session runs
      ...(pooled ? {} : { "session.force_spinning_stop": "1" }),
      ...(strict && provider !== "cpu" ? { "session.disable_cpu_ep_fallback": "1" } : {}),
    };
    for (const [key, value] of Object.entries(entries)) ort.call("AddSessionConfigEntry", options, key, value);
    if (profile) ort.call("EnableProfiling", options, `${profile}_${++this.#profiles}`); // else two may share a millisecond
    this.#appendProvider(options, wishes);
    return options;
  }

  #appendProvider(options: bigint, { capture, int64 }: SessionWishes): void {
    const { ort } = this;
    const { provider, tf32 = true, device_id = 0, memory_limit } = this.#options;
    if (provider === "webgpu") {
      const settings = {
        preferredLayout: "NCHW", // another would be got by transpositions
        ...(capture ? { enableGraphCapture: "1" } : {}),
        ...(int64 ? { enableInt64: "1" } : {}),
      };
      const [keys, values] = [Object.keys(settings), Object.values(settings)];
      ort.call("SessionOptionsAppendExecutionProvider", options, "WebGPU", keys, values, keys.length);
    }
    if (provider !== "cuda") return;
    const settings: Record<string, string> = {
      device_id: String(device_id),
      use_tf32: tf32 ? "1" : "0",
      arena_extend_strategy: "kSameAsRequested",
      ...(memory_limit === undefined ? {} : { gpu_mem_limit: String(memory_limit) }),
      ...(capture ? { enable_cuda_graph: "1" } : {}),
    };
    const cuda = ort.make("CreateCUDAProviderOptions");
    try {
      const [keys, values] = [Object.keys(settings), Object.values(settings)];
      ort.call("UpdateCUDAProviderOptions", cuda, keys, values, keys.length);
      ort.call("SessionOptionsAppendExecutionProvider_CUDA_V2", options, cuda);
    } finally {
      ort.call("ReleaseCUDAProviderOptions", cuda);
    }
  }
}
