"""Fixtures that execute kernels."""

from __future__ import annotations

from collections.abc import Callable

import level3_runner
import pytest


@pytest.fixture
def run_level3() -> Callable[..., None]:
    """`level3_runner.run_level3`: compile a level 3 function and call it with arrays."""
    return level3_runner.run_level3
