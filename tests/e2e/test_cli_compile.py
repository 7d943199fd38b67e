"""`tilewright compile`: what it writes and prints, phases in and out, and its failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.export import Dim

from tilewright import load


class Small(torch.nn.Module):
    """A linear layer, GELU, softmax: a matmul kernel and a loop kernel."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(32, 48)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = torch.nn.functional.gelu(self.linear(x))
        return {"probabilities": hidden.softmax(-1), "hidden": hidden}


class Unsupported(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(x).abs() + x.sort(dim=-1)[0][..., :17]


class Double(torch.nn.Module):
    """An MLP in float64, whose GELU and softmax have no code."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(32, 48), torch.nn.Linear(48, 16)
        self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.nn.functional.gelu(self.first(x))
        return torch.nn.functional.gelu(self.second(hidden)).softmax(-1)


def cli(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tilewright.tools.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def small() -> Small:
    return Small().eval()


@pytest.fixture(scope="module")
def model(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as a .pt2 with a dynamic batch."""
    path = tmp_path_factory.mktemp("model") / "small.pt2"
    shapes = {"x": {0: Dim("batch", min=1, max=64)}}
    torch.export.save(torch.export.export(small, (torch.ones(2, 32),), dynamic_shapes=shapes), path)
    return path


@pytest.fixture(scope="module")
def compiled(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that one compilation can write."""
    folder = tmp_path_factory.mktemp("compiled")
    done = cli(
        "compile", model, "-o", folder / "small.tw", "--target", "native", "--target", "cpu:x86-64-v3", "--report", folder / "report.json",
        "--timing", "--dump-dir", folder / "dump", "--no-cache", "--jobs", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    (folder / "stderr").write_text(done.stderr)
    return folder


@pytest.fixture
def plan(compiled: Path) -> list[str | Path]:
    """Arguments that continue from a dump, which takes no torch and no weights until the artifact is written."""
    (path,) = (compiled / "dump").glob("*-plan-cpu-x86-64-v3.mlir")
    return [path, "--compile-from", "plan", "--target", "cpu:x86-64-v3"]


def check_results(artifact: Path, small: Small) -> None:
    x = torch.randn(5, 32)
    got = load(artifact)(x)
    assert list(got) == ["probabilities", "hidden"]
    for name, want in small(x).items():
        np.testing.assert_allclose(got[name].numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_artifact(compiled: Path, small: Small) -> None:
    check_results(compiled / "small.tw", small)


def test_report(compiled: Path) -> None:
    report = json.loads((compiled / "report.json").read_text())
    assert report["model"] == "small.pt2" and report["unsupported"] == [] and len(report["targets"]) == 2
    kernels = report["targets"][0]["kernels"]
    assert {"matmul"} <= {op for kernel in kernels for op in kernel["ops"]}
    assert all(kernel["calls"] >= 1 and kernel["instructions"] and kernel["sources"] for kernel in kernels)
    phases = [phase["name"] for phase in report["phases"]]
    assert phases[:3] == ["import torch", "read", "import"] and phases[-1] == "artifact"


def test_tables(compiled: Path) -> None:
    text = (compiled / "stderr").read_text()
    assert "made of" in text and "matmul" in text and "arena of" in text
    assert "phase" in text and "import torch" in text and "total" in text
    assert "\r" not in text and "\x1b" not in text, "nothing is drawn into a pipe"


def test_dumps(compiled: Path) -> None:
    names = [path.name for path in (compiled / "dump").iterdir()]
    assert {"00-import.mlir", "01-simplify.mlir"} <= set(names)
    suffixes = {path.suffix for path in (compiled / "dump").rglob("*.*")}
    assert {".mlir", ".ll", ".s"} <= suffixes


def test_phases_can_be_left_and_entered(model: Path, small: Small, tmp_path: Path) -> None:
    plan = tmp_path / "plan.mlir"
    done = cli("compile", model, "--compile-to", "plan")
    assert done.returncode == 0 and "tw.slots" in done.stdout, done.stderr
    plan.write_text(done.stdout)
    done = cli("compile", plan, "--compile-from", "plan", "--weights", model, "-o", tmp_path / "small.tw")
    assert done.returncode == 0 and done.stdout == "" and done.stderr == "", done.stderr
    check_results(tmp_path / "small.tw", small)
    done = cli("compile", plan, "--compile-from", "plan", "-o", tmp_path / "other.tw")
    assert done.returncode == 2 and "has no weight" in done.stderr and "--weights model.pt2" in done.stderr
    assert "read_program(" in done.stderr and not (tmp_path / "other.tw").exists()


def test_ir_can_be_printed(model: Path) -> None:
    done = cli("compile", model, "--compile-to", "simplify", "--print-ir-after-change", "-o", os.devnull)
    assert done.returncode == 0 and done.stdout == "" and "tw-" in done.stderr and "func.func @main" in done.stderr


def test_unsupported_ops_are_all_reported(tmp_path: Path) -> None:
    path, report = tmp_path / "unsupported.pt2", tmp_path / "report.json"
    torch.export.save(torch.export.export(Unsupported(), (torch.ones(2, 32),)), path)
    done = cli("compile", path, "-o", tmp_path / "x.tw", "--report", report)
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert "fft" in done.stderr and "sort" in done.stderr and "test_cli_compile.py" in done.stderr
    records = json.loads(report.read_text())["unsupported"]
    assert len(records) >= 2 and all(record["count"] >= 1 and record["sources"] for record in records)
    assert not (tmp_path / "x.tw").exists()


def test_functions_without_float64_are_all_reported_before_lowering(tmp_path: Path) -> None:
    path, report = tmp_path / "double.pt2", tmp_path / "report.json"
    torch.export.save(torch.export.export(Double().eval(), (torch.ones(2, 32, dtype=torch.float64),)), path)
    done = cli("compile", path, "-o", tmp_path / "x.tw", "--report", report)
    assert done.returncode == 3 and "Traceback" not in done.stderr, done.stderr
    assert "math.erf x2" in done.stderr and "tw.softmax x1" in done.stderr and "float32" in done.stderr
    records = json.loads(report.read_text())["unsupported"]
    assert [(r["op"], r["count"]) for r in records] == [("math.erf", 2), ("tw.softmax", 1)]
    assert len(records[0]["sources"]) == 2 and all("test_cli_compile.py" in s for r in records for s in r["sources"])
    assert all(r["reason"] and r["alternative"] for r in records)
    assert not (tmp_path / "x.tw").exists()
    assert cli("compile", path, "--compile-to", "simplify", "-o", os.devnull).returncode == 0, "targets do not matter yet"


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_text("hello")
    done = cli("compile", path, "-o", tmp_path / "x.tw")
    assert done.returncode == 2 and "error: this is not a .pt2 file" in done.stderr and "Traceback" not in done.stderr


def test_a_missing_linker(plan: list[str | Path], tmp_path: Path) -> None:
    done = cli("compile", *plan, "-o", tmp_path / "x.tw", "--no-cache", TILEWRIGHT_LINKER="no-such-ld")
    assert done.returncode == 7 and "no-such-ld" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "x.tw").exists()


def test_a_worker_that_hangs(plan: list[str | Path], tmp_path: Path) -> None:
    done = cli("compile", *plan, "-o", tmp_path / "x.tw", "--no-cache", "--timeout", "0.001", TMPDIR=str(tmp_path))
    assert done.returncode == 6 and "run it again: " in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "x.tw").exists()


def test_an_output_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    done = cli("compile", model, "-o", tmp_path / "missing" / "x.tw")
    assert done.returncode == 2 and "missing" in done.stderr and "Traceback" not in done.stderr
    done = cli("compile", model, "-o", tmp_path)
    assert done.returncode == 2 and "it is a directory" in done.stderr and "Traceback" not in done.stderr
    done = cli("compile", model, "-o", tmp_path / "x.tw", "--dump-dir", model)
    assert done.returncode == 2 and "the dump directory cannot be made" in done.stderr and "Traceback" not in done.stderr
    done = cli("compile", model, "-o", tmp_path / "x.tw", "--compile-to", "codegen")
    assert done.returncode == 2 and "writes no output" in done.stderr


def test_phases_that_do_not_fit_the_module(plan: list[str | Path], tmp_path: Path) -> None:
    done = cli("compile", plan[0], "-o", tmp_path / "x.tw")
    assert done.returncode == 2 and "has kernels already" in done.stderr and "--compile-from" in done.stderr
    done = cli("compile", plan[0], "--compile-from", "plan", "--compile-to", "fuse")
    assert done.returncode == 2 and "which is before it" in done.stderr


def test_errors_in_a_module_name_its_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.mlir"
    path.write_text("module {\n  func.func @main( {}\n}\n")
    done = cli("compile", path, "-o", tmp_path / "x.tw")
    assert done.returncode == 2 and f"{path}:2:" in done.stderr, done.stderr
