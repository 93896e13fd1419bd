/**
 * @file The Python that runs inside the interpreters: PROGRAM beside the judged program, JUDGE beside the test. A test
 * never shares an interpreter with the program: it calls the program's functions through messages of plain values, so
 * that a program can neither read the expected values nor lend its own `__eq__`, `assert` or exit to the comparison. What
 * a test hands over that has no plain value (a callback, an object of its own class, an iterator) is a reference to which
 * the program's calls come back; of functions it can see nothing else.
 */

import { CODEC } from "./python-codec.ts";

export const PROGRAM = `${CODEC}
import inspect, operator, types

def open_program(send, receive, ask):
    main = types.ModuleType("__main__")
    kept, shapes = [], {}

    def keep(value):
        if isinstance(value, Lent): return {"yours": object.__getattribute__(value, "_number")}
        kept.append(value)
        kind = type(value).__name__
        if isinstance(value, types.ModuleType): kind = "module"
        elif inspect.iscoroutine(value): kind = "coroutine"
        elif isinstance(value, type) and issubclass(value, Exception): kind = "exception"
        return {"remote": [len(kept) - 1, kind, base_of(value) if kind == "exception" else ""]}

    def find(value):
        if "yours" in value: return kept[value["yours"]]
        if "error" in value:
            name, base, args = value["error"]
            return exception(name, base)(*map(decode, args))
        number, name, able = value["lent"]
        shape = shapes.get((name, *able))
        if shape is None: shape = shapes[name, *able] = type(name, (Lent,), {f"__{op}__": methods[op] for op in able if op in methods})
        lent = object.__new__(shape)
        object.__setattr__(lent, "_number", number)
        return lent

    def named(text):
        module, _, name = text.partition(":")
        return operator.attrgetter(name)(importlib.import_module(module))

    encode, decode = make_codec(keep, find, named)

    def exception(name, base):
        own = getattr(builtins, name, None)
        if isinstance(own, type) and issubclass(own, Exception): return own
        parent = getattr(builtins, base, Exception)
        return type(name, (parent if issubclass(parent, Exception) else Exception,), {})

    def request(op, *operands, raw=False):
        answer = ask(serve, [op, *operands])
        if isinstance(answer, dict) and "error" in answer:
            name, base, message = answer["error"]
            raise exception(name, base)(message) if message else exception(name, base)
        return answer if raw else decode(answer)

    class Lent:
        """An object of the test's, by reference."""
        __slots__ = ("_number",)
        def __getattr__(self, name): return request("getattr", encode(self), encode(name))
        def __setattr__(self, name, value): request("setattr", encode(self), encode(name), encode(value))
        def __eq__(self, other): return bool(request("eq", encode(self), encode(other)))
        def __ne__(self, other): return not self == other
        def __hash__(self): return request("hash", encode(self))
        def __repr__(self): return request("repr", encode(self))

    def call(self, *args, **kwargs):
        answer = request("call", encode(self), encode(list(args)), encode(kwargs), raw=True)
        for before, after in zip(args, decode(answer["args"])): update(before, after)
        return args[answer["same"]] if answer["same"] is not None else decode(answer["result"])

    def forward(op):
        return lambda self, *operands: request(op, *map(encode, (self, *operands)))

    def backward(op):
        return lambda self, other: request(op, encode(other), encode(self))

    methods = {op.strip("_"): forward(op) for op in (*UNARY, *BINARY, *COMPARING, "getitem", "setitem", "delitem", "contains", "neg", "enter")}
    methods |= {"r" + op.strip("_"): backward(op) for op in BINARY}
    methods |= {"call": call, "exit": lambda self, *failure: request("exit", encode(self))}

    def run(source, name):
        main.__name__ = name
        sys.modules[name] = main
        main.__builtins__ = builtins
        sys.argv = ["main.py"]
        error, code = "", 0
        try:
            exec(compile(source, "main.py", "exec"), main.__dict__)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            error = "exit"
        except BaseException as failure:
            error, code = f"{type(failure).__name__}: {failure}"[:300], 1
        try:
            sys.stdout.flush()
        except BaseException:
            pass
        return error, code

    def finished(awaitable):
        import asyncio
        async def wait(): return await awaitable
        return asyncio.run(wait())

    own = {"await": finished, "enter": lambda value: value.__enter__(), "exit": lambda value: value.__exit__(None, None, None)}

    def answer(request):
        op, *operands = request
        if op == "name":
            name, = operands
            return encode(main.__dict__[name]) if name in main.__dict__ else {"absent": name}
        values = [decode(operand) for operand in operands]
        if op == "call":
            function, args, kwargs = values
            result, same = answered(function, args, kwargs)
            return {"result": None if same is not None else encode(result), "same": same, "args": encode(args), "kwargs": encode(kwargs)}
        function = own[op] if op in own else getattr(builtins, op) if op in (*UNARY, "isinstance", "getattr", "setattr") else getattr(operator, op)
        return encode(function(*values))

    def serve(text):
        try:
            return json.dumps(answer(json.loads(text)))
        except Exception as failure:
            kind = type(failure)
            return json.dumps({"error": [kind.__name__, base_of(kind), str(failure)[:300]]})
        except BaseException as failure:
            return json.dumps({"error": ["RuntimeError", "RuntimeError", f"the program left by {type(failure).__name__}"]})

    def run_job():
        source, name = json.loads(receive())
        send("!" + json.dumps(run(source, name)))

    def serve_job():
        send("!" + serve(receive()[1:]))
    return run, run_job, serve_job

run_program, run_job, serve_job = open_program(*channel)
`;

export const JUDGE = `${CODEC}
import ast, inspect, operator, types

exceptions, kept = {}, []

class Untestable(BaseException):
    """The test does what cannot be judged here, which is not the program's fault."""

def exception(name, base):
    own = getattr(builtins, name, None)
    if isinstance(own, type) and issubclass(own, Exception): return own
    parent = getattr(builtins, base, Exception)
    return exceptions.setdefault(name, type(name, (parent if issubclass(parent, Exception) else Exception,), {}))

def request(op, *operands, raw=False):
    answer = channel[2](serve, [op, *operands])
    if isinstance(answer, dict) and "error" in answer:
        name, base, message = answer["error"]
        failure = exception(name, base)(message)
        failure.of_the_program = True
        raise failure
    return answer if raw else decode(answer)

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
        if not isinstance(result, Remote): return NotImplemented
        object.__setattr__(result, "_mixed", True)
        return result
    return method

def among_remotes(op):
    return lambda self, other: request(op, encode(self), encode(other)) if isinstance(other, Remote) else NotImplemented

SHOWN = ("__name__", "__qualname__", "__doc__", "__dict__", "__annotations__")

class Remote:
    """An object of the program that has no plain value. It equals no plain value, whatever its class says."""
    def __init__(self, number):
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_mixed", False)
    def __call__(self, *args, **kwargs):
        answer = request("call", encode(self), encode(list(args)), encode(kwargs), raw=True)
        for before, after in zip(args, decode(answer["args"])): update(before, after)
        after = decode(answer["kwargs"])
        for name in kwargs: update(kwargs[name], after.get(name))
        return args[answer["same"]] if answer["same"] is not None else decode(answer["result"])
    def __getattr__(self, name):
        if name.startswith("__") and name not in SHOWN: raise AttributeError(name)
        return request("getattr", encode(self), encode(name))
    def __setattr__(self, name, value): request("setattr", encode(self), encode(name), encode(value))
    def __contains__(self, item): raise TypeError("membership in an object of the program cannot be judged")
    def __instancecheck__(self, item): return isinstance(item, Remote) and request("isinstance", encode(item), encode(self))
    def __eq__(self, other): return isinstance(other, Remote) and bool(request("eq", encode(self), encode(other)))
    def __ne__(self, other): return not self == other
    def __hash__(self): return request("hash", encode(self))
    def __enter__(self): return request("enter", encode(self))
    def __exit__(self, *failure): request("exit", encode(self))
    def __mro_entries__(self, bases): raise Untestable("it makes a class from one of the program's")

for op in ("iter", "next", "str", "repr", "getitem", "setitem", "delitem", "neg", "reversed"): setattr(Remote, f"__{op}__", forward(op))
for op in ("len", "bool", "int", "float", "abs", "round"): setattr(Remote, f"__{op}__", plainly(op))
for op in BINARY:
    setattr(Remote, f"__{op.strip('_')}__", mixed(op))
    setattr(Remote, f"__r{op.strip('_')}__", mixed(op, swapped=True))
for op in COMPARING: setattr(Remote, f"__{op}__", among_remotes(op))

def find(value):
    if "yours" in value: return kept[value["yours"]]
    number, kind, base = value["remote"]
    if kind == "exception": return exception(kind, base)
    remote = Remote(number)
    if kind != "coroutine": return remote
    async def wait(): return request("await", encode(remote))
    return wait()

ABLE = ("call", "iter", "next", "len", "getitem", "setitem", "delitem", "contains", "bool", "int", "float", "str", "abs", "neg", "reversed", "enter", "exit", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
PLAIN_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.GeneratorType, types.CoroutineType, types.CodeType, types.FrameType)

def keep(value):
    if isinstance(value, Remote): return {"yours": object.__getattribute__(value, "_number")}
    if isinstance(value, BaseException) and not isinstance(value, Untestable):
        return {"error": [type(value).__name__, base_of(type(value)), [encode(arg) for arg in value.args]]}
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, (type, types.BuiltinFunctionType, types.FunctionType)) and isinstance(module, str) and isinstance(name, str):
        if module.partition(".")[0] in sys.stdlib_module_names and module != "__main__" and module != "__test__": return {"global": f"{module}:{name}"}
    if isinstance(value, types.ModuleType): raise Untestable("it hands the program a module")
    kept.append(value)
    able = ["call"] if isinstance(value, PLAIN_CODE) and callable(value) else [op for op in ABLE if hasattr(type(value), f"__{op}__")]
    if isinstance(value, type): able = ["call"]
    return {"lent": [len(kept) - 1, type(value).__name__, able]}

def named(text):
    module, _, name = text.partition(":")
    if module != "builtins" or name not in TYPES: raise TypeError("no such type")
    return getattr(builtins, name)

encode, decode = make_codec(keep, find, named, Untestable)

def hidden(target, name):
    return not isinstance(name, str) or name.startswith("_") or isinstance(target, PLAIN_CODE)

def attribute(target, name):
    if hidden(target, name): raise AttributeError(name)
    return getattr(target, name)

def set_attribute(target, name, value):
    if hidden(target, name) or isinstance(target, type): raise AttributeError(name)
    setattr(target, name, value)

LENT = {"getattr": attribute, "setattr": set_attribute, "enter": lambda value: value.__enter__(), "exit": lambda value: value.__exit__(None, None, None)}

def lent(text):
    """What the program asks of an object that the test handed to it."""
    op, target, *operands = json.loads(text)
    if op in BINARY and isinstance(target, dict) and "yours" not in target: pass  # the other way round: 3 * x
    elif not (isinstance(target, dict) and "yours" in target): raise TypeError("no object of the test")
    target, *values = decode(target), *map(decode, operands)
    if op == "call":
        args, kwargs = values
        result, same = answered(target, args, kwargs)
        return {"result": None if same is not None else encode(result), "same": same, "args": encode(args)}
    if op in LENT: return encode(LENT[op](target, *values))
    if op in UNARY: return encode(getattr(builtins, op)(target, *values))
    if op in (*BINARY, *COMPARING, "eq", "getitem", "setitem", "delitem", "contains", "neg"): return encode(getattr(operator, op)(target, *values))
    raise TypeError(f"no {op} here")

def serve(text):
    try:
        return json.dumps(lent(text))
    except Exception as failure:
        kind = type(failure)
        return json.dumps({"error": [kind.__name__, base_of(kind), str(failure)[:300]]})

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

def judge(test):
    exceptions.clear()
    kept.clear()
    names = {"__name__": "__test__"}
    try:
        tree = ast.parse(test)
    except SyntaxError as failure:
        return {"unreadable": str(failure)[:300]}
    try:
        for name in names_of(tree):
            answer = request("name", name, raw=True)
            if not (isinstance(answer, dict) and "absent" in answer): names[name] = decode(answer)
            if name in sys.stdlib_module_names: names[name] = importlib.import_module(name)
        exec(compile(tree, "test", "exec"), names)
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

/** Where the interpreter is CPython in WebAssembly: no way to JavaScript, and threads that run to their end when started. */
export const WASM = `
import _thread, threading

def shut(names=("js", "pyodide", "pyodide_js", "_pyodide", "_pyodide_core")):
    class Closed:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] in names: raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    for name in list(sys.modules):
        if name.partition(".")[0] in names: del sys.modules[name]
    sys.meta_path[:] = [Closed] + [finder for finder in sys.meta_path if "pyodide" not in type(finder).__module__]

# There are no threads here: a started one runs to its end at once, which suits those that only want a larger stack.
def start(self):
    self._started.set()
    self._target and self._target(*self._args, **self._kwargs)

threading.Thread.start = start
threading.Thread.join = lambda self, timeout=None: None
threading.Thread.is_alive = lambda self: False
threading.stack_size = _thread.stack_size = lambda size=0: 0
`;
