"""Tasks for workers: good ones and ones that fail in all ways."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from tilewright.codegen.task import Report
from tilewright.core.diagnostics import UnsupportedError


def echo(text: str, settings: Mapping[str, Any], report: Report) -> tuple[str, Any]:
    return text, settings["value"]


def process_id(text: str, settings: Mapping[str, Any], report: Report) -> int:
    time.sleep(settings["seconds"])
    return os.getpid()


def is_loaded(text: str, settings: Mapping[str, Any], report: Report) -> bool:
    return settings["module"] in sys.modules


def unsupported(text: str, settings: Mapping[str, Any], report: Report) -> None:
    raise UnsupportedError("no unicorns", where="model.py:3:1", remedy="use a horse")


def raising(text: str, settings: Mapping[str, Any], report: Report) -> None:
    raise KeyError("missing")


def aborting(text: str, settings: Mapping[str, Any], report: Report) -> None:
    report("lower")
    report("translate")
    os.write(2, b"the native code said this\n")
    os.abort()


def segfaulting_in_mlir(text: str, settings: Mapping[str, Any], report: Report) -> None:
    from tilewright.core.mlir import ir, llvm, new_context

    report("translate")
    scalar = "llvm.mlir.global internal constant @c(dense<1.0> : tensor<f32>) : f32"
    with new_context(), ir.Location.unknown():
        bindings: Any = llvm
        bindings.translate_module_to_llvmir(ir.Module.parse(scalar).operation)


def hanging(text: str, settings: Mapping[str, Any], report: Report) -> None:
    report("llvm")
    time.sleep(600)


def printing(text: str, settings: Mapping[str, Any], report: Report) -> str:
    print("this goes to standard output")
    os.write(1, b"and this too\n")
    return "fine"
