"""XLA for CPUs: each kind in jax.numpy under jax.jit."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pointwise.cases import INTEGERS, KINDS, Case
from benchmarks.suite.systems import Variant


class System:
    """The number of threads comes from the environment (`driver.environment_of`): XLA reads it when it starts."""

    def __init__(self, threads: int) -> None:
        self.jax: Any = importlib.import_module("jax")
        self.numpy: Any = importlib.import_module("jax.numpy")

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        jax, jnp = self.jax, self.numpy
        dtype = jnp.bfloat16 if case.dtype == "bf16" else jnp.float32
        inputs = [jax.device_put(jnp.asarray(operands[n], jnp.int32 if n in INTEGERS else dtype)) for n in KINDS[case.kind].inputs]
        compiled = jax.jit(forms(jax)[case.kind])
        return [Variant("jit", [lambda: compiled(*inputs).block_until_ready()], _fetch)]


def forms(jax: Any) -> dict[str, Callable[..., Any]]:
    """What each kind computes."""
    jnp = jax.numpy

    def layer_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(x.var(-1, keepdims=True) + eps) * weight + bias

    def add_rms_silu(x: Any, residual: Any, gate: Any, weight: Any) -> Any:
        h = (x + residual).astype(jnp.float32)
        normed = h * jax.lax.rsqrt((h * h).mean(-1, keepdims=True) + 1e-6) * weight.astype(jnp.float32)
        return jax.nn.silu(gate) * normed.astype(x.dtype)

    def gather_layer_norm(table: Any, ids: Any, positions: Any, weight: Any, bias: Any) -> Any:
        return layer_norm(table[ids] + positions[: ids.shape[1]], weight, bias, 1e-12)

    def transpose_rope(x: Any, cosine: Any, sine: Any) -> Any:
        x = x.swapaxes(1, 2)
        half = x.shape[-1] // 2
        return x * cosine + jnp.concatenate((-x[..., half:], x[..., :half]), -1) * sine

    return {
        "softmax": lambda x: jax.nn.softmax(x, -1),
        "layer_norm": layer_norm,
        "add_rms_silu": add_rms_silu,
        "gelu": lambda x, bias, residual: jax.nn.gelu(x + bias, approximate=False) * residual,
        "gather_layer_norm": gather_layer_norm,
        "transpose_rope": transpose_rope,
        "heads": lambda x: x.swapaxes(1, 2) + 0.0,
        "column_sum": lambda x: x.sum(0),
        "mean_pool": lambda x, mask: (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True),
        "transpose": lambda x: x.T + 0.0,
    }


def _fetch(result: Any) -> np.ndarray:
    return np.asarray(result).astype(np.float32)
