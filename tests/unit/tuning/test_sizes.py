"""Which sizes kernels are tuned for, and which kernels there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir, new_context
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.tuning.sizes import dynamic_sizes, parse_size_sets
from tilewright.tuning.subject import find_subjects

ROWS = 'tensor<?x?x64xf32, "s0, s1, 64">'
WIDE = 'tensor<?x?x96xf32, "s0, s1, 96">'
PROGRAM = f"""
func.func @main(%x: {ROWS} {{tw.name = "x"}}, %h: tensor<?x64xf32, "s1, 64"> {{tw.name = "h"}}) -> ({ROWS}, {WIDE})
    attributes {{tw.symbols = {{s0 = array<i64: 1, 64>, s1 = array<i64: 2, 100>}}}} {{
  %w = "tw.weight"() {{name = "w"}} : () -> tensor<64x64xf32>
  %v = "tw.weight"() {{name = "v"}} : () -> tensor<64x96xf32>
  %0 = "tw.launch"(%x, %w) {{callee = @square, symbols = {{d0 = "s0", d1 = "s1"}}}} : ({ROWS}, tensor<64x64xf32>) -> {ROWS}
  %1 = "tw.launch"(%0, %w) {{callee = @square, symbols = {{d0 = "s0", d1 = "s1"}}}} : ({ROWS}, tensor<64x64xf32>) -> {ROWS}
  %2 = "tw.launch"(%1, %v) {{callee = @wide, symbols = {{d0 = "s0", d1 = "s1"}}}} : ({ROWS}, tensor<64x96xf32>) -> {WIDE}
  return %1, %2 : {ROWS}, {WIDE}
}}
"""


def kernel(name: str, n: int) -> str:
    rows, result = 'tensor<?x?x64xf32, "d0, d1, 64">', f'tensor<?x?x{n}xf32, "d0, d1, {n}">'
    return f"""
func.func private @{name}(%x: {rows}, %w: tensor<64x{n}xf32> {{tw.weight}}) -> {result}
    attributes {{tw.kernel, tw.symbols = {{d0 = array<i64: 1, 64>, d1 = array<i64: 2, 100>}}}} {{
  %0 = "tw.matmul"(%x, %w) : ({rows}, tensor<64x{n}xf32>) -> {result}
  return %0 : {result}
}}"""


KERNELS = kernel("square", 64) + kernel("wide", 96) + kernel("unused", 32)


@pytest.fixture(autouse=True)
def context() -> Iterator[ir.Context]:
    made = new_context()
    tw.load(made)
    with made, ir.Location.unknown():
        yield made


def test_defaults_tell_batches_from_other_sizes() -> None:
    sizes = dynamic_sizes(ir.Module.parse(PROGRAM + KERNELS))
    assert {name: size.default for name, size in sizes.items()} == {"s0": 1, "s1": 100}
    assert str(sizes["s0"]) == "s0 (x.0): 1 to 64" and sizes["s1"].dimensions == ("x.1", "h.0")
    assert parse_size_sets([], sizes) == [{"s0": 1, "s1": 100}]
    alone = dynamic_sizes(ir.Module.parse(KERNELS))
    assert {name: size.default for name, size in alone.items()} == {"d0": 64, "d1": 100}


def test_sizes_by_symbol_or_dimension() -> None:
    sizes = dynamic_sizes(ir.Module.parse(PROGRAM + KERNELS))
    assert parse_size_sets(["s0=8", "x.1=16, s0=2"], sizes) == [{"s0": 8, "s1": 100}, {"s0": 2, "s1": 16}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch=1", r"(?s)no dynamic size called 'batch'.*s0 \(x.0\): 1 to 64"),
        ("s1=1", r"(?s)s1 cannot be '1'.*2 to 100"),
        ("s1=101", "s1 cannot be '101'"),
        ("s0", "s0 cannot be ''"),
        ("s0=-1", "s0 cannot be '-1'"),
    ],
)
def test_sizes_that_do_not_fit(text: str, message: str) -> None:
    sizes = dynamic_sizes(ir.Module.parse(PROGRAM + KERNELS))
    with pytest.raises(InputError, match=message) as caught:
        parse_size_sets([text], sizes)
    assert caught.value.where == f"--sizes {text}"


def test_subjects_are_what_is_launched() -> None:
    module = ir.Module.parse(PROGRAM + KERNELS)
    run_pipeline(module, "tw-select-schedule{target=cpu:x86-64-v4}")
    subjects = find_subjects(module, [{"s0": 2, "s1": 8}, {"s0": 1, "s1": 16}])
    assert [s.name for s in subjects] == ["square", "wide"], "most work first"
    square = subjects[0]
    assert [(c.values, c.calls, c.size_set) for c in square.cases] == [({"d0": 2, "d1": 8}, 2, 0), ({"d0": 1, "d1": 16}, 2, 1)]
    assert square.size_sets == 2 and square.operations == 2 * 2 * 2 * 16 * 64 * 64 and square.rule["source"] == "rule:dense"
    assert list(square.weights) == ["argument1"] and "tw.schedule" not in square.text


def test_kernels_without_a_program() -> None:
    module = ir.Module.parse(KERNELS)
    run_pipeline(module, "tw-select-schedule{target=cpu:x86-64-v4}")
    assert [s.name for s in find_subjects(module, [{"d0": 1, "d1": 4}])] == ["wide", "square", "unused"]


def test_packed_kernels_are_refused() -> None:
    module = ir.Module.parse(PROGRAM + KERNELS)
    run_pipeline(module, "tw-select-schedule{target=cpu:x86-64-v4},tw-pack-weights")
    with pytest.raises(InputError, match="the weights of kernel @square are packed already"):
        find_subjects(module, [{"s0": 1, "s1": 8}])
