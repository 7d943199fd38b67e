"""Values from nowhere: constants, named weights, sizes as data, index sequences."""

from __future__ import annotations

import numpy as np

from tilewright.dialects.tw.layouts import apply_layout
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import INTEGERS, TensorInfo, numpy_dtype, tensor_info

MAX_ELEMENTS = 1024
"""Constants larger than this are weights."""


def elements_to_array(elements: object) -> np.ndarray:
    """A dense elements attribute (or an array, as builders pass it) as a NumPy array."""
    if isinstance(elements, np.ndarray) or np.isscalar(elements):
        return np.asarray(elements)
    info = tensor_info(elements.type)  # type: ignore[attr-defined]
    shape = tuple(d for d in info.shape if isinstance(d, int))
    if elements.is_splat:  # type: ignore[attr-defined]
        return np.full(shape, elements.get_splat_value().value, numpy_dtype(info.dtype))  # type: ignore[attr-defined]
    return _bf16_elements(str(elements)).reshape(shape) if info.dtype == "bf16" else np.array(elements).reshape(shape)


def _bf16_elements(text: str) -> np.ndarray:
    # The bindings hand out elements as buffers, which have no format for bf16. MLIR prints floats so that they can be read back.
    body = text[text.index("<") + 1 : text.rindex("> :")]
    if body.startswith('"0x'):
        return np.frombuffer(bytes.fromhex(body[3:-1]), np.uint16).view(numpy_dtype("bf16"))
    numbers = body.replace("[", " ").replace("]", " ").replace(",", " ").split()
    bits = [int(n, 16) if n.startswith("0x") else int(np.asarray(float(n), numpy_dtype("bf16")).view(np.uint16)) for n in numbers]
    return np.array(bits, np.uint16).view(numpy_dtype("bf16"))


def _elements_info(elements: object) -> TensorInfo:
    if isinstance(elements, np.ndarray) or np.isscalar(elements):
        from tilewright.dialects.tw.types import dtype_of_array

        array = np.asarray(elements)
        return TensorInfo(tuple(array.shape), dtype_of_array(array))
    return tensor_info(elements.type)  # type: ignore[attr-defined]


@register_op
class ConstantOp(OpSpec):
    """A small constant tensor, inline in the IR. Larger ones are `tw.weight`."""

    name = "constant"
    attributes = (Attribute("value", Kind.ELEMENTS, "the elements"),)
    constraints = (
        Constraint(
            "C1",
            f"a constant has at most {MAX_ELEMENTS} elements unless all are equal; make it a weight",
            lambda a: _is_small(a.value),
        ),
    )
    example = '%c = "tw.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [_elements_info(args.value)]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [elements_to_array(args.value)]


def _is_small(value: object) -> bool:
    if getattr(value, "is_splat", False):
        return True
    elements = _elements_info(value).elements
    return isinstance(elements, int) and elements <= MAX_ELEMENTS


@register_op
class WeightOp(OpSpec):
    """A constant that lives outside the IR under a name: a parameter or buffer of the model.

    `layout` is absent for the plain row-major tensor. `tw-pack-weights`, `tw-lower-precision` and `tw-split-products` set it (a
    dictionary with `kind` and its parameters, `dialects/tw/layouts.py`) together with the type of the stored form; the artifact writer
    stores accordingly.
    """

    name = "weight"
    attributes = (
        Attribute("name", Kind.STRING, "name of the weight in the program"),
        Attribute("layout", Kind.DICT, "how the stored form differs from the plain tensor", None),
    )
    constraints = (
        Constraint("C1", "a weight has one result of static shape", lambda a: len(a.results) == 1 and a.results[0].is_static),
        Constraint("C2", "the name is not empty", lambda a: bool(a.name)),
        Constraint(
            "C3",
            "a layout has a kind, and the dtype that it casts to, if any, is that of the result",
            lambda a: a.layout is None or ("kind" in a.layout and a.layout.get("dtype", a.results[0].dtype) == a.results[0].dtype),
        ),
    )
    free_results = True
    example = '%w = "tw.weight"() {name = "encoder.weight"} : () -> tensor<384x384xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return list(args.results)

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [apply_layout(np.asarray(context.weights[args.name]), args.layout)]


@register_op
class DimOp(OpSpec):
    """The value of a size expression as a rank-0 i64 tensor: sizes that the program computes with."""

    name = "dim"
    attributes = (Attribute("expr", Kind.DIM, "the size"),)
    example = '%n = "tw.dim"() {expr = "s0*s1"} : () -> tensor<i64>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [TensorInfo((), "i64")]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [np.asarray(context.size(args.expr), np.int64)]


@register_op
class IotaOp(OpSpec):
    """The index along one dimension: `out[i0, ..., in] = i_dim`."""

    name = "iota"
    attributes = (
        Attribute("shape", Kind.DIMS, "shape of the result"),
        Attribute("dim", Kind.INT, "the dimension that is counted", 0),
        Attribute("dtype", Kind.DTYPE, "an integer element type", "i64"),
    )
    constraints = (
        Constraint("C1", "dim is a dimension of the shape", lambda a: 0 <= a.dim < len(a.shape)),
        Constraint("C2", "the element type is an integer", lambda a: a.dtype in INTEGERS),
    )
    example = '%i = "tw.iota"() {shape = "s0"} : () -> tensor<?xi64, "s0">'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [TensorInfo(tuple(args.shape), args.dtype)]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        shape = context.shape(args.shape)
        index = np.arange(shape[args.dim], dtype=numpy_dtype(args.dtype))
        return [np.broadcast_to(index.reshape([-1 if i == args.dim else 1 for i in range(len(shape))]), shape).copy()]
