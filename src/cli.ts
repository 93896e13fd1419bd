#!/usr/bin/env node
/**
 * @file The process of the command line. Commands that compute do so in a process beside it, so that a library which crashes
 * there ends in a sentence.
 */

/** Commands that may open ONNX Runtime, llama.cpp or another library that can take its process with it. */
const COMPUTES = ["run", "sample", "train", "export", "eval", "plan", "score", "chat", "doctor"];

const args = process.argv.slice(2);
const asks = args.some((word) => word === "--help" || word === "-h");
if (COMPUTES.includes(args[0] ?? "") && !asks) (await import("./supervisor.ts")).supervise(args);
else await import("./work.ts");
