"""When a measured schedule takes the place of the rule's."""

from __future__ import annotations

from typing import Any

import pytest

from tilewright.tuning.measure import Measurement
from tilewright.tuning.search import MARGIN, noise, ratio, wins


def measured(*sets: tuple[float, ...]) -> Measurement:
    return Measurement(sets, sets)


@pytest.mark.parametrize(
    ("candidate", "rule", "expected"),
    [
        (((0.9, 0.9), (0.9, 0.9)), ((1.0, 1.0), (1.0, 1.0)), True),
        (((0.99, 0.99), (0.99, 0.99)), ((1.0, 1.0), (1.0, 1.0)), False),  # less than the margin
        (((0.9, 0.9), (0.9, 0.9)), ((1.0, 1.0), (0.9, 1.0)), False),  # the rule was as fast once
        (((0.9, 0.9), (0.9, 0.9)), ((1.1, 1.1), (0.98, 0.98)), False),  # two turns of the rule differ by more than is won
        (((0.7, 0.7), (0.9, 0.9)), ((1.0, 1.0), (1.0, 1.0)), False),  # so do two turns of the candidate
        (((0.8, 1.2), (0.8, 1.2)), ((1.0, 1.0), (1.0, 1.0)), False),  # fast minima alone
    ],
)
def test_a_schedule_wins_beyond_margin_and_noise(candidate: Any, rule: Any, expected: bool) -> None:
    turns, rules = ((measured(a), measured(b)) for a, b in (candidate, rule))
    assert wins(turns, rules) is expected


def test_a_schedule_must_not_be_slower_at_any_size() -> None:
    def twice(*sets: tuple[float, ...]) -> tuple[Measurement, Measurement]:
        return measured(*sets), measured(*sets)

    rules = twice((1.0,), (1.0,))
    assert wins(twice((0.5,), (1.0,)), rules) and not wins(twice((0.5,), (1.01,)), rules)
    assert ratio(twice((0.5,), (0.5,)), rules) == pytest.approx(0.5)


def test_noise_and_scores() -> None:
    assert noise(measured((1.0, 1.0)), measured((1.0, 1.2))) == pytest.approx(0.1)
    assert noise(measured((1.0,)), measured((1.0,))) < MARGIN
    assert Measurement(((2.0, 3.0), (1.0,)), ((1.0, 5.0), (2.0,))).score == pytest.approx(1.0)
    assert Measurement(problem="it crashed").score == float("inf")
