"""Building `tw` ops: one function that knows every spec, and typed fronts for the ops with regions.

out = build("matmul", lhs, rhs, transpose_rhs=True)
out = pointwise([x, bias], lambda x, b: arith.addf(x, b))
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.spec import Arguments, OpSpec, encode_attribute, register_op
from tilewright.dialects.tw.types import TensorInfo, element_type, tensor_info, tensor_type
from tilewright.dialects.tw.verifier import check_constraints

Operand = Any
"""A value, None for an absent optional, a sequence for a variadic."""


def build(
    name: str,
    /,
    *operands: Operand,
    loc: ir.Location | None = None,
    results: Sequence[TensorInfo] = (),
    region: ir.Block | None = None,
    **attributes: Any,
) -> ir.Value:
    """Create the op `tw.<name>` at the current insertion point and return its single result.

    Operands come in the spec's order (a variadic as one sequence, an absent optional as None). `results` states the result types
    of ops whose results do not follow from the operands. `region` is a block, of another op, that becomes the region of this one.
    Raises VerifyError, naming the constraint, when the op would be invalid.
    """
    (result,) = build_many(name, *operands, loc=loc, results=results, region=region, **attributes)
    return result


def build_many(
    name: str,
    /,
    *operands: Operand,
    loc: ir.Location | None = None,
    results: Sequence[TensorInfo] = (),
    region: ir.Block | None = None,
    **attributes: Any,
) -> list[ir.Value]:
    """Like `build`, for ops with several results."""
    spec = _find(name)
    flat, segments, infos = _arrange(spec, operands)
    known = {a.name for a in spec.attributes}
    for extra in attributes.keys() - known:
        near = difflib.get_close_matches(extra, known, n=1)
        raise VerifyError(f"tw.{name} has no attribute '{extra}'", remedy=f"did you mean '{near[0]}'?" if near else "")
    values = {a.name: attributes.get(a.name, None if a.required else a.default) for a in spec.attributes}
    encoded = {
        a.name: encode_attribute(a.kind, attributes[a.name])
        for a in spec.attributes
        if a.name in attributes and (a.required or attributes[a.name] != a.default)
    }
    missing = [a.name for a in spec.attributes if a.required and a.name not in encoded]
    if missing:
        raise VerifyError(f"tw.{name} needs the attribute '{missing[0]}'")
    if sum(o.optional or o.variadic for o in spec.operands) > 1:
        encoded["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get(segments)
    args = Arguments(infos, values, () if region is None else [region.region], results=results)
    check_constraints(spec, args, loc or _current_location())
    types = [tensor_type(info) for info in spec.infer(args)]
    op = ir.Operation.create(f"tw.{name}", results=types, operands=flat, attributes=encoded, regions=int(region is not None), loc=loc)
    if region is not None:
        region.append_to(op.regions[0])
    return list(op.results)


def _current_location() -> ir.Location:
    # The bindings raise where there is none; their stubs say that they return None.
    return cast(ir.Location, ir.Location.current)


def _find(name: str) -> type[OpSpec]:
    spec = register_op.specs.get(name)
    if spec is None:
        raise VerifyError(f"unknown op 'tw.{name}'", remedy=f"near matches: {difflib.get_close_matches(name, register_op.specs)}")
    return spec


def _arrange(spec: type[OpSpec], operands: Sequence[Operand]) -> tuple[list[ir.Value], list[int], dict[str, Any]]:
    if len(operands) > len(spec.operands):
        raise VerifyError(f"tw.{spec.name} takes {len(spec.operands)} operands, got {len(operands)}")
    flat: list[ir.Value] = []
    segments: list[int] = []
    infos: dict[str, Any] = {}
    for i, operand in enumerate(spec.operands):
        value: Any = operands[i] if i < len(operands) else (() if operand.variadic else None)
        if operand.variadic:
            infos[operand.name] = tuple(tensor_info(v) for v in value)
            flat += list(value)
            segments.append(len(value))
        elif value is None:
            if not operand.optional:
                raise VerifyError(f"tw.{spec.name} needs the operand '{operand.name}'")
            infos[operand.name] = None
            segments.append(0)
        else:
            infos[operand.name] = tensor_info(value)
            flat.append(value)
            segments.append(1)
    return flat, segments, infos


def constant(value: np.ndarray | float | int | bool, dtype: str | None = None, loc: ir.Location | None = None) -> ir.Value:
    """`tw.constant` from an array or a number (a number needs `dtype`)."""
    from tilewright.dialects.tw.types import numpy_dtype

    array = np.asarray(value, dtype=numpy_dtype(dtype) if dtype else None)
    return build("constant", value=array, loc=loc)


def weight(name: str, info: TensorInfo, loc: ir.Location | None = None) -> ir.Value:
    """`tw.weight`: a named constant that lives outside the IR."""
    return build("weight", name=name, results=[info], loc=loc)


def yield_(values: Sequence[ir.Value], loc: ir.Location | None = None) -> None:
    """End a region."""
    ir.Operation.create("tw.yield", results=[], operands=list(values), loc=loc)


def pointwise(
    inputs: Sequence[ir.Value],
    body: Callable[..., ir.Value | Sequence[ir.Value]],
    loc: ir.Location | None = None,
    shape: Sequence[Dim] | None = None,
) -> Any:
    """`tw.pointwise`: `body` receives one scalar per input and builds `arith`/`math` ops; returns one value or several.

    `shape` widens the result beyond the broadcast of the inputs (needed when there are none). Returns one value, or a list when
    the body yields several.
    """
    from tilewright.dialects.tw.types import broadcast_shapes

    infos = [tensor_info(v) for v in inputs]
    result_shape = broadcast_shapes([i.shape for i in infos] + ([tuple(shape)] if shape is not None else []))
    if result_shape is None:
        raise VerifyError("[P1] operands of tw.pointwise do not broadcast", why=", ".join(str(i) for i in infos))
    loc = loc or _current_location()
    block, results, several = _region_block([element_type(i.dtype) for i in infos], body, loc)
    types = [tensor_type(TensorInfo(result_shape, str(r.type))) for r in results]
    op = ir.Operation.create("tw.pointwise", results=types, operands=list(inputs), regions=1, loc=loc)
    block.append_to(op.regions[0])
    values = list(op.results)
    return values if several else values[0]


def score_region(
    inputs: Sequence[ir.Value],
    body: Callable[..., ir.Value | Sequence[ir.Value]],
    loc: ir.Location | None = None,
) -> ir.Block:
    """The region of a `tw.attention`, for `build(..., region=...)`.

    `body(score, b, h, q, k, *inputs)` receives scalars (f32, i64s, elements of `inputs`) and builds `arith`/`math` ops; it returns the
    score (f32), or the score and whether the key is visible (i1).
    """
    types = [ir.F32Type.get(), *[ir.IntegerType.get_signless(64)] * 4, *(element_type(tensor_info(v).dtype) for v in inputs)]
    return _region_block(types, body, loc or _current_location())[0]


def _region_block(types: Sequence[ir.Type], body: Callable[..., Any], loc: ir.Location) -> tuple[ir.Block, list[ir.Value], bool]:
    """A detached block that `body` fills, the scalars it yields, and whether there may be several."""
    owner = ir.Operation.create("tw.detached", regions=1, loc=loc, ip=False)
    block = owner.regions[0].blocks.append(*types, arg_locs=[loc] * len(types))
    with ir.InsertionPoint(block), loc:
        out: Any = body(*block.arguments)
        results = list(out) if isinstance(out, list | tuple) else [out]
        results = [r if isinstance(r, ir.Value) else r.result for r in results]
        yield_(results, loc)
    return block, results, isinstance(out, list | tuple)


def kernel(inputs: Sequence[ir.Value], result_types: Sequence[ir.Type], loc: ir.Location | None = None) -> ir.Operation:
    """An empty `tw.kernel` whose block has one argument per input; the caller fills it and ends it with `yield_`."""
    loc = loc or _current_location()
    op = ir.Operation.create("tw.kernel", results=list(result_types), operands=list(inputs), regions=1, loc=loc)
    op.regions[0].blocks.append(*[v.type for v in inputs], arg_locs=[loc] * len(inputs))
    return op
