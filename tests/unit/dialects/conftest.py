"""Fixtures of the dialect tests: a context, and programs from text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest

from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.dialects.tw.interpreter import run

Evaluate = Callable[..., list[np.ndarray]]


@pytest.fixture
def context() -> Iterator[ir.Context]:
    """A current context that knows `tw`, with an unknown location."""
    made = new_context()
    tw.load(made)
    with made, ir.Location.unknown():
        yield made


@pytest.fixture
def parse(context: ir.Context) -> Callable[[str], ir.Module]:
    """Parse module text."""
    return lambda text: ir.Module.parse(text)


@pytest.fixture
def wrap(context: ir.Context) -> Callable[[str], str]:
    """Put one op, as a spec's example writes it, into a function whose arguments are the op's operands."""
    return wrap_op


@pytest.fixture
def evaluate(context: ir.Context) -> Evaluate:
    """Run one op, given as text with its operands free, on arrays by the interpreter."""

    def apply(op: str, inputs: Sequence[np.ndarray], weights: Mapping[str, np.ndarray] | None = None) -> list[np.ndarray]:
        module = ir.Module.parse(wrap_op(op))
        tw.verify(module)
        return run(module, inputs, weights)

    return apply


def wrap_op(op: str) -> str:
    """A module whose `@main` takes the operands of `op` and returns its results."""
    results, _, rest = op.partition(" = ")
    names = re.search(r'"tw\.\w+"\(([^)]*)\)', rest)
    assert names is not None
    signature = rest[rest.rindex(": (") + 2 :]
    operands, _, result_types = signature.rpartition(" -> ")
    types = split_types(operands.strip()[1:-1])
    arguments = [f"{name.strip()}: {text}" for name, text in zip(filter(None, names[1].split(",")), types, strict=True)]
    symbols = sorted(set(re.findall(r"\b[sd]\d+\b", " ".join(re.findall(r'"([^"]*)"', op)))))
    ranges = ", ".join(f"{s} = array<i64: 0, 64>" for s in symbols)
    return f"""
func.func @main({", ".join(arguments)}) -> {result_types} attributes {{tw.symbols = {{{ranges}}}}} {{
  {results} = {rest}
  return {result_names(results)} : {result_types.strip("()")}
}}"""


def result_names(results: str) -> str:
    """`%r:2` as `%r#0, %r#1`."""
    name, colon, count = results.partition(":")
    return ", ".join(f"{name}#{i}" for i in range(int(count))) if colon else results


def split_types(text: str) -> list[str]:
    """Split a list of types at its outer commas."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, char in enumerate(text):
        quoted ^= char == '"'
        depth += (char in "<(") - (char in ">)") if not quoted else 0
        if char == "," and depth == 0 and not quoted:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()] if text.strip() else []
