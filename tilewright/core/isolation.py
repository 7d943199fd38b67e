"""Run a task in a child process that may crash, abort or hang without taking this process along.

MLIR and LLVM do all three on some inputs. The child reports progress while it runs, so that its death can be blamed on the
pass or kernel it was at.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import re
import resource
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal, TypeVar

from tilewright.core.diagnostics import TilewrightError, WorkerError

Result = TypeVar("Result")
Report = Callable[[object], None]
"""Sends one picklable message to the parent, which gets it as it comes."""

Task = Callable[[Report], Result]

_LENGTH = struct.Struct("<Q")
_EVIDENCE_LINES = 8


@dataclass(frozen=True)
class Death:
    """How a child ended that gave no result. `stderr` is what it (and the native code in it) wrote."""

    signal: int | None
    exit_code: int | None
    timeout_s: float | None
    stderr: str

    def __str__(self) -> str:
        if self.timeout_s is not None:
            return f"did not finish within {self.timeout_s:g} s and was killed"
        if self.signal is not None:
            try:
                name = signal.Signals(self.signal).name
            except ValueError:
                name = "unknown"
            meaning = {"SIGSEGV": "segmentation fault", "SIGABRT": "abort", "SIGKILL": "killed, possibly for lack of memory"}.get(name)
            return f"died of signal {self.signal} ({name}{f': {meaning}' if meaning else ''})"
        return f"exited with code {self.exit_code} and gave no result"

    @property
    def evidence(self) -> str:
        """The last lines of `stderr` that say something: without LLVM's advice and stack dump."""
        text = re.split(r"^(?:PLEASE submit a bug report|Stack dump:|\s*#0 0x)", self.stderr, maxsplit=1, flags=re.MULTILINE)[0]
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-_EVIDENCE_LINES:])


@dataclass(frozen=True)
class Finished:
    """A child that gave its result. `stderr` is what it wrote besides."""

    value: Any
    stderr: str


def run_isolated(
    task: Task[Any],
    *,
    timeout_s: float | None,
    on_message: Callable[[object], None] | None = None,
    method: Literal["fork", "spawn"] = "fork",
) -> Finished | Death:
    """Run `task(report)` in a child and return what became of it.

    `fork` starts at once and takes any callable, but only a process without running threads may use it. `spawn` starts a fresh
    interpreter (0.3 s with the bindings) and needs a picklable task. `timeout_s` is for the whole task. A `TilewrightError` raised
    by the task is raised here; any other exception becomes a WorkerError with its traceback.
    """
    with tempfile.TemporaryFile() as stderr:
        pid, pipe = _fork(task, stderr) if method == "fork" else _spawn(task, stderr)
        reader = _Reader(pipe, on_message or (lambda _: None))
        try:
            in_time = reader.read_until_end(timeout_s)
            if not in_time:
                _kill(pid)
            status = _reap(pid)
        except BaseException:
            _kill(pid)
            _reap(pid)
            raise
        finally:
            os.close(pipe)
        stderr.seek(0)
        written = stderr.read().decode(errors="replace")
    if reader.outcome is not None:
        kind, value = reader.outcome
        if kind == "result":
            return Finished(value, written)
        if isinstance(value, TilewrightError):
            raise value
        raise WorkerError("the worker raised an unexpected exception", why=str(value))
    if not in_time:
        return Death(None, None, timeout_s, written)
    if os.WIFSIGNALED(status):
        return Death(os.WTERMSIG(status), None, None, written)
    return Death(None, os.waitstatus_to_exitcode(status), None, written)


def serve(task: Task[Any], pipe: int) -> None:
    """The life of a child: run `task`, send messages and the outcome over `pipe`. Does not return."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _die_with_parent()
    # A handler that the parent enabled would write to the parent's terminal.
    faulthandler.disable()
    try:
        outcome = ("result", task(lambda message: _send(pipe, ("message", message))))
        payload = pickle.dumps(outcome)
    except TilewrightError as error:
        payload = pickle.dumps(("error", error))
    except BaseException:
        payload = pickle.dumps(("error", traceback.format_exc()))
    with contextlib.suppress(BrokenPipeError):
        _write(pipe, payload)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: tearing down native libraries costs time, and can crash after the work is done.
    os._exit(0)


def _fork(task: Task[Any], stderr: IO[bytes]) -> tuple[int, int]:
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        os.setpgid(0, 0)
        os.dup2(stderr.fileno(), 1)
        os.dup2(stderr.fileno(), 2)
        # The parent may have replaced Python's own streams.
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        serve(task, write_end)
    os.close(write_end)
    return pid, read_end


def _spawn(task: Task[Any], stderr: IO[bytes]) -> tuple[int, int]:
    payload = pickle.dumps(task)
    read_end, write_end = os.pipe()
    with tempfile.TemporaryFile() as source:
        source.write(payload)
        source.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "tilewright.core.isolated_child", str(write_end)],
            stdin=source,
            stdout=stderr,
            stderr=stderr,
            pass_fds=(write_end,),
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
    os.close(write_end)
    process.returncode = 0  # reaped by `_reap`, not by Popen
    return process.pid, read_end


class _Reader:
    """Decodes the stream of pickled frames that a child writes."""

    def __init__(self, pipe: int, on_message: Callable[[object], None]) -> None:
        self.pipe = pipe
        self.on_message = on_message
        self.outcome: tuple[str, Any] | None = None
        self._buffer = bytearray()

    def read_until_end(self, timeout_s: float | None) -> bool:
        """Read until the child has sent its outcome or closed the pipe. False when time ran out first."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.pipe, selectors.EVENT_READ)
            while self.outcome is None:
                left = None if deadline is None else deadline - time.monotonic()
                if (left is not None and left <= 0) or not selector.select(left):
                    return False
                chunk = os.read(self.pipe, 1 << 20)
                if not chunk:
                    break
                self._buffer += chunk
                self._decode()
        return True

    def _decode(self) -> None:
        while len(self._buffer) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._buffer)
            if len(self._buffer) < _LENGTH.size + size:
                return
            frame = bytes(self._buffer[_LENGTH.size : _LENGTH.size + size])
            del self._buffer[: _LENGTH.size + size]
            kind, value = pickle.loads(frame)
            if kind == "message":
                self.on_message(value)
            else:
                self.outcome = (kind, value)


def _send(pipe: int, frame: tuple[str, object]) -> None:
    _write(pipe, pickle.dumps(frame))


def _write(pipe: int, payload: bytes) -> None:
    data = memoryview(_LENGTH.pack(len(payload)) + payload)
    while data:
        data = data[os.write(pipe, data) :]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _reap(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, so that a hung child never outlives a killed compiler."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
