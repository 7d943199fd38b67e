"""All kernels of a level 2 module to objects: from the cache, or in worker processes, several at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from typing import Any

from tilewright.codegen.cache import CompileCache, cache_key, toolchain_fingerprint
from tilewright.codegen.pool import WorkerPool
from tilewright.codegen.task import COMPILE_KERNEL, LOWER_KERNEL, Task
from tilewright.core.diagnostics import TilewrightError
from tilewright.core.mlir import ir
from tilewright.lowering.program_interface import KernelInfo, read_symbols
from tilewright.targets import Target

Progress = Callable[[str, int, int], None]
"""Called as `progress(kernel, done, total)` when a kernel is finished."""


@dataclass(frozen=True)
class KernelCode:
    """A compiled kernel. `slow_path` says why its code is scalar, if it is.

    `seconds` by phase is empty when it came from the cache; `dumps` maps file suffixes to text.
    """

    name: str
    object: bytes
    trip_count: str
    scratch: str
    symbols: tuple[str, ...]
    instruction_mix: dict[str, int]
    slow_path: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    dumps: dict[str, str] = field(default_factory=dict)
    cached: bool = False

    @property
    def info(self) -> KernelInfo:
        """What the host program must know."""
        return KernelInfo(self.trip_count, self.scratch, self.symbols)


def compile_kernels(
    module: ir.Module,
    target: Target,
    pool: WorkerPool,
    cache: CompileCache | None = None,
    *,
    lower: str = LOWER_KERNEL,
    want_dumps: bool = False,
    opt_level: int = 3,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, KernelCode]:
    """Compile every function that carries `tw.kernel`, in the module's order.

    `lower` is the `module:function` that takes a kernel to level 3; further `settings` (JSON) are part of the cache key and reach the
    worker. All kernels are tried; raises the first kernel's error, with the number and names of the others that failed.
    """
    with module.context, ir.Location.unknown():
        kernels = list(kernel_functions(module))
        tasks = {name: _task(name, op, target, lower, want_dumps, opt_level, settings or {}) for name, op in kernels}
        keys = {name: _key(op, tasks[name]) for name, op in kernels}
        symbols = {name: kernel_symbols(op) for name, op in kernels}
    done: dict[str, KernelCode] = {}
    running: dict[Future[Any], str] = {}
    for name, task in tasks.items():
        entry = cache.get(keys[name]) if cache is not None else None
        if entry is None:
            running[pool.submit(task)] = name
        else:
            record, data = entry
            done[name] = KernelCode(
                name,
                data,
                record["trip_count"],
                record["scratch"],
                symbols[name],
                record["instruction_mix"],
                record["slow_path"],
                {},
                record["dumps"],
                True,
            )
            _tell(progress, name, len(done), len(tasks))
    failures: dict[str, TilewrightError] = {}
    for future in as_completed(running):
        name = running[future]
        try:
            result = future.result()
        except TilewrightError as error:
            failures[name] = error
            continue
        data = result.pop("object")
        if cache is not None:
            cache.put(keys[name], result, data)
        done[name] = KernelCode(name, data, symbols=symbols[name], **result)
        _tell(progress, name, len(done), len(tasks))
    if failures:
        raise combined_failure(failures, list(tasks))
    return {name: done[name] for name in tasks}


def kernel_functions(module: ir.Module) -> Iterator[tuple[str, ir.Operation]]:
    """Name and function of each kernel."""
    for op in module.body.operations:
        attributes = op.operation.attributes
        if "tw.kernel" in attributes and "sym_name" in attributes:
            yield ir.StringAttr(attributes["sym_name"]).value, op.operation


def _task(
    name: str,
    op: ir.Operation,
    target: Target,
    lower: str,
    want_dumps: bool,
    opt_level: int,
    settings: Mapping[str, Any],
) -> Task:
    everything = {**settings, "target": target.name, "lower": lower, "dumps": want_dumps, "opt_level": opt_level}
    return Task(name, COMPILE_KERNEL, kernel_text(op, locations=True), everything)


def kernel_text(op: ir.Operation, locations: bool) -> str:
    """A kernel function as a module of its own."""
    alone = ir.Module.create()
    alone.body.append(op.clone())
    return str(alone.operation.get_asm(enable_debug_info=locations))


def _key(op: ir.Operation, task: Task) -> str:
    """Where a kernel stands in the model's source does not change its code: locations stay out of the key."""
    text = kernel_text(op, locations=False)
    return cache_key("kernel", toolchain_fingerprint(), task.function, repr(sorted(task.settings.items())), text)


def kernel_symbols(op: ir.Operation) -> tuple[str, ...]:
    """The kernel's symbols in argument order: d2 before d10."""
    names = [name for name, _, _ in read_symbols(op.attributes)]
    return tuple(sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]))


def combined_failure(failures: Mapping[str, TilewrightError], order: list[str]) -> TilewrightError:
    """The error of the first kernel that failed, which tells of the others too."""
    names = [name for name in order if name in failures]
    first = failures[names[0]]
    if not first.where:
        first.where = f"kernel {names[0]}"
    if len(names) > 1:
        others = "\n".join(f"{name}: {failures[name].what}" for name in names[1:])
        first.why = f"{first.why}\n{len(names) - 1} more kernels failed:\n{others}".lstrip()
    return first


def _tell(progress: Progress | None, name: str, done: int, total: int) -> None:
    if progress is not None:
        progress(name, done, total)
