"""Programs that attend with few queries over a long cache: split, merged, the same for any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilewright
from tilewright.core.mlir import func, ir, new_context
from tilewright.dialects import tw
from tilewright.dialects.tw import interpreter

THREADS = (1, 2, 3)
RANGES = {"s0": (1, 4), "s1": (1, 4096)}


def info(shape: str, dtype: str = "f32") -> tw.TensorInfo:
    return tw.TensorInfo(tw.parse_shape(shape), dtype)


def check(inputs: Sequence[tw.TensorInfo], body: Callable[..., Any], cases: Sequence[Sequence[np.ndarray]], path: Path) -> set[str]:
    """Results are those of the interpreter, bit for bit the same for all numbers of threads. Returns the names of the kernels."""
    context = new_context()
    tw.load(context)
    with context, ir.Location.unknown():
        module = ir.Module.create()
        types = [tw.tensor_type(i) for i in inputs]
        with ir.InsertionPoint(module.body):
            function = func.FuncOp("main", ir.FunctionType.get(types, []))
            function.operation.attributes["tw.symbols"] = tw.symbols_attribute(RANGES)
            with ir.InsertionPoint(function.add_entry_block()):
                results = list(body(*function.entry_block.arguments))
                func.ReturnOp(results)
            function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [r.type for r in results]))
        tw.verify_program(module)
        expected = [interpreter.run(module, list(case)) for case in cases]
        source = path.with_suffix(".mlir")
        source.write_text(str(module))
    tilewright.compile(source, output=path).close()
    first: dict[int, list[np.ndarray]] = {}
    names: set[str] = set()
    for threads in THREADS:
        with tilewright.load(path, threads=threads) as program:
            names = {kernel["name"] for kernel in program.kernels}
            for number, case in enumerate(cases):
                found = program(*case)
                actual = [np.array(x) for x in (found if isinstance(found, list | tuple) else [found])]
                for a, b in zip(actual, first.setdefault(number, actual), strict=True):
                    np.testing.assert_array_equal(a, b)
    for number, actual in first.items():
        for a, b in zip(actual, expected[number], strict=True):
            np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=0, atol=1e-5)
    return names


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def test_one_head_of_keys(tmp_path: Path) -> None:
    """Heads are read where the projections wrote them; the sums of slices meet what follows."""

    def body(q: ir.Value, k: ir.Value, v: ir.Value, sinks: ir.Value) -> list[ir.Value]:
        swapped = [tw.build("transpose", x, permutation=(0, 2, 1, 3)) for x in (q, k, v)]
        out, logsumexp = tw.build_many("attention", *swapped, None, None, None, sinks, scale=0.2, causal=True, logsumexp=True)
        return [tw.build("transpose", out, permutation=(0, 2, 1, 3)), logsumexp]

    inputs = [info("s0, 2, 6, 40"), info("s0, s1, 1, 40"), info("s0, s1, 1, 40"), info("6")]
    cases = [
        [normal(b, 2, 6, 40), normal(b, keys, 1, 40, seed=1), normal(b, keys, 1, 40, seed=2), normal(6, seed=3)]
        for b, keys in ((1, 4096), (3, 333), (1, 2))
    ]
    assert any("slice" in name for name in check(inputs, body, cases, tmp_path / "program.tw"))


def test_pages_of_integers(tmp_path: Path) -> None:
    def body(q: ir.Value, k: ir.Value, v: ir.Value, lengths: ir.Value, table: ir.Value, *scales: ir.Value) -> list[ir.Value]:
        return tw.build_many("attention", q, k, v, None, lengths, None, None, table, *scales, scale=0.1)

    pages = "s1, 2, 32"
    inputs = [
        info("s0, 8, 1, 64"),
        *[info(f"{pages}, 64", "i8")] * 2,
        info("s0", "i64"),
        info("s0, 100", "i32"),
        *[info(pages)] * 2,
    ]
    rng = np.random.default_rng(0)
    table = rng.permutation(200).astype(np.int32).reshape(2, 100)
    k, v = (rng.integers(-128, 128, (200, 2, 32, 64), np.int8) for _ in range(2))
    scales = [rng.uniform(0.005, 0.03, (200, 2, 32)).astype(np.float32) for _ in range(2)]
    cases = [[normal(2, 8, 1, 64), k, v, np.array(lengths), table, *scales] for lengths in ([3200, 1], [0, 2999])]
    assert "attention" in check(inputs, body, cases, tmp_path / "program.tw")


@pytest.mark.parametrize("keys", [64, 4096])
def test_what_follows_is_computed_in_f32(keys: int, tmp_path: Path) -> None:
    """A short cache stays whole, a long one of one head is split."""

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        out = tw.build("attention", q, k, v, scale=0.2)
        return [tw.build("rms_norm", out, None, eps=1e-6)]

    inputs = [info("s0, 4, 1, 32"), info(f"s0, 1, {keys}, 32"), info(f"s0, 1, {keys}, 32"), info("s1")]
    cases = [[normal(2, 4, 1, 32), normal(2, 1, keys, 32, seed=1), normal(2, 1, keys, 32, seed=2), normal(1)]]
    with_symbol: Callable[..., Any] = lambda q, k, v, _: body(q, k, v)  # noqa: E731
    names = check(inputs, with_symbol, cases, tmp_path / "program.tw")
    assert any("slice" in name for name in names) == (keys > 1024)
