"""The errors a user meets. Each says what happened, where, why, and what to do next; each kind has its own exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(eq=False)
class TilewrightError(Exception):
    """Base of all errors that Tilewright raises on purpose.

    `what` is one sentence, `where` a place (`file:line:col`, an op, an input name), `why` the reason or the evidence,
    `remedy` what the user can do, `during` what the compiler was doing (the pass and its options; the pass manager fills it in).
    All but `what` may be empty.
    """

    what: str
    where: str = ""
    why: str = ""
    remedy: str = ""
    during: str = ""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        lines = [head]
        for label, text in (("in", self.during), ("why", self.why), ("fix", self.remedy)):
            lines += [f"{label + ':':>6} {line}" if i == 0 else f"       {line}".rstrip() for i, line in enumerate(text.splitlines())]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # Exceptions pickle by their positional arguments, which misses those given by keyword; workers send errors by pickle.
        return type(self), (self.what, self.where, self.why, self.remedy, self.during)


class InputError(TilewrightError):
    """A file, option or argument given by the user is not usable."""

    exit_code = 2
    kind = "input"


class UnsupportedError(TilewrightError):
    """The program needs something that is not implemented (an op, a target, a combination)."""

    exit_code = 3
    kind = "unsupported"


class VerifyError(TilewrightError):
    """The IR breaks a contract: an op's constraint or a level's rule."""

    exit_code = 4
    kind = "verify"


class PassError(TilewrightError):
    """A pass, ours or upstream's, failed."""

    exit_code = 5
    kind = "pass"


class WorkerError(TilewrightError):
    """A worker process died, hung or was killed."""

    exit_code = 6
    kind = "worker"


class ToolchainError(TilewrightError):
    """Something the compiler needs is not installed or has the wrong version (bindings, linker, ptxas)."""

    exit_code = 7
    kind = "toolchain"
