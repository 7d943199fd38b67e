from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from tilewright.core.diagnostics import InputError
from tilewright.core.passes import Pass, option
from tilewright.core.registry import find_pass, load_all_passes, lookup_pass, near_matches, register_pass, suggest


@dataclass(frozen=True)
class Documented(Pass):
    """Do one thing.

    Before: a.
    After: b.
    """

    name: ClassVar[str] = "test-documented"
    needed: tuple[str, ...] = option(help="which")
    max_ops: int = option(3, help="how many")
    where: str | None = None


def test_options_come_from_fields() -> None:
    needed, max_ops, where = Documented.options()
    assert (max_ops.name, max_ops.type_text, max_ops.default, max_ops.help) == ("max-ops", "int", 3, "how many")
    assert (where.name, where.type_text, where.default) == ("where", "str or none", None)
    assert (needed.kind, needed.required) == ("list", True)


def test_contract_is_the_first_line() -> None:
    assert Documented.contract() == "Do one thing."
    assert Documented.documentation().splitlines()[2:] == ["Before: a.", "After: b."]


def test_dataclass_signature_is_no_contract() -> None:
    @dataclass(frozen=True)
    class Bare(Pass):
        name: ClassVar[str] = "test-bare"

    with pytest.raises(ValueError, match="needs a docstring"):
        register_pass(Bare)


def test_a_name_is_taken_once() -> None:
    @dataclass(frozen=True)
    class First(Pass):
        """First."""

        name: ClassVar[str] = "test-taken"

    @dataclass(frozen=True)
    class Second(Pass):
        """Second."""

        name: ClassVar[str] = "test-taken"

    register_pass(First)
    with pytest.raises(ValueError, match="declared twice"):
        register_pass(Second)


def test_names_of_upstream_passes_are_refused() -> None:
    @dataclass(frozen=True)
    class Shadow(Pass):
        """Shadow."""

        name: ClassVar[str] = "canonicalize"

    with pytest.raises(ValueError, match="a pass of MLIR's"):
        register_pass(Shadow)


def test_options_that_a_pipeline_cannot_express() -> None:
    @dataclass(frozen=True)
    class Unprintable(Pass):
        """Bad."""

        name: ClassVar[str] = "test-unprintable"
        table: dict[str, int] = field(default_factory=dict[str, int])

    with pytest.raises(TypeError, match="table"):
        Unprintable.options()


def test_every_pass_has_a_contract_and_printable_options() -> None:
    passes = load_all_passes()
    for name, cls in passes.items():
        assert cls.contract().endswith("."), name
        cls.options()
        assert find_pass(name) is cls


def test_unknown_pass() -> None:
    with pytest.raises(InputError, match="there is no pass called 'tw-nothing'"):
        lookup_pass("tw-nothing")


def test_near_matches() -> None:
    known = ["tw-fuse", "tw-outline", "canonicalize"]
    assert near_matches("fuse", known) == ["tw-fuse"]
    assert near_matches("tw-outlin", known)[0] == "tw-outline"
    assert suggest("zzzz", known) == ""
