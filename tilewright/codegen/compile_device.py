"""All kernels of a level 2 module for a device: those with a lowering to PTX, and a list of those without."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from typing import Any

from tilewright.codegen.cache import CompileCache, cache_key, toolchain_fingerprint
from tilewright.codegen.compile_kernels import Progress, combined_failure, kernel_functions, kernel_symbols, kernel_text
from tilewright.codegen.pool import WorkerPool
from tilewright.codegen.ptxas import find_ptxas
from tilewright.codegen.task import COMPILE_DEVICE_KERNEL, Task
from tilewright.core.diagnostics import InputError, TilewrightError, ToolchainError, UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.options import environment
from tilewright.dialects import tw
from tilewright.passes.schedules.gpu import unsupported_ops
from tilewright.targets import Target

SHOWN_PLACES = 4
"""Source lines that the report of a kernel without a lowering names."""


@dataclass(frozen=True)
class DeviceKernel:
    """A compiled kernel. `grid` holds expressions over `symbols`; the ABI is that of `lowering.gpu`.

    Without ptxas there is no `cubin` and nothing is known of `registers` (per thread) and `spills` (bytes per thread).
    """

    name: str
    ptx: str
    cubin: bytes | None
    registers: int | None
    spills: int | None
    shared_bytes: int
    grid: tuple[str, str, str]
    block: tuple[int, int, int]
    symbols: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    dumps: dict[str, str] = field(default_factory=dict)
    cached: bool = False


@dataclass(frozen=True)
class UnsupportedKernel:
    """A kernel without a lowering for the target: why, the ops that are to blame, and the first source lines they come from."""

    name: str
    reason: str
    ops: tuple[str, ...]
    locations: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.locations[:SHOWN_PLACES])
        more = f" and {len(self.locations) - SHOWN_PLACES} more places" if len(self.locations) > SHOWN_PLACES else ""
        return f"{self.name}: {self.reason}" + (f" (from {shown}{more})" if shown else "")


@dataclass(frozen=True)
class DeviceCode:
    """What a target's compiler could do with a module: its kernels in order, and the kernels that it could not compile."""

    target: Target
    kernels: dict[str, DeviceKernel]
    unsupported: tuple[UnsupportedKernel, ...]

    def require_complete(self) -> None:
        """Raises UnsupportedError that lists every kernel without a lowering, if there is one."""
        if self.unsupported:
            total = len(self.unsupported) + len(self.kernels)
            raise UnsupportedError(
                f"{len(self.unsupported)} of {total} kernels have no lowering for {self.target.name}",
                why="\n".join(str(kernel) for kernel in self.unsupported),
                remedy="compile for a CPU target, which has lowerings for all ops",
            )


def compile_device_kernels(
    module: ir.Module,
    target: Target,
    pool: WorkerPool | None = None,
    cache: CompileCache | None = None,
    *,
    assemble: bool | None = None,
    want_dumps: bool = False,
    opt_level: int = 3,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> DeviceCode:
    """Compile every function that carries `tw.kernel` and has a lowering; kernels without one are listed, all of them.

    `pool`: worker processes; without one, the work is done here. `assemble`: run ptxas (None: where one is found; True raises
    ToolchainError without one). `settings` may hold `fast_math`. Raises InputError for a CPU target, and the first error that is not
    a missing lowering, which tells of the others too.
    """
    if not target.is_gpu:
        raise InputError(f"{target.name} is not a GPU", remedy="compile its kernels to objects instead")
    ptxas = _ptxas_identity(assemble)
    everything = {**(settings or {}), "target": target.name, "dumps": want_dumps, "opt_level": opt_level, "assemble": ptxas is not None}
    unsupported: dict[str, UnsupportedKernel] = {}
    with module.context, ir.Location.unknown():
        functions = dict(kernel_functions(module))
        for name, function in functions.items():
            found = _without_lowering(name, function, target)
            if found is not None:
                unsupported[name] = found
        tasks = {
            name: Task(name, COMPILE_DEVICE_KERNEL, kernel_text(function, locations=True), everything)
            for name, function in functions.items()
            if name not in unsupported
        }
        keys = {name: _key(functions[name], task, ptxas) for name, task in tasks.items()}
        symbols = {name: kernel_symbols(functions[name]) for name in tasks}
    done: dict[str, DeviceKernel] = {}
    running: dict[Future[Any], str] = {}
    failures: dict[str, TilewrightError] = {}
    for name, task in tasks.items():
        entry = cache.get(keys[name]) if cache is not None else None
        if entry is None:
            running[pool.submit(task) if pool is not None else _here(task)] = name
        else:
            record, cubin = entry
            done[name] = _device_kernel(name, {**record, "seconds": {}}, cubin, symbols[name], cached=True)
            _tell(progress, name, len(done), len(tasks))
    for future in as_completed(running):
        name = running[future]
        try:
            result = future.result()
        except UnsupportedError as error:
            unsupported[name] = UnsupportedKernel(name, error.what, (), tuple(p for p in (error.where, *error.why.splitlines()) if p))
            continue
        except TilewrightError as error:
            failures[name] = error
            continue
        cubin = result.pop("cubin")
        if cache is not None:
            cache.put(keys[name], result, cubin)
        done[name] = _device_kernel(name, result, cubin, symbols[name])
        _tell(progress, name, len(done), len(tasks))
    if failures:
        raise combined_failure(failures, list(tasks))
    order = list(functions)
    return DeviceCode(target, {n: done[n] for n in order if n in done}, tuple(unsupported[n] for n in order if n in unsupported))


def _without_lowering(name: str, function: ir.Operation, target: Target) -> UnsupportedKernel | None:
    missing = list(unsupported_ops(function))
    if not missing:
        return None
    ops = tuple(sorted({op.operation.name for op in missing}))
    places = tuple(dict.fromkeys(place for op in missing if (place := tw.location_text(op.location))))
    return UnsupportedKernel(name, f"no lowering of {', '.join(ops)} for {target.name}", ops, places)


def _ptxas_identity(wanted: bool | None) -> str | None:
    """Path, size and date of the ptxas to run; None for none."""
    if wanted is False:
        return None
    try:
        path = find_ptxas()
    except ToolchainError:
        if wanted or environment().ptxas:
            raise
        return None
    status = path.stat()
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"


def _key(function: ir.Operation, task: Task, ptxas: str | None) -> str:
    """Where a kernel stands in the model's source does not change its code: locations stay out of the key."""
    text = kernel_text(function, locations=False)
    return cache_key("device", toolchain_fingerprint(), ptxas or "", task.function, repr(sorted(task.settings.items())), text)


def _here(task: Task) -> Future[Any]:
    """The work done in this process, as a future that is finished."""
    future: Future[Any] = Future()
    try:
        future.set_result(task.run(lambda phase: None))
    except TilewrightError as error:
        future.set_exception(error)
    return future


def _device_kernel(name: str, record: Mapping[str, Any], cubin: bytes, symbols: tuple[str, ...], cached: bool = False) -> DeviceKernel:
    x, y, z = record["grid"]
    threads_x, threads_y, threads_z = record["block"]
    return DeviceKernel(
        name,
        record["ptx"],
        cubin or None,
        record["registers"],
        record["spills"],
        record["shared_bytes"],
        (x, y, z),
        (threads_x, threads_y, threads_z),
        symbols,
        record["seconds"],
        record["dumps"],
        cached,
    )


def _tell(progress: Progress | None, name: str, done: int, total: int) -> None:
    if progress is not None:
        progress(name, done, total)
