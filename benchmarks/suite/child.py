"""The process that one system of a suite runs in. It reads one JSON object a line from its input and answers with one a line.

`{"do": "prepare", "case": ..., "folder": ..., "copies": n, "budget": s}` answers with the variants, each with its error against the
reference, or with `refused` (not applicable, unsupported) and the reason. `{"do": "turn"}` times each variant that has calls once, for
about the budget (see `Timer.turn`). What libraries print goes to the standard error.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.suite.cases import Case
from benchmarks.suite.definition import Suite, find_suite
from benchmarks.suite.systems import NotApplicable, System, Variant

PR_SET_PDEATHSIG = 1
WARM_UP = 0.004
"""Seconds of untimed calls at the beginning of a turn (none for calls that take longer than that thrice): caches, translation
buffers, clocks and sleeping threads are as another system left them."""
TIMED_ONE_BY_ONE = 2e-5
"""Seconds from which on the shortest call of a turn is known; the shortest of shorter ones is the mean of the turn."""


class Timer:
    """Calls one variant, with each copy of the rotated operands in turn."""

    def __init__(self, variant: Variant, budget: float, one_thread: bool) -> None:
        self.variant = variant
        self.one_thread = one_thread
        self.next = 0
        for _ in variant.calls:
            self.call()  # The first call with operands maps their memory.
        seconds = min(self.timed_call() for _ in range(2))
        self.repeats = max(1, round(budget / max(seconds, 1e-7)))
        self.warm_up = 0 if seconds > 3 * WARM_UP else max(1, round(WARM_UP / max(seconds, 1e-7)))
        self.expected = seconds * (self.repeats + self.warm_up)
        self.one_by_one = seconds > TIMED_ONE_BY_ONE

    def call(self) -> Any:
        call = self.variant.calls[self.next]
        self.next = (self.next + 1) % len(self.variant.calls)
        return call()

    def timed_call(self) -> float:
        began = time.perf_counter()
        self.call()
        return time.perf_counter() - began

    def turn(self) -> tuple[float, float, float]:
        """Seconds of a call: the mean and the least. How many CPUs were busy.

        The mean of a system with one thread is that of CPU time where this is less: what other processes took does not count.
        """
        for _ in range(self.warm_up):
            self.call()
        busy, began = time.process_time(), time.perf_counter()
        if self.one_by_one:
            least = min(self.timed_call() for _ in range(self.repeats))
        else:
            least = float("inf")
            for _ in range(self.repeats):
                self.call()
        seconds = max(time.perf_counter() - began, 1e-9)
        busy = time.process_time() - busy
        mean = (min(seconds, busy) if self.one_thread else seconds) / self.repeats
        return mean, min(mean, least), busy / seconds


class Child:
    """The system, and the timers of the case that was prepared last."""

    def __init__(self, suite: Suite, system: System, threads: int) -> None:
        self.suite = suite
        self.system = system
        self.threads = threads
        self.timers: list[Timer] = []

    def prepare(self, request: dict[str, Any]) -> dict[str, Any]:
        self.timers = []
        gc.collect()
        case, folder = self.suite.case.from_json(request["case"]), Path(request["folder"])
        try:
            variants = self.system.prepare(case, self.suite.load(folder), request["copies"], folder)
            errors = [self.error(case, variant, folder) for variant in variants]
            timers = [Timer(v, request["budget"], self.threads == 1) if v.calls else None for v in variants]
        except NotApplicable as reason:
            return {"refused": str(reason), "kind": "not applicable"}
        except Exception as error:  # Of any system: it is shown as its row.
            return {"refused": f"{type(error).__name__}: {error}", "kind": "failed"}
        self.timers = [timer for timer in timers if timer is not None]
        described = [
            {"name": v.name, "work": v.reported_work, "error": e, "seconds": t.expected if t else None, "peak_bytes": v.peak_bytes}
            for v, t, e in zip(variants, timers, errors, strict=True)
        ]
        return {"variants": described}

    def error(self, case: Case, variant: Variant, folder: Path) -> float | None:
        """The larger error of the first and the last copy."""
        if variant.fetch is None:
            return None
        if not variant.calls:
            return self.suite.error(case, variant.fetch(None), folder)
        return max(self.suite.error(case, variant.fetch(call()), folder) for call in {variant.calls[0], variant.calls[-1]})

    def turn(self) -> dict[str, Any]:
        return {"turns": [timer.turn() for timer in self.timers]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("suite")
    parser.add_argument("system")
    parser.add_argument("threads", type=int)
    arguments = parser.parse_args()
    # A stopped process would outlive a parent that was killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    suite = find_suite(arguments.suite)
    child = Child(suite, suite.systems[arguments.system].create(arguments.threads), arguments.threads)
    for line in sys.stdin:
        request = json.loads(line)
        answer = child.prepare(request) if request["do"] == "prepare" else child.turn()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
