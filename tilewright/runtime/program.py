"""A loaded artifact: the object that users call."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from tilewright.runtime.artifact import Artifact
from tilewright.runtime.errors import ArtifactError, RuntimeFailure
from tilewright.runtime.host import arch, choose_threads, cpu_flags
from tilewright.runtime.loader import Library, select_code
from tilewright.runtime.manifest import Code, EntryPoint, Port, Symbol
from tilewright.runtime.openmp import find_openmp
from tilewright.runtime.session import Session
from tilewright.runtime.weights import CopiedWeights, MappedWeights, WeightPlacement, placement


class Program:
    """A compiled program, called like a function: `program(x, mask)` or `program(x=x, mask=mask)`.

    Inputs are NumPy arrays, torch tensors or objects with `__dlpack__`; contiguous ones are not copied. Results are of the first
    input's kind, in the structure that the exported program returned. Calls from several threads at once are safe. `close` unloads it.
    """

    def __init__(self, artifact: Artifact, threads: int | None = None, weights: WeightPlacement = "map") -> None:
        weights = placement(weights)
        self.artifact = artifact
        self.code: Code = select_code(artifact.manifest.code, arch(), cpu_flags())
        self.threads, asked = choose_threads(threads)
        self._library: Library | None = Library(artifact, self.code)
        self._weights: MappedWeights | CopiedWeights = self._place_weights(weights)
        self._sessions: dict[str, Session] = {}
        for entry in artifact.manifest.entry_points:
            code = self.code.entry(entry.name)
            address = self._library.function(code.symbol)
            table = self._weight_table(code.weights)
            self._sessions[entry.name] = Session(entry, code, address, table, self.threads, asked)
        self._main = next(iter(self._sessions.values()))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the first entry point. Raises CallError for arguments that do not fit."""
        return self._main(*args, **kwargs)

    def entry(self, name: str) -> Session:
        """The entry point `name` as a callable. Raises KeyError that lists the names."""
        if name not in self._sessions:
            raise KeyError(f"no entry point {name!r}; there are {', '.join(self._sessions)}")
        return self._sessions[name]

    @property
    def signature(self) -> EntryPoint:
        """Inputs, outputs and symbols of the first entry point."""
        return self._main.entry

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Name, dtype and shape of each input."""
        return self._main.entry.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Name, dtype and shape of each output."""
        return self._main.entry.outputs

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The sizes that may vary, with their ranges."""
        return self._main.entry.symbols

    @property
    def kernels(self) -> tuple[dict[str, Any], ...]:
        """What the artifact records of each kernel of the chosen code."""
        return self.code.kernels

    def close(self) -> None:
        """Unload the code and unmap the weights. Raises RuntimeFailure while a call is running."""
        if self._library is None:
            return
        for session in self._sessions.values():
            session.close()
        self._library.close()
        self._library = None
        self._weights.close()
        try:
            self.artifact.close()
        except BufferError as error:
            raise RuntimeFailure("the artifact is still in use by a view into it") from error

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        listed = ", ".join(f"{p.name}: {p.dtype}[{', '.join(p.shape)}]" for p in self.inputs)
        return f"<tilewright.Program ({listed}), {self.code.target}, {self.threads} threads>"

    def _weight_table(self, indices: tuple[int, ...]) -> Any:
        weights = self.artifact.manifest.weights
        return (ctypes.c_void_p * max(1, len(indices)))(*(self._weights.address(weights[i].section) for i in indices))

    def _place_weights(self, where: WeightPlacement) -> MappedWeights | CopiedWeights:
        if where == "map":
            return MappedWeights(self.artifact)
        used = {index for code in self.code.entry_points for index in code.weights}
        sections = [self.artifact.manifest.weights[index].section for index in used]
        return CopiedWeights(self.artifact, sections, self.threads, find_openmp() if self.threads > 1 else None)


def load(path: str | os.PathLike[str], threads: int | None = None, weights: WeightPlacement = "map") -> Program:
    """Open an artifact and load its code for this machine.

    `threads`: how many threads a call uses; by default $TILEWRIGHT_NUM_THREADS, else the CPUs this process may use.
    `weights`: "map" uses them where they are in the file: nothing is read before a kernel needs it, and processes share the memory.
    "copy" reads them into memory of this process, on huge pages, each part by the thread that will use it (docs/artifact.md says when).
    Raises ArtifactError, IncompatibleError (no code for this machine) and ThreadsError; ArtifactError too for what is no path;
    RuntimeFailure for an unknown `weights` and without memory for the copy.
    """
    if not isinstance(path, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArtifactError(f"load takes the path of an artifact, got {type(path).__name__}", remedy='tilewright.load("model.tw")')
    return Program(Artifact(path), threads, weights)
