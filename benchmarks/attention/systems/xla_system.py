"""XLA for CPUs: `jax.nn.dot_product_attention` under jax.jit, which takes `[batch, length, heads, head size]`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.attention.cases import Case
from benchmarks.suite.systems import NotApplicable, Variant


class System:
    """The number of threads comes from the environment (`driver.environment_of`): XLA reads it when it starts."""

    def __init__(self, threads: int) -> None:
        self.jax: Any = importlib.import_module("jax")
        self.numpy: Any = importlib.import_module("jax.numpy")

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        if case.variant not in ("plain", "padding") or case.paged or case.dtype == "s8" or case.is_memory:
            raise NotApplicable("only plain attention and padding are measured with it")
        jax, jnp = self.jax, self.numpy
        dtype = jnp.bfloat16 if case.dtype == "bf16" else jnp.float32
        mask = jnp.asarray(operands["mask"]) if case.variant == "padding" else None

        def array(name: str) -> Any:
            return jax.device_put(jnp.asarray(np.ascontiguousarray(operands[name].swapaxes(1, 2)), dtype))

        @jax.jit
        def attention(q: Any, k: Any, v: Any) -> Any:
            return jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=case.causal, implementation="xla")

        q = array("q")

        def bind() -> Callable[[], Any]:
            k, v = array("k"), array("v")
            return lambda: attention(q, k, v).block_until_ready()

        return [Variant("dot_product_attention", [bind() for _ in range(copies)], _fetch)]


def _fetch(result: Any) -> np.ndarray:
    return np.asarray(result).astype(np.float32).swapaxes(1, 2)
