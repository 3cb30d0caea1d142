"""Other people's forecasters as models of a cross-validation: each as its authors ship it, defaults kept."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from foreseal.errors import MissingExtra, ModelWarning, UsageError
from foreseal.frame import Panel
from foreseal.predict.grid import FloatArray, Grid
from foreseal.predict.naive import seasonal_quantiles
from foreseal.predict.pretrained import at_levels
from foreseal.records import Forecast

STATISTICAL = ("ets", "theta", "mstl", "ces")
PRETRAINED = ("fracast", "flair")
# Raised by every change here after which the same library would be asked something else.
ASKED = 1
LIBRARIES = dict.fromkeys(STATISTICAL, ("statsforecast", "scipy")) | {
    "fracast": ("fracast", "torch"),
    "flair": ("flaircast",),
}
# AutoETS takes no season above this.
ETS_SEASON = 24
# Their time grows with the length: all get the latest values only, two weeks of half-hours among them.
LATEST = 1_024
FRACAST_LEVELS = tuple(k / 10 for k in range(1, 10))


@dataclass
class Contestant:
    """``name`` on every series by itself, with the ``seasons`` told; gaps are filled with the last value.

    A series that the forecaster refuses is forecast by the seasonal naive, which a `ModelWarning` counts. In
    the folder ``kept``, if any, forecasts of the same values by the same `edition` are found again, refusals
    included.
    """

    name: str
    seasons: tuple[int, ...] = ()
    kept: Path | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        return self.name

    def fit(self, panel: Panel) -> Self:
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        assert self.grid_ is not None
        grid, reach = self.grid_, self.grid_.reach(h)
        file = self._file(grid, reach, quantiles)
        if file and file.exists():
            with np.load(file) as found:
                values, refused = found["values"], int(found["refused"])
            ran = self._tell(refused, len(values)) | {"kept": str(file)}
            return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)
        ask = _asker(self.name, self.seasons or (1,))
        values = np.empty((len(grid.ids), reach, len(quantiles)))
        refused = 0
        for row, y in enumerate(grid.y):
            known = _known(y)
            try:
                values[row] = ask(known, reach, quantiles, str(grid.freq))
            except Exception:  # noqa: BLE001  CES raises a bare Exception where it cannot be fitted
                values[row] = np.nan
            if not np.isfinite(values[row]).all():
                season = _usual(self.seasons, len(known))
                values[row] = seasonal_quantiles(known[None], season, 1, reach, quantiles)[0]
                refused += 1
        ran = self._tell(refused, len(values))
        values = np.sort(values, axis=2)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, values=values, refused=refused)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), ran)

    def _file(self, grid: Grid, reach: int, quantiles: Sequence[float]) -> Path | None:
        if self.kept is None:
            return None
        asked = (edition(self.name), self.seasons, str(grid.freq), reach, tuple(quantiles), grid.y.shape)
        digest = hashlib.sha256(repr(asked).encode() + grid.y.tobytes()).hexdigest()
        return self.kept / f"{self.name}-{digest[:32]}.npz"

    def _tell(self, refused: int, series: int) -> dict[str, str]:
        if not refused:
            return {}
        said = f"{self.name} refused {refused} of {series} series: the seasonal naive stands in."
        warnings.warn(said, ModelWarning, stacklevel=3)
        return {"refused": str(refused)}


def edition(name: str) -> str:
    """What a forecast of this contestant depends on besides its input: how it is asked here, and its library
    with those that do its sums. Raises `MissingExtra`."""
    parts = ["numpy", *LIBRARIES[name]]
    try:
        return f"{name} {ASKED} " + " ".join(f"{part} {importlib.metadata.version(part)}" for part in parts)
    except importlib.metadata.PackageNotFoundError:
        extra = "classic" if name in STATISTICAL else "bench"
        raise MissingExtra(extra, f"The contestant {name!r}") from None


def contestants(names: Sequence[str], seasons: tuple[int, ...], kept: Path | None = None) -> list[Contestant]:
    """Raises `UsageError` for a name that is none."""
    for name in names:
        if name not in STATISTICAL + PRETRAINED:
            raise UsageError(f"There is no contestant {name!r}.", hint=f"One of {STATISTICAL + PRETRAINED}.")
    return [Contestant(name, seasons, kept) for name in names]


Asker = Callable[[FloatArray, int, Sequence[float], str], FloatArray]


def _asker(name: str, seasons: tuple[int, ...]) -> Asker:
    if name == "fracast":
        return functools.partial(_fracast, _weights())
    if name == "flair":
        return _flair
    return functools.partial(_statistical, name, seasons)


def _statistical(
    name: str, seasons: tuple[int, ...], y: FloatArray, h: int, quantiles: Sequence[float], freq: str
) -> FloatArray:
    from statsforecast import models

    y = y[-LATEST:]
    own = [season for season in seasons if season > 1 and 2 * season <= len(y)]
    first = own[0] if own else 1
    model: Any
    if name == "ets":
        model = models.AutoETS(season_length=first if first <= ETS_SEASON else 1)
    elif name == "theta":
        model = models.AutoTheta(season_length=first)
    elif name == "ces":
        model = models.AutoCES(season_length=first)
    elif own:
        model = models.MSTL(season_length=own)
    else:
        model = models.AutoETS(season_length=1)
    levels = sorted({round(abs(100.0 - 200.0 * p), 8) for p in quantiles if p != 0.5})
    out = model.forecast(y=y, h=h, level=levels)
    ends = {
        (key[:2], round(float(key[3:]), 6)): value for key, value in out.items() if key[:3] in ("lo-", "hi-")
    }
    columns = [
        out["mean"] if p == 0.5 else ends["lo" if p < 0.5 else "hi", round(abs(100.0 - 200.0 * p), 6)]
        for p in quantiles
    ]
    return np.stack(columns, axis=1)


@functools.cache
def _weights() -> Any:
    try:
        import torch
        from fracast import FracastModel
    except ImportError:
        raise MissingExtra("bench", "The contestant 'fracast'") from None
    torch.set_num_threads(1)
    return FracastModel.from_pretrained(weights="fp32")


def _fracast(model: Any, y: FloatArray, h: int, quantiles: Sequence[float], freq: str) -> FloatArray:
    """Its nine levels, in between and beyond them along the quantiles of a normal distribution."""
    out = np.asarray(model.forecast(y[-2048:].astype(np.float32), horizon=h), dtype=np.float64)
    out = out if out.shape[-1] == len(FRACAST_LEVELS) else out.T
    return at_levels(out[None], FRACAST_LEVELS, np.asarray(quantiles))[0]


def _flair(y: FloatArray, h: int, quantiles: Sequence[float], freq: str) -> FloatArray:
    try:
        import flaircast
    except ImportError:
        raise MissingExtra("bench", "The contestant 'flair'") from None
    names = {"1h": "H", "30min": "30T", "15min": "15T", "5min": "5T", "1d": "D", "1w": "W", "1mo": "M",
             "1q": "Q", "1y": "Y"}  # fmt: skip
    samples = flaircast.forecast(y, h, names.get(freq, "D"), n_samples=400, seed=0)
    return np.quantile(np.asarray(samples, dtype=np.float64), quantiles, axis=0).T


def _usual(seasons: Sequence[int], length: int) -> int:
    """The shortest season told that the history holds twice, or one step."""
    return min((season for season in seasons if 2 * season <= length), default=1)


def _known(y: FloatArray) -> FloatArray:
    """From the first value on, gaps filled with the value before."""
    seen = np.isfinite(y)
    y = y[int(seen.argmax()) :]
    seen = np.isfinite(y)
    filled: FloatArray = y[np.maximum.accumulate(np.where(seen, np.arange(len(y)), 0))]
    return filled
