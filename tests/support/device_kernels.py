"""Build a `tw` kernel, compile it to PTX, interpret the PTX, and compare with the NumPy references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ptx_interpreter import Memory, launch, parse_kernel

from tilewright.codegen.compile_device import DeviceKernel, compile_device_kernels
from tilewright.core.mlir import func, ir, new_context
from tilewright.core.symbolic import parse
from tilewright.dialects import tw
from tilewright.dialects.tw import interpreter
from tilewright.dialects.tw.types import numpy_dtype, parse_shape
from tilewright.passes.schedules.attribute import schedule_attribute
from tilewright.targets import find

Body = Callable[..., "ir.Value | Sequence[ir.Value]"]
NAME = "kernel"


def info(shape: str, dtype: str = "f32") -> tw.TensorInfo:
    """A tensor type from its encoding string: `"d0, 384"`."""
    return tw.TensorInfo(parse_shape(shape), dtype)


@dataclass
class DeviceCase:
    """A compiled kernel, its level 2 text, and the types of its inputs."""

    kernel: DeviceKernel
    level2: str
    inputs: tuple[tw.TensorInfo, ...]

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs as the PTX computes them, in the interpreter."""
        expected = self.reference(arrays)
        memory = Memory(1 << 32)
        symbols = interpreter.bind_symbols(self.inputs, [a.shape for a in arrays], [str(i) for i in range(len(arrays))])
        pointers = [memory.allocate(np.ascontiguousarray(a)) for a in arrays]
        results = [memory.allocate(int(r.nbytes)) for r in expected]
        blocks = [parse(size).evaluate(symbols) for size in self.kernel.grid]
        assert blocks[1:] == [1, 1] and self.kernel.block[1:] == (1, 1)
        values = [symbols[name] for name in self.kernel.symbols]
        launch(parse_kernel(self.kernel.ptx, NAME), blocks[0], self.kernel.block[0], [*pointers, *results, *values], memory)
        return [np.frombuffer(memory.read(p, r.nbytes), r.dtype).reshape(r.shape) for p, r in zip(results, expected)]

    def reference(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs as the references compute them."""
        context = new_context()
        tw.load(context)
        with context, ir.Location.unknown():
            return interpreter.run(ir.Module.parse(self.level2), list(arrays), function=NAME)

    def check(self, *arrays: np.ndarray, rtol: float = 1e-5, atol: float = 1e-6) -> None:
        """Assert that both agree."""
        for got, want in zip(self.run(arrays), self.reference(arrays), strict=True):
            if got.dtype.kind in "biu":
                np.testing.assert_array_equal(got, want)
            else:
                np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=rtol, atol=atol)


def build(
    inputs: Sequence[tw.TensorInfo],
    body: Body,
    *,
    most: int = 4096,
    target: str = "cuda:sm_90",
    schedule: dict[str, Any] | None = None,
) -> DeviceCase:
    """Compile a kernel over `inputs` whose `body` gets the values and returns the results. Symbols range over [1, most]."""
    context = new_context()
    tw.load(context)
    with context, ir.Location.unknown():
        module = ir.Module.create()
        types = [tw.tensor_type(i) for i in inputs]
        with ir.InsertionPoint(module.body):
            kernel = func.FuncOp(NAME, ir.FunctionType.get(types, []))
        block = kernel.add_entry_block()
        with ir.InsertionPoint(block):
            out = body(*block.arguments)
            results = [out] if isinstance(out, ir.Value) else list(out)
            func.ReturnOp(results)
        attributes = kernel.operation.attributes
        attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [r.type for r in results]))
        attributes["tw.kernel"] = ir.UnitAttr.get()
        names = {name for i in inputs for d in i.shape if not isinstance(d, int) for name in d.symbols()}
        attributes["tw.symbols"] = tw.symbols_attribute({n: (1, most) for n in names})
        if schedule is not None:
            attributes["tw.schedule"] = schedule_attribute(schedule)
        tw.verify(module)
        code = compile_device_kernels(module, find(target), assemble=False)
        code.require_complete()
        return DeviceCase(code.kernels[NAME], str(module), tuple(inputs))


def normal(*shape: int, dtype: str = "f32", seed: int = 0) -> np.ndarray:
    """Normally distributed numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(numpy_dtype(dtype))
