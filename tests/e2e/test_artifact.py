"""From a planned program to an artifact, and back through the runtime."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import pytest

from tilewright import runtime
from tilewright.codegen.cache import CompileCache
from tilewright.codegen.pool import WorkerPool
from tilewright.targets.detect import best_record, read_host


def inputs(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.standard_normal((rows, 16), np.float32), random.standard_normal((rows, 16), np.float32)


def flat(result: Any) -> list[Any]:
    """The outputs in order, and a check of the structure they came in."""
    assert list(result) == ["pair", "rest", "empty"] and isinstance(result["pair"], tuple) and isinstance(result["rest"], list)
    assert result["empty"] is None
    return [*result["pair"], *result["rest"]]


def assert_right(result: Any, x: np.ndarray, y: np.ndarray) -> None:
    for got, want in zip(flat(result), artifacts.expected(x, y), strict=True):
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 3, 77, 128])
def test_results(artifact_path: Path, threads: int, rows: int) -> None:
    x, y = inputs(rows)
    with runtime.load(artifact_path, threads=threads) as program:
        assert_right(program(x, y), x, y)
        assert_right(program(y=y, x=x), x, y)


def test_thread_count_does_not_change_bits(artifact_path: Path) -> None:
    x, y = inputs(101)
    results = []
    for threads in (1, 2):
        with runtime.load(artifact_path, threads=threads) as program:
            results.append(flat(program(x, y)))
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


def test_describes_itself(artifact_path: Path) -> None:
    with runtime.load(artifact_path, threads=1) as program:
        assert [(p.name, p.dtype, p.shape) for p in program.inputs] == [("x", "f32", ("s0", "16")), ("y", "f32", ("s0", "16"))]
        assert [p.name for p in program.outputs] == ["product", "flat", "again", "output3", "output4"]
        assert [(s.name, s.minimum, s.maximum) for s in program.symbols] == [("s0", 1, 128)]
        assert [k["name"] for k in program.kernels] == ["add_weight", "multiply", "square"]
        assert "x: f32[s0, 16]" in repr(program)
        program.artifact.verify()


def test_calls_from_many_threads(artifact_path: Path) -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(40):
                x, y = inputs(1 + (seed * 7 + i) % 60, seed)
                assert_right(program(x, y), x, y)
        except BaseException as error:
            failures.append(error)

    with runtime.load(artifact_path, threads=2) as program:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_avx2_code_runs_here(tmp_path: Path, worker_pool: WorkerPool) -> None:
    if best_record(read_host()).arch != "x86-64":
        pytest.skip("this machine cannot run AVX2 code: it is not x86-64")
    path = tmp_path / "avx2.tw"
    (code,) = artifacts.build(path, worker_pool, ["cpu:x86-64-v3"])
    assert any(name.startswith("v") for name in code.kernels["multiply"].instruction_mix)
    x, y = inputs(77)
    with runtime.load(path, threads=2) as program:
        assert program.code.target == "cpu:x86-64-v3"
        assert_right(program(x, y), x, y)


def test_the_best_of_several_targets_is_chosen(tmp_path: Path, worker_pool: WorkerPool) -> None:
    own = best_record(read_host()).name
    path = tmp_path / "several.tw"
    artifacts.build(path, worker_pool, ["cpu:aarch64", "cpu:x86-64-v3", own])
    with runtime.load(path, threads=1) as program:
        assert program.code.target == own
        assert len(program.artifact.manifest.weights) == 1, "targets share weights of the same layout"


def test_cache_makes_the_second_compilation_free(tmp_path: Path, worker_pool: WorkerPool) -> None:
    cache = CompileCache(tmp_path / "cache")
    (cold,) = artifacts.build(tmp_path / "a.tw", worker_pool, cache=cache)
    assert not any(k.cached for k in cold.kernels.values())
    misses = cache.misses
    with WorkerPool(1, timeout_s=1) as unused:
        (warm,) = artifacts.build(tmp_path / "b.tw", unused, cache=cache)
        assert not unused.started, "nothing is left for a worker to do"
    assert all(k.cached for k in warm.kernels.values()) and cache.misses == misses
    assert warm.shared_object == cold.shared_object


def test_runtime_needs_no_compiler(artifact_path: Path) -> None:
    script = (
        "import sys, numpy as np, tilewright.runtime as r\n"
        f"p = r.load({str(artifact_path)!r}, threads=1)\n"
        "p(np.zeros((2, 16), np.float32), np.zeros((2, 16), np.float32))\n"
        "bad = [m for m in ('mlir', 'llvmlite', 'torch', 'jax', 'tilewright.core', 'tilewright.codegen', 'rich') if m in sys.modules]\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_one_thread_loads_no_openmp_runtime(artifact_path: Path) -> None:
    script = (
        "import numpy as np, tilewright.runtime as r\n"
        f"p = r.load({str(artifact_path)!r}, threads=1)\n"
        "p(np.zeros((2, 16), np.float32), np.zeros((2, 16), np.float32))\n"
        "assert 'gomp' not in open('/proc/self/maps').read()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
