"""The one import of llvmlite, with a message for where it is missing."""

from __future__ import annotations

from tilewright.core.diagnostics import ToolchainError

try:
    import llvmlite.binding as llvm
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.split(".")[0] != "llvmlite":
        raise
    raise ToolchainError(
        "llvmlite, which makes machine code, is not installed", why="this is an install of the runtime alone",
        remedy='pip install "tilewright[compiler]"',
    ) from missing  # fmt: skip

__all__ = ["llvm"]
