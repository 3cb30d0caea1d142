"""Candidates against slow, obvious implementations of the same forecasts."""

from __future__ import annotations

import numpy as np
import pytest

from foreseal.predict.candidates import ANCHORED, BASE, CANDIDATES
from foreseal.predict.fits import LEVELS, LINES, ORDER
from foreseal.predict.stage import Stage, stage

STEPS = np.array([1, 2, 5, 13, 30])


def forecasts(
    y: np.ndarray, periods: tuple[int, ...] = (), steps: np.ndarray = STEPS
) -> dict[str, np.ndarray]:
    """Each candidate's forecast of one series, in its own units."""
    told = np.zeros((1, 3), np.int64)
    told[0, : len(periods)] = periods
    known = stage(y[None], steps, told)
    values = known.centre[0] + known.scale[0] * known.candidates[0].astype(float)
    return dict(zip(CANDIDATES, values.T, strict=True))


def walk(n: int, seed: int = 0, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = 50 + np.cumsum(rng.normal(size=n)) + rng.normal(size=n)
    y[rng.random(n) < missing] = np.nan
    return y


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("n", [7, 40, 200])
def test_levels_are_discounted_means_of_what_was_observed(n, missing):
    y = walk(n, n, missing)
    y[0] = 50.0
    found = forecasts(y)
    age = np.arange(n - 1, -1, -1.0)
    seen = np.isfinite(y)
    for half_life in LEVELS:
        weight = 0.5 ** (age / half_life) * seen
        mean = (weight * np.nan_to_num(y)).sum() / weight.sum()
        np.testing.assert_allclose(found[f"level {half_life}"], mean, rtol=1e-5)
    np.testing.assert_allclose(found["last"], y[seen][-1], rtol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("n", [12, 60, 300])
def test_lines_are_discounted_least_squares(n, missing):
    y = walk(n, n + 1, missing)
    found = forecasts(y)
    t = np.arange(n) - n + 1.0
    seen = np.isfinite(y)
    last = y[seen][-1]
    for half_life in LINES:
        weight = 0.5 ** (-t[seen] / half_life)
        slope, value = np.polyfit(t[seen], y[seen], 1, w=np.sqrt(weight))
        np.testing.assert_allclose(found[f"line {half_life}"], value + slope * STEPS, rtol=2e-4)
        phi = 0.5 ** (1 / half_life)
        sums = np.array([sum(phi**k for k in range(1, h + 1)) for h in STEPS])
        np.testing.assert_allclose(found[f"damped {half_life}"], value + slope * sums, rtol=2e-4)
        if half_life in ANCHORED:
            np.testing.assert_allclose(found[f"last, slope {half_life}"], last + slope * STEPS, rtol=2e-4)
    first = np.flatnonzero(seen)[0]
    drift = (last - y[first]) / (np.flatnonzero(seen)[-1] - first)
    np.testing.assert_allclose(found["drift"], last + drift * STEPS, rtol=1e-4)


def test_the_autoregression_solves_the_equations_of_yule_and_walker():
    rng = np.random.default_rng(3)
    y = np.zeros(400)
    for k in range(2, 400):
        y[k] = 1.2 * y[k - 1] - 0.5 * y[k - 2] + rng.normal()
    y += 20
    t = np.arange(400) - 399.0
    weight = 0.5 ** (-t / LEVELS[-1])
    mean = (weight * y).sum() / weight.sum()
    for name, x, start in (
        ("autoregression", y - mean, None),
        ("autoregression of changes", np.diff(y, prepend=y[0]), y[-1]),
    ):
        r = np.array([(x[k:] * x[: len(x) - k]).sum() for k in range(ORDER + 1)])
        r[0] *= 1 + 1 / len(x)
        matrix = np.array([[r[abs(i - j)] for j in range(ORDER)] for i in range(ORDER)])
        weights = np.linalg.solve(matrix, r[1:])
        path = list(x[-ORDER:])
        for _ in range(STEPS[-1]):
            path.append(float(np.dot(weights, path[: -ORDER - 1 : -1])))
        ahead = np.array(path[ORDER:])
        expected = mean + ahead if start is None else start + np.cumsum(ahead)
        np.testing.assert_allclose(forecasts(y)[name], expected[STEPS - 1], rtol=1e-4)


def test_medians_are_those_of_the_last_values():
    for n in (5, 20, 90):
        y = walk(n, n)
        found = forecasts(y)
        np.testing.assert_allclose(found["median 8"], np.median(y[-8:]), rtol=1e-5)
        np.testing.assert_allclose(found["median 31"], np.median(y[-31:]), rtol=1e-5)


def test_lags_repeat_earlier_cycles():
    rng = np.random.default_rng(5)
    y = rng.normal(size=300)
    found = forecasts(y, (7, 28))
    place = 300 + STEPS - 1
    back = [y[place - 7 * (k + (STEPS - 1) // 7)] for k in (1, 2, 3)]
    np.testing.assert_allclose(found["one cycle back"], back[0], atol=1e-5)
    np.testing.assert_allclose(found["two cycles back"], back[1], atol=1e-5)
    np.testing.assert_allclose(found["mean of three cycles"], np.mean(back, axis=0), atol=1e-5)
    long = [y[place - 28 * (k + (STEPS - 1) // 28)] for k in (1, 2, 3)]
    np.testing.assert_allclose(found["one long cycle back"], long[0], atol=1e-5)
    np.testing.assert_allclose(found["mean of three long cycles"], np.mean(long, axis=0), atol=1e-5)
    shift = y[-7:].mean() - y[-35:-28].mean()
    np.testing.assert_allclose(found["one long cycle back, level now"], long[0] + shift, atol=1e-5)


def test_a_third_season_is_read_from_beyond_the_context():
    rng = np.random.default_rng(6)
    y = rng.normal(size=3000)
    found = forecasts(y, (24, 168, 2500))
    np.testing.assert_allclose(found["one third cycle back"], y[3000 + STEPS - 1 - 2500], atol=1e-4)


def test_a_line_with_a_season_is_continued_exactly():
    rng = np.random.default_rng(7)
    for n, periods in ((48, (12,)), (1000, (24,)), (900, (24, 168))):
        t = np.arange(n + 30)
        y = 5 + 0.2 * t
        for period in periods:
            y = y + 3 * np.sin(2 * np.pi * t / period + rng.uniform(0, 6))
        found = forecasts(y[:n], periods)
        for name in ("line 32", "line 512", "drift", "last, slope 64"):
            np.testing.assert_allclose(found[name], y[n + STEPS - 1], atol=0.02)


def test_growth_with_a_season_that_scales_is_continued_exactly_in_logarithms():
    t = np.arange(90)
    y = 100 * 1.03**t * (1.5 + np.sin(2 * np.pi * t / 12))
    found = forecasts(y[:60], (12,))
    for name in ("log line 16", "log line 512", "log drift", "log last, slope 64"):
        np.testing.assert_allclose(found[name], y[60 + STEPS - 1], rtol=2e-3)
    assert np.abs(found["line 512"] / y[60 + STEPS - 1] - 1).max() > 0.2


def test_without_season_or_logarithm_candidates_repeat_plainer_ones_and_say_so():
    y = walk(80) - 60
    known = stage(y[None], STEPS, np.zeros((1, 3), np.int64))
    valid = dict(zip(CANDIDATES, known.valid[0], strict=True))
    assert not known.log_ok[0]
    assert {name for name, own in valid.items() if own} == set(BASE)
    found = forecasts(y)
    np.testing.assert_allclose(found["log level 8"], found["level 8"])
    np.testing.assert_allclose(found["damped 32 times season"], found["damped 32"])
    np.testing.assert_allclose(found["level 8, no season"], found["level 8"])


def test_every_candidate_has_one_name():
    assert len(set(CANDIDATES)) == len(CANDIDATES)
    assert isinstance(stage(walk(30)[None], STEPS), Stage)
