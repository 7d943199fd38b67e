"""How a compilation tells what it is doing. Tools draw it; the library is silent by default."""

from __future__ import annotations


class Progress:
    """Receives progress. The default does nothing."""

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins; `detail` is what it works on, such as a target."""

    def step(self, done: int, total: int, label: str) -> None:
        """Within the phase, `done` of `total` units are complete; `label` names the latest."""

    def finish(self) -> None:
        """The compilation is over, or failed."""
