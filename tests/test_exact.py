"""Exact scores equal the same scores in rational arithmetic and in floating point."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foreseal import exact
from foreseal.errors import Malformed


@given(st.integers(-(10**30), 10**30), st.integers(0, 9))
def test_a_decimal_survives_its_text(value: int, decimals: int) -> None:
    text = exact.format_decimal(value, decimals)
    assert exact.parse_decimal(text, decimals) == value
    assert Fraction(text) == Fraction(value, 10**decimals)


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("1", 1),
        ("1.00", 1),
        ("01.0", 1),
        ("+1.0", 1),
        ("-0.0", 1),
        ("1.", 0),
        (".5", 1),
        ("1e3", 0),
        ("nan", 0),
        ("1.0 ", 1),
        ("１.0", 1),
        ("", 0),
        ("9" * 41, 0),
    ],
)
def test_a_number_has_one_spelling_only(text: str, decimals: int) -> None:
    with pytest.raises(Malformed):
        exact.parse_decimal(text, decimals)


@given(st.floats(-1e12, 1e12), st.integers(0, 6))
def test_rounding_a_float_agrees_with_decimal_arithmetic(value: float, decimals: int) -> None:
    text = exact.round_decimal(value, decimals)
    expected = Decimal(value).quantize(Decimal(1).scaleb(-decimals))
    assert Decimal(text) == expected
    assert not text.startswith("-") or Decimal(text) < 0


def test_a_number_that_is_not_finite_has_no_decimal() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(Malformed):
            exact.round_decimal(value, 2)


@given(st.lists(st.text("0019.-+, \n\u0665", max_size=6), max_size=3), st.integers(0, 3))
@example(["1.0,2.0"], 1)
@example(["1" * 41], 0)
@example(["0.0", "-0.0"], 1)
def test_many_decimals_are_read_as_each_of_them(texts: list[str], decimals: int) -> None:
    try:
        each = [exact.parse_decimal(text, decimals) for text in texts]
    except Malformed:
        with pytest.raises(Malformed):
            exact.parse_decimals(texts, decimals)
    else:
        assert exact.parse_decimals(texts, decimals) == each


@given(st.lists(st.integers(-(10**16), 10**16), min_size=1, max_size=4), st.integers(0, 2))
def test_a_value_has_at_most_14_digits_before_the_point(values: list[int], decimals: int) -> None:
    texts = [exact.format_decimal(value, decimals) for value in values]
    if any(len(text.lstrip("-").partition(".")[0]) > 14 for text in texts):
        with pytest.raises(Malformed, match="more than 14 digits"):
            exact.parse_values(texts, decimals)
    else:
        assert exact.parse_values(texts, decimals) == values


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_division_rounds_half_to_even(numerator: int, denominator: int) -> None:
    assert exact.divide(numerator, denominator) == round(Fraction(numerator, denominator))


LEVELS = ("0.025", "0.1", "0.25", "0.5", "0.75", "0.9", "0.975")


@given(st.lists(st.integers(-5000, 5000), min_size=7, max_size=7), st.integers(-6000, 6000))
def test_wis_equals_its_definition_by_intervals(values: list[int], y: int) -> None:
    """Bracher et al. (2021), equation 1, in rational numbers."""
    q = sorted(values)
    levels, digits = exact.scale_levels(LEVELS)
    found = Fraction(exact.wis_sum(levels, 10**digits, q, y), 10**digits * len(q))
    total = Fraction(1, 2) * abs(y - q[3])
    for k, alpha in enumerate((Fraction(5, 100), Fraction(2, 10), Fraction(5, 10))):
        low, high = q[k], q[-1 - k]
        interval = (high - low) + Fraction(2) / alpha * (max(low - y, 0) + max(y - high, 0))
        total += alpha / 2 * interval
    assert found == total / (3 + Fraction(1, 2))


@given(st.integers(0, 10**6), st.sampled_from([0, 1]))
def test_brier_is_the_squared_error(p: int, y: int) -> None:
    assert Fraction(exact.brier(p, 10**6, y), 10**12) == (Fraction(p, 10**6) - y) ** 2


def test_impossible_levels_probabilities_and_labels_are_refused() -> None:
    for levels in (("0.5", "0.1"), ("0.0",), ("1.0", "1.5"), ("0.5", "0.50")):
        with pytest.raises(Malformed):
            exact.scale_levels(levels)
    for p, y in ((11, 1), (-1, 0), (5, 2)):
        with pytest.raises(Malformed):
            exact.brier(p, 10, y)
