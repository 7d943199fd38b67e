from __future__ import annotations

from tilewright.core.capture import Diagnostic, Place
from tilewright.core.diagnostics import VerifyError
from tilewright.core.expected_diagnostics import mismatches, read_expectations, with_error


def error_at(line: int, message: str) -> Diagnostic:
    return Diagnostic("error", Place("f.mlir", line, 1), message)


def test_places_of_expectations() -> None:
    source = (
        "// expected-error@+2 {{a}}\n"
        "// expected-warning@below {{b}}\n"
        "code // expected-error {{c}}\n"
        "// expected-note@above {{d}}\n"
        "// expected-error@-2 {{e}}\n"
        "// expected-error@unknown {{f}}\n"
    )
    assert [(e.severity, e.line, e.text) for e in read_expectations(source)] == [
        ("error", 3, "a"),
        ("warning", 3, "b"),
        ("error", 3, "c"),
        ("note", 3, "d"),
        ("error", 3, "e"),
        ("error", 0, "f"),
    ]
    assert read_expectations(source, first_line=11)[0].line == 13


def test_each_expectation_takes_one_message() -> None:
    expected = read_expectations("code // expected-error {{bad}}")
    assert mismatches([error_at(1, "very bad")], expected, "f.mlir") == []
    (surplus,) = mismatches([error_at(1, "very bad"), error_at(1, "very bad")], expected, "f.mlir")
    assert str(surplus) == "f.mlir:1:1: unexpected error: very bad"
    (unmet,) = mismatches([], expected, "f.mlir")
    assert str(unmet) == "f.mlir:1: expected error {{bad}} did not come"


def test_regular_expressions() -> None:
    expected = read_expectations("// expected-error-re {{has {{[0-9]+}} (ops)}}")
    assert mismatches([error_at(1, "it has 12 (ops)")], expected, "f.mlir") == []
    assert len(mismatches([error_at(1, "it has x (ops)")], expected, "f.mlir")) == 2


def test_notes_count_only_where_expected() -> None:
    note = Diagnostic("note", Place("f.mlir", 1, 1), "see here")
    with_note = Diagnostic("error", Place("f.mlir", 1, 1), "bad", (note,))
    assert mismatches([with_note], read_expectations("// expected-error {{bad}}"), "f.mlir") == []


def test_our_errors_are_diagnostics_too() -> None:
    ours = VerifyError("tw.matmul: [C1] sizes differ", where="-:4:2 (layer.0)", why="3 and 4")
    (diagnostic,) = with_error([], ours)
    assert (diagnostic.place.line, diagnostic.message) == (4, "tw.matmul: [C1] sizes differ\n3 and 4")


def test_an_error_made_of_a_diagnostic_is_not_counted_twice() -> None:
    log = [error_at(4, "sizes differ")]
    assert with_error(log, VerifyError("sizes differ", where="f.mlir:4:1")) == log
