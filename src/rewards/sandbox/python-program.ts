/**
 * @file What runs beside the judged Python program, in its interpreter. A test never shares an interpreter with the program:
 * it calls the program's functions through messages of plain values, so that a program can neither read the expected values
 * nor lend its own `__eq__`, `assert` or exit to the comparison. What a test hands over that has no plain value (a callback,
 * an object of its own class, an iterator) is a reference to which the program's calls come back; of functions it can see
 * nothing else.
 */

import { CODEC } from "./python-codec.ts";

export const PROGRAM = `${CODEC}
import inspect, operator, types

def open_program(send, receive, ask):
    main = types.ModuleType("__main__")
    kept, shapes, lent, borrowed, shared = Kept(), {}, {}, {}, {}

    def keep(value):
        if isinstance(value, Shape): return {"yours": type.__getattribute__(value, "_class")}
        if isinstance(value, Lent): return {"yours": object.__getattribute__(value, "_number")}
        kind = "object"
        if isinstance(value, types.ModuleType): kind = "module"
        elif inspect.iscoroutine(value): kind = "coroutine"
        elif inspect.isgenerator(value): kind = "generator"
        elif isinstance(value, type) and issubclass(value, Exception): kind = "exception"
        return {"remote": [kept.add(value), kind, bases_of(value) if kind == "exception" else []]}

    def find(value):
        if "yours" in value: return kept[value["yours"]]
        if "error" in value:
            names, args = value["error"]
            return exception(names)(*map(decode, args))
        number, name, able, of = value["lent"]
        if number not in lent:
            if "class" in able: lent[number] = shape(name, able[1:], number)
            else:
                lent[number] = object.__new__(shape(name, able, of))
                object.__setattr__(lent[number], "_number", number)
        return lent[number]

    class Shape(type):
        """A class of the test's, by reference: what it makes is made there."""
        def __call__(cls, *args, **kwargs): return call(cls, *args, **kwargs)
        def __iter__(cls): return request("iter", encode(cls))
        def __getattr__(cls, name):
            if name.startswith("_"): raise AttributeError(name)
            return request("getattr", encode(cls), encode(name))

    def shape(name, able, number):
        if number not in shapes:
            space = {f"__{op}__": methods[op] for op in able if op in methods} | {"_class": number}
            if "hash" not in able: space |= {"__eq__": object.__eq__, "__ne__": object.__ne__, "__hash__": object.__hash__}
            shapes[number] = Shape(name, (Lent,), space)
        return shapes[number]

    def named(text):
        module, _, name = text.partition(":")
        return operator.attrgetter(name)(importlib.import_module(module))

    encode, decode = make_codec(keep, find, named)

    exceptions = {}

    def exception(names):
        *own, base = names
        kind = getattr(builtins, base, Exception)
        for name in reversed(own):
            if name not in exceptions: exceptions[name] = type(name, (kind if issubclass(kind, Exception) else Exception,), {})
            kind = exceptions[name]
        return kind

    def request(op, *operands, raw=False):
        answer = ask(serve, [op, *operands])
        if isinstance(answer, dict) and "error" in answer:
            names, message, args, number = answer["error"]
            failure = exception(names)(*decode(args))
            failure._of_the_test = number
            raise failure
        return answer if raw else decode(answer)

    def own_number(value): return object.__getattribute__(value, "_number")

    def borrow(key, value):
        """A list that is an attribute of the test's object is a copy here; what is done to it is done there before the test goes on."""
        if isinstance(value, (list, dict, set, bytearray, collections.deque)): borrowed[key] = [value, encode(value)]
        return value

    def give_back():
        for (number, name), entry in list(borrowed.items()):
            now = encode(entry[0])
            if now != entry[1]: request("update", {"yours": number}, encode(name), now)
        borrowed.clear()

    class Lent: # an object of the test's, by reference
        __slots__ = ("_number",)
        def __getattr__(self, name):
            key = own_number(self), name
            return borrowed[key][0] if key in borrowed else borrow(key, request("getattr", encode(self), encode(name)))
        def __setattr__(self, name, value):
            request("setattr", encode(self), encode(name), encode(value))
            borrowed.pop((own_number(self), name), None)
            borrow((own_number(self), name), value)
        def __eq__(self, other): return bool(request("eq", encode(self), encode(other)))
        def __ne__(self, other): return not self == other
        def __hash__(self): return request("hash", encode(self))
        def __repr__(self): return request("repr", encode(self))

    def call(self, *args, **kwargs):
        give_back()
        answer = request("call", encode(self), encode(list(args)), encode(kwargs), raw=True)
        for before, after in zip(args, decode(answer["args"])): update(before, after)
        return args[answer["same"]] if answer["same"] is not None else decode(answer["result"])

    def forward(op):
        def method(self, *operands):
            if borrowed: give_back()
            return request(op, *map(encode, (self, *operands)))
        return method

    def backward(op):
        return lambda self, other: request(op, encode(other), encode(self))

    methods = {op.strip("_"): forward(op) for op in (*UNARY, *BINARY, *COMPARING, "getitem", "setitem", "delitem", "contains", "neg", "enter")}
    methods |= {"r" + op.strip("_"): backward(op) for op in BINARY}
    methods |= {"call": call, "exit": lambda self, kind, failure, trace: request("exit", encode(self), encode(failure))}
    methods |= {"eq": Lent.__eq__, "hash": Lent.__hash__}

    def awaited(self):
        return request("await", encode(self))
        yield
    methods["await"] = awaited

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

    def left(leave, value, failure):
        return leave(value, None if failure is None else type(failure), failure, None)

    own = {
        "await": finished, "enter": lambda value: value.__enter__(), "exit": lambda value, failure: bool(left(type(value).__exit__, value, failure)),
        "send": lambda value, item: value.send(item), "throw": lambda value, failure: value.throw(failure), "close": lambda value: value.close(),
        "aiter": lambda value: value.__aiter__(), "anext": lambda value: finished(value.__anext__()), "aenter": lambda value: finished(value.__aenter__()),
        "aexit": lambda value, failure: bool(finished(left(type(value).__aexit__, value, failure))),
        "able": lambda value, name: hasattr(type(value), name),
    }

    def answer(request):
        try: return answer_to(*request)
        finally: give_back()

    def share(args, numbers):
        """A list that the test hands over is one list here, too, as long as the program holds it."""
        for i, number in enumerate(numbers):
            if number is None: continue
            if number in shared: update(shared[number][0], args[i])
            args[i] = shared.setdefault(number, [args[i], None])[0]

    known = [[]]

    def settle():
        """What the program did to lists that it still holds is done to the test's, which is told which ones these are."""
        for number, entry in list(shared.items()):
            is_held = sys.getrefcount(entry[0]) > 2
            if is_held or entry[1] is not None:
                now = encode(entry[0])
                if entry[1] is not None and now != entry[1]: request("replace", {"yours": number}, now)
                entry[1] = now
            if not is_held: del shared[number]
        if sorted(shared) != known[0]:
            known[0] = sorted(shared)
            request("held", known[0])

    def answer_to(op, *operands):
        numbers = []
        if op in ("call", "make"): *operands, numbers = operands
        if op == "refresh":
            entry = shared[operands[0]]
            update(entry[0], decode(operands[1]))
            entry[1] = encode(entry[0])
            return None
        if op == "name":
            name, = operands
            return encode(main.__dict__[name]) if name in main.__dict__ else {"absent": name}
        if op == "offer":
            name, value = operands
            return main.__dict__.setdefault(name, decode(value)) and None
        values = [decode(operand) for operand in operands]
        if op in ("call", "make"):
            function, args, kwargs = values
            share(args, numbers)
            result, same = answered(function, args, kwargs)
            given = keep if op == "make" and is_own_container(result) else encode
            return {"result": None if same is not None else given(result), "same": same, "args": encode(args), "kwargs": encode(kwargs)}
        function = own[op] if op in own else getattr(builtins, op) if op in (*UNARY, "format", "isinstance", "getattr", "setattr") else getattr(operator, op)
        return encode(function(*values))

    def is_own_container(value):
        """Of a class of the program's that does some things in its own way."""
        kind = type(value)
        changed = kind.__module__ == main.__name__ and any(inspect.isfunction(part) for part in vars(kind).values())
        return changed and isinstance(value, (list, dict, set, collections.deque))

    def serve(text):
        try:
            said = json.dumps(answer(json.loads(text)))
        except Exception as failure:
            said = json.dumps({"error": described(failure)})
        except BaseException as failure:
            said = json.dumps({"error": [["RuntimeError"], f"the program left by {type(failure).__name__}", None, None]})
        if shared or known[0]:
            try: settle()
            except BaseException: pass
        return said

    def described(failure):
        """The names of its classes, what it says, its arguments, and a reference: to the test's own where it came from there."""
        number = getattr(failure, "_of_the_test", None)
        try: args = encode(list(failure.args))
        except Exception: args = None
        reference = {"yours": number} if isinstance(number, int) else {"remote": [kept.add(failure), "object", []]}
        return [bases_of(type(failure)), str(failure)[:300], args, reference]

    def run_job():
        source, name = json.loads(receive())
        send("!" + json.dumps(run(source, name)))

    def serve_job():
        send("!" + serve(receive()[1:]))
    return run, run_job, serve_job

run_program, run_job, serve_job = open_program(*channel)
`;
