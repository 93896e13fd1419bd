/** @file The code reward: a program judged by tests, in a sandbox. */

import { z } from "zod";
import { fencedBlocks } from "./fences.ts";
import { outputDifference } from "./output.ts";
import { answerPart } from "./parts.ts";
import { defineReward, type Score } from "./reward.ts";
import { openBubblewrap } from "./sandbox/bubblewrap.ts";
import { openSandbox, type Request, type Sandbox } from "./sandbox/process.ts";
import type { Language, Limits, Outcome } from "./sandbox/protocol.ts";

const LABELS: Record<string, Language> = {
  ...{ python: "python", python3: "python", py: "python" },
  ...{ javascript: "javascript", js: "javascript", node: "javascript", mjs: "javascript" },
};

const language = z.enum(["python", "javascript"]);
const stdinTest = z.strictObject({ input: z.string(), output: z.string() });
const reference = z.union([
  z.strictObject({ language: language.optional(), stdin_tests: z.array(stdinTest).min(1) }),
  z.strictObject({ language: language.optional(), assertions: z.array(z.string().min(1)).min(1) }),
]);
type Reference = z.output<typeof reference>;

const MAX_REFERENCE = 64 << 20;

/**
 * Runs the last fenced block of the asked language that follows the reasoning. `answer` is JSON, one of
 *
 *     {"language": "python", "stdin_tests": [{"input": "1 2\n", "output": "3\n"}, …]}
 *     {"language": "javascript", "assertions": ["assert.strictEqual(add(1, 2), 3)", …]}
 *
 * with `language` optional. An assertion is a piece of code that throws where the program is wrong (`assert` in Python;
 * `assert` and its methods in JavaScript). It runs in an interpreter of its own, where the names that the program defines
 * are references: calls go to the program's interpreter and plain values come back, so the program sees neither the
 * expected values nor the comparison. Objects without a plain value equal none. A test should define or import what it
 * uses beside the program: a name that only the program has is the program's.
 *
 * Score: the share of tests passed, or 1 for all and 0 otherwise. Every test runs in fresh interpreters. A limit reached
 * is a failed test; a sandbox that fails is `infra_error` with score null; an answer that is no tests is `unknown`.
 * Source: DeepSeek-R1 2.2.2 (tests as the reward for code).
 */
export const code = defineReward({
  needsAnswer: true,
  ownThread: true,
  options: z
    .strictObject({
      language: language.default("python").describe("The program's language where the reference does not say it."),
      score: z
        .enum(["share", "all"])
        .default("share")
        .describe("The share of tests that pass, or 1 for all and 0 otherwise."),
      time_limit: z.number().positive().default(6).describe("Seconds for one test."),
      memory_mb: z.int().min(64).max(4096).default(512).describe("Megabytes for one test."),
      output_limit: z
        .int()
        .positive()
        .default(1 << 20)
        .describe("Bytes that a program may print."),
      numbers: z
        .enum(["text", "value"])
        .default("text")
        .describe("Whether numbers in an output are compared as they are written, or by value."),
      tolerance: z.number().min(0).default(1e-6).describe("How far values may be apart, relative to the larger."),
      processes: z
        .int()
        .positive()
        .default(1)
        .describe("Programs that run at once; each WebAssembly interpreter takes some 200 MB."),
      engine: z
        .enum(["auto", "wasm", "bubblewrap"])
        .default("auto")
        .describe("auto takes bubblewrap with the system's python3 for Python's stdin tests where both work."),
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
      const tests = readReference(answer);
      if (typeof tests === "string") return { score: null, verdict: "unknown", reason: tests };
      const asked = tests.language ?? options.language;
      const program = programOf(completion, asked);
      if (program === undefined) {
        if (finish_reason === "length") return { score: 0, verdict: "truncated", reason: "cut before a program" };
        return { score: 0, verdict: "incorrect", extracted: null, reason: `no fenced block of ${asked}` };
      }
      return judge(tests, program, (request) => run(asked, request), { ...options, limits });
    };
  },
});

function readReference(answer: string | undefined): Reference | string {
  if (answer === undefined) return "no tests";
  if (answer.length > MAX_REFERENCE) return "the tests are too long";
  try {
    const parsed = reference.safeParse(JSON.parse(answer));
    return parsed.success ? parsed.data : "the answer holds no stdin_tests or assertions";
  } catch {
    return "the answer is not JSON";
  }
}

const programOf = (completion: string, asked: Language) =>
  fencedBlocks(answerPart(completion)).findLast((block) => LABELS[block.language] === asked)?.code;

type Judging = { score: "share" | "all"; limits: Limits; numbers: "text" | "value"; tolerance: number };

async function judge(
  tests: Reference,
  program: string,
  run: (request: Request) => Promise<Outcome>,
  options: Judging,
): Promise<Score> {
  const { limits } = options;
  const requests: { request: Request; output?: string }[] =
    "stdin_tests" in tests
      ? tests.stdin_tests.map(({ input, output }) => ({
          request: { kind: "stdin", program, stdin: input, limits },
          output,
        }))
      : tests.assertions.map((test) => ({ request: { kind: "assertion", program, test, limits } }));

  let passed = 0;
  let reason = "";
  for (const [i, { request, output }] of requests.entries()) {
    const outcome = await run(request);
    if (outcome.status === "crashed")
      return { score: null, verdict: "infra_error", extracted: program, reason: outcome.reason };
    if (outcome.status === "unreadable")
      return { score: null, verdict: "unknown", extracted: program, reason: outcome.reason };
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
    extracted: program,
    reason: all ? `${passed} of ${requests.length} tests passed` : reason,
  };
}

/** Opens each engine when it is first needed. */
function runner({ engine, processes, memory_mb }: { engine: string; processes: number; memory_mb: number }) {
  const sandboxes: Partial<Record<Language, Sandbox>> = {};
  let bubblewrap: ReturnType<typeof openBubblewrap> | undefined;
  return async (asked: Language, request: Request): Promise<Outcome> => {
    if (asked === "python" && request.kind === "stdin" && engine !== "wasm") {
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
