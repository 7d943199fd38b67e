"""Softmax and normalizations against torch, in their high-level and their decomposed forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import UnsupportedError

aten = torch.ops.aten


def _randomized(module: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    for p in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
        torch.nn.init.uniform_(p, 0.5, 1.5)
    return module.eval()


MODULES: dict[str, tuple[torch.nn.Module, tuple[int, ...], str]] = {
    "layer_norm": (torch.nn.LayerNorm(6), (2, 3, 6), "tw.layer_norm"),
    "layer_norm_two_dims": (torch.nn.LayerNorm([3, 6]), (2, 3, 6), "axes = 2"),
    "layer_norm_plain": (torch.nn.LayerNorm(6, elementwise_affine=False), (2, 3, 6), "tw.layer_norm"),
    "layer_norm_without_bias": (torch.nn.LayerNorm(6, bias=False), (2, 3, 6), "tw.layer_norm"),
    "rms_norm": (torch.nn.RMSNorm(6, eps=1e-6), (2, 3, 6), "tw.rms_norm"),
    "rms_norm_two_dims": (torch.nn.RMSNorm([3, 6]), (2, 3, 6), "tw.rms_norm"),
    "group_norm": (torch.nn.GroupNorm(2, 6), (2, 6, 5), "tw.group_norm"),
    "instance_norm": (torch.nn.InstanceNorm1d(6, affine=True), (2, 6, 5), "tw.group_norm"),
    "batch_norm": (torch.nn.BatchNorm1d(6), (4, 6, 5), "math.rsqrt"),
    "batch_norm_plain": (torch.nn.BatchNorm2d(3, affine=False), (2, 3, 4, 4), "math.rsqrt"),
    "softmax": (torch.nn.Softmax(-1), (2, 3, 6), "tw.softmax"),
    "log_softmax": (torch.nn.LogSoftmax(1), (2, 3, 6), "log = true"),
}


@pytest.mark.parametrize("name", MODULES)
def test_high_level_forms(name: str) -> None:
    module, shape, op = MODULES[name]
    module = _randomized(module)
    assert op in str(check(module, torch.randn(shape)).module)


@pytest.mark.parametrize("name", MODULES)
def test_core_forms(name: str) -> None:
    module, shape, _ = MODULES[name]
    module = _randomized(module)
    check(module, torch.randn(shape), core=True, tolerance=5e-6)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "softmax", "log_softmax"])
def test_dynamic_sizes(name: str) -> None:
    module, shape, _ = MODULES[name]
    module = _randomized(module)
    dims = [{0: batch("n"), 1: batch("m")}]
    check(module, torch.randn(shape), dynamic=dims, others=[[torch.randn(5, 1, 6)]], tolerance=5e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "softmax", "group_norm"])
def test_half_precision(name: str, dtype: torch.dtype) -> None:
    module, shape, _ = MODULES[name]
    import copy

    check(_randomized(copy.deepcopy(module)).to(dtype), torch.randn(shape).to(dtype), tolerance=3e-2)


NATIVE: dict[str, Any] = {
    "native_layer_norm": lambda x: tuple(aten.native_layer_norm(x, [6], None, None, 1e-5)),
    "native_layer_norm_output": lambda x: aten.native_layer_norm(x, [6], None, None, 1e-5)[0],
    "native_group_norm": lambda x: aten.native_group_norm(x, None, None, 2, 4, 6, 2, 1e-5)[0],
    "safe_softmax": lambda x: aten._safe_softmax(x.masked_fill(x > -1.0, float("-inf")), -1),
    "softmax_of_integers": lambda x: torch.softmax(x.long(), -1, dtype=torch.float32),
    "_softmax": lambda x: aten._softmax(x, 1, False),
    "fused_rms_norm": lambda x: aten._fused_rms_norm(x, [6], None, 1e-6)[0],
    "legit": lambda x: aten._native_batch_norm_legit_no_training(x, None, None, x[0, :, 0], x[0, :, 1].abs(), 0.1, 1e-5)[0],
}


@pytest.mark.parametrize("name", NATIVE)
def test_native_forms(name: str) -> None:
    torch.manual_seed(0)
    check(NATIVE[name], torch.randn(2, 4, 6), tolerance=5e-6)


def test_a_row_of_minus_infinity() -> None:
    x = torch.full((2, 3), float("-inf"))
    check(lambda x: (aten._safe_softmax(x, -1), torch.softmax(x, -1)), x)


def test_statistics_are_left_out_when_nobody_reads_them() -> None:
    program = import_function(NATIVE["native_layer_norm_output"], torch.randn(2, 4, 6))
    assert "tw.reduce" not in str(program.module)


def test_batch_statistics() -> None:
    check(lambda x: F.batch_norm(x, None, None, training=True), torch.randn(4, 6, 3), tolerance=5e-6)


def test_updating_batch_statistics_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"(?s)batch norm that updates its statistics.*model\.eval"):
        import_function(lambda x: F.batch_norm(x, x.mean(0), x.var(0), training=True), torch.randn(4, 6))
