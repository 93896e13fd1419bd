import { inflateSync } from "node:zlib";
import { z } from "zod";
import { RowFault } from "../values.ts";
import { type Form, type Row, tested, text } from "./form.ts";

const Tests = z.array(z.object({ input: z.string(), output: z.string(), testtype: z.enum(["stdin", "functional"]) }));
type Tests = z.output<typeof Tests>;

/** livecodebench/code_generation_lite: programs that read stdin, or a method of a class Solution; tests, most of them packed. */
export const livecodebench: Form = {
  needs: ["question_content", "public_test_cases"],
  read(row) {
    const tests = [...testsIn(row, "public_test_cases"), ...testsIn(row, "private_test_cases")];
    if (tests.length === 0) throw new RowFault("has no tests");
    const functional = tests.filter(({ testtype }) => testtype === "functional");
    if (functional.length > 0 && functional.length < tests.length)
      throw new RowFault("has tests of stdin and tests of a method. Expected one kind");
    const starter = typeof row.starter_code === "string" ? row.starter_code.trim() : "";
    const format = starter
      ? `Complete this program:\n\n\`\`\`python\n${starter}\n\`\`\``
      : "The program reads the input from stdin and prints the answer to stdout.";
    return {
      ...(typeof row.question_id === "string" ? { id: row.question_id } : {}),
      prompt: `${text(row, "question_content").trim()}\n\n${format}`,
      answer: tested(
        functional.length > 0
          ? { assertions: functional.map((test) => called(methodIn(row), test)) }
          : { stdin_tests: tests.map(({ input, output }) => ({ input, output })) },
      ),
    };
  },
};

/** A test of a method: its arguments are lines of JSON. */
const called = (method: string, { input, output }: Tests[number]): string =>
  [
    "import json",
    `given = [json.loads(line) for line in ${JSON.stringify(input)}.split("\\n")]`,
    `assert Solution().${method}(*given) == json.loads(${JSON.stringify(output)})`,
  ].join("\n");

function methodIn(row: Row): string {
  const metadata = row.metadata === undefined ? {} : json(text(row, "metadata"), "metadata");
  const name = (metadata as { func_name?: unknown } | null)?.func_name;
  if (typeof name !== "string" || !/^\w+$/.test(name))
    throw new RowFault('has tests of a method and no name of it. Expected "func_name" in its metadata');
  return name;
}

function testsIn(row: Row, name: string): Tests {
  if (row[name] === undefined || row[name] === null || row[name] === "") return [];
  const given = text(row, name);
  const parsed = Tests.safeParse(json(/^\s*\[/.test(given) ? given : unpacked(given, name), name));
  if (!parsed.success) throw new RowFault(`has other things than tests (input, output, testtype) in its ${name}`);
  return parsed.data;
}

function json(given: string, name: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    throw new RowFault(`has no JSON as its ${name}`);
  }
}

/** The most bytes that packed tests may have. */
const MOST = 256 << 20;

/** JSON as a pickled text, deflated, in base64. */
function unpacked(given: string, name: string): string {
  let pickled: Buffer;
  try {
    pickled = inflateSync(Buffer.from(given, "base64"), { maxOutputLength: MOST });
  } catch {
    throw new RowFault(`has something that is neither JSON nor packed as its ${name}`);
  }
  return pickledText(pickled) ?? fault(name);
}

const fault = (name: string): never => {
  throw new RowFault(`has a packed ${name} that is no text`);
};

/** Opcodes of a pickled text, which is not run: protocol, frame, and the text with its length in 1, 4 or 8 bytes. */
const [PROTO, FRAME, TEXT8, TEXT32, TEXT64] = [0x80, 0x95, 0x8c, 0x58, 0x8d];

function pickledText(bytes: Buffer): string | undefined {
  let at = bytes[0] === PROTO ? 2 : 0;
  if (bytes[at] === FRAME) at += 9;
  const code = bytes[at++];
  const width = code === TEXT8 ? 1 : code === TEXT32 ? 4 : code === TEXT64 ? 8 : 0;
  if (width === 0 || at + width > bytes.length) return undefined;
  const length = width === 1 ? bytes[at]! : width === 4 ? bytes.readUInt32LE(at) : Number(bytes.readBigUInt64LE(at));
  const start = at + width;
  return start + length <= bytes.length ? bytes.toString("utf8", start, start + length) : undefined;
}
