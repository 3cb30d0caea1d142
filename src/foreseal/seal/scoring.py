"""Scores of sealed payloads, exact: whoever holds the bytes gets the same digits.

A row's score is the sum over quantile levels of twice the pinball loss (rule ``wis``), the squared error of
the probability (``brier``), or ``-ln`` of the probability given to what happened, in nats, to nine decimals
(``log``; other implementations may differ by 1e-8 a row). ``total`` is the exact sum of the rows' scores, and
``mean`` is the score itself: ``total`` over the number of rows and levels, rounded half to even.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context
from typing import Any

from foreseal.clock import format_instant
from foreseal.exact import brier, divide, format_decimal, parse_decimal, scale_levels, wis_sum
from foreseal.seal import payload
from foreseal.seal.payload import Layout, Row
from foreseal.seal.schema import BASELINE

LOG_DIGITS = 9
MEAN_DIGITS = 6

_LN = Context(prec=40, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a target entry says about scoring. ``score_bound`` is a decimal string, or empty."""

    rule: str
    form: str
    levels: tuple[str, ...]
    decimals: int
    missing: str
    score_bound: str
    also: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> Terms:
        """The terms in the fields of a target entry."""
        return cls(
            rule=target["rule"],
            form=target["form"],
            levels=tuple(target["quantiles"]),
            decimals=target["decimals"],
            missing=target["missing"],
            score_bound=target["score_bound"],
            also=tuple(target["also"]),
        )

    @property
    def forecast(self) -> Layout:
        """Layout of a forecast payload."""
        if self.form == "series":
            return payload.forecast_series(self.levels, self.decimals)
        return payload.forecast_cases(self.decimals)

    @property
    def outcome(self) -> Layout:
        """Layout of an outcome payload."""
        return payload.outcome_series(self.decimals) if self.form == "series" else payload.outcome_cases()

    @property
    def keys(self) -> int:
        """Columns that identify a row: series and instant, or case."""
        return 2 if self.form == "series" else 1

    def score(self, digits: int) -> Layout:
        """Layout of a score payload."""
        return payload.score_series(digits) if self.form == "series" else payload.score_cases(digits)


@dataclass(frozen=True, slots=True)
class Scored:
    """One forecaster's score. ``status`` is ``scored``, or why the rule for missing forecasts was applied.

    ``total`` and ``mean`` are decimal strings; empty where there is nothing to score or no rule to fall back
    on (no outcome yet known; or the baseline is missing and the target sets no bound).
    """

    forecaster: str
    status: str
    total: str
    n: int
    mean: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """All scores of one target at one cutoff: the payload with every row, the sums, and further rules."""

    payload: bytes
    scores: tuple[Scored, ...]
    also: tuple[tuple[str, Scored], ...]


def score_sheet(terms: Terms, happened: Sequence[Row], forecasts: Mapping[str, Sequence[Row] | str]) -> Sheet:
    """Score every forecaster of a target against the rows of one outcome payload.

    ``forecasts`` holds, for each forecaster in the target's order, the rows of the payload, or a status such
    as ``missing``. A forecast that lacks a row which the outcome has is ``malformed``. Rows without an
    outcome are not scored. Raises `Malformed` if the scores are too many for a payload.
    """
    matched = {name: _match(terms, happened, given) for name, given in forecasts.items()}
    width = terms.keys
    scores, rows = _score(terms, terms.rule, happened, matched)
    also = [(rule, each) for rule in terms.also for each in _score(terms, rule, happened, matched)[0]]
    keys = [(key.decode(), *map(format_instant, rest)) for key, *rest in (row[:width] for row in happened)]
    digits = _Rule.of(terms, terms.rule).digits
    table = [
        (name, *key, format_decimal(value, digits))
        for name, values in rows.items()
        for key, value in zip(keys, values, strict=True)
    ]
    return Sheet(terms.score(digits).encode(table), tuple(scores), tuple(also))


def _match(terms: Terms, happened: Sequence[Row], given: Sequence[Row] | str) -> list[Row] | str:
    """The forecast of every row that happened, or why there is none."""
    if isinstance(given, str):
        return given
    width = terms.keys
    said = {row[:width]: row[width:] for row in given}
    try:
        return [said[row[:width]] for row in happened]
    except KeyError:
        return "malformed"


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a rule scores one row, in integers of ``10**-digits``; a mean has ``mean`` decimals."""

    row: Callable[[Row, Any], int]
    digits: int
    levels: int
    mean: int

    @classmethod
    def of(cls, terms: Terms, rule: str) -> _Rule:
        unit, decimals = 10**terms.decimals, terms.decimals
        if rule == "wis":
            levels, digits = scale_levels(terms.levels)

            def wis(said: Row, y: int) -> int:
                return wis_sum(levels, 10**digits, said, y)

            return cls(wis, decimals + digits, len(levels), decimals + MEAN_DIGITS)
        if rule == "brier":
            return cls(lambda said, y: brier(said[0], unit, y), 2 * decimals, 1, decimals + MEAN_DIGITS)
        bound = _bound(terms, LOG_DIGITS)

        def log(said: Row, y: int) -> int:
            given = said[0] if y else unit - said[0]
            if given == 0:
                return bound
            nats = -_LN.ln(_LN.divide(given, unit))
            return int(nats.scaleb(LOG_DIGITS, _LN).to_integral_value(ROUND_HALF_EVEN))

        return cls(log, LOG_DIGITS, 1, LOG_DIGITS)


def total_scale(terms: Terms) -> tuple[int, int]:
    """Decimals of a ``total`` under the target's rule, and how many levels each of its rows sums."""
    rule = _Rule.of(terms, terms.rule)
    return rule.digits, rule.levels


def _bound(terms: Terms, digits: int) -> int:
    places = len(terms.score_bound.partition(".")[2])
    return divide(parse_decimal(terms.score_bound, places) * 10**digits, 10**places)


def _score(
    terms: Terms, name: str, happened: Sequence[Row], matched: Mapping[str, list[Row] | str]
) -> tuple[list[Scored], dict[str, list[int]]]:
    rule, n, y = _Rule.of(terms, name), len(happened), terms.keys
    rows = {
        forecaster: [rule.row(said, row[y]) for said, row in zip(found, happened, strict=True)]
        for forecaster, found in matched.items()
        if not isinstance(found, str)
    }
    instead: int | None = None
    if terms.missing == "baseline" and BASELINE in rows:
        instead = sum(rows[BASELINE])
    elif terms.score_bound:
        instead = _bound(terms, rule.digits) * rule.levels * n
    scores = []
    for forecaster, found in matched.items():
        total = sum(rows[forecaster]) if forecaster in rows else instead
        scores.append(
            Scored(
                forecaster,
                found if isinstance(found, str) else "scored",
                "" if total is None else format_decimal(total, rule.digits),
                n,
                "" if total is None or n == 0 else _mean(total, n, rule),
            )
        )
    return scores, rows


def _mean(total: int, n: int, rule: _Rule) -> str:
    return format_decimal(divide(total * 10**rule.mean, n * rule.levels * 10**rule.digits), rule.mean)
