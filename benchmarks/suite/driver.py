"""The parent's side: a process for each system, and turns in which all of them are timed one after the other.

Each system has a process of its own, because their thread pools would disturb each other in one: idle threads that spin take a CPU
away from the system whose turn it is. A process is stopped by a signal while it is not asked anything, so nothing of it can run
(measured with two threads on two CPUs: without that all systems lose up to a half).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.suite.cases import Case
from benchmarks.suite.systems import CEILINGS, ONE_THREAD, OURS

ROOT = Path(__file__).resolve().parents[2]
TURN_LIMIT = 60.0
TURN_SECONDS = 0.006
"""How long a variant is called in its turn, or for one call where that takes longer."""
MIN_ROUNDS, MAX_ROUNDS = 5, 100
LIMITABLE = (OURS, "torch", "onednn", CEILINGS)
"""What can be limited to the instructions of an older machine than this."""


@dataclass(frozen=True)
class Spec:
    """Which process: a system of a suite with a number of threads, limited to a target's instructions where it has a switch for that."""

    suite: str
    system: str
    threads: int
    target: str = "native"


class ChildFailure(Exception):
    """The process died or did not answer in time."""


def environment_of(spec: Spec) -> dict[str, str]:
    """The variables that limit a system: all that start threads read theirs when they are loaded."""
    count = str(spec.threads)
    variables = {name: count for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "PJRT_NPROC")}
    variables |= {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={'true' if spec.threads > 1 else 'false'}", "JAX_PLATFORMS": "cpu"}
    if spec.target == "cpu:x86-64-v3":
        variables |= {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    return {**os.environ, **variables, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


class Child:
    """A running system. It is stopped except while it answers."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.suite.child", spec.suite, spec.system, str(spec.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, cwd=ROOT, env=environment_of(spec),
        )  # fmt: skip

    def ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """The answer. Raises ChildFailure; the process is gone then."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], limit)[0]:
                raise ChildFailure(f"no answer within {limit:.0f} s")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            self.process.send_signal(signal.SIGSTOP)
        if not line:
            self.close()
            raise ChildFailure(f"its process ended with status {self.process.returncode}: {self._last_words()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])[-400:]


@dataclass
class Result:
    """What one system did with a case.

    `variants` have name, work, error, peak_bytes, the seconds a turn should take (None: it is not timed), and after the turns lists of
    `means`, `minima` and `cpus`.
    """

    variants: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: str = ""
    kind: str = ""
    prepare_seconds: float = 0.0


class Driver:
    """Runs cases. Children are kept while cases use them, and started in the order in which they are needed."""

    def __init__(
        self, suite: str, systems: Sequence[str], rotation_bytes: int, seconds: float, limit: float, progress: Callable[[str], None]
    ) -> None:
        self.suite = suite
        self.systems = systems
        self.rotation_bytes = rotation_bytes
        self.seconds = seconds
        self.limit = limit
        self.progress = progress
        self.children: dict[Spec, Child] = {}

    def specs(self, case: Case) -> dict[str, Spec]:
        """The processes for a case; `one thread` is our own system for comparison."""
        systems = [s for s in self.systems if case.target == "native" or s in LIMITABLE]
        if case.peak_dtype is None and not case.rotate:
            systems = [s for s in systems if s != CEILINGS]
        specs = {system: Spec(self.suite, system, case.threads, case.target) for system in systems}
        if case.threads > 1 and OURS in specs and any(bar.quantity == "speedup" for bar in case.bars):
            specs[ONE_THREAD] = Spec(self.suite, OURS, 1, case.target)
        return specs

    def prepare(self, case: Case, folder: Path) -> dict[str, Result]:
        """Compile and check in every system, one after the other."""
        specs = self.specs(case)
        for spec in set(self.children) - set(specs.values()):
            self.children.pop(spec).close()
        results: dict[str, Result] = {}
        request = {
            "do": "prepare",
            "case": case.to_json(),
            "folder": str(folder),
            "copies": case.copies(self.rotation_bytes),
            "budget": TURN_SECONDS,
        }
        for spec in specs.values():
            if spec not in self.children:
                self.children[spec] = Child(spec)
        for name, spec in specs.items():
            self.progress(f"{case.label}: {name} prepares")
            began = time.perf_counter()
            try:
                answer: dict[str, Any] = self.children[spec].ask(request, self.limit)
            except ChildFailure as failure:
                self.children.pop(spec).close()
                answer = {"refused": str(failure), "kind": "failed"}
            results[name] = Result(answer.get("variants", []), answer.get("refused", ""), answer.get("kind", ""))
            results[name].prepare_seconds = time.perf_counter() - began
            for variant in results[name].variants:
                variant |= {"means": [], "minima": [], "cpus": []}
        return results

    def measure(self, case: Case, results: dict[str, Result]) -> None:
        """Add the times of all variants. As many rounds as fit into the seconds, at least five."""
        specs = self.specs(case)
        timed = [variant for result in results.values() for variant in result.variants if variant["seconds"] is not None]
        expected = sum(variant["seconds"] + 0.0005 for variant in timed)
        rounds = min(MAX_ROUNDS, max(MIN_ROUNDS, int(self.seconds / max(expected, 1e-6))))
        self.progress(f"{case.label}: {rounds} rounds")
        for _ in range(rounds):
            for name, result in results.items():
                if any(variant["seconds"] is not None for variant in result.variants):
                    results[name] = self.turn(specs[name], result)

    def turn(self, spec: Spec, result: Result) -> Result:
        """`result` with the figures of one more turn, or the reason why there are none."""
        try:
            turns = self.children[spec].ask({"do": "turn"}, TURN_LIMIT)["turns"]
        except ChildFailure as failure:
            self.children.pop(spec).close()
            return Result(refused=str(failure), kind="failed")
        timed = [variant for variant in result.variants if variant["seconds"] is not None]
        for variant, figures in zip(timed, turns, strict=True):
            for key, figure in zip(("means", "minima", "cpus"), figures, strict=True):
                variant[key].append(figure)
        return result

    def close(self) -> None:
        """End all processes."""
        for child in self.children.values():
            child.close()
        self.children.clear()


def wait_for_lock(path: Path | None) -> Any:
    """A held lock on `path` (closing it lets go), or None without a path."""
    if path is None:
        return None
    import fcntl

    file = path.open("a")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file
