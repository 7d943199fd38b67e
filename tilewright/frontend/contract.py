"""The contract at the end of every frontend: level 1 of `docs/levels.md`, and weights, names and structure that fit the module."""

from __future__ import annotations

from tilewright.core.diagnostics import VerifyError
from tilewright.dialects import tw
from tilewright.frontend.program import Program, structure_leaves


def check_program(program: Program) -> None:
    """Raise VerifyError when a program breaks the contract of level 1."""
    tw.verify_program(program.module)
    functions = {str(f.operation.attributes["sym_name"]).strip('"'): f for f in tw.functions(program.module)}
    main = functions.get("main")
    if main is None:
        raise VerifyError("a program needs a function @main", why=f"it has: {', '.join(functions) or 'none'}")
    block = main.operation.regions[0].blocks[0]
    for what, names, count in (
        ("inputs", program.input_names, len(block.arguments)),
        ("outputs", program.output_names, len(tw.yielded(block))),
    ):
        if len(names) != count:
            raise VerifyError(f"@main has {count} {what}, the program names {len(names)}", why=", ".join(names))
        if len(set(names)) != len(names):
            raise VerifyError(f"names of {what} are not unique", why=", ".join(names))
    leaves = sorted(structure_leaves(program.output_structure))
    if leaves and (leaves[0] < 0 or leaves[-1] >= len(program.output_names)):
        raise VerifyError(f"the output structure refers to result {leaves[-1]} of {len(program.output_names)}")
    for op in block.operations:
        if tw.is_op(op, "weight") and tw.get(op, "name") not in program.weights:
            raise VerifyError(f"the weight '{tw.get(op, 'name')}' is not in the program", where=tw.location_text(op.location))
