"""How much was given of what was due, and how well it scored: counted by hand, and with fractions."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import HOURS, LEVELS, START, Ledger, make_ledger, series_forecast, series_outcome

from foreseal.clock import format_instant
from foreseal.seal import payload
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.tally import tally

DAYS = 6


@pytest.fixture
def ledger(log: Log, author: Ed25519PrivateKey) -> Ledger:
    """A live target of six days: both forecast day 0, which is settled; only we forecast day 2."""
    made = Ledger(log, author, START - timedelta(hours=1))
    made.identity()
    made.dataset("d", "series")
    model = made.model()
    cutoffs = [START + day * timedelta(days=1) for day in range(DAYS)]
    rows = [(str(seq), format_instant(cutoff)) for seq, cutoff in enumerate(cutoffs)]
    schedule = log.payloads.put(payload.schedule().encode(rows))
    declared = made.target("volume", "d", "series", mode="live", schedule=schedule, cutoffs=DAYS)
    about = {**made.about("volume", declared, 0), "mode": "live"}
    made.at = START + timedelta(minutes=5)
    made.forecast(about, "us", model, series_forecast(0))
    made.forecast(about, "baseline", model, series_forecast(0, 3))
    made.at = START + timedelta(days=1, hours=HOURS)
    made.outcome(about, series_outcome(0))
    made.score("volume", 0)
    made.at = cutoffs[2] + timedelta(minutes=5)
    later = {**about, "seq": 2, "cutoff": format_instant(cutoffs[2])}
    ds = [format_instant(cutoffs[2] + timedelta(hours=hour)) for hour in range(HOURS)]
    rows = [("a", each, *["1.0"] * len(LEVELS)) for each in ds]
    made.forecast(later, "us", model, payload.forecast_series(LEVELS, 1).encode(rows))
    return made


def mean_wis(forecast: bytes, outcome: bytes) -> str:
    """To three decimals, from the bytes, with fractions."""
    happened = [line.rsplit(",", 2) for line in outcome.decode().splitlines()[1:]]
    said = {line.rsplit(",", len(LEVELS))[0]: line for line in forecast.decode().splitlines()[1:]}
    losses = []
    for key, y, _ in happened:
        for level, q in zip(LEVELS, said[key].rsplit(",", len(LEVELS))[1:], strict=True):
            error, t = Fraction(y) - Fraction(q), Fraction(level)
            losses.append(2 * max(t * error, (t - 1) * error))
    mean = sum(losses) / len(losses)
    exact = Decimal(mean.numerator) / Decimal(mean.denominator)
    return str(exact.quantize(Decimal("0.001"), ROUND_HALF_EVEN))


def test_what_is_due_is_told_from_what_is_missed_and_what_is_still_to_come(ledger: Ledger) -> None:
    settled, us, baseline, _ = tally(ledger.history(), None)
    assert settled == "volume: 1 of 6 cutoffs settled, each score recomputed"
    # Up to the newest entry, five minutes after day 2, the deadlines of days 0 and 1 have passed.
    assert us == "volume, us: 2 of 3 forecasts due; 1 missed; 3 not due yet"
    assert baseline == "volume, baseline: 1 of 2 forecasts due; 1 missed; 4 not due yet"


@pytest.mark.parametrize(
    ("minutes", "us", "baseline"),
    [
        (
            59,
            "2 of 3 forecasts due; 1 missed; 3 not due yet",
            "1 of 2 forecasts due; 1 missed; 4 not due yet",
        ),
        (
            60,
            "2 of 3 forecasts due; 1 missed; 3 not due yet",
            "1 of 3 forecasts due; 2 missed; 3 not due yet",
        ),
        (10**5, "2 of 6 forecasts due; 4 missed", "1 of 6 forecasts due; 5 missed"),
    ],
)
def test_where_witnesses_give_the_time_they_decide_what_is_due(
    ledger: Ledger, minutes: int, us: str, baseline: str
) -> None:
    sealed = START + timedelta(days=2, minutes=minutes)
    said = list(tally(ledger.history(), sealed))
    assert said[1:3] == [f"volume, us: {us}", f"volume, baseline: {baseline}"]


def test_the_mean_score_stands_beside_that_of_the_baseline(ledger: Ledger) -> None:
    *_, mean = tally(ledger.history(), None)
    us, other = (mean_wis(series_forecast(0, shift), series_outcome(0)) for shift in (0, 3))
    assert us != other
    assert mean == f"volume, us: mean wis {us} against {other} of the baseline, over 1 cutoff"


def test_a_replay_owes_what_it_has_come_to(tmp_path: Path, signer: Signer, author: Ed25519PrivateKey) -> None:
    with Log.create(tmp_path / "log", signer, tmp_path / "lock") as log:
        history = make_ledger(log.folder, log, author).history()
    assert "volume, us: 2 of 2 forecasts due" in tally(history, None)
