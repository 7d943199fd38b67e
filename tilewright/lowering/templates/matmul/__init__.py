"""The matmul template for CPUs.

`lower` is the entry; `recognize` reads a level 2 kernel into a `problem` (data) and an epilogue; `emit` puts the seams together:
`loops`, `lhs_loaders` and `rhs_loaders`, `instruction`, `epilogue`.
"""

from __future__ import annotations

from tilewright.lowering.templates.matmul.lower import lower_matmul_kernel

__all__ = ["lower_matmul_kernel"]
