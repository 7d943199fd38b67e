"""Writing artifacts (docs/artifact.md). Weights are streamed from where they lie, written and hashed by two threads."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.codegen.compile_program import ProgramCode
from tilewright.core.diagnostics import InputError
from tilewright.lowering.program_interface import Port, ProgramInterface, WeightUse
from tilewright.runtime.artifact import HEADER, MAGIC, PAGE, WEIGHT_ALIGNMENT
from tilewright.runtime.manifest import FORMAT_VERSION
from tilewright.targets import Target
from tilewright.version import __version__

_CHUNK = 1 << 24


class ArtifactWriter:
    """Collects the parts of an artifact into a temporary file beside `path`, which takes its place in `finish`.

    Use it as a context manager: without `finish`, nothing is left behind. Raises InputError when the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise InputError(f"cannot write {self.path}", why="it is a directory", remedy="name a file in it, such as model.tw")
        try:
            handle, self._temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise InputError(f"cannot write {self.path}", why=error.strerror or str(error)) from error
        self._handle = handle
        self._end = HEADER.size
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="tilewright-write")
        self._weights: list[dict[str, Any]] = []
        self._known: dict[tuple[str, str], int] = {}
        self._code: list[dict[str, Any]] = []
        self._entry_points: list[dict[str, Any]] = []
        self._hashes: list[tuple[dict[str, Any], Future[str]]] = []
        self._done = False

    def __enter__(self) -> ArtifactWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        if not self._done:
            os.close(self._handle)
            os.unlink(self._temporary)

    def add_weight(self, name: str, dtype: str, shape: tuple[int, ...], layout: str, data: np.ndarray[Any, Any]) -> int:
        """Add a weight and return its index. `data` holds its bytes in the layout's order and must not change before `finish`.

        A weight that was added before with the same name and layout is not written again.
        """
        key = (name, layout)
        if key not in self._known:
            raw: Any = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            entry: dict[str, Any] = {"name": name, "dtype": dtype, "shape": list(shape), "layout": layout}
            # The first weight starts a page, so that none shares a page with the header.
            alignment = WEIGHT_ALIGNMENT if self._weights else PAGE
            self._write_section(entry, memoryview(raw), alignment)
            self._known[key] = len(self._weights)
            self._weights.append(entry)
        return self._known[key]

    def add_code(self, target: Target, data: bytes, entry_points: list[dict[str, Any]], kernels: list[dict[str, Any]]) -> None:
        """Add the shared object for `target`.

        `entry_points`: one {name, symbol, arena_bytes, scratch_bytes, weights} for each entry point; `weights` are indices that
        `add_weight` returned, in the order that the code expects. `kernels` is recorded as it is.
        """
        entry: dict[str, Any] = {
            "target": target.name,
            "triple": target.triple,
            "requires": list(target.requires),
            "entry_points": entry_points,
            "kernels": kernels,
        }
        self._write_section(entry, memoryview(data), PAGE)
        self._code.append(entry)

    def add_entry_point(
        self,
        name: str,
        inputs: list[dict[str, Any]],
        outputs: list[dict[str, Any]],
        symbols: list[dict[str, Any]],
        structure: Any = None,
    ) -> None:
        """Describe an entry point: ports {name, dtype, shape: [expressions]}, symbols {name, min, max}, the outputs' nesting."""
        self._entry_points.append({"name": name, "inputs": inputs, "outputs": outputs, "symbols": symbols, "output_structure": structure})

    def add_program_code(self, code: ProgramCode, weight_data: Callable[[WeightUse], np.ndarray[Any, Any]], name: str = "main") -> None:
        """Add a compiled program with its weights; `weight_data` gives each weight's bytes in its layout."""
        interface = code.interface
        weights = [self.add_weight(w.name, w.dtype, w.shape, w.layout, weight_data(w)) for w in interface.weights]
        entry = {
            "name": name,
            "symbol": code.symbol,
            "arena_bytes": interface.arena_bytes,
            "scratch_bytes": interface.scratch_bytes,
            "weights": weights,
        }
        kernels = [
            {"name": k.name, "trip_count": k.trip_count, "scratch": k.scratch, "instruction_mix": k.instruction_mix}
            for k in code.kernels.values()
        ]
        self.add_code(code.target, code.shared_object, [entry], kernels)

    def add_interface(self, name: str, interface: ProgramInterface, structure: Any = None) -> None:
        """Describe an entry point by the interface that the host program was built from."""

        def port(p: Port) -> dict[str, Any]:
            return {"name": p.name, "dtype": p.dtype, "shape": list(p.shape)}

        symbols = [{"name": symbol, "min": low, "max": high} for symbol, low, high in interface.symbols]
        self.add_entry_point(name, [port(p) for p in interface.inputs], [port(p) for p in interface.outputs], symbols, structure)

    def finish(self, report: Any = None) -> None:
        """Write the manifest and put the file in its place."""
        for entry, digest in self._hashes:
            entry["sha256"] = digest.result()
        manifest = {
            "producer": f"tilewright {__version__}",
            "entry_points": self._entry_points,
            "weights": self._weights,
            "code": self._code,
            "report": report,
        }
        data = json.dumps(manifest, separators=(",", ":")).encode()
        offset = self._place(len(data), PAGE)
        digest = self._store(memoryview(data), offset)
        self._store(memoryview(HEADER.pack(MAGIC, FORMAT_VERSION, 0, offset, len(data), bytes.fromhex(digest))), 0)
        os.close(self._handle)
        os.chmod(self._temporary, 0o644)
        os.replace(self._temporary, self.path)
        self._done = True

    def _write_section(self, entry: dict[str, Any], data: memoryview, alignment: int) -> None:
        entry["offset"] = self._place(data.nbytes, alignment)
        entry["nbytes"] = data.nbytes
        self._hashes.append((entry, self._threads.submit(self._store, data, entry["offset"])))

    def _place(self, nbytes: int, alignment: int) -> int:
        """Reserve an aligned range behind what there is; gaps read as zeros."""
        offset = self._end + -self._end % alignment
        self._end = offset + nbytes
        return offset

    def _store(self, data: memoryview, offset: int) -> str:
        """Write `data` at `offset` and return its SHA-256 in hexadecimal. Raises InputError when the disk does not take it."""
        position = 0
        try:
            while position < data.nbytes:
                position += os.pwrite(self._handle, data[position : position + _CHUNK], offset + position)
        except OSError as error:
            raise InputError(f"cannot write {self.path}", why=error.strerror or str(error)) from error
        return hashlib.sha256(data).hexdigest()
