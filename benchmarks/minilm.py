"""MiniLM: Tilewright against PyTorch eager (and ONNX Runtime and OpenVINO, where installed), called in turn in one process.

    python benchmarks/minilm.py [--threads 1 2] [--rounds 60] [--artifact build/minilm.tw] [--only tilewright torch]

For each size and number of threads: the results are compared (largest difference below 2e-5), then all systems are timed in turn, so
that all meet the same conditions. The ratios are PyTorch's time over the system's: of the minima and of the medians. Each number of
threads has a process of its own, since some systems fix it at start. Results go to benchmarks/results/ as JSON.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((1, 16), (1, 128), (8, 128), (3, 77))
"""Batch and tokens."""
TOLERANCE = 2e-5

Call = Callable[[], np.ndarray]


def load_example() -> Any:
    """examples/minilm.py as a module: it has the model and its export."""
    spec = importlib.util.spec_from_file_location("minilm_example", ROOT / "examples" / "minilm.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_inputs(batch: int, tokens: int) -> tuple[Any, Any]:
    """Token ids and a mask with padding at the end of every second row, as torch tensors."""
    import torch

    ids = torch.randint(1000, 30000, (batch, tokens), generator=torch.Generator().manual_seed(tokens))
    mask = torch.ones_like(ids)
    mask[1::2, tokens // 2 :] = 0
    return ids, mask


def load_systems(artifact: Path, threads: int, only: Sequence[str]) -> dict[str, Callable[[Any, Any], np.ndarray]]:
    """A function from token ids and mask to embeddings for each system that is installed."""
    import torch

    import tilewright

    example = load_example()
    torch.set_num_threads(threads)
    encoder = example.SentenceEncoder(example.model_folder()).eval()
    if not artifact.exists():
        artifact.parent.mkdir(parents=True, exist_ok=True)
        tilewright.compile(example.export(encoder), output=artifact)
    compiled = tilewright.load(artifact, threads=threads)

    systems: dict[str, Callable[[Any, Any], np.ndarray]] = {
        "torch": lambda ids, mask: encoder(ids, mask).numpy(),
        "tilewright": lambda ids, mask: compiled(ids, mask).numpy(),
    }
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        if any(wanted(name, only) for name in ("onnxruntime", "openvino")):
            inputs = make_inputs(2, 16)
            sizes = {0: "batch", 1: "tokens"}
            torch.onnx.export(
                encoder, inputs, model, dynamo=False, input_names=["ids", "mask"], output_names=["out"],
                dynamic_axes={"ids": sizes, "mask": sizes, "out": {0: "batch"}},
            )  # fmt: skip
        if wanted("onnxruntime", only):
            systems["onnxruntime"] = onnxruntime_system(model, threads)
        if wanted("openvino", only):
            systems["openvino"] = openvino_system(model, threads)
    return {name: system for name, system in systems.items() if not only or name in only or name == "torch"}


def wanted(package: str, only: Sequence[str]) -> bool:
    """Whether an optional system is installed and asked for."""
    return importlib.util.find_spec(package) is not None and (not only or package in only)


def onnxruntime_system(model: Path, threads: int) -> Callable[[Any, Any], np.ndarray]:
    """ONNX Runtime with all graph optimizations."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})[0]


def openvino_system(model: Path, threads: int) -> Callable[[Any, Any], np.ndarray]:
    """OpenVINO for latency, in f32 (its default would be bf16 on CPUs that have it)."""
    openvino: Any = importlib.import_module("openvino")
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    request = openvino.Core().compile_model(str(model), "CPU", hints).create_infer_request()
    return lambda ids, mask: request.infer({"ids": ids.numpy(), "mask": mask.numpy()})[0]


def time_in_turn(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call of every system."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def measure(artifact: Path, threads: int, rounds: int, only: Sequence[str]) -> list[dict[str, Any]]:
    """One entry for each size and system. Raises SystemExit where results differ."""
    import torch

    systems = load_systems(artifact, threads, only)
    entries: list[dict[str, Any]] = []
    with torch.inference_mode():
        for batch, tokens in SIZES:
            ids, mask = make_inputs(batch, tokens)
            calls: dict[str, Call] = {name: functools.partial(system, ids, mask) for name, system in systems.items()}
            expected = calls["torch"]()
            for name, call in calls.items():
                difference = float(np.abs(call() - expected).max())
                if not difference < TOLERANCE:
                    raise SystemExit(f"{name} differs from torch by {difference:.1e} at {batch} x {tokens} with {threads} threads")
                entries.append({"system": name, "batch": batch, "tokens": tokens, "threads": threads, "difference": difference})
            time_in_turn(calls, 3)
            seconds = time_in_turn(calls, rounds)
            base = seconds["torch"]
            for entry in entries[-len(calls) :]:
                own = seconds[entry["system"]]
                entry |= {
                    "min_ms": min(own) * 1e3,
                    "median_ms": statistics.median(own) * 1e3,
                    "ratio_of_minima": min(base) / min(own),
                    "ratio_of_medians": statistics.median(base) / statistics.median(own),
                }
    return entries


def cpu_name() -> str:
    """What /proc/cpuinfo calls the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def print_table(entries: Sequence[dict[str, Any]]) -> None:
    """One row for each entry."""
    print(f"{'threads':>7} {'size':>8}  {'system':12} {'min ms':>8} {'median':>8}  {'of minima':>9} {'of medians':>10}  difference")
    for e in entries:
        size = f"{e['batch']} x {e['tokens']}"
        print(
            f"{e['threads']:7} {size:>8}  {e['system']:12} {e['min_ms']:8.2f} {e['median_ms']:8.2f}  {e['ratio_of_minima']:9.2f} "
            f"{e['ratio_of_medians']:10.2f}  {e['difference']:.1e}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--artifact", type=Path, default=ROOT / "build" / "minilm-benchmark.tw", help="compiled when it does not exist")
    parser.add_argument("--only", nargs="+", default=[], help="systems to measure besides torch")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        json.dump(measure(arguments.artifact, arguments.threads[0], arguments.rounds, arguments.only), sys.stdout)
        return

    entries: list[dict[str, Any]] = []
    for threads in arguments.threads:
        command = [sys.executable, __file__, "--child", "--threads", str(threads), "--rounds", str(arguments.rounds)]
        command += ["--artifact", str(arguments.artifact), *(["--only", *arguments.only] if arguments.only else [])]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
        entries += json.loads(done.stdout[done.stdout.index("[") :])
    print_table(entries)
    results = ROOT / "benchmarks" / "results"
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"minilm-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps({"cpu": cpu_name(), "rounds": arguments.rounds, "entries": entries}, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
