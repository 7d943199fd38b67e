"""A kernel that LLVM really compiles for ever: it is killed and reported, can be run again, and costs nothing but itself.

`tilewright compile`, which such a kernel reaches by the same pool, has its test in tests/e2e/test_cli_hang.py.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import artifacts
import pytest
from canned_lowering import HANGING, HANGING_TARGET

from tilewright.codegen.cache import CompileCache
from tilewright.codegen.compile_kernels import compile_kernels
from tilewright.codegen.llvm_object import compile_object
from tilewright.codegen.pool import WorkerPool
from tilewright.codegen.task import Task
from tilewright.core.diagnostics import WorkerError
from tilewright.targets import find

TARGET = find(HANGING_TARGET)
TIMEOUT_S = 2.5
TESTS = Path(__file__).parents[2]


@dataclass
class Hung:
    """What came of compiling a program with a hanging kernel."""

    pool: WorkerPool
    cache: CompileCache
    error: WorkerError
    finished: list[str]
    seconds: float
    workers: set[int]
    reproducer: Path
    command: list[str]


def children() -> set[int]:
    """Processes that this one started and has not reaped, zombies included."""
    tasks = Path("/proc/self/task")
    return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


@pytest.fixture(scope="module")
def hung(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hung]:
    folder = tmp_path_factory.mktemp("hang")
    before = children()
    cache = CompileCache(folder / "cache")
    with pytest.MonkeyPatch.context() as patch, WorkerPool(1, TIMEOUT_S) as pool:
        patch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(folder))
        pid = pool.submit(Task("ready", "worker_tasks:process_id", "", {"seconds": 0})).result()
        module = artifacts.parse(artifacts.PROGRAM.replace("@square", "@hanging_in_llvm"))
        finished: list[str] = []
        began = time.monotonic()
        with pytest.raises(WorkerError) as caught:
            compile_kernels(module, TARGET, pool, cache, lower=artifacts.CANNED, progress=lambda name, *_: finished.append(name))
        seconds = time.monotonic() - began
        remedy = caught.value.remedy
        path, command = re.search(r"report it with (.*)", remedy), re.search(r"run it again: (.*)", remedy)
        assert path is not None and command is not None
        yield Hung(pool, cache, caught.value, finished, seconds, {pid}, Path(path[1]), shlex.split(command[1]))
    assert children() <= before, "closing the pool reaps its workers"


def test_the_error_names_kernel_phase_and_limit(hung: Hung) -> None:
    assert hung.error.exit_code == 6
    assert hung.error.what == "compiling hanging_in_llvm made its worker stop: it did not finish within 2.5 s and was killed"
    assert hung.error.where == "hanging_in_llvm, phase llvm"
    assert TIMEOUT_S <= hung.seconds < TIMEOUT_S + 20


def test_the_other_kernels_are_done_and_kept(hung: Hung) -> None:
    assert sorted(hung.finished) == ["add_weight", "multiply"]
    module = artifacts.parse(artifacts.PROGRAM)
    kernels = compile_kernels(module, TARGET, hung.pool, hung.cache, lower=artifacts.CANNED)
    assert {name: code.cached for name, code in kernels.items()} == {"add_weight": True, "multiply": True, "square": False}


def test_the_pool_goes_on_with_another_worker_and_leaves_no_zombie(hung: Hung) -> None:
    pid = hung.pool.submit(Task("after", "worker_tasks:process_id", "", {"seconds": 0})).result()
    assert pid not in hung.workers and not hung.workers & children()
    states = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children()]
    assert "Z" not in states
    for old in hung.workers:
        with pytest.raises(ProcessLookupError):
            os.kill(old, 0)


def run_again(command: list[str], *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS / "support"), str(TESTS.parent)])}
    return subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env=environment)


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Lines of stderr up to the one that has `text`; the process is killed when it does not come."""
    assert process.stderr is not None
    killer = threading.Timer(60, process.kill)
    killer.start()
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            break
    killer.cancel()
    return lines


def test_the_reproducer_hangs_again_and_can_be_interrupted(hung: Hung, tmp_path: Path) -> None:
    text = hung.reproducer.read_text()
    assert "@hanging_in_llvm" in text and HANGING_TARGET in text and "did not finish within 2.5 s" in text.splitlines()[0]
    llvm_ir = tmp_path / "hanging.ll"
    process = run_again(hung.command, "--emit-llvm", str(llvm_ir))
    lines = read_until(process, "phase: llvm")
    assert lines and "phase: llvm" in lines[-1], lines
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    assert "call <16 x i32> @llvm.x86.avx512.vpdpbusd.512" in llvm_ir.read_text()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT, "Ctrl-C ends it although LLVM never returns to Python"
    assert process.stderr is not None
    process.stderr.close()


def test_a_flip_of_the_scalar_does_not_hang() -> None:
    """The form that kernels use instead."""
    llvm_ir = """
        define <16 x i32> @f(ptr %lhs, <64 x i8> %rhs, <16 x i32> %acc) {
          %signed = load i32, ptr %lhs
          %unsigned = xor i32 %signed, -2139062144
          %first = insertelement <16 x i32> poison, i32 %unsigned, i64 0
          %all = shufflevector <16 x i32> %first, <16 x i32> poison, <16 x i32> zeroinitializer
          %bytes = bitcast <16 x i32> %all to <64 x i8>
          %sum = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %acc, <64 x i8> %bytes, <64 x i8> %rhs)
          ret <16 x i32> %sum
        }
        declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <64 x i8>, <64 x i8>)
    """
    assert compile_object(llvm_ir, TARGET).instruction_mix["vpdpbusd"] == 1


def test_passes_alone_do_not_hang_on_it(hung: Hung, tmp_path: Path) -> None:
    """`tilewright-opt` runs no LLVM: it takes the kernel at level 3 and the reproducer, and names the command that runs the latter."""
    opt = [sys.executable, "-m", "tilewright.tools.opt"]
    level3 = tmp_path / "level3.mlir"
    level3.write_text(HANGING)
    passes = "convert-vector-to-llvm,finalize-memref-to-llvm,convert-arith-to-llvm,canonicalize"
    done = subprocess.run([*opt, str(level3), "-p", passes], capture_output=True, text=True, timeout=60, check=True)
    assert "llvm.x86.avx512.vpdpbusd.512" in done.stdout
    done = subprocess.run([*opt, str(hung.reproducer)], capture_output=True, text=True, timeout=60, check=True)
    assert "@hanging_in_llvm" in done.stdout
    done = subprocess.run([*opt, "--run-reproducer", str(hung.reproducer)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and f"fix: run what the file names: {shlex.join(hung.command)}" in done.stderr
