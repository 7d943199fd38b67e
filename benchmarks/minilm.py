"""MiniLM: Tilewright, and ONNX Runtime and OpenVINO where installed, each against PyTorch eager.

    python benchmarks/minilm.py [--threads 1 2] [--rounds 60] [--artifact build/minilm.tw] [--systems tilewright]

A system and PyTorch are called in turn in one process, so that both meet the same conditions. Each pair has a process of its own:
threads that one system lets spin would slow down the others. Results are compared in the same run: the largest difference must be
below 2e-5, that of `tilewright-bf16`, which multiplies in bf16 (`--precision bf16`), below 2e-2, and its largest cosine error is stated.
The ratios are PyTorch's time over the system's: of the minima and of the medians. They go to benchmarks/results/ as JSON.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((1, 16), (1, 128), (8, 128), (32, 128), (3, 77))
"""Batch and tokens."""
TOLERANCE = {"tilewright-bf16": 2e-2}
"""Largest difference of embeddings of length 1; 2e-5 where nothing is said."""
PRECISIONS = {"tilewright": "f32", "tilewright-bf16": "bf16"}
BARS = {"tilewright": 1.15, "tilewright-bf16": 2.0}
"""How much faster than each peer, which computes in f32."""

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


def load_pair(name: str, artifact: Path, threads: int) -> dict[str, Callable[[Any, Any], np.ndarray]]:
    """PyTorch and the system called `name`: functions from token ids and mask to embeddings."""
    import torch

    example = load_example()
    torch.set_num_threads(threads)
    encoder = example.SentenceEncoder(example.model_folder()).eval()
    systems: dict[str, Callable[[Any, Any], np.ndarray]] = {"torch": lambda ids, mask: encoder(ids, mask).numpy()}
    if name in PRECISIONS:
        import tilewright

        artifact = artifact.with_stem(artifact.stem + name.removeprefix("tilewright"))
        if not artifact.exists():
            artifact.parent.mkdir(parents=True, exist_ok=True)
            tilewright.compile(example.export(encoder), output=artifact, precision=PRECISIONS[name])
        compiled = tilewright.load(artifact, threads=threads)
        return systems | {name: lambda ids, mask: compiled(ids, mask).numpy()}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Path(folder) / "model.onnx"
        sizes = {0: "batch", 1: "tokens"}
        torch.onnx.export(
            encoder, make_inputs(2, 16), model, dynamo=False, input_names=["ids", "mask"], output_names=["out"],
            dynamic_axes={"ids": sizes, "mask": sizes, "out": {0: "batch"}},
        )  # fmt: skip
        return systems | {name: PEERS[name](model, threads)}


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


PEERS: dict[str, Callable[[Path, int], Callable[[Any, Any], np.ndarray]]] = {
    "onnxruntime": onnxruntime_system,
    "openvino": openvino_system,
}


def installed_systems() -> list[str]:
    """What can be measured here. The peers read the model as ONNX, which takes the package onnx."""
    peers = [name for name in PEERS if importlib.util.find_spec(name) is not None and importlib.util.find_spec("onnx") is not None]
    return [*PRECISIONS, *peers]


def time_in_turn(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call of every system."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def measure(name: str, artifact: Path, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Two entries for each size: PyTorch's and the system's. Raises SystemExit where results differ."""
    import torch

    systems = load_pair(name, artifact, threads)
    entries: list[dict[str, Any]] = []
    with torch.inference_mode():
        for batch, tokens in SIZES:
            ids, mask = make_inputs(batch, tokens)
            calls: dict[str, Call] = {system: functools.partial(function, ids, mask) for system, function in systems.items()}
            expected = calls["torch"]()
            for system, call in calls.items():
                result = call()
                difference = float(np.abs(result - expected).max())
                if not difference < TOLERANCE.get(system, 2e-5):
                    raise SystemExit(f"{system} differs from torch by {difference:.1e} at {batch} x {tokens} with {threads} threads")
                entry = {"system": system, "batch": batch, "tokens": tokens, "threads": threads, "difference": difference}
                entries.append(entry | {"cosine_error": cosine_error(result, expected)})
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


def cosine_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest 1 - cos of the angle between rows of two matrices."""
    one, other = actual.astype(np.float64), expected.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float((1 - (one * other).sum(axis=1) / lengths).max())


def cpu_name() -> str:
    """What /proc/cpuinfo calls the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def print_table(entries: Sequence[dict[str, Any]]) -> None:
    """One row for each entry."""
    ratios = f"{'of minima':>9} {'of medians':>10}  difference  cosine error"
    print(f"{'threads':>7} {'size':>8}  {'system':15} {'min ms':>8} {'median':>8}  {ratios}")
    for e in entries:
        size = f"{e['batch']} x {e['tokens']}"
        print(
            f"{e['threads']:7} {size:>8}  {e['system']:15} {e['min_ms']:8.2f} {e['median_ms']:8.2f}  {e['ratio_of_minima']:9.2f} "
            f"{e['ratio_of_medians']:10.2f}  {e['difference']:10.1e}  {e['cosine_error']:12.1e}"
        )


def peer_lines(entries: Sequence[dict[str, Any]]) -> list[str]:
    """How much faster Tilewright is than each peer: the ratio of their ratios to PyTorch, each measured beside PyTorch."""
    keys = ("threads", "batch", "tokens")
    peers = {tuple(e[k] for k in ("system", *keys)): e for e in entries if e["system"] in PEERS}
    lines: list[str] = []
    for ours in (e for e in entries if e["system"] in PRECISIONS):
        for name in PEERS:
            peer = peers.get((name, *(ours[k] for k in keys)))
            if peer is None:
                continue
            medians, minima = (ours[f"ratio_of_{kind}"] / peer[f"ratio_of_{kind}"] for kind in ("medians", "minima"))
            verdict = "pass " if medians >= BARS[ours["system"]] else "SHORT"
            size = f"{peer['batch']} x {peer['tokens']}, {peer['threads']} threads"
            lines.append(f"{verdict}  {size}: {ours['system']} {medians:.2f}x {name} ({minima:.2f} of minima)")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--artifact", type=Path, default=ROOT / "build" / "minilm-benchmark.tw", help="compiled when it does not exist")
    parser.add_argument("--systems", nargs="+", choices=[*PRECISIONS, *PEERS], default=installed_systems())
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        json.dump(measure(arguments.systems[0], arguments.artifact, arguments.threads[0], arguments.rounds), sys.stdout)
        return

    entries: list[dict[str, Any]] = []
    for threads, system in itertools.product(arguments.threads, arguments.systems):
        command = [sys.executable, __file__, "--child", "--threads", str(threads), "--rounds", str(arguments.rounds)]
        command += ["--artifact", str(arguments.artifact), "--systems", system]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
        entries += json.loads(done.stdout[done.stdout.index("[") :])
    print_table(entries)
    print("\n".join(peer_lines(entries)))
    results = ROOT / "benchmarks" / "results"
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"minilm-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps({"cpu": cpu_name(), "rounds": arguments.rounds, "entries": entries}, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
