"""OpenVINO's CPU plugin, compiled for latency, with inputs bound once: its op ScaledDotProductAttention, k and v repeated for groups."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.attention.cases import Case
from benchmarks.suite.systems import NotApplicable, Variant


class System:
    """A request for each copy of the cache."""

    def __init__(self, threads: int) -> None:
        self.openvino: Any = importlib.import_module("openvino")
        self.ops: Any = importlib.import_module("openvino.opset13")
        self.threads = threads

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        if case.variant not in ("plain", "padding") or (case.variant == "padding" and case.causal):
            raise NotApplicable("its op has a mask or the causal triangle, not both, and no changed scores")
        if case.paged or case.dtype == "s8" or case.is_memory:
            raise NotApplicable("only plain attention and padding are measured with it")
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": case.dtype, "INFERENCE_NUM_THREADS": self.threads}
        compiled = self.openvino.Core().compile_model(self._model(case, operands), "CPU", hints)
        own = {name: self._tensor(case, operands[name]) for name in ("q", "mask") if name in operands}

        def bind() -> Callable[[], Any]:
            request = compiled.create_infer_request()
            bound = own | {name: self._tensor(case, operands[name]) for name in ("k", "v")}
            for name, (tensor, _) in bound.items():
                request.set_tensor(name, tensor)

            def call(alive: object = bound) -> Any:  # OpenVINO uses the memory.
                request.infer()
                return request.get_output_tensor()

            return call

        return [Variant("ScaledDotProductAttention", [bind() for _ in range(copies)], _fetch)]

    def _tensor(self, case: Case, array: np.ndarray) -> tuple[Any, np.ndarray]:
        """The tensor and the memory that it uses."""
        if case.dtype == "bf16" and array.dtype == np.float32:
            bits = (array.view(np.uint32) >> 16).astype(np.uint16)
            return self.openvino.Tensor(bits, list(array.shape), self.openvino.Type.bf16), bits
        own = array.copy()
        return self.openvino.Tensor(own, shared_memory=True), own

    def _model(self, case: Case, operands: dict[str, np.ndarray]) -> Any:
        ops, types = self.ops, self.openvino.Type
        element = types.bf16 if case.dtype == "bf16" else types.f32
        q, k, v = (ops.parameter(list(operands[name].shape), element, name=name) for name in "qkv")
        inputs = [q, k, v]
        mask = None
        if case.variant == "padding":
            mask = ops.parameter(list(operands["mask"].shape), types.boolean, name="mask")
            inputs.append(mask)
        for port in inputs:
            port.output(0).set_names({port.get_friendly_name()})
        repeated = [self._repeat(case, x) for x in (k, v)]
        result = ops.scaled_dot_product_attention(q, *repeated, attention_mask=mask, causal=case.causal)
        return self.openvino.Model([result], inputs, "attention")

    def _repeat(self, case: Case, x: Any) -> Any:
        group = case.heads // case.kv_heads
        if group == 1:
            return x
        ops = self.ops
        apart = ops.unsqueeze(x, ops.constant(np.array([2])))
        wide = ops.broadcast(apart, ops.constant(np.array([case.batch, case.kv_heads, group, case.keys, case.size])))
        return ops.reshape(wide, ops.constant(np.array([case.batch, case.heads, case.keys, case.size])), False)


def _fetch(tensor: Any) -> np.ndarray:
    data: np.ndarray = tensor.data
    if data.dtype == np.float32:
        return data
    bits = data.view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32)
