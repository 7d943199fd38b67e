"""`load(weights=...)` and `tilewright run --weights`: the same results from mapped and from copied weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import artifacts
import numpy as np
import pytest

import tilewright
from tilewright import runtime

X = np.random.default_rng(1).standard_normal((7, 16), np.float32)


def addresses(program: runtime.Program) -> list[int]:
    weights: Any = vars(program)["_weights"]
    return [weights.address(weight.section) for weight in program.artifact.manifest.weights]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_copied_weights_give_the_same_results(artifact_path: Path, threads: int) -> None:
    with tilewright.load(artifact_path, threads=threads, weights="copy") as program:
        result = program(X, X)
        for got, want in zip([*result["pair"], *result["rest"]], artifacts.expected(X, X), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-6)


def test_the_default_uses_the_file_in_place(artifact_path: Path) -> None:
    def lie_in_the_file(program: runtime.Program) -> list[bool]:
        ranges: list[tuple[int, int]] = []
        for line in Path("/proc/self/maps").read_text().splitlines():
            if line.endswith(str(artifact_path)):
                start, end = line.split()[0].split("-")
                ranges.append((int(start, 16), int(end, 16)))
        return [any(start <= address < end for start, end in ranges) for address in addresses(program)]

    with tilewright.load(artifact_path, threads=1) as program:
        assert lie_in_the_file(program) == [True]
    with tilewright.load(artifact_path, threads=1, weights="copy") as program:
        assert lie_in_the_file(program) == [False]


def test_unknown_placement(artifact_path: Path) -> None:
    wrong: Any = "disk"
    with pytest.raises(runtime.RuntimeFailure, match="weights is 'disk'"):
        tilewright.load(artifact_path, weights=wrong)


def test_a_file_that_shrinks_before_it_is_copied(artifact_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "shrinking.tw"
    path.write_bytes(artifact_path.read_bytes())
    artifact = runtime.Artifact(path)
    (weight,) = artifact.manifest.weights
    with path.open("r+b") as file:
        file.truncate(weight.section.offset + 8)
    with pytest.raises(runtime.ArtifactError, match=rf"is truncated\n  why: it ends at byte {weight.section.offset + 8}"):
        artifact.read_into(memoryview(bytearray(weight.section.nbytes)), weight.section.offset)
    artifact.close()


def test_a_directory_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(runtime.ArtifactError, match=r"cannot open(.|\n)*it is not a regular file"):
        tilewright.load(tmp_path)


def test_the_command(artifact_path: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    inputs = ["--input", f"x={tmp_path / 'x.npy'}", "--input", f"y={tmp_path / 'x.npy'}"]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tilewright.tools.cli", "run", str(artifact_path), *inputs, "--threads", "2", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    mapped, copied = run(), run("--weights", "copy")
    assert mapped.returncode == 0 and mapped.stdout == copied.stdout != "", copied.stderr
    wrong = run("--weights", "disk")
    assert wrong.returncode == 8 and "weights is 'disk'" in wrong.stderr and "Traceback" not in wrong.stderr
