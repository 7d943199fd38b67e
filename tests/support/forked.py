"""Code that may crash or hang, run in a child process: both become errors of the caller."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable


class ChildFailed(AssertionError):
    """The child raised an error, died of a signal or was still running when its time was over."""


def run_forked(task: Callable[[], str], seconds: float) -> str:
    """What `task` returns in a forked child, which has `seconds` of wall time. Nothing else that it does is seen here.

    Raises ChildFailed with the child's traceback, or the name of the signal that ended it.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _serve(task, writer)
    os.close(writer)
    answer = _read(reader, time.monotonic() + seconds)
    if answer is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if answer is None:
        raise ChildFailed(f"the child was still running after {seconds:g} s")
    if os.WIFSIGNALED(status):
        raise ChildFailed(f"the child died of {signal.Signals(os.WTERMSIG(status)).name}")
    kind, text = answer[:1], answer[1:].decode()
    if kind != b"+":
        raise ChildFailed(text)
    return text


def _serve(task: Callable[[], str], writer: int) -> None:
    """Run `task` in the child and write its answer; does not return."""
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(BaseException):
        try:
            answer = b"+" + task().encode()
        except BaseException:
            answer = b"-" + traceback.format_exc().encode()
        with os.fdopen(writer, "wb") as out:
            out.write(answer)
    os._exit(0)


def _read(reader: int, deadline: float) -> bytes | None:
    """All that comes until the other end is closed; None where the deadline passes before."""
    parts: list[bytes] = []
    with os.fdopen(reader, "rb", buffering=0) as source:
        while True:
            ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            part = source.read(1 << 16)
            if not part:
                return b"".join(parts)
            parts.append(part)
