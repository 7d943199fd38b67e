"""Runs a pipeline of our passes and MLIR's on a module, with instruments around each pass."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewright.core.capture import capture, error_from
from tilewright.core.diagnostics import PassError, TilewrightError
from tilewright.core.instruments import Instrument
from tilewright.core.passes import Pass
from tilewright.core.pipeline import spec_of
from tilewright.core.plan import Step, plan_pipeline
from tilewright.core.upstream import parse_upstream

if TYPE_CHECKING:
    from tilewright.core.mlir import ir, passmanager


class PassManager:
    """A resolved pipeline. Every pass is run by itself, so that each can be verified, timed, printed and blamed."""

    def __init__(self, steps: Sequence[Step], instruments: Sequence[Instrument] = ()) -> None:
        self.steps = tuple(steps)
        self.instruments = tuple(instruments)

    @classmethod
    def parse(cls, pipeline: str, instruments: Sequence[Instrument] = ()) -> PassManager:
        """Raises InputError for an unknown name or option, or a wrong nesting."""
        return cls(plan_pipeline(pipeline), instruments)

    def run(self, module: ir.Module) -> None:
        """Run all passes on `module` in place.

        Raises PassError where a pass of MLIR's fails or one of ours breaks, and the TilewrightError that one of ours or an
        instrument raises, with the pass named in its `during`.
        """
        # All options are checked by MLIR before the first pass does its work.
        managers = [None if step.instance else parse_upstream(step, module.context) for step in self.steps]
        for instrument in self.instruments:
            instrument.start(self.steps, module)
        for step, manager in zip(self.steps, managers, strict=True):
            self._run_step(step, manager, module)
        for instrument in self.instruments:
            instrument.finish(module)

    def _run_step(self, step: Step, manager: passmanager.PassManager | None, module: ir.Module) -> None:
        for instrument in self.instruments:
            instrument.before_pass(step, module)
        try:
            began = time.perf_counter()
            try:
                if manager is not None:
                    _run_upstream(manager, module)
                else:
                    _run_ours(step, module)
            except TilewrightError as error:
                error.during = error.during or f"pass {step.label}"
                raise
            seconds = time.perf_counter() - began
            try:
                for instrument in self.instruments:
                    instrument.after_pass(step, module, seconds)
            except TilewrightError as error:
                error.during = error.during or f"after pass {step.label}"
                raise
        except TilewrightError as error:
            for instrument in self.instruments:
                instrument.failure(step, module, error)
            raise


def run_pipeline(module: ir.Module, pipeline: str, instruments: Sequence[Instrument] = ()) -> None:
    """Parse and run `pipeline` on `module`. Raises as `PassManager.parse` and `PassManager.run`."""
    PassManager.parse(pipeline, instruments).run(module)


def run_passes(module: ir.Module, passes: Sequence[Pass], instruments: Sequence[Instrument] = ()) -> None:
    """Run passes given as values. Composites are expanded as in a pipeline."""
    run_pipeline(module, ",".join(str(spec_of(p)) for p in passes), instruments)


def _run_ours(step: Step, module: ir.Module) -> None:
    assert step.instance is not None
    with module.context:
        try:
            step.instance.run(module)
        except TilewrightError:
            raise
        except Exception as bug:
            # A pass is to fail by a TilewrightError; anything else is a mistake in the pass, whose place is the traceback.
            raise PassError(f"unexpected {type(bug).__name__}: {bug}", why=traceback.format_exc().rstrip()) from bug


def _run_upstream(manager: passmanager.PassManager, module: ir.Module) -> None:
    from tilewright.core.mlir import MLIRError

    with capture(module.context) as log:
        try:
            manager.run(module.operation)
        except MLIRError as error:
            raise error_from(PassError, log.entries, str(error)) from error
