"""Progress on the terminal: bars when it is one, lines when asked, nothing when piped."""

from __future__ import annotations

import io

import pytest

from tilewright.api.progress import Progress
from tilewright.tools.terminal import BarProgress, PlainProgress, progress_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def walk(progress: Progress) -> None:
    progress.phase("codegen", "cpu:znver5")
    progress.step(1, 2, "matmul_0")
    progress.phase("artifact")
    progress.finish()


def test_quiet_when_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    progress = progress_for(verbose=False, prints_ir=False)
    walk(progress)
    assert stream.getvalue() == "" and type(progress) is Progress


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stream)
    progress = progress_for(verbose=False, prints_ir=False)
    assert isinstance(progress, BarProgress)
    walk(progress)
    assert "artifact" in stream.getvalue()


def test_bars_do_not_tear_printed_ir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    assert type(progress_for(verbose=False, prints_ir=True)) is Progress


def test_lines_when_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    walk(PlainProgress())
    lines = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["codegen cpu:znver5", "  1/2 matmul_0", "artifact"]


def test_finish_without_a_beginning() -> None:
    BarProgress().finish()
