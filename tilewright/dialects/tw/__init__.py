"""The `tw` dialect: tensors with symbolic shapes, ops declared once (`spec.py`, `ops/`).

* `types`: tensor types and symbolic shapes; `access`: reading ops; `builder`: making them.
* `verifier`: ops against their specs, modules against the contracts of their level.
* `scalar`, `interpreter`: NumPy semantics; `docs`: the generated reference page.
"""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.dialects.tw import ops as _ops
from tilewright.dialects.tw.access import (
    arguments_of,
    attributes_of,
    body,
    functions,
    get,
    is_cast,
    is_op,
    location_text,
    op_name,
    operand_groups,
    short_name,
    spec_of,
    symbols_attribute,
    symbols_of,
    yielded,
)
from tilewright.dialects.tw.builder import build, build_many, constant, kernel, pointwise, score_region, weight, yield_
from tilewright.dialects.tw.ops.constants import elements_to_array
from tilewright.dialects.tw.spec import register_op
from tilewright.dialects.tw.types import (
    BYTES,
    FLOATS,
    INTEGERS,
    TensorInfo,
    broadcast_shapes,
    dtype_of_array,
    element_type,
    format_shape,
    numpy_dtype,
    parse_shape,
    tensor_info,
    tensor_type,
)
from tilewright.dialects.tw.verifier import verify, verify_kernels, verify_op, verify_program

SPECS = register_op.specs
"""All op specs by name."""


def load(context: ir.Context) -> None:
    """Make `tw` ops usable in a context.

    MLIR sees them as unregistered ops: IRDL can neither declare operands of differing types in one variadic group nor declare a
    terminator, and both are needed here. The specs are what verifies them.
    """
    context.allow_unregistered_dialects = True


__all__ = [
    "BYTES", "FLOATS", "INTEGERS", "SPECS", "TensorInfo", "arguments_of", "attributes_of", "body", "broadcast_shapes", "build",
    "build_many", "constant", "dtype_of_array", "element_type", "elements_to_array", "format_shape", "functions", "get", "is_cast",
    "is_op",
    "kernel", "load", "location_text", "numpy_dtype", "op_name", "operand_groups", "parse_shape", "pointwise", "register_op",
    "score_region", "short_name", "spec_of", "symbols_attribute", "symbols_of", "tensor_info", "tensor_type", "verify", "verify_kernels",
    "verify_op", "verify_program", "weight", "yield_", "yielded",
]  # fmt: skip
del _ops
