"""Finding linkers and linking."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from tilewright.codegen.elf import read_symbols
from tilewright.codegen.link import find_linker, link_shared
from tilewright.codegen.llvm_object import compile_object
from tilewright.core.diagnostics import ToolchainError
from tilewright.targets import find

FUNCTION = "define i32 @seven() {\n  ret i32 7\n}\n"
CALLER = "declare i32 @seven()\ndefine i32 @call() {\n  %x = call i32 @seven()\n  ret i32 %x\n}\n"
ZIG = f"{sys.executable} -m ziglang ld.lld"

needs_zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")


def objects(target_name: str) -> list[bytes]:
    target = find(target_name)
    return [compile_object(FUNCTION, target).object, compile_object(CALLER, target, allowed_undefined=frozenset({"seven"})).object]


@pytest.mark.parametrize("linker", [None, "ld", "cc", "gcc", "clang", "ld.lld"])
def test_linkers_of_the_system(linker: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if linker is not None and shutil.which(linker) is None:
        pytest.skip(f"{linker} is not installed")
    monkeypatch.setenv("TILEWRIGHT_LINKER", linker or "")
    shared = link_shared(objects("native"), find("native"))
    assert shared.startswith(b"\x7fELF")


@needs_zig
@pytest.mark.parametrize("target", ["native", "cpu:x86-64-v3", "cpu:aarch64"])
def test_ziglang_links_for_any_target(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_LINKER", ZIG)
    shared = link_shared(objects(target), find(target))
    assert {"seven", "call"} <= {s.name for s in read_symbols(shared) if s.defined}


@needs_zig
def test_ziglang_is_found_when_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TILEWRIGHT_LINKER", raising=False)
    assert find_linker(find("cpu:x86-64-v3")).command == tuple(ZIG.split(" "))


def test_no_linker_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TILEWRIGHT_LINKER", raising=False)
    monkeypatch.setattr("tilewright.codegen.link.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolchainError, match="no linker for aarch64") as caught:
        find_linker(find("cpu:neoverse-n1"))
    assert "ld.lld" in caught.value.why and "ziglang" in caught.value.why
    assert "pip install ziglang" in caught.value.remedy and "apt-get install lld" in caught.value.remedy
    assert caught.value.exit_code == 7


def test_a_wanted_linker_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_LINKER", "/no/such/linker")
    with pytest.raises(ToolchainError, match=r"'/no/such/linker' of TILEWRIGHT_LINKER does not exist"):
        find_linker(find("native"))


def test_a_failing_linker_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "linker"
    script.write_text("#!/bin/sh\necho the disk is on fire >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("TILEWRIGHT_LINKER", str(script))
    with pytest.raises(ToolchainError, match="failed with exit code 3") as caught:
        link_shared(objects("native"), find("native"))
    assert "the disk is on fire" in caught.value.why
