"""ONNX Runtime's CPU provider, with input and output bound to memory once."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.matmul.systems.onnx_model import build
from benchmarks.suite.systems import Variant


class System:
    """One session for each copy of the weights; a session packs what it can."""

    def __init__(self, threads: int) -> None:
        self.runtime: Any = importlib.import_module("onnxruntime")
        self.options: Any = self.runtime.SessionOptions()
        self.options.intra_op_num_threads = threads

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        model = build(case, operands)
        result = np.empty((case.m, case.n), np.int32 if case.dtype == "s8" else np.float32)

        def bind() -> Callable[[], np.ndarray]:
            session = self.runtime.InferenceSession(model, self.options, providers=["CPUExecutionProvider"])
            binding = session.io_binding()
            binding.bind_cpu_input("x", operands.x)
            binding.bind_output("y", "cpu", 0, result.dtype, list(result.shape), result.ctypes.data)

            def call(alive: object = operands.x) -> np.ndarray:  # The binding does not hold it.
                session.run_with_iobinding(binding)
                return result

            return call

        return [Variant("bound", [bind() for _ in range(copies)], lambda array: array)]
