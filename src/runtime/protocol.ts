/** @file What the main thread asks of the worker thread that owns the sessions, and what it answers. */

import type { Loop } from "../compiler/loop.ts";
import type { OnnxValueInfo } from "../formats/onnx.ts";
import type { Tensor } from "./tensor.ts";

export const PROVIDERS = ["cpu", "webgpu", "cuda"] as const;
export type Provider = (typeof PROVIDERS)[number];

export type HostOptions = {
  provider: Provider;
  /** Threads within an op, and for loops over states in host memory; 0 is one a core. */
  threads: number;
  /** Refuse a program of which any node would run on the CPU instead of the device. */
  strict: boolean;
  /** Write ONNX Runtime's profile of every session to files that start so. */
  profile?: string | undefined;
  /** Threads that all sessions of the process compute with, unless they are to have another number. */
  pool: number;
  /** On CUDA: multiply float32 in TF32. */
  tf32?: boolean | undefined;
  /** On CUDA: which card, from 0. */
  device_id?: number | undefined;
  /** On CUDA: bytes of the card's memory that each session takes at most. */
  memory_limit?: number | undefined;
};

export type CompileOptions = {
  /** The outputs that stay on the device as state. */
  keep: readonly string[];
  /**
   * Those of `keep` that are forgotten before the program runs again: on a device whose states are in host memory they take
   * what the program has freed of its own memory, and give it back.
   */
  passing?: readonly string[];
  /**
   * Inputs by the outputs that are written over the states they are read from, by kernels that follow all that read these. In
   * a program that is captured they are those states with a part overwritten, which is the same however often it is done.
   */
  over?: Readonly<Record<string, string>>;
  /**
   * States in host memory by the outputs that are written to their ends, along the first axis. The program reads such a state
   * as the input of its name, with what this run adds: it must compute the output first (`After` says so). Nothing is copied.
   */
  grow?: Readonly<Record<string, string>>;
  /** Threads within an op on the CPU, where they are not the device's. */
  threads?: number;
  /** Have a GPU repeat the launches of the first run of the same tensors. What is fed has few shapes, and no state is both read and written. */
  capture?: boolean;
};

/** Which states a run reads and writes, where they are not called like the program's inputs and outputs. */
export type Bindings = {
  reads?: Record<string, string>;
  writes?: Record<string, string>;
  /** How long the states are that the program grows, with the last `count`, which this run adds. */
  growth?: { length: number; count: number };
  /** States in host memory of which only so much is read, along the first axis. */
  lengths?: Record<string, number>;
};

/** One run of a loop over states in host memory. */
export type LoopRun = Bindings & { scalars?: Record<string, number> };

export type Requests = {
  /** Answers where another thread may say that runs are to stop: the address of ONNX Runtime's run options. */
  open: { request: HostOptions; response: bigint };
  /** Let runs go on after one was stopped. */
  proceed: { request: undefined; response: undefined };
  compile: {
    request: {
      bytes: Uint8Array;
      outputs: readonly OnnxValueInfo[];
      inputs: readonly OnnxValueInfo[];
    } & CompileOptions;
    response: number;
  };
  load: {
    request: { path: string };
    response: { program: number; inputs: readonly OnnxValueInfo[]; outputs: readonly OnnxValueInfo[] };
  };
  compileLoop: { request: Loop; response: number };
  runLoop: { request: { loop: number; runs: readonly LoopRun[] }; response: number };
  run: {
    request: { program: number; feeds: Record<string, Tensor>; bindings: Bindings };
    response: Record<string, Tensor>;
  };
  write: { request: { name: string; tensor: Tensor }; response: undefined };
  read: { request: { name: string }; response: Tensor };
  states: { request: undefined; response: string[] };
  forget: { request: { names: readonly string[] }; response: undefined };
  release: { request: { program: number }; response: undefined };
  memory: { request: undefined; response: { peak_rss_mb: number } };
  close: { request: undefined; response: undefined };
};

export type Method = keyof Requests;
export type Call = { id: number; method: Method; request: unknown };
export type Answer = {
  id: number;
  response?: unknown;
  error?: { message: string; kind: "stopped" | "mendable" | "fault"; stack?: string | undefined };
};
