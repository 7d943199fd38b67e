"""`--precision bf16`: what is computed, and what the report says of it."""

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

import tilewright
from tilewright.core.diagnostics import InputError
from tilewright.core.options import CompileOptions


class Block(torch.nn.Module):
    """Embedding, norm, attention and a feed-forward layer, with a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.norm = torch.nn.Embedding(50, 32), torch.nn.LayerNorm(32)
        self.qkv, self.up, self.down = torch.nn.Linear(32, 96), torch.nn.Linear(32, 48), torch.nn.Linear(48, 32)

    def forward(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.embedding(ids)
        q, k, v = (t.unflatten(-1, (2, 16)).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, -1))
        x = x + torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.down(torch.nn.functional.gelu(self.up(x)))
        return {"hidden": x, "best": x.argmax(-1)}


IDS = torch.arange(14).reshape(2, 7)
SHAPES = {"ids": {0: Dim("batch", min=1, max=8), 1: Dim("sequence", min=2, max=64)}}
LINEARS = ["(qkv)", "(up)", "(down)"]


@pytest.fixture(scope="module")
def block() -> Block:
    return Block().eval()


@pytest.fixture(scope="module")
def model(block: Block, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "block.pt2"
    torch.export.save(torch.export.export(block, (IDS,), dynamic_shapes=SHAPES), path)
    return path


def cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tilewright.tools.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})


def check_output(hidden: torch.Tensor, block: Block, bound: float) -> None:
    expected = block(IDS)["hidden"].detach()
    error = (hidden - expected).abs().max() / expected.abs().max()
    assert 1e-5 < error < bound, "bf16 has 8 bits: not exact, and not far"


def test_report_on_inputs_of_a_file(model: Path, block: Block, tmp_path: Path) -> None:
    np.savez(tmp_path / "batch.npz", ids=IDS.numpy())
    report_file, artifact = tmp_path / "report.json", tmp_path / "block.tw"
    done = cli("compile", model, "-o", artifact, "--precision", "bf16", "--inputs", tmp_path / "batch.npz", "--report", report_file)
    assert done.returncode == 0, done.stderr
    assert "3 matmuls on bf16 operands; on batch.npz, against f32:" in done.stderr
    precision = json.loads(report_file.read_text())["precision"]
    assert [entry["op"] for entry in precision["changed"]] == ["tw.matmul"] * 3
    assert all("test_precision.py:" in entry["source"] for entry in precision["changed"])
    assert [entry["source"].split()[-1] for entry in precision["changed"]] == LINEARS
    assert precision["error"]["inputs"] == "batch.npz"
    hidden, best = precision["error"]["outputs"]
    assert hidden["name"] == "hidden" and hidden["not_finite_in_one"] == 0
    assert 1e-5 < hidden["max_relative_error"] < 1e-2 and hidden["max_relative_error"] == hidden["max_error"] / hidden["largest"]
    assert best["name"] == "best" and best["elements"] == 14 and best["different"] <= 1
    with tilewright.load(artifact) as program:
        check_output(program(IDS)["hidden"], block, 1e-2)
        manifest = program.artifact.manifest
        matrices = {w.name: w.dtype for w in manifest.weights if w.name.endswith("weight") and "norm" not in w.name}
        assert matrices == {"embedding.weight": "f32", "qkv.weight": "bf16", "up.weight": "bf16", "down.weight": "bf16"}
        assert manifest.report["precision"] == precision
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batch.npz", "block.tw", "report.json"], "nothing temporary is left"


def test_random_inputs_and_one_line(model: Path, tmp_path: Path) -> None:
    done = cli("compile", model, "-o", tmp_path / "block.tw", "--precision", "bf16")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("note: 3 matmuls on bf16 operands; on random inputs (seed 0, s0=8, s1=16), against f32:"), done.stderr


def test_example_arguments_from_python(block: Block, tmp_path: Path) -> None:
    program = tilewright.compile(block, (IDS,), dynamic_shapes=SHAPES, precision="bf16", output=tmp_path / "block.tw")
    check_output(program(IDS)["hidden"], block, 1e-2)
    report = program.artifact.manifest.report
    assert isinstance(report, dict) and report["precision"]["error"]["inputs"] == "the example arguments"


def test_f32_says_nothing(block: Block) -> None:
    program = tilewright.compile(block, (IDS,), dynamic_shapes=SHAPES, precision="f32")
    assert isinstance(program.artifact.manifest.report, dict) and "precision" not in program.artifact.manifest.report
    np.testing.assert_allclose(program(IDS)["hidden"].numpy(), block(IDS)["hidden"].detach().numpy(), atol=1e-5)


def test_code_for_another_machine_is_not_measured(model: Path, tmp_path: Path) -> None:
    done = cli("compile", model, "-o", tmp_path / "block.tw", "--precision", "bf16", "--target", "cpu:neoverse-n1")
    assert done.returncode == 0, done.stderr
    assert "note: 3 matmuls on bf16 operands; error not measured:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "fp8"], "there is no precision 'fp8'\n  fix: take one of f32, bf16"),
        (["--inputs", "batch.npz"], "there is no file batch.npz"),
        (["--precision", "bf16", "--inputs", __file__], "the inputs cannot be read"),
        (["--inputs", __file__], "--inputs goes with --precision"),
    ],
)
def test_mistakes(arguments: list[str], message: str, model: Path, tmp_path: Path) -> None:
    done = cli("compile", model, "-o", tmp_path / "block.tw", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_precision_after_its_phase(model: Path, tmp_path: Path) -> None:
    fused = tmp_path / "fused.mlir"
    assert cli("compile", model, "--compile-to", "fuse", "-o", fused).returncode == 0
    done = cli("compile", fused, "--compile-from", "schedule", "--weights", model, "--precision", "bf16", "-o", tmp_path / "block.tw")
    assert done.returncode == 2 and "the precision bf16 cannot be chosen from schedule on" in done.stderr


def test_unknown_precision_in_python(block: Block) -> None:
    with pytest.raises(InputError, match="there is no precision 'half'"):
        CompileOptions(precision="half")
    with pytest.raises(InputError, match=r"there is no precision 'bfloat16'(?s:.*)f32, bf16"):
        tilewright.compile(block, (IDS,), precision="bfloat16")


def test_help_has_an_example() -> None:
    done = cli("compile", "--help")
    assert "--precision bf16 --inputs batch.npz" in done.stdout and "--precision f32|bf16" in done.stdout
