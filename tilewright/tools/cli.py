"""`tilewright`: compile, tune, run, inspect, targets, cache.

`run`, `inspect` and `targets` need the runtime alone. Each command is a module of its own, imported when it is called.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import tilewright
from tilewright.tools.failures import FAILURES, exit_code, print_failure

EPILOG = """
\b
Examples:
  tilewright compile model.pt2 -o model.tw
  tilewright run model.tw --input x=x.npy -o results/
  tilewright inspect --verify model.tw

\b
Exit codes (docs/errors.md):
  0  success
  2  wrong usage, or a file that is not usable
  3  the program needs something that is not supported
  4  the IR breaks a contract
  5  a pass failed
  6  a worker process crashed or hung
  7  something that the compiler needs is not installed
  8  an artifact cannot be loaded or called

\b
Environment variables (docs/environment.md):
  TILEWRIGHT_CACHE_DIR       directory of the compile cache
  TILEWRIGHT_JOBS            worker processes
  TILEWRIGHT_WORKER_TIMEOUT  seconds after which a worker counts as hung
  TILEWRIGHT_LINKER          linker for shared objects
  TILEWRIGHT_PTXAS           ptxas that checks PTX
  TILEWRIGHT_PASS_MODULES    Python modules with further passes
  TILEWRIGHT_REPRODUCER_DIR  directory for reproducers of crashes
  TILEWRIGHT_NUM_THREADS     threads of a program that runs
"""
COMPILE_EPILOG = """
\b
Examples:
  tilewright compile model.pt2 -o model.tw
  tilewright compile model.pt2 -o model.tw --target cpu:x86-64-v3 --target cpu:znver5
  tilewright compile model.pt2 -o model.tw --report report.json --timing
  tilewright compile model.pt2 --compile-to fuse                  prints the IR after that phase
  tilewright compile model.pt2 -o model.tw --precision bf16 --inputs batch.npz --report report.json
  tilewright compile plan.mlir --compile-from plan --weights model.pt2 -o model.tw
  tilewright compile model.pt2 -o model.tw --schedules schedules.json

\b
Phases: import, simplify, fuse, schedule, plan, codegen, artifact.
"""
TUNE_EPILOG = """
\b
Examples:
  tilewright tune model.pt2 -o schedules.json
  tilewright tune model.pt2 --sizes s0=1,s1=128 --sizes s0=8,s1=128 --threads 1 --budget 300
  tilewright tune model.pt2 --sizes ids.0=1,ids.1=16 --kernel matmul_add --json
  tilewright tune kernels.mlir --sizes d0=128
  tilewright compile model.pt2 -o model.tw --schedules schedules.json

\b
Dynamic sizes are named as `tilewright inspect` shows them (s0) or by an input dimension (ids.1). A schedule is taken
only when it is faster than the rule's in a final comparison, at none of the sizes slower. See docs/tuning.md.
"""
RUN_EPILOG = """
\b
Examples:
  tilewright run model.tw --input ids=ids.npy --input mask=mask.npy -o results/
  tilewright run model.tw --input x=arrays.npz:x --threads 2 --repeat 100
"""
INSPECT_EPILOG = """
\b
Examples:
  tilewright inspect model.tw
  tilewright inspect --verify model.tw
  tilewright inspect --json model.tw | python -m json.tool
"""

# Plain help: the boxes of rich leave too little of 80 columns for option names.
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)
cache_app = typer.Typer(rich_markup_mode=None, help="Show or clear the compile cache.")
app.add_typer(cache_app, name="cache")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tilewright {tilewright.__version__}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def tilewright_command(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Compile exported PyTorch programs into native code, and run the result."""


@app.command("compile", epilog=COMPILE_EPILOG)
def compile_(
    model: Annotated[Path, typer.Argument(help="A .pt2 of torch.export.save, or a dumped .mlir.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The artifact to write; with --compile-to, the IR (default: standard output).")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", metavar="NAME", help="May be repeated; see `tilewright targets`. Default: native.")
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="For .mlir: the .pt2 or .safetensors with its weights.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Accept pickled objects in the .pt2, which can execute any code.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes. Default: the CPUs of this process.")] = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Use the compile cache.")] = True,
    fast_math: Annotated[bool, typer.Option("--fast-math", help="Use faster, less exact exp, tanh, erf and the like.")] = False,
    schedules: Annotated[Path | None, typer.Option("--schedules", metavar="FILE", help="Use what `tilewright tune` found.")] = None,
    precision: Annotated[
        str, typer.Option("--precision", metavar="f32|bf16", help="What f32 matmuls multiply; their sums stay f32. Default: f32, exact.")
    ] = "f32",
    inputs: Annotated[
        Path | None, typer.Option("--inputs", metavar="FILE", help="A .npz of the inputs on which the error of --precision is measured.")
    ] = None,
    compile_to: Annotated[str | None, typer.Option("--compile-to", metavar="PHASE", help="Stop after this phase.")] = None,
    compile_from: Annotated[str | None, typer.Option("--compile-from", metavar="PHASE", help="Begin with this phase (for .mlir).")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON (- is standard output) and print its tables.")
    ] = None,
    timing: Annotated[bool, typer.Option("--timing", help="Print the time of each phase and pass.")] = False,
    dump_dir: Annotated[
        Path | None, typer.Option("--dump-dir", metavar="DIR", help="Write the IR of each phase, LLVM IR and assembly there.")
    ] = None,
    print_after_all: Annotated[bool, typer.Option("--print-ir-after-all", help="Print the IR after each pass.")] = False,
    print_after_change: Annotated[bool, typer.Option("--print-ir-after-change", help="Print the functions a pass changed.")] = False,
    verify_each: Annotated[bool, typer.Option("--verify-each", help="Verify the IR after each pass, not only after each phase.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Limit for each task of a worker.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done, also when not on a terminal.")] = False,
) -> None:
    """Compile a model into an artifact."""
    from tilewright.core.options import CompileOptions
    from tilewright.tools.compile_command import CompileRequest, run_compile

    options = CompileOptions(
        targets=tuple(target or ("native",)),
        jobs=jobs,
        dump_dir=dump_dir,
        print_ir_after_all=print_after_all,
        print_ir_after_change=print_after_change,
        compile_to=compile_to,
        compile_from=compile_from,
        timing=timing,
        use_cache=cache,
        verify_each=verify_each,
        worker_timeout_s=timeout,
        fast_math=fast_math,
        precision=precision,
        schedules=schedules,
    )
    run_compile(CompileRequest(model, output, weights, trust, report, verbose, inputs), options)


@app.command(epilog=TUNE_EPILOG)
def tune(
    model: Annotated[Path, typer.Argument(help="A .pt2, or a .mlir that holds a program or kernels.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The database to write or add to.")] = Path("schedules.json"),
    target: Annotated[str, typer.Option("--target", "-t", metavar="NAME", help="A target whose code this machine can run.")] = "native",
    sizes: Annotated[
        list[str] | None,
        typer.Option("--sizes", metavar="NAME=N,...", help="Values of dynamic sizes. May be repeated. Default: 128, batches 1."),
    ] = None,
    kernel: Annotated[list[str] | None, typer.Option("--kernel", metavar="NAME", help="Tune this kernel alone. May be repeated.")] = None,
    budget: Annotated[float, typer.Option("--budget", min=0.1, metavar="SECONDS", help="For all kernels together.")] = 120.0,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Time with so many. Default: $TILEWRIGHT_NUM_THREADS, else CPUs.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Accept pickled objects in the .pt2, which can execute any code.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes. Default: the CPUs of this process.")] = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Use the compile cache.")] = True,
    fast_math: Annotated[bool, typer.Option("--fast-math", help="Tune for `tilewright compile --fast-math`.")] = False,
    precision: Annotated[str, typer.Option("--precision", metavar="f32|bf16", help="Tune for that of `tilewright compile`.")] = "f32",
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Limit for compiling one candidate.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done, also when not on a terminal.")] = False,
) -> None:
    """Find faster schedules for a model's matmul kernels by measuring them on this machine."""
    from tilewright.core.options import CompileOptions
    from tilewright.tools.tune_command import TuneRequest, run_tune

    options = CompileOptions(
        targets=(target,), jobs=jobs, use_cache=cache, fast_math=fast_math, precision=precision, worker_timeout_s=timeout
    )
    request = TuneRequest(model, output, tuple(sizes or ()), tuple(kernel or ()), budget, threads, trust, as_json, verbose)
    run_tune(request, options)


@app.command(epilog=RUN_EPILOG)
def run(
    artifact: Annotated[Path, typer.Argument(help="What `tilewright compile` wrote.", show_default=False)],
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", metavar="NAME=FILE", help="An input: a .npy, or FILE.npz:KEY. One for each input.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write each result there as <name>.npy.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads. Default: $TILEWRIGHT_NUM_THREADS, else CPUs.")] = None,
    weights: Annotated[
        str, typer.Option("--weights", metavar="map|copy", help="Use weights in the file, or a copy on huge pages.")
    ] = "map",
    repeat: Annotated[int, typer.Option("--repeat", min=0, help="Then time that many further calls.")] = 0,
) -> None:
    """Run an artifact on arrays."""
    from tilewright.runtime.weights import placement
    from tilewright.tools.run_command import run_artifact

    run_artifact(artifact, inputs or [], output, threads=threads, weights=placement(weights), repeat=repeat)


@app.command(epilog=INSPECT_EPILOG)
def inspect(
    artifact: Annotated[Path, typer.Argument(help="What `tilewright compile` wrote.", show_default=False)],
    verify: Annotated[bool, typer.Option("--verify", help="Check the hash of everything in the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Show what an artifact holds: its inputs and outputs, code, weights and kernels."""
    from tilewright.tools.inspect_command import inspect_artifact

    inspect_artifact(artifact, verify=verify, as_json=as_json)


@app.command()
def targets() -> None:
    """List the targets that can be compiled for."""
    from tilewright.tools.targets_command import list_targets

    list_targets()


@cache_app.callback(invoke_without_command=True)
def cache_(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show()


@cache_app.command()
def show() -> None:
    """Show where the cache is and how much it holds."""
    from tilewright.tools.cache_command import show_cache

    show_cache()


@cache_app.command()
def clear() -> None:
    """Remove everything in the cache."""
    from tilewright.tools.cache_command import clear_cache

    clear_cache()


def main() -> None:
    """Entry point of the console script."""
    try:
        app(prog_name="tilewright")
    except FAILURES as error:
        print_failure(error)
        sys.exit(exit_code(error))
    except BrokenPipeError:
        # The reader of the pipe had enough (`| head`). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
