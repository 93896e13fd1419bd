import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { code } from "../../src/rewards/code.ts";
import { outputDifference } from "../../src/rewards/output.ts";
import type { Reward } from "../../src/rewards/reward.ts";
import { openBubblewrap } from "../../src/rewards/sandbox/bubblewrap.ts";

const LIMITS = { time_limit: 1, memory_mb: 256, output_limit: 100_000 };
const reward = (options: object) => code.create(code.options.parse({ ...LIMITS, ...options }));

const python = reward({ engine: "wasm" });
const javascript = reward({ language: "javascript" });
const bubblewrap = reward({ engine: "bubblewrap" });
const hasBubblewrap = (await openBubblewrap(1)) !== undefined;

const ENGINES: { name: string; judge: Reward; language: "python" | "javascript"; skip: boolean }[] = [
  { name: "Python in WebAssembly", judge: python, language: "python", skip: false },
  { name: "Python under bubblewrap", judge: bubblewrap, language: "python", skip: !hasBubblewrap },
  { name: "JavaScript in WebAssembly", judge: javascript, language: "javascript", skip: false },
];

const completionOf = (language: string, program: string) =>
  `<think>hm</think>\nHere:\n\`\`\`${language}\n${program}\n\`\`\`\n`;

const printing = (judge: Reward, language: string, program: string, tests: { input?: string; output: string }[]) =>
  judge({
    prompt: "",
    completion: completionOf(language, program),
    answer: JSON.stringify({ language, stdin_tests: tests.map(({ input = "", output }) => ({ input, output })) }),
  });

const asserting = (judge: Reward, language: string, program: string, assertions: string[]) =>
  judge({ prompt: "", completion: completionOf(language, program), answer: JSON.stringify({ language, assertions }) });

const SECRET = "b3f1c0de";
const secretFile = join(mkdtempSync(join(tmpdir(), "outside-")), "secret");
writeFileSync(secretFile, SECRET);

let server: Server;
let port = 0;
let visits = 0;
before(async () => {
  process.env.DISTILL_TEST_SECRET = SECRET;
  server = createServer((socket) => {
    visits++;
    socket.end(SECRET);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as { port: number }).port;
});
after(() => {
  delete process.env.DISTILL_TEST_SECRET;
  server.close();
});

const SUM = {
  python: "print(sum(map(int, input().split())))",
  javascript:
    'console.log(require("fs").readFileSync(0, "utf8").trim().split(" ").map(Number).reduce((a, b) => a + b))',
};

/** Takes down what hides the bridge to JavaScript. */
const OPENED = `import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Closed" not in repr(finder)]
import _pyodide_core as core`;

/** Programs that would print the secret, or `broken out`, if they were not held. Each is bounded in itself. */
const ATTACKS: Record<"python" | "javascript", Record<string, () => string>> = {
  python: {
    "reading a file outside": () => `print(open(${JSON.stringify(secretFile)}).read())`,
    "the environment": () => `
import os
found = os.environ.get("DISTILL_TEST_SECRET", "")
for name in ["self", str(os.getppid())]:
    try: found = found or open(f"/proc/{name}/environ").read().partition("DISTILL_TEST_SECRET=")[2][:${SECRET.length}]
    except OSError: pass
print(found)`,
    "a socket to loopback": () => `
import socket
s = socket.create_connection(("127.0.0.1", ${port}), 1)
print(s.recv(100).decode())`,
    "a few hundred processes": () => `
import os, time
made = 0
for i in range(300):
    try:
        if os.fork() == 0:
            time.sleep(2)
            os._exit(0)
        made += 1
    except OSError: pass
print("broken out" if made else "held")`,
    "another program": () => `
import subprocess
print(subprocess.run(["cat", ${JSON.stringify(secretFile)}], capture_output=True, text=True).stdout)`,
    "8 GB of memory": () => `
x = []
for i in range(512): x.append(bytearray(b"1" * (1 << 24)))
print("broken out")`,
    "a gigabyte of output": () => `
for i in range(1 << 10): print("x" * (1 << 20))
print("broken out")`,
    "sleeping past the limit": () => `
import time
time.sleep(60)
print("broken out")`,
    "the host's JavaScript": () => `
${OPENED}
make = core.to_js([1]).map.constructor
for text in ("return process.pid", "return this.process.pid", "return import('node:fs')"):
    try: print("broken out" if make(text)() else "")
    except BaseException: pass`,
    "stack traces, which Node makes outside": () => `
${OPENED}
array, traces = core.to_js([1]), []
catch = core.create_proxy(lambda error, trace: traces.append(trace))
try: array.map(3)
except BaseException as error: kind = error.constructor
for holder in (kind, kind.__proto__):
    try: holder.prepareStackTrace = catch
    except BaseException: pass
try: array.map(3)
except BaseException as error: error.stack
print("broken out" if traces else "held")`,
    "C functions of the interpreter": () => `
import ctypes
run = ctypes.CDLL(None).emscripten_run_script_int
print("broken out" if run(b"1+1") == 2 else "held")`,
    "patching what prints and compares": () => `
import builtins, sys
class Everything(str):
    __eq__ = __contains__ = lambda self, other: True
    __hash__ = str.__hash__
builtins.str = builtins.AssertionError = Everything
sys.stdout.write(Everything("anything"))`,
    "exiting early with success": () => `
import os, sys, atexit
atexit.register(lambda: os._exit(0))
raise SystemExit(0)`,
    "leaving at once with success": () => "import os; os._exit(0)",
    "endless recursion": () => `
import sys
sys.setrecursionlimit(10**9)
def f(x): return [f(x)]
try: f(1)
except RecursionError: print("held")`,
  },
  javascript: {
    "reading a file outside": () => `console.log(require("fs").readFileSync(${JSON.stringify(secretFile)}, "utf8"))`,
    "the environment": () => "console.log(process.env.DISTILL_TEST_SECRET, std?.getenv?.('DISTILL_TEST_SECRET'))",
    "a socket to loopback": () => `
try { require("net").connect(${port}, "127.0.0.1").on("data", (data) => console.log(String(data))); } catch {}
fetch("http://127.0.0.1:${port}").then((reply) => reply.text()).then(console.log);`,
    "a few hundred processes": () => `
for (let i = 0; i < 300; i++) require("child_process").spawn("sleep", ["2"]);
console.log("broken out");`,
    "8 GB of memory": () => `
const all = [];
for (let i = 0; i < 512; i++) all.push(new Uint8Array(1 << 24).fill(1));
console.log("broken out");`,
    "a gigabyte of output": () => `
for (let i = 0; i < 1 << 10; i++) console.log("x".repeat(1 << 20));
console.log("broken out");`,
    "sleeping past the limit": () => `
const until = Date.now() + 60_000;
while (Date.now() < until);
console.log("broken out");`,
    "importing what there is not": () =>
      `import("node:fs").then(({ readFileSync }) => console.log(String(readFileSync(${JSON.stringify(secretFile)}))));`,
    "the host's functions": () => `
for (const f of [console.log, setTimeout, require, process.exit])
  try { if (f.constructor("return process")().mainModule) console.log("broken out"); } catch {}`,
    "patching what prints and compares": () => `
String.prototype.split = () => [];
Object.prototype.stdout = "anything";
Array.prototype.join = String.prototype.trimEnd = () => "anything else";
console.log("anything");`,
    "exiting early with success": () => "process.exit(0)",
    "endless recursion": () => "const f = () => [f()]; try { f(); } catch { console.log('held'); }",
  },
};

const LEAKS = new Set([
  "reading a file outside",
  "the environment",
  "a socket to loopback",
  "another program",
  "importing what there is not",
]);
const ONLY_WASM = new Set([
  "the host's JavaScript",
  "stack traces, which Node makes outside",
  "C functions of the interpreter",
]);

for (const { name, judge, language, skip } of ENGINES) {
  test(`${name}: a right program passes, a wrong one does not, each test in a fresh state`, { skip }, async () => {
    const tests = [
      { input: "1 2\n", output: "3" },
      { input: "10 20 30", output: "60\n\n" },
    ];
    const right = await printing(judge, language, SUM[language], tests);
    assert.deepEqual([right.score, right.verdict], [1, "correct"], right.reason);
    const wrong = await printing(judge, language, SUM[language], [
      { input: "1 2", output: "3" },
      { input: "1", output: "2" },
    ]);
    assert.deepEqual([wrong.score, wrong.verdict], [0.5, "incorrect"]);
    assert.equal(wrong.reason, 'test 2 of 2: line 1 is "1", expected "2"');
  });

  test(`${name}: no attack comes out, none is scored, and the next program is judged as ever`, { skip }, async (t) => {
    for (const [attack, program] of Object.entries(ATTACKS[language])) {
      if (name.includes("bubblewrap") && ONLY_WASM.has(attack)) continue;
      await t.test(attack, async () => {
        const output = LEAKS.has(attack) ? SECRET : "broken out";
        const { score, verdict, reason } = await printing(judge, language, program(), [{ output }]);
        assert.notEqual(verdict, "correct", reason);
        // on a starved machine a time limit says nothing, and that is no score either
        if (verdict !== "infra_error" || !/too busy/.test(reason))
          assert.deepEqual([score, verdict], [0, "incorrect"], reason);
      });
    }
    assert.equal(visits, 0);
    const next = await printing(judge, language, SUM[language], [{ input: "1 2", output: "3" }]);
    assert.equal(next.verdict, "correct", next.reason);
  });
}

test("limits are named as the reason", async () => {
  const slow = await printing(javascript, "javascript", "for (;;);", [{ output: "1" }]);
  assert.match(slow.reason, /^test 1 of 1: time limit of 1 s$|too busy/);
  const loud = await printing(javascript, "javascript", "for (;;) console.log('x'.repeat(10_000));", [{ output: "1" }]);
  assert.equal(loud.reason, "test 1 of 1: output limit of 100000 bytes");
});

test("an assertion judges plain values, changed arguments, objects and errors", async () => {
  const stack = `
def square(x): return x * x
def sort(items): items.sort()
class Stack:
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item)
    def pop(self):
        if not self.items: raise IndexError("empty")
        return self.items.pop()`;
  const { score, reason } = await asserting(python, "python", stack, [
    "assert square(3) == 9 and square(-0.5) == 0.25 and square(10 ** 30) == 10 ** 60",
    "items = [3, 1, 2]\nsort(items)\nassert items == [1, 2, 3]",
    "s = Stack()\ns.push({1: ('a', None)})\nassert s.pop() == {1: ('a', None)}\ntry:\n    s.pop()\n    assert False\nexcept IndexError: pass",
    "def check(candidate):\n    assert [candidate(i) for i in range(4)] == [0, 1, 4, 9]\ncheck(square)",
    "assert square(3) == 8",
  ]);
  assert.equal(score, 0.8);
  assert.equal(reason, "test 5 of 5: AssertionError: ");

  const program = `
    const square = (x) => x * x;
    function sort(items) { items.sort((a, b) => a - b); }
    class Stack { items = []; push(item) { this.items.push(item); } pop() { return this.items.pop(); } get size() { return this.items.length; } }
    async function later(x) { await null; if (x < 0) throw new RangeError("negative"); return new Map([[x, [undefined, NaN]]]); }`;
  const js = await asserting(javascript, "javascript", program, [
    "assert.strictEqual(square(3), 9)",
    "const items = [3, 1, 2]; sort(items); assert.deepStrictEqual(items, [1, 2, 3])",
    "const s = new Stack(); s.push({ a: [1] }); assert(s.size === 1); assert.deepEqual(s.pop(), { a: [1] })",
    "assert.deepStrictEqual(await later(2), new Map([[2, [undefined, NaN]]])); await assert.rejects(later(-1), RangeError)",
    "assert.strictEqual(square(3), 8)",
  ]);
  assert.equal(js.score, 0.8, js.reason);
  assert.equal(js.reason, "test 5 of 5: AssertionError: 9 is not 8");
});

test("a program cannot cheat an assertion", async () => {
  const cheats = {
    "an object that equals everything": `
class Any:
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = lambda *args: True
    __sub__ = __rsub__ = lambda *args: 0
    __bool__ = lambda self: True
def f(x): return Any()`,
    "an object that is near everything": `
class Any:
    __sub__ = __rsub__ = lambda self, other: 0.0
    __abs__ = lambda self: 0.0
    __lt__ = lambda self, other: True
def f(x): return Any()`,
    "a number that equals everything": `
class Any(int):
    __eq__ = lambda *args: True
    __hash__ = int.__hash__
def f(x): return Any(0)`,
    "a patched AssertionError": `
import builtins
builtins.AssertionError = type("Quiet", (BaseException,), {"__new__": lambda *args: SystemExit(0)})
def f(x): return 0`,
    "an exit on import": "import sys\nsys.exit(0)",
    "an exit in the call": "import os\ndef f(x): os._exit(0)",
    "raising SystemExit": "def f(x): raise SystemExit(0)",
    "reading the test from memory": `
import gc, re, sys
def f(x):
    frame, seen = sys._getframe(), []
    while frame:
        seen.append(repr(frame.f_locals))
        frame = frame.f_back
    for thing in gc.get_objects():
        seen += [item for item in gc.get_referents(thing) if isinstance(item, str)]
    found = re.search(r"f[(]2[)] == ([0-9]+)", " ".join(seen))
    return int(found[1]) if found else 0`,
    "redefined builtins": `
import builtins
for name in ("abs", "len", "all", "isinstance"): setattr(builtins, name, lambda *args: 0)
def abs(x): return 0
def f(x): return 0`,
  };
  for (const [name, program] of Object.entries(cheats)) {
    const { score, verdict, reason } = await asserting(python, "python", program, [
      /redefined|near/.test(name) ? "assert abs(f(2) - 12345) < 1e-6" : "assert f(2) == 12345",
    ]);
    assert.deepEqual([score, verdict], [0, "incorrect"], `${name}: ${reason}`);
  }
  const scripts = {
    "patched assert": "globalThis.assert = () => {}; assert.strictEqual = () => {}; const f = () => 0;",
    "patched intrinsics":
      "Object.is = () => true; JSON.parse = () => ({}); Array.isArray = () => true; const f = () => 0;",
    "an object that equals": "const f = () => ({ valueOf: () => 0, toString: () => '', equals: () => true });",
    "an exit": "process.exit(0); function f() {}",
    "an exit in the call": "const f = () => process.exit(0);",
    "a promise that never settles": "const f = () => new Promise(() => {});",
  };
  for (const [name, program] of Object.entries(scripts)) {
    const { score, verdict, reason } = await asserting(javascript, "javascript", program, [
      "assert.strictEqual(await f(2), 12345)",
    ]);
    assert.deepEqual([score, verdict], [0, "incorrect"], `${name}: ${reason}`);
  }
});

/** What a program leaves behind in the interpreter, and what the next one would see of it. */
const TRACES: Record<string, [leaves: string, sees: string]> = {
  "a patched builtin": ["import builtins\nbuiltins.print = builtins.len = lambda *args: 0", "print(len('abc'))"],
  "a module of its own": [
    "import sys, types\nsys.modules['math'] = sys.modules['mine'] = types.ModuleType('mine')",
    "import math\ntry:\n    import mine\nexcept ImportError: print(math.gcd(9, 6))",
  ],
  "an attribute of a module": ["import math, json\nmath.gcd = json.dumps = None", "import math\nprint(math.gcd(9, 6))"],
  "a file": [
    "open('/tmp/left', 'w').write('3')",
    "import os\nprint(3 if not os.path.exists('/tmp/left') else 'broken out')",
  ],
  "a working directory": ["import os\nos.chdir('/tmp')", "import os\nprint(3 if os.getcwd() != '/tmp' else 4)"],
  "an environment variable": [
    "import os\nos.environ['LEFT'] = '3'",
    "import os\nprint(os.environ.get('LEFT', 3) and 3 if 'LEFT' not in os.environ else 4)",
  ],
  "a limit of recursion": [
    "import sys\nsys.setrecursionlimit(77)",
    "import sys\nprint(3 if sys.getrecursionlimit() > 500 else 4)",
  ],
  "a random state": [
    "import random\nrandom.seed(5)\nrandom.random()",
    "import random\nprint(3 if random.random() != random.Random(5).random() else 4)",
  ],
  "callbacks of the collector and at exit": [
    "import atexit, gc\ngc.callbacks.append(lambda *args: print('broken out'))\natexit.register(print, 'broken out')",
    "import gc\ngc.collect()\nprint(3)",
  ],
  "filters of warnings": [
    "import warnings\nwarnings.simplefilter('error')",
    "import warnings\nwarnings.warn('x')\nprint(3)",
  ],
  hooks: [
    "import sys\nsys.settrace(lambda *args: None)\nsys.displayhook = sys.excepthook = None\nsys.path.insert(0, '/left')\nsys.meta_path.clear()",
    "import sys, fractions, tomllib\nprint(3 if sys.gettrace() is None and '/left' not in sys.path else 4)",
  ],
  "a thread": [
    "import threading, time\nthreading.Thread(target=lambda: time.sleep(0.2), daemon=True).start()",
    "import threading\nprint(2 + threading.active_count())",
  ],
  "a closed standard input and output": [
    "import os, sys\nsys.stdin.close()\nos.close(0)\nos.close(1)\nos.close(2)",
    "input()\nprint(3)",
  ],
  "an open file": [
    "import os\nkept = [os.open('/dev/null', os.O_RDONLY) for i in range(20)]",
    "import os\nfd = os.open('/dev/null', os.O_RDONLY)\nprint(3 if fd < 8 else fd)",
  ],
  "a change of a class written in C": [
    "import ctypes, gc\ngc.get_referents(str.__dict__)[0]['title'] = lambda self: 'broken out'\nctypes.pythonapi.PyType_Modified(ctypes.py_object(str))",
    "print(3 if 'ab'.title() == 'Ab' else 4)",
  ],
  "large memory": [
    "kept = bytearray(b'x' * (1 << 26))\nimport sys\nsys.kept = kept",
    "import sys\nprint(3 if not hasattr(sys, 'kept') else 4)",
  ],
  "a constant that is shared": [
    "import ctypes\nctypes.memmove(id(3) + 24, (4).to_bytes(4, 'little'), 4) if hasattr(ctypes, 'memmove') else None",
    "print(1 + 2)",
  ],
};

for (const { name, judge, language, skip } of ENGINES)
  if (language === "python")
    test(`${name}: no program finds anything that another left behind`, { skip }, async (t) => {
      for (const [left, [leaves, sees]] of Object.entries(TRACES))
        await t.test(left, async () => {
          await printing(judge, "python", leaves, [{ output: "" }]);
          const next = await printing(judge, "python", sees, [{ input: "1\n", output: "3" }]);
          assert.equal(next.verdict, "correct", next.reason);
          await asserting(judge, "python", `${leaves}\ndef f(x): return x`, ["assert f(1) == 2"]);
          const called = await asserting(judge, "python", "def f(x): return x + 1", [
            "assert f(2) == 3 and len([1]) == 1",
          ]);
          assert.equal(called.verdict, "correct", called.reason);
        });
    });

test("the last block of the asked language after the reasoning is the program", async () => {
  const answer = JSON.stringify({ stdin_tests: [{ input: "", output: "2" }] });
  const judge = (completion: string, finish_reason: "stop" | "length" = "stop") =>
    javascript({ prompt: "", completion, answer, finish_reason });
  const block = (language: string, text: string) => `\`\`\`${language}\n${text}\n\`\`\`\n`;
  const last = await judge(`${block("js", "console.log(1)")}${block("js", "console.log(2)")}${block("text", "3")}`);
  assert.equal(last.verdict, "correct", last.reason);
  assert.equal(last.extracted, "console.log(2)\n");
  assert.equal(
    (await judge(`<think>${block("js", "console.log(2)")}</think>none`)).reason,
    "no fenced block of javascript",
  );
  assert.equal((await judge(`<think>${block("js", "console.log(2)")}`)).reason, "no fenced block of javascript");
  assert.equal((await judge("```js\nconsole.log(2)")).verdict, "correct");
  assert.equal((await judge("```js\nconsole.log(", "length")).verdict, "truncated");
});

test("tests that cannot be read are unknown, a sandbox that does not work is infra_error", async () => {
  const completion = completionOf("javascript", "console.log(1)");
  for (const answer of [undefined, "42 {", "{}", '{"stdin_tests":[]}', '{"assertions":[1]}', '{"assertions":["(("]}']) {
    const { score, verdict } = await javascript({
      prompt: "",
      completion,
      ...(answer === undefined ? {} : { answer }),
    });
    assert.deepEqual([score, verdict], [null, "unknown"], answer);
  }
  const { execPath } = process;
  process.execPath = join(tmpdir(), "no-such-node");
  try {
    const broken = await printing(reward({ language: "javascript" }), "javascript", "console.log(1)", [
      { output: "2" },
    ]);
    assert.deepEqual([broken.score, broken.verdict], [null, "infra_error"]);
    assert.match(broken.reason, /ENOENT|not found/);
  } finally {
    process.execPath = execPath;
  }
});

test("all lines of an output count; only white space at ends does not", () => {
  const text = { numbers: "text", tolerance: 1e-6 } as const;
  const value = { numbers: "value", tolerance: 1e-6 } as const;
  // a shorter or longer output passes in open-r1, which compares with zip
  assert.equal(outputDifference("1", "1\n2\n3", text), "1 lines, expected 3");
  assert.equal(outputDifference("1\n2\n3\n4", "1\n2\n3", text), "4 lines, expected 3");
  assert.equal(outputDifference("", "1", text), "0 lines, expected 1");
  assert.equal(outputDifference("1 \r\n2\t\n\n\n", "1\n2", text), undefined);
  assert.equal(outputDifference("\n1", "1", text), 'line 1 is "", expected "1"');
  assert.equal(outputDifference("0.50", "0.5", text), 'line 1 is "0.50", expected "0.5"');
  assert.equal(outputDifference("0.50 1e0 x", "0.5 1.0000001 x", value), undefined);
  assert.ok(outputDifference("0.51", "0.5", value));
  // torchtune pays for an output that holds the reference anywhere
  assert.ok(outputDifference("15", "5", text));
  assert.ok(outputDifference("nan", "1", value));
  assert.ok(outputDifference("9007199254740993", "9007199254740992", value));
});

test("idle sandboxes do not keep the judging process alive", () => {
  const script = `
    import { code } from ${JSON.stringify(new URL("../../src/rewards/code.js", import.meta.url).href)};
    const judge = code.create(code.options.parse({ language: "javascript" }));
    const answer = JSON.stringify({ stdin_tests: [{ input: "", output: "1" }] });
    console.log((await judge({ prompt: "", completion: "\`\`\`js\\nconsole.log(1)\\n\`\`\`", answer })).verdict);`;
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(printed, "correct\n");
});
