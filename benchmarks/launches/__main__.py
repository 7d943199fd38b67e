"""The cost of one tiny kernel inside a program, of Tilewright and other systems, in turn on one machine.

    python -m benchmarks.launches [--systems tilewright torch] [--seconds 6] [--lock FILE]

A chain of steps that no fusion can join, and one twice as long, are called in turn: the difference over the number of further steps is
what one costs, with all that a step computes on 2 x 8 numbers. Written is JSON with all figures.
"""

from __future__ import annotations

from benchmarks.launches.suite import SUITE
from benchmarks.suite.command import main

if __name__ == "__main__":
    main(SUITE, __doc__)
