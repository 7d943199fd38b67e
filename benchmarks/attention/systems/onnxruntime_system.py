"""ONNX Runtime's CPU provider, with inputs and output bound once: the op Attention of opset 23, and two matmuls and a softmax."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.attention.cases import SOFTCAP, Case
from benchmarks.suite.systems import NotApplicable, Variant

OPSET, IR_VERSION = 23, 10


class System:
    """A session for each form and copy of the cache."""

    def __init__(self, threads: int) -> None:
        self.runtime: Any = importlib.import_module("onnxruntime")
        self.options: Any = self.runtime.SessionOptions()
        self.options.intra_op_num_threads = threads

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        if case.variant not in ("plain", "padding", "softcap") or case.paged or case.dtype != "f32" or case.is_memory:
            raise NotApplicable("only plain f32 attention, padding and a soft cap are measured with it")
        forms = {"Attention": build(case, fused=True)}
        if case.variant == "plain" and not case.causal and case.heads == case.kv_heads:
            forms["MatMul, Softmax, MatMul"] = build(case, fused=False)
        return [Variant(name, [self._bind(model, operands) for _ in range(copies)], lambda array: array) for name, model in forms.items()]

    def _bind(self, model: bytes, operands: dict[str, np.ndarray]) -> Callable[[], np.ndarray]:
        session = self.runtime.InferenceSession(model, self.options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        own = {port.name: np.broadcast_to(operands[port.name], port.shape).copy() for port in session.get_inputs()}
        for name, array in own.items():
            binding.bind_cpu_input(name, array)
        result = np.empty(operands["q"].shape, np.float32)
        binding.bind_output("y", "cpu", 0, result.dtype, list(result.shape), result.ctypes.data)

        def call(alive: object = own) -> np.ndarray:  # The binding does not hold them.
            session.run_with_iobinding(binding)
            return result

        return call


def build(case: Case, fused: bool) -> bytes:
    """The model: one op Attention, or its parts."""
    helper: Any = importlib.import_module("onnx.helper")
    types: Any = importlib.import_module("onnx").TensorProto
    shapes = {
        "q": [case.batch, case.heads, case.queries, case.size],
        "k": [case.batch, case.kv_heads, case.keys, case.size],
        "v": [case.batch, case.kv_heads, case.keys, case.size],
    }
    inputs = [helper.make_tensor_value_info(name, types.FLOAT, shape) for name, shape in shapes.items()]
    constants: list[Any] = []
    if fused:
        names = ["q", "k", "v"]
        if case.variant == "padding":
            inputs.append(helper.make_tensor_value_info("mask", types.BOOL, [case.batch, 1, case.queries, case.keys]))
            names.append("mask")
        cap = {"softcap": SOFTCAP} if case.variant == "softcap" else {}
        nodes = [helper.make_node("Attention", names, ["y"], is_causal=int(case.causal), **cap)]
    else:
        constants.append(helper.make_tensor("scale", types.FLOAT, [], [case.size**-0.5]))
        nodes = [
            helper.make_node("Mul", ["q", "scale"], ["scaled"]),
            helper.make_node("Transpose", ["k"], ["columns"], perm=[0, 1, 3, 2]),
            helper.make_node("MatMul", ["scaled", "columns"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["weights"], axis=-1),
            helper.make_node("MatMul", ["weights", "v"], ["y"]),
        ]
    outputs = [helper.make_tensor_value_info("y", types.FLOAT, shapes["q"])]
    graph = helper.make_graph(nodes, "attention", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION).SerializeToString()
