"""A case as linalg on tensors for IREE's compiler, with its weights as dense resources."""

from __future__ import annotations

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands

ELEMENT = {"f32": "f32", "bf16": "bf16", "s8": "i8"}
_GELU = """
    %half = arith.constant 0.5 : f32
    %root = arith.constant 0.70710678 : f32
    %one = arith.constant 1.0 : f32
    %e0 = arith.mulf %{x}, %root : f32
    %e1 = math.erf %e0 : f32
    %e2 = arith.addf %e1, %one : f32
    %e3 = arith.mulf %{x}, %half : f32
    %out = arith.mulf %e2, %e3 : f32"""
_SWIGLU = """
    %one = arith.constant 1.0 : f32
    %e0 = arith.negf %g0 : f32
    %e1 = math.exp %e0 : f32
    %e2 = arith.addf %e1, %one : f32
    %e3 = arith.divf %g0, %e2 : f32
    %out = arith.mulf %e3, %p0 : f32"""


def build(case: Case, operands: Operands) -> str:
    """The module; `@main` takes x and returns the result. bf16 is accumulated in f32 and rounded once."""
    element, acc = ELEMENT[case.dtype], "i32" if case.dtype == "s8" else "f32"
    result = "bf16" if case.dtype == "bf16" else acc
    out, product = f"tensor<{case.m}x{case.n}x{result}>", f"tensor<{case.m}x{case.n}x{acc}>"
    x, weight = f"tensor<{case.m}x{case.k}x{element}>", f"tensor<{case.k}x{case.n}x{element}>"
    lines: list[str] = []
    resources: list[str] = []

    def constant(name: str, values: np.ndarray, mlir_type: str) -> None:
        data = (values.view(np.uint32) >> 16).astype(np.uint16) if case.dtype == "bf16" else values
        lines.append(f"%{name} = arith.constant dense_resource<{name}> : {mlir_type}")
        resources.append(f'{name}: "0x40000000{np.ascontiguousarray(data).tobytes().hex()}"')

    def matmul(name: str, rhs: str) -> None:
        lines.append(f"%{name} = linalg.matmul ins(%x, %{rhs} : {x}, {weight}) outs(%filled : {product}) -> {product}")

    zero = "0" if acc == "i32" else "0.0"
    lines.append(f"%zero = arith.constant {zero} : {acc}")
    lines.append(f"%empty = tensor.empty() : {product}")
    lines.append(f"%filled = linalg.fill ins(%zero : {acc}) outs(%empty : {product}) -> {product}")
    constant("w", operands.weight, weight)
    matmul("p", "w")
    inputs = [("p", product, "(i, j) -> (i, j)")]
    for name, values, mlir_type, indexing in (
        ("g", operands.gate, weight, "(i, j) -> (i, j)"),
        ("b", operands.bias, f"tensor<{case.n}xf32>", "(i, j) -> (j)"),
        ("r", operands.residual, product, "(i, j) -> (i, j)"),
    ):
        if values is not None:
            constant(f"{name}_data" if name == "g" else name, values, mlir_type)
            if name == "g":
                matmul("g", "g_data")
            inputs.append((name, product if name == "g" else mlir_type, indexing))
    returned = "p"
    if body := _epilogue(case):
        lines.append(_generic(inputs, body, out, acc, result))
        returned = "y"
    text = "\n  ".join([*lines, f"return %{returned} : {out}"])
    return f"func.func @main(%x: {x}) -> {out} {{\n  {text}\n}}\n{{-# dialect_resources: {{ builtin: {{ {', '.join(resources)} }} }} #-}}\n"


def _epilogue(case: Case) -> str:
    if case.epilogue == "bias_gelu":
        return "%s = arith.addf %p0, %b0 : f32" + _GELU.replace("{x}", "s")
    if case.epilogue == "swiglu":
        return _SWIGLU
    if case.epilogue == "residual":
        return "%s = arith.addf %p0, %b0 : f32\n    %out = arith.addf %s, %r0 : f32"
    return "%out = arith.truncf %p0 : f32 to bf16" if case.dtype == "bf16" else ""


def _generic(inputs: list[tuple[str, str, str]], body: str, out: str, acc: str, result: str) -> str:
    maps = ", ".join([*(f"affine_map<{indexing}>" for _, _, indexing in inputs), "affine_map<(i, j) -> (i, j)>"])
    names, types = ", ".join(f"%{name}" for name, _, _ in inputs), ", ".join(t for _, t, _ in inputs)
    arguments = ", ".join([*(f"%{name}0: {acc}" for name, _, _ in inputs), f"%unused: {result}"])
    return f"""%target = tensor.empty() : {out}
  %y = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel", "parallel"]}}
    ins({names} : {types}) outs(%target : {out}) {{
  ^bb0({arguments}):
    {body}
    linalg.yield %out : {result}
  }} -> {out}"""
