"""Size expressions and rounding division compiled to native code agree with Python."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright.codegen.link import link_shared
from tilewright.codegen.llvm_object import compile_object
from tilewright.core import symbolic
from tilewright.core.mlir import func, ir, new_context
from tilewright.lowering.size_expression import SizeEmitter
from tilewright.lowering.to_llvm import lower_to_llvm, translate
from tilewright.runtime.loader import load_shared_object
from tilewright.targets import host_target

EXPRESSIONS = [
    "0", "7", "a", "a + b", "4*a*b - 3*b + 2", "floordiv(a, 3)", "mod(a, 7)", "ceildiv(a*b, 16)*64", "max(a, b) - min(a, b)",
    "floordiv(-a, 5)", "mod(b - a, 6)", "ceildiv(b - a, 8)", "max(1, ceildiv(a, b))", "a*a*a - floordiv(mod(a, 9), 2)",
]  # fmt: skip


def compile_expression(text: str) -> ctypes.CDLL:
    with new_context(), ir.Location.unknown():
        module = ir.Module.create()
        number = ir.IntegerType.get_signless(64)
        with ir.InsertionPoint(module.body):
            function = func.FuncOp("size", ir.FunctionType.get([number, number], [number]))
            with ir.InsertionPoint(function.add_entry_block()):
                a, b = function.arguments
                func.ReturnOp([SizeEmitter({"a": a, "b": b}, number).emit(text)])
        lower_to_llvm(module)
        data = compile_object(translate(module), host_target()).object
    library = load_shared_object(link_shared([data], host_target()), "a size")
    library.size.restype = ctypes.c_int64
    library.size.argtypes = (ctypes.c_int64, ctypes.c_int64)
    return library


@pytest.fixture(scope="module", params=EXPRESSIONS)
def expression(request: pytest.FixtureRequest) -> tuple[str, ctypes.CDLL]:
    return request.param, compile_expression(request.param)


@settings(max_examples=60, deadline=None)
@given(a=st.integers(1, 10**5), b=st.integers(1, 10**5))
def test_agrees_with_python(expression: tuple[str, ctypes.CDLL], a: int, b: int) -> None:
    text, library = expression
    assert library.size(a, b) == symbolic.parse(text).evaluate({"a": a, "b": b})
