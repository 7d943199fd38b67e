"""A task for tests of isolation; in a module of its own, so that a spawned child can import it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from tilewright.core.diagnostics import InputError
from tilewright.core.isolation import Report


def act(how: str, report: Report) -> str:
    report({"stage": "started"})
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        report(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid)
        time.sleep(60)
    if how == "exit":
        os._exit(3)
    if how == "refuse":
        raise InputError("bad", where="here", remedy="do better")
    if how == "mistake":
        raise KeyError("a")
    print("to stderr", file=sys.stderr)
    return "x" * 3_000_000
