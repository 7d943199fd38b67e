"""When a measured schedule takes the place of the rule's."""

from __future__ import annotations

import pytest

from tilewright.tuning.measure import Measurement
from tilewright.tuning.search import MARGIN, noise, ratio, wins


def measured(*sets: tuple[float, ...]) -> Measurement:
    return Measurement(sets, sets)


@pytest.mark.parametrize(
    ("candidate", "first", "second", "expected"),
    [
        ((0.9, 0.9), (1.0, 1.0), (1.0, 1.0), True),
        ((0.99, 0.99), (1.0, 1.0), (1.0, 1.0), False),  # less than the margin
        ((0.9, 0.9), (1.0, 1.0), (0.85, 1.0), False),  # the rule itself was as fast once
        ((0.9, 0.9), (1.0, 1.0), (0.92, 0.92), False),  # two measurements of the rule differ by nearly as much
        ((0.8, 1.1), (1.0, 1.0), (1.0, 1.0), True),  # the median is halfway
        ((0.8, 1.2, 1.2), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), False),  # a fast minimum alone
    ],
)
def test_a_schedule_wins_beyond_margin_and_noise(
    candidate: tuple[float, ...], first: tuple[float, ...], second: tuple[float, ...], expected: bool
) -> None:
    assert wins(measured(candidate), (measured(first), measured(second))) is expected


def test_a_schedule_must_not_be_slower_at_any_size() -> None:
    rules = (measured((1.0,), (1.0,)), measured((1.0,), (1.0,)))
    assert wins(measured((0.5,), (1.0,)), rules) and not wins(measured((0.5,), (1.01,)), rules)
    assert ratio(measured((0.5,), (0.5,)), rules) == pytest.approx(0.5)


def test_noise_and_scores() -> None:
    assert noise(measured((1.0, 1.0)), measured((1.0, 1.2))) == pytest.approx(0.1)
    assert noise(measured((1.0,)), measured((1.0,))) < MARGIN
    assert Measurement(((2.0, 3.0), (1.0,)), ((1.0, 5.0), (2.0,))).score == pytest.approx(1.0)
    assert Measurement(problem="it crashed").score == float("inf")
