"""Forecasts in closed form, many series at once: what a network, or an average, chooses among.

Levels, lines, damped lines, autoregressions and medians continue what seasons leave, and seasons are put back
in several ways; earlier cycles count as they are. Twins in logarithms continue growth, and seasons that scale
with the level. Where a history has no season or no logarithm its candidates repeat plainer ones.
"""

from __future__ import annotations

import numpy as np

from foreseal.predict.decomposition import Flags, Float32, Ints
from foreseal.predict.fits import LEVELS, LINES, SIMPLE, Fits, Lines, damping
from foreseal.predict.histories import LAGS, Histories

ANCHORED = (16, 64, 512)
LOG_LEVELS = (2, 8, 32)
LOG_LINES = (16, 64, 512)
LOG_DAMPED = (8, 32)
LOG_ANCHORED = (64, 512)

BASE = (
    "last",
    *(f"level {k}" for k in LEVELS),
    *(f"line {k}" for k in LINES),
    *(f"damped {k}" for k in LINES),
    "drift",
    *(f"last, slope {k}" for k in ANCHORED),
    "autoregression",
    "autoregression of changes",
    "median 8",
    "median 31",
)
WITHOUT = tuple(f"{name}, no season" for name in SIMPLE)
FIRST_ONLY = tuple(f"{name}, first season" for name in SIMPLE)
TABLES = tuple(
    f"level {k}, {table}"
    for table in ("quick first season", "slow first season", "low-rank second season", "quick and low-rank")
    for k in (2, 32)
)
LOGS = (
    "log last",
    *(f"log level {k}" for k in LOG_LEVELS),
    *(f"log line {k}" for k in LOG_LINES),
    *(f"log damped {k}" for k in LOG_DAMPED),
    "log drift",
    *(f"log last, slope {k}" for k in LOG_ANCHORED),
)
SCALED = ("level 4 times season", "damped 32 times season", "line 64 times season")
CANDIDATES = (*BASE, *WITHOUT, *FIRST_ONLY, *TABLES, *LAGS, *LOGS, *SCALED)

_AT = {name: k for k, name in enumerate(CANDIDATES)}
# What a twin in logarithms falls back to, and the line that a scaled season multiplies.
_PLAIN = tuple(_AT[name.removeprefix("log ")] for name in LOGS)
_TIMES = tuple(_AT[name.removesuffix(" times season")] for name in SCALED)
_SEASONAL = tuple(_AT[name] for name in (*TABLES[:4], *LAGS[:3], LAGS[6]))
_LONG = tuple(_AT[name] for name in (*TABLES[4:], *LAGS[3:6], LAGS[7]))
_THIRD = tuple(_AT[name] for name in LAGS[8:])


def candidates(rows: Histories, fits: Fits, steps: Ints) -> Float32:
    """All candidates but those in logarithms, (rows, len(CANDIDATES), steps); those are left unset."""
    h = steps.astype(np.float32)
    at = steps - 1
    lines = fits.lines
    count = len(rows.rest)
    out = np.empty((count, len(CANDIDATES), len(steps)), np.float32)
    first, second = rows.season[:, 0][:, at], rows.season[:, 1][:, at]
    season = first + second
    sums = damping(LINES, h)
    slopes = lines.slope[:, [LINES.index(j) for j in ANCHORED], None]
    filled = 0

    def put(block: Float32, width: int) -> None:
        nonlocal filled
        out[:, filled : filled + width] = block
        filled += width

    put(lines.last[:, None, None], 1)
    put(lines.levels[:, :, None], len(LEVELS))
    put(lines.value[:, :, None] + lines.slope[:, :, None] * h, len(LINES))
    put(lines.value[:, :, None] + lines.slope[:, :, None] * sums, len(LINES))
    put((lines.last[:, None] + fits.drift[:, None] * h)[:, None], 1)
    put(lines.last[:, None, None] + slopes * h, len(ANCHORED))
    put(fits.recursions[:, :, at], 2)
    put(fits.medians[:, :, None], 2)
    base = out[:, :filled]
    simple = [BASE.index(name) for name in SIMPLE]
    two = base[:, [BASE.index("level 2"), BASE.index("level 32")]]
    seasonal = rows.has[:, 0] | rows.has[:, 1]
    for other, added, whose in (
        (fits.raw, None, seasonal),
        (fits.first, first, rows.has[:, 0] & rows.has[:, 1]),
    ):
        block = base[:, simple] + season[:, None]
        if other is not None:
            chosen = other[whose][:, :, at]
            block[whose] = chosen if added is None else chosen + added[whose, None]
        put(block, len(SIMPLE))
    quick, slow, low_rank = (rows.tables[:, j][:, at] for j in range(3))
    for form in (quick + second, slow + second, first + low_rank, quick + low_rank):
        put(two + form[:, None], 2)
    put(rows.lags[:, :, at], len(LAGS))
    base += season[:, None]
    return out


def add_logs(out: Float32, logs: Float32 | None, which: Ints) -> None:
    """Set the candidates in logarithms: ``logs`` (rows of ``which``, len(LOGS) + len(SCALED), steps), and for
    all other rows the plain ones they are twins of."""
    first = _AT[LOGS[0]]
    out[:, first : first + len(LOGS)] = out[:, list(_PLAIN)]
    out[:, first + len(LOGS) :] = out[:, list(_TIMES)]
    if logs is not None and len(which):
        out[which, first:] = logs


def log_candidates(rows: Histories, lines: Lines, drift: Float32, steps: Ints) -> tuple[Float32, Float32]:
    """Candidates of rows in logarithms (rows, len(LOGS), steps), and their season (rows, steps)."""
    h = steps.astype(np.float32)
    at = steps - 1
    season = rows.season[:, :, at].sum(axis=1)

    picked = [LINES.index(j) for j in LOG_LINES]
    damped = [LINES.index(j) for j in LOG_DAMPED]
    anchored = [LINES.index(j) for j in LOG_ANCHORED]
    last = lines.last[:, None, None]
    levels = lines.levels[:, [LEVELS.index(j) for j in LOG_LEVELS], None]
    flat = np.zeros((1, 1, len(h)), np.float32)
    sums = damping(LOG_DAMPED, h)
    blocks = [
        last + flat,
        levels + flat,
        lines.value[:, picked, None] + lines.slope[:, picked, None] * h,
        lines.value[:, damped, None] + lines.slope[:, damped, None] * sums,
        last + drift[:, None, None] * h,
        last + lines.slope[:, anchored, None] * h,
    ]
    return np.concatenate(blocks, axis=1) + season[:, None], season


def plain(out: Float32, season: Float32) -> Float32:
    """The lines that scaled seasons multiply, without the season that was added to them."""
    return out[:, list(_TIMES)] - season[:, None]


def usable(has: Flags, log_ok: Flags) -> Flags:
    """Which candidates of a row are its own (rows, K), not copies for want of a season or of logarithms."""
    out = np.ones((len(has), len(CANDIDATES)), bool)
    some = has[:, 0] | has[:, 1]
    out[:, list(_SEASONAL)] = has[:, :1]
    out[:, [_AT[name] for name in WITHOUT]] = some[:, None]
    out[:, list(_LONG)] = has[:, 1:2]
    out[:, [_AT[name] for name in FIRST_ONLY]] = (has[:, 0] & has[:, 1])[:, None]
    out[:, list(_THIRD)] = has[:, 2:3]
    out[:, [_AT[name] for name in LOGS]] = log_ok[:, None]
    out[:, [_AT[name] for name in SCALED]] = (log_ok & some)[:, None]
    return out
