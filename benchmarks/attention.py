"""The f32 attention template against PyTorch's scaled_dot_product_attention, interleaved in one process, with one thread.

    python benchmarks/attention.py [--case minilm] [--target cpu:x86-64-v3] [--rounds 40] [--json out.json]

q, k and v are projections `[batch, sequence, heads * size]` read head by head, the result is written in the same way; lengths are
run-time values of the kernel. Results are compared with f64. Printed are GFLOP/s (half for causal cases) of the minimum and of the
median, and by how much ours is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "numerics")]

import level3_runner  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from interleave import measure  # noqa: E402
from template_kernels import TemplateKernel, info, normal  # noqa: E402

from tilewright.core.mlir import ir  # noqa: E402
from tilewright.dialects import tw  # noqa: E402
from tilewright.targets import Target, find  # noqa: E402

TOLERANCE = 5e-6


@dataclass(frozen=True)
class Case:
    """Sizes, and the mask: none, `padding` ([B, 1, 1, K] booleans) or `full` ([B, 1, Q, K] additive)."""

    batch: int
    heads: int
    kv_heads: int
    length: int
    size: int
    mask: str = "none"
    causal: bool = False

    def __str__(self) -> str:
        heads = f"h{self.heads}" + (f"/{self.kv_heads}" if self.kv_heads != self.heads else "")
        return f"b{self.batch} {heads} s{self.length} d{self.size} {'causal' if self.causal else self.mask}"


CASES: dict[str, list[Case]] = {
    "minilm": [
        Case(1, 12, 12, 16, 32, "padding"), Case(1, 12, 12, 128, 32), Case(1, 12, 12, 128, 32, "padding"),
        Case(8, 12, 12, 128, 32, "padding"), Case(1, 12, 12, 128, 32, "full"), Case(8, 12, 12, 128, 32, "full"),
    ],
    "bert": [Case(1, 12, 12, 512, 64, "padding")],
    "llama": [Case(1, 16, 16, 1024, 64, causal=True), Case(1, 8, 2, 1024, 128, causal=True)],
}  # fmt: skip


def filled(*shape: int, seed: int) -> np.ndarray:
    """Normal data at a 64-byte boundary."""
    array = level3_runner.aligned(shape, np.float32)
    array[...] = normal(*shape, seed=seed)
    return array


def split(x: ir.Value, heads: int, size: int) -> ir.Value:
    """`[B, S, H*D]` as `[B, H, S, D]`."""
    return tw.build("transpose", tw.build("reshape", x, shape=tw.parse_shape(f"d0, d1, {heads}, {size}")), permutation=(0, 2, 1, 3))


def attention_kernel(case: Case) -> TemplateKernel:
    """The kernel for all lengths and batch sizes."""

    def body(q: ir.Value, k: ir.Value, v: ir.Value, *mask: ir.Value) -> list[ir.Value]:
        parts = [split(x, heads, case.size) for x, heads in ((q, case.heads), (k, case.kv_heads), (v, case.kv_heads))]
        operands = [*parts, mask[0] if mask else None, None, None, None]
        out = tw.build("attention", *operands, scale=case.size**-0.5, causal=case.causal)
        return [tw.build("transpose", out, permutation=(0, 2, 1, 3))]

    shapes = [info(f"d0, d1, {heads * case.size}") for heads in (case.heads, case.kv_heads, case.kv_heads)]
    masks = {"none": [], "padding": [info("d0, 1, 1, d1", "i1")], "full": [info("d0, 1, d1, d1")]}[case.mask]
    return TemplateKernel([*shapes, *masks], body)


def make_mask(case: Case) -> np.ndarray | None:
    """The last eighth of every sequence is padding."""
    seen = np.arange(case.length) < max(1, case.length * 7 // 8)
    if case.mask == "padding":
        return np.broadcast_to(seen, (case.batch, 1, 1, case.length)).copy()
    if case.mask == "full":
        row = np.where(seen, 0.0, np.finfo(np.float32).min).astype(np.float32)
        return np.broadcast_to(row, (case.batch, 1, case.length, case.length)).copy()
    return None


def run(case: Case, target: Target, rounds: int) -> dict[str, Any]:
    """Check and time one case."""
    text, _ = attention_kernel(case).lower(target)
    counts = (case.heads, case.kv_heads, case.kv_heads)
    q, k, v = (filled(case.batch, case.length, h * case.size, seed=i) for i, h in enumerate(counts))
    mask = make_mask(case)
    out = level3_runner.aligned((case.batch, case.length, case.heads, case.size), np.float32)
    masks = [] if mask is None else [mask.view(np.uint8) if mask.dtype == np.bool_ else mask]
    ours = level3_runner.level3_timer(text, "kernel", [q, k, v, *masks, out], [case.batch, case.length], target=target)
    ours()
    views = [
        torch.from_numpy(x).view(case.batch, case.length, h, case.size).transpose(1, 2) for x, h in zip((q, k, v), counts, strict=True)
    ]
    torch_mask = None if mask is None else torch.from_numpy(mask)
    grouped = case.heads != case.kv_heads

    def eager(*tensors: torch.Tensor, attn_mask: torch.Tensor | None = torch_mask) -> torch.Tensor:
        return F.scaled_dot_product_attention(*tensors, attn_mask=attn_mask, is_causal=case.causal, enable_gqa=grouped)

    exact_mask = torch_mask if torch_mask is None or torch_mask.dtype == torch.bool else torch_mask.double()
    exact = eager(*(t.double() for t in views), attn_mask=exact_mask).transpose(1, 2).numpy()
    error = float(np.abs(out - exact).max() / np.abs(exact).max())
    assert error < TOLERANCE, (case, error)
    times = measure({"ours": ours, "torch": lambda: eager(*views)}, rounds)
    work = 4e-9 * case.batch * case.heads * case.length**2 * case.size * (0.5 if case.causal else 1)
    row: dict[str, Any] = {"case": str(case), "error": error}
    row.update({name: [work / min(seconds), work / statistics.median(seconds)] for name, seconds in times.items()})
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="only these")
    parser.add_argument("--target", default="native")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    rows: list[dict[str, Any]] = []
    for name in options.case or CASES:
        for case in CASES[name]:
            row = run(case, find(options.target), options.rounds)
            rows.append(row)
            ours, peer = row["ours"], row["torch"]
            ratio = f"{ours[0] / peer[0]:.2f} / {ours[1] / peer[1]:.2f}"
            figures = f"ours {ours[0]:4.0f} / {ours[1]:4.0f} GFLOP/s   torch {peer[0]:4.0f} ({ratio})"
            print(f"{row['case']:30} {figures}   error {row['error']:.0e}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
