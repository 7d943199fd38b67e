"""The rewriter: what it drives, what it refuses."""

from __future__ import annotations

import pytest
from tw_programs import make_program, reshape, typed, unary

from tilewright.core.diagnostics import PassError
from tilewright.core.mlir import ir
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite

pytestmark = pytest.mark.usefixtures("context")

X = typed("s0, s1")


def _main(module: ir.Module) -> ir.OpView:
    (function,) = tw.functions(module)
    return function


def test_users_of_what_changed_are_visited_again() -> None:
    module = make_program([X], lambda x: unary("exp", unary("exp", unary("exp", x))))
    seen: list[int] = []
    patterns = PatternSet()

    @patterns.on("pointwise")
    def innermost(rw: Rewriter, op: ir.Operation) -> bool:
        seen.append(len(list(rw.block.operations)))
        if rw.producer(op.operands[0]) is not None:
            return False
        rw.replace(op, [op.operands[0]])
        return True

    assert rewrite(module, patterns)
    assert seen == [4, 3, 2]
    assert not rewrite(module, patterns)


def test_functions_without_a_body_are_left_alone() -> None:
    module = ir.Module.parse("func.func private @elsewhere(tensor<4xf32>) -> tensor<4xf32>")
    run_pipeline(module, "tw-simplify,tw-recover,tw-cse,tw-decompose")
    assert "@elsewhere" in str(module)


def test_users_first() -> None:
    order: list[str] = []
    patterns = PatternSet()

    @patterns.on("reshape", "pointwise")
    def note(rw: Rewriter, op: ir.Operation) -> bool:
        order.append(tw.op_name(op))
        return False

    module = make_program([X], lambda x: reshape(unary("exp", x), "s0*s1"))
    rewrite(module, patterns, users_first=True)
    assert order == ["tw.reshape", "tw.pointwise"]


def test_rewriting_in_a_circle_is_reported() -> None:
    patterns = PatternSet()

    @patterns.on("reshape")
    def again(rw: Rewriter, op: ir.Operation) -> bool:
        rw.replace(op, [rw.build("reshape", op.operands[0], shape=rw.shape(op.results[0]))])
        return True

    module = make_program([X], lambda x: reshape(x, "s0*s1"))
    with pytest.raises(PassError, match=r"does not come to an end(.|\n)*most applied: again"):
        rewrite(module, patterns)


def test_a_replacement_of_another_type_is_refused() -> None:
    patterns = PatternSet()

    @patterns.on("reshape")
    def wrong(rw: Rewriter, op: ir.Operation) -> bool:
        rw.replace(op, [op.operands[0]])
        return True

    with pytest.raises(PassError, match=r"a rewrite of tw.reshape would change its type"):
        rewrite(make_program([X], lambda x: reshape(x, "s0*s1")), patterns)


def test_ops_are_built_while_one_is_visited() -> None:
    module = make_program([X], lambda x: unary("exp", x))
    function = _main(module)
    with pytest.raises(PassError, match="only while it visits one"):
        Rewriter(function).build("reshape", function.operation.regions[0].blocks[0].arguments[0], shape=())


def test_operands_that_do_not_broadcast() -> None:
    patterns = PatternSet()

    @patterns.on("pointwise")
    def wrong(rw: Rewriter, op: ir.Operation) -> bool:
        rw.map(lambda a, b: a, op.operands[0], rw.build("reshape", op.operands[0], shape=tw.parse_shape("s1, s0")))
        return True

    with pytest.raises(PassError, match="do not broadcast"):
        rewrite(make_program([X], lambda x: unary("exp", x)), patterns)
