import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { code } from "../../src/rewards/code.ts";
import { programIn } from "../../src/rewards/program.ts";
import { readTests } from "../../src/rewards/published-tests.ts";

const block = (label: string, ...lines: string[]) => `\`\`\`${label}\n${lines.join("\n")}\n\`\`\`\n`;
const python = (completion: string, ...names: string[]) => programIn(completion, { language: "python", names });

const READS = ["n = int(input())", "print(n * 2)"];

test("the block that is judged is the solution, not what shows its use", () => {
  const solution = block("python", ...READS);
  assert.equal(
    python(`${solution}Run it:\n${block("bash", "python main.py < in.txt")}`),
    "n = int(input())\nprint(n * 2)\n",
  );
  assert.equal(
    python(`${solution}For example:\n${block("python", "print(solve(3))  # 6")}`),
    "n = int(input())\nprint(n * 2)\n",
  );
  assert.equal(
    python(`Input:\n${block("", "3")}${solution}Output:\n${block("", "6")}`),
    "n = int(input())\nprint(n * 2)\n",
  );
  // a better one that comes later replaces it
  assert.equal(
    python(`${solution}Shorter:\n${block("python", "print(int(input()) * 2)")}`),
    "print(int(input()) * 2)\n",
  );
  const defined = block("python", "def f(x):", "    return x * 2");
  const use = block("python", "for x in range(3):", "    print(f(x))");
  assert.equal(python(`${defined}Usage:\n${use}`, "f"), "def f(x):\n    return x * 2\n");
  assert.equal(
    python(`${block("python", "def f(x): return 1")}Wrong. Better:\n${defined}${use}`, "f"),
    "def f(x):\n    return x * 2\n",
  );
  const method = block("python", "class Solution:", "    def f(self, x):", "        return x");
  assert.equal(
    python(`${method}${block("python", "print(Solution().f(1))")}`, "f"),
    "class Solution:\n    def f(self, x):\n        return x\n",
  );
});

test("blocks without a label, without an end and in pieces are read", () => {
  assert.equal(python(block("", ...READS)), "n = int(input())\nprint(n * 2)\n");
  assert.equal(python(`${block("Python3", ...READS)}`), "n = int(input())\nprint(n * 2)\n");
  assert.equal(python(`${block("{.python}", ...READS)}`), "n = int(input())\nprint(n * 2)\n");
  assert.equal(python("```python\nn = int(input())\nprint(n * 2)"), "n = int(input())\nprint(n * 2)\n");
  assert.equal(python(`Text.\n${block("", "3", "4 5")}`), undefined);
  assert.equal(python(block("cpp", "int main() { return 0; }")), undefined);
  // in pieces: what the last one needs comes with it, and what goes on from it
  const helper = block("python", "def double(x):", "    return 2 * x");
  const main = block("python", "print(double(int(input())))");
  assert.equal(
    python(`First a helper:\n${helper}Then:\n${main}`),
    "def double(x):\n    return 2 * x\n\nprint(double(int(input())))\n",
  );
  assert.equal(
    python(`${block("python", "n = int(input())")}and print:\n${block("python", "print(n)")}`),
    "n = int(input())\n\nprint(n)\n",
  );
  const imports = block("python", "import math");
  const f = block("python", "def f(x):", "    return math.gcd(x, 4)");
  assert.equal(
    python(`${imports}${f}${block("python", "f(3)")}`, "f"),
    "import math\n\ndef f(x):\n    return math.gcd(x, 4)\n",
  );
  // what an earlier attempt defines and nobody needs is left out
  assert.equal(python(`${block("python", "def g(x): return 1")}${f}`, "f"), "def f(x):\n    return math.gcd(x, 4)\n");
});

test("a name that is imported is not defined there, and a stream that is put in place of the input is not read", () => {
  const cube = block("python", "def cube(x):", "    return x ** 3");
  const own = "def cube(x):\n    return x ** 3\n";
  assert.equal(python(`${cube}${block("python", "from answer import cube", "assert cube(2) == 8")}`, "cube"), own);
  const reading = block("python", "import sys", "print(len(sys.stdin.read()))");
  const fed = block("python", "import io", "sys.stdin = io.StringIO('abc')");
  assert.equal(python(`${reading}Without a terminal:\n${fed}`), "import sys\nprint(len(sys.stdin.read()))\n");
});

test("a helper that is shown last comes with the solution, and an example that happens to have its names does not", () => {
  const uses = block("python", "def area(r):", "    return PI * _power(r, 2)");
  const shown = `${block("python", "PI = 3")}${uses}where\n${block("python", "def _power(a, n):", "    return a ** n")}`;
  assert.equal(
    python(shown, "area"),
    "def _power(a, n):\n    return a ** n\n\nPI = 3\n\ndef area(r):\n    return PI * _power(r, 2)\n",
  );
  for (const solution of [
    ["def twice(n):", "    return n * 2"],
    ["def twice(n, *, times: int = 2, **rest):", "    return sum(m for m in [n] * times)"],
    ["def twice(n):", "    with open(n) as f:", "        return [line := f.read(), (lambda k: k)(line)]"],
  ])
    assert.equal(
      python(
        `${block("python", ...solution)}${block("python", "n, m, f, k, line = 1, 2, 3, 4, 5", "times = rest = 6")}`,
        "twice",
      ),
      `${solution.join("\n")}\n`,
    );
});

test("a program that only defines goes on in the block that calls it, and one that runs does not", () => {
  const defines = block("python", "def main():", "    print(int(input()) * 2)");
  const calls = block("python", "if __name__ == '__main__':", "    main()");
  assert.equal(
    python(`${defines}Then:\n${calls}`),
    "def main():\n    print(int(input()) * 2)\n\nif __name__ == '__main__':\n    main()\n",
  );
  const runs = block("python", "def main():", "    print(int(input()) * 2)", "main()");
  assert.equal(
    python(`${runs}Again:\n${block("python", "main()")}`),
    "def main():\n    print(int(input()) * 2)\nmain()\n",
  );
  const js = (completion: string) => programIn(completion, { language: "javascript", names: [] });
  const defined = block("js", "const main = () => console.log(require('fs').readFileSync(0, 'utf8').length);");
  assert.equal(
    js(`${defined}${block("js", "main();")}`),
    "const main = () => console.log(require('fs').readFileSync(0, 'utf8').length);\n\nmain();\n",
  );
});

const judging = code.create(code.options.parse({ engine: "wasm", time_limit: 4 }));
const said = (row: object, completion: string) =>
  judging({ prompt: "", completion, answer: JSON.stringify(row), finish_reason: "stop" });

/** The shape of a pickle of one text, as Python writes it with protocol 4. */
function pickled(text: string): string {
  const bytes = Buffer.from(text);
  const frame = Buffer.alloc(11);
  frame.set([0x80, 4, 0x95]);
  frame.writeBigUInt64LE(BigInt(bytes.length + 7), 3);
  const length = Buffer.alloc(5);
  length[0] = 0x58;
  length.writeUInt32LE(bytes.length, 1);
  return deflateSync(Buffer.concat([frame, length, bytes, Buffer.from([0x94, 0x2e])])).toString("base64");
}

test("a row of LiveCodeBench is judged as it is published: stdin with exact decimals, and calls with values in JSON", async () => {
  const cases = (testtype: string, ...pairs: [string, string][]) =>
    pairs.map(([input, output]) => ({ input, output, testtype }));
  const stdin = {
    question_title: "Half",
    question_content: "Print the half.",
    starter_code: "",
    public_test_cases: JSON.stringify(cases("stdin", ["4\n", "2.0"])),
    private_test_cases: pickled(JSON.stringify(cases("stdin", ["1\n", "0.50"], ["6\n", "3"]))),
    metadata: "{}",
  };
  const tests = readTests(stdin);
  assert.ok(typeof tests === "object" && "stdin" in tests);
  assert.equal(tests.stdin.length, 3);
  const half = await said(stdin, block("python", "print(int(input()) / 2)"));
  assert.deepEqual([half.score, half.verdict], [1, "correct"], half.reason);
  const whole = await said(stdin, block("python", "print(int(input()) // 2)"));
  assert.equal(whole.score, 2 / 3);

  const functional = {
    starter_code: "class Solution:\n    def pairs(self, xs: List[int], k: int) -> List[List[int]]:\n        ",
    public_test_cases: JSON.stringify(cases("functional", ["[1, 2, 3]\n3", "[[1, 2]]"])),
    private_test_cases: JSON.stringify(cases("functional", ["[1, 1]\n5", "[]"])),
    metadata: JSON.stringify({ func_name: "pairs" }),
  };
  const program = (result: string) =>
    block(
      "python",
      "from __future__ import annotations",
      "class Solution:",
      "    def pairs(self, xs: List[int], k: int) -> List[List[int]]:",
      `        return ${result}`,
    );
  const right = await said(functional, program("[p for p in combinations(xs, 2) if sum(p) == k]"));
  assert.deepEqual([right.score, right.verdict], [1, "correct"], right.reason);
  assert.equal((await said(functional, program("[[1, 2]]"))).score, 0.5);
  assert.equal((await said(functional, program("[[[1, 2]]]"))).score, 0);
});

test("a row of APPS is judged as it is published", async () => {
  const calls = {
    input_output: JSON.stringify({
      fn_name: "add",
      inputs: [
        [1, 2],
        [3, 4],
      ],
      outputs: [3, [7]],
    }),
  };
  assert.equal((await said(calls, block("python", "def add(a, b): return a + b"))).score, 1);
  assert.equal((await said(calls, block("python", "def add(a, b): return 3"))).score, 0.5);
  const lines = { input_output: { inputs: ["1 2\n"], outputs: [["3"]] } };
  assert.equal((await said(lines, block("python", "print(sum(map(int, input().split())))"))).score, 1);
});

test("a row of HumanEval is judged as it is published, whether the completion repeats the function or continues it", async () => {
  const row = {
    task_id: "X/0",
    prompt:
      'from typing import List\n\ndef helper(x):\n    return x + 1\n\ndef raised(xs: List[int]) -> List[int]:\n    """ Each one more.\n    """\n',
    entry_point: "raised",
    canonical_solution: "    return [helper(x) for x in xs]\n",
    test: "METADATA = {}\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 3]\n    assert candidate([]) == []\n",
  };
  for (const completion of [
    row.canonical_solution,
    `\n${row.canonical_solution}`,
    block("python", "def raised(xs: List[int]) -> List[int]:", "    return [helper(x) for x in xs]"),
    block("python", "def raised(xs):", "    return [x + 1 for x in xs]", "", "print(raised([1]))"),
    block("python", "    return [helper(x) for x in xs]"),
    `${row.prompt}${row.canonical_solution}`,
  ]) {
    const { score, reason } = await said(row, completion);
    assert.equal(score, 1, `${reason}\n${completion}`);
  }
  for (const completion of ["    return xs\n", block("python", "def raised(xs): return xs"), "It is impossible.", ""])
    assert.equal((await said(row, completion)).score, 0, completion);
});

test("a row of MBPP is judged as it is published", async () => {
  const row = {
    text: "Write a function to square.",
    code: "def square(x): return x * x",
    test_list: ["assert square(3) == 9", "assert math.isclose(square(0.5), 0.25)"],
    test_setup_code: "",
    test_imports: ["import math"],
  };
  assert.equal((await said(row, block("python", row.code))).score, 1);
  assert.equal((await said(row, block("python", "def square(x): return 9"))).score, 0.5);
  // as models without a chat template write, after examples
  assert.equal((await said(row, `[BEGIN]\n${row.code}\n[DONE]\nYou are an expert.\n[BEGIN]`)).score, 1);
  assert.equal((await said(row, `import math\n\n${row.code}\n`)).score, 1);
  for (const prose of ["from the formula, def square follows", "class by class: square", "def other(x): return x * x"])
    assert.match((await said(row, prose)).reason, /no fenced block/);
});

test("what is no test is unknown", async () => {
  for (const row of [
    {},
    { public_test_cases: "[]" },
    { test_list: [] },
    { inputs: ["1"], outputs: [] },
    { test: "x" },
    { private_test_cases: "AAAA" },
  ])
    assert.equal((await said(row, block("python", "x = 1"))).verdict, "unknown", JSON.stringify(row));
});
