"""Tilewright compiles exported PyTorch and JAX programs into native code.

Importing this package is cheap: the compiler is loaded on the first call of `compile`, the runtime on the first `load`.
"""

from __future__ import annotations

__version__ = "0.1.0"
