"""Reference numbers for the parts of a matrix that adapters begin with, from PyTorch in float64.

Writes test/reference/principal.json: for each case the singular values that the matrix is made of, and, of its rank-r
approximation and of the part in the space of its first r columns, the sums over each row and over each column. The matrix
is U S V' of orthogonal U and V from the QR decomposition of sines, rounded to float32 and stored as such in base64.

    .venv/bin/python test/reference/principal.py
"""

import base64
import json
import pathlib

import torch

CASES = {
    "tall": (24, 10, 3, lambda i: 3.0 / (1 + i)),
    "wide": (9, 30, 4, lambda i: 2.0 * 0.7**i),
    "square, two values apart by 1e-5": (16, 16, 2, lambda i: [2.0, 1.0, 1.0 - 1e-5][i] if i < 3 else 0.5 / i),
    "two equal values within": (20, 14, 3, lambda i: [2.0, 2.0, 1.0][i] if i < 3 else 0.3),
    "whole rank": (6, 5, 5, lambda i: 1.0 + i),
    "large": (90, 64, 5, lambda i: 1.0 / (1 + 0.1 * i)),
}


def orthogonal(rows, columns, phase):
    i = torch.arange(rows * columns, dtype=torch.float64)
    return torch.linalg.qr(torch.sin(0.7 * i + 0.003 * i * i + phase).reshape(rows, columns))[0]


def run(rows, columns, r, value):
    k = min(rows, columns)
    values = torch.tensor([value(i) for i in range(k)], dtype=torch.float64)
    w = (orthogonal(rows, k, 1) * values @ orthogonal(columns, k, 2).T).float()
    u, s, v = torch.linalg.svd(w.double(), full_matrices=False)
    q, upper = torch.linalg.qr(w.double())
    parts = dict(principal=u[:, :r] * s[:r] @ v[:r], leading=q[:, :r] @ upper[:r])
    sums = {name: dict(rows=part.sum(1).tolist(), columns=part.sum(0).tolist()) for name, part in parts.items()}
    return dict(out=rows, r=r, weight=base64.b64encode(w.numpy().tobytes()).decode(), **{"in": columns}, **sums)


out = dict(made_with=f"torch {torch.__version__}", cases={name: run(*case) for name, case in CASES.items()})
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")
