"""Tilewright compiles exported PyTorch and JAX programs into native code.

Importing this package is cheap: the compiler is loaded on the first use of `compile`, the runtime on the first `load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.version import __version__

if TYPE_CHECKING:
    from tilewright.api.entry import compile
    from tilewright.runtime import load

__all__ = ["__version__", "compile", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from tilewright.runtime import load

        return load
    if name == "compile":
        from tilewright.api.entry import compile

        return compile
    raise AttributeError(f"module 'tilewright' has no attribute {name!r}")
