"""Numbers of evaluations from published formulas and from scipy.

Writes test/reference/statistics.json:

- pass_at_k: the unbiased estimator of Chen et al. (2021), eq. 1, from binomial coefficients as exact fractions;
- wilson: scipy.stats.binomtest(...).proportion_ci(method="wilson");
- paired: shares of paired problems, with the two-sided p-value of scipy.stats.permutation_test over all ways to swap the
  two of a pair, and at the end of scipy.stats.binomtest on discordant pairs (McNemar, exact);
- majority: how often the majority of some answers is right where a tie is broken by chance, as an exact fraction;
- best_of: how often the best by score of n answers drawn from some is right, over all subsets, ties broken by chance.

    python -m venv .venv && .venv/bin/pip install numpy scipy
    .venv/bin/python test/reference/intervals.py
"""

import itertools
import json
import math
import pathlib
from fractions import Fraction

import numpy as np
import scipy
from scipy.stats import binomtest, permutation_test

rng = np.random.default_rng(7)


def pass_at_k(n, c, k):
    return float(1 - Fraction(math.comb(n - c, k), math.comb(n, k)))


passes = [
    {"n": n, "right": c, "k": k, "value": pass_at_k(n, c, k)}
    for n, c, k in [(1, 0, 1), (1, 1, 1), (4, 1, 2), (16, 3, 8), (64, 1, 64), (64, 2, 32), (64, 63, 1), (200, 7, 100), (200, 0, 10), (200, 150, 100)]
]

wilson = []
for right, n in [(0, 50), (8, 10), (17, 30), (199, 200), (50, 50)]:
    interval = binomtest(right, n).proportion_ci(method="wilson")
    wilson.append({"right": right, "n": n, "low": interval.low, "high": interval.high})

paired = []
for problems, samples in [(10, 1), (12, 4), (11, 3), (14, 2)]:
    before = rng.integers(0, samples + 1, problems)
    after = np.minimum(samples, before + rng.integers(-1, 3, problems).clip(-before))
    shares = (after / samples, before / samples)
    test = permutation_test(
        shares,
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    case = {"samples": samples, "before": before.tolist(), "after": after.tolist(), "p_value": float(test.pvalue)}
    paired.append(case)

# most of the discordant pairs on one side
for before, after in [([0] * 9 + [1] * 6 + [0], [1] * 9 + [0] + [1] * 5 + [0]), ([0] * 5 + [1] * 20, [1] * 25)]:
    won, lost = sum(a > b for a, b in zip(after, before)), sum(a < b for a, b in zip(after, before))
    value = float(binomtest(won, won + lost, 0.5).pvalue)
    paired.append({"samples": 1, "before": before, "after": after, "p_value": value})

majority = []
for answers in ["aab", "abab", "abcc", "abc", "aabbcd", "a", "bbaacc"]:
    counts = {letter: answers.count(letter) for letter in answers}
    most = [letter for letter, count in counts.items() if count == max(counts.values())]
    majority.append({"answers": answers, "right": "a", "value": float(Fraction("a" in most, len(most)))})

best_of = []
for scores, right, n in [
    ([1, 2, 3, 4], [1, 0, 0, 1], 2),
    ([1, 1, 2, 2, 3], [1, 0, 1, 0, 0], 3),
    ([0.5, 0.5, 0.5], [1, 0, 0], 2),
    ([5, 4, 3, 2, 1, 0], [0, 1, 1, 0, 1, 1], 4),
]:
    total = Fraction(0)
    subsets = list(itertools.combinations(range(len(scores)), n))
    for subset in subsets:
        top = [i for i in subset if scores[i] == max(scores[j] for j in subset)]
        total += Fraction(sum(right[i] for i in top), len(top))
    best_of.append({"scores": scores, "right": right, "n": n, "value": float(total / len(subsets))})

out = pathlib.Path(__file__).with_suffix(".json")
made = {"versions": {"scipy": scipy.__version__, "numpy": np.__version__}}
out.write_text(
    json.dumps({**made, "pass_at_k": passes, "wilson": wilson, "paired": paired, "majority": majority, "best_of": best_of}, indent=1)
    + "\n"
)
