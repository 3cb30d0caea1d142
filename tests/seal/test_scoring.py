"""Sealed scores are exact: they agree with fractions, and with the formulas in floating point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal.errors import Malformed
from foreseal.exact import (
    MAX_DECIMALS,
    MAX_DIGITS,
    MAX_LEVEL_DECIMALS,
    MAX_WHOLE,
    format_decimal,
    parse_decimal,
)
from foreseal.seal import payload
from foreseal.seal.payload import Layout, Row
from foreseal.seal.schema import MAX_PAYLOAD
from foreseal.seal.scoring import Scored, Terms, score_sheet

LEVELS = ("0.05", "0.5", "0.9")
SERIES = Terms("wis", "series", LEVELS, 1, "baseline", "")
CASES = Terms("log", "cases", (), 3, "bound", "7.5", ("brier",))
T = "2018-08-01T00:00:00Z"


def sealed(layout: Layout, rows: Iterable[Sequence[str]]) -> list[Row]:
    """The rows, as whoever holds the payload reads them."""
    return layout.decode(layout.encode(rows))


def forecast(*quantiles: tuple[int, ...]) -> list[Row]:
    rows = [(f"s{i}", T, *(format_decimal(q, 1) for q in row)) for i, row in enumerate(quantiles)]
    return sealed(payload.forecast_series(LEVELS, 1), rows)


def outcome(*values: int) -> list[Row]:
    rows = [(f"s{i}", T, format_decimal(y, 1), T) for i, y in enumerate(values)]
    return sealed(payload.outcome_series(1), rows)


def probabilities(*values: int) -> list[Row]:
    rows = [(f"c{i}", format_decimal(p, 3)) for i, p in enumerate(values)]
    return sealed(payload.forecast_cases(3), rows)


def labels(*values: int) -> list[Row]:
    return sealed(payload.outcome_cases(), [(f"c{i}", str(int(y)), T) for i, y in enumerate(values)])


def pinball(level: Fraction, q: Fraction, y: Fraction) -> Fraction:
    return max(level * (y - q), (level - 1) * (y - q))


TENTHS = st.integers(-10_000, 10_000)


@given(st.lists(st.tuples(TENTHS, TENTHS, TENTHS, TENTHS), min_size=1, max_size=5))
def test_wis_is_the_mean_of_twice_the_pinball_loss_in_exact_fractions(
    rows: list[tuple[int, int, int, int]],
) -> None:
    said = [tuple(sorted(row[:3])) for row in rows]
    sheet = score_sheet(SERIES, outcome(*(row[3] for row in rows)), {"us": forecast(*said)})
    exact = [
        sum(
            2 * pinball(Fraction(level), Fraction(q, 10), Fraction(row[3], 10))
            for level, q in zip(LEVELS, quantiles, strict=True)
        )
        for quantiles, row in zip(said, rows, strict=True)
    ]
    score = sheet.scores[0]
    assert Fraction(score.total) == sum(exact)
    assert abs(Fraction(score.mean) - sum(exact) / (len(rows) * len(LEVELS))) <= Fraction(1, 2 * 10**7)
    lines = sheet.payload.decode().splitlines()
    assert lines[0] == "forecaster,unique_id,ds,score"
    assert [Fraction(line.split(",")[3]) for line in lines[1:]] == exact


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=8))
def test_log_and_brier_scores_are_those_of_the_formulas(rows: list[tuple[int, bool]]) -> None:
    sheet = score_sheet(CASES, labels(*(y for _, y in rows)), {"us": probabilities(*(p for p, _ in rows))})
    given_to = [p / 1000 if y else 1 - p / 1000 for p, y in rows]
    logs = [-math.log(p) if p > 1e-9 else 7.5 for p in given_to]
    assert float(sheet.scores[0].total) == pytest.approx(sum(logs), abs=1e-8 * len(rows))
    assert float(sheet.scores[0].mean) == pytest.approx(sum(logs) / len(rows), abs=1e-8)
    rule, brier = sheet.also[0]
    assert rule == "brier"
    assert Fraction(brier.total) == sum((Fraction(p, 1000) - y) ** 2 for p, y in rows)


def test_certainty_that_was_right_scores_nothing() -> None:
    sheet = score_sheet(CASES, labels(1, 0), {"us": probabilities(1000, 0)})
    assert sheet.scores[0] == Scored("us", "scored", "0.000000000", 2, "0.000000000")


def test_certainty_that_was_wrong_scores_the_bound() -> None:
    sheet = score_sheet(CASES, labels(0, 1), {"us": probabilities(1000, 0)})
    assert sheet.scores[0].total == "15.000000000"


def test_a_missing_forecast_takes_the_baseline_or_the_bound() -> None:
    base = forecast((10, 20, 30))
    sheet = score_sheet(SERIES, outcome(25), {"us": "missing", "baseline": base})
    us, baseline = sheet.scores
    assert (us.status, us.total, us.mean) == ("missing", baseline.total, baseline.mean)
    assert b"us" not in sheet.payload
    sheet = score_sheet(CASES, labels(1, 0), {"us": "late", "baseline": probabilities(500, 500)})
    assert sheet.scores[0] == Scored("us", "late", "15.000000000", 2, "7.500000000")
    assert sheet.also[0][1].total == "15.000000"


def test_without_baseline_and_bound_there_is_nothing_to_fall_back_on() -> None:
    sheet = score_sheet(SERIES, outcome(25), {"us": forecast((10, 20, 30)), "baseline": "missing"})
    assert sheet.scores[0].total != ""
    assert sheet.scores[1] == Scored("baseline", "missing", "", 1, "")


def test_a_bound_takes_the_place_of_a_missing_baseline() -> None:
    terms = Terms("wis", "series", LEVELS, 1, "baseline", "100")
    sheet = score_sheet(terms, outcome(25, 30), {"us": "missing", "baseline": "missing"})
    assert [each.mean for each in sheet.scores] == ["100.0000000"] * 2


def test_only_rows_with_an_outcome_are_scored() -> None:
    whole = score_sheet(SERIES, outcome(25), {"us": forecast((10, 20, 30), (0, 0, 0))})
    assert whole.scores == score_sheet(SERIES, outcome(25), {"us": forecast((10, 20, 30))}).scores


@pytest.mark.parametrize("rows", [[], forecast((10, 20, 30))])
def test_a_forecast_that_lacks_a_row_is_malformed(rows: list[Row]) -> None:
    sheet = score_sheet(SERIES, outcome(25, 30), {"us": rows, "baseline": forecast((1, 2, 3), (1, 2, 3))})
    assert sheet.scores[0].status == "malformed"
    assert sheet.scores[0].total == sheet.scores[1].total


def test_an_outcome_of_which_nothing_became_known_has_no_mean() -> None:
    sheet = score_sheet(SERIES, outcome(), {"us": forecast((1, 2, 3)), "baseline": "missing"})
    assert sheet.scores[0] == Scored("us", "scored", "0.000", 0, "")
    assert sheet.payload == b"forecaster,unique_id,ds,score\n"


def test_every_score_of_the_longest_numbers_can_be_written_down() -> None:
    """Values, decimals, levels, bound and rows as long as they may be: rows, totals and means still fit."""
    most = "9" * MAX_WHOLE + "." + "9" * MAX_DECIMALS
    levels = tuple(f"0.{each}" for each in range(999_889, 10**MAX_LEVEL_DECIMALS) if each % 10)[:99]
    terms = Terms("wis", "series", levels, MAX_DECIMALS, "bound", "9" * MAX_WHOLE)
    said = sealed(payload.forecast_series(levels, MAX_DECIMALS), [("a", T, *["-" + most] * len(levels))])
    cases = Terms("brier", "cases", (), MAX_DECIMALS, "bound", "9" * MAX_WHOLE, ("log",))
    wrong = sealed(payload.forecast_cases(MAX_DECIMALS), [("a", "0." + "0" * MAX_DECIMALS)])
    for each, rows, layout, row in (
        (terms, said, payload.outcome_series(MAX_DECIMALS), ("a", T, most, T)),
        (cases, wrong, payload.outcome_cases(), ("a", "1", T)),
    ):
        sheet = score_sheet(each, sealed(layout, [row]), {"us": rows, "baseline": "missing"})
        most_rows = MAX_PAYLOAD // len(",".join(row))
        for score in (*sheet.scores, *(score for _, score in sheet.also)):
            places = len(score.total.partition(".")[2])
            total = most_rows * parse_decimal(score.total, places)
            assert len(format_decimal(total, places)) <= MAX_DIGITS
            assert len(score.mean) <= MAX_DIGITS


@pytest.mark.parametrize("number", ["1" + "0" * 14 + ".0", "-1" + "0" * 14 + ".0"])
def test_a_number_of_15_digits_is_refused_in_forecasts_and_outcomes(number: str) -> None:
    with pytest.raises(Malformed, match="14 digits"):
        payload.outcome_series(1).encode([("a", T, number, T)])
    with pytest.raises(Malformed, match="14 digits"):
        payload.forecast_series(("0.5",), 1).encode([("a", T, number)])
