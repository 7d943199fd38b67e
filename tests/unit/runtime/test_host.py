"""What the runtime reads of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.runtime import host
from tilewright.runtime.errors import ThreadsError
from tilewright.runtime.openmp import find_openmp, mapped_libraries


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "400000 100000\n"}, 4.0),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, None),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/docker/x\n2:memory:/docker/x\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        ({"sys/fs/cgroup/cpu.max": "garbage"}, None),
        ({"sys/fs/cgroup/cpu.max": "100000 0"}, None),
    ],
)
def test_cgroup_quota(tmp_path: Path, files: dict[str, str], cpus: float | None) -> None:
    assert host.cgroup_cpus(write(tmp_path, files)) == cpus


def test_threads_by_quota_and_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(host.THREADS_VARIABLE, raising=False)
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(host, "cgroup_cpus", lambda: 2.5)
    assert host.choose_threads(None) == (3, False)
    monkeypatch.setattr(host, "cgroup_cpus", lambda: 0.2)
    assert host.choose_threads(None) == (1, False)
    monkeypatch.setattr(host, "cgroup_cpus", lambda: None)
    assert host.choose_threads(None) == (8, False)
    monkeypatch.setenv(host.THREADS_VARIABLE, "5")
    assert host.choose_threads(None) == (5, True)
    assert host.choose_threads(2) == (2, True), "the argument wins"


@pytest.mark.parametrize("text", ["zero", "0", "-3", "1.5", "99999"])
def test_a_wrong_number_of_threads(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(host.THREADS_VARIABLE, text)
    with pytest.raises(ThreadsError, match=f"TILEWRIGHT_NUM_THREADS is '{text}'"):
        host.choose_threads(None)
    with pytest.raises(ThreadsError, match="threads is 0"):
        host.choose_threads(0)


def test_flags_are_those_that_all_cores_have() -> None:
    assert host.parse_cpu_flags("flags : a b c\nother : z\n\nflags : b c d\n") == {"b", "c"}
    assert host.parse_cpu_flags("Features\t: asimd fp\n") == {"asimd", "fp"}
    assert host.parse_cpu_flags("") == frozenset()


MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libgomp.so.1.0.0
7f01-7f02 r--p 00001000 08:01 1 /usr/lib/libgomp.so.1.0.0
7f02-7f03 r-xp 00000000 08:01 2 /venv/torch/lib/libgomp-a34b3233.so.1
7f03-7f04 r-xp 00000000 08:01 3 /usr/lib/libomptarget.so.18
7f04-7f05 rw-p 00000000 00:00 0
7f05-7f06 r-xp 00000000 08:01 4 /opt/intel/libiomp5.so
7f06-7f07 r-xp 00000000 08:01 5 /usr/lib/libm.so.6
"""


def test_openmp_runtimes_in_the_process() -> None:
    assert mapped_libraries(MAPS.splitlines()) == [
        "/venv/torch/lib/libgomp-a34b3233.so.1", "/usr/lib/libgomp.so.1.0.0", "/opt/intel/libiomp5.so",
    ]  # fmt: skip


def test_the_runtime_found_is_usable() -> None:
    openmp = find_openmp()
    if openmp is None:
        pytest.skip("no OpenMP runtime on this machine")
    assert openmp.parallel and openmp.barrier and openmp.thread_num and openmp.num_threads
