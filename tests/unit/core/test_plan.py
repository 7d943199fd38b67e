from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from tilewright.core.diagnostics import InputError
from tilewright.core.passes import CompositePass
from tilewright.core.plan import plan_pipeline, print_steps
from tilewright.core.registry import register_pass


@register_pass
@dataclass(frozen=True)
class Twice(CompositePass):
    """Run a pipeline twice."""

    name: ClassVar[str] = "test-twice"
    inner: str = "cse"

    def pipeline(self) -> str:
        return f"{self.inner},func.func({self.inner})"


def test_nested_passes_run_one_by_one() -> None:
    steps = plan_pipeline("builtin.module(func.func(cse,canonicalize{top-down=false}),symbol-dce)")
    assert [step.text for step in steps] == ["func.func(cse)", "func.func(canonicalize{top-down=false})", "symbol-dce"]
    assert steps[0].path == ("func.func",)


def test_composites_are_expanded_and_named() -> None:
    steps = plan_pipeline("test-twice{inner=sccp},cse")
    assert [step.text for step in steps] == ["sccp", "func.func(sccp)", "cse"]
    assert steps[0].label == "sccp of test-twice"


def test_composite_that_contains_itself() -> None:
    with pytest.raises(InputError, match="contains itself"):
        plan_pipeline("cse,test-loop")


@register_pass
@dataclass(frozen=True)
class Loop(CompositePass):
    """Contain itself."""

    name: ClassVar[str] = "test-loop"

    def pipeline(self) -> str:
        return "test-loop"


def test_steps_print_as_a_pipeline() -> None:
    text = "func.func(cse),canonicalize{max-iterations=2}"
    assert print_steps(plan_pipeline(text)) == text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("affine-scalrep", "func.func(affine-scalrep)"),
        ("func.func(cse,convert-func-to-llvm,sccp)", "func.func(cse),convert-func-to-llvm,func.func(sccp)"),
        ("gpu.module(func.func(convert-gpu-to-nvvm))", "gpu.module(convert-gpu-to-nvvm)"),
        ("gpu.module(affine-loop-unroll)", "gpu.module(func.func(affine-loop-unroll))"),
        ("llvm.func(shard-partition)", "func.func(shard-partition)"),
        ("func.func(convert-to-emitc)", "convert-to-emitc"),
        ("func.func(test-twice)", "test-twice"),
    ],
)
def test_wrong_nesting_is_corrected(wrong: str, right: str) -> None:
    with pytest.raises(InputError) as caught:
        plan_pipeline(wrong)
    assert caught.value.remedy == f"write -p '{right}'"
    plan_pipeline(right)


@pytest.mark.parametrize("pipeline", ["any(cse)", "func.func(affine-loop-unroll)", "llvm.func(affine-loop-unroll)", "gpu.module(cse)"])
def test_right_nesting(pipeline: str) -> None:
    plan_pipeline(pipeline)
