/**
 * @file The Python that waits in the bubblewrap sandbox and forks for each program: a fork is a fresh process of an
 * interpreter that has already started. It reads one-line commands and nothing of any program: a fork talks with the judging
 * process through a connection of its own, and cuts itself off from everything else before it runs what it was sent.
 */

import { LOOP } from "./python-codec.ts";
import { JUDGE } from "./python-judge.ts";
import { PROGRAM } from "./python-program.ts";

/** Modules that programs usually import, those of numpy where it is installed. */
const USUAL = `array ast asyncio bisect cmath collections copy dataclasses datetime decimal enum fractions functools heapq
 inspect io itertools json math numbers operator queue random re statistics string textwrap threading time traceback types
 typing unittest uuid numpy`;

/** `filter` is the seccomp filter of a fork, `socket` where the judging process listens. */
export const zygote = (filter: Buffer, socket: string) => `
import os, sys
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"): os.environ[name] = "1"
import ctypes, gc, importlib, io, json, resource, select, signal, socket, struct
for name in ${JSON.stringify(USUAL)}.split():
    try: importlib.import_module(name)
    except ImportError: pass

libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
rules = ctypes.create_string_buffer(bytes.fromhex("${filter.toString("hex")}"), ${filter.length})
class Filter(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_void_p)]
seccomp = Filter(${filter.length / 8}, ctypes.addressof(rules))
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 4, 38, 22

exec(${JSON.stringify(LOOP)}, {})
program, judge = {"__name__": "program"}, {"__name__": "judge"}
exec(${JSON.stringify(PROGRAM)}, program)
exec(${JSON.stringify(JUDGE)}, judge)
base = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
exit_functions = __import__("atexit")._run_exitfuncs
shutdown = __import__("threading")._shutdown
random = __import__("random")

def connect(role):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(${JSON.stringify(socket)})
    connection.sendall(f"{os.getpid()} {role}\\n".encode())
    return connection

def told(connection, length):
    content = bytearray()
    while len(content) < length:
        piece = connection.recv(min(length - len(content), 1 << 20))
        if not piece: os._exit(0)
        content += piece
    return bytes(content)

def cut_off(limits):
    memory, seconds = limits
    for limit, value in ((resource.RLIMIT_AS, base + memory + STACKS), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 64)):
        resource.setrlimit(limit, (value, value))
    libc.prctl(PR_SET_DUMPABLE, 0, None, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, None, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, 2, ctypes.addressof(seccomp), 0, 0) != 0: os._exit(111)

def fork():
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    main, errors = connect("o"), connect("e")
    length, = struct.unpack(">I", told(main, 4))
    job = json.loads(told(main, length))
    kind = job.pop("kind")
    source, standard_input, limits = job.pop("source", ""), job.pop("stdin", ""), job.pop("limits")
    given = os.memfd_create("stdin")
    rest = memoryview(standard_input.encode("utf-8", "surrogateescape"))
    while rest: rest = rest[os.write(given, rest):]
    os.lseek(given, 0, os.SEEK_SET)
    nothing = os.open("/dev/null", os.O_WRONLY)
    if kind == "stdin":
        os.dup2(given, 0); os.dup2(main.fileno(), 1); os.dup2(errors.fileno(), 2)
    else:
        # 3 may be one of those that are still needed
        channel = os.dup(main.fileno())
        high = __import__("fcntl").fcntl(channel, 0, 100)
        os.dup2(given, 0); os.dup2(nothing, 1); os.dup2(nothing, 2); os.dup2(high, 3)
    os.closerange(4 if kind != "stdin" else 3, 1024)
    main.detach(), errors.detach()
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = open(number, mode, encoding="utf-8", errors="surrogateescape" if number == 0 else "backslashreplace", closefd=False)
        setattr(sys, name, stream), setattr(sys, f"__{name}__", stream)
    random.seed()
    cut_off(limits)
    if kind == "judge": judge["judge_job"]()
    elif kind == "program":
        program["run_job"]()
        while True: program["serve_job"]()
    else:
        error, code = program["run_program"](source, "__main__")
        try:
            if error and error != "exit": os.write(2, error.encode("utf-8", "replace"))
            shutdown(), exit_functions()
            sys.stdout.flush()
        finally: os._exit(code & 255)

STACKS = 256 << 20  # which are asked for, and hardly ever used
children = set()

def reap():
    while children:
        try: pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError: break
        if pid == 0: break
        children.discard(pid)
        os.write(1, f"x {pid} {status}\\n".encode())

def waited(pid):
    """Nanoseconds for which a process waited for a processor."""
    try: return int(open(f"/proc/{pid}/schedstat").read().split()[1])
    except (OSError, IndexError): return 0

def loop():
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *args: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    pending = b""
    while True:
        ready = select.select([0, woken], [], [])[0]
        if woken in ready: os.read(woken, 4096)
        reap()
        if 0 not in ready: continue
        piece = os.read(0, 4096)
        if not piece: os._exit(0)
        *commands, pending = (pending + piece).split(b"\\n")
        for command in commands:
            op, _, number = command.decode().partition(" ")
            if op == "f":
                pid = os.fork()
                if pid == 0:
                    try: fork()
                    finally: os._exit(1)
                children.add(pid)
            elif op == "k" and int(number) in children: os.kill(int(number), signal.SIGKILL)
            elif op == "t": os.write(1, f"t {number} {waited(int(number))}\\n".encode())

__import__("threading").stack_size(64 << 20)  # a thread's would be as long as the process's
gc.collect()
gc.freeze()
os.write(1, b"ready\\n")
loop()
`;
