"""Timing functions in turn, so that all of them meet the same conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any


def measure(functions: Mapping[str, Callable[[], Any]], rounds: int, budget: float = 0.001) -> dict[str, list[float]]:
    """Seconds of each function in each of `rounds`, all functions in turn.

    A round calls a function for about `budget` seconds. Rounds are short, so that some of them have the core to themselves.
    """
    repeats: dict[str, int] = {}
    for name, function in functions.items():
        function()
        started = time.perf_counter()
        function()
        repeats[name] = max(1, int(budget / max(time.perf_counter() - started, 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            for _ in range(repeats[name]):
                function()
            times[name].append((time.perf_counter() - started) / repeats[name])
    return times
