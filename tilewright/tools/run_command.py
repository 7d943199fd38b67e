"""`tilewright run`. Needs the runtime alone."""

from __future__ import annotations

import statistics
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tilewright import runtime
from tilewright.core.diagnostics import InputError


def run_artifact(
    path: Path,
    inputs: Sequence[str],
    output: Path | None,
    *,
    threads: int | None = None,
    weights: runtime.WeightPlacement = "map",
    repeat: int = 0,
) -> None:
    """Call the artifact once, write or describe its results, and time `repeat` more calls.

    Raises InputError for arrays that cannot be read or written, and the runtime's errors.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, array in map(_read_input, inputs):
        if name in arrays:
            raise InputError(f"the input {name!r} is given twice")
        arrays[name] = array
    with runtime.load(path, threads=threads, weights=weights) as program:
        result = program(**arrays)
        if output is not None:
            _write_results(result, output)
        else:
            for name, array in flatten(result):
                print(f"{name}: {array.dtype}{list(array.shape)} {_preview(array)}")
        if repeat:
            _time_calls(program, arrays, repeat)


def flatten(result: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of a nested result with their places: `hidden`, `cache.0`; `output` for a lone array."""
    if isinstance(result, dict):
        items: Sequence[tuple[Any, Any]] = list(result.items())
    elif isinstance(result, list | tuple):
        items = list(enumerate(result))
    else:
        if result is not None:
            yield name or "output", np.asarray(result)
        return
    for key, value in items:
        yield from flatten(value, f"{name}.{key}" if name else str(key))


def _read_input(text: str) -> tuple[str, np.ndarray]:
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise InputError(f"--input {text!r} is not NAME=FILE", remedy="such as --input ids=ids.npy or --input ids=arrays.npz:ids")
    file, colon, key = source.rpartition(":") if ".npz:" in source else (source, "", "")
    try:
        loaded = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as problem:
        raise InputError(f"the input {name!r} cannot be read", where=file, why=str(problem), remedy="save it by numpy.save") from problem
    if isinstance(loaded, np.ndarray):
        return name, loaded
    with loaded:
        if not colon:
            raise InputError(f"{file} holds several arrays", remedy=f"say which: {', '.join(f'--input {name}={file}:{k}' for k in loaded)}")
        if key not in loaded:
            raise InputError(f"{file} holds no array {key!r}", remedy=f"it holds {', '.join(loaded)}")
        return name, loaded[key]


def _write_results(result: Any, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in flatten(result):
            path = folder / f"{name.replace('/', '_')}.npy"
            np.save(path, array)
            print(f"{path}: {array.dtype}{list(array.shape)}")
    except OSError as problem:
        raise InputError("the results cannot be written", where=str(folder), why=problem.strerror or str(problem)) from problem


def _time_calls(program: runtime.Program, arrays: dict[str, np.ndarray], repeat: int) -> None:
    times: list[float] = []
    for _ in range(repeat):
        began = time.perf_counter()
        program(**arrays)
        times.append(time.perf_counter() - began)
    print(f"{repeat} calls, {program.threads} threads: min {min(times) * 1e3:.3f} ms, median {statistics.median(times) * 1e3:.3f} ms")


def _preview(array: np.ndarray) -> str:
    return np.array2string(array.reshape(-1)[:4], precision=6, separator=", ", threshold=4)[:-1] + (", ...]" if array.size > 4 else "]")
