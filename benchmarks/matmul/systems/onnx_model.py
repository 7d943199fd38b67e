"""A case as an ONNX model with constant weights, for ONNX Runtime and OpenVINO."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands


def build(case: Case, operands: Operands) -> bytes:
    """The model: input `x`, output `y`. bf16 tensors are BFLOAT16, s8 is MatMulInteger."""
    helper: Any = importlib.import_module("onnx.helper")
    dtypes: Any = importlib.import_module("onnx").TensorProto
    element = {"f32": dtypes.FLOAT, "bf16": dtypes.BFLOAT16, "s8": dtypes.INT8}[case.dtype]

    def constant(name: str, values: np.ndarray) -> Any:
        data = (values.view(np.uint32) >> 16).astype(np.uint16) if case.dtype == "bf16" else values
        return helper.make_tensor(name, element, values.shape, np.ascontiguousarray(data).tobytes(), raw=True)

    constants: list[Any] = [constant("w", operands.weight)]
    nodes: list[Any] = []
    last = "x"

    def add(op: str, *inputs: str) -> str:
        nodes.append(helper.make_node(op, list(inputs), [f"v{len(nodes)}"]))
        return f"v{len(nodes) - 1}"

    last = add("MatMulInteger" if case.dtype == "s8" else "MatMul", "x", "w")
    for name, values in (("b", operands.bias), ("r", operands.residual)):
        if values is not None:
            constants.append(constant(name, values))
            last = add("Add", last, name)
    if case.epilogue == "bias_gelu":
        last = add("Gelu", last)
    if operands.gate is not None:
        constants.append(constant("g", operands.gate))
        gate = add("MatMul", "x", "g")
        last = add("Mul", add("Mul", gate, add("Sigmoid", gate)), last)
    nodes[-1].output[0] = "y"
    result = dtypes.INT32 if case.dtype == "s8" else element
    graph = helper.make_graph(
        nodes, "matmul", [helper.make_tensor_value_info("x", element, [case.m, case.k])],
        [helper.make_tensor_value_info("y", result, [case.m, case.n])], constants,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
