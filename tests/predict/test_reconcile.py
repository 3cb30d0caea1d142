"""Sums that add up: every draw, every mean; and no worse than before at the top."""

from __future__ import annotations

from datetime import timedelta
from statistics import NormalDist

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foreseal
from foreseal.errors import DataError, ModelError
from foreseal.predict.reconcile import Reconciled
from foreseal.predict.structure import Structure
from foreseal.rules import coverage, wis
from tests.predict.panels import START, long_frame

CITY = {"city": ["north", "south"], "north": ["a", "b"], "south": ["c", "d", "e"]}
LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def said(middle: np.ndarray, spread: np.ndarray, ids: tuple[str, ...], start: int = 0) -> pl.DataFrame:
    """Normal forecasts; ``middle`` and ``spread`` are (series, steps)."""
    steps = middle.shape[1]
    values = middle[:, :, None] + spread[:, :, None] * NORMAL
    ds = [START + timedelta(hours=start + k) for k in range(steps)]
    return pl.concat(
        pl.DataFrame(
            {"unique_id": [name] * steps, "ds": ds, "cutoff": [START] * steps}
            | {f"q{level:g}": values[row, :, k] for k, level in enumerate(LEVELS)}
        )
        for row, name in enumerate(ids)
    )


def world(steps: int, seed: int, correlation: float = 0.5) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    """Forecasts of the city whose errors are known: those of a sum are the sum of its leaves' errors and an
    error of its own. Returns past forecasts with outcomes, forecasts, and what comes (series, steps)."""
    rng = np.random.default_rng(seed)
    structure = Structure.of(CITY)
    size = np.array([1.0, 2.0, 1.0, 3.0, 2.0])[:, None]
    common = rng.normal(size=(1, 2 * steps))
    shock = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=(5, 2 * steps))
    middle = 20 + rng.normal(size=(5, 2 * steps))
    y = structure.matrix @ (middle + size * shock)
    # What each forecaster misses beside the shock, and the honest spread of all of it.
    blur = np.array([3.0, 1.5, 2.0, 0.7, 1.0, 0.7, 1.5, 1.0])[:, None]
    centre = structure.matrix @ middle + blur * rng.normal(size=(8, 2 * steps))
    covariance = correlation * size @ size.T
    np.fill_diagonal(covariance, size[:, 0] ** 2)
    spread = np.sqrt(np.diag(structure.matrix @ covariance @ structure.matrix.T)[:, None] + blur**2)
    spread = np.repeat(spread, 2 * steps, axis=1)
    past = said(centre[:, :steps], spread[:, :steps], structure.ids)
    outcome = pl.Series("y", y[:, :steps].ravel())
    later = said(centre[:, steps:], spread[:, steps:], structure.ids, start=steps)
    return past.with_columns(outcome, cutoff="ds"), later, y[:, steps:]


def add_up(made: Reconciled, summing: dict[str, list[str]] = CITY) -> None:
    """Every draw and every mean of a sum is that of its parts."""
    row = {name: k for k, name in enumerate(made.ids)}
    mean = dict(made.frame.group_by("unique_id", maintain_order=True).agg("mean").iter_rows())
    scale = np.abs(made.samples).max() + 1.0
    for parent, parts in summing.items():
        together = made.samples[[row[part] for part in parts]].sum(axis=0)
        np.testing.assert_allclose(made.samples[row[parent]], together, rtol=0, atol=1e-9 * scale)
        together = np.sum([mean[part] for part in parts], axis=0)
        np.testing.assert_allclose(mean[parent], together, rtol=0, atol=1e-9 * scale)


@pytest.mark.parametrize("method", ["mint", "wls", "ols", "bottom_up", "top_down"])
def test_draws_and_means_add_up_by_every_method(method: str) -> None:
    past, later, _ = world(40, 0)
    made = foreseal.reconcile(later, CITY, method=method, past=past)
    add_up(made)
    assert made.ran["reconciled"] == method
    assert made.ran["dependence"] == "past (40 rows)"


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_draws_and_means_of_any_hierarchy_add_up(data: st.DataObject) -> None:
    leaves = [f"x{k}" for k in range(data.draw(st.integers(1, 6)))]
    groups = [data.draw(st.integers(0, 2)) for _ in leaves]
    summing = {f"g{g}": [n for n, own in zip(leaves, groups, strict=True) if own == g] for g in set(groups)}
    summing["all"] = [f"g{g}" for g in set(groups)]
    ids = Structure.of(summing).ids
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    scale = 10.0 ** data.draw(st.integers(-4, 6))
    forecast = said(scale * rng.normal(size=(len(ids), 2)), scale * rng.gamma(1.0, size=(len(ids), 2)), ids)
    method = data.draw(st.sampled_from(["wls", "ols", "bottom_up"]))
    dependence = data.draw(st.sampled_from(["implied", "independent", "comonotone"]))
    add_up(foreseal.reconcile(forecast, summing, method=method, dependence=dependence, draws=100), summing)


def test_means_are_the_projection_of_the_forecast_means() -> None:
    _, later, _ = world(6, 1)
    later = later.with_columns(pl.col("^q.*$") - 100.0)  # below zero, where nothing is bounded
    made = foreseal.reconcile(later, CITY, method="ols")
    structure = Structure.of(CITY)
    centre = np.array([later.filter(pl.col("unique_id") == n)["q0.5"] for n in structure.ids])
    S = structure.matrix
    expected = S @ np.linalg.lstsq(S, centre, rcond=None)[0]
    means = made.samples.mean(axis=2)[[made.ids.index(name) for name in structure.ids]]
    np.testing.assert_allclose(means, expected, atol=1e-6)


def test_bottom_up_keeps_the_quantiles_of_the_leaves_and_adds_sums_that_were_not_forecast() -> None:
    _, later, _ = world(3, 2)
    leaves = later.filter(pl.col("unique_id").is_in(list("abcde")))
    made = foreseal.reconcile(leaves, CITY, method="bottom_up", dependence="independent")
    assert made.ids == ("a", "b", "c", "city", "d", "e", "north", "south")
    both = made.forecast.frame.join(leaves, on=["unique_id", "ds"])
    for level in LEVELS:
        np.testing.assert_allclose(both[f"q{level:g}"], both[f"q{level:g}_right"], atol=2e-3)
    add_up(made)


def test_the_sum_of_independent_normals_and_of_comonotone_ones_has_the_quantiles_it_has() -> None:
    forecast = said(np.zeros((2, 1)) - 50, np.array([[3.0], [4.0]]), ("a", "b"))
    for dependence, spread in (("independent", 5.0), ("comonotone", 7.0)):
        made = foreseal.reconcile(forecast, {"t": ["a", "b"]}, dependence=dependence, draws=4000)
        top = made.forecast.frame.filter(pl.col("unique_id") == "t").select("^q.*$").to_numpy()[0]
        np.testing.assert_allclose(top, -100 + spread * NORMAL, atol=0.35)


def test_sums_are_drawn_as_wide_as_they_were_forecast_where_nothing_else_is_known() -> None:
    for correlation in (0.0, 0.4, 0.9):
        top = np.sqrt(25 + 24 * correlation)
        forecast = said(
            np.array([[-100.0], [-50.0], [-50.0]]), np.array([[top], [3.0], [4.0]]), ("t", "a", "b")
        )
        made = foreseal.reconcile(forecast, {"t": ["a", "b"]}, method="bottom_up", draws=4000)
        assert float(made.ran["dependence"][9:-1]) == pytest.approx(correlation, abs=0.02)
        assert made.samples[made.ids.index("t")].std() == pytest.approx(top, rel=0.05)


def test_top_down_gives_the_top_as_it_was_and_shares_of_it() -> None:
    past, later, _ = world(12, 3)
    made = foreseal.reconcile(later, CITY, method="top_down", past=past)
    row = {name: k for k, name in enumerate(made.ids)}
    top = later.filter(pl.col("unique_id") == "city").select("^q.*$").to_numpy()
    found = made.forecast.frame.filter(pl.col("unique_id") == "city").select("^q.*$").to_numpy()
    np.testing.assert_allclose(found, top, atol=0.01)
    share = made.samples[row["a"]] / made.samples[row["city"]]
    np.testing.assert_allclose(share, np.broadcast_to(share[:, :1], share.shape), rtol=1e-9)


def test_reconciled_forecasts_are_not_worse_at_the_top_and_better_overall() -> None:
    past, later, y = world(400, 4)
    structure = Structure.of(CITY)

    def scores(frame: pl.DataFrame) -> np.ndarray:
        q = [frame.filter(pl.col("unique_id") == n).select("^q.*$").to_numpy() for n in structure.ids]
        return np.array([wis(y[k], q[k], LEVELS).mean() for k in range(8)])

    base = scores(later)
    for method, errors in (("mint", past), ("wls", past), ("wls", None)):
        made = foreseal.reconcile(later, CITY, method=method, past=errors, draws=400)
        ratio = scores(made.forecast.frame) / base
        assert ratio[0] < 0.98
        assert np.exp(np.log(ratio).mean()) < 0.97
        q = made.forecast.frame.filter(pl.col("unique_id") == "city")
        assert 0.7 < coverage(y[0], q["q0.1"].to_numpy(), q["q0.9"].to_numpy()) < 0.88


def test_what_is_never_negative_stays_so_and_still_adds_up() -> None:
    rng = np.random.default_rng(5)
    ids = Structure.of(CITY).ids
    values = np.sort(rng.gamma(0.5, size=(8, 4, len(LEVELS))), axis=2)
    values[0] *= 0.1  # a top far below its parts pulls them down
    frame = said(np.zeros((8, 4)), np.zeros((8, 4)), ids).with_columns(
        pl.Series(f"q{level:g}", values[:, :, k].ravel()) for k, level in enumerate(LEVELS)
    )
    made = foreseal.reconcile(frame, CITY, method="ols")
    assert made.samples.min() == 0.0
    add_up(made)


def test_the_same_seed_gives_the_same_draws_and_another_one_others() -> None:
    past, later, _ = world(20, 6)
    shuffled = later.sample(fraction=1.0, shuffle=True, seed=3)
    first, again, other = (
        foreseal.reconcile(frame, CITY, past=past, seed=seed)
        for frame, seed in ((later, 1), (shuffled, 1), (later, 2))
    )
    assert (first.samples == again.samples).all()
    assert not (first.samples == other.samples).all()


@pytest.mark.filterwarnings("ignore::foreseal.errors.ForesealWarning")
def test_a_forecast_and_its_cross_validation_go_in_as_they_are() -> None:
    rng = np.random.default_rng(7)
    t = np.arange(24 * 14)
    leaves = [
        50 + 10 * np.sin(t / 24 * 2 * np.pi + k) + rng.normal(size=len(t)).cumsum() / 5 for k in range(2)
    ]
    frame = pl.concat(long_frame(n, y) for n, y in zip("abt", [*leaves, sum(leaves)], strict=True))
    given = pd.DataFrame({name: frame[name].to_list() for name in frame.columns}).rename(
        columns={"unique_id": "id"}
    )
    given["ds"] = given["ds"].dt.tz_localize(None)
    result = foreseal.forecast(given, 6, models=["closed_form"], id_col="id", level=[80])
    past = foreseal.cross_validation(
        given, 6, 3, presets=(), models=["closed_form"], id_col="id", level=[80], freq="1h"
    )
    made = foreseal.reconcile(result, {"t": ["a", "b"]}, past=past)
    assert isinstance(made.frame, pd.DataFrame)
    assert list(made.frame.columns) == ["id", "ds", "cutoff", "mean", "q0.1", "q0.5", "q0.9"]
    total = made.frame.pivot(index="ds", columns="id", values="mean")
    np.testing.assert_allclose(total["t"], total["a"] + total["b"], rtol=1e-12)
    assert made.ran["members"] == "closed_form"
    assert made.history.equals(result.history)
    again = foreseal.reconcile(result.frame, {"t": ["a", "b"]}, past=past.frame, id_col="id")
    np.testing.assert_allclose(again.samples, made.samples)
    with pytest.raises(ModelError, match="forecaster='theta' is none of those of the past"):
        foreseal.reconcile(result, {"t": ["a", "b"]}, past=past, forecaster="theta")


def test_series_that_do_not_fit_the_structure_are_named() -> None:
    past, later, _ = world(20, 8)
    without = later.filter(pl.col("unique_id") != "d")
    with pytest.raises(DataError, match=r"no forecast of 'd', which the structure names as a part"):
        foreseal.reconcile(without, CITY)
    with pytest.raises(DataError, match=r"does not name 'a', 'b', 'north'"):
        foreseal.reconcile(later, {"city": ["c", "d", "e"], "south": ["c", "d", "e"]})
    with pytest.raises(DataError, match=r"goes in a circle"):
        foreseal.reconcile(later, {"city": ["north"], "north": ["city"]})
    moved = later.with_columns(
        ds=pl.when(pl.col("unique_id") == "e").then(pl.col("ds") + timedelta(hours=1)).otherwise("ds")
    )
    with pytest.raises(DataError, match=r"'e' was forecast for other instants than 'city'"):
        foreseal.reconcile(moved, CITY)
    gone = later.with_columns(pl.when(pl.col("unique_id") == "b").then(None).otherwise("q0.5").alias("q0.5"))
    with pytest.raises(DataError, match=r"forecast of 'b' has missing quantiles"):
        foreseal.reconcile(gone, CITY)
    with pytest.raises(DataError, match=r"past holds no forecast of 'c'"):
        foreseal.reconcile(later, CITY, past=past.filter(pl.col("unique_id") != "c"))
    with pytest.raises(DataError, match=r"The past has 5 rows with every series; 10 are needed"):
        foreseal.reconcile(later, CITY, past=past.filter(pl.col("ds") < START + timedelta(hours=5)))
    with pytest.raises(DataError, match=r"no forecast of the sum 'city'"):
        foreseal.reconcile(later.filter(pl.col("unique_id") != "city"), CITY, method="top_down")
    with pytest.raises(DataError, match=r"no quantile columns"):
        foreseal.reconcile(later.select("unique_id", "ds"), CITY)
    with pytest.raises(DataError, match=r"no column 'road'"):
        foreseal.reconcile(later, CITY, id_col="road")


def test_arguments_that_do_not_exist_or_lack_something_are_refused() -> None:
    _, later, _ = world(3, 9)
    for argument, message in (
        ({"method": "magic"}, r"no method 'magic'"),
        ({"dependence": "some"}, r"no dependence 'some'"),
        ({"method": "mint"}, r"method='mint' needs past errors"),
        ({"dependence": "past"}, r"dependence='past' needs past errors"),
        ({"draws": 10}, r"draws=10 is too few"),
    ):
        with pytest.raises(ModelError, match=message):
            foreseal.reconcile(later, CITY, **argument)  # type: ignore[arg-type]
    leaves = later.filter(pl.col("unique_id").is_in(list("abcde")))
    with pytest.raises(ModelError, match=r"No sum has been forecast"):
        foreseal.reconcile(leaves, CITY)
