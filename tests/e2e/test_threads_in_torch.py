"""Which OpenMP runtime a program's threads come from: torch's own where torch is, so that no second pool competes with it.

Each case needs a process of its own, because a runtime that was loaded stays.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tilewright import runtime
from tilewright.runtime import openmp, session
from tilewright.runtime.openmp import OpenMP, find_openmp

_COMMON = """
    import os
    import numpy as np
    x = np.ones((64, 16), np.float32)
    x @ x.T

    def threads():
        return len(os.listdir("/proc/self/task"))

    def runtimes():
        lines = [line.split() for line in open("/proc/self/maps")]
        paths = {words[5] for words in lines if len(words) == 6 and "omp" in words[5].rpartition("/")[2]}
        return {os.path.realpath(path) for path in paths if path.rpartition("/")[2].startswith(("libgomp", "libomp", "libiomp"))}
"""


def run(script: str, artifact: Path) -> list[str]:
    """What `script` prints; `artifact` is its first argument."""
    code = textwrap.dedent(_COMMON) + textwrap.dedent(script)
    command = [sys.executable, "-c", code, str(artifact)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_inside_torch_its_threads_do_the_work(artifact_path: Path) -> None:
    """Neither loading nor calling starts a thread that torch did not have."""
    pytest.importorskip("torch")
    script = """
        import sys, torch
        torch.set_num_threads(2)
        a = torch.ones(1024, 1024)
        (a + a).sum()
        own, count = runtimes(), threads()
        from tilewright import runtime
        for weights in ("map", "copy"):
            program = runtime.load(sys.argv[1], threads=2, weights=weights)
            for rows in (64, 64, 33):
                program(torch.ones(rows, 16), torch.ones(rows, 16))
                assert threads() == count, (threads(), count)
                (a + a).sum()
                assert threads() == count, (threads(), count)
        assert runtimes() == own and len(own) == 1, (runtimes(), own)
        from tilewright.runtime.openmp import find_openmp
        print(find_openmp().path)
    """
    (path,) = run(script, artifact_path)
    assert "/torch/" in path or "torch.libs" in path


def test_without_torch_one_runtime_and_one_more_thread(artifact_path: Path) -> None:
    script = """
        import sys
        from tilewright import runtime
        before = threads()
        assert not runtimes()
        alone = runtime.load(sys.argv[1], threads=1)
        alone(x, x)
        assert threads() == before and not runtimes(), "one thread needs no runtime"
        program = runtime.load(sys.argv[1], threads=2)
        for _ in range(3):
            program(x, x)
            assert threads() == before + 1
        assert len(runtimes()) == 1
        from tilewright.runtime.openmp import find_openmp
        assert os.path.realpath(find_openmp().path) in runtimes() or "/" not in find_openmp().path
        assert "torch" not in sys.modules
    """
    run(script, artifact_path)


def test_a_torch_that_comes_later_is_joined(artifact_path: Path) -> None:
    """After the import also shapes that were called before run in torch's pool."""
    pytest.importorskip("torch")
    script = """
        import sys
        from tilewright import runtime
        program = runtime.load(sys.argv[1], threads=2)
        program(x, x)
        import torch
        torch.set_num_threads(2)
        a = torch.ones(1024, 1024)
        (a + a).sum()
        count = threads()
        program(x, x)
        (a + a).sum()
        assert threads() == count, (threads(), count)
        from tilewright.runtime.openmp import find_openmp
        candidates = [path for path in runtimes() if "/torch/" in path or "torch.libs" in path]
        assert not candidates or os.path.realpath(find_openmp().path) in candidates
    """
    run(script, artifact_path)


def test_plans_follow_the_runtime(artifact_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_openmp()
    if found is None:
        pytest.skip("this machine has no OpenMP runtime")
    x = np.ones((5, 16), np.float32)
    with runtime.load(artifact_path, threads=2) as program:
        program(x, x)
        plans = vars(program.entry("main"))["_plans"]
        (before,) = plans.values()
        program(x, x)
        assert list(plans.values()) == [before]
        other = OpenMP(found.path, found.parallel, found.barrier, found.thread_num, found.num_threads)
        monkeypatch.setattr(session, "find_openmp", lambda: other)
        program(x, x)
        (after,) = plans.values()
        assert after is not before and after.openmp is other


def test_a_torch_that_is_being_imported_does_not_count_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(openmp, "_find", asked.append)
    monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
    find_openmp()
    vars(sys.modules["torch"])["_C"] = None
    find_openmp()
    assert asked == [False, True]
