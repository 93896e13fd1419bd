/** @file Where the interpreter is CPython in WebAssembly: no way to JavaScript, and threads that run to their end when started. */

export const WASM = `
import _thread, concurrent.futures.thread, threading

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

def submit(self, function, /, *args, **kwargs):
    future = concurrent.futures.Future()
    try: future.set_result(function(*args, **kwargs))
    except Exception as failure: future.set_exception(failure)
    return future

concurrent.futures.thread.ThreadPoolExecutor.submit = submit
`;
