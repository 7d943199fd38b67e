"""A kernel with one of its schedules as a program of one launch, compiled as any program is: what the timing calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic
from typing import Any

from tilewright.codegen.cache import CompileCache
from tilewright.codegen.compile_program import compile_program
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import TilewrightError
from tilewright.core.mlir import func, ir, new_context
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.lowering.program_interface import ProgramInterface
from tilewright.passes.schedules.attribute import schedule_attribute
from tilewright.targets import Target
from tilewright.tuning.subject import Subject, weight_arguments, weight_name


@dataclass(frozen=True)
class CandidateProgram:
    """A compiled candidate. `layouts` says how each weight of `interface` is stored, in its order (None: row-major)."""

    schedule: Mapping[str, Any]
    shared_object: bytes
    symbol: str
    interface: ProgramInterface
    layouts: tuple[Mapping[str, str] | None, ...]


@dataclass(frozen=True)
class CandidateCompiler:
    """Compiles candidates for `target` in the workers of `pool`. `passes` are those of a compilation from the choice of schedules to
    the plan of memory, `settings` those of its kernels."""

    target: Target
    passes: str
    pool: WorkerPool
    cache: CompileCache | None
    settings: Mapping[str, Any]

    def compile(self, subject: Subject, schedule: Mapping[str, Any]) -> CandidateProgram:
        """Compile one candidate. Raises the TilewrightError of a schedule that cannot be lowered or whose worker died."""
        context = new_context()
        tw.load(context)
        with context, ir.Location.unknown():
            module = candidate_module(subject, schedule)
            run_pipeline(module, self.passes)
            code = compile_program(module, self.target, self.pool, self.cache, settings=self.settings)
            layouts = tuple(_layout(use.layout) for use in code.interface.weights)
        return CandidateProgram(schedule, code.shared_object, code.symbol, code.interface, layouts)

    def compile_until(
        self, subject: Subject, schedules: Sequence[Mapping[str, Any]], deadline: float
    ) -> list[CandidateProgram | TilewrightError | None]:
        """Compile several at a time. None for those that were not begun when `deadline` (of time.monotonic) passed."""
        with ThreadPoolExecutor(self.pool.jobs) as executor:
            futures: list[Future[CandidateProgram]] = [executor.submit(self.compile, subject, schedule) for schedule in schedules]
            left = set(futures)
            while left and monotonic() < deadline:
                left -= wait(left, max(0.0, deadline - monotonic()), FIRST_COMPLETED).done
            for future in left:
                future.cancel()
        return [_outcome(future) for future in futures]


def candidate_module(subject: Subject, schedule: Mapping[str, Any]) -> ir.Module:
    """The level 2 module that launches the kernel once; its inputs and results are the program's. Needs a current context.

    Weights of the kernel are weights of the program, named by their position among the arguments.
    """
    module = ir.Module.parse(subject.text)
    kernel = next(f.operation for f in tw.functions(module))
    kernel.attributes["tw.schedule"] = schedule_attribute(dict(schedule))
    kind = ir.FunctionType(ir.TypeAttr(kernel.attributes["function_type"]).value)
    weights = set(weight_arguments(kernel))
    with ir.InsertionPoint.at_block_begin(module.body):
        inputs = [t for i, t in enumerate(kind.inputs) if i not in weights]
        main = func.FuncOp("main", ir.FunctionType.get(inputs, kind.results))
        main.attributes["tw.symbols"] = kernel.attributes["tw.symbols"] if "tw.symbols" in kernel.attributes else ir.DictAttr.get({})
        given = iter(main.add_entry_block().arguments)
    with ir.InsertionPoint(main.entry_block):
        operands = [_weight(i, t) if i in weights else next(given) for i, t in enumerate(kind.inputs)]
        attributes: dict[str, ir.Attribute] = {"callee": ir.FlatSymbolRefAttr.get(subject.name)}
        if names := tw.symbols_of(kernel):
            attributes["symbols"] = ir.DictAttr.get({name: ir.StringAttr.get(name) for name in names})
        launch = ir.Operation.create("tw.launch", results=list(kind.results), operands=operands, attributes=attributes)
        func.ReturnOp(list(launch.results))
    return module


def _weight(argument: int, kind: ir.Type) -> ir.Value:
    op = ir.Operation.create("tw.weight", results=[kind], attributes={"name": ir.StringAttr.get(weight_name(argument))})
    return op.results[0]


def _layout(text: str) -> Mapping[str, str] | None:
    return {named.name: ir.StringAttr(named.attr).value for named in ir.DictAttr(ir.Attribute.parse(text))} if text else None


def _outcome(future: Future[CandidateProgram]) -> CandidateProgram | TilewrightError | None:
    if future.cancelled():
        return None
    error = future.exception()
    if error is not None and not isinstance(error, TilewrightError):
        raise error
    return error if isinstance(error, TilewrightError) else future.result()
