"""Kernels that apply one scalar function to arrays, and what the function is exactly: for tests and for docs/math.md.

python tests/support/math_kernels.py        # measure every function and write docs/math.md
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import mpmath
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "numerics")]

from level3_runner import run_level3  # noqa: E402

from tilewright.core.mlir import arith, func, ir, memref, scf, vector  # noqa: E402
from tilewright.lowering.math import bounds, expand_math_op, expand_nonpositive_exp, expand_one_plus_erf  # noqa: E402
from tilewright.lowering.math.lanes import Lanes  # noqa: E402
from tilewright.targets import Target, find  # noqa: E402

Reference = Callable[..., np.ndarray]
erf: Reference = np.vectorize(math.erf, otypes=[np.float64])
erfc: Reference = np.vectorize(math.erfc, otypes=[np.float64])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


REFERENCES: dict[str, Reference] = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "tanh": np.tanh, "sinh": np.sinh, "cosh": np.cosh, "erf": erf, "erfc": erfc, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "atan2": np.arctan2, "powf": np.power, "rsqrt": lambda x: 1 / np.sqrt(x), "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "sigmoid": sigmoid, "silu": lambda x: x * sigmoid(x), "gelu": lambda x: x / 2 * erfc(-x / math.sqrt(2)),
    "gelu_tanh": lambda x: x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
}  # fmt: skip
"""In f64. Those of GELU do not cancel."""
BINARY = ("atan2", "powf")
PERIODIC = ("sin", "cos", "tan")
"""Beyond this size, NumPy's f64 argument reduction is exact enough only because an f32 argument has 24 bits."""


def build(op: str, values: list[ir.Value], target: Target, fast: bool = False) -> ir.Value:
    """The function `op` (a name of `REFERENCES`, or a building block) at the current insertion point."""
    lanes, x = Lanes(values[0].type, target), values[0]

    def call(name: str, operand: ir.Value) -> ir.Value:
        return expand_math_op(f"math.{name}", [operand], target, fast)

    match op:
        case "one_plus_erf":
            return expand_one_plus_erf(x, target)
        case "nonpositive_exp":
            return expand_nonpositive_exp(x, target)
        case "sigmoid":
            return lanes.div(1.0, lanes.add(call("exp", lanes.neg(x)), 1.0))
        case "silu":
            return lanes.mul(x, build("sigmoid", values, target, fast))
        case "gelu":
            return lanes.mul(lanes.mul(x, 0.5), expand_one_plus_erf(lanes.mul(x, 0.7071067811865476), target))
        case "gelu_tanh":
            cube = lanes.mul(lanes.mul(x, x), x)
            inner = lanes.mul(lanes.add(lanes.mul(cube, 0.044715), x), 0.7978845608028654)
            return lanes.mul(lanes.mul(x, 0.5), lanes.add(call("tanh", inner), 1.0))
        case _:
            return expand_math_op(f"math.{op}", values, target, fast)


def elementwise(op: str, width: int | None, target: str, operands: int = 1, fast: bool = False) -> str:
    """A level 3 kernel that applies `op` to arrays of f32; one unit is one vector of `width` (None: one scalar)."""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        f32, index, dynamic = ir.F32Type.get(), ir.IndexType.get(), ir.ShapedType.get_dynamic_size()
        pointer, scratch = ir.MemRefType.get([], f32), ir.MemRefType.get([], ir.IntegerType.get_signless(8))
        with ir.InsertionPoint(module.body):
            kernel = func.FuncOp("apply", ir.FunctionType.get([pointer] * (operands + 1) + [scratch] + [index] * 3, []))
            kernel.operation.attributes["tw.trip_count"] = ir.StringAttr.get("d0")
            kernel.operation.attributes["tw.scratch"] = ir.StringAttr.get("0")
            block = kernel.add_entry_block()
        with ir.InsertionPoint(block):
            arguments = list(block.arguments)
            low, high = arguments[-2:]
            static = [ir.DenseI64ArrayAttr.get([v]) for v in (0, dynamic, 1)]
            view = ir.MemRefType.get([dynamic], f32)
            arrays = [memref.ReinterpretCastOp(view, a, [], [high], [], *static).result for a in arguments[: operands + 1]]
            lanes = ir.VectorType.get([width], f32) if width else f32
            step = arith.ConstantOp(index, width or 1).result
            loop = scf.ForOp(arith.MulIOp(low, step).result, arith.MulIOp(high, step).result, step)
            with ir.InsertionPoint(loop.body):
                at = [loop.induction_variable]
                load = (lambda a: vector.LoadOp(lanes, a, at).result) if width else (lambda a: memref.LoadOp(a, at).result)
                result = build(op, [load(a) for a in arrays[:-1]], find(target), fast)
                vector.StoreOp(result, arrays[-1], at) if width else memref.StoreOp(result, arrays[-1], at)
                scf.YieldOp([])
            func.ReturnOp([])
        return str(module)


def apply(op: str, inputs: list[np.ndarray], target: str, vectors: bool, fast: bool = False) -> np.ndarray:
    """`op` of arrays of f32, by vectors of the target or one scalar at a time."""
    width = find(target).vector_lanes(32) if vectors else None
    count = -(-inputs[0].size // 16) * 16
    padded = [np.resize(x, count) for x in inputs]
    out = np.zeros(count, np.float32)
    text = elementwise(op, width, target, len(inputs), fast)
    run_level3(text, "apply", [*padded, out], symbols=[count // (width or 1)], target=find(target))
    return out[: inputs[0].size]


def exact(op: str, inputs: list[np.ndarray]) -> np.ndarray:
    """The function in f64 of f32 arguments; those of the periodic functions that f64 cannot reduce by mpmath."""
    with np.errstate(all="ignore"):
        result = REFERENCES[op](*(x.astype(np.float64) for x in inputs))
    if op in PERIODIC:
        (x,) = inputs
        large = np.flatnonzero(np.isfinite(x) & (np.abs(x) > 1e6))
        with mpmath.workprec(500):
            result[large] = [float(getattr(mpmath, op)(mpmath.mpf(float(v)))) for v in x[large]]
    return result


def ulp_of(values: np.ndarray) -> np.ndarray:
    """The distance of neighbouring f32 next to each value."""
    with np.errstate(all="ignore"):
        rounded = np.abs(values).astype(np.float32)
        return np.spacing(np.minimum(rounded, np.float32(3e38))).astype(np.float64)


def samples(bound: bounds.Bound, count: int) -> list[np.ndarray]:
    """Arguments in the range of a bound: `count` even ones around 0, and as many of all sizes."""
    generator = np.random.default_rng(0)
    low, high = max(bound.low, -bounds.LARGEST), min(bound.high, bounds.LARGEST)
    many = 4000 if bound.function in PERIODIC else count

    def one() -> np.ndarray:
        even = [generator.uniform(max(low, -size), min(high, size), count) for size in (1.0, 12.0, 120.0)]
        sizes = np.exp(generator.uniform(math.log(1e-38), math.log(max(high, -low)), many)) * generator.choice([-1.0, 1.0], many)
        sizes = sizes if low < 0 else np.abs(sizes)
        return np.concatenate([*even, sizes[(sizes >= low) & (sizes <= high)]]).astype(np.float32)

    if bound.function == "powf":
        return [np.abs(one()), one()]
    return [one(), generator.permutation(one())] if bound.function in BINARY else [one()]


def worst_error(bound: bounds.Bound, target: str, count: int, fast: bool = False) -> float:
    """The largest error over `samples`, in ULP of the result, or of the argument for `RELATIVE_TO_INPUT`."""
    inputs = samples(bound, count)
    if bound.function in BINARY:
        size = min(x.size for x in inputs)
        inputs = [x[:size] for x in inputs]
    if bound.function == "erf" and fast:
        inputs = [x[np.abs(x) > 1e-30] for x in inputs]
    got, wanted = apply(bound.function, inputs, target, True, fast).astype(np.float64), exact(bound.function, inputs)
    scale = ulp_of(inputs[0].astype(np.float64) if bound in bounds.RELATIVE_TO_INPUT else wanted)
    with np.errstate(all="ignore"):
        known = np.isfinite(wanted) & (np.abs(wanted) < bounds.LARGEST)
        error = np.where(known, np.abs(got - wanted) / scale, 0.0)
    return float(np.where(np.isnan(error), np.inf, error).max(initial=0.0))


def table(rows: tuple[bounds.Bound, ...], count: int, fast: bool = False) -> list[str]:
    lines = ["| function | range | bound | measured, AVX-512 | measured, AVX2 | |", "|---|---|---|---|---|---|"]
    for bound in rows:
        measured = [f"{worst_error(bound, target, count, fast):.2f}" for target in ("cpu:sapphirerapids", "cpu:x86-64-v3")]
        span = "all" if bound.low == -bounds.LARGEST and bound.high == bounds.LARGEST else f"{_end(bound.low)} to {_end(bound.high)}"
        lines.append(f"| `{bound.function}` | {span} | {bound.ulp} | {measured[0]} | {measured[1]} | {bound.remark} |")
    return lines


def _end(value: float) -> str:
    return "-largest" if value == -bounds.LARGEST else "largest" if value == bounds.LARGEST else f"{value:g}"


def page(count: int = 400_000) -> str:
    """docs/math.md."""
    return "\n".join([
        "# Accuracy of the vector functions",
        "",
        "Transcendental functions are inline polynomials; no math library is called. Errors are in units in the last place (ULP) of",
        "the f32 next to the exact result, which is computed in f64. The bounds stand in `tilewright/lowering/math/bounds.py`, and the",
        "tests check them; the measured errors are the largest of some million arguments. `python tests/support/math_kernels.py`",
        "writes this page.",
        "",
        *table(bounds.BOUNDS, count),
        "",
        "The last two are sums and quotients of others, in f32 as programs write them, and so are above 2 ULP.",
        "GELU is a sum that cancels for negative x, whatever computes it in f32. Its error is stated in ULP of x:",
        "",
        *table(bounds.RELATIVE_TO_INPUT, count),
        "",
        "With `fast_math`, these take cheaper forms:",
        "",
        *table(bounds.FAST, count, fast=True),
        "",
        "f16 and bf16 are computed in f32 and rounded once, within 0.51 ULP of the type. The exponential of a softmax is one of its own:",
        "relative error below 2.3e-7 + 3e-9 |x|, and 0 for terms below e^-87 of the largest. f64 has no transcendental functions;",
        "programs that need them are refused.",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    (ROOT / "docs" / "math.md").write_text(page())
