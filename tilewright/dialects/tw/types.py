"""Tensor types with symbolic shapes: the bridge between MLIR types and `core.symbolic` sizes.

A dynamic tensor type carries its shape as an encoding string (`tensor<?x384xf32, "s0, 384">`, docs/levels.md).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, parse_dim, product, simplify_dim, to_expr

FLOATS = ("f16", "bf16", "f32", "f64")
INTEGERS = ("i1", "i8", "i16", "i32", "i64")
BYTES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "f16": 2, "bf16": 2, "f32": 4, "f64": 8}
"""Bytes of an element in memory (an `i1` is stored as a byte holding 0 or 1)."""


@dataclass(frozen=True)
class TensorInfo:
    """Shape and element type of a tensor, independent of an MLIR context."""

    shape: tuple[Dim, ...]
    dtype: str

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def elements(self) -> Dim:
        return product(self.shape)

    @property
    def nbytes(self) -> Dim:
        return simplify_dim(to_expr(self.elements) * BYTES[self.dtype])

    @property
    def is_static(self) -> bool:
        return all(isinstance(d, int) for d in self.shape)

    def with_shape(self, shape: Sequence[Dim]) -> TensorInfo:
        return replace(self, shape=tuple(simplify_dim(d) for d in shape))

    def with_dtype(self, dtype: str) -> TensorInfo:
        return replace(self, dtype=dtype)

    def substitute(self, values: Mapping[str, Dim]) -> TensorInfo:
        """The type with symbols replaced by expressions."""
        return self.with_shape([d.substitute(values) if isinstance(d, Expr) else d for d in self.shape])

    def __str__(self) -> str:
        return f"tensor<{'x'.join([str(d) for d in self.shape] + [self.dtype])}>"


def format_shape(shape: Sequence[Dim]) -> str:
    """The encoding string of a shape: `"s0, 384"`."""
    return ", ".join(str(d) for d in shape)


@functools.lru_cache(maxsize=65536)
def parse_shape(text: str) -> tuple[Dim, ...]:
    """Read an encoding string. Raises ValueError when it is not one."""
    if not text.strip():
        return ()
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return tuple(parse_dim(p) for p in parts)


def element_type(dtype: str) -> ir.Type:
    """The MLIR element type of a dtype name. Needs a current context."""
    match dtype:
        case "f32":
            return ir.F32Type.get()
        case "f16":
            return ir.F16Type.get()
        case "bf16":
            return ir.BF16Type.get()
        case "f64":
            return ir.F64Type.get()
        case "index":
            return ir.IndexType.get()
        case _ if dtype in INTEGERS:
            return ir.IntegerType.get_signless(int(dtype[1:]))
        case _:
            raise ValueError(f"unknown element type {dtype!r}; known: {', '.join(FLOATS + INTEGERS)}")


def tensor_type(info: TensorInfo) -> ir.RankedTensorType:
    """The MLIR type. Needs a current context."""
    sizes = [d if isinstance(d, int) else ir.ShapedType.get_dynamic_size() for d in info.shape]
    encoding = None if info.is_static else ir.StringAttr.get(format_shape(info.shape))
    return ir.RankedTensorType.get(sizes, element_type(info.dtype), encoding, loc=ir.Location.unknown())


_TENSOR = re.compile(r'tensor<((?:(?:\?|\d+)x)*)([^,*]+?)(?:, "([^"]*)")?>')


@functools.lru_cache(maxsize=65536)
def _info_from_text(text: str) -> TensorInfo:
    match = _TENSOR.fullmatch(text)
    if match is None:
        raise VerifyError(f"expected a ranked tensor with a shape as its encoding, got {text}")
    sizes, dtype, encoding = match.groups()
    shape = tuple(None if size == "?" else int(size) for size in sizes.split("x")[:-1])
    if dtype not in BYTES:
        raise VerifyError(f"{text} has an element type that tw does not know", remedy=f"known: {', '.join(BYTES)}")
    if encoding is None:
        if None in shape:
            raise VerifyError(
                f"{text} has a dynamic size without a name", remedy='write the shape as its encoding: tensor<?x4xf32, "s0, 4">'
            )
        return TensorInfo(tuple(d for d in shape if d is not None), dtype)
    try:
        named = parse_shape(encoding)
    except ValueError as error:
        raise VerifyError(f"{text} has an encoding that is not a shape", why=str(error)) from error
    if len(named) != len(shape) or any(s is not None and s != n for s, n in zip(shape, named)):
        raise VerifyError(f"{text} has an encoding that does not fit its sizes")
    if any(s is None and isinstance(n, int) for s, n in zip(shape, named)) or None not in shape:
        # Types are compared as text, so there must be one way to write each.
        raise VerifyError(f"{text} encodes a size that is a number", remedy="write it in the type; a static type has no encoding")
    return TensorInfo(named, dtype)


def tensor_info(value: ir.Value | ir.Type) -> TensorInfo:
    """Shape and element type of a value or type. Raises VerifyError for what is not a `tw` tensor."""
    # Printing the type and looking the text up is several times faster than asking the bindings for each part.
    return _info_from_text(str(value if isinstance(value, ir.Type) else value.type))


def numpy_dtype(dtype: str) -> np.dtype[np.generic]:
    """NumPy's dtype for a dtype name (`bf16` through ml_dtypes)."""
    if dtype == "bf16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    names = {"f16": "float16", "f32": "float32", "f64": "float64", "i1": "bool"}
    return np.dtype(names.get(dtype, dtype.replace("i", "int")))


def dtype_of_array(array: np.ndarray) -> str:
    """The dtype name of a NumPy array. Raises ValueError for dtypes that `tw` does not have."""
    names = {"float16": "f16", "float32": "f32", "float64": "f64", "bool": "i1", "bfloat16": "bf16"}
    name = names.get(array.dtype.name, array.dtype.name.replace("int", "i"))
    if name not in BYTES:
        raise ValueError(f"element type {array.dtype} is not supported; supported: {', '.join(FLOATS + INTEGERS)}")
    return name


def broadcast_shapes(shapes: Sequence[tuple[Dim, ...]]) -> tuple[Dim, ...] | None:
    """NumPy broadcasting with symbolic sizes: equal, or one of them is the number 1. None when they do not broadcast."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = []
    for axis in range(rank):
        size: Dim = 1
        for shape in shapes:
            index = axis - rank + len(shape)
            if index < 0 or shape[index] == 1:
                continue
            if size == 1:
                size = shape[index]
            elif size != shape[index]:
                return None
        result.append(size)
    return tuple(result)
