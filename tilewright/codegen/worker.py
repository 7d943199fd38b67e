"""A process that compiles: `python -m tilewright.codegen.worker`. MLIR and LLVM may crash or hang in it, and only it dies.

It reads pickled tasks from standard input and writes pickled messages to what was standard output, each after its length in
8 bytes. The pickles come from our own processes only. With `--replay FILE` it runs a reproducer's task in this process instead;
`--emit-llvm FILE` then writes the LLVM IR just before LLVM gets it, which is what a report to LLVM needs.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import importlib
import os
import pickle
import resource
import signal
import struct
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from tilewright.codegen.task import Task, read_task
from tilewright.core.diagnostics import TilewrightError

LENGTH = struct.Struct("<Q")
_PR_SET_PDEATHSIG = 1


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message."""
    payload = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(LENGTH.pack(len(payload)) + payload)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Read one message. Raises EOFError at the end."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(head)
    payload = pipe.read(size)
    if len(payload) < size:
        raise EOFError
    return pickle.loads(payload)


def serve(tasks: BinaryIO, replies: BinaryIO) -> None:
    """Do tasks until `tasks` ends.

    Replies: ("begin", None), ("phase", name) any number of times, then ("result", value) or ("error", error or text).
    """
    while True:
        try:
            task: Task = receive(tasks)
        except EOFError:
            return
        send(replies, ("begin", None))
        try:
            reply = ("result", task.run(lambda name: send(replies, ("phase", name))))
        except TilewrightError as error:
            reply = ("error", error)
        except Exception:
            reply = ("error", traceback.format_exc())
        send(replies, reply)


def replay(path: Path, emit_llvm: Path | None = None) -> int:
    """Run the task of a reproducer here. Returns the exit code."""
    # Python's handler runs between bytecodes: native code that hangs would make the process deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        task = read_task(path)
        if emit_llvm is not None:
            task = dataclasses.replace(task, settings={**task.settings, "llvm_ir_file": str(emit_llvm)})
        print(f"running {task.name} by {task.function}", file=sys.stderr)
        task.run(lambda name: print(f"phase: {name}", file=sys.stderr, flush=True))
    except TilewrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print("finished without an error", file=sys.stderr)
    return 0


def _nothing() -> None:
    """The warm-up of modules that have none."""


def main(arguments: list[str] | None = None) -> int:
    """The command line of the worker."""
    parser = argparse.ArgumentParser(prog="python -m tilewright.codegen.worker")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run the task in a reproducer file and exit")
    parser.add_argument("--emit-llvm", type=Path, metavar="FILE", help="with --replay: write the LLVM IR before LLVM compiles it")
    parser.add_argument(
        "--preload", action="append", default=[], metavar="MODULE", help="import before the first task, and call its warm_up if it has one"
    )
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return replay(options.replay, options.emit_llvm)
    if options.emit_llvm is not None:
        parser.error("--emit-llvm goes with --replay")
    # Native code may print to standard output; the channel must stay clean.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in options.preload:
        # A module that cannot be imported is reported by the task that needs it.
        with contextlib.suppress(Exception):
            getattr(importlib.import_module(name), "warm_up", _nothing)()
    serve(os.fdopen(0, "rb"), replies)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Not sys.exit: tearing down the native libraries costs time and can crash after the work is done.
    os._exit(code)
