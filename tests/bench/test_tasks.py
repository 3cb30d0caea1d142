"""Scores of a panel's windows against their definitions, and panels that stand on their own calendar."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from bench import panels, tasks
from bench.panels import START, Panel
from bench.tasks import NAIVE, NINE, PointNaive, Spoiled, scores, steps_a_week
from foreseal.clock import Frequency
from foreseal.frame import Panel as Seen
from foreseal.frame import read
from foreseal.predict.naive import SeasonalNaive
from foreseal.records import quantile_column

H, SEASON = 6, 4


def made(windows: int = 2) -> Panel:
    rng = np.random.default_rng(0)
    names, rows = ["a", "b"], [rng.normal(10, 2, n) for n in (60, 47)]
    return Panel("made", panels._frame(names, rows, "1h"), H, "1h", (SEASON,), windows)


def series(panel: Panel) -> dict[str, np.ndarray]:
    frame = panel.frame.sort("ds")
    return {str(name): own["y"].to_numpy() for (name,), own in frame.group_by("unique_id")}


def seen(panel: Panel) -> Seen:
    frame, _ = read(panel.frame)
    return Seen(frame.select("unique_id", "ds", "y"), Frequency.parse(panel.freq))


def test_the_point_naive_repeats_the_last_cycle() -> None:
    panel = made()
    said = PointNaive(SEASON).fit(seen(panel)).predict(H, (0.1, 0.9)).frame.sort("unique_id", "ds")
    expected = np.concatenate([np.resize(series(panel)[name][-SEASON:], H) for name in "ab"])
    for level in (0.1, 0.9):
        np.testing.assert_array_equal(said[quantile_column(level)].to_numpy(), expected)


def test_the_point_naive_looks_further_back_where_the_last_cycle_is_missing() -> None:
    y = np.arange(10.0)
    y[-2] = np.nan
    np.testing.assert_array_equal(PointNaive(4)._one(y, 5), [6, 7, 4, 9, 6])


@pytest.mark.parametrize("windows", [1, 3])
def test_mase_wql_and_shares_are_their_definitions(windows: int) -> None:
    panel = made(windows)
    found = scores(panel, [SeasonalNaive(SEASON)])
    assert set(found) == {NAIVE, "SeasonalNaive(season=4)"}
    errors, loss, size, under, total = [], 0.0, 0.0, np.zeros(3), 0
    for y in series(panel).values():
        for back in range(windows):
            end = len(y) - H * (1 + back)
            history, outcome = y[:end], y[end : end + H]
            forecast = np.resize(history[-SEASON:], H)
            unit = np.mean(np.abs(history[SEASON:] - history[:-SEASON]))
            errors.append(np.mean(np.abs(outcome - forecast)) / unit)
            for level in NINE:
                above = outcome - forecast
                loss += np.sum(2 * np.maximum(level * above, (level - 1) * above))
            size += 9 * np.abs(outcome).sum()
            under += (outcome < forecast).sum()
            total += H
    assert found[NAIVE].mase == pytest.approx(np.mean(errors))
    assert found[NAIVE].wql == pytest.approx(loss / size)
    assert found[NAIVE].under == pytest.approx(tuple(under / total))
    assert found[NAIVE].outcomes == total


def test_an_outcome_that_equals_a_quantile_is_half_below_it() -> None:
    rows = pl.DataFrame({"window": [0, 0, 0], "unique_id": ["a"] * 3, "y": [1.0, 2.0, 3.0]})
    rows = rows.with_columns(pl.lit(2.0).alias(quantile_column(level)) for level in NINE)
    units = pl.DataFrame({"window": [0], "unique_id": ["a"], "unit": [1.0]})
    assert tasks._score(rows, units).under == (0.5, 0.5, 0.5)


def test_seven_levels_of_a_normal_distribution_are_read_at_nine_exactly() -> None:
    normal = NormalDist(3.0, 2.0)
    rows = pl.DataFrame({"window": [0], "unique_id": ["a"], "y": [1.0]})
    rows = rows.with_columns(pl.lit(normal.inv_cdf(p)).alias(quantile_column(p)) for p in tasks.LEVELS)
    at_nine = tasks._at_nine(rows)
    for level in NINE:
        assert at_nine[quantile_column(level)].item() == pytest.approx(normal.inv_cdf(level))


def test_holes_are_a_fifth_at_random_or_one_week_near_the_end() -> None:
    chance, length = np.random.default_rng(0), 2000
    panel = seen(made())
    gone = Spoiled("drift", "random")._gone(length, panel, chance)
    assert 0.15 < gone.mean() < 0.25
    week = steps_a_week("1h")
    for _ in range(20):
        at = np.flatnonzero(Spoiled("drift", "week")._gone(length, panel, chance))
        assert len(at) == week == at[-1] - at[0] + 1
        assert length - 3 * week <= at[0]
        assert at[-1] < length - 1


@pytest.mark.parametrize(("name", "step"), [("i94", "1h"), ("roads", "15m")])
def test_panels_with_times_have_a_row_for_every_step(shared: Path, name: str, step: str) -> None:
    panel = panels.DEVELOPMENT[name]()
    assert panel.frame["y"].null_count() > 0
    for own in panel.frame.partition_by("unique_id"):
        whole = pl.datetime_range(own["ds"].min(), own["ds"].max(), step, eager=True)
        assert own["ds"].to_list() == whole.to_list()


def test_a_file_without_times_gets_a_calendar_on_which_all_series_end_together() -> None:
    frame = made().frame
    assert frame["ds"].min() == START
    assert frame.group_by("unique_id").agg(pl.col("ds").max())["ds"].n_unique() == 1


def test_the_development_panel_opens_no_official_test_part(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    csv = pl.read_csv

    def noted(path: Path, **options: object) -> object:
        opened.append(Path(path).name)
        return csv(path, **options)

    monkeypatch.setattr(pl, "read_csv", noted)
    found = {panel.name: panel for panel in panels.development()}
    assert list(found) == list(panels.DEVELOPMENT)
    assert "Hourly-train.csv" in opened
    assert not [name for name in opened if "test" in name.lower()]
    train = csv(shared / "forecasting/m4/Hourly-train.csv", infer_schema_length=None)
    rows = train[:, 1:].cast(pl.Float64, strict=False).to_numpy()
    ends = {row[np.isfinite(row)][-H:].tobytes() for row in rows}
    last = found["m4_hourly"].frame.group_by("unique_id", maintain_order=True).agg(pl.col("y").tail(H))
    assert {np.array(y).tobytes() for y in last["y"].to_list()} == ends
