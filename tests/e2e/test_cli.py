"""The command line on an artifact: run, inspect, targets, cache, and how errors are shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import artifacts
import numpy as np
import pytest

import tilewright


def cli(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `tilewright` in a process of its own; its output is a pipe."""
    command = [sys.executable, "-m", "tilewright.tools.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The inputs of the small program as .npy files."""
    folder, random = tmp_path_factory.mktemp("arrays"), np.random.default_rng(0)
    paths = {name: folder / f"{name}.npy" for name in ("x", "y")}
    for path in paths.values():
        np.save(path, random.standard_normal((5, 16), np.float32))
    return paths


def input_options(arrays: dict[str, Path]) -> list[str]:
    return [option for name, path in arrays.items() for option in ("--input", f"{name}={path}")]


def test_run_writes_results(artifact_path: Path, arrays: dict[str, Path], tmp_path: Path) -> None:
    done = cli("run", artifact_path, *input_options(arrays), "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    expected = artifacts.expected(np.load(arrays["x"]), np.load(arrays["y"]))
    written = [np.load(tmp_path / "out" / line.partition(": ")[0].rpartition("/")[2]) for line in done.stdout.splitlines()]
    for got, want in zip(written, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_run_describes_results_and_times_calls(artifact_path: Path, arrays: dict[str, Path]) -> None:
    done = cli("run", artifact_path, *input_options(arrays), "--threads", "1", "--repeat", "3")
    assert done.returncode == 0 and "pair.0: float32[5, 16]" in done.stdout
    assert "3 calls, 1 threads: min" in done.stdout.splitlines()[-1]


def test_run_reads_npz(artifact_path: Path, arrays: dict[str, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.npz"
    np.savez(both, x=np.load(arrays["x"]), y=np.load(arrays["y"]))
    assert cli("run", artifact_path, "-i", f"x={both}:x", "-i", f"y={both}:y").returncode == 0
    done = cli("run", artifact_path, "-i", f"x={both}", "-i", f"y={both}:y")
    assert done.returncode == 2 and "holds several arrays" in done.stderr and f"--input x={both}:y" in done.stderr
    done = cli("run", artifact_path, "-i", f"x={both}:z", "-i", f"y={both}:y")
    assert done.returncode == 2 and "holds no array 'z'" in done.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("x", "--input 'x' is not NAME=FILE"),
        ("x=missing.npy", "the input 'x' cannot be read"),
        (f"x={__file__}", "the input 'x' cannot be read"),
    ],
)
def test_run_with_unusable_inputs(option: str, message: str, artifact_path: Path) -> None:
    done = cli("run", artifact_path, "--input", option)
    assert done.returncode == 2 and f"error: {message}" in done.stderr and "Traceback" not in done.stderr


def test_run_with_an_input_given_twice(artifact_path: Path, arrays: dict[str, Path]) -> None:
    done = cli("run", artifact_path, *input_options(arrays), *input_options(arrays)[:2])
    assert done.returncode == 2 and "is given twice" in done.stderr


def test_run_names_dtypes_that_no_program_has(artifact_path: Path, tmp_path: Path) -> None:
    for dtype in ("complex64", ">f4"):
        np.save(tmp_path / "x.npy", np.ones((2, 2), dtype))
        done = cli("run", artifact_path, "--input", f"x={tmp_path / 'x.npy'}", "--input", f"y={tmp_path / 'x.npy'}")
        assert done.returncode == 8 and f"got {dtype}" in done.stderr, done.stderr


def test_run_refuses_pickles(artifact_path: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    done = cli("run", artifact_path, "--input", f"x={tmp_path / 'x.npy'}")
    assert done.returncode == 2 and "cannot be read" in done.stderr


def test_run_names_a_missing_input(artifact_path: Path, arrays: dict[str, Path]) -> None:
    done = cli("run", artifact_path, "--input", f"x={arrays['x']}")
    assert done.returncode == 8 and "y" in done.stderr and "Traceback" not in done.stderr


def test_inspect(artifact_path: Path) -> None:
    done = cli("inspect", "--verify", artifact_path)
    assert done.returncode == 0, done.stderr
    assert f"made by tilewright {tilewright.__version__}" in done.stdout
    assert "runs here" in done.stdout and "have their recorded hashes" in done.stdout
    manifest = json.loads(cli("inspect", "--json", artifact_path).stdout)
    assert [p["name"] for p in manifest["entry_points"][0]["inputs"]] == ["x", "y"]
    assert {"name", "min", "max"} == set(manifest["entry_points"][0]["symbols"][0]), "as docs/artifact.md has it"


def test_inspect_of_a_damaged_artifact(artifact_path: Path, tmp_path: Path) -> None:
    data = bytearray(artifact_path.read_bytes())
    damaged = tmp_path / "damaged.tw"
    damaged.write_bytes(data[: len(data) // 2])
    done = cli("inspect", damaged)
    assert done.returncode == 8 and "truncated or damaged" in done.stderr and "Traceback" not in done.stderr


def test_targets() -> None:
    done = cli("targets")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("cpu:x86-64-v3", "cpu:znver5", "cpu:aarch64", "cuda:sm_90"))


def test_cache(tmp_path: Path) -> None:
    from tilewright.codegen.cache import CompileCache, cache_key

    CompileCache(tmp_path).put(cache_key("a"), {}, b"1234")
    env = {"TILEWRIGHT_CACHE_DIR": str(tmp_path), "PATH": ""}
    shown = cli("cache", env=env)
    assert f"directory  {tmp_path}" in shown.stdout and "entries    1" in shown.stdout
    assert cli("cache", "show", env=env).stdout == shown.stdout
    assert "removed 1 entries" in cli("cache", "clear", env=env).stdout
    assert "entries    0" in cli("cache", env=env).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", "missing.pt2", "-o", "x.tw"], "error: there is no file missing.pt2"),
        (["compile", __file__], "no output file given(.|\n)*-o test_cli.tw"),
        (["compile", __file__, "--compile-to", "fues"], "there is no phase called 'fues'(.|\n)*did you mean 'fuse'"),
        (["compile", __file__, "-o", "x.tw", "--target", "cpu:znver6"], "unknown target 'cpu:znver6'(.|\n)*did you mean(.|\n)*cpu:znver5"),
        (["compile", __file__, "-o", "x.tw", "--weights", __file__], "--weights goes with a .mlir file"),
        (["compile", __file__, "-o", "x.tw", "--compile-from", "plan"], "--compile-from goes with a .mlir file"),
        (["compile", __file__, "-o", "x.tw", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["compiel"], "No such command 'compiel'"),
    ],
)
def test_wrong_usage(arguments: Sequence[str], message: str) -> None:
    done = cli(*arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize("command", [[], ["compile"], ["run"], ["inspect"], ["targets"], ["cache"]])
def test_help(command: list[str]) -> None:
    done = cli(*command, "--help")
    assert done.returncode == 0 and "Usage: tilewright" in done.stdout


def test_version() -> None:
    assert cli("--version").stdout == f"tilewright {tilewright.__version__}\n"


def test_a_closed_pipe_is_no_error(artifact_path: Path) -> None:
    script = f'"{sys.executable}" -m tilewright.tools.cli inspect --json "{artifact_path}" | head -c 1'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
