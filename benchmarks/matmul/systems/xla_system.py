"""XLA for CPUs through jax.jit, with weights as constants of the program and as arguments."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.operands import Operands
from benchmarks.suite.systems import Variant


class System:
    """The number of threads comes from the environment (`driver.environment_of`): XLA reads it when it starts."""

    def __init__(self, threads: int) -> None:
        self.jax: Any = importlib.import_module("jax")
        self.numpy: Any = importlib.import_module("jax.numpy")

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        jax, jnp = self.jax, self.numpy
        dtype = {"f32": jnp.float32, "bf16": jnp.bfloat16, "s8": jnp.int8}[case.dtype]
        accumulator = {"f32": jnp.float32, "bf16": jnp.bfloat16, "s8": jnp.int32}[case.dtype]

        def array(values: np.ndarray | None) -> Any:
            return None if values is None else jax.device_put(jnp.asarray(values, dtype))

        x = array(operands.x)
        gate, bias, residual = array(operands.gate), array(operands.bias), array(operands.residual)

        def program(x: Any, weight: Any, gate: Any, bias: Any, residual: Any) -> Any:
            result = jax.lax.dot(x, weight, preferred_element_type=accumulator)
            if bias is not None:
                result = result + bias
            if residual is not None:
                result = result + residual
            if case.epilogue == "bias_gelu":
                result = jax.nn.gelu(result, approximate=False)
            if gate is not None:
                result = jax.nn.silu(jax.lax.dot(x, gate, preferred_element_type=accumulator)) * result
            return result

        compiled = jax.jit(program)

        def with_arguments(weight: Any) -> Callable[[], Any]:
            return lambda: compiled(x, weight, gate, bias, residual).block_until_ready()

        variants = [Variant("arguments", [with_arguments(array(operands.weight)) for _ in range(copies)], _fetch)]
        if not case.rotate:
            weight = array(operands.weight)
            constant = jax.jit(lambda x: program(x, weight, gate, bias, residual))
            variants.append(Variant("constants", [lambda: constant(x).block_until_ready()], _fetch))
        return variants


def _fetch(result: Any) -> np.ndarray:
    array = np.asarray(result)
    return array if array.dtype == np.int32 else array.astype(np.float32)
