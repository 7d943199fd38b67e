"""What can go wrong when an artifact is loaded or called. Each says what happened, what was expected and what to do."""

from __future__ import annotations


class RuntimeFailure(Exception):
    """Base of the runtime's errors: `what` happened, `why`, and the `remedy`. Printed on up to three lines."""

    kind = "runtime"
    exit_code = 8

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        lines = [what] + ([f"  why: {why}"] if why else []) + ([f"  fix: {remedy}"] if remedy else [])
        super().__init__("\n".join(lines))
        self.what, self.why, self.remedy = what, why, remedy


class ArtifactError(RuntimeFailure):
    """The file is not a usable artifact: truncated, damaged, of another version."""

    kind = "artifact"


class IncompatibleError(RuntimeFailure):
    """The artifact has no code that this machine can run."""

    kind = "incompatible"


class CallError(RuntimeFailure, ValueError):
    """The arguments of a call do not fit the program's inputs."""

    kind = "call"


class ThreadsError(RuntimeFailure):
    """More threads were asked for than can be had."""

    kind = "threads"
