/**
 * @file The Python that runs inside the interpreters: PROGRAM beside the judged program, JUDGE beside the test. A test
 * never shares an interpreter with the program: it calls the program's functions through messages of plain values, so
 * that a program can neither read the expected values nor lend its own `__eq__`, `assert` or exit to the comparison.
 */

const CODEC = `
import builtins, json, sys
from decimal import Decimal
from fractions import Fraction
sys.set_int_max_str_digits(0)

def make_codec(keep, find):
    def encode(value, depth=0):
        if depth > 200: raise ValueError("a value is nested too deeply")
        down = lambda items: [encode(item, depth + 1) for item in items]
        if value is None or value is True or value is False: return value
        if isinstance(value, str): return {"str": str.__str__(value)}
        if isinstance(value, int): return {"int": hex(int(value))}
        if isinstance(value, float): return {"float": float(value).hex()}
        if isinstance(value, complex): return {"complex": [value.real.hex(), value.imag.hex()]}
        if isinstance(value, (bytes, bytearray)): return {type_of(value): bytes(value).hex()}
        if isinstance(value, (list, tuple, set, frozenset)): return {type_of(value): down(value)}
        if isinstance(value, dict): return {"dict": [down(pair) for pair in dict.items(value)]}
        if isinstance(value, range): return {"range": down([value.start, value.stop, value.step])}
        if isinstance(value, (Decimal, Fraction)): return {type(value).__name__: str(value)}
        return keep(value)

    def type_of(value):
        for kind in (bytes, bytearray, list, tuple, set, frozenset):
            if isinstance(value, kind): return kind.__name__

    def decode(value):
        if value is None or value is True or value is False: return value
        (kind, content), = value.items()
        if kind == "str": return content
        if kind == "int": return int(content, 16)
        if kind == "float": return float.fromhex(content)
        if kind == "complex": return complex(*map(float.fromhex, content))
        if kind in ("bytes", "bytearray"): return getattr(builtins, kind).fromhex(content)
        if kind in ("list", "tuple", "set", "frozenset"): return getattr(builtins, kind)(map(decode, content))
        if kind == "dict": return {decode(key): decode(item) for key, item in content}
        if kind == "range": return range(*map(decode, content))
        if kind == "Decimal": return Decimal(content)
        if kind == "Fraction": return Fraction(content)
        return find(value)
    return encode, decode
`;

export const PROGRAM = `${CODEC}
import _thread, operator, threading, types

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

def open_program():
    main = types.ModuleType("__main__")
    kept = []

    def keep(value):
        kept.append(value)
        kind = type(value).__name__
        if isinstance(value, types.ModuleType): kind = "module"
        elif isinstance(value, type) and issubclass(value, Exception): kind = "exception"
        return {"remote": [len(kept) - 1, kind, base_of(value) if kind == "exception" else ""]}

    encode, decode = make_codec(keep, lambda value: kept[value["remote"]])
    forwarded = ("len", "iter", "next", "str", "repr", "bool", "int", "float", "isinstance", "hash", "getattr", "setattr")

    def base_of(kind):
        return next(base.__name__ for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base)

    def run(source):
        sys.modules["__main__"] = main
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
        return json.dumps([error, code])

    def answer(request):
        op, *operands = request
        if op == "name":
            name, = operands
            return encode(main.__dict__[name]) if name in main.__dict__ else {"absent": name}
        values = [decode(operand) for operand in operands]
        if op == "call":
            function, args, kwargs = values
            result = function(*args, **kwargs)
            return {"result": encode(result), "args": encode(args)}
        function = getattr(builtins, op) if op in forwarded else getattr(operator, op)
        return encode(function(*values))

    def serve(text):
        try:
            return json.dumps(answer(json.loads(text)))
        except Exception as failure:
            kind = type(failure)
            return json.dumps({"error": [kind.__name__, base_of(kind), str(failure)[:300]]})
        except BaseException as failure:
            return json.dumps({"error": ["RuntimeError", "RuntimeError", f"the program left by {type(failure).__name__}"]})
    return run, serve

run_program, serve = open_program()
shut()
`;

export const JUDGE = `${CODEC}
import ast, importlib

exceptions = {}

def exception(name, base):
    own = getattr(builtins, name, None)
    if isinstance(own, type) and issubclass(own, Exception): return own
    parent = getattr(builtins, base, Exception)
    return exceptions.setdefault(name, type(name, (parent if issubclass(parent, Exception) else Exception,), {}))

def ask(op, *operands, raw=False):
    answer = json.loads(remote(json.dumps([op, *operands])))
    if isinstance(answer, dict) and "error" in answer:
        name, base, message = answer["error"]
        raise exception(name, base)(message)
    return answer if raw else decode(answer)

def forward(op):
    return lambda self, *operands: ask(op, *map(encode, (self, *operands)))

def among_remotes(op, otherwise):
    def method(self, other):
        return ask(op, encode(self), encode(other)) if isinstance(other, Remote) else otherwise
    return method

class Remote:
    """An object of the program that has no plain value. It equals no plain value, whatever its class says."""
    def __init__(self, number): object.__setattr__(self, "_number", number)
    def __call__(self, *args, **kwargs):
        answer = ask("call", encode(self), encode(list(args)), encode(kwargs), raw=True)
        for before, after in zip(args, decode(answer["args"])):
            if isinstance(before, list): before[:] = after
            elif isinstance(before, (dict, set)):
                before.clear()
                before.update(after)
        return decode(answer["result"])
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return ask("getattr", encode(self), encode(name))
    def __setattr__(self, name, value): ask("setattr", encode(self), encode(name), encode(value))
    def __contains__(self, item): raise TypeError("membership in an object of the program cannot be judged")
    def __instancecheck__(self, item): return isinstance(item, Remote) and ask("isinstance", encode(item), encode(self))
    def __eq__(self, other): return isinstance(other, Remote) and bool(ask("eq", encode(self), encode(other)))
    def __ne__(self, other): return not self == other
    def __hash__(self): return ask("hash", encode(self))

for op in ("len", "iter", "next", "str", "repr", "bool", "int", "float", "getitem", "setitem", "delitem", "neg", "abs"):
    setattr(Remote, f"__{op}__", forward(op))
for op in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lt", "le", "gt", "ge"):
    setattr(Remote, f"__{op}__", among_remotes(op, NotImplemented))

def found(value):
    number, kind, base = value["remote"]
    return exception(kind, base) if kind == "exception" else Remote(number)

encode, decode = make_codec(lambda value: {"remote": object.__getattribute__(value, "_number")}, found)

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
    names = {"__name__": "__test__"}
    try:
        tree = ast.parse(test)
    except SyntaxError as failure:
        return json.dumps({"unreadable": str(failure)[:300]})
    try:
        for name in names_of(tree):
            if name in sys.stdlib_module_names:
                names[name] = importlib.import_module(name)
                continue
            answer = ask("name", name, raw=True)
            if not (isinstance(answer, dict) and "absent" in answer): names[name] = decode(answer)
        exec(compile(tree, "test", "exec"), names)
    except BaseException as failure:
        return json.dumps({"failed": f"{type(failure).__name__}: {failure}"[:300]})
    return json.dumps({"passed": True})
`;
