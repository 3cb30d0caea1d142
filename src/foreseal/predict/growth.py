"""An outbreak as numbers for a regression: how fast it grows, how high it stands, and the time of year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foreseal.predict.grid import FloatArray

# What is added to counts before their logarithm is taken, so that small ones do not leap.
FLOOR = 3.0
# Weeks that a row sees.
WINDOW = 53
# The count at which a region's own growth tells as much as the nation's.
RELIABLE = 30.0
WEEKS = 52.18
# Christmas, New Year and the week after, in weeks of the year.
FEASTS = ((51.2, WEEKS), (0.0, 1.0), (1.0, 2.0))


@dataclass(frozen=True)
class View:
    """Features (…, p) of some origins, and ``traits`` (…, 6) on which the spread of what follows depends."""

    x: FloatArray
    traits: FloatArray


def logs(counts: FloatArray) -> FloatArray:
    return np.log(np.maximum(counts, 0.0) + FLOOR)


def view(own: FloatArray, nation: FloatArray, week: FloatArray, h: int) -> View:
    """What can be seen of logarithms ``own`` and of the ``nation``, both (origins, series, WINDOW), at the
    ``week`` of the year (origins,), about the step ``h`` weeks ahead."""

    def change(z: FloatArray, back: int) -> FloatArray:
        step: FloatArray = z[..., -1 - back] - z[..., -2 - back]
        return step

    def above(z: FloatArray, weeks: int) -> FloatArray:
        usual: FloatArray = z[..., -1] - np.log(np.exp(z[..., -weeks:]).mean(axis=-1))
        return usual

    g = [change(own, back) for back in range(4)]
    n = [change(nation, back) for back in range(3)]
    older = g[2] + g[3]
    last = own[..., -1]
    count = np.maximum(np.exp(last) - FLOOR, 0.0)
    trust = count / (count + RELIABLE)
    below = last - own.max(axis=-1)
    noise = (last - own[..., -4:].mean(axis=-1)) * (1.0 - trust)
    columns = [g[0], g[1], older, g[0] * trust, g[1] * trust, older * trust, *n, n[0] * (1.0 - trust), noise]
    columns += [below, below**2 / 4.0, below * n[0], np.maximum(below, -1.0)]
    columns += [above(own, 8), above(own, 16), above(nation, 16), nation[..., -1] - nation.max(axis=-1)]
    columns += [n[0] * np.abs(n[0]), n[0] - n[1]]
    columns += [np.broadcast_to(each[:, None], last.shape) for each in _calendar(week, h)]
    level = np.log(count + FLOOR)
    traits = [np.ones_like(level), level, np.exp(-level / 2.0), np.minimum(np.abs(n[0]), 0.6)]
    traits += [np.minimum(np.abs(g[0]), 0.8), np.maximum(below, -3.0)]
    return View(np.stack(columns, axis=-1), np.stack(traits, axis=-1))


def windows(z: FloatArray, origins: FloatArray) -> FloatArray:
    """The last WINDOW values of ``z`` (series, T) up to each origin, (origins, series, WINDOW); before its
    beginning the first value holds."""
    at = np.maximum(origins[:, None] - WINDOW + 1 + np.arange(WINDOW), 0).astype(np.int64)
    picked: FloatArray = z[:, at].transpose(1, 0, 2)
    return picked


def _calendar(week: FloatArray, h: int) -> list[FloatArray]:
    """Two waves of the year, and which feasts the step ahead lies in or leaves."""
    angle = 2.0 * np.pi * week / WEEKS
    now, then = week % WEEKS, (week + h) % WEEKS
    feasts = [
        ((then >= low) & (then < high)).astype(float) - ((now >= low) & (now < high)) for low, high in FEASTS
    ]
    return [np.sin(angle), np.cos(angle), np.sin(2.0 * angle), np.cos(2.0 * angle), *feasts]
