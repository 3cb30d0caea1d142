"""What the speed bench times is the model as it is used, and one view of it named as such."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench import pretrained, speed
from foreseal.predict.pretrained import Pretrained


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One short case, and a clock that moves a second a look."""
    monkeypatch.setattr(speed, "CASES", ((8, 64, 8, "1mo", ((12,), (4, 12))),))
    ticks = itertools.count()
    monkeypatch.setattr(speed.time, "process_time", lambda: float(next(ticks)))


def test_the_default_path_is_fit_and_predict_without_seasons(
    few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    predict = Pretrained.predict

    def noted(self: Pretrained, h: int, quantiles: tuple[float, ...]) -> object:
        made = predict(self, h, quantiles)
        asked.append((self.seasons, h, len(quantiles), made.frame["unique_id"].n_unique()))
        return made

    monkeypatch.setattr(Pretrained, "predict", noted)
    rows = list(speed.figures(1, ()))
    assert set(asked) == {(None, 8, 9, 8), (None, 8, 9, 1)}
    named = [(row["model"], row["seasons"]) for row in rows[:-1]]
    assert named == [
        ("pretrained", "untold"),
        ("closed_form", "untold"),
        *[(model, seasons) for seasons in ([12], [4, 12]) for model in ("stage", "view")],
    ]
    # A second for each action by the clock above.
    assert {row["per_cpu_second"] for row in rows[:-1]} == {8}
    assert {row["one_series_ms"] for row in rows[:-1]} == {1000.0}
    assert rows[-1]["weights_bytes"] < 10_000_000


def test_aims_are_told_of_the_model_and_of_one_view_of_it(
    few: None, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrained.how_fast(pretrained.Printer(as_json=False), quick=True)
    aims = [line for line in capsys.readouterr().out.splitlines() if line.startswith("figure ")]
    assert [line for line in aims if "pretrained, context 64, seasons untold" in line]
    assert [line for line in aims if "view, context 64, seasons [12]" in line]
    assert [line for line in aims if "one series" in line and line.endswith("met no")]
    assert aims[-1].startswith("figure weights, MB")
    assert aims[-1].endswith("met yes")


def test_the_quickest_of_several_runs_counts_and_the_first_fills_caches() -> None:
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0])
    ran = []
    assert speed.best(lambda: ran.append(1), 3, lambda: next(ticks)) == 2.0
    assert len(ran) == 4


def test_made_series_have_the_season_that_is_told() -> None:
    for season in (12, 24):
        y = speed.made(20, 512, season)
        change = np.diff(y, axis=1)
        at, off = (np.mean(change[:, lag:] * change[:, :-lag]) for lag in (season, season // 2))
        assert at > abs(off)
        assert (speed.told(3, (season,))[:, 0] == season).all()
