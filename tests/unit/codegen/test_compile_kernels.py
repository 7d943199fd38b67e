"""Failures of kernels on the way to objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import artifacts
import pytest

from tilewright.codegen.compile_kernels import compile_kernels
from tilewright.codegen.compile_program import compile_program
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import UnsupportedError, VerifyError, WorkerError
from tilewright.targets import find

TARGET = find("cpu:x86-64-v3")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerPool]:
    with pytest.MonkeyPatch.context() as patch, WorkerPool(1, timeout_s=60) as pool:
        patch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path_factory.mktemp("reproducers")))
        yield pool


def test_kernels_with_dumps_and_progress(pool: WorkerPool) -> None:
    seen: list[tuple[str, int, int]] = []
    kernels = compile_kernels(
        artifacts.parse(artifacts.PROGRAM),
        TARGET,
        pool,
        lower=artifacts.CANNED,
        want_dumps=True,
        progress=lambda *a: seen.append(a),
    )
    assert list(kernels) == ["add_weight", "multiply", "square"]
    assert sorted(done for _, done, _ in seen) == [1, 2, 3] and {total for _, _, total in seen} == {3}
    square = kernels["square"]
    assert (square.trip_count, square.scratch, square.symbols) == ("ceildiv(d0, 2)", "64", ("d0",))
    assert set(square.dumps) == {"level3.mlir", "llvm.ll", "optimized.ll", "assembly.s"}
    assert list(square.seconds) == ["read", "lower", "to-llvm", "translate", "llvm"]
    assert not square.cached and square.instruction_mix["vmulps"] >= 1


def test_a_kernel_without_lowering(pool: WorkerPool) -> None:
    with pytest.raises(UnsupportedError, match=r"no lowering for tw\.unicorn") as caught:
        compile_kernels(artifacts.one_kernel("unsupported"), TARGET, pool, lower=artifacts.CANNED)
    assert caught.value.where == "model.py:3:1"


def test_settings_reach_the_lowering(pool: WorkerPool) -> None:
    with pytest.raises(UnsupportedError, match="fast_math reached the lowering"):
        compile_kernels(artifacts.parse(artifacts.PROGRAM), TARGET, pool, lower=artifacts.CANNED, settings={"fast_math": True})


@pytest.mark.parametrize("name", ["aborting", "segfaulting"])
def test_a_crash_names_the_kernel_and_the_phase(pool: WorkerPool, name: str) -> None:
    with pytest.raises(WorkerError) as caught:
        compile_kernels(artifacts.one_kernel(name), TARGET, pool, lower=artifacts.CANNED)
    assert caught.value.where == f"{name}, phase lower"
    reproducer = Path(caught.value.remedy.split()[3])
    assert f"@{name}" in reproducer.read_text()


def test_several_failures_are_reported_together(pool: WorkerPool) -> None:
    text = artifacts.PROGRAM.replace("@square", "@unsupported").replace("@multiply", "@aborting")
    with pytest.raises(WorkerError, match="aborting") as caught:
        compile_kernels(artifacts.parse(text), TARGET, pool, lower=artifacts.CANNED)
    assert "1 more kernels failed:\nunsupported: there is no lowering for tw.unicorn" in caught.value.why


def test_memory_must_be_planned(pool: WorkerPool) -> None:
    text = artifacts.PROGRAM.replace(', tw.slots = ["64*s0", "64*s0"]', "")
    with pytest.raises(VerifyError, match=r"no tw\.slots") as caught:
        compile_program(artifacts.parse(text), TARGET, pool, lower=artifacts.CANNED)
    assert "tw-plan-memory" in caught.value.remedy
