"""Contestants: kept forecasts belong to one edition of library and code, refusals are told again."""

from __future__ import annotations

import warnings
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from bench import contestants, panels
from bench.contestants import Contestant, _known, edition
from foreseal.clock import Frequency
from foreseal.errors import MissingExtra, ModelWarning, UsageError
from foreseal.frame import Panel, read
from tests.conftest import require

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture
def panel() -> Panel:
    rng = np.random.default_rng(0)
    frame, _ = read(panels._frame("ab", [rng.normal(size=30), rng.normal(size=20)], "1h"))
    return Panel(frame.select("unique_id", "ds", "y"), Frequency.parse("1h"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands for a library: refuses series shorter than 25, says the last value otherwise."""
    seen: list[int] = []

    def ask(y: np.ndarray, h: int, quantiles: tuple[float, ...], freq: str) -> np.ndarray:
        seen.append(len(y))
        if len(y) < 25:
            raise ValueError("too short")
        return y[-1] + np.arange(len(quantiles)) + np.zeros((h, 1))

    monkeypatch.setattr(contestants, "_asker", lambda name, seasons: ask)
    monkeypatch.setattr(contestants.importlib.metadata, "version", lambda name: "1.0")
    return seen


def test_kept_forecasts_are_found_again_with_their_refusals(
    panel: Panel, asked: list[int], tmp_path: Path
) -> None:
    with pytest.warns(ModelWarning, match="ets refused 1 of 2 series"):
        first = Contestant("ets", (4,), tmp_path).fit(panel).predict(3, LEVELS)
    assert len(asked) == 2
    with pytest.warns(ModelWarning, match="ets refused 1 of 2 series"):
        again = Contestant("ets", (4,), tmp_path).fit(panel).predict(3, LEVELS)
    assert len(asked) == 2
    assert first.frame.equals(again.frame)
    assert first.ran == {"refused": "1"}
    assert again.ran["refused"] == "1"
    assert Path(again.ran["kept"]).parent == tmp_path


@pytest.mark.parametrize("what", ["library", "code", "seasons", "levels", "horizon", "values"])
def test_another_question_is_asked_anew(
    panel: Panel, asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def ask(h: int = 3, seasons: tuple[int, ...] = (4,), levels: tuple[float, ...] = LEVELS) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ModelWarning)
            Contestant("ets", seasons, tmp_path).fit(panel).predict(h, levels)

    ask()
    if what == "library":
        monkeypatch.setattr(contestants.importlib.metadata, "version", lambda name: "1.1")
    if what == "code":
        monkeypatch.setattr(contestants, "ASKED", contestants.ASKED + 1)
    if what == "values":
        panel = Panel(panel.frame.head(49), panel.freq)
    ask(
        h=4 if what == "horizon" else 3,
        seasons=(5,) if what == "seasons" else (4,),
        levels=(0.2, 0.5, 0.8) if what == "levels" else LEVELS,
    )
    assert len(asked) == 4


def test_an_edition_names_the_library_and_its_version() -> None:
    import importlib.metadata

    require("statsforecast")
    version = importlib.metadata.version("statsforecast")
    assert f"statsforecast {version}" in edition("theta")


def test_a_library_that_is_not_there_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise contestants.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(contestants.importlib.metadata, "version", absent)
    with pytest.raises(MissingExtra, match="classic"):
        edition("ets")
    with pytest.raises(MissingExtra, match="bench"):
        edition("fracast")


def test_levels_between_fracasts_own_lie_on_the_normal_scale() -> None:
    normal = NormalDist(2.0, 3.0)

    class Model:
        def forecast(self, y: np.ndarray, horizon: int) -> np.ndarray:
            return np.tile([normal.inv_cdf(p) for p in contestants.FRACAST_LEVELS], (horizon, 1))

    said = contestants._fracast(Model(), np.zeros(9), 4, (0.025, 0.25, 0.5, 0.9), "1h")
    np.testing.assert_allclose(said, np.tile([normal.inv_cdf(p) for p in (0.025, 0.25, 0.5, 0.9)], (4, 1)))


def test_gaps_are_filled_with_the_value_before_and_the_start_is_cut() -> None:
    y = np.array([np.nan, 1.0, np.nan, np.nan, 2.0, np.nan])
    np.testing.assert_array_equal(_known(y), [1, 1, 1, 2, 2])


def test_an_unknown_contestant_is_refused() -> None:
    with pytest.raises(UsageError, match="no contestant 'prophet'"):
        contestants.contestants(["prophet"], (1,))


@pytest.mark.parametrize("name", ["ets", "theta", "mstl"])
def test_statistical_models_answer_at_every_level_in_order(panel: Panel, name: str) -> None:
    require("statsforecast")
    made = Contestant(name, (4,)).fit(panel).predict(3, LEVELS).frame
    values = made[:, -3:].to_numpy()
    assert values.shape == (6, 3)
    assert (np.diff(values, axis=1) >= 0).all()
