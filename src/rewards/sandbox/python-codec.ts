/**
 * @file The Python that both sides of a judgement speak: plain values as JSON, references to what has none, and a channel on
 * one file descriptor. A line that begins with "?" asks, one with "!" answers; either side may ask before it answers.
 */

export const CODEC = `
import builtins, collections, datetime, importlib, json, os, sys
from decimal import Decimal
from fractions import Fraction
if hasattr(sys, "set_int_max_str_digits"): sys.set_int_max_str_digits(0)

CHANNEL = 3

def open_channel(read, write, encode, decode):
    def send(text):
        rest = memoryview((text + "\\n").encode("ascii"))
        while rest: rest = rest[write(CHANNEL, rest):]

    def receive():
        pieces = []
        while not pieces or not pieces[-1].endswith(b"\\n"):
            piece = read(CHANNEL, 1 << 16)
            if not piece: raise EOFError("the other side is gone")
            pieces.append(piece)
        return b"".join(pieces).decode()

    def ask(serve, request):
        send("?" + encode(request))
        while True:
            line = receive()
            if line[0] == "!": return decode(line[1:])
            send("!" + serve(line[1:]))
    return send, receive, ask

channel = open_channel(os.read, os.write, json.dumps, json.loads)

TYPES = {"str", "int", "float", "bool", "list", "dict", "set", "tuple", "frozenset", "bytes", "bytearray", "complex", "range", "object", "type"}
NAMED = {"deque": collections.deque, "Counter": collections.Counter, "OrderedDict": collections.OrderedDict}

def make_codec(keep, find, named, deep=ValueError):
    """keep(value) writes a reference to what has no plain value, find(reference) reads one, named(text) what a global is."""
    def encode(value, depth=0):
        if depth > 200: raise deep("a value is nested too deeply")
        down = lambda items: [encode(item, depth + 1) for item in items]
        if value is None or value is True or value is False: return value
        kind = type(value)
        if isinstance(value, str): return {"str": str.__str__(value)}
        if isinstance(value, int): return {"int": hex(int(value))}
        if isinstance(value, float): return {"float": float(value).hex()}
        if isinstance(value, complex): return {"complex": [value.real.hex(), value.imag.hex()]}
        if isinstance(value, (bytes, bytearray)): return {type_of(value): bytes(value).hex()}
        if kind in NAMED.values():
            items = list(value) if kind is collections.deque else map(list, value.items())
            return {kind.__name__: [down(items), value.maxlen if kind is collections.deque else None]}
        if kind is collections.defaultdict:
            return {"defaultdict": [encode(value.default_factory, depth + 1), down(map(list, value.items()))]}
        if isinstance(value, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
            return {"namedtuple": [kind.__name__, list(map(str, kind._fields)), down(value)]}
        if isinstance(value, (list, tuple, set, frozenset)): return {type_of(value): down(value)}
        if isinstance(value, dict): return {"dict": [down(pair) for pair in dict.items(value)]}
        if isinstance(value, range): return {"range": down([value.start, value.stop, value.step])}
        if kind in (Decimal, Fraction): return {kind.__name__: str(value)}
        if kind is datetime.date: return {"date": value.isoformat()}
        if kind in (datetime.datetime, datetime.time):
            return {kind.__name__: [value.replace(tzinfo=None).isoformat(), value.fold, zone(value, depth)]}
        if kind is datetime.timezone: return {"timezone": [encode(value.utcoffset(None)), str(value)]}
        if kind.__name__ == "ZoneInfo" and kind.__module__.startswith("zoneinfo") and value.key: return {"ZoneInfo": value.key}
        if kind is datetime.timedelta: return {"timedelta": [value.days, value.seconds, value.microseconds]}
        if kind.__module__ == "numpy":
            if kind.__name__ == "ndarray" and value.dtype.kind in "biufc":
                return {"ndarray": [value.dtype.str, list(value.shape), down(value.ravel().tolist())]}
            if hasattr(value, "item") and getattr(value, "ndim", None) == 0: return encode(value.item(), depth + 1)
        if kind is type and value.__module__ == "builtins" and value.__name__ in TYPES: return {"global": "builtins:" + value.__name__}
        return keep(value)

    def zone(value, depth):
        known = value.tzinfo is None or type(value.tzinfo) is datetime.timezone or type(value.tzinfo).__name__ == "ZoneInfo"
        if known or value.utcoffset() is None: return encode(value.tzinfo, depth + 1)
        return encode(datetime.timezone(value.utcoffset()), depth + 1)

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
        if kind == "date": return datetime.date.fromisoformat(content)
        if kind in ("datetime", "time"):
            return getattr(datetime, kind).fromisoformat(content[0]).replace(fold=content[1], tzinfo=decode(content[2]))
        if kind == "timezone":
            offset, name = decode(content[0]), content[1]
            plain = datetime.timezone(offset)
            return plain if str(plain) == name else datetime.timezone(offset, name)
        if kind == "ZoneInfo": return importlib.import_module("zoneinfo").ZoneInfo(content)
        if kind == "timedelta": return datetime.timedelta(*content)
        if kind == "deque": return collections.deque(map(decode, content[0]), content[1])
        if kind in NAMED: return NAMED[kind](dict(map(decode, content[0])))
        if kind == "defaultdict": return collections.defaultdict(decode(content[0]), dict(map(decode, content[1])))
        if kind == "namedtuple": return collections.namedtuple(content[0], content[1], rename=True)(*map(decode, content[2]))
        if kind == "ndarray":
            return importlib.import_module("numpy").array(list(map(decode, content[2])), dtype=content[0]).reshape(content[1])
        if kind == "global": return named(content)
        return find(value)
    return encode, decode

def update(before, after):
    """What a call did to its arguments, done to them here."""
    if before is after or type(before) is not type(after): return
    if isinstance(before, (list, bytearray)):
        for old, new in zip(before, after): update(old, new)
        before[:] = [old if same(old, new) else new for old, new in zip(before, after)] + list(after[len(before):]) if isinstance(before, list) else after
    elif isinstance(before, (dict, set)):
        before.clear()
        before.update(after)
    elif isinstance(before, collections.deque):
        before.clear()
        before.extend(after)

def same(old, new):
    return type(old) is type(new) and isinstance(old, (list, dict, set, bytearray, collections.deque))

def bases_of(kind):
    """The names of an exception's class and of those above it, up to the first that is Python's own."""
    names = []
    for base in kind.__mro__:
        names.append(base.__name__)
        if getattr(builtins, base.__name__, None) is base: return names

def finished(awaitable):
    """What an awaitable comes to, in a loop of its own, also where another is running."""
    import asyncio
    async def wait(): return await awaitable
    outer = asyncio._get_running_loop()
    task = outer and asyncio.current_task(outer)
    if task: asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try: return asyncio.run(wait())
    finally:
        asyncio._set_running_loop(outer)
        if task: asyncio.tasks._enter_task(outer, task)

class Kept:
    """What the other side has references to, each under one number."""
    def __init__(self): self.values, self.numbers = [], {}
    def add(self, value):
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.values)
            self.values.append(value)
        return number
    def __getitem__(self, number): return self.values[number]
    def clear(self): self.__init__()

def answered(function, args, kwargs):
    """What a call gives, and what it leaves of its arguments."""
    result = function(*args, **kwargs)
    at = next((i for i, arg in enumerate(args) if arg is result and isinstance(arg, (list, dict, set))), None)
    return result, at

UNARY = ("len", "iter", "next", "str", "repr", "bool", "int", "float", "abs", "round", "reversed", "hash")
BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and_", "or_", "xor")
COMPARING = ("lt", "le", "gt", "ge")
`;

/** An event loop that waits for timers only, where there are no sockets: coroutines and sleeping are what programs use. */
export const LOOP = `
import asyncio, time
from asyncio import base_events, events

class Timers:
    def select(self, timeout):
        if timeout is None: raise RuntimeError("a coroutine waits for what never comes")
        if timeout > 0: time.sleep(timeout)
        return []

class Loop(base_events.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = Timers()
    def _process_events(self, events): pass
    def _write_to_self(self): pass
    def run_in_executor(self, executor, function, *args):
        future = self.create_future()
        try: future.set_result(function(*args))
        except Exception as failure: future.set_exception(failure)
        return future

events.new_event_loop = asyncio.new_event_loop = asyncio.runners.events.new_event_loop = Loop
class Policy(events._BaseDefaultEventLoopPolicy if hasattr(events, "_BaseDefaultEventLoopPolicy") else events.BaseDefaultEventLoopPolicy):
    _loop_factory = Loop
try: events._set_event_loop_policy(Policy())
except AttributeError: events.set_event_loop_policy(Policy())
events._set_running_loop(None)

def run(main, *, debug=None, loop_factory=None):
    with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner: return runner.run(main)
if hasattr(asyncio, "Runner"): asyncio.run = asyncio.runners.run = run
`;
