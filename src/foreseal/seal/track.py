"""One declared target, and what was said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from foreseal.clock import Frequency
from foreseal.seal.entry import Entry
from foreseal.seal.payload import Row
from foreseal.seal.scoring import Sheet, Terms


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry and its index in the log."""

    index: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a forecaster stands at one cutoff: the forecast that counts and its rows, or why none does."""

    status: str
    forecast: Placed | None = None
    rows: Sequence[Row] | None = None


@dataclass(slots=True)
class Track:
    """One declared target and everything said about it that counts."""

    declared: Placed
    terms: Terms
    cutoffs: tuple[datetime, ...]
    forecasts: dict[tuple[str, int], list[Placed]] = field(default_factory=dict)
    outcomes: dict[int, list[Placed]] = field(default_factory=dict)
    scores: dict[int, list[Placed]] = field(default_factory=dict)
    """The first of each cutoff stands; further ones are of revised outcomes."""
    again: list[int] = field(default_factory=list)
    """Cutoffs that were scored again by the same outcome."""
    belated: list[tuple[str, int]] = field(default_factory=list)
    """Forecasts, by forecaster and cutoff, that were revealed after the score."""
    hindsight: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Outcome values, by forecaster, that were known before the forecast was sealed, of how many."""
    name: str = field(init=False)
    mode: str = field(init=False)
    """``live`` or ``replay``."""
    forecasters: dict[str, str] = field(init=False)
    """Name to author, in declared order."""
    _freq: Frequency | None = field(init=False)

    def __post_init__(self) -> None:
        target = self.declared.entry
        self.name, self.mode = target["name"], target["mode"]
        self.forecasters = {each["name"]: each["author"] for each in target["forecasters"]}
        self._freq = Frequency.parse(target["freq"]) if self.terms.form == "series" else None

    @property
    def ends(self) -> bool:
        """Whether its deadlines can be written: an instant lies before the year 10000."""
        try:
            self.settles_at(len(self.cutoffs) - 1)
            self.closes_at(len(self.cutoffs) - 1)
        except (OverflowError, ValueError):
            return False
        return True

    @property
    def foresees(self) -> bool:
        """Whether every forecast is due before its horizon ends; cases end when they settle."""
        return all(
            self.closes_at(seq) <= (self._end(seq) if self._freq else self.settles_at(seq))
            for seq in range(len(self.cutoffs))
        )

    def closes_at(self, seq: int) -> datetime:
        """By when a forecast at a cutoff must be sealed."""
        return self.cutoffs[seq] + timedelta(seconds=self.declared.entry["deadline"])

    def settles_at(self, seq: int) -> datetime:
        """When the outcome of a cutoff is fixed."""
        return self._end(seq) + timedelta(seconds=self.declared.entry["outcome"]["deadline"])

    def _end(self, seq: int) -> datetime:
        end = self.cutoffs[seq]
        return self._freq.shift(end, self.declared.entry["horizon"]) if self._freq else end


def score_fields(
    track: Track, outcome: Placed, standings: Mapping[str, Standing], sheet: Sheet
) -> dict[str, Any]:
    """Fields of a score entry, but for its payload's digest and the decisions."""
    scores = []
    for each in sheet.scores:
        forecast = standings[each.forecaster].forecast
        scores.append(
            {
                "forecaster": each.forecaster,
                "author": track.forecasters[each.forecaster],
                "status": each.status,
                "forecast": forecast.entry.leaf if forecast else "",
                "total": each.total,
                "n": each.n,
                "mean": each.mean,
            }
        )
    return {
        "target": track.name,
        "mode": track.mode,
        "declared": track.declared.entry.leaf,
        "seq": outcome.entry["seq"],
        "cutoff": outcome.entry["cutoff"],
        "rule": track.terms.rule,
        "outcome": outcome.entry.leaf,
        "scores": scores,
        "also": [
            {"rule": rule, "forecaster": each.forecaster, "mean": each.mean} for rule, each in sheet.also
        ],
    }
