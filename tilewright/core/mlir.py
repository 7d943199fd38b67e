"""The one import of the MLIR bindings. Everything else in the compiler imports `ir` and the dialects from here.

Any distribution that provides the upstream `mlir` package of LLVM 22 works; `probe` says what is wrong with one that does not.
"""

from __future__ import annotations

from mlir import ir, passmanager
from mlir.dialects import affine, arith, func, gpu, irdl, linalg, llvm, math, memref, nvvm, scf, tensor, vector

__all__ = [
    "affine", "arith", "func", "gpu", "ir", "irdl", "linalg", "llvm", "math", "memref", "nvvm", "passmanager", "scf", "tensor",
    "vector",
]
