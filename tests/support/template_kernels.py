"""Kernels of level 2 built in tests, lowered by the matmul and attention templates, and executed beside their reference.

kernel = TemplateKernel([info("d0, 384"), info("384, 96")], lambda x, w: [tw.build("matmul", x, w)], weights={1})
kernel.check([x, w])                              # lower for this machine, run, compare with the interpreter
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from aarch64_runner import run_kernel
from guarded_memory import assert_guards, guarded, guarded_copy
from level3_runner import compile_level3, level3_timer

from tilewright.core.mlir import func, ir, new_context
from tilewright.core.symbolic import to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw import interpreter
from tilewright.dialects.tw.layouts import apply_layout
from tilewright.dialects.tw.types import parse_shape
from tilewright.lowering.templates.attention import lower_attention_kernel
from tilewright.lowering.templates.attention_decode import lower_attention_decode_kernel
from tilewright.lowering.templates.matmul import lower_matmul_kernel
from tilewright.passes.pack_weights import pack_kernel
from tilewright.passes.schedules.attention import choose_attention_schedule
from tilewright.passes.schedules.attention_decode import decode_schedule
from tilewright.passes.schedules.attribute import schedule_attribute
from tilewright.passes.schedules.matmul_rule import choose_matmul_schedule
from tilewright.targets import Target, host_target

Body = Callable[..., Sequence[ir.Value]]
Layouts = dict[int, dict[str, str]]
"""By input: the layout in which a weight is stored."""


@contextmanager
def tw_context() -> Generator[None, None, None]:
    """A context that knows `tw` ops, and an unknown location."""
    context = new_context()
    tw.load(context)
    with context, ir.Location.unknown():
        yield


def info(shape: str, dtype: str = "f32") -> tw.TensorInfo:
    """A tensor type from its encoding string: `"d0, 384"`."""
    return tw.TensorInfo(parse_shape(shape), dtype)


@dataclasses.dataclass
class TemplateKernel:
    """A kernel of `inputs` whose `body` returns the results. Inputs in `weights` are constants that may be packed."""

    inputs: Sequence[tw.TensorInfo]
    body: Body
    weights: frozenset[int] | set[int] = frozenset()
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)
    decode: bool = False
    """Whether attention is lowered by the template for few queries."""

    def level2(self) -> str:
        """The kernel function as text."""
        with tw_context():
            return str(self._module())

    def _module(self) -> ir.Module:
        module = ir.Module.create()
        names = sorted({s for i in self.inputs for d in i.shape for s in to_expr(d).symbols()})
        with ir.InsertionPoint(module.body):
            types = [tw.tensor_type(i) for i in self.inputs]
            function = func.FuncOp("kernel", ir.FunctionType.get(types, []), visibility="private")
            function.attributes["tw.kernel"] = ir.UnitAttr.get()
            function.attributes["tw.symbols"] = tw.symbols_attribute({name: (0, 4096) for name in names})
            function.arg_attrs = [ir.DictAttr.get({"tw.weight": ir.UnitAttr.get()} if i in self.weights else {}) for i in range(len(types))]
            block = function.add_entry_block()
            with ir.InsertionPoint(block):
                results = list(self.body(*block.arguments))
                func.ReturnOp(results)
            function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [r.type for r in results]))
        return module

    def lower(self, target: Target) -> tuple[str, Layouts]:
        """Level 3 text, and the layouts of the inputs that are packed."""
        with tw_context():
            module = self._module()
            tw.verify(module)
            function = module.body.operations[0]
            attention = self._decode_schedule if self.decode else choose_attention_schedule
            schedule = choose_matmul_schedule(function, target) or attention(function, target)
            assert schedule is not None, "no template covers this kernel"
            schedule.update(self.overrides)
            function.operation.attributes["tw.schedule"] = schedule_attribute(schedule)
            layouts: Layouts = {}
            if schedule["kind"] == "attention":
                lower_attention_kernel(function, target)
            elif schedule["kind"] == "attention-decode":
                lower_attention_decode_kernel(function, target)
            else:
                if schedule["rhs"] == "packed":
                    layouts = _use_panels(function, schedule)
                lower_matmul_kernel(function, target)
            module.operation.verify()
            return str(module), layouts

    @staticmethod
    def _decode_schedule(function: ir.OpView, target: Target) -> dict[str, Any]:
        """The decode template's schedule, also where another template would be chosen."""
        (op,) = [o for o in function.operation.regions[0].blocks[0].operations if tw.is_op(o, "attention")]
        return decode_schedule(op, target).attributes()

    def reference(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Results of the interpreter, whose matmul and attention accumulate in f64."""
        with tw_context():
            return interpreter.run(self._module(), list(arrays), function="kernel")

    def run(
        self,
        arrays: Sequence[np.ndarray],
        target: Target | None = None,
        splits: Sequence[float] = (),
        lowered: tuple[str, Layouts] | None = None,
        at_end: bool = True,
    ) -> list[np.ndarray]:
        """Results of the native kernel; `splits` are the fractions of the units at which the range is cut into several calls.

        Inputs, results and scratch end (or, unless `at_end`, inputs and results begin) at pages that may not be touched. Weights are
        aligned to 64 bytes, all else to its elements. Code for another architecture runs under qemu.
        """
        text, layouts = lowered or self.lower(target or host_target())
        expected = self.reference(arrays)
        results = [guarded(e.shape, e.dtype, at_end=at_end) for e in expected]
        passed: list[np.ndarray] = []
        for i, array in enumerate(arrays):
            held = apply_layout(np.asarray(array), layouts[i]) if i in layouts else array
            passed.append(guarded_copy(held, at_end=at_end, alignment=64 if i in self.weights else 0))
        symbols = interpreter.bind_symbols(list(self.inputs), [a.shape for a in arrays], [""] * len(arrays))
        numbers = [symbols[name] for name in sorted(symbols)]
        stored = [a.view(np.uint8) if a.dtype == np.bool_ else a for a in passed]
        outputs = [r.view(np.uint8) if r.dtype == np.bool_ else r for r in results]
        trips = size_attribute(text, "tw.trip_count", symbols)
        bounds = [0, *sorted(int(trips * s) for s in splits), trips]
        for lo, hi in itertools.pairwise(bounds):
            if target is not None and target.arch != host_target().arch:
                scratch, code = size_attribute(text, "tw.scratch", symbols), compile_level3(text, target).object
                run_kernel(code, "kernel", [*stored, *outputs], len(outputs), scratch, [*numbers, lo, hi], target)
            else:
                level3_timer(text, "kernel", [*stored, *outputs], numbers, lo, hi, target)()
        for result in results:
            assert_guards(result)
        return results

    def check(
        self,
        arrays: Sequence[np.ndarray],
        target: Target | None = None,
        tolerance: float = 2e-5,
        lowered: tuple[str, Layouts] | None = None,
    ) -> None:
        """Assert that native results are those of the reference, relative to the largest of each."""
        for actual, expected in zip(self.run(arrays, target, lowered=lowered), self.reference(arrays)):
            assert actual.shape == expected.shape and actual.dtype == expected.dtype
            if actual.size:
                scale = max(1.0, float(np.nanmax(np.abs(expected.astype(np.float64)))))
                np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def size_attribute(text: str, name: str, symbols: dict[str, int]) -> int:
    """The value of `tw.trip_count` or `tw.scratch` of the only function of a level 3 module."""
    with tw_context():
        module = ir.Module.parse(text)
        attributes = module.body.operations[0].operation.attributes
        return to_expr(parse_shape(ir.StringAttr(attributes[name]).value)[0]).evaluate(symbols)


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Normally distributed values, each call with its own part of the stream named by `seed`."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def _use_panels(function: ir.OpView, schedule: dict[str, Any]) -> Layouts:
    packs = pack_kernel(function, schedule)
    assert packs
    return {i: {e.name: ir.StringAttr(e.attr).value for e in ir.DictAttr(layout)} for i, (layout, _) in packs.items()}
