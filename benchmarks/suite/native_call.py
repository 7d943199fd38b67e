"""An artifact's program called through its C interface (`tw_call` of docs/levels.md) with all arguments bound: no work but the call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.suite.torch_tensors import RUNTIME_DTYPES
from tilewright.runtime import Artifact
from tilewright.runtime.host import arch, cpu_flags
from tilewright.runtime.loader import Library, select_code
from tilewright.runtime.openmp import find_openmp
from tilewright.runtime.signature import Signature
from tilewright.runtime.workspace import Plan, Workspace


def bind_native(path: Path, inputs: Sequence[torch.Tensor], threads: int) -> Callable[[], torch.Tensor]:
    """A call of the first entry point, whose inputs are contiguous. It returns the first output."""
    artifact = Artifact(path)
    manifest = artifact.manifest
    code = select_code(manifest.code, arch(), cpu_flags())
    library = Library(artifact, code)
    entry = manifest.entry_points[0]
    own = code.entry(entry.name)
    signature = Signature(entry)
    values = signature.check([tuple(x.shape) for x in inputs], [port.dtype for port in entry.inputs])
    shapes = signature.output_shapes(values)
    arena, scratch = (signature.nbytes(signature.compile(text), values, what) for text, what in
                      ((own.arena_bytes, "the arena"), (own.scratch_bytes, "the scratch memory")))  # fmt: skip
    mapped = np.frombuffer(artifact.mapped, np.uint8)
    base = int(mapped.__array_interface__["data"][0])
    weights = (ctypes.c_void_p * max(1, len(own.weights)))(*(base + manifest.weights[i].section.offset for i in own.weights))
    workspace = Workspace(len(inputs), len(shapes), ctypes.addressof(weights))
    workspace.prepare(Plan(values, shapes, arena, scratch, threads, find_openmp() if threads > 1 else None))
    results = [torch.empty(shape, dtype=RUNTIME_DTYPES[port.dtype]) for shape, port in zip(shapes, entry.outputs, strict=True)]
    for i, tensor in enumerate(inputs):
        workspace.inputs[i] = tensor.data_ptr()
    for i, tensor in enumerate(results):
        workspace.outputs[i] = tensor.data_ptr()
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(library.function(own.symbol))
    alive = (artifact, library, mapped, weights, workspace, tuple(inputs))

    def call(reference: object = workspace.reference, alive: object = alive) -> torch.Tensor:
        status = function(reference)
        if status:
            raise RuntimeError(f"the native program failed with status {status}")
        return results[0]

    return call
