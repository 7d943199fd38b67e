from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.core.diagnostics import InputError
from tilewright.core.option_text import decode, encode
from tilewright.core.passes import OptionValue, Pass, PassOption, option
from tilewright.core.pipeline import Element, Nested, OptionSpec, PassSpec, Pipeline, build_pass, parse_pipeline, spec_of


@dataclass(frozen=True)
class Sample(Pass):
    """A pass with an option of every kind."""

    name: ClassVar[str] = "test-sample"
    flag: bool = False
    max_ops: int = option(16, help="largest number of ops")
    scale: float = 1.0
    label: str = ""
    sizes: tuple[str, ...] = ()
    limit: int | None = None
    choice: str | None = None


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,12}", fullmatch=True)
finite = st.floats(allow_nan=False)
samples = st.builds(
    Sample,
    flag=st.booleans(),
    max_ops=st.integers(),
    scale=finite,
    label=st.text(),
    sizes=st.lists(st.text()).map(tuple),
    limit=st.none() | st.integers(),
    choice=st.none() | st.text(),
)


def option_of(kind: str, *, optional: bool = False) -> PassOption:
    return PassOption("o", "o", kind, optional, True, None, "")


values = st.one_of(
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("int"), st.integers()),
    st.tuples(st.just("float"), finite),
    st.tuples(st.just("str"), st.text()),
    st.tuples(st.just("list"), st.lists(st.text()).map(tuple)),
    st.tuples(st.sampled_from(["int", "str", "list", "bool", "float"]), st.none()),
)


def option_specs() -> st.SearchStrategy[OptionSpec]:
    return st.builds(OptionSpec, names, st.none() | values.map(lambda kind_value: encode(kind_value[1])))


elements: st.SearchStrategy[Element] = st.recursive(
    st.builds(PassSpec, names, st.lists(option_specs(), max_size=3).map(tuple)),
    lambda inner: st.builds(Nested, names, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=8,
)


@given(values)
def test_option_values_round_trip(kind_value: tuple[str, OptionValue]) -> None:
    kind, value = kind_value
    assert decode(encode(value), option_of(kind, optional=value is None)) == value


@given(st.lists(elements, min_size=1, max_size=4).map(tuple))
def test_pipelines_round_trip(body: tuple[Element, ...]) -> None:
    printed = str(Pipeline(body))
    assert parse_pipeline(printed).elements == body
    assert str(parse_pipeline(printed)) == printed


@given(samples)
def test_passes_round_trip(instance: Sample) -> None:
    pipeline = parse_pipeline(str(spec_of(instance)))
    (spec,) = pipeline.elements
    assert isinstance(spec, PassSpec)
    assert build_pass(Sample, spec, pipeline) == instance


@given(st.text(alphabet="ab-{}()=,\"' \n\\.", max_size=24))
def test_any_text_parses_or_is_refused_with_a_place(text: str) -> None:
    try:
        parse_pipeline(text)
    except InputError as error:
        assert error.why.splitlines()[-1].strip() == "^"


def test_defaults_are_not_printed() -> None:
    assert str(spec_of(Sample())) == "test-sample"
    assert str(spec_of(Sample(max_ops=8, sizes=("a b", "c")))) == 'test-sample{max-ops=8 sizes="a b",c}'


def test_space_and_lines_are_free() -> None:
    assert parse_pipeline(" a ,\n b { x = 1 }".replace(" = ", "=")).elements == parse_pipeline("a,b{x=1}").elements
    assert parse_pipeline("").elements == ()


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("true", "bool", True), ("0", "bool", False), ("0x10", "int", 16), ("1e-3", "float", 1e-3), ("{a,b}", "list", ("a", "b"))],
)
def test_other_spellings(text: str, kind: str, value: OptionValue) -> None:
    assert decode(text, option_of(kind)) == value


def test_bare_flag_is_true() -> None:
    assert build("test-sample{flag}") == Sample(flag=True)


def test_none_is_not_the_text_none() -> None:
    assert build("test-sample{choice=none}") == Sample(choice=None)
    assert build('test-sample{choice="none"}') == Sample(choice="none")


def test_underscores_are_forgiven() -> None:
    assert build("test-sample{max_ops=3}") == Sample(max_ops=3)


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("test-sample{max-op=3}", "has no option 'max-op'", 12),
        ("test-sample{flag=maybe}", "option 'flag' of pass 'test-sample' is true or false, not 'maybe'", 12),
        ("test-sample{scale=x}", "is a number, not 'x'", 12),
        ("test-sample{label}", "needs a value: label=<str>", 12),
        ("test-sample{limit=1 limit=2}", "given twice", 20),
    ],
)
def test_wrong_options_are_pointed_at(text: str, message: str, column: int) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build(text)
    assert caught.value.why == f"{text}\n{' ' * column}^"


def test_near_match_of_an_option() -> None:
    with pytest.raises(InputError) as caught:
        build("test-sample{max-op=3}")
    assert "did you mean 'max-ops'?" in caught.value.remedy


def build(text: str) -> Pass:
    pipeline = parse_pipeline(text)
    (spec,) = pipeline.elements
    assert isinstance(spec, PassSpec)
    return build_pass(Sample, spec, pipeline)
