"""Parameters, buffers and lifted constants of an exported program, by name and without copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.dialects.tw import TensorInfo
from tilewright.frontend.program import LazyWeights
from tilewright.frontend.torch.dtypes import TORCH, dtype_name

INLINE_ELEMENTS = 16
"""Buffers and constants up to this size are inline constants."""
_SCANNED_ELEMENTS = 1 << 16
"""Buffers up to this size are looked at: a fill or a sequence needs no weight."""


def tensor_to_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor's elements as a NumPy array; shares memory when the tensor is contiguous and on the CPU."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype is torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(tw.numpy_dtype("bf16"))
    return tensor.numpy()


class WeightTable:
    """What the placeholders of a graph that aren't inputs stand for."""

    def __init__(self, program: ExportedProgram) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.names: dict[str, str] = {}
        self.parameters: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.used: dict[str, torch.Tensor] = {}
        state: Mapping[str, Any] = program.state_dict
        constants: Mapping[str, Any] = program.constants
        stored: dict[object, str] = {}
        for spec in program.graph_signature.input_specs:
            if spec.kind not in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
                continue
            name = spec.target or spec.arg.name
            tensor = state[name] if name in state else constants.get(name)
            if not isinstance(tensor, torch.Tensor):
                raise InputError(f"the exported program has no value for '{name}'", remedy="export the model again")
            if tensor.is_meta or type(tensor).__name__ == "FakeTensor":
                raise InputError(
                    f"'{name}' has a shape but no values (it is on the device 'meta')", remedy="load the weights before the export"
                )
            key = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
            first = stored.setdefault(key, name) if tensor.numel() else name
            if first != name:
                self.aliases[name] = first
            self.names[spec.arg.name] = first
            self.tensors[spec.arg.name] = tensor
            if spec.kind is InputKind.PARAMETER:
                self.parameters.add(spec.arg.name)

    def build(self, placeholder: str, loc: ir.Location) -> ir.Value:
        """The value of a placeholder: a `tw.weight`, or a constant, fill or index sequence where a small buffer is one."""
        tensor = self.tensors[placeholder]
        if placeholder not in self.parameters and tensor.numel() <= _SCANNED_ELEMENTS:
            recognized = _recognize(tensor, loc)
            if recognized is not None:
                return recognized
        name = self.names[placeholder]
        self.used[name] = tensor
        return tw.weight(name, TensorInfo(tuple(tensor.shape), dtype_name(tensor.dtype)), loc=loc)

    def non_negative(self, placeholder: str) -> bool:
        """True when no element of a small integer buffer is below 0."""
        tensor = self.tensors.get(placeholder)
        if tensor is None or tensor.is_floating_point() or not 0 < tensor.numel() <= _SCANNED_ELEMENTS:
            return False
        return tensor.dtype is torch.bool or bool((tensor >= 0).all())

    def arrays(self) -> LazyWeights:
        """The weights that were built, by name."""

        def producer(tensor: torch.Tensor) -> Callable[[], np.ndarray]:
            return lambda: tensor_to_array(tensor)

        return LazyWeights({name: producer(tensor) for name, tensor in self.used.items()})


def _recognize(tensor: torch.Tensor, loc: ir.Location) -> ir.Value | None:
    """A small constant, a fill (of integers or bools) or 0, 1, 2, ... along one dimension."""
    if tensor.dtype not in TORCH.values():
        return None
    array = tensor_to_array(tensor)
    if array.size <= INLINE_ELEMENTS:
        return tw.constant(array, loc=loc)
    if tensor.is_floating_point():
        return None
    if bool((array == array.reshape(-1)[0]).all()):
        return tw.build("broadcast", tw.constant(array.reshape(-1)[0], dtype_name(tensor.dtype), loc=loc), shape=array.shape, loc=loc)
    long = [d for d, size in enumerate(array.shape) if size != 1]
    if len(long) == 1 and array.dtype != np.bool_ and bool((array.reshape(-1) == np.arange(array.size)).all()):
        return tw.build("iota", shape=array.shape, dim=long[0], dtype=dtype_name(tensor.dtype), loc=loc)
    return None
