"""Compilation for GPUs: kernels to PTX, and a report of those without a lowering. Whole programs for GPUs cannot be made yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tilewright.api.report import kernel_entries
from tilewright.codegen.cache import CompileCache
from tilewright.codegen.compile_device import DeviceCode, compile_device_kernels
from tilewright.codegen.pool import WorkerPool
from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.options import CompileOptions
from tilewright.dialects import tw
from tilewright.targets import Target


def compile_for_device(
    module: ir.Module,
    target: Target,
    pool: WorkerPool,
    cache: CompileCache | None,
    options: CompileOptions,
    step: Callable[[int, int, str], None],
) -> DeviceCode:
    """Compile the kernels of a planned module that have a lowering for `target`; a dump directory gets their IR, PTX and cubins."""
    tw.verify_kernels(module)
    code = compile_device_kernels(
        module,
        target,
        pool,
        cache,
        want_dumps=options.dump_dir is not None,
        settings={"fast_math": options.fast_math},
        progress=lambda name, done, total: step(done, total, name),
    )
    if options.dump_dir is not None:
        _write_dumps(options.dump_dir / target.name.replace(":", "-"), code)
    return code


def _write_dumps(directory: Path, code: DeviceCode) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for kernel in code.kernels.values():
        for suffix, text in kernel.dumps.items():
            (directory / f"{kernel.name}.{suffix}").write_text(text)
        if kernel.cubin is not None:
            (directory / f"{kernel.name}.cubin").write_bytes(kernel.cubin)


def device_entry(module: ir.Module, code: DeviceCode) -> dict[str, Any]:
    """What the report tells of a GPU target: its kernels, those without a lowering among them."""
    missing = {kernel.name: kernel for kernel in code.unsupported}
    entries = kernel_entries(module, {})
    for entry in entries:
        kernel = code.kernels.get(entry["name"])
        if kernel is None:
            entry["unsupported"] = missing[entry["name"]].reason
            continue
        entry |= {
            "grid": list(kernel.grid),
            "block": list(kernel.block),
            "registers": kernel.registers,
            "spill_bytes": kernel.spills,
            "shared_bytes": kernel.shared_bytes,
            "cached": kernel.cached,
            "seconds": dict(kernel.seconds),
        }
    return {"name": code.target.name, "kernels": entries, "unsupported": [str(kernel) for kernel in code.unsupported]}


def refuse_artifact(code: DeviceCode) -> None:
    """Raises UnsupportedError: it lists the kernels without a lowering, or says that device programs have no launch plan yet."""
    remedy = "look at the kernels by --compile-to=codegen with --dump-dir or --report, or compile for a CPU target"
    try:
        code.require_complete()
    except UnsupportedError as error:
        error.remedy = remedy
        error.records = [  # type: ignore[attr-defined]
            {"kernel": k.name, "reason": k.reason, "ops": list(k.ops), "locations": list(k.locations)} for k in code.unsupported
        ]
        raise
    raise UnsupportedError(
        f"an artifact cannot hold code for {code.target.name}",
        why="all kernels compile, but there is no launch plan for devices",
        remedy=remedy,
    )
