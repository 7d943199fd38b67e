"""OpenVINO's CPU plugin, compiled for latency, with the input bound once."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.matmul.systems.onnx_model import build
from benchmarks.suite.systems import NotApplicable, Variant


class System:
    """One compiled model for each copy of the weights."""

    def __init__(self, threads: int) -> None:
        self.openvino: Any = importlib.import_module("openvino")
        self.threads = threads

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        if case.dtype == "s8":
            raise NotApplicable("its s8 matmuls are quantized models with f32 results, not integer matmuls")
        openvino = self.openvino
        core = openvino.Core()
        data = build(case, operands)
        model = core.read_model(data)
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": case.dtype, "INFERENCE_NUM_THREADS": self.threads}
        memory = operands.x
        if case.dtype == "bf16":
            memory = (operands.x.view(np.uint32) >> 16).astype(np.uint16)
            x = openvino.Tensor(memory, [case.m, case.k], openvino.Type.bf16)
        else:
            x = openvino.Tensor(memory, shared_memory=True)

        def bind() -> Callable[[], Any]:
            request = core.compile_model(model, "CPU", hints).create_infer_request()
            request.set_input_tensor(x)

            def call(alive: object = (data, memory)) -> Any:  # OpenVINO uses the memory of both.
                request.infer()
                return request.get_output_tensor()

            return call

        return [Variant("bound", [bind() for _ in range(copies)], _fetch)]


def _fetch(tensor: Any) -> np.ndarray:
    data: np.ndarray = tensor.data
    if data.dtype == np.float32:
        return data
    bits = data.view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32)
