"""`@main` at level 2 to the native function that runs the whole program (the C interface is in docs/levels.md).

Three functions come out. `tw_main` starts one parallel region, or with one thread calls `tw_run` directly without touching an
OpenMP runtime. `tw_body` is what each thread of the region executes: it asks for its number and calls `tw_run(call, thread,
threads)`, which walks the launches. A launch's units are split evenly by thread number. Threads wait for each other only where a
launch touches what another one since the last barrier wrote, or writes what it read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import arith, ir, llvm, scf
from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.types import tensor_info
from tilewright.lowering.program_interface import (
    KernelInfo,
    body,
    callee,
    entry_function,
    kernel_info,
    launch_expression,
    launch_symbols,
    read_symbols,
    weight_use,
)
from tilewright.lowering.size_expression import SizeEmitter
from tilewright.passes.plan_memory import ALIGNMENT, planned_slots, slot_offsets

ENTRY_SYMBOL = "tw_main"
_FIELDS = (
    "inputs",
    "outputs",
    "weights",
    "arena",
    "scratch",
    "scratch_stride",
    "symbols",
    "threads",
    "parallel",
    "barrier",
    "thread_num",
    "num_threads",
)
"""Fields of `tw_call` in order; each is 8 bytes."""


@dataclass(frozen=True)
class Location:
    """Where a tensor lives: `space` is input, output, weight, slot or constant; `index` its number there."""

    space: str
    index: int


def build_host_program(module: ir.Module, kernels: Mapping[str, KernelInfo], entry: str = "main") -> ir.Module:
    """The host program for `@entry` of a planned level 2 module, as llvm functions with arith and scf inside.

    `lower_to_llvm` takes it from there. Kernels are declared and left to the linker. Raises VerifyError when `@entry` holds other
    ops than weights, constants, reshapes and launches, or a launch fits neither its kernel nor the memory plan.
    """
    with module.context, ir.Location.unknown():
        return _HostProgram(entry_function(module, entry), kernels).build()


def thread_share(units: ir.Value, thread: ir.Value, threads: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The range `[units*thread/threads, units*(thread+1)/threads)`: even shares, in order, that cover all units."""
    one = arith.constant(units.type, 1)
    lo = arith.divui(arith.muli(units, thread), threads)
    hi = arith.divui(arith.muli(units, arith.addi(thread, one)), threads)
    return lo, hi


class _HostProgram:
    def __init__(self, main: ir.Operation, kernels: Mapping[str, KernelInfo]) -> None:
        self.main = main
        self.kernels = kernels
        self.module = ir.Module.create()
        self.ptr = ir.Type.parse("!llvm.ptr")
        self.i64 = ir.IntegerType.get_signless(64)
        self.i32 = ir.IntegerType.get_signless(32)
        self.locations: dict[ir.Value, Location] = {}
        self.weights: dict[object, int] = {}
        self.constants = 0
        self.declared: dict[str, int] = {}
        self.read: set[Location] = set()
        self.written: set[Location] = set()
        self.slots = planned_slots(main)

    def build(self) -> ir.Module:
        with ir.InsertionPoint(self.module.body):
            self._build_run()
            self._build_body()
            self._build_main()
        return self.module

    def _function(self, name: str, result: str, arguments: Sequence[str], internal: bool) -> tuple[ir.Block, Sequence[ir.Value]]:
        kind = ir.Type.parse(f"!llvm.func<{result} ({', '.join(arguments)})>")
        linkage = ir.Attribute.parse(f"#llvm.linkage<{'internal' if internal else 'external'}>")
        function = llvm.LLVMFuncOp(name, ir.TypeAttr.get(kind), linkage=linkage)
        types = [self.ptr if a == "ptr" else ir.Type.parse(a) for a in arguments]
        block = function.regions[0].blocks.append(*types)
        return block, block.arguments

    def _field(self, call: ir.Value, name: str, kind: ir.Type) -> ir.Value:
        return llvm.load(kind, self._element(call, _FIELDS.index(name)))

    def _element(self, base: ir.Value, index: int) -> ir.Value:
        """The address of the `index`-th 8-byte element behind `base`."""
        return llvm.getelementptr(self.ptr, base, [], [index], self.i64, 0)

    def _call_pointer(self, pointer: ir.Value, arguments: Sequence[ir.Value], result: ir.Type | None = None) -> ir.Value | None:
        op = llvm.CallOp(result, [pointer, *arguments], [], [])
        return op.results[0] if result else None

    def _build_main(self) -> None:
        block, (call,) = self._function(ENTRY_SYMBOL, "i32", ["ptr"], internal=False)
        with ir.InsertionPoint(block):
            threads = self._field(call, "threads", self.i64)
            zero, one = arith.constant(self.i64, 0), arith.constant(self.i64, 1)
            alone = arith.cmpi(arith.CmpIPredicate.sle, threads, one)
            branch = scf.IfOp(alone, has_else=True)
            with ir.InsertionPoint(branch.then_block):
                self._call_named("tw_run", [call, zero, one])
                scf.yield_([])
            with ir.InsertionPoint(branch.regions[1].blocks[0]):
                start = llvm.mlir_addressof(self.ptr, "tw_body")
                count = arith.trunci(self.i32, threads)
                self._call_pointer(self._field(call, "parallel", self.ptr), [start, call, count, arith.constant(self.i32, 0)])
                scf.yield_([])
            llvm.return_(arg=arith.constant(self.i32, 0))

    def _build_body(self) -> None:
        block, (call,) = self._function("tw_body", "void", ["ptr"], internal=True)
        with ir.InsertionPoint(block):
            values: list[ir.Value] = []
            for name in ("thread_num", "num_threads"):
                number = self._call_pointer(self._field(call, name, self.ptr), [], self.i32)
                assert number is not None
                values.append(arith.extui(self.i64, number))
            self._call_named("tw_run", [call, *values])
            llvm.return_()

    def _call_named(self, name: str, arguments: Sequence[ir.Value]) -> None:
        llvm.CallOp(None, arguments, [], [], callee=ir.FlatSymbolRefAttr.get(name))

    def _build_run(self) -> None:
        block, (self.call, self.thread, self.threads) = self._function("tw_run", "void", ["ptr", "i64", "i64"], internal=True)
        with ir.InsertionPoint(block):
            symbols = self._field(self.call, "symbols", self.ptr)
            names = [name for name, _, _ in read_symbols(self.main.attributes)]
            values = {name: llvm.load(self.i64, self._element(symbols, i)) for i, name in enumerate(names)}
            self.sizes = SizeEmitter(values, self.i64)
            arena = self._field(self.call, "arena", self.ptr)
            stride = self._field(self.call, "scratch_stride", self.i64)
            self.scratch = self._offset(self._field(self.call, "scratch", self.ptr), arith.muli(self.thread, stride))
            self.slot_pointers = [self._offset(arena, self.sizes.emit(at)) for at in slot_offsets(self.slots)[:-1]]
            for i, argument in enumerate(self.main.regions[0].blocks[0].arguments):
                self.locations[argument] = Location("input", i)
            for op in body(self.main):
                self._emit(op)
            llvm.return_()

    def _emit(self, op: ir.Operation) -> None:
        match op.name:
            case "tw.weight":
                index = self.weights.setdefault(weight_use(op), len(self.weights))
                self.locations[op.results[0]] = Location("weight", index)
            case "tw.constant":
                self.locations[op.results[0]] = self._constant(op)
            case "tw.reshape":
                self.locations[op.results[0]] = self.locations[op.operands[0]]
            case "tw.launch":
                with op.location:
                    self._launch(op)
            case "func.return":
                self._copy_outputs(op)
            case name:
                raise VerifyError(
                    f"{name} is left in the entry function",
                    where=str(op.location),
                    remedy="fuse and outline the program before",
                )

    def _constant(self, op: ir.Operation) -> Location:
        location = Location("constant", self.constants)
        self.constants += 1
        value = storable_constant(ir.DenseElementsAttr(op.attributes["value"]))
        with ir.InsertionPoint(self.module.body):
            llvm.GlobalOp(
                ir.TypeAttr.get(_array_type(ir.ShapedType(value.type))),
                f"tw_constant_{location.index}",
                ir.Attribute.parse("#llvm.linkage<internal>"),
                constant=True,
                value=value,
                alignment=ALIGNMENT,
            )
        return location

    def _pointer(self, location: Location) -> ir.Value:
        if location.space == "slot":
            return self.slot_pointers[location.index]
        if location.space == "constant":
            return llvm.mlir_addressof(self.ptr, f"tw_constant_{location.index}")
        table = self._field(self.call, f"{location.space}s", self.ptr)
        return llvm.load(self.ptr, self._element(table, location.index))

    def _offset(self, base: ir.Value, offset: ir.Value) -> ir.Value:
        dynamic = -(2**31)  # The marker that llvm.getelementptr uses for "this index is an operand".
        return llvm.getelementptr(self.ptr, base, [offset], [dynamic], ir.IntegerType.get_signless(8), 0)

    def _launch(self, op: ir.Operation) -> None:
        info = kernel_info(op, self.kernels)
        results = self._results(op)
        operands = [self.locations[v] for v in op.operands]
        self._wait_for(operands, results)
        bound = launch_symbols(op)
        missing = [s for s in info.symbols if s not in bound]
        if missing:
            raise VerifyError(f"the launch of @{callee(op)} binds no {', '.join(missing)}", where=str(op.location))
        units = self.sizes.emit(launch_expression(op, info.trip_count))
        symbols = [self.sizes.emit(bound[s]) for s in info.symbols]
        lo, hi = thread_share(units, self.thread, self.threads)
        branch = scf.IfOp(arith.cmpi(arith.CmpIPredicate.ult, lo, hi))
        with ir.InsertionPoint(branch.then_block):
            pointers = [self._pointer(where) for where in (*operands, *results)]
            self._call_kernel(callee(op), [*pointers, self.scratch], [*symbols, lo, hi])
            scf.yield_([])
        self.locations.update(zip(op.results, results, strict=True))

    def _results(self, op: ir.Operation) -> list[Location]:
        texts = [ir.StringAttr(a).value for a in ir.ArrayAttr(op.attributes["buffers"])] if "buffers" in op.attributes else []
        if len(texts) != len(op.results):
            raise VerifyError(
                f"the launch of @{callee(op)} has {len(op.results)} results and {len(texts)} buffers",
                where=str(op.location),
                remedy="run tw-plan-memory before",
            )
        locations: list[Location] = []
        for text in texts:
            space, _, index = text.partition(":")
            if space not in ("slot", "output") or not index.isdigit() or (space == "slot" and int(index) >= len(self.slots)):
                raise VerifyError(f"no such buffer: {text!r}", where=str(op.location))
            locations.append(Location(space, int(index)))
        return locations

    def _call_kernel(self, name: str, pointers: Sequence[ir.Value], numbers: Sequence[ir.Value]) -> None:
        arguments = [*pointers, *numbers]
        if self.declared.setdefault(name, len(arguments)) != len(arguments):
            raise VerifyError(f"@{name} is launched with different numbers of operands")
        self._declare(name, len(pointers), len(numbers))
        self._call_named(name, arguments)

    def _declare(self, name: str, pointers: int, numbers: int) -> None:
        if any(ir.StringAttr(op.operation.attributes["sym_name"]).value == name for op in self.module.body.operations):
            return
        kind = ir.Type.parse(f"!llvm.func<void ({', '.join(['ptr'] * pointers + ['i64'] * numbers)})>")
        with ir.InsertionPoint(self.module.body):
            llvm.LLVMFuncOp(name, ir.TypeAttr.get(kind))

    def _wait_for(self, reads: Sequence[Location], writes: Sequence[Location]) -> None:
        """A barrier, unless what comes next touches nothing that launches since the last barrier write or, if it writes, read."""
        conflict = self.written & {*reads, *writes} or self.read & set(writes)
        if conflict:
            many = arith.cmpi(arith.CmpIPredicate.ugt, self.threads, arith.constant(self.i64, 1))
            branch = scf.IfOp(many)
            with ir.InsertionPoint(branch.then_block):
                self._call_pointer(self._field(self.call, "barrier", self.ptr), [])
                scf.yield_([])
            self.read.clear()
            self.written.clear()
        self.read.update(reads)
        self.written.update(writes)

    def _copy_outputs(self, op: ir.Operation) -> None:
        """Results that no launch wrote to their place: inputs, weights and constants returned, or one value returned twice."""
        copies: list[tuple[Location, Location, Dim]] = []
        for i, value in enumerate(op.operands):
            source = self.locations[value]
            if source != Location("output", i):
                copies.append((source, Location("output", i), tensor_info(value).nbytes))
        if not copies:
            return
        self._wait_for([c[0] for c in copies], [c[1] for c in copies])
        sizes = [self.sizes.emit(nbytes) for _, _, nbytes in copies]
        first = scf.IfOp(arith.cmpi(arith.CmpIPredicate.eq, self.thread, arith.constant(self.i64, 0)))
        with ir.InsertionPoint(first.then_block):
            for (source, destination, _), size in zip(copies, sizes, strict=True):
                llvm.intr_memcpy(self._pointer(destination), self._pointer(source), size, False)
            scf.yield_([])


def storable_constant(value: ir.DenseElementsAttr) -> ir.DenseElementsAttr:
    """`value` with at least one dimension: the translator kills the process on a global that is a dense scalar."""
    kind = ir.ShapedType(value.type)
    if kind.rank:
        return value
    return ir.DenseElementsAttr.get_splat(ir.RankedTensorType.get([1], kind.element_type), value.get_splat_value())


def _array_type(kind: ir.ShapedType) -> ir.Type:
    text = str(kind.element_type)
    for size in reversed(kind.shape):
        text = f"array<{size} x {text}>"
    return ir.Type.parse(f"!llvm.{text}")
