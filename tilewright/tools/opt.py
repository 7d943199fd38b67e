"""`tilewright-opt`: run any pass, ours or MLIR's, on an MLIR file, and print the result."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tilewright.core.diagnostics import InputError, TilewrightError
from tilewright.core.options import environment

if TYPE_CHECKING:
    from tilewright.tools.opt_run import OptOutcome

EPILOG = """
\b
Examples:
  tilewright-opt model.mlir -p 'tw-simplify,tw-fuse{max-ops=8},canonicalize'
  tilewright-opt model.mlir --pass tw-simplify --pass cse --timing
  cat f.mlir | tilewright-opt - -p 'func.func(cse)' -o out.mlir
  tilewright-opt invalid.mlir --split-input-file --verify-diagnostics
  tilewright-opt --help-pass canonicalize

\b
Exit codes:
  0  success
  1  --verify-diagnostics found differences
  2  wrong usage, input or pipeline
  3  something is not supported
  4  invalid IR
  5  a pass failed
  6  a pass crashed or hung
  7  the MLIR bindings are missing or unsuitable
With --split-input-file it is the code of the first error.
"""

# Plain help: the boxes of rich leave too little of 80 columns for option names.
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def opt(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="MLIR text; - is standard input.", show_default=False)] = "-",
    pipeline: Annotated[
        str, typer.Option("--pipeline", "-p", help="Passes to run: 'a,b{key=value},func.func(c)'.", show_default=False)
    ] = "",
    passes: Annotated[
        list[str] | None, typer.Option("--pass", metavar="NAME", help="A pass to run; may be repeated, instead of -p.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write the result; - is standard output.")] = "-",
    list_passes: Annotated[
        str, typer.Option("--list-passes", help="List our passes (=ours), MLIR's (=upstream) or both (=all).", show_default=False)
    ] = "",
    help_pass: Annotated[str, typer.Option("--help-pass", metavar="NAME", help="Explain a pass and its options.", show_default=False)] = "",
    verify_each: Annotated[bool, typer.Option("--verify-each/--no-verify-each", help="Verify the IR after each pass.")] = True,
    print_before_all: Annotated[bool, typer.Option("--print-ir-before-all", help="Print the IR before each pass (stderr).")] = False,
    print_after_all: Annotated[bool, typer.Option("--print-ir-after-all", help="Print the IR after each pass (stderr).")] = False,
    print_after_change: Annotated[
        bool, typer.Option("--print-ir-after-change", help="Print the functions that each pass changed (stderr).")
    ] = False,
    timing: Annotated[bool, typer.Option("--timing", help="Print the time of each pass (stderr).")] = False,
    dump_dir: Annotated[
        Path | None, typer.Option("--dump-dir", metavar="DIR", help="Write the IR after each pass into numbered files there.")
    ] = None,
    dump_reproducer: Annotated[
        Path | None,
        typer.Option("--dump-reproducer", metavar="FILE", help="Where to write a reproducer when a pass fails (a crash always gets one)."),
    ] = None,
    run_reproducer: Annotated[
        Path | None, typer.Option("--run-reproducer", metavar="FILE", help="Run what failed again, with its settings.")
    ] = None,
    split_input_file: Annotated[
        bool, typer.Option("--split-input-file", help="Treat pieces between lines '// -----' as modules of their own.")
    ] = False,
    verify_diagnostics: Annotated[
        bool, typer.Option("--verify-diagnostics", help="Check errors against '// expected-error@+1 {{...}}' comments.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Kill the run after that long (default: TILEWRIGHT_WORKER_TIMEOUT)."),
    ] = None,
    debug_info: Annotated[bool, typer.Option("--mlir-print-debuginfo", help="Print locations.")] = False,
    generic: Annotated[bool, typer.Option("--generic", help="Print all ops in generic form.")] = False,
) -> None:
    """Run passes on MLIR text and print the result.

    Passes run in a child process: a crash, an abort or a hang of MLIR ends in an error that names the pass, with a reproducer.
    """
    if list_passes or help_pass:
        from tilewright.tools.opt_listing import describe_pass
        from tilewright.tools.opt_listing import list_passes as listing

        sys.stdout.write(describe_pass(help_pass) if help_pass else listing(list_passes))
        return
    if pipeline and passes:
        raise InputError("both -p and --pass are given", remedy="use one: `--pass a --pass b` is `-p a,b`")

    from tilewright.core.instruments import PrintStyle
    from tilewright.core.plan import plan_pipeline
    from tilewright.core.reproducer import read_reproducer
    from tilewright.tools.opt_job import Chunk, OptJob, split_chunks
    from tilewright.tools.opt_run import OptSettings, first_exit_code, run_opt

    pipeline = pipeline or ",".join(passes or ())
    if run_reproducer is not None:
        saved = read_reproducer(_read(str(run_reproducer)), str(run_reproducer))
        file, text, pipeline, verify_each = str(run_reproducer), saved.ir, saved.pipeline, saved.verify_each
        timeout = timeout if timeout is not None else saved.timeout_s
        if saved.pass_modules:
            os.environ["TILEWRIGHT_PASS_MODULES"] = ",".join(saved.pass_modules)
    else:
        text = _read(file)
    plan_pipeline(pipeline)
    if dump_dir is not None and dump_dir.exists() and not dump_dir.is_dir():
        raise InputError("the dump directory cannot be made", where=str(dump_dir), why="it is a file")
    job = OptJob(
        chunks=split_chunks(text) if split_input_file else (Chunk(text),),
        pipeline=pipeline,
        verify_each=verify_each,
        print_before_all=print_before_all,
        print_after_all=print_after_all,
        print_after_change=print_after_change,
        timing=timing,
        dump_dir=dump_dir,
        style=PrintStyle(debug_info, generic),
    )
    settings = OptSettings(
        file="<stdin>" if file == "-" else file,
        timeout_s=timeout if timeout is not None else environment().worker_timeout_s,
        verify_diagnostics=verify_diagnostics,
        reproducer=dump_reproducer,
        replayed=run_reproducer,
    )
    outcome = run_opt(job, settings, sys.stderr.write)
    _finish(outcome, output)
    sys.exit(first_exit_code(outcome.errors))


def _finish(outcome: OptOutcome, output: str) -> None:
    if output == "-":
        sys.stdout.write(outcome.text)
        sys.stdout.flush()
    elif outcome.outputs or not outcome.errors:
        try:
            Path(output).write_text(outcome.text)
        except OSError as problem:
            raise InputError("the output cannot be written", where=output, why=problem.strerror or str(problem)) from problem
    for error in outcome.errors:
        _print_error(error)


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as problem:
        raise InputError("the input cannot be read", where=file, why=problem.strerror or str(problem)) from problem
    except UnicodeDecodeError as problem:
        raise InputError("the input is not text", where=file, why=str(problem), remedy="give MLIR text in UTF-8") from problem


def _print_error(error: TilewrightError) -> None:
    head, newline, rest = str(error).partition("\n")
    place = f"{error.where}: " if error.where else ""
    print(f"{place}error: {head.removeprefix(place)}{newline}{rest}", file=sys.stderr)


def main() -> None:
    """Entry point of the console script."""
    # Bare `--list-passes` means ours; the parser knows only options that always or never take a value.
    sys.argv[1:] = ["--list-passes=ours" if argument == "--list-passes" else argument for argument in sys.argv[1:]]
    try:
        app(prog_name="tilewright-opt")
    except TilewrightError as error:
        _print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of the pipe had enough (`| head`). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
