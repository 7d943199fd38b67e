"""What is tuned: the kernels of a module that have alternatives, and the sizes and numbers of their calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import parse, to_expr
from tilewright.dialects import tw
from tilewright.passes.cost import kernel_cost
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.kernel_identity import kernel_digest, kernel_summary
from tilewright.passes.schedules.matmul import KIND, MatmulSchedule

Values = Mapping[str, int]


@dataclass(frozen=True)
class Case:
    """Calls of a kernel with equal sizes: the values of its symbols, how often one run of the program makes the call, and the
    position of the set of sizes it belongs to."""

    values: Values
    calls: int
    size_set: int


@dataclass(frozen=True)
class Subject:
    """A kernel to tune.

    `text` is a module that holds the function without locations and without `tw.schedule`; `weights` are its arguments that are weights,
    by `weight_name`; `rule` is the schedule it has before tuning; `operations` counts those of all cases together.
    """

    name: str
    text: str
    digest: str
    summary: str
    weights: Mapping[str, tw.TensorInfo]
    rule: Mapping[str, Any]
    cases: tuple[Case, ...]
    operations: int

    @property
    def size_sets(self) -> int:
        """How many sets of sizes the cases belong to."""
        return 1 + max(case.size_set for case in self.cases)


def find_subjects(module: ir.Module, size_sets: Sequence[Values]) -> list[Subject]:
    """The kernels of a level 2 module with schedules, before their weights are packed; most work first.

    Each of `size_sets` gives values to the symbols of `@main`; without a `@main`, to those of the kernels, each of which is then called
    once. Kernels that nothing launches are left out. Raises InputError for kernels whose weights are packed already.
    """
    main = main_function(module)
    subjects: list[Subject] = []
    for function in tw.functions(module):
        operation = function.operation
        if "tw.kernel" not in operation.attributes or read_schedule(operation).get("kind") != KIND:
            continue
        name = ir.StringAttr(operation.attributes["sym_name"]).value
        if any(tw.is_op(op, "unpack") for op in operation.regions[0].blocks[0].operations):
            raise InputError(
                f"the weights of kernel @{name} are packed already",
                where=tw.location_text(operation.location),
                remedy="give the module as it was before tw-pack-weights: `tilewright compile --compile-to fuse` prints it",
            )
        cases = _direct_cases(operation, size_sets) if main is None else _launched_cases(main, name, size_sets)
        if cases:
            count = to_expr(kernel_cost(operation).operations)
            work = sum(case.calls * count.evaluate(case.values) for case in cases)
            digest, summary = kernel_digest(operation), kernel_summary(operation)
            rule = MatmulSchedule.from_attributes(read_schedule(operation)).attributes()
            weights = {weight_name(i): tw.tensor_info(operation.regions[0].blocks[0].arguments[i]) for i in weight_arguments(operation)}
            subjects.append(Subject(name, _text(operation), digest, summary, weights, rule, cases, work))
    return sorted(subjects, key=lambda s: (-s.operations, s.name))


def main_function(module: ir.Module) -> ir.Operation | None:
    """`@main`, if the module has it."""
    return next((f.operation for f in tw.functions(module) if "tw.kernel" not in f.operation.attributes), None)


def weight_arguments(kernel: ir.Operation) -> list[int]:
    """The positions of a kernel's arguments that are weights."""
    if "arg_attrs" not in kernel.attributes:
        return []
    return [i for i, marks in enumerate(ir.ArrayAttr(kernel.attributes["arg_attrs"])) if "tw.weight" in ir.DictAttr(marks)]


def weight_name(argument: int) -> str:
    """The name that the kernel's argument number `argument` has as a weight of a program made for tuning."""
    return f"argument{argument}"


def _text(function: ir.Operation) -> str:
    alone = ir.Module.create(loc=ir.Location.unknown(function.context))
    clone = function.clone(ip=ir.InsertionPoint(alone.body))
    del clone.attributes["tw.schedule"]
    return str(alone.operation.get_asm(enable_debug_info=False))


def _direct_cases(function: ir.Operation, size_sets: Sequence[Values]) -> tuple[Case, ...]:
    names = tw.symbols_of(function)
    return tuple(Case({name: values[name] for name in names}, 1, i) for i, values in enumerate(size_sets))


def _launched_cases(main: ir.Operation, name: str, size_sets: Sequence[Values]) -> tuple[Case, ...]:
    calls: dict[tuple[int, tuple[tuple[str, int], ...]], int] = {}
    for op in main.regions[0].blocks[0].operations:
        if tw.is_op(op, "launch") and tw.get(op, "callee") == name:
            attributes = op.operation.attributes
            bound = ir.DictAttr(attributes["symbols"]) if "symbols" in attributes else ()
            texts = {named.name: ir.StringAttr(named.attr).value for named in bound}
            for i, sizes in enumerate(size_sets):
                key = i, tuple((symbol, parse(text).evaluate(sizes)) for symbol, text in texts.items())
                calls[key] = calls.get(key, 0) + 1
    return tuple(Case(dict(values), count, i) for (i, values), count in calls.items())
