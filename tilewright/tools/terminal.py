"""Progress of a compilation on the terminal: a line that is redrawn, plain lines with --verbose, nothing when piped."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tilewright.api.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


def progress_for(*, verbose: bool, prints_ir: bool) -> Progress:
    """What suits stderr: redrawn bars would tear IR that is printed to it."""
    if verbose:
        return PlainProgress()
    return BarProgress() if sys.stderr.isatty() and not prints_ir else Progress()


class PlainProgress(Progress):
    """One line for each phase and kernel, with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def phase(self, name: str, detail: str = "") -> None:
        self._say(f"{name} {detail}".rstrip())

    def step(self, done: int, total: int, label: str) -> None:
        self._say(f"  {done}/{total} {label}")

    def _say(self, text: str) -> None:
        print(f"[{time.perf_counter() - self._began:6.2f} s] {text}", file=sys.stderr, flush=True)


class BarProgress(Progress):
    """A spinner with the phase; a bar while kernels compile. It leaves nothing behind."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def phase(self, name: str, detail: str = "") -> None:
        bars = self._start()
        if self._task is not None:
            bars.remove_task(self._task)
        self._task = bars.add_task(f"{name} {detail}".rstrip(), total=None, label="")

    def step(self, done: int, total: int, label: str) -> None:
        if self._task is not None:
            self._start().update(self._task, completed=done, total=total, label=label)

    def finish(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = self._task = None

    def _start(self) -> Bars:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[label]}"),
                TimeElapsedColumn(),
            )
            self._bars = RichProgress(*columns, console=Console(stderr=True), transient=True)
            self._bars.start()
        return self._bars
