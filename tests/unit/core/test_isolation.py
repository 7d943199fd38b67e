from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from faulty_task import act

from tilewright.core.diagnostics import InputError, WorkerError
from tilewright.core.isolation import Death, Finished, run_isolated

METHODS: tuple[Literal["fork", "spawn"], ...] = ("fork", "spawn")
each_method = pytest.mark.parametrize("method", METHODS)


def run(how: str, method: Literal["fork", "spawn"], on_message: Callable[[object], None] | None = None) -> Any:
    return run_isolated(partial(act, how), timeout_s=1 if how == "hang" else 30, on_message=on_message, method=method)


@each_method
def test_result_and_messages(method: Literal["fork", "spawn"]) -> None:
    messages: list[object] = []
    outcome = run("large", method, messages.append)
    assert isinstance(outcome, Finished)
    assert len(outcome.value) == 3_000_000
    assert messages == [{"stage": "started"}]
    assert "to stderr" in outcome.stderr


@each_method
def test_death_by_signal(method: Literal["fork", "spawn"]) -> None:
    outcome = run("segfault", method)
    assert isinstance(outcome, Death)
    assert outcome.signal == signal.SIGSEGV
    assert str(outcome) == "died of signal 11 (SIGSEGV: segmentation fault)"


@each_method
def test_hang_and_its_children_are_killed(method: Literal["fork", "spawn"]) -> None:
    began = time.monotonic()
    children: list[object] = []
    outcome = run("hang", method, children.append)
    assert isinstance(outcome, Death)
    assert str(outcome) == "did not finish within 1 s and was killed"
    assert time.monotonic() - began < 5
    grandchild = next(m for m in children if isinstance(m, int))
    assert _is_gone(grandchild)


@each_method
def test_exit_without_a_result(method: Literal["fork", "spawn"]) -> None:
    outcome = run("exit", method)
    assert str(outcome) == "exited with code 3 and gave no result"


@each_method
def test_errors_cross_over(method: Literal["fork", "spawn"]) -> None:
    with pytest.raises(InputError) as caught:
        run("refuse", method)
    assert (caught.value.what, caught.value.where, caught.value.remedy) == ("bad", "here", "do better")


@each_method
def test_unexpected_exception(method: Literal["fork", "spawn"]) -> None:
    with pytest.raises(WorkerError, match="unexpected exception") as caught:
        run("mistake", method)
    assert "KeyError: 'a'" in caught.value.why


def test_evidence_leaves_out_the_stack_dump() -> None:
    death = Death(6, None, None, "Assertion `x' failed.\nPLEASE submit a bug report to ...\nStack dump:\n#0 0x1234\n")
    assert death.evidence == "Assertion `x' failed."


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys, time\n"
        "from tilewright.core.isolation import run_isolated\n"
        "def task(report):\n"
        "    report(os.getpid())\n"
        "    time.sleep(60)\n"
        "run_isolated(task, timeout_s=60, on_message=lambda pid: pathlib.Path(sys.argv[1]).write_text(str(pid)))\n"
    )
    pid_file = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", script, str(pid_file)])
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    assert _is_gone(int(pid_file.read_text()))


def _is_gone(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if status == "Z":
            return True
        time.sleep(0.01)
    return False
