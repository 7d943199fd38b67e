"""The f32 matmul template against PyTorch and oneDNN, interleaved in one process, with one thread.

    python benchmarks/matmul.py [--m 16 128] [--target cpu:x86-64-v3] [--rounds 40] [--json out.json]

One kernel with a packed weight, a bias and any number of rows is compiled per (n, k). Its peers are `torch.mm` (MKL, without the
bias), `torch.nn.functional.linear`, and oneDNN with a weight packed for that number of rows. Results are compared with f64.
Printed are GFLOP/s of the minimum and of the median, and by how much ours is faster (ratio of minima / of medians).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "numerics")]

import level3_runner  # noqa: E402
import numpy as np  # noqa: E402
import template_kernels  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from interleave import measure  # noqa: E402
from template_kernels import TemplateKernel, info  # noqa: E402

from tilewright.core.mlir import arith, ir  # noqa: E402
from tilewright.dialects import tw  # noqa: E402
from tilewright.dialects.tw.layouts import pack_panels  # noqa: E402
from tilewright.targets import Target, find  # noqa: E402

MINILM = ((384, 384), (1152, 384), (1536, 384), (384, 1536))
"""(n, k) of the projections of all-MiniLM-L6-v2; 1152 is q, k and v at once."""
ROWS = (16, 128, 231, 1024)
TOLERANCE = 5e-6
"""Largest error relative to the largest result."""

Call = Callable[[], Any]


def filled(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal data at a 64-byte boundary."""
    array = level3_runner.aligned(shape, np.float32)
    array[...] = template_kernels.normal(*shape, seed=seed)
    return array


def dense_kernel(n: int, k: int) -> TemplateKernel:
    """`x @ w.T + b` for any number of rows."""

    def body(x: ir.Value, w: ir.Value, b: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w, transpose_rhs=True), b], lambda y, c: arith.addf(y, c))]

    return TemplateKernel([info(f"d0, {k}"), info(f"{n}, {k}"), info(f"{n}")], body, weights={1})


def run(m: int, n: int, k: int, lowered: tuple[str, int], target: Target, rounds: int) -> dict[str, Any]:
    """Check and time one size."""
    x, weight, bias, out = filled(m, k), filled(n, k, seed=1), filled(n, seed=2), level3_runner.aligned((m, n), np.float32)
    text, nr = lowered
    packed = pack_panels(weight, transposed=True, nr=nr)
    panels = level3_runner.aligned(packed.shape, np.float32)
    panels[...] = packed
    ours = level3_runner.level3_timer(text, "kernel", [x, panels, bias, out], [m], target=target)
    ours()
    exact = x.astype(np.float64) @ weight.T + bias
    error = float(np.abs(out - exact).max() / np.abs(exact).max())
    assert error < TOLERANCE, (m, n, k, error)
    tx, tw_, tb = torch.from_numpy(x), torch.from_numpy(weight), torch.from_numpy(bias)
    product = torch.empty(m, n)
    ready: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(tw_, m)
    times = measure(
        {
            "ours": ours,
            "mm": lambda: torch.mm(tx, tw_.t(), out=product),
            "linear": lambda: F.linear(tx, tw_, tb),
            "onednn": lambda: torch.ops.mkldnn._linear_pointwise(tx, ready, tb, "none", [], ""),
        },
        rounds,
    )
    work = 2e-9 * m * n * k
    row: dict[str, Any] = {"m": m, "n": n, "k": k, "error": error}
    for name, seconds in times.items():
        row[name] = [work / min(seconds), work / statistics.median(seconds)]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--m", type=int, nargs="+", default=ROWS, help="numbers of rows")
    parser.add_argument("--nk", nargs="+", default=[f"{n}x{k}" for n, k in MINILM], help="sizes of weights, as NxK")
    parser.add_argument("--target", default="native")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    target = find(options.target)
    rows: list[dict[str, Any]] = []
    for size in options.nk:
        n, k = (int(part) for part in size.split("x"))
        started = time.perf_counter()
        kernel = dense_kernel(n, k)
        lowered = kernel.lower(target)
        level3_runner.compile_level3(lowered[0], target, want_mix=False)
        print(f"n={n} k={k}: compiled in {time.perf_counter() - started:.2f} s, panels of {lowered[1]}", flush=True)
        for m in options.m:
            row = run(m, n, k, lowered, target, options.rounds)
            rows.append(row)
            best, median = row["ours"]
            peers = [f"{p} {row[p][0]:4.0f} ({best / row[p][0]:.2f} / {median / row[p][1]:.2f})" for p in ("mm", "linear", "onednn")]
            print(f"  m={m:<5} ours {best:4.0f} / {median:4.0f} GFLOP/s   {'  '.join(peers)}   error {row['error']:.0e}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
