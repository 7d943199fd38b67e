"""A kernel that LLVM compiles for ever, in `tilewright compile` and in the compiler behind the API.

No code that our lowerings make hangs LLVM, so one kernel of the program gets code that does; all else is as it ships.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from canned_lowering import HANGING_TARGET

from tilewright.api.compiler import compile_program
from tilewright.api.sources import read_program
from tilewright.codegen.compile_program import compile_program as codegen
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import WorkerError
from tilewright.core.options import CompileOptions

LOWERING = "canned_lowering:softmax_hangs"
_PROGRAM = """
func.func @main(%x: tensor<?x64xf32, "s0, 64"> {tw.name = "x"})
    -> (tensor<?x64xf32, "s0, 64"> {tw.name = "probabilities"}, tensor<64xf32> {tw.name = "sum"})
    attributes {tw.symbols = {s0 = array<i64: 1, 128>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x64xf32, "s0, 64">) -> tensor<?x64xf32, "s0, 64">
  %1 = "tw.reduce"(%x) {dims = array<i64: 0>, kind = "add"} : (tensor<?x64xf32, "s0, 64">) -> tensor<64xf32>
  return %0, %1 : tensor<?x64xf32, "s0, 64">, tensor<64xf32>
}
"""
_DRIVER = f"""
from tilewright.codegen.compile_program import compile_program
compile_program.__kwdefaults__["lower"] = {LOWERING!r}
from tilewright.tools.cli import main
main()
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that becomes a kernel called softmax and one called reduce."""
    path = tmp_path / "program.mlir"
    path.write_text(_PROGRAM)
    return path


def processes_of(folder: Path) -> Iterator[int]:
    """Running processes that were started with `folder` as their directory of reproducers."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and f"TILEWRIGHT_REPRODUCER_DIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)
        except OSError:
            continue


def test_the_command(program: Path, tmp_path: Path) -> None:
    settings = {"TILEWRIGHT_REPRODUCER_DIR": str(tmp_path), "TILEWRIGHT_CACHE_DIR": str(tmp_path / "cache")}
    environment = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])}
    arguments = ["compile", program, "--target", HANGING_TARGET, "--jobs", "2", "--timeout", "3", "--verbose"]
    command = [sys.executable, "-c", _DRIVER, *map(str, arguments), "-o", str(tmp_path / "model.tw")]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=environment) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 6 and output == "" and "Traceback" not in errors, errors
    assert "compiling softmax made its worker stop: it did not finish within 3 s and was killed" in errors
    assert "softmax, phase llvm" in errors
    (reproducer,) = tmp_path.glob("tilewright-*.mlir")
    assert f"report it with {reproducer}" in errors
    assert re.search(rf"run it again: \S+ -m tilewright.codegen.worker --replay {re.escape(str(reproducer))}", errors)
    assert not (tmp_path / "model.tw").exists() and not list(tmp_path.glob("model.tw*")), "no half artifact is left"
    assert not list(processes_of(tmp_path)), "the hung worker is gone"
    assert "more kernels failed" not in errors, "the others were compiled"


def test_the_api(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_REPRODUCER_DIR", str(tmp_path))
    monkeypatch.setenv("TILEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    options = CompileOptions(targets=(HANGING_TARGET,), compile_to="codegen")
    with WorkerPool(1, timeout_s=3) as pool:
        with monkeypatch.context() as patch, pytest.raises(WorkerError, match="compiling softmax made its worker stop") as caught:
            patch.setattr("tilewright.api.compiler.generate_code", functools.partial(codegen, lower=LOWERING))
            compile_program(read_program(program), None, options, pool=pool)
        assert caught.value.exit_code == 6 and caught.value.where == "softmax, phase llvm"
        assert str(next(tmp_path.glob("tilewright-*.mlir"))) in caught.value.remedy
        result = compile_program(read_program(program), None, options, pool=pool)
    assert {kernel["name"] for kernel in result.report["targets"][0]["kernels"]} == {"softmax", "reduce"}, "the pool goes on"
