import assert from "node:assert/strict";
import { test } from "node:test";
import { code } from "../../src/rewards/code.ts";
import type { Reward } from "../../src/rewards/reward.ts";
import { openBubblewrap } from "../../src/rewards/sandbox/bubblewrap.ts";

const LIMITS = { time_limit: 4, memory_mb: 256, output_limit: 100_000 };
const reward = (options: object) => code.create(code.options.parse({ ...LIMITS, ...options }));
const hasBubblewrap = await openBubblewrap(1).then((sandbox) => {
  sandbox?.close();
  return sandbox !== undefined;
});

const PYTHONS: { name: string; judge: Reward; skip: boolean | string }[] = [
  { name: "Python in WebAssembly", judge: reward({ engine: "wasm" }), skip: false },
  {
    name: "Python under bubblewrap",
    judge: reward({ engine: "bubblewrap" }),
    skip: hasBubblewrap ? false : "bubblewrap with python3 does not work here",
  },
];
const javascript = reward({ language: "javascript" });

const asserting = (judge: Reward, language: string, program: string, ...assertions: string[]) =>
  judge({
    prompt: "",
    completion: `\`\`\`${language}\n${program}\n\`\`\``,
    answer: JSON.stringify({ language, assertions }),
  });

/** Right programs, and tests that hand them what has no plain value. With `wrong` in place of `right` none may pass. */
const KINDS: Record<string, { program: string; right: string; wrong: string; test: string }> = {
  "a callback": {
    program: "def apply(f, xs): return [f(RIGHT) for x in xs]",
    right: "x",
    wrong: "x + 1",
    test: "assert apply(lambda x: x * 2, [1, 2, 3]) == [2, 4, 6]",
  },
  "a callback that keeps a list of what it was called with": {
    program: "def each(f, n):\n    for i in range(RIGHT): f(i, [i])",
    right: "n",
    wrong: "n + 1",
    test: "seen = []\ndef note(i, items):\n    seen.append((i, items))\neach(note, 3)\nassert seen == [(0, [0]), (1, [1]), (2, [2])]",
  },
  "a callback that raises": {
    program: "def safely(f):\n    try: return f()\n    except KeyError: return RIGHT",
    right: "7",
    wrong: "8",
    test: "def fail(): raise KeyError('no')\nassert safely(fail) == 7",
  },
  "a function of the standard library": {
    program: "import functools\ndef fold(f, xs, key=None): return functools.reduce(f, sorted(xs, key=key)) RIGHT",
    right: "",
    wrong: "+ 1",
    test: "import operator, math\nassert fold(operator.mul, [2, 3, 4], key=abs) == 24",
  },
  "a type": {
    program: "def convert(kind, x): return kind(x) RIGHT",
    right: "",
    wrong: "* 2",
    test: "assert convert(int, '3') == 3 and convert(float, '0.5') == 0.5",
  },
  "a linked list of the test's own class": {
    program: `
class Solution:
    def reverse(self, head):
        back = None
        while head:
            head.next, back, head = back, head, head.next
        return RIGHT`,
    right: "back",
    wrong: "head",
    test: `
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
head = ListNode(1, ListNode(2, ListNode(3)))
node, values = Solution().reverse(head), []
while node:
    values.append(node.val)
    node = node.next
assert values == [3, 2, 1]`,
  },
  "a linked list whose class both sides have": {
    program: `
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
def double(head):
    start = at = ListNode()
    while head:
        at.next = ListNode(head.val RIGHT)
        at, head = at.next, head.next
    return start.next`,
    right: "* 2",
    wrong: "* 3",
    test: `
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
made = double(ListNode(1, ListNode(2)))
assert (made.val, made.next.val, made.next.next) == (2, 4, None)`,
  },
  "a tree": {
    program: "def depth(root): return 0 if root is None else 1 + max(depth(root.left), depth(root.right)) RIGHT",
    right: "",
    wrong: "+ 1",
    test: "class T:\n    def __init__(self, left=None, right=None): self.left, self.right = left, right\nassert depth(T(T(None, T()))) == 3",
  },
  "an object with operators": {
    program: "def total(xs): return sum(xs[1:], xs[0]) RIGHT",
    right: "",
    wrong: "+ xs[0]",
    test: `
class Money:
    def __init__(self, n): self.n = n
    def __add__(self, other): return Money(self.n + other.n)
    def __eq__(self, other): return self.n == other.n
assert total([Money(1), Money(2)]) == Money(3)`,
  },
  "an iterator": {
    program: "import itertools\ndef first(xs, n): return list(itertools.islice(xs, RIGHT))",
    right: "n",
    wrong: "n + 1",
    test: "def count():\n    n = 0\n    while True:\n        yield n\n        n += 1\nassert first(count(), 3) == [0, 1, 2] and first(iter('abc'), 2) == ['a', 'b']",
  },
  dates: {
    program: "import datetime\ndef later(day, by): return day + by RIGHT",
    right: "",
    wrong: "+ by",
    test: "from datetime import date, datetime, timedelta\nassert later(date(2024, 2, 28), timedelta(days=2)) == date(2024, 3, 1)\nassert later(datetime(2024, 1, 1, 5), timedelta(hours=1)).hour == 6",
  },
  "containers of the standard library": {
    program: "def rotate(d): d.rotate(RIGHT)\ndef most(c): return c.most_common(1)[0][0]",
    right: "1",
    wrong: "2",
    test: "from collections import Counter, deque\nd = deque([1, 2, 3])\nrotate(d)\nassert d == deque([3, 1, 2]) and most(Counter('abb')) == 'b'",
  },
  "a list that is returned": {
    program: "def same(xs):\n    xs.append(1)\n    return RIGHT",
    right: "xs",
    wrong: "list(xs)",
    test: "xs = []\nassert same(xs) is xs and xs == [1]",
  },
  "a coroutine": {
    program: "import asyncio\nasync def twice(x):\n    await asyncio.sleep(0.01)\n    return x * RIGHT",
    right: "2",
    wrong: "3",
    test: "import asyncio\nassert asyncio.run(twice(2)) == 4\nasync def both(): return await asyncio.gather(twice(1), twice(2))\nassert asyncio.run(both()) == [2, 4]",
  },
  "arithmetic with an object of the program": {
    program:
      "class V:\n    def __init__(self, x): self.x = x\n    def __mul__(self, n): return V(self.x * RIGHT)\n    __rmul__ = __mul__",
    right: "n",
    wrong: "(n + 1)",
    test: "assert (V(2) * 3).x == 6 and (3 * V(2)).x == 6",
  },
  "a context manager of the program": {
    program: "class Open:\n    def __enter__(self): return RIGHT\n    def __exit__(self, *failure): pass",
    right: "5",
    wrong: "6",
    test: "with Open() as value: assert value == 5",
  },
  "a name of a function": {
    program: "def RIGHT(): pass\nf = locals()[[n for n in locals() if n in ('g', 'h')][0]]",
    right: "g",
    wrong: "h",
    test: "assert f.__name__ == 'g'",
  },
  "a guard for running as a program": {
    program:
      "def f(x): return x RIGHT\nif __name__ == '__main__':\n    print(f(int(input())))\n    raise SystemExit(1)",
    right: "+ 1",
    wrong: "+ 2",
    test: "assert f(1) == 2",
  },
  "recursion through a cache": {
    program:
      "import sys\nfrom functools import lru_cache\nsys.setrecursionlimit(100_000)\n@lru_cache(maxsize=None)\ndef f(n): return 0 if n == 0 else f(n - 1) + RIGHT",
    right: "1",
    wrong: "2",
    test: "assert f(8000) == 8000",
  },
  "a list that may go round": {
    program: `
def meet(head):
    slow = fast = head
    while fast is not None and fast.after is not None:
        slow, fast = slow.after, fast.after.after
        if slow is fast: return RIGHT
    return None`,
    right: "head.after.label",
    wrong: "head.label",
    test: "class Stop:\n    def __init__(self, label, after=None): self.label, self.after = label, after\na = Stop('a', Stop('b'))\nassert meet(a) is None\na.after.after = a\nassert meet(a) == 'b'",
  },
  "objects as keys": {
    program:
      "def count(xs):\n    seen = {}\n    for x in xs: seen[x] = seen.get(x, 0) + RIGHT\n    return sorted(seen.values())",
    right: "1",
    wrong: "2",
    test: "class T: pass\na, b = T(), T()\nassert count([a, b, a]) == [1, 2]\nclass U:\n    def __eq__(self, other): return True\n    def __hash__(self): return 1\nassert count([U(), U()]) == [2]",
  },
  "nodes of a class that only the test has": {
    program:
      "def chain(labels):\n    first = None\n    for label in reversed(labels): first = Link(label RIGHT, first)\n    return first",
    right: "",
    wrong: "+ '!'",
    test: "class Link:\n    def __init__(self, label, after): self.label, self.after = label, after\nmade = chain(['x', 'y'])\nassert isinstance(made, Link) and made.label == 'x' and made.after.label == 'y' and made.after.after is None",
  },
  "another object of an object's class": {
    program: "def twin(node): return type(node)(node.size RIGHT)",
    right: "* 2",
    wrong: "* 3",
    test: "class Box:\n    def __init__(self, size): self.size = size\nbox = Box(4)\nassert twin(box).size == 8 and isinstance(twin(box), Box) and twin(box) is not box",
  },
  "a list in an object": {
    program: "def hang(parent, child):\n    parent.below.append(child)\n    child.above['of'] = parent RIGHT",
    right: "",
    wrong: "and None",
    test: "class Part:\n    def __init__(self): self.below, self.above = [], {}\na, b = Part(), Part()\nlist_of_a = a.below\nhang(a, b)\nassert list_of_a == [b] and a.below[0] is b and b.above['of'] is a",
  },
  "an enumeration of the test's": {
    program: "def turn(side): return Side.LEFT if side is Side.END else Side.END if RIGHT else side",
    right: "True",
    wrong: "False",
    test: "from enum import Enum\nclass Side(Enum):\n    LEFT = 'l'\n    END = 'r'\nassert turn(Side.LEFT) is Side.END and turn(Side.END) is Side.LEFT",
  },
  "an exception of the program's own classes": {
    program:
      "class Refused(Exception): pass\nclass TooMuch(Refused):\n    def __init__(self, by):\n        super().__init__(f'too much by {by}')\n        self.by = by\ndef pay(n):\n    if n > 3: raise TooMuch(n - 3 RIGHT)",
    right: "",
    wrong: "+ 1",
    test: "try:\n    pay(5)\n    assert False\nexcept Refused as refusal:\n    assert refusal.by == 2 and str(refusal) == 'too much by 2'",
  },
  "an exception of the test's that goes through": {
    program:
      "def tried(f, n):\n    for i in range(n):\n        try: return f()\n        except LookupError: pass\n    return RIGHT",
    right: "f()",
    wrong: "None",
    test: "class Lost(LookupError):\n    def __init__(self, where): self.where = where\ndef f(): raise Lost('there')\ntry:\n    tried(f, 2)\n    assert False\nexcept Lost as lost: assert lost.where == 'there'",
  },
  "a generator that is talked to": {
    program:
      "def mean():\n    total, n, value = 0, 0, None\n    while True:\n        x = yield value\n        if x is None: return n RIGHT\n        total, n = total + x, n + 1\n        value = total / n",
    right: "",
    wrong: "+ 1",
    test: "g = mean()\nnext(g)\nassert g.send(2) == 2 and g.send(4) == 3\ntry: g.send(None)\nexcept StopIteration as end: assert end.value == 2\nimport types\nassert isinstance(mean(), types.GeneratorType)",
  },
  "coroutines in both directions": {
    program:
      "import asyncio\nasync def ticks(n):\n    for i in range(n):\n        await asyncio.sleep(0)\n        yield i RIGHT\nasync def each(f, xs): return [await f(x) for x in xs]\nclass Open:\n    async def __aenter__(self): return 'open'\n    async def __aexit__(self, *failure): self.closed = True",
    right: "",
    wrong: "+ 1",
    test: "import asyncio\nasync def half(x):\n    await asyncio.sleep(0)\n    return x / 2\nasync def go():\n    o = Open()\n    async with o as said: pass\n    return [i async for i in ticks(3)], await each(half, [2, 4]), said, o.closed\nassert asyncio.run(go()) == ([0, 1, 2], [1, 2], 'open', True)",
  },
  "times with a zone": {
    program:
      "from datetime import timezone\ndef at(t): return t.astimezone(timezone.utc).hour RIGHT\ndef second(t): return t.fold",
    right: "",
    wrong: "+ 1",
    test: "from datetime import datetime, timedelta, timezone\nassert at(datetime(2024, 3, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))) == 6 and second(datetime(2024, 10, 27, 2, fold=1)) == 1",
  },
  "a context that ends an exception": {
    program:
      "class Ignoring:\n    def __init__(self, *kinds): self.kinds = kinds\n    def __enter__(self): return self\n    def __exit__(self, kind, failure, trace):\n        self.was = str(failure)\n        return kind is not None and issubclass(kind, self.kinds) RIGHT",
    right: "",
    wrong: "and False",
    test: "with Ignoring(ValueError) as c: raise ValueError('seen')\nassert c.was == 'seen'",
  },
  "a class that compares with plain values": {
    program:
      "class Span:\n    def __init__(self, a, b): self.a, self.b = a, b\n    def __contains__(self, x): return self.a <= x < self.b RIGHT\n    def __eq__(self, other): return (self.a, self.b) == (tuple(other) if isinstance(other, (list, tuple)) else (other.a, other.b))\n    def __lt__(self, x): return self.b <= x\n    def __format__(self, spec): return f'{self.a:{spec}}..{self.b:{spec}}'",
    right: "",
    wrong: "+ 1",
    test: "s = Span(1, 4)\nassert 3 in s and 4 not in s and s == [1, 4] and s == Span(1, 4) and s < 4 and f'{s:.1f}' == '1.0..4.0'",
  },
  "a dictionary with a way of its own": {
    program: "class Squares(dict):\n    def __missing__(self, n): return n * n RIGHT",
    right: "",
    wrong: "+ 1",
    test: "s = Squares(a=1)\nassert s[3] == 9 and s['a'] == 1 and len(s) == 1",
  },
  "a function with the name of a module": {
    program: "def copy(xs): return xs[:RIGHT]\ndef trace(f): return lambda *args: ('traced', f(*args))",
    right: "2",
    wrong: "1",
    test: "assert copy([1, 2, 3]) == [1, 2]\n@trace\ndef g(x): return x\nassert g(3) == ('traced', 3)",
  },
  "what is in something that comes one after the other": {
    program: "def odd(): return (n for n in range(1, 9, 2) if n != RIGHT)",
    right: "9",
    wrong: "5",
    test: "assert 5 in odd() and 4 not in odd()",
  },
  "a list that the program keeps": {
    program:
      "class Diary:\n    def __init__(self, pages): self.pages = pages\n    def write(self, line): self.pages.append(line RIGHT)\n    def last(self): return self.pages[-1]",
    right: "",
    wrong: "+ '!'",
    test: "pages = []\ndiary = Diary(pages)\ndiary.write('a')\npages.append('b')\nassert diary.last() == 'b' and pages == ['a', 'b']\ndiary.write('c')\nassert pages == ['a', 'b', 'c']",
  },
  "a copy of a list": {
    program:
      "class Diary:\n    def __init__(self, pages): self.pages = RIGHT\n    def write(self, line): self.pages.append(line)",
    right: "list(pages)",
    wrong: "pages",
    test: "pages = []\nDiary(pages).write('a')\ndiary = Diary(pages)\ndiary.write('b')\nassert pages == [] and diary.pages == ['b']",
  },
  "a list of the program's that the test looks at": {
    program: "seen = []\ndef visit(x):\n    seen.append(x RIGHT)",
    right: "",
    wrong: "* 2",
    test: "assert seen == []\nvisit(1)\nvisit(2)\nassert seen == [1, 2]",
  },
  "work that is handed to a pool": {
    program:
      "from concurrent.futures import ThreadPoolExecutor\ndef all_of(f, xs):\n    with ThreadPoolExecutor(2) as pool: return list(pool.map(f, xs)) RIGHT",
    right: "",
    wrong: "+ [0]",
    test: "assert all_of(abs, [-1, 2]) == [1, 2]",
  },
};

for (const { name, judge, skip } of PYTHONS) {
  test(`${name}: what a test hands over works, and a wrong program is wrong`, { skip }, async (t) => {
    for (const [kind, { program, right, wrong, test }] of Object.entries(KINDS))
      await t.test(kind, async () => {
        const good = await asserting(judge, "python", program.replace("RIGHT", right), test);
        assert.deepEqual([good.score, good.verdict], [1, "correct"], good.reason);
        const bad = await asserting(judge, "python", program.replace("RIGHT", wrong), test);
        assert.deepEqual([bad.score, bad.verdict], [0, "incorrect"], bad.reason);
      });
  });

  test(`${name}: a program cannot look into what a test lends`, { skip }, async () => {
    const tests = [
      "expected = 12345\ndef check(x): return x\nassert f(check) == expected",
      "class Case:\n    _expected = 12345\n    def go(self): return self._expected and 0\nassert f(Case()) == Case._expected",
      "def values():\n    secret = 12345\n    yield 1\nassert f(values()) == 12345",
    ];
    const cheats = [
      "def f(g): return g.__globals__['expected']",
      "def f(g): return g.__code__.co_consts",
      "def f(g): return g._expected",
      "def f(g): return g.go.__func__.__globals__",
      "def f(g):\n    next(g)\n    return g.gi_frame.f_locals['secret']",
      "def f(g): return type(g)._expected",
      "def f(g): return object.__getattribute__(g, '_expected')",
      "def f(g):\n    import gc\n    return [x for x in gc.get_objects() if isinstance(x, str) and '12345' in x] and 12345",
      `def f(g):
    import os
    os.write(3, b'?["getattr",{"yours":0},{"str":"_expected"}]\\n')
    return int(os.read(3, 1000).decode().split('"int": "')[1].split('"')[0], 16)`,
      `def f(g):
    import os
    os.write(3, b'.{"passed": true}\\n')
    return 0`,
      'def f(g):\n    import os\n    os.write(3, b\'!{"result":{"yours":0},"args":{"list":[]},"same":null,"kwargs":{"dict":[]}}\\n\')\n    return g',
    ];
    for (const test of tests)
      for (const program of cheats) {
        const { score, verdict, reason } = await asserting(judge, "python", program, test);
        assert.deepEqual([score, verdict], [0, "incorrect"], `${program}\n${test}\n${reason}`);
      }
  });

  test(`${name}: no object of a program's is right because its class says so`, { skip }, async () => {
    const all = `
class Any:
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = lambda *args: True
    __sub__ = __rsub__ = __getattr__ = __call__ = __getitem__ = __enter__ = lambda self, *args: self
    __exit__ = __aexit__ = lambda *args: True
    __hash__ = lambda self: 1
    __iter__ = lambda self: iter([self])
def f(x): return Any()
class Solution:
    def f(self, x): return Any()`;
    const tests = [
      "assert 12345 in f(2)",
      "assert f(2) in (12345, 5) or f(2) in {12345: 1}",
      "with f(2) as v: assert v == 12345",
      "def check(v): assert v == 12345\nwith f(2) as v: check(v)",
      "with f(2) as v:\n    v.x[3].nothing + 'a'\n    assert v == 12345",
      "assert list(f(2)) == [12345]",
      "assert Solution().f(2) == 12345",
      "assert 12345 in Solution().f(2)",
      "assert abs(Solution().f(2) - 12345) < 1",
    ];
    for (const test of tests) assert.notEqual((await asserting(judge, "python", all, test)).verdict, "correct", test);
    const reading = [
      ["def f(x): return Case.answer", "class Case:\n    answer = 12345\nassert f(2) == Case.answer"],
      ["def f(x): return type(x).answer", "class Case:\n    answer = 12345\nassert f(Case()) == Case.answer"],
      ["def f(x): return Case.__dict__['_answer']", "class Case:\n    _answer = 12345\nassert f(2) == Case._answer"],
      [
        'def f(x):\n    import os\n    os.write(3, b\'!{"error":[["Untestable","BaseException"],"x",{"list":[]},null]}\\n\')',
        "assert f(2) == 12345",
      ],
      ["def f(x):\n    yield 1\n    raise SystemExit(0)", "assert list(f(2)) == [12345]"],
    ] as const;
    for (const [program, test] of reading)
      assert.notEqual((await asserting(judge, "python", program, test)).verdict, "correct", program);
  });

  test(`${name}: what a test needs and is not there is unknown, not the program's fault`, { skip }, async () => {
    const program = "class A: pass\ndef f(x): return x\nimport json\ndef g(): raise ModuleNotFoundError('no_such')";
    for (const test of [
      "import no_such_module\nassert f(1) == 1",
      "class B(A): pass",
      "f(json)\nimport os\nf(os)",
      "((",
      "x = []\nfor i in range(400): x = [x]\nf(x)",
    ]) {
      const { score, verdict, reason } = await asserting(judge, "python", program, test);
      assert.deepEqual([score, verdict], [null, "unknown"], `${test}: ${reason}`);
    }
    const { verdict } = await asserting(judge, "python", program, "g()");
    assert.equal(verdict, "incorrect");
  });
}

test("JavaScript: what a test hands over works, and a wrong program is wrong", async () => {
  const kinds: Record<string, [program: string, right: string, wrong: string, test: string]> = {
    "a callback": [
      "const map = (xs, f) => xs.map((x, i) => f(RIGHT, i));",
      "x",
      "x + 1",
      "assert.deepStrictEqual(map([1, 2], (x, i) => x * 10 + i), [10, 21])",
    ],
    "a callback that keeps": [
      "function each(xs, f) { for (const x of xs) f(RIGHT); }",
      "x",
      "[x]",
      "const seen = []; each([1, 2], (x) => { seen.push(x); }); assert.deepStrictEqual(seen, [1, 2])",
    ],
    "a callback that throws": [
      "const safely = (f) => { try { return f(); } catch (e) { return e.message + RIGHT; } };",
      "''",
      "'!'",
      "assert.equal(safely(() => { throw new TypeError('no'); }), 'no')",
    ],
    "a callback of promises": [
      "async function later(f) { return (await f(2)) RIGHT; }",
      "",
      "+ 1",
      "assert.equal(await later(async (x) => { await null; return x * 2; }), 4)",
    ],
    "an object of an own class": [
      "function reverse(head) { let back = null; while (head) { const next = head.next; head.next = back; back = head; head = next; } return RIGHT; }",
      "back",
      "head",
      "class ListNode { constructor(val, next = null) { this.val = val; this.next = next; } }\nlet node = reverse(new ListNode(1, new ListNode(2))); const all = []; while (node) { all.push(node.val); node = node.next; } assert.deepEqual(all, [2, 1])",
    ],
    "an iterator": [
      "const sum = (xs) => { let s = 0; for (const x of xs) s += x; return s RIGHT; };",
      "",
      "+ 1",
      "function* count() { yield 1; yield 2; } assert.equal(sum(count()), 3)",
    ],
    "a date and a pattern": [
      "const f = (day, p) => day.getFullYear() + (p.test('ab') ? 1 : 0) RIGHT;",
      "",
      "+ 1",
      "assert.equal(f(new Date(Date.UTC(2024, 5, 1)), /b$/), 2025)",
    ],
    "debounced calls": [
      "const once = (f) => { let done = false; return (...args) => { if (!done) { done = RIGHT; return f(...args); } }; };",
      "true",
      "false",
      "let n = 0; const g = once(() => ++n); g(); g(); assert.equal(n, 1)",
    ],
  };
  for (const [kind, [program, right, wrong, test]] of Object.entries(kinds)) {
    const good = await asserting(javascript, "javascript", program.replace("RIGHT", right), test);
    assert.deepEqual([good.score, good.verdict], [1, "correct"], `${kind}: ${good.reason}`);
    const bad = await asserting(javascript, "javascript", program.replace("RIGHT", wrong), test);
    assert.deepEqual([bad.score, bad.verdict], [0, "incorrect"], `${kind}: ${bad.reason}`);
  }
});
