from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tilewright.core.diagnostics import InputError
from tilewright.core.reproducer import Reproducer, new_reproducer_path, read_reproducer, write_reproducer


def test_round_trip(tmp_path: Path) -> None:
    saved = Reproducer("module {\n}\n", 'a{x="1 2"}', "pass a died", verify_each=False, timeout_s=1.5, pass_modules=("m",))
    path = tmp_path / "with space" / "r.mlir"
    command = write_reproducer(saved, path, ["tilewright-opt"])
    assert command == f"tilewright-opt --run-reproducer '{path}'"
    text = path.read_text()
    assert command in text
    read = read_reproducer(text, "r.mlir")
    assert dataclasses.replace(read, ir=saved.ir) == saved
    assert read.ir.endswith(saved.ir)


@pytest.mark.parametrize("text", ["", "module {}", "// Tilewright reproducer: x\n// settings: {\n"])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_reproducer(text, "r.mlir")


def test_paths_are_unique(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path / "new"))
    first, second = new_reproducer_path("tw-x/y"), new_reproducer_path("tw-x/y")
    assert first != second
    assert first.parent == tmp_path / "new"
    assert first.name.startswith("tilewright-tw-x-y-")
