"""Passes that misbehave on purpose, for tests of what the tool makes of it (TILEWRIGHT_PASS_MODULES=faulty_passes)."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.capture import where
from tilewright.core.diagnostics import PassError
from tilewright.core.mlir import ir
from tilewright.core.passes import CompositePass, Pass, option
from tilewright.core.registry import register_pass


@register_pass
@dataclass(frozen=True)
class Hang(Pass):
    """Never return."""

    name: ClassVar[str] = "test-hang"

    def run(self, module: ir.Module) -> None:
        while True:
            pass


@register_pass
@dataclass(frozen=True)
class Die(Pass):
    """Die of a signal, when there is a function called `only`, or always.

    Before: a process.
    After: none.
    """

    name: ClassVar[str] = "test-die"
    signal: int = option(signal.SIGSEGV, help="number of the signal")
    only: str | None = option(None, help="name of a function")

    def run(self, module: ir.Module) -> None:
        names = [str(op.attributes["sym_name"]).strip('"') for op in module.body.operations]
        if self.only is None or self.only in names:
            os.kill(os.getpid(), self.signal)


@register_pass
@dataclass(frozen=True)
class Mistake(Pass):
    """Raise something that is not a TilewrightError."""

    name: ClassVar[str] = "test-mistake"

    def run(self, module: ir.Module) -> None:
        raise KeyError("no such thing")


@register_pass
@dataclass(frozen=True)
class Refuse(Pass):
    """Fail at the first function."""

    name: ClassVar[str] = "test-refuse"
    reason: str = option(help="the reason to give")

    def run(self, module: ir.Module) -> None:
        first = module.body.operations[0]
        raise PassError("this function is refused", where=where(first.location), why=self.reason, remedy="write another")


@register_pass
@dataclass(frozen=True)
class Break(Pass):
    """Leave invalid IR: erase the terminator of the first function."""

    name: ClassVar[str] = "test-break"

    def run(self, module: ir.Module) -> None:
        block = module.body.operations[0].regions[0].blocks[0]
        block.operations[len(block.operations) - 1].erase()


@register_pass
@dataclass(frozen=True)
class Rename(Pass):
    """Append a suffix to the name of every function."""

    name: ClassVar[str] = "test-rename"
    suffixes: tuple[str, ...] = option(("_x",), help="appended one after the other")
    times: int = option(1, help="how often")

    def run(self, module: ir.Module) -> None:
        for op in module.body.operations:
            name = ir.StringAttr(op.attributes["sym_name"]).value
            op.attributes["sym_name"] = ir.StringAttr.get(name + "".join(self.suffixes) * self.times)


@register_pass
@dataclass(frozen=True)
class Tidy(CompositePass):
    """Merge equal ops, then rename."""

    name: ClassVar[str] = "test-tidy"
    suffix: str = option("_t", help="appended to every name")

    def pipeline(self) -> str:
        return f"func.func(cse),test-rename{{suffixes={self.suffix}}}"
