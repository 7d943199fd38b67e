"""A context for the pass tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw


@pytest.fixture
def context() -> Iterator[ir.Context]:
    """A current context that knows `tw`, with an unknown location."""
    made = new_context()
    tw.load(made)
    with made, ir.Location.unknown():
        yield made
