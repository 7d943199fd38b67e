"""Workers that fail in every way they can."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tilewright.codegen.pool import WorkerPool
from tilewright.codegen.task import Task, read_task, resolve, write_task
from tilewright.core.diagnostics import InputError, UnsupportedError, WorkerError

TEXT = "module {\n}\n"


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPool]:
    monkeypatch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path))
    with WorkerPool(1, timeout_s=30, preload=()) as pool:
        yield pool


def task(kind: str, **settings: object) -> Task:
    return Task(f"kernel_{kind}", f"worker_tasks:{kind}", TEXT, settings)


def replay(error: WorkerError) -> subprocess.CompletedProcess[str]:
    """Run the command that the error names."""
    command = re.search(r"run it again: (.*)", error.remedy)
    assert command is not None
    tests = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests / "support"), str(tests.parent)])}
    return subprocess.run(shlex.split(command[1]), capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_results_and_order(pool: WorkerPool) -> None:
    futures = [pool.submit(task("echo", value=i)) for i in range(20)]
    assert [f.result() for f in futures] == [(TEXT, i) for i in range(20)]


def test_two_workers_run_side_by_side() -> None:
    with WorkerPool(2, timeout_s=30, preload=()) as pool:
        futures = [pool.submit(task("process_id", seconds=0.3)) for _ in range(2)]
        assert len({f.result() for f in futures}) == 2


def test_start_returns_at_once_and_preloads() -> None:
    with WorkerPool(1, timeout_s=30, preload=("worker_tasks", "no_such_module")) as pool:
        before = time.perf_counter()
        pool.start()
        assert time.perf_counter() - before < 1
        assert pool.submit(Task("loaded", "worker_tasks:is_loaded", "", {"module": "worker_tasks"})).result()


def test_own_errors_come_back_as_they_are(pool: WorkerPool) -> None:
    with pytest.raises(UnsupportedError) as caught:
        pool.submit(task("unsupported")).result()
    assert (caught.value.what, caught.value.where, caught.value.remedy) == ("no unicorns", "model.py:3:1", "use a horse")


def test_unexpected_exceptions_carry_the_traceback(pool: WorkerPool) -> None:
    with pytest.raises(WorkerError, match="kernel_raising failed by an unexpected exception") as caught:
        pool.submit(task("raising")).result()
    assert "KeyError: 'missing'" in caught.value.why and "worker_tasks.py" in caught.value.why


def test_an_aborting_task_names_kernel_phase_signal_and_a_command_that_works(pool: WorkerPool) -> None:
    with pytest.raises(WorkerError) as caught:
        pool.submit(task("aborting")).result()
    error = caught.value
    assert "kernel_aborting" in error.what and "SIGABRT" in error.what
    assert error.where == "kernel_aborting, phase translate"
    assert "the native code said this" in error.why
    again = replay(error)
    assert again.returncode == -signal.SIGABRT
    assert "phase: translate" in again.stderr
    assert pool.submit(task("echo", value=1)).result() == (TEXT, 1), "the pool goes on with a new worker"


def test_a_segfault_of_mlir_is_an_error(pool: WorkerPool) -> None:
    with pytest.raises(WorkerError) as caught:
        pool.submit(task("segfaulting_in_mlir")).result()
    assert re.search(r"SIGABRT|SIGSEGV", caught.value.what)


def test_a_hanging_task_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path))
    with WorkerPool(1, timeout_s=1.5, preload=()) as pool:
        pool.submit(task("echo", value=0)).result()
        with pytest.raises(WorkerError, match=r"did not finish within 1\.5 s and was killed") as caught:
            pool.submit(task("hanging")).result()
        assert caught.value.where.endswith("phase llvm")
        assert pool.submit(task("echo", value=1)).result() == (TEXT, 1)


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_worker_that_hangs_while_it_starts_is_killed(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the task does not fit into the pipe that the worker does not read."""
    monkeypatch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path))
    monkeypatch.setattr("tilewright.codegen.pool._START_S", 1.0)
    with WorkerPool(1, timeout_s=30, preload=("hanging_import",)) as pool:
        with pytest.raises(WorkerError, match="did not finish within 1 s and was killed") as caught:
            pool.submit(Task("large", "worker_tasks:echo", " " * size, {"value": 1})).result()
        assert caught.value.where == "large, phase start"


def test_the_start_of_a_worker_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path))
    with WorkerPool(1, timeout_s=0.2, preload=("slow_import",)) as pool:
        large = "x" * (1 << 20)
        assert pool.submit(Task("first", "worker_tasks:echo", large, {"value": 1})).result() == (large, 1)


def test_a_killed_worker_is_an_error(pool: WorkerPool) -> None:
    pid = pool.submit(task("process_id", seconds=0)).result()
    future = pool.submit(task("process_id", seconds=20))
    while not future.running():
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="SIGKILL"):
        future.result(timeout=20)


def test_closing_cancels_and_kills() -> None:
    pool = WorkerPool(1, timeout_s=60, preload=())
    running, queued = pool.submit(task("hanging")), pool.submit(task("echo", value=1))
    while not running.running():
        time.sleep(0.05)
    pool.close()
    assert queued.cancelled()
    with pytest.raises(WorkerError, match="closed"):
        running.result(timeout=5)
    with pytest.raises(WorkerError, match="closed"):
        pool.submit(task("echo", value=1))


def test_prints_do_not_disturb_the_channel(pool: WorkerPool) -> None:
    assert pool.submit(task("printing")).result() == "fine"


def test_reproducers_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path))
    original = Task("a kernel/with odd name", "worker_tasks:echo", 'module {\n  "x"() : () -> ()\n}\n', {"value": [1, "two"]})
    path, command = write_task(original, "died\nof something")
    assert read_task(path) == original
    assert str(path) in command and path.parent == tmp_path


def test_other_files_are_not_reproducers(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.mlir"
    wrong.write_text("module {}\n")
    for path in (wrong, tmp_path / "absent.mlir"):
        with pytest.raises(InputError, match="reproducer"):
            read_task(path)


@pytest.mark.parametrize("path", ["", "nothing", "os:no_such_function", "no.such.module:f", "os:name"])
def test_functions_that_do_not_exist(path: str) -> None:
    with pytest.raises(InputError):
        resolve(path)
