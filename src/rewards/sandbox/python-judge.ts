/** @file What runs a Python test, in an interpreter of its own, and calls the program in the other (python-program.ts). */

import { CODEC } from "./python-codec.ts";

export const JUDGE = `${CODEC}
import ast, inspect, operator, types

exceptions, kept, remotes = {}, Kept(), {}

class Untestable(BaseException):
    """The test does what cannot be judged here, which is not the program's fault."""

class Raised:
    """An exception of the program's own class: it says what it says there, and its attributes are asked for."""
    def __str__(self): return self._message
    def __getattr__(self, name):
        if name.startswith("_"): raise AttributeError(name)
        return request("getattr", {"yours": self._number}, encode(name))

def exception(names):
    """The class with these names; the last one is Python's own."""
    *own, base = names
    kind = getattr(builtins, base, Exception)
    if not issubclass(kind, Exception): kind = Exception
    for name in reversed(own):
        if name not in exceptions: exceptions[name] = type(name, (kind,) if issubclass(kind, Raised) else (Raised, kind), {"_message": "", "_number": -1})
        kind = exceptions[name]
    return kind

held = {} # lists of the test that the program holds, as they were when both sides had the same

def request(op, *operands, raw=False):
    if op != "name":
        for number, before in list(held.items()):
            now = encode(kept[number])
            if now != before:
                held[number] = now
                channel[2](serve, ["refresh", number, now])
    answer = channel[2](serve, [op, *operands])
    if shown and op != "name": look_again()
    if isinstance(answer, dict) and "error" in answer: raise failure_of(*answer["error"])
    return answer if raw else decode(answer)

shown = {} # lists and the like of the program that the test names

def look_again():
    for name, value in shown.items():
        answer = channel[2](serve, ["name", name])
        if not (isinstance(answer, dict) and ("absent" in answer or "error" in answer)): update(value, decode(answer))

def failure_of(names, message, args, reference):
    if reference is not None and "yours" in reference: return kept[reference["yours"]]
    kind = exception(names)
    try: failure = kind(*decode(args))
    except Exception: failure = kind(message)
    if isinstance(failure, Raised): failure._message, failure._number = message, reference["remote"][0]
    failure.of_the_program = True
    return failure

def forward(op):
    return lambda self, *operands: request(op, *map(encode, (self, *operands)))

def plainly(op):
    ask = forward(op)
    def method(self, *operands):
        if object.__getattribute__(self, "_mixed"): raise TypeError(f"{op} of an object of the program that came of the test's values")
        return ask(self, *operands)
    return method

def mixed(op, swapped=False):
    """With a value of the test's the program's object may make another object, and nothing that compares: see abs(f(2) - 3) < 1."""
    def method(self, other):
        operands = (other, self) if swapped else (self, other)
        result = request(op, *map(encode, operands))
        if isinstance(other, Remote): return result
        if object.__getattribute__(self, "_made"): return result
        if not isinstance(result, Remote): return NotImplemented
        object.__setattr__(result, "_mixed", True)
        return result
    return method

asserting = [False] # whether a with statement of the test may stand around what it asserts

def swallowed(failure, said):
    """A context of the program's may end a failure, but none that keeps the test from what it asserts."""
    if said and failure is not None and (asserting[0] or isinstance(failure, AssertionError)):
        raise Untestable("a context of the program would end a failure of the test")
    return said

def asserts_in_contexts(tree):
    own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    inside = [part for node in ast.walk(tree) if isinstance(node, (ast.With, ast.AsyncWith)) for part in ast.walk(node)]
    return any(isinstance(part, ast.Assert) or isinstance(part, ast.Name) and part.id in own for part in inside)

def comparable(self, other):
    """With what the test made itself of a class that it names, as the task has it, the class may compare anything."""
    return isinstance(other, Remote) or object.__getattribute__(self, "_made")

def among_remotes(op):
    return lambda self, other: request(op, encode(self), encode(other)) if comparable(self, other) else NotImplemented

SHOWN = ("__name__", "__qualname__", "__doc__", "__dict__", "__annotations__")

class Remote:
    """An object of the program that has no plain value. It equals no plain value, whatever its class says."""
    def __init__(self, number):
        object.__setattr__(self, "_number", number)
        for flag in ("_mixed", "_class", "_made"): object.__setattr__(self, flag, False)
    def __call__(self, *args, **kwargs):
        op = "make" if object.__getattribute__(self, "_class") else "call"
        numbers = [kept.add(arg) if isinstance(arg, (list, dict, set, bytearray, collections.deque)) else None for arg in args]
        answer = request(op, encode(self), encode(list(args)), encode(kwargs), numbers, raw=True)
        for before, after in zip(args, decode(answer["args"])): update(before, after)
        after = decode(answer["kwargs"])
        for name in kwargs: update(kwargs[name], after.get(name))
        result = args[answer["same"]] if answer["same"] is not None else decode(answer["result"])
        if object.__getattribute__(self, "_class") and isinstance(result, Remote): object.__setattr__(result, "_made", True)
        return result
    def __getattr__(self, name):
        if name.startswith("__") and name not in SHOWN: raise AttributeError(name)
        return request("getattr", encode(self), encode(name))
    def __setattr__(self, name, value): request("setattr", encode(self), encode(name), encode(value))
    def __contains__(self, item):
        if isinstance(item, Remote) or object.__getattribute__(self, "_made"): return bool(request("contains", encode(self), encode(item)))
        if request("able", encode(self), encode("__contains__")): raise Untestable("it asks an object of the program what is in it")
        return any(item is one or item == one for one in self)
    def __instancecheck__(self, item): return isinstance(item, Remote) and request("isinstance", encode(item), encode(self))
    def __eq__(self, other): return self is other or comparable(self, other) and bool(request("eq", encode(self), encode(other)))
    def __ne__(self, other): return not self == other
    def __hash__(self): return request("hash", encode(self))
    def __enter__(self): return request("enter", encode(self))
    def __format__(self, spec): return request("format", encode(self), encode(spec))
    def __exit__(self, kind, failure, trace): return swallowed(failure, request("exit", encode(self), encode(failure)))
    def __aiter__(self): return request("aiter", encode(self))
    async def __anext__(self): return request("anext", encode(self))
    async def __aenter__(self): return request("aenter", encode(self))
    async def __aexit__(self, kind, failure, trace): return swallowed(failure, request("aexit", encode(self), encode(failure)))
    def __mro_entries__(self, bases): raise Untestable("it makes a class from one of the program's")

for op in ("iter", "next", "str", "repr", "getitem", "setitem", "delitem", "neg", "reversed"): setattr(Remote, f"__{op}__", forward(op))
for op in ("len", "bool", "int", "float", "abs", "round"): setattr(Remote, f"__{op}__", plainly(op))
for op in BINARY:
    setattr(Remote, f"__{op.strip('_')}__", mixed(op))
    setattr(Remote, f"__r{op.strip('_')}__", mixed(op, swapped=True))
for op in COMPARING: setattr(Remote, f"__{op}__", among_remotes(op))

def find(value):
    if "yours" in value: return kept[value["yours"]]
    number, kind, names = value["remote"]
    if kind == "exception": return exception(names)
    if kind == "coroutine":
        async def wait(): return request("await", {"yours": number})
        return wait()
    if number not in remotes: remotes[number] = generated(number) if kind == "generator" else Remote(number)
    return remotes[number]

def generated(number):
    """A generator of the program's, as a generator."""
    def run():
        op, item = "send", None
        while True:
            try: value = request(op, {"yours": number}, encode(item))
            except StopIteration as end: return end.value
            try: op, item = "send", (yield value)
            except GeneratorExit:
                request("close", {"yours": number})
                raise
            except Exception as failure: op, item = "throw", failure
    made = run()
    generators[id(made)] = made, number
    return made

generators = {}
ABLE = ("call", "await", "iter", "next", "len", "getitem", "setitem", "delitem", "contains", "bool", "int", "float", "str", "abs", "neg", "reversed", "enter", "exit", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
PLAIN_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.GeneratorType, types.CoroutineType, types.CodeType, types.FrameType)

def keep(value):
    if isinstance(value, Remote): return {"yours": object.__getattribute__(value, "_number")}
    if id(value) in generators: return {"yours": generators[id(value)][1]}
    if isinstance(value, Raised): return {"yours": value._number}
    if isinstance(value, BaseException) and not isinstance(value, Untestable):
        return {"error": [bases_of(type(value)), [encode(arg) for arg in value.args]]}
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, (type, types.BuiltinFunctionType, types.FunctionType)) and isinstance(module, str) and isinstance(name, str):
        if module.partition(".")[0] in sys.stdlib_module_names and module != "__main__" and module != "__test__": return {"global": f"{module}:{name}"}
    if isinstance(value, types.ModuleType): raise Untestable("it hands the program a module")
    if isinstance(value, type): return {"lent": [kept.add(value), value.__name__, ["class", *able_of(value)], 0]}
    return {"lent": [kept.add(value), type(value).__name__, able_of(type(value)), kept.add(type(value))]}

def able_of(kind):
    """What its class says of an object; where it says nothing of equality, one object equals itself."""
    if issubclass(kind, PLAIN_CODE): return [op for op in ("call", "await", "iter", "next") if hasattr(kind, f"__{op}__")]
    compares = kind.__eq__ is not object.__eq__ or kind.__hash__ is not object.__hash__
    return [op for op in ABLE if hasattr(kind, f"__{op}__")] + ["eq", "hash"] * compares

def named(text):
    module, _, name = text.partition(":")
    if module != "builtins" or name not in TYPES: raise TypeError("no such type")
    return getattr(builtins, name)

encode, decode = make_codec(keep, find, named, Untestable)

def hidden(target, name):
    if name in ("__name__", "__qualname__"): return False
    return not isinstance(name, str) or name.startswith("_") or isinstance(target, PLAIN_CODE)

def attribute(target, name):
    if hidden(target, name): raise AttributeError(name)
    value = getattr(target, name)
    # what stands in a class of the test's may be what is expected
    if isinstance(target, type) and not (callable(value) or isinstance(value, target) or name.startswith("_")):
        raise Untestable("the program reads a value of a class of the test")
    return value

def set_attribute(target, name, value):
    if hidden(target, name) or isinstance(target, type): raise AttributeError(name)
    setattr(target, name, value)

LENT = {
    "getattr": attribute, "setattr": set_attribute, "update": lambda target, name, value: update(attribute(target, name), value), "await": finished,
    "enter": lambda value: value.__enter__(), "exit": lambda value, failure: value.__exit__(failure and type(failure), failure, None),
}

def lent(text):
    """What the program asks of an object that the test handed to it."""
    op, target, *operands = json.loads(text)
    if op == "held":
        changed = {number: held.get(number) or encode(kept[number]) for number in target}
        held.clear()
        held.update(changed)
        return None
    if op in BINARY and isinstance(target, dict) and "yours" not in target: pass  # the other way round: 3 * x
    elif not (isinstance(target, dict) and "yours" in target): raise TypeError("no object of the test")
    target, *values = decode(target), *map(decode, operands)
    if op == "call":
        args, kwargs = values
        result, same = answered(target, args, kwargs)
        return {"result": None if same is not None else encode(result), "same": same, "args": encode(args)}
    if op in LENT: return encode(LENT[op](target, *values))
    if op == "replace":
        update(target, *values)
        number = kept.add(target)
        if number in held: held[number] = encode(target)
        return None
    if op in UNARY: return encode(getattr(builtins, op)(target, *values))
    if op in (*BINARY, *COMPARING, "eq", "getitem", "setitem", "delitem", "contains", "neg"): return encode(getattr(operator, op)(target, *values))
    raise TypeError(f"no {op} here")

def serve(text):
    try:
        return json.dumps(lent(text))
    except Exception as failure:
        try: args = encode(list(failure.args))
        except Exception: args = encode([str(failure)[:300]])
        return json.dumps({"error": [bases_of(type(failure)), str(failure)[:300], args, kept.add(failure)]})

def names_of(tree):
    """Names that the test uses and does not make itself."""
    used, made = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name): (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.arg): made.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)): made.add(node.name)
        elif isinstance(node, ast.alias): made.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler): made.add(node.name)
    return sorted(name for name in used - made if not hasattr(builtins, name))

def offered(tree):
    """Classes that the test makes are there for the program too, as where both are one file."""
    def after(statement):
        if not isinstance(statement, ast.ClassDef): return [statement]
        call = ast.parse(f"__offer__({statement.name!r}, {statement.name})").body[0]
        return [statement, ast.copy_location(ast.fix_missing_locations(call), statement)]
    tree.body = [one for statement in tree.body for one in after(statement)]
    return ast.fix_missing_locations(tree)

def judge(test):
    for known in (exceptions, kept, remotes, generators, shown, held): known.clear()
    names = {"__name__": "__test__", "__offer__": lambda name, value: request("offer", name, encode(value))}
    try:
        tree = ast.parse(test)
    except SyntaxError as failure:
        return {"unreadable": str(failure)[:300]}
    try:
        for name in names_of(tree):
            answer = request("name", name, raw=True)
            absent = isinstance(answer, dict) and "absent" in answer
            is_module = isinstance(answer, dict) and "remote" in answer and answer["remote"][1] == "module"
            if name in sys.stdlib_module_names and (absent or is_module): names[name] = importlib.import_module(name)
            elif not absent: names[name] = decode(answer)
            if name[0].isupper() and isinstance(names.get(name), Remote): object.__setattr__(names[name], "_class", True)
            if isinstance(names.get(name), (list, dict, set, collections.deque)): shown[name] = names[name]
        asserting[0] = asserts_in_contexts(tree)
        exec(compile(offered(tree), "test", "exec"), names)
    except Untestable as failure:
        return {"unreadable": str(failure)[:300]}
    except ModuleNotFoundError as failure:
        if not hasattr(failure, "of_the_program"): return {"unreadable": str(failure)[:300]}
        return {"failed": f"{type(failure).__name__}: {failure}"[:300]}
    except BaseException as failure:
        return {"failed": f"{type(failure).__name__}: {failure}"[:300]}
    return {"passed": True}

def judge_job():
    verdict = judge(json.loads(channel[1]()))
    channel[0]("." + json.dumps(verdict))

def serve_job():
    channel[0]("!" + serve(channel[1]()[1:]))
`;
