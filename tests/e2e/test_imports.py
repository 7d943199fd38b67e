"""What importing costs and pulls in: the runtime alone is NumPy and the standard library."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

COMPILER = ("mlir", "llvmlite", "torch", "jax", "ml_dtypes")


def modules_after(code: str) -> set[str]:
    """Top-level modules that are loaded after `code` ran in a fresh process."""
    script = f"{code}\nimport sys\nprint(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    return set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()[-1].split())


def test_the_package_imports_nothing() -> None:
    assert not modules_after("import tilewright") & {*COMPILER, "numpy", "typer", "rich"}


def test_the_runtime_imports_numpy_only() -> None:
    others = "[m for m in sys.modules if m.startswith('tilewright.') and not m.startswith(('tilewright.runtime', 'tilewright.version'))]"
    loaded = modules_after(f"import tilewright.runtime, sys; assert not {others}")
    assert "numpy" in loaded and not loaded & {*COMPILER, "typer", "rich"}


@pytest.mark.parametrize("command", ["run", "inspect", "targets", "cache_"])
def test_commands_that_need_the_runtime_alone(command: str) -> None:
    module = {"cache_": "cache"}.get(command, command)
    assert not modules_after(f"import tilewright.tools.cli, tilewright.tools.{module}_command") & set(COMPILER)


def test_without_the_compiler_the_command_says_what_to_install(tmp_path: Path) -> None:
    # `-S -s` and a path without site-packages would lose NumPy too, so the missing package is simulated.
    (tmp_path / "model.mlir").write_text("module {}")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['mlir'] = None\n")
    command = [sys.executable, "-m", "tilewright.tools.cli", "compile", str(tmp_path / "model.mlir"), "-o", str(tmp_path / "x.tw")]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": ""})
    assert done.returncode == 7, done.stderr
    assert 'pip install "tilewright[compiler]"' in done.stderr


def test_without_llvmlite_the_command_says_what_to_install(tmp_path: Path) -> None:
    hidden = """
        import importlib.metadata, sys
        sys.modules["llvmlite"] = None
        real = importlib.metadata.version
        def version(name):
            if name == "llvmlite":
                raise importlib.metadata.PackageNotFoundError(name)
            return real(name)
        importlib.metadata.version = version
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(hidden))
    (tmp_path / "model.mlir").write_text("module {}")
    command = [sys.executable, "-m", "tilewright.tools.cli", "compile", str(tmp_path / "model.mlir"), "-o", str(tmp_path / "x.tw")]
    root = Path(__file__).resolve().parents[2]
    environment = {"PYTHONPATH": f"{tmp_path}:{root}", "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 7 and "no llvmlite" in done.stderr and 'pip install "tilewright[torch]"' in done.stderr
    code = "import tilewright.codegen.llvm_object"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "ToolchainError: llvmlite, which makes machine code, is not installed" in done.stderr


def test_without_torch_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"PK")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    command = [sys.executable, "-m", "tilewright.tools.cli", "compile", str(tmp_path / "model.pt2"), "-o", str(tmp_path / "x.tw")]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": ""})
    assert done.returncode == 7, done.stderr
    assert 'pip install "tilewright[torch]"' in done.stderr
