"""A planned level 2 module to one shared object for one target: the kernels, the host program, and the link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.codegen.cache import CompileCache, cache_key, toolchain_fingerprint
from tilewright.codegen.compile_kernels import KernelCode, Progress, compile_kernels
from tilewright.codegen.link import find_linker, link_shared
from tilewright.codegen.pool import WorkerPool
from tilewright.codegen.task import COMPILE_HOST_PROGRAM, LOWER_KERNEL, Task
from tilewright.core.mlir import ir
from tilewright.lowering.host_program import ENTRY_SYMBOL, build_host_program
from tilewright.lowering.program_interface import ProgramInterface, read_interface
from tilewright.targets import Target


@dataclass(frozen=True)
class ProgramCode:
    """Everything that one target's part of an artifact needs. `host_dumps` maps file suffixes to text."""

    target: Target
    shared_object: bytes
    interface: ProgramInterface
    kernels: dict[str, KernelCode]
    symbol: str
    host_dumps: dict[str, str]


def compile_program(
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
) -> ProgramCode:
    """Compile the kernels and the host program of `module` and link them. The arguments are those of `compile_kernels`."""
    find_linker(target)  # A missing linker is better known before the work than after it.
    kernels = compile_kernels(
        module,
        target,
        pool,
        cache,
        lower=lower,
        want_dumps=want_dumps,
        opt_level=opt_level,
        settings=settings,
        progress=progress,
    )
    infos = {name: code.info for name, code in kernels.items()}
    interface = read_interface(module, infos)
    host = _compile_host(build_host_program(module, infos), list(kernels), target, pool, cache, want_dumps)
    objects = [host["object"], *(code.object for code in kernels.values())]
    shared = _link(objects, target, cache)
    if cache is not None and cache.stored:
        cache.trim()
    return ProgramCode(target, shared, interface, kernels, ENTRY_SYMBOL, host["dumps"])


def _compile_host(
    module: ir.Module,
    kernels: list[str],
    target: Target,
    pool: WorkerPool,
    cache: CompileCache | None,
    want_dumps: bool,
) -> dict[str, Any]:
    text = str(module)
    settings = {"target": target.name, "kernels": kernels, "exports": [ENTRY_SYMBOL], "dumps": want_dumps}
    key = cache_key("host", toolchain_fingerprint(), repr(sorted(settings.items())), text)
    entry = cache.get(key) if cache is not None else None
    if entry is not None:
        record, data = entry
        return {**record, "object": data}
    result: dict[str, Any] = pool.submit(Task("the host program", COMPILE_HOST_PROGRAM, text, settings)).result()
    if cache is not None:
        cache.put(key, {k: v for k, v in result.items() if k != "object"}, result["object"])
    return result


def _link(objects: list[bytes], target: Target, cache: CompileCache | None) -> bytes:
    key = cache_key("link", " ".join(find_linker(target).command), target.triple, *objects)
    entry = cache.get(key) if cache is not None else None
    if entry is not None:
        return entry[1]
    shared = link_shared(objects, target)
    if cache is not None:
        cache.put(key, {}, shared)
    return shared
