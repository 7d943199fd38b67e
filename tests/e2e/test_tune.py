"""`tilewright tune`, and compiling with what it found."""

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
from typer.testing import CliRunner

from tilewright import load
from tilewright.core.diagnostics import TilewrightError
from tilewright.targets import host_target
from tilewright.tools.cli import app

KERNEL = """
func.func private @linear(%x: tensor<?x96xf32, "d0, 96">, %w: tensor<96x96xf32> {tw.weight}) -> tensor<?x96xf32, "d0, 96">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}, tw.schedule = {
      kind = "matmul", mr = 1 : i64, nr = LANES : i64, mb = 64 : i64, unroll = 1 : i64, rhs = "packed", source = "user:slow"}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<?x96xf32, "d0, 96">, tensor<96x96xf32>) -> tensor<?x96xf32, "d0, 96">
  return %0 : tensor<?x96xf32, "d0, 96">
}
"""
ROWS = 'tensor<?x96xf32, "s0, 96">'
MAIN = f"""
func.func @main(%x: {ROWS}) -> {ROWS} attributes {{tw.symbols = {{s0 = array<i64: 1, 512>}}}} {{
  %w = "tw.weight"() {{name = "w"}} : () -> tensor<96x96xf32>
  %0 = "tw.launch"(%x, %w) {{callee = @linear, symbols = {{d0 = "s0"}}}} : ({ROWS}, tensor<96x96xf32>) -> {ROWS}
  return %0 : {ROWS}
}}
"""


class Mlp(torch.nn.Module):
    """Two matmul kernels, one of them launched twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64), torch.nn.Linear(64, 33)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))))


def cli(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tilewright.tools.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_a_model_tuned_and_compiled(tmp_path: Path) -> None:
    model, database, artifact, report = (tmp_path / name for name in ("mlp.pt2", "s.json", "mlp.tw", "report.json"))
    module = Mlp().eval()
    shapes = {"x": {0: Dim("batch", min=1, max=64)}}
    torch.export.save(torch.export.export(module, (torch.ones(2, 64),), dynamic_shapes=shapes), model)
    done = cli("tune", model, "-o", database, "--budget", "3", "--threads", "1", "--sizes", "s0=5", "--sizes", "x.0=16", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sizes"] == [{"s0": 5}, {"s0": 16}] and found["target"] == host_target().name
    assert all(k["ratio"] <= 1 and all(c["why"] is None for c in k["candidates"]) for k in found["kernels"])
    assert any(k["candidates"] for k in found["kernels"])
    entries = json.loads(database.read_text())["entries"]
    assert {e["kernel"] for e in entries} == {k["kernel"] for k in found["kernels"]}
    assert len(entries) + len(found["skipped"]) >= 2, "on a busy machine there may be no time for all"
    assert all(e["source"].startswith(("tuned:", "rule:")) for e in entries)
    done = cli("compile", model, "-o", artifact, "--schedules", database, "--report", report)
    assert done.returncode == 0, done.stderr
    kernels = json.loads(report.read_text())["targets"][0]["kernels"]
    sources = {k["schedule"]["source"] for k in kernels if k["kind"] == "matmul"}
    assert sources - {"rule:dense"} == {e["source"] for e in entries} - {"rule:dense"}
    x = torch.randn(7, 64)
    with torch.no_grad():
        np.testing.assert_allclose(load(artifact)(x).numpy(), module(x).numpy(), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The database of a kernel whose schedule is many times slower than others."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "kernel.mlir").write_text(KERNEL.replace("LANES", str(host_target().vector_lanes(32))))
    done = cli("tune", folder / "kernel.mlir", "-o", folder / "s.json", "--budget", "4", "--threads", "1", "--sizes", "d0=64", "-v")
    assert done.returncode == 0, done.stderr
    return folder / "s.json", done


def test_a_slow_schedule_is_replaced(tuned: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    database, done = tuned
    (entry,) = json.loads(database.read_text())["entries"]
    assert entry["source"] == "tuned:d0=64" and entry["schedule"]["mr"] > 1 and entry["ratio"] < 0.8
    assert entry["rule"]["source"] == "user:slow" and entry["sizes"] == [{"d0": 64}]
    assert "measured on" in done.stdout and "d0 = 64" in done.stdout and "linear" in done.stdout
    assert "1 of 1 kernel found faster" in done.stdout and "--schedules" in done.stdout
    assert "tune linear" in done.stderr and "tile" in done.stderr


def test_the_report_names_the_source(tuned: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    database, _ = tuned
    program = tmp_path / "program.mlir"
    start = KERNEL.index("tw.schedule")
    program.write_text(MAIN + KERNEL[:start].rstrip(", \n") + "}" + KERNEL[KERNEL.index("}} {") + 2 :])
    done = cli("compile", program, "--compile-from", "schedule", "--compile-to", "codegen", "--schedules", database, "--report", "-")
    assert done.returncode == 0, done.stderr
    (target,) = json.loads(done.stdout)["targets"]
    assert target["kernels"][0]["schedule"]["source"] == "tuned:d0=64"
    assert target["schedules"] == {"file": str(database), "entries": 1, "used": 1, "other_targets": {}}
    assert "tuned:d0=64" in done.stderr and "1 entries for" in done.stderr


def test_entries_for_other_targets_are_noted(tuned: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    data = json.loads(tuned[0].read_text())
    data["entries"][0]["target"] = "cpu:neoverse-v1"
    (tmp_path / "s.json").write_text(json.dumps(data))
    (tmp_path / "program.mlir").write_text(MAIN + KERNEL.replace("LANES", str(host_target().vector_lanes(32))))
    done = cli(
        "compile", tmp_path / "program.mlir", "--compile-from", "schedule", "--compile-to", "codegen", "--schedules", tmp_path / "s.json"
    )
    assert done.returncode == 0, done.stderr
    assert f"not used for {host_target().name}: 1 for cpu:neoverse-v1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing.mlir"], 2, "there is no file nothing.mlir"),
        (["KERNEL", "--target", "cpu:neoverse-v1"], 3, "code for cpu:neoverse-v1 cannot be timed on this machine"),
        (["KERNEL", "--sizes", "batch=1"], 2, "there is no dynamic size called 'batch'"),
        (["KERNEL", "--kernel", "lineer"], 2, "did you mean 'linear'?"),
        (["KERNEL", "-o", "."], 2, "it is a directory"),
        (["KERNEL", "-o", "KERNEL"], 2, "the schedules are not JSON"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    kernel = tmp_path / "kernel.mlir"
    kernel.write_text(KERNEL.replace("LANES", "16"))
    given = [str(kernel) if a == "KERNEL" else a for a in ["tune", "-o", str(tmp_path / "new.json"), *arguments]]
    error = CliRunner().invoke(app, given).exception
    assert isinstance(error, TilewrightError) and message in str(error) and error.exit_code == code
