"""Asking Linux for the tile registers."""

from __future__ import annotations

import ctypes
import errno
import subprocess
import sys
from typing import Any

import pytest

from tilewright.runtime import tile_permission
from tilewright.runtime.errors import IncompatibleError
from tilewright.runtime.host import cpu_flags
from tilewright.runtime.tile_permission import TILE_FLAG, require_tile_permission
from tilewright.targets import find


class Answering:
    """A C library whose `syscall` sets errno to `number` and fails, or succeeds for 0."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, *arguments: Any, **options: Any) -> Answering:
        return self

    def syscall(self, *arguments: ctypes.c_long) -> int:
        self.asked.append(tuple(a.value for a in arguments))
        ctypes.set_errno(self.number)
        return -1 if self.number else 0


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    library = Answering(request.param)
    # A bound method takes no attributes such as restype; a plain function does.
    function = lambda *arguments: Answering.syscall(library, *arguments)  # noqa: E731
    library.syscall = function  # type: ignore[method-assign]
    monkeypatch.setattr(tile_permission.ctypes, "CDLL", library)
    monkeypatch.setattr(tile_permission.sys, "platform", "linux")
    monkeypatch.setattr(tile_permission.platform, "machine", lambda: "x86_64")
    tile_permission.refusal.cache_clear()
    yield library
    tile_permission.refusal.cache_clear()


@pytest.mark.parametrize("system", [0], indirect=True)
def test_it_is_asked_for_once_and_only_by_code_with_tiles(system: Answering) -> None:
    require_tile_permission(find("cpu:sapphirerapids-avx512").requires, "cpu:sapphirerapids-avx512")
    assert system.asked == []
    for _ in range(3):
        require_tile_permission(find("cpu:sapphirerapids").requires, "cpu:sapphirerapids")
    assert system.asked == [(158, 0x1023, 18)]


@pytest.mark.parametrize("system", [errno.EINVAL, errno.EPERM], indirect=True)
def test_a_refusal_says_what_to_compile(system: Answering) -> None:
    for _ in range(2):
        with pytest.raises(IncompatibleError, match="the code for cpu:sapphirerapids needs AMX") as caught:
            require_tile_permission([TILE_FLAG], "cpu:sapphirerapids")
        assert "arch_prctl" in caught.value.why and "--target cpu:sapphirerapids-avx512" in caught.value.remedy
    assert len(system.asked) == 1


@pytest.mark.parametrize("system", [0], indirect=True)
def test_other_systems_are_not_asked(system: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_permission.platform, "machine", lambda: "aarch64")
    with pytest.raises(IncompatibleError, match="may not use") as caught:
        require_tile_permission([TILE_FLAG], "x")
    assert "aarch64" in caught.value.why and system.asked == []


@pytest.mark.skipif(TILE_FLAG not in cpu_flags(), reason="this machine has no AMX")
def test_this_machine_permits_it() -> None:
    program = (
        "import ctypes\n"
        "from tilewright.runtime.tile_permission import require_tile_permission\n"
        "require_tile_permission(['amx_tile'], 'x')\n"
        "held = ctypes.c_uint64()\n"
        "assert ctypes.CDLL(None).syscall(158, 0x1022, ctypes.byref(held)) == 0\n"
        "assert held.value >> 18 & 1\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
