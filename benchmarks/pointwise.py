"""Loop kernels (pointwise, normalization, movement, gather) against PyTorch, interleaved in one process, with one thread.

    python benchmarks/pointwise.py [--case softmax] [--inductor] [--fast-math] [--rounds 15] [--json out.json]

Every kernel is compiled for dynamic sizes (all of them, unless the name says otherwise), its result is compared with f64, and the
ratio of minima and of medians is printed: above 1, ours is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "numerics")]

import level3_runner  # noqa: E402
import loop_kernels  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from interleave import measure  # noqa: E402

from tilewright.core.mlir import arith, ir, math  # noqa: E402
from tilewright.dialects import tw  # noqa: E402

Tensor = torch.Tensor
Shape = Sequence[int | str]
TOLERANCE = {"f32": 4e-6, "bf16": 2e-2}


@dataclass
class Case:
    """One kernel: symbolic input shapes, the body, concrete arrays, and the same in PyTorch. `moved`: bytes read and written."""

    name: str
    inputs: list[tuple[Shape, str]]
    body: Callable[..., Any]
    arrays: list[Tensor]
    torch: Callable[..., Tensor]
    dtype: str = "f32"


def number(value: float) -> ir.Value:
    """An f32 constant in a pointwise region."""
    return arith.ConstantOp(ir.F32Type.get(), value).result


def randn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal data at a 64-byte boundary."""
    array = level3_runner.aligned(shape, np.float32 if dtype == torch.float32 else np.int16)
    return torch.from_numpy(array).view(dtype).copy_(torch.randn(*shape))


def softmax(rows: int, columns: int) -> Case:
    return Case(
        f"softmax {rows}x{columns}", [(("d0", "d1"), "f32")], lambda x: tw.build("softmax", x, dim=1), [randn(rows, columns)],
        lambda x: torch.softmax(x, -1),
    )  # fmt: skip


def layer_norm(rows: int, columns: int, static: bool = False) -> Case:
    width: int | str = columns if static else "d1"
    return Case(
        f"layer_norm {rows}x{columns}{' (static row)' if static else ''}",
        [(("d0", width), "f32"), ((width,), "f32"), ((width,), "f32")],
        lambda x, w, b: tw.build("layer_norm", x, w, b, eps=1e-5), [randn(rows, columns), randn(columns), randn(columns)],
        lambda x, w, b: F.layer_norm(x, (x.shape[-1],), w, b, 1e-5),
    )  # fmt: skip


def add_rms_silu(rows: int, columns: int, dtype: str = "f32") -> Case:
    def body(x: ir.Value, r: ir.Value, g: ir.Value, w: ir.Value) -> ir.Value:
        h = tw.pointwise([x, r], lambda a, b: arith.addf(a, b))
        normed = tw.build("rms_norm", h, w, eps=1e-6)

        def silu(gate: ir.Value, n: ir.Value) -> ir.Value:
            one = arith.constant(gate.type, 1.0)
            return arith.mulf(arith.divf(gate, arith.addf(one, math.exp(arith.negf(gate)))), n)

        return tw.pointwise([g, normed], silu)

    def eager(x: Tensor, r: Tensor, g: Tensor, w: Tensor) -> Tensor:
        h = x + r
        return F.silu(g) * F.rms_norm(h, (h.shape[-1],), w, 1e-6)

    kind = torch.float32 if dtype == "f32" else torch.bfloat16
    row = (("d0", "d1"), dtype)
    return Case(
        f"add+rms_norm+silu {rows}x{columns} {dtype}", [row, row, row, (("d1",), dtype)], body,
        [randn(rows, columns, dtype=kind) for _ in range(3)] + [randn(columns, dtype=kind)], eager, dtype,
    )  # fmt: skip


def gelu(rows: int, columns: int) -> Case:
    def body(x: ir.Value, b: ir.Value, r: ir.Value) -> ir.Value:
        def scalar(a: ir.Value, c: ir.Value, d: ir.Value) -> ir.Value:
            s = arith.addf(a, c)
            e = math.erf(arith.mulf(s, number(0.7071067811865476)))
            return arith.mulf(arith.mulf(arith.addf(e, number(1.0)), arith.mulf(s, number(0.5))), d)

        return tw.pointwise([x, b, r], scalar)

    row = (("d0", "d1"), "f32")
    return Case(
        f"gelu(x+b)*r {rows}x{columns}", [row, (("d1",), "f32"), row], body, [randn(rows, columns), randn(columns), randn(rows, columns)],
        lambda x, b, r: F.gelu(x + b) * r,
    )  # fmt: skip


def gather_layer_norm(batch: int, sequence: int, columns: int) -> Case:
    def body(table: ir.Value, ids: ir.Value, pos: ir.Value, w: ir.Value, b: ir.Value) -> ir.Value:
        words = tw.build("gather", table, [ids], axes=[0])
        length = tw.tensor_info(ids).shape[1]
        places = tw.build("slice", pos, starts=[0, 0], sizes=[length, columns], steps=[1, 1])
        h = tw.pointwise([words, places], lambda a, c: arith.addf(a, c))
        return tw.build("layer_norm", h, w, b, eps=1e-12)

    def eager(table: Tensor, ids: Tensor, pos: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return F.layer_norm(F.embedding(ids, table) + pos[: ids.shape[1]], (columns,), w, b, 1e-12)

    return Case(
        f"gather+add+layer_norm {batch}x{sequence}x{columns}",
        [((30522, columns), "f32"), (("d0", "d1"), "i64"), ((512, columns), "f32"), ((columns,), "f32"), ((columns,), "f32")], body,
        [randn(30522, columns), torch.randint(0, 30522, (batch, sequence)), randn(512, columns), randn(columns), randn(columns)], eager,
    )  # fmt: skip


def column_sum(rows: int, columns: int) -> Case:
    return Case(
        f"column sum {rows}x{columns}", [(("d0", "d1"), "f32")], lambda x: tw.build("reduce", x, dims=[0], kind="add"),
        [randn(rows, columns)], lambda x: x.sum(0),
    )  # fmt: skip


def mean_pool(batch: int, sequence: int, columns: int) -> Case:
    def body(x: ir.Value, m: ir.Value) -> ir.Value:
        column = tw.build("reshape", m, shape=[*tw.tensor_info(m).shape, 1])
        total = tw.build("reduce", tw.pointwise([x, column], lambda a, b: arith.mulf(a, b)), dims=[1], kind="add")
        count = tw.build("reduce", m, dims=[1], kind="add", keep_dims=True)
        return tw.pointwise([total, count], lambda a, b: arith.divf(a, b))

    mask = torch.ones(batch, sequence)
    mask[:, sequence * 3 // 4 :] = 0
    return Case(
        f"masked mean pool {batch}x{sequence}x{columns}", [(("d0", "d1", columns), "f32"), (("d0", "d1"), "f32")], body,
        [randn(batch, sequence, columns), mask], lambda x, m: (x * m[..., None]).sum(1) / m.sum(1, keepdim=True),
    )  # fmt: skip


def heads(batch: int, sequence: int, count: int, size: int) -> Case:
    return Case(
        f"[B,S,H,D]->[B,H,S,D] {batch}x{sequence}x{count}x{size}", [(("d0", "d1", count, size), "f32")],
        lambda x: tw.build("transpose", x, permutation=[0, 2, 1, 3]), [randn(batch, sequence, count, size)],
        lambda x: x.transpose(1, 2).contiguous(),
    )  # fmt: skip


def transpose_rope(batch: int, sequence: int, count: int, size: int) -> Case:
    def eager(x: Tensor, c: Tensor, s: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        half = size // 2
        return (x * c + torch.cat((-x[..., half:], x[..., :half]), -1) * s).contiguous()

    return Case(
        f"transpose+rope {batch}x{sequence}x{count}x{size}",
        [(("d0", "d1", count, size), "f32"), (("d1", size), "f32"), (("d1", size), "f32")],
        lambda x, c, s: tw.build("rope", tw.build("transpose", x, permutation=[0, 2, 1, 3]), c, s),
        [randn(batch, sequence, count, size), randn(sequence, size), randn(sequence, size)], eager,
    )  # fmt: skip


def transpose(rows: int, columns: int) -> Case:
    return Case(
        f"transpose {rows}x{columns}", [(("d0", "d1"), "f32")], lambda x: tw.build("transpose", x, permutation=[1, 0]),
        [randn(rows, columns)], lambda x: x.t().contiguous(),
    )  # fmt: skip


CASES: dict[str, Callable[[], list[Case]]] = {
    "softmax": lambda: [softmax(512, 4096), softmax(1024, 128), softmax(77, 1001)],
    "layer_norm": lambda: [layer_norm(128, 384), layer_norm(1024, 384), layer_norm(1024, 384, static=True), layer_norm(77, 1001)],
    "rms": lambda: [add_rms_silu(512, 4096), add_rms_silu(77, 1001), add_rms_silu(512, 4096, "bf16")],
    "gelu": lambda: [gelu(512, 4096), gelu(77, 1001)],
    "gather": lambda: [gather_layer_norm(8, 128, 384)],
    "columns": lambda: [column_sum(4096, 512), mean_pool(8, 128, 384)],
    "movement": lambda: [
        heads(8, 128, 12, 32),
        transpose_rope(1, 512, 32, 64),
        transpose(1024, 1024),
        transpose(1008, 1040),
        transpose(512, 384),
    ],
}


def run(case: Case, rounds: int, fast_math: bool, inductor: bool) -> dict[str, Any]:
    """Check and time one case."""
    kernel = loop_kernels.build("kernel", case.inputs, case.body, fast_math=fast_math)
    arrays = [t.view(torch.int16).numpy() if t.dtype == torch.bfloat16 else t.numpy() for t in case.arrays]
    values = kernel.sizes(arrays)
    outputs = [level3_runner.aligned(o.shape, o.dtype) for o in loop_kernels.empty_outputs(kernel, values)]
    raw = [o.view(np.int16) if o.dtype.name == "bfloat16" else o for o in outputs]
    ours = level3_runner.level3_timer(kernel.level3, "kernel", [*arrays, *raw], [values[s] for s in kernel.symbols])
    ours()
    exact = case.torch(*(t.double() if t.is_floating_point() else t for t in case.arrays)).numpy()
    error = float(np.abs(outputs[0].astype(np.float64) - exact).max() / np.abs(exact).max())
    assert error < TOLERANCE[case.dtype], (case.name, error)
    functions: dict[str, Callable[[], Any]] = {"ours": ours, "eager": lambda: case.torch(*case.arrays)}
    if inductor:
        compiled = torch.compile(case.torch, dynamic=True)
        functions["inductor"] = lambda: compiled(*case.arrays)
    times = measure(functions, rounds, budget=0.004)
    row: dict[str, Any] = {"case": case.name, "us": min(times["ours"]) * 1e6, "error": error, "slow_path": kernel.slow_path}
    for peer in [n for n in functions if n != "ours"]:
        row[peer] = [min(times[peer]) / min(times["ours"]), statistics.median(times[peer]) / statistics.median(times["ours"])]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="only these")
    parser.add_argument("--inductor", action="store_true", help="also compare with torch.compile (slow to start)")
    parser.add_argument("--fast-math", action="store_true", help="the faster, less exact transcendental functions")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    rows = []
    for name in options.case or CASES:
        for case in CASES[name]():
            row = run(case, options.rounds, options.fast_math, options.inductor)
            rows.append(row)
            ratios = "  ".join(f"{peer} {row[peer][0]:5.2f} / {row[peer][1]:5.2f}" for peer in ("eager", "inductor") if peer in row)
            print(f"{row['case']:40} {row['us']:9.1f} us   x faster (min / median): {ratios}   error {row['error']:.1e}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
