"""IREE's llvm-cpu back end for this machine, data tiling on, with constant weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.matmul.systems.iree_program import build
from benchmarks.suite.systems import Variant

FLAGS = ("--iree-llvmcpu-target-cpu=host", "--iree-opt-data-tiling", "--iree-opt-level=O3")


class System:
    """One thread: the synchronous device. More: the task device with that many workers."""

    def __init__(self, threads: int) -> None:
        self.compiler: Any = importlib.import_module("iree.compiler")
        self.runtime: Any = importlib.import_module("iree.runtime")
        self.runtime.flags.FUNCTION_INPUT_VALIDATION = False
        self.runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
        self.device = self.runtime.get_device("local-sync" if threads == 1 else "local-task")
        self.instance = self.runtime.VmInstance()

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        runtime = self.runtime
        binary = self.compiler.compile_str(build(case, operands), target_backends=["llvm-cpu"], extra_args=list(FLAGS))
        x: Any = operands.x
        if case.dtype == "bf16":
            x = x.astype(importlib.import_module("ml_dtypes").bfloat16)
        on_device = runtime.asdevicearray(self.device, x)

        def bind() -> Callable[[], Any]:
            hal = runtime.create_hal_module(self.instance, self.device)
            module = runtime.VmModule.copy_buffer(self.instance, binary)
            context = runtime.VmContext(self.instance, modules=[hal, module])
            invoker = runtime.FunctionInvoker(context, self.device, module.lookup_function("main"))
            return lambda: invoker(on_device)

        return [Variant("constants", [bind() for _ in range(copies)], _fetch)]


def _fetch(result: Any) -> np.ndarray:
    array = np.asarray(result.to_host())
    return array if array.dtype == np.int32 else array.astype(np.float32)
