"""Math-Verify's verdict and time for each case: math_verify_cases.py cases.jsonl, one JSON object a line on stdout."""

import json
import logging
import sys
import time

from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

logging.disable(logging.CRITICAL)

CONFIGS = {
    "latex": LatexExtractionConfig(boxed_match_priority=0),
    "expr": ExprExtractionConfig(),
    "NativeLetters": StringExtractionConfig(),
}
ENVIRONMENTS = ("$", "\\(", "\\[", "\\boxed")


def delimited(text):
    """LaTeX is only found between marks."""
    return text if any(mark in text for mark in ENVIRONMENTS) or "\\" not in text else f"${text}$"


def judge(case):
    configs = [CONFIGS[name] for name in case.get("match_types") or ("latex", "expr")]
    bare = case.get("style") == "bare"
    answer = delimited(case["answer"])
    prediction = delimited(case["prediction"]) if bare else case["prediction"]
    gold = parse(answer, configs)
    return verify(gold, parse(prediction, configs))


def main(path):
    with open(path, encoding="utf8") as lines:
        cases = [json.loads(line) for line in lines if line.strip()]
    for case in cases[:20]:
        judge(case)
    for case in cases:
        started = time.perf_counter()
        try:
            correct = bool(judge(case))
        except Exception:
            correct = False
        print(json.dumps({"correct": correct, "ms": 1000 * (time.perf_counter() - started)}))


main(sys.argv[1])
