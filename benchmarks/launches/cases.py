"""What is measured: chains of tiny kernels, with one thread and with two."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.suite import cases
from benchmarks.suite.cases import Bar, best_of


@dataclass(frozen=True)
class Case(cases.Case):
    """The difference of chains of `kernels` and of twice as many steps."""

    kernels: int = 64

    @property
    def title(self) -> str:
        return f"one of {self.kernels} tiny kernels"

    @property
    def tolerance(self) -> float:
        return 1e-5

    @property
    def peak_dtype(self) -> str | None:
        return None


def full() -> list[Case]:
    """The two cases."""
    return [
        Case("launches", "f32", threads=1, bars=(Bar("seconds", 0.3e-6), best_of())),
        Case("launches", "f32", threads=2, bars=(Bar("seconds", 2e-6), best_of())),
    ]
