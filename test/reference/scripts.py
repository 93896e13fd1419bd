"""Runs scripts one after another in one process, so that PyTorch is loaded once. test/support/python.ts asks it.

    .venv/bin/python test/reference/scripts.py

A line of standard input is a JSON list, a script and its arguments. The answer is a line of JSON, {"bytes": n} and then the n
bytes that it wrote to standard output, or {"error": "…"}.
"""

import io
import json
import runpy
import sys
import traceback

answers = sys.stdout.buffer
for line in sys.stdin:
    script, *rest = json.loads(line)
    sys.argv, sys.stdout = [script, *rest], io.TextIOWrapper(io.BytesIO())
    try:
        runpy.run_path(script, run_name="__main__")
        sys.stdout.flush()
        written = sys.stdout.buffer.getvalue()
        answers.write(json.dumps({"bytes": len(written)}).encode() + b"\n" + written)
    except Exception:
        answers.write(json.dumps({"error": traceback.format_exc()}).encode() + b"\n")
    answers.flush()
