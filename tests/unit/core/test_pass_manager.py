from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from tilewright.core.diagnostics import InputError, PassError, TilewrightError, VerifyError
from tilewright.core.instruments import Instrument, PrintAfterChange, PrintStyle, Timing, Verify
from tilewright.core.mlir import ir, new_context
from tilewright.core.pass_manager import PassManager, run_passes, run_pipeline
from tilewright.core.passes import Pass
from tilewright.core.plan import Step
from tilewright.core.registry import register_pass

SOURCE = "func.func @f(%x: i32) -> i32 {\n  %0 = arith.addi %x, %x : i32\n  %1 = arith.addi %x, %x : i32\n  return %1 : i32\n}"


@register_pass
@dataclass(frozen=True)
class Erase(Pass):
    """Erase all functions."""

    name: ClassVar[str] = "test-erase"

    def run(self, module: ir.Module) -> None:
        for op in list(module.body.operations):
            op.operation.erase()


@register_pass
@dataclass(frozen=True)
class Stumble(Pass):
    """Raise an ordinary exception."""

    name: ClassVar[str] = "test-stumble"

    def run(self, module: ir.Module) -> None:
        raise IndexError("too far")


class Recorder(Instrument):
    def __init__(self) -> None:
        self.events: list[str] = []

    def before_pass(self, step: Step, module: ir.Module) -> None:
        self.events.append(f"before {step.text}")

    def after_pass(self, step: Step, module: ir.Module, seconds: float) -> None:
        assert seconds >= 0
        self.events.append(f"after {step.text}")

    def failure(self, step: Step, module: ir.Module, error: TilewrightError) -> None:
        self.events.append(f"failure {step.text}: {error.what}")

    def finish(self, module: ir.Module) -> None:
        self.events.append("finish")


@pytest.fixture
def module() -> ir.Module:
    return ir.Module.parse(SOURCE, new_context())


def test_mixed_pipeline(module: ir.Module) -> None:
    recorder, timing = Recorder(), Timing()
    run_pipeline(module, "func.func(cse),test-erase", [recorder, timing])
    assert recorder.events == ["before func.func(cse)", "after func.func(cse)", "before test-erase", "after test-erase", "finish"]
    assert [label for label, _ in timing.seconds] == ["func.func(cse)", "test-erase"]
    assert len(list(module.body.operations)) == 0


def test_passes_given_as_values(module: ir.Module) -> None:
    run_passes(module, [Erase()])
    assert len(list(module.body.operations)) == 0


def test_mistake_in_a_pass(module: ir.Module) -> None:
    recorder = Recorder()
    with pytest.raises(PassError, match="unexpected IndexError: too far") as caught:
        run_pipeline(module, "test-stumble,cse", [recorder])
    assert caught.value.during == "pass test-stumble"
    assert "too far" in caught.value.why
    assert recorder.events[-1].startswith("failure test-stumble")


def test_verifier_is_asked_after_each_pass(module: ir.Module) -> None:
    asked: list[int] = []

    def verifier(module: ir.Module) -> None:
        asked.append(len(list(module.body.operations)))
        if not asked[-1]:
            raise VerifyError("no functions left", where="here")

    with pytest.raises(VerifyError) as caught:
        run_pipeline(module, "cse,test-erase,cse", [Verify(verifier)])
    assert asked == [1, 0]
    assert caught.value.during == "after pass test-erase"


def test_options_of_all_passes_are_checked_before_the_first_runs(module: ir.Module) -> None:
    recorder = Recorder()
    with pytest.raises(InputError, match="has no option 'deep'"):
        run_pipeline(module, "cse,canonicalize{deep=1}", [recorder])
    assert recorder.events == []


def test_unknown_anchor(module: ir.Module) -> None:
    with pytest.raises(InputError, match=r"no op called 'func\.fun'"):
        run_pipeline(module, "func.fun(cse)")


def test_print_after_change_prints_only_what_changed(module: ir.Module) -> None:
    printed: list[str] = []
    PassManager.parse("canonicalize,canonicalize,test-erase", [PrintAfterChange(printed.append, PrintStyle())]).run(module)
    text = "".join(printed)
    assert text.count("func.func @f") == 1
    assert "canonicalize: no change" in text
    assert "test-erase: removed @f" in text
