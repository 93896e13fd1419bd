/** @file The code reward: a program judged by tests, in a sandbox. */

import { z } from "zod";
import { fencedBlocks } from "./fences.ts";
import { outputDifference } from "./output.ts";
import { answerPart } from "./parts.ts";
import { programIn } from "./program.ts";
import { readTests, type Tests } from "./published-tests.ts";
import { defineReward, type Score } from "./reward.ts";
import { openBubblewrap } from "./sandbox/bubblewrap.ts";
import { openSandbox, type Request, type Sandbox } from "./sandbox/process.ts";
import type { Language, Limits, Outcome } from "./sandbox/protocol.ts";

const language = z.enum(["python", "javascript"]);

const MAX_REFERENCE = 64 << 20;

/**
 * Runs the program that a completion holds after its reasoning (see program.ts). `answer` is JSON: a row of LiveCodeBench,
 * HumanEval, MBPP or APPS as it is published (see published-tests.ts), or one of
 *
 *     {"language": "python", "stdin_tests": [{"input": "1 2\n", "output": "3\n"}, …]}
 *     {"language": "javascript", "assertions": ["assert.strictEqual(add(1, 2), 3)", …]}
 *
 * with `language` optional. An assertion is a piece of code that throws where the program is wrong (`assert` in Python;
 * `assert` and its methods in JavaScript). It runs in an interpreter of its own, where the names that the program defines
 * are references: calls go to the program's interpreter and plain values come back, so the program sees neither the
 * expected values nor the comparison. Objects without a plain value equal none; a callback or an object of its own that a
 * test hands over is called back. A test should define or import what it uses beside the program: a name that only the
 * program has is the program's, and its `__main__` guard is not run.
 *
 * Score: the share of tests passed, or 1 for all and 0 otherwise. No test sees what another left behind. A limit reached
 * is a failed test; a sandbox that fails is `infra_error` with score null; an answer that is no tests is `unknown`, and so
 * is a test that needs what is not there. Source: DeepSeek-R1 2.2.2 (tests as the reward for code).
 */
export const code = defineReward({
  needsAnswer: true,
  ownThread: true,
  version: "3",
  options: z
    .strictObject({
      language: language.default("python").describe("The program's language where the reference does not say it."),
      score: z
        .enum(["share", "all"])
        .default("share")
        .describe("The share of tests that pass, or 1 for all and 0 otherwise."),
      time_limit: z.number().positive().default(6).describe("Seconds of a program's own time for one test."),
      memory_mb: z.int().min(64).max(4096).default(512).describe("Megabytes for one test."),
      output_limit: z
        .int()
        .positive()
        .default(1 << 20)
        .describe("Bytes that a program may print."),
      numbers: z
        .enum(["text", "decimal", "value"])
        .optional()
        .describe(
          "Whether numbers in an output are compared as they are written, as exact decimals, or within the tolerance; decimal for rows of LiveCodeBench and APPS unless given, otherwise text.",
        ),
      tolerance: z.number().min(0).default(1e-6).describe("How far values may be apart, relative to the larger."),
      processes: z
        .int()
        .positive()
        .default(1)
        .describe("Programs that run at once; each WebAssembly interpreter takes some 300 MB."),
      engine: z
        .enum(["auto", "wasm", "bubblewrap"])
        .default("auto")
        .describe("auto takes bubblewrap with the system's python3 for Python where both work."),
    })
    .describe("The share of tests that the last block of code passes, in a sandbox."),
  create(options) {
    const limits: Limits = {
      time_ms: options.time_limit * 1000,
      memory_mb: options.memory_mb,
      output_bytes: options.output_limit,
    };
    const run = runner(options);
    return async ({ completion, answer, finish_reason }) => {
      const tests = testsIn(answer);
      if (typeof tests === "string") return { score: null, verdict: "unknown", reason: tests };
      const asked = tests.language ?? options.language;
      const { before = "", names } = tests;
      const program = programIn(completion, { language: asked, names }) ?? continued(completion, before, names);
      if (program === undefined) {
        if (finish_reason === "length") return { score: 0, verdict: "truncated", reason: "cut before a program" };
        return { score: 0, verdict: "incorrect", extracted: null, reason: `no fenced block of ${asked}` };
      }
      const numbers = options.numbers ?? tests.numbers ?? "text";
      const judged = await judge(tests, program, (request) => run(asked, request), { ...options, numbers, limits });
      const cut = judged.verdict === "incorrect" && finish_reason === "length" && isOpen(completion);
      return cut ? { ...judged, verdict: "truncated", reason: "cut inside the program" } : judged;
    };
  },
});

const isOpen = (completion: string) => fencedBlocks(completion).at(-1)?.closed === false;

function testsIn(answer: string | undefined): Tests | string {
  if (answer === undefined) return "no tests";
  if (answer.length > MAX_REFERENCE) return "the tests are too long";
  try {
    return readTests(JSON.parse(answer));
  } catch {
    return "the answer is not JSON";
  }
}

/**
 * A text without a block may continue the beginning of a function or be the program, also between the marks of MBPP's examples,
 * as models without a chat template write.
 */
function continued(completion: string, before: string, names: readonly string[]): string | undefined {
  const body = answerPart(completion)
    .replace(/^\s*\[BEGIN\][ \t]*\n/, "")
    .replace(/^\[DONE\][\s\S]*/m, "");
  if (fencedBlocks(body).length > 0) return undefined;
  const begun = names.some((name) => before.includes(`def ${name}`));
  const isBody = begun && /^(?:[ \t]+\S|\s*return\b)/.test(body.replace(/^\s*\n/, ""));
  const isWhole = /^\s*(?:(?:async|def|from|import|class)\b|@)/.test(body);
  return isBody || (isWhole && (begun || names.some((name) => defines(body, name)))) ? body : undefined;
}

const defines = (text: string, name: string): boolean =>
  text.split("\n").some((line) => /^\s*(?:async\s+)?(?:def|class)\s+(\w+)/.exec(line)?.[1] === name);

type Judging = {
  score: "share" | "all";
  limits: Limits;
  numbers: "text" | "decimal" | "value";
  tolerance: number;
};

async function judge(
  tests: Tests,
  solution: string,
  run: (request: Request) => Promise<Outcome>,
  options: Judging,
): Promise<Score> {
  const { limits } = options;
  const program = tests.before ? joined(tests.before, solution) : solution;
  const requests: { request: Request; output?: string }[] =
    "stdin" in tests
      ? tests.stdin.map(({ input, output }) => ({ request: { kind: "stdin", program, stdin: input, limits }, output }))
      : tests.assertions.map((test) => ({ request: { kind: "assertion", program, test, limits } }));

  let passed = 0;
  let reason = "";
  for (const [i, { request, output }] of requests.entries()) {
    const outcome = await run(request);
    if (outcome.status === "crashed")
      return { score: null, verdict: "infra_error", extracted: solution, reason: outcome.reason };
    if (outcome.status === "unreadable")
      return { score: null, verdict: "unknown", extracted: solution, reason: outcome.reason };
    const failure =
      outcome.status !== "finished"
        ? outcome.reason
        : output === undefined
          ? undefined
          : outputDifference(outcome.stdout, output, options);
    if (failure === undefined) passed++;
    else reason ||= `test ${i + 1} of ${requests.length}: ${failure}`;
    if (failure !== undefined && options.score === "all") break;
  }
  const all = passed === requests.length;
  return {
    score: options.score === "all" ? Number(all) : passed / requests.length,
    verdict: all ? "correct" : "incorrect",
    extracted: solution,
    reason: all ? `${passed} of ${requests.length} tests passed` : reason,
  };
}

/** Imports from the future come first in a file. */
function joined(before: string, solution: string): string {
  const future = solution.match(/^from __future__ import .*$/gm) ?? [];
  return [...future, before, solution.replace(/^from __future__ import .*$/gm, "")].join("\n");
}

/** Opens each engine when it is first needed. */
function runner({ engine, processes, memory_mb }: { engine: string; processes: number; memory_mb: number }) {
  const sandboxes: Partial<Record<Language, Sandbox>> = {};
  let bubblewrap: ReturnType<typeof openBubblewrap> | undefined;
  return async (asked: Language, request: Request): Promise<Outcome> => {
    if (asked === "python" && engine !== "wasm") {
      bubblewrap ??= openBubblewrap(processes);
      const sandbox = await bubblewrap;
      if (sandbox) return sandbox.run(request);
      if (engine === "bubblewrap")
        return { status: "crashed", reason: "bubblewrap with python3 does not work here: install both, or use wasm" };
    }
    sandboxes[asked] ??= openSandbox(asked, { processes, memory_mb });
    return sandboxes[asked].run(request);
  };
}
