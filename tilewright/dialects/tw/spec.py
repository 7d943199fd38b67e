"""`OpSpec`: the one declaration of an op.

From a spec come the builder (`builder.py`), the verifier (`verifier.py`), the interpreter (`interpreter.py`) and the reference
page (`docs.py`). Lowerings are not here: they are registered by op name in `tilewright.lowering`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.types import TensorInfo, element_type, format_shape, parse_shape


class Kind(enum.Enum):
    """The kinds of attributes and their Python values."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    INTS = "tuple[int, ...]"
    STRING = "str"
    STRINGS = "tuple[str, ...]"
    DIM = "size expression"
    DIMS = "tuple of size expressions"
    DTYPE = "element type"
    ELEMENTS = "dense elements"
    SYMBOL = "symbol name"
    DICT = "dictionary"


@dataclass(frozen=True)
class Operand:
    """An operand: `optional` ones may be absent, a `variadic` one is last and takes any number."""

    name: str
    doc: str
    optional: bool = False
    variadic: bool = False


_REQUIRED: Any = object()


@dataclass(frozen=True)
class Attribute:
    """An attribute. One with a default may be absent from the IR."""

    name: str
    kind: Kind
    doc: str
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        return self.default is _REQUIRED


@dataclass
class Arguments:
    """What an op is applied to: operand types by name (variadic: a tuple, absent: None), attributes as Python values, regions.

    `results` are the stated result types, for ops whose results do not follow from the operands alone (`free_results`).
    Operands and attributes can be read as Python attributes: `args.lhs.shape`.
    """

    operands: Mapping[str, Any]
    attributes: Mapping[str, Any]
    regions: Sequence[ir.Region] = ()
    results: Sequence[TensorInfo] = ()

    def __getattr__(self, name: str) -> Any:
        operands, attributes = self.__dict__["operands"], self.__dict__["attributes"]
        if name in operands:
            return operands[name]
        if name in attributes:
            return attributes[name]
        raise AttributeError(name)


@dataclass(frozen=True)
class Constraint:
    """A rule that an op must obey: a label for messages and docs, its text, and the check."""

    label: str
    text: str
    holds: Callable[[Arguments], bool]


@dataclass
class ReferenceContext:
    """What references may need beyond arrays: values of symbols, named weights, result types and a region evaluator."""

    symbols: Mapping[str, int]
    weights: Mapping[str, np.ndarray]
    result_types: Sequence[TensorInfo]
    regions: Sequence[ir.Region] = ()
    run_region: Callable[[ir.Region, Sequence[np.ndarray]], list[np.ndarray]] | None = None

    def size(self, dim: Dim) -> int:
        return dim if isinstance(dim, int) else dim.evaluate(self.symbols)

    def shape(self, shape: Sequence[Dim]) -> tuple[int, ...]:
        return tuple(self.size(d) for d in shape)


class OpSpec:
    """Base of op declarations: class attributes and two static functions. The class docstring is the documentation."""

    name: ClassVar[str]
    operands: ClassVar[tuple[Operand, ...]] = ()
    attributes: ClassVar[tuple[Attribute, ...]] = ()
    constraints: ClassVar[tuple[Constraint, ...]] = ()
    regions: ClassVar[int] = 0
    optional_regions: ClassVar[bool] = False
    """Whether an op may also have no region at all."""
    free_results: ClassVar[bool] = False
    example: ClassVar[str] = ""

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        """Result types from operand types and attributes. Called after the constraints hold."""
        raise NotImplementedError

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        """Results on NumPy arrays (`args.operands` hold arrays). Plain and exact rather than fast."""
        raise NotImplementedError

    @classmethod
    def attribute(cls, name: str) -> Attribute | None:
        return next((a for a in cls.attributes if a.name == name), None)


@dataclass
class Registry:
    """All specs by op name (without the dialect prefix)."""

    specs: dict[str, type[OpSpec]] = field(default_factory=dict)

    def __call__(self, spec: type[OpSpec]) -> type[OpSpec]:
        if spec.name in self.specs:
            raise ValueError(f"op {spec.name} is declared twice")
        if not spec.__doc__:
            raise ValueError(f"op {spec.name} has no documentation")
        self.specs[spec.name] = spec
        return spec


register_op = Registry()


def encode_attribute(kind: Kind, value: Any) -> ir.Attribute:
    """The MLIR attribute of a Python value. Needs a current context. Raises TypeError or ValueError for a wrong value."""
    if isinstance(value, ir.Attribute):
        return value
    i64 = ir.IntegerType.get_signless(64)
    match kind:
        case Kind.BOOL:
            return ir.BoolAttr.get(bool(value))
        case Kind.INT:
            return ir.IntegerAttr.get(i64, int(value))
        case Kind.FLOAT:
            return ir.FloatAttr.get(ir.F64Type.get(), float(value))
        case Kind.INTS:
            return ir.DenseI64ArrayAttr.get([int(v) for v in value])
        case Kind.STRING:
            return ir.StringAttr.get(value)
        case Kind.STRINGS:
            return ir.ArrayAttr.get([ir.StringAttr.get(v) for v in value])
        case Kind.DIM:
            return ir.StringAttr.get(str(value))
        case Kind.DIMS:
            return ir.StringAttr.get(format_shape(value))
        case Kind.DTYPE:
            return ir.TypeAttr.get(element_type(value))
        case Kind.ELEMENTS:
            return _encode_elements(np.asarray(value))
        case Kind.SYMBOL:
            return ir.FlatSymbolRefAttr.get(value)
        case Kind.DICT:
            return ir.DictAttr.get({k: ir.StringAttr.get(str(v)) for k, v in value.items()})


def _encode_elements(array: np.ndarray) -> ir.Attribute:
    from tilewright.dialects.tw.types import dtype_of_array

    dtype = dtype_of_array(array)
    mlir_type = ir.RankedTensorType.get(list(array.shape), element_type(dtype))
    # The stubs do not know that arrays are buffers.
    dense: Any = ir.DenseElementsAttr
    if dtype == "i1":
        packed = np.packbits(array.reshape(-1), bitorder="little") if array.size > 1 else array.reshape(-1).astype(np.uint8)
        if array.size and (array.all() or not array.any()):
            return ir.DenseElementsAttr.get_splat(mlir_type, ir.BoolAttr.get(bool(array.reshape(-1)[0])))
        return dense.get(packed, type=mlir_type, signless=True)
    if array.size and bool((array.reshape(-1).view(np.uint8).reshape(array.size, -1) == array.reshape(-1)[:1].view(np.uint8)).all()):
        scalar = array.reshape(-1)[0]
        attr = (
            ir.FloatAttr.get(element_type(dtype), float(scalar))
            if dtype in ("f16", "bf16", "f32", "f64")
            else ir.IntegerAttr.get(element_type(dtype), int(scalar))
        )
        return ir.DenseElementsAttr.get_splat(mlir_type, attr)
    if dtype == "bf16":
        return dense.get(np.ascontiguousarray(array).view(np.uint16), type=mlir_type)
    return dense.get(np.ascontiguousarray(array), type=mlir_type)


def decode_attribute(kind: Kind, attr: ir.Attribute) -> Any:
    """The Python value of an MLIR attribute. Raises ValueError or TypeError when it is of another kind."""
    match kind:
        case Kind.BOOL:
            return ir.BoolAttr(attr).value
        case Kind.INT:
            return ir.IntegerAttr(attr).value
        case Kind.FLOAT:
            return ir.FloatAttr(attr).value
        case Kind.INTS:
            return tuple(ir.DenseI64ArrayAttr(attr))
        case Kind.STRING:
            return ir.StringAttr(attr).value
        case Kind.STRINGS:
            return tuple(ir.StringAttr(a).value for a in ir.ArrayAttr(attr))
        case Kind.DIM:
            (dim,) = parse_shape(ir.StringAttr(attr).value)
            return dim
        case Kind.DIMS:
            return parse_shape(ir.StringAttr(attr).value)
        case Kind.DTYPE:
            return str(ir.TypeAttr(attr).value)
        case Kind.ELEMENTS:
            return ir.DenseElementsAttr(attr)
        case Kind.SYMBOL:
            return ir.FlatSymbolRefAttr(attr).value
        case Kind.DICT:
            return {named.name: ir.StringAttr(named.attr).value for named in ir.DictAttr(attr)}
