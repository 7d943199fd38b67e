"""Build a `tw` kernel, lower it to level 3, run it, and give the reference result: for tests of loop kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from aarch64_runner import missing, run_kernel
from level3_runner import compile_level3, run_level3

from tilewright.core import symbolic
from tilewright.core.mlir import func, ir, new_context
from tilewright.dialects import tw
from tilewright.lowering.lower_kernel import lower_loops
from tilewright.passes.schedules.attribute import schedule_attribute
from tilewright.passes.schedules.loops import choose_loop_schedule
from tilewright.targets import Target, find, host_target

Body = Callable[..., "ir.Value | Sequence[ir.Value]"]


@dataclass
class Kernel:
    """The level 2 and level 3 text of one kernel, and what is needed to call it."""

    name: str
    level2: str
    level3: str
    slow_path: str | None
    symbols: tuple[str, ...]
    inputs: tuple[tw.TensorInfo, ...]
    outputs: tuple[tw.TensorInfo, ...]
    trip_count: str
    scratch: str

    def sizes(self, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        """The symbols' values for concrete inputs."""
        values: dict[str, int] = {}
        for info, array in zip(self.inputs, arrays, strict=True):
            for dim, size in zip(info.shape, array.shape, strict=True):
                if isinstance(dim, int):
                    assert dim == size, (info, array.shape)
                elif str(dim) in self.symbols:
                    assert values.setdefault(str(dim), size) == size
        return values


TARGETS = ("native", "cpu:x86-64-v3")
"""Machines that loop kernels are executed for: this one, and the one with AVX2 (the same where this machine has no AVX-512)."""


def build(
    name: str,
    inputs: Sequence[tuple[Sequence[int | str], str]],
    body: Body,
    *,
    target: Target | None = None,
    fast_math: bool = False,
    schedule: dict[str, Any] | None = None,
    ranges: dict[str, tuple[int, int]] | None = None,
) -> Kernel:
    """A kernel over inputs given as `(shape, dtype)`; sizes that are strings are symbols. `body` gets the values, returns the results."""
    context: Any = new_context()
    with context, ir.Location.unknown(context):
        tw.load(context)
        infos = [tw.TensorInfo(tuple(symbolic.symbol(d) if isinstance(d, str) else d for d in shape), dtype) for shape, dtype in inputs]
        used = {d for shape, _ in inputs for d in shape if isinstance(d, str)}
        names = sorted(used | set(ranges or {}), key=lambda n: (len(n), n))
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            types = [tw.tensor_type(i) for i in infos]
            kernel = func.FuncOp(name, ir.FunctionType.get(types, []))
            block = kernel.add_entry_block()
            with ir.InsertionPoint(block):
                out = body(*block.arguments)
                results = [out] if isinstance(out, ir.Value) else list(out)
                func.ReturnOp(results)
        attributes = kernel.operation.attributes
        attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [r.type for r in results]))
        attributes["tw.kernel"] = ir.UnitAttr.get()
        attributes["tw.symbols"] = tw.symbols_attribute({n: (ranges or {}).get(n, (0, 100000)) for n in names})
        attributes["tw.schedule"] = schedule_attribute(schedule or choose_loop_schedule(kernel, target or host_target()) or {})
        outputs = tuple(tw.tensor_info(r) for r in results)
        tw.verify(module)
        level2 = str(module)
        lowered = lower_loops(kernel, target or host_target(), fast_math).operation.attributes
        assert _valid(module), f"{context.diagnostic_log.entries}\n{module}"
        reason = ir.StringAttr(lowered["tw.slow_path"]).value if "tw.slow_path" in lowered else None
        sizes = [ir.StringAttr(lowered[key]).value for key in ("tw.trip_count", "tw.scratch")]
        return Kernel(name, level2, str(module), reason, tuple(names), tuple(infos), outputs, *sizes)


def _valid(module: ir.Module) -> bool:
    try:
        return module.operation.verify()
    except Exception:
        return False


def run(kernel: Kernel, arrays: Sequence[np.ndarray], target: Target | None = None) -> list[np.ndarray]:
    """Compile and call; returns the outputs. AArch64 code runs under qemu."""
    values = kernel.sizes(arrays)
    outputs = empty_outputs(kernel, values)
    numbers = [values[s] for s in kernel.symbols]
    target = target or host_target()
    if target.arch == host_target().arch:
        run_level3(kernel.level3, kernel.name, [*arrays, *outputs], numbers, target=target)
        return outputs
    trip_count, scratch = (symbolic.parse(text).evaluate(values) for text in (kernel.trip_count, kernel.scratch))
    compiled = compile_level3(kernel.level3, target).object
    run_kernel(compiled, kernel.name, [*arrays, *outputs], len(outputs), scratch, [*numbers, 0, trip_count], target)
    return outputs


def empty_outputs(kernel: Kernel, values: dict[str, int]) -> list[np.ndarray]:
    """Outputs filled with a pattern that no kernel computes."""
    outputs = []
    for info in kernel.outputs:
        shape = [d if isinstance(d, int) else d.evaluate(values) for d in info.shape]
        array = np.zeros(shape, tw.numpy_dtype(info.dtype))
        array.reshape(-1).view(np.uint8)[:] = 0x5A
        outputs.append(array)
    return outputs


def check(
    inputs: Sequence[tuple[Sequence[int | str], str]],
    body: Body,
    arrays: Sequence[np.ndarray],
    expected: np.ndarray | Sequence[np.ndarray],
    target: str,
    tolerance: float = 2e-6,
    **options: Any,
) -> Kernel:
    """Build, run and compare: NaN where NaN is expected, else within `tolerance` of the value (relative above 1, absolute below)."""
    machine = find(target)
    if machine.arch != host_target().arch and missing() is not None:
        pytest.skip(str(missing()))
    kernel = build("kernel", inputs, body, target=machine, **options)
    references = [expected] if isinstance(expected, np.ndarray) else list(expected)
    for actual, reference in zip(run(kernel, arrays, machine), references, strict=True):
        assert actual.shape == reference.shape
        got, wanted = actual.astype(np.float64), reference.astype(np.float64)
        with np.errstate(all="ignore"):
            same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
            error = np.where(same, 0.0, np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted)))
        worst = np.where(np.isnan(error), np.inf, error)
        assert worst.max(initial=0.0) <= tolerance, f"error {worst.max()} at {np.unravel_index(worst.argmax(), worst.shape)}"
    return kernel
