/**
 * @file Tests as they are published: the rows of LiveCodeBench, HumanEval, MBPP and APPS, and this project's own form, read to
 * one. A row is judged as its authors' own programs judge it.
 */

import { inflateSync } from "node:zlib";
import { z } from "zod";
import type { Language } from "./sandbox/protocol.ts";

/** What is asked of a program. */
export type Tests = {
  language?: Language | undefined;
  /** Stands before the program: imports, or the beginning that it continues. */
  before?: string;
  /** What assertions call. */
  names: readonly string[];
  /** How numbers in an output are compared unless the options say. */
  numbers?: "decimal";
} & ({ stdin: readonly { input: string; output: string }[] } | { assertions: readonly string[] });

const language = z.enum(["python", "javascript"]);
const text = z.string();
const own = z.union([
  z.strictObject({
    language: language.optional(),
    stdin_tests: z.array(z.strictObject({ input: text, output: text })).min(1),
  }),
  z.strictObject({ language: language.optional(), assertions: z.array(text.min(1)).min(1) }),
]);

/** A column of JSON, which may be a text. */
const json = <T extends z.ZodType>(schema: T) => z.preprocess(parsed, schema);
const cases = json(
  z.array(z.looseObject({ input: text, output: text, testtype: z.enum(["stdin", "functional"]).default("stdin") })),
);
const liveCodeBench = z.looseObject({
  public_test_cases: cases.default([]),
  private_test_cases: z.preprocess(unpacked, cases).default([]),
  starter_code: text.nullish(),
  metadata: json(z.looseObject({ func_name: text.nullish() })).nullish(),
});
const inputs = z.looseObject({
  inputs: z.array(z.unknown()).min(1),
  outputs: z.array(z.unknown()).min(1),
  fn_name: text.nullish(),
});
const apps = z.looseObject({ input_output: json(inputs), starter_code: text.nullish() });
const humanEval = z.looseObject({ test: text.min(1), entry_point: text.min(1), prompt: text.default("") });
const mbpp = z.looseObject({
  test_list: json(z.array(text.min(1)).min(1)),
  test_setup_code: text.nullish(),
  test_imports: json(z.array(text)).nullish(),
});

/** The tests of a reference, or why it is none. */
export function readTests(value: unknown): Tests | string {
  const ours = own.safeParse(value);
  if (ours.success) return ownTests(ours.data);
  for (const [schema, read] of FORMS) {
    const { data } = schema.safeParse(value);
    const tests = data && read(data as never);
    if (tests) return tests;
  }
  return "the answer holds no stdin_tests or assertions, and is no row of LiveCodeBench, HumanEval, MBPP or APPS";
}

const FORMS = [
  [liveCodeBench, liveTests],
  [apps, appsTests],
  [inputs, (row: z.output<typeof inputs>) => inputTests(row)],
  [humanEval, humanEvalTests],
  [mbpp, mbppTests],
] as const;

const ownTests = (given: z.output<typeof own>): Tests =>
  "stdin_tests" in given
    ? { language: given.language, names: [], stdin: given.stdin_tests }
    : { language: given.language, names: namesIn(given.assertions.join("\n")), assertions: given.assertions };

function liveTests(row: z.output<typeof liveCodeBench>): Tests | undefined {
  const all = [...row.public_test_cases, ...row.private_test_cases];
  if (all.length === 0) return undefined;
  const name = row.metadata?.func_name ?? undefined;
  if (all[0]!.testtype === "stdin")
    return { language: "python", names: [], before: IMPORTS, numbers: "decimal", stdin: all };
  if (!name) return undefined;
  const calls = all.map(({ input, output }) => callOf(name, input.split("\n"), output));
  return { language: "python", names: [name], before: IMPORTS, assertions: calls };
}

function appsTests({ input_output }: z.output<typeof apps>): Tests | undefined {
  return inputTests(input_output);
}

function inputTests({ inputs: given, outputs, fn_name }: z.output<typeof inputs>): Tests | undefined {
  if (given.length !== outputs.length) return undefined;
  if (fn_name) {
    const calls = given.map((input, i) =>
      callOf(
        fn_name,
        Array.isArray(input) ? input.map((arg) => JSON.stringify(arg)) : String(input).split("\n"),
        ...wrapped(outputs[i]),
      ),
    );
    return { language: "python", names: [fn_name], before: IMPORTS, assertions: calls };
  }
  const lines = (value: unknown) => (Array.isArray(value) ? value.join("\n") : String(value));
  const stdin = given.map((input, i) => ({ input: lines(input), output: lines(outputs[i]) }));
  return { language: "python", names: [], before: IMPORTS, numbers: "decimal", stdin };
}

/** A result as JSON. As APPS has it, it may be wrapped in a list of one; LiveCodeBench writes texts of JSON. */
const wrapped = (output: unknown): [string, boolean] =>
  typeof output === "string" && isJson(output) ? [output, false] : [JSON.stringify(output), Array.isArray(output)];

/** A call with arguments in JSON, one a line, compared as JSON: a tuple is a list there. */
const callOf = (name: string, args: readonly string[], output: string, isWrapped = false) => `
import json
arguments = [json.loads(line) for line in json.loads(${pythonText(JSON.stringify(args.filter((line) => line.trim() !== "")))})]
expected = json.loads(${pythonText(output)})
try: function = Solution().${name}
except NameError: function = ${name}
def listed(value):
    if isinstance(value, (list, tuple)): return [listed(item) for item in value]
    return value
result = listed(function(*arguments))
assert result == expected${isWrapped ? " or [result] == expected" : ""}, f"{str(result)[:60]} is not {str(expected)[:60]}"
`;

/** JSON's texts are Python's, but for what it leaves unescaped. */
const pythonText = (content: string) =>
  JSON.stringify(content)
    .replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replace(/\\u(d[89ab]..)\\u(d[c-f]..)/g, (_, high, low) => {
      const point = 0x10000 + ((Number.parseInt(high, 16) - 0xd800) << 10) + (Number.parseInt(low, 16) - 0xdc00);
      return `\\U${point.toString(16).padStart(8, "0")}`;
    });

/** The completion may repeat the beginning or continue it: a definition that comes later replaces the first one. */
function humanEvalTests({ test, entry_point, prompt }: z.output<typeof humanEval>): Tests {
  return {
    language: "python",
    names: [entry_point],
    before: prompt.includes(`def ${entry_point}`) ? prompt : "",
    assertions: [`${test}\ncheck(${entry_point})`],
  };
}

function mbppTests({ test_list, test_setup_code, test_imports }: z.output<typeof mbpp>): Tests {
  const before = [...(test_imports ?? []), test_setup_code ?? ""].filter(Boolean).join("\n");
  const assertions = test_list.map((test) => (before ? `${before}\n${test}` : test));
  return { language: "python", names: namesIn(test_list.join("\n")), assertions };
}

/** What stands before programs of LiveCodeBench and APPS when their authors judge them. */
const IMPORTS = [
  ...[
    "string",
    "re",
    "datetime",
    "collections",
    "heapq",
    "bisect",
    "copy",
    "math",
    "random",
    "statistics",
    "itertools",
  ],
  ...["functools", "operator", "io", "sys", "json", "builtins", "typing"],
]
  .map((name) => `from ${name} import *`)
  .concat("import string, re, datetime, collections, heapq, bisect, copy, math, random, statistics, itertools")
  .concat("import functools, operator, io, sys, json")
  .join("\n");

/** Names that tests call or read. */
function namesIn(tests: string): string[] {
  const bare = tests.replace(/(["'`])(?:\\.|(?!\1)[^\\\n])*\1/g, '""');
  const made = new Set(
    [
      ...bare.matchAll(
        /(?:def|class|function|const|let|var|import|as|for)\s+([A-Za-z_$][\w$]*)|^\s*([A-Za-z_$]\w*)\s*=[^=]/gm,
      ),
    ].map(([, a, b]) => a ?? b),
  );
  return [...new Set(bare.match(/(?<![\w$.])[A-Za-z_$][\w$]*(?=\s*[(.])/g) ?? [])].filter((name) => !made.has(name));
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

const isJson = (value: string) => parsed(value) !== value;

const MOST_UNPACKED = 512 << 20;

/** LiveCodeBench packs its private tests: JSON in a pickle of one text, deflated, in base64. */
function unpacked(value: unknown): unknown {
  if (typeof value !== "string" || isJson(value) || !/^[A-Za-z0-9+/=\s]+$/.test(value)) return value;
  try {
    return pickledText(inflateSync(Buffer.from(value, "base64"), { maxOutputLength: MOST_UNPACKED }));
  } catch {
    return value;
  }
}

/** The text of a pickle that holds nothing else: PROTO, FRAME, one of the texts, MEMOIZE, STOP. */
function pickledText(bytes: Buffer): string | undefined {
  for (let at = 0; at < bytes.length; ) {
    const op = bytes[at++]!;
    if (op === 0x80) at += 1;
    else if (op === 0x95) at += 8;
    else if (op === 0x8c) return bytes.toString("utf8", at + 1, at + 1 + bytes[at]!);
    else if (op === 0x58) return bytes.toString("utf8", at + 4, at + 4 + bytes.readUInt32LE(at));
    else if (op === 0x8d) return bytes.toString("utf8", at + 8, at + 8 + Number(bytes.readBigUInt64LE(at)));
    else return undefined;
  }
  return undefined;
}
