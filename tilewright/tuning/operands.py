"""Random inputs and weights of a kernel, as files that timing processes read. All candidates of a case get the same values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.core.symbolic import parse
from tilewright.dialects import tw
from tilewright.dialects.tw.layouts import apply_layout
from tilewright.dialects.tw.types import numpy_dtype
from tilewright.lowering.program_interface import Port, WeightUse
from tilewright.tuning.subject import Values

_BLOCK = 1_000_003
"""Values drawn; larger arrays repeat them. A prime, so that no two rows of a matrix are equal."""
_WEIGHT_SCALE = 0.05


class OperandFiles:
    """Raw bytes of operands in files of `directory`. `weights` are the plain types of the weights by name."""

    def __init__(self, directory: Path, weights: Mapping[str, tw.TensorInfo]) -> None:
        self._directory = directory
        self._weights = weights
        self._written: set[Path] = set()

    def inputs(self, ports: Sequence[Port], values: Values) -> list[str]:
        """The files of the inputs of a program at the sizes `values`."""
        return [self._input(i, port, values) for i, port in enumerate(ports)]

    def weight(self, use: WeightUse, layout: Mapping[str, str] | None) -> str:
        """The file of a weight in the form in which a candidate reads it."""
        form = "plain" if layout is None else "-".join(str(v) for _, v in sorted(layout.items()))
        path = self._directory / f"{use.name}-{form}.bin"
        if path not in self._written:
            info = self._weights[use.name]
            shape = tuple(d for d in info.shape if isinstance(d, int))
            plain = random_array(shape, info.dtype, seed=list(self._weights).index(use.name), scale=_WEIGHT_SCALE)
            self._write(path, apply_layout(plain, layout))
        return str(path)

    def forget(self, kept: Sequence[str]) -> None:
        """Remove the files that are not in `kept`."""
        for path in [p for p in self._written if str(p) not in kept]:
            path.unlink(missing_ok=True)
            self._written.discard(path)

    def _input(self, index: int, port: Port, values: Values) -> str:
        shape = tuple(parse(size).evaluate(values) for size in port.shape)
        path = self._directory / f"input{index}-{'x'.join(map(str, shape))}.bin"
        if path not in self._written:
            self._write(path, random_array(shape, port.dtype, seed=1000 + index))
        return str(path)

    def _write(self, path: Path, array: np.ndarray) -> None:
        np.ascontiguousarray(array).tofile(path)
        self._written.add(path)


def random_array(shape: tuple[int, ...], dtype: str, seed: int, scale: float = 1.0) -> np.ndarray:
    """Normal values of a float type, all values of an 8-bit type, zeros and ones of others (they may be indices)."""
    generator = np.random.default_rng(seed)
    count = min(_BLOCK, int(np.prod(shape)))
    kind: Any = numpy_dtype(dtype)
    if dtype == "i8":
        block = generator.integers(-128, 128, count, np.int8)
    elif dtype.startswith("i"):
        block = generator.integers(0, 2, count).astype(kind)
    else:
        block = (generator.standard_normal(count, np.float32) * scale).astype(kind)
    return np.resize(block, shape)
