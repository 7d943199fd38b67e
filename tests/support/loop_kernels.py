"""Build a `tw` kernel, lower it to level 3, run it, and give the reference result: for tests and benchmarks of loop kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.core.mlir import func, ir, new_context
from tilewright.core.symbolic import symbol
from tilewright.dialects import tw
from tilewright.lowering.lower_kernel import lower_loops
from tilewright.targets import Target, host_target

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


def build(
    name: str, inputs: Sequence[tuple[Sequence[int | str], str]], body: Body, *, target: Target | None = None, fast_math: bool = False,
    schedule: dict[str, Any] | None = None, ranges: dict[str, tuple[int, int]] | None = None,
) -> Kernel:
    """A kernel over inputs given as `(shape, dtype)`; sizes that are strings are symbols. `body` gets the values and returns the results."""
    with new_context() as context, ir.Location.unknown(context):
        tw.load(context)
        infos = [tw.TensorInfo(tuple(symbol(d) if isinstance(d, str) else d for d in shape), dtype) for shape, dtype in inputs]
        names = sorted({d for shape, _ in inputs for d in shape if isinstance(d, str)} | set(ranges or {}), key=lambda n: (len(n), n))
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            types = [tw.tensor_type(i) for i in infos]
            kernel = func.FuncOp(name, ir.FunctionType.get(types, []))
            block = kernel.add_entry_block()
            with ir.InsertionPoint(block):
                out = body(*block.arguments)
                results = [out] if isinstance(out, ir.Value) else list(out)
                func.ReturnOp(results)
            kernel.operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [r.type for r in results]))
            attributes = kernel.operation.attributes
            attributes["tw.kernel"] = ir.UnitAttr.get()
            attributes["tw.symbols"] = tw.symbols_attribute({n: (ranges or {}).get(n, (0, 100000)) for n in names})
            if schedule is None:
                from tilewright.passes.schedules.loops import choose_loop_schedule

                schedule = choose_loop_schedule(kernel, target or host_target())
            from tilewright.passes.schedules.attribute import schedule_attribute

            attributes["tw.schedule"] = schedule_attribute(schedule or {})
        outputs = tuple(tw.tensor_info(r) for r in results)
        tw.verify(module)
        level2 = str(module)
        level3 = lower_loops(kernel, target or host_target(), fast_math)
        _verify(module)
        slow = level3.operation.attributes
        reason = ir.StringAttr(slow["tw.slow_path"]).value if "tw.slow_path" in slow else None
        return Kernel(name, level2, str(module), reason, tuple(names), tuple(infos), outputs)


def _verify(module: ir.Module) -> None:
    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise AssertionError(f"{module.context.diagnostic_log.entries}\n{module}") from error


def run(kernel: Kernel, arrays: Sequence[np.ndarray], target: Target | None = None, **symbols: int) -> list[np.ndarray]:
    """Compile and call; returns the outputs. Inputs are used as they are."""
    from level3_runner import run_level3

    values = {**kernel.sizes(arrays), **symbols}
    outputs = empty_outputs(kernel, values)
    run_level3(kernel.level3, kernel.name, [*map(_bytes, arrays), *map(_bytes, outputs)], [values[s] for s in kernel.symbols], target=target)
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


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)
