"""What every case has: a dtype, threads, a target, the work it does, and the bars that Tilewright is held to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, TypeVar

UPPER = ("seconds", "memory")
"""Quantities whose bar is the largest value allowed. Of all others it is the smallest."""

DTYPE_BYTES = {"f32": 4, "bf16": 2, "s8": 1}

C = TypeVar("C", bound="Case")


@dataclass(frozen=True)
class Bar:
    """`quantity` must reach `limit`. All are of medians.

    At least: `ratio`, speed over that of the fastest of `peers`, of all when none are named. `peak`, part of the arithmetic peak. `dram`,
    part of the DRAM bandwidth. `speedup`, speed over our own with one thread. `bare`, speed for the same work over our own variant `bare`.
    `accuracy`, the error of the first of `peers` over ours. At most: `seconds` of a call; `memory`, the peak of resident memory during a
    call over the bytes of inputs and outputs.
    """

    quantity: str
    limit: float
    peers: tuple[str, ...] = ()

    @property
    def is_upper(self) -> bool:
        return self.quantity in UPPER

    def holds(self, measured: float) -> bool:
        """Whether a measured value passes."""
        return measured <= self.limit if self.is_upper else measured >= self.limit


def best_of(*peers: str, at_least: float = 1.0) -> Bar:
    """At least as fast as the fastest of these peers (of all, when none are named)."""
    return Bar("ratio", at_least, peers)


@dataclass(frozen=True)
class Case:
    """One line of a benchmark. `rotate`: operands of successive calls differ, and all of them together exceed the last-level cache."""

    group: str
    dtype: str
    threads: int = field(default=1, kw_only=True)
    target: str = field(default="native", kw_only=True)
    rotate: bool = field(default=False, kw_only=True)
    bars: tuple[Bar, ...] = field(default=(), kw_only=True)

    bare: ClassVar[str] = "our simpler form"
    """What our variant `bare` is, in verdicts."""

    @property
    def title(self) -> str:
        """For people, without threads and target. Every suite has its own."""
        return self.dtype

    @property
    def label(self) -> str:
        """For people: the title and what is special."""
        parts = [self.title]
        if self.threads > 1:
            parts.append(f"{self.threads} threads")
        if self.target != "native":
            parts.append(self.target.removeprefix("cpu:"))
        return " ".join(parts)

    @property
    def flops(self) -> int:
        """Arithmetic operations of a call; 0 where they are no measure."""
        return 0

    @property
    def moved_bytes(self) -> int:
        """Bytes of inputs and outputs, each once."""
        return 0

    @property
    def rotated_bytes(self) -> int:
        """Bytes of the operands that differ from call to call."""
        return 0

    @property
    def tolerance(self) -> float:
        """Largest error of a result that counts."""
        return 0.0

    @property
    def peak_dtype(self) -> str | None:
        """The dtype whose arithmetic peak is measured beside the case; None for none."""
        return self.dtype

    def copies(self, rotation_bytes: int) -> int:
        """How many copies of the rotated operands a system holds, so that together they have `rotation_bytes`."""
        return max(2, -(-rotation_bytes // self.rotated_bytes)) if self.rotate else 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls: type[C], data: dict[str, Any]) -> C:
        """The case that `to_json` gave."""
        bars = tuple(Bar(b["quantity"], b["limit"], tuple(b["peers"])) for b in data["bars"])
        fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        fields["bars"] = bars
        return cls(**fields)
