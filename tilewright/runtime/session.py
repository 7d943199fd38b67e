"""Calling a loaded program: from tensors to one native call and back.

What depends only on the shapes is computed once for each combination of them (`Plan`). A call then checks that the shapes are known,
takes a workspace from the pool, fills in pointers and calls `tw_main`, during which the GIL is released.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from tilewright.runtime.errors import CallError, RuntimeFailure, ThreadsError
from tilewright.runtime.manifest import EntryCode, EntryPoint
from tilewright.runtime.openmp import find_openmp
from tilewright.runtime.signature import Signature
from tilewright.runtime.structure import compile_structure
from tilewright.runtime.tensors import NUMPY, DLPackKind, NumpyKind, TorchKind, as_tensor, kind_of
from tilewright.runtime.workspace import Plan, Workspace

MAX_PLANS = 4096
_Maker = Callable[[tuple[int, ...]], tuple[Any, int]]


class Session:
    """One entry point, ready to be called from any number of threads at once.

    `address` is that of the native function, `weights` a ctypes array of pointers that stays alive with the session, `threads` the
    size of the parallel region and `asked` whether a person chose it (then less is an error).
    """

    def __init__(self, entry: EntryPoint, code: EntryCode, address: int, weights: Any, threads: int, asked: bool) -> None:
        self.entry = entry
        self.signature = Signature(entry)
        self.threads = threads
        self._asked = asked
        self._function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(address)
        self._weights = weights
        self._arena_bytes = self.signature.compile(code.arena_bytes)
        self._scratch_bytes = self.signature.compile(code.scratch_bytes)
        self._pack = compile_structure(entry.structure, len(entry.outputs))
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._kinds: dict[type, NumpyKind | TorchKind | DLPackKind] = {}
        self._makers: dict[Any, tuple[_Maker, ...]] = {}
        self._idle: list[Workspace] = []
        self._running = 0
        self._inputs = len(entry.inputs)
        self._closed = False
        if threads > 1 and asked:
            self._openmp()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program. Raises CallError for arguments that do not fit."""
        if self._closed:
            raise RuntimeFailure("the program is closed", remedy="load it again")
        values = args if len(args) == self._inputs and not kwargs else self.signature.bind(args, kwargs)
        kinds = self._kinds
        key: list[Any] = []
        pointers: list[int] = []
        holders: list[Any] = []
        first = None
        for i, value in enumerate(values):
            kind = kinds.get(type(value))
            if kind is None:
                value, kind = self._adapt(i, value)
            try:
                shape, dtype, pointer, holder = kind.read(value)
            except CallError as error:
                raise self._named(i, error) from error
            key.append(shape)
            key.append(dtype)
            pointers.append(pointer)
            holders.append(holder)
            if first is None:
                first = kind
        plan = self._plans.get(tuple(key))
        if plan is None or (plan.openmp is not None and plan.openmp is not find_openmp()):
            plan = self._make_plan(key)
        return self._run(plan, first or NUMPY, pointers)

    def close(self) -> None:
        """Refuse further calls and free the memory. Raises RuntimeFailure while a call is running."""
        self._closed = True
        if self._running:
            raise RuntimeFailure("the program cannot be closed while calls of it are running")
        self._idle.clear()
        self._plans.clear()

    def _run(self, plan: Plan, kind: NumpyKind | TorchKind | DLPackKind, pointers: list[int]) -> Any:
        makers = self._makers.get(kind) or self._make_makers(kind)
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = Workspace(self._inputs, len(makers), ctypes.addressof(self._weights))
        self._running += 1
        try:
            if workspace.plan is not plan:
                workspace.prepare(plan)
            workspace.inputs[: len(pointers)] = pointers
            outputs: list[Any] = []
            table = workspace.outputs
            for i, (make, shape) in enumerate(zip(makers, plan.output_shapes)):
                tensor, table[i] = make(shape)
                outputs.append(tensor)
            status = self._function(workspace.reference)
        finally:
            self._running -= 1
        self._idle.append(workspace)
        if status:
            raise RuntimeFailure(f"the native program failed with status {status}")
        if isinstance(kind, DLPackKind):
            outputs = [kind.finish(tensor) for tensor in outputs]
        return self._pack(outputs)

    def _adapt(self, index: int, value: Any) -> tuple[Any, NumpyKind | TorchKind | DLPackKind]:
        tensor = as_tensor(value, self.entry.inputs[index].dtype)
        try:
            kind = kind_of(tensor)
        except CallError as error:
            raise self._named(index, error) from error
        if tensor is value:
            self._kinds[type(value)] = kind
        return tensor, kind

    def _named(self, index: int, error: CallError) -> CallError:
        port = self.entry.inputs[index]
        expected = f"expected {port.dtype}[{', '.join(port.shape)}], {error.what}"
        return CallError(f"input {port.name!r}: {expected}", error.why, error.remedy)

    def _make_plan(self, key: list[Any]) -> Plan:
        values = self.signature.check([tuple(shape) for shape in key[::2]], key[1::2])
        plan = Plan(
            values,
            self.signature.output_shapes(values),
            self.signature.nbytes(self._arena_bytes, values, "the arena"),
            self.signature.nbytes(self._scratch_bytes, values, "the scratch memory"),
            *self._openmp(),
        )
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        self._plans[tuple(key)] = plan
        return plan

    def _openmp(self) -> tuple[int, Any]:
        """The number of threads and the runtime that provides them."""
        if self.threads == 1:
            return 1, None
        openmp = find_openmp()
        if openmp is not None:
            return self.threads, openmp
        if self._asked:
            raise ThreadsError(
                f"{self.threads} threads were asked for, but there is no OpenMP runtime",
                "looked for libgomp, libomp and libiomp5",
                "`apt-get install libgomp1`, or use one thread",
            )
        return 1, None

    def _make_makers(self, kind: NumpyKind | TorchKind | DLPackKind) -> tuple[_Maker, ...]:
        makers = self._makers[kind] = tuple(kind.maker(port.dtype) for port in self.entry.outputs)
        return makers
