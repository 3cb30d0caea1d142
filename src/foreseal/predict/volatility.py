"""Tomorrow's return: historical simulation, EWMA and GARCH, weighed by their scores on the last sessions.

    historical  the last 500 returns as they are
    ewma        RiskMetrics, sigma² = .06 e² + .94 sigma², residuals of the window as they are
    garch_t     GARCH(1,1) with Student's t
    gjr_t       GJR-GARCH(1,1,1) with Hansen's skewed t
    gjr_fhs     the same fit, residuals of the window as they are (filtered historical simulation)

Fits are made at the first session of every month. One session ahead is exact; further ahead residuals are
drawn. Days without a value are no sessions: weekends and holidays do not count as steps.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from foreseal.errors import ModelError, ModelWarning
from foreseal.frame import Panel
from foreseal.predict.garch import FITTED, arch, fit
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.naive import seasonal_quantiles
from foreseal.records import Forecast

MEMBERS = ("historical", "ewma", "garch_t", "gjr_t", "gjr_fhs")
# Of these, the ones whose 1 % VaR of the S&P 500 passed the dynamic quantile test from 2000 to January 2009.
ADMITTED = ("gjr_t", "gjr_fhs")
# Returns that historical simulation looks at, that a fit learns from at most and at least, and that the
# simplest members need; below that a series gets naive quantiles.
HISTORY, WINDOW, LEAST_FIT, LEAST = 500, 2000, 500, 100
# Sessions that members are scored on. One whose score is a hundredth above the best one's has
# exp(-SHARPNESS / 100) of its weight.
MEMORY, SHARPNESS = 1000, 25.0
LEAST_SCORED = 60
# Returns whose mean size is the unit of a month's losses.
RECENT = 100
# The share of a weekday's dates that have a value below which it is no session.
CLOSED = 0.1


@dataclass
class Volatility:
    """A mixture of the ``members``' quantiles, or a single one by name.

    Weights fall with the pinball loss of the last ``memory`` sessions, in units of the spread then and with
    tails counting as much as the middle. A fit sees ``window`` returns. Series with fewer than 100 values
    get naive quantiles, and ``ran`` says how many did. GARCH takes part from 500 values on; where no member
    can, past returns stand as they are.
    """

    members: Sequence[str] | str = ADMITTED
    window: int = WINDOW
    memory: int = MEMORY
    seed: int = 0
    panel_: Panel | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, panel: Panel) -> Self:
        unknown = sorted(set(self.names) - set(MEMBERS))
        if unknown or not self.names:
            raise ModelError(
                f"volatility has no member {', '.join(unknown) or 'at all'}.",
                hint=f"There are: {', '.join(MEMBERS)}.",
            )
        if min(self.window - LEAST_FIT, self.memory - LEAST_SCORED) < 0:
            raise ModelError(f"window must be at least {LEAST_FIT} and memory at least {LEAST_SCORED}.")
        self.panel_ = panel
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.panel_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = Grid.of(self.panel_)
        values, ran = self.roll(self.panel_, [0], grid.reach(h), quantiles)
        return Forecast(grid.to_frame(values[0], h, quantiles), tuple(quantiles), ran)

    def roll(
        self, panel: Panel, backs: Sequence[int], columns: int, quantiles: Sequence[float]
    ) -> tuple[FloatArray, dict[str, str]]:
        """See `foreseal.predict.model.Rolling`."""
        self.fit(panel)
        grid = Grid.of(panel)
        length = grid.y.shape[1]
        days = grid.local(-length, columns)
        out = np.full((len(backs), len(grid.ids), columns, len(quantiles)), np.nan)
        weights, short = [], []
        for row, name in enumerate(grid.ids):
            y, dates = grid.y[row], days[row % len(days)]
            at = np.flatnonzero(np.isfinite(y))
            months = dates.astype("datetime64[M]").astype(np.int64)
            record = _Record.of(y[at], months[at], self, quantiles)
            if len(at) < LEAST:
                short.append(name)
            for place, back in enumerate(backs):
                column = length - back
                end = int(np.searchsorted(at, column))
                if end >= LEAST:
                    steps, first = _sessions(y, dates, column, columns, str(grid.freq) == "1d")
                    month = int(months[column + first])
                    out[place, row], mixed = record.say(end, month, steps)
                    if not back:
                        weights.append(mixed)
                elif end:
                    out[place, row] = seasonal_quantiles(y[None, :column], 1, 1, columns, quantiles)[0]
        if short:
            warnings.warn(
                f"volatility: {len(short)} series with fewer than {LEAST} values get naive quantiles: "
                f"{', '.join(short[:5])}{', …' if len(short) > 5 else ''}.",
                ModelWarning,
                stacklevel=2,
            )
        return out, self._ran(weights, len(short))

    def _ran(self, weights: Sequence[Mapping[str, float]], short: int) -> dict[str, str]:
        told = {"members": " ".join(self.names), "fits": "first session of the month"}
        if set(self.names) & FITTED:
            told["arch"] = str(arch().__version__)
        if weights:
            used = dict.fromkeys([*self.names, *(name for each in weights for name in each)])
            mean = {m: sum(each.get(m, 0.0) for each in weights) / len(weights) for m in used}
            told["weights"] = " ".join(f"{name}={weight:.4f}" for name, weight in mean.items())
        return told | ({"naive": str(short)} if short else {})

    @property
    def names(self) -> tuple[str, ...]:
        """The members, in order."""
        return (self.members,) if isinstance(self.members, str) else tuple(self.members)


@dataclass
class _Record:
    """One series: its values ``y`` in order, and the month of each. ``first`` counts the values before the
    month that each value lies in; ``loss`` (values, members) is filled month by month as it is asked for.
    """

    y: FloatArray
    months: IntArray
    first: IntArray
    model: Volatility
    levels: tuple[float, ...]
    loss: FloatArray
    scored: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, y: FloatArray, months: IntArray, model: Volatility, levels: Sequence[float]) -> _Record:
        first = np.searchsorted(months, months)
        loss = np.full((len(y), len(model.names)), np.nan)
        return cls(y, months, first, model, tuple(map(float, levels)), loss)

    def say(self, end: int, month: int, steps: IntArray) -> tuple[FloatArray, dict[str, float]]:
        """Quantiles (columns, levels) for sessions ``steps`` after the first ``end``, and the weights.

        The first of these sessions lies in ``month``.
        """
        known = min(int(np.searchsorted(self.months, month)), end)
        # The whole month is asked for at once: what is said of a session rests on those before it alone.
        last = max(int(np.searchsorted(self.months, month, "right")), end)
        now = {name: said[end - known] for name, said in self._month(known, last).items()}
        weights = self._weights(end, list(now))
        ahead = int(steps.max())
        table = np.zeros((ahead, len(self.levels)))
        for name, weight in weights.items():
            table[0] += weight * now[name]
            if ahead > 1:
                table[1:] += weight * self._further(name, known, end, ahead, now[name])
        return np.sort(table, axis=1)[steps - 1], weights

    def _month(self, known: int, last: int) -> dict[str, FloatArray]:
        """What members that learnt from the values before ``known`` say of those to ``last`` and the next."""
        seen, then = self.y[max(known - self.model.window, 0) : known], self.y[known:last]
        said = {
            name: _say(name, seen.tobytes(), then.tobytes(), self.levels)
            for name in self.model.names
            if len(seen) >= (LEAST_FIT if name in FITTED else LEAST // 2)
        }
        found = {name: values for name, values in said.items() if values is not None}
        return found or {"historical": _historical(seen, then, self.levels)}

    def _further(self, name: str, known: int, end: int, ahead: int, now: FloatArray) -> FloatArray:
        """Quantiles (ahead - 1, levels) of the later sessions."""
        seen = self.y[max(known - self.model.window, 0) : known]
        fitted = None if name == "historical" else fit(name, seen.tobytes())
        if fitted is None:
            return np.tile(now, (ahead - 1, 1))
        variance = fitted.variances(np.concatenate([seen, self.y[known:end]]))[-1]
        paths = fitted.ahead(float(variance), ahead, np.random.default_rng(self.model.seed))
        further: FloatArray = np.quantile(paths[1:], self.levels, axis=1).T
        return further

    def _weights(self, end: int, names: Sequence[str]) -> dict[str, float]:
        """Weights of the members by their losses at the ``memory`` values before ``end``."""
        equal = dict.fromkeys(names, 1.0 / len(names))
        if len(names) == 1:
            return equal
        start = max(end - self.model.memory, LEAST)
        for known in np.unique(self.first[start:end]).tolist():
            self._score(known)
        columns = [self.model.names.index(name) for name in names]
        rows = self.loss[start:end, columns]
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) < LEAST_SCORED:
            return equal
        mean = rows.mean(axis=0)
        raw = np.exp(-SHARPNESS * (mean / mean.min() - 1.0))
        return dict(zip(names, (raw / raw.sum()).tolist(), strict=True))

    def _score(self, known: int) -> None:
        """Pinball losses of one month, levels weighted by 1 / (p (1 - p)), in units of the spread then."""
        if known in self.scored:
            return
        self.scored.add(known)
        last = int(np.searchsorted(self.months, self.months[known], "right"))
        y, p = self.y[known:last, None], np.asarray(self.levels)
        unit = np.abs(self.y[max(known - RECENT, 0) : known]).mean() if known else 1.0
        for name, said in self._month(known, last).items():
            if name in self.model.names:
                miss = y - said[:-1]
                loss = ((p - (miss < 0)) * miss / (p * (1 - p))).mean(axis=1)
                self.loss[known:last, self.model.names.index(name)] = loss / (unit or 1.0)


@functools.lru_cache(maxsize=2048)
def _say(name: str, seen: bytes, then: bytes, levels: tuple[float, ...]) -> FloatArray | None:
    """Quantiles (then + 1, levels) of each value of ``then`` and the next, each one session ahead, by a
    member that learnt from ``seen``; None if it cannot."""
    known, coming = np.frombuffer(seen), np.frombuffer(then)
    if name == "historical":
        return _historical(known, coming, levels)
    fitted = fit(name, seen)
    if fitted is None:
        return None
    spread = np.sqrt(fitted.variances(np.concatenate([known, coming]))[len(known) :])
    z = np.quantile(fitted.residuals, levels, method="hazen")
    return fitted.mu + spread[:, None] * z


def _historical(known: FloatArray, coming: FloatArray, levels: Sequence[float]) -> FloatArray:
    y = np.concatenate([known, coming])
    ends = range(len(known), len(y) + 1)
    return np.array([np.quantile(y[max(end - HISTORY, 0) : end], levels, method="hazen") for end in ends])


def _sessions(y: FloatArray, days: Any, column: int, columns: int, daily: bool) -> tuple[IntArray, int]:
    """How many sessions ahead each of the next columns lies, a day without one being that of the next; and
    which column holds the first, or 0."""
    is_open = np.ones(columns, bool)
    if daily:
        weekday = days.astype("datetime64[D]").astype(np.int64) % 7
        recent = slice(max(column - 7 * HISTORY // 5, 0), column)
        dates = np.bincount(weekday[recent], minlength=7)
        held = np.bincount(weekday[recent][np.isfinite(y[recent])], minlength=7)
        is_open = (held > CLOSED * dates)[weekday[column : column + columns]]
    steps: IntArray = np.cumsum(is_open) + ~is_open
    return steps, int(is_open.argmax())
