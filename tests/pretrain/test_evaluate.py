"""The evaluation is the bench's, of the package's own forecasts, which are those of the network in torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import panels
from bench.panels import Panel
from bench.pretrained import ratios
from bench.tasks import scores
from foreseal.clock import Frequency
from foreseal.frame import Panel as Seen
from foreseal.frame import read
from foreseal.predict.closed_form import within
from foreseal.predict.pretrained import Pretrained, at_levels
from foreseal.predict.stage import stage

pytest.importorskip("torch", reason="needs the extra pretrain")
import torch

from pretrain.__main__ import main
from pretrain.evaluate import report
from pretrain.examples import inputs
from pretrain.export import write_weights
from pretrain.network import LEVELS, Network, Shape
from pretrain.training import Plan, Run

NINE = tuple(k / 10 for k in range(1, 10))


def made(windows: int = 2) -> Panel:
    """Hours with days, of which one series never falls below zero."""
    rng, t = np.random.default_rng(0), np.arange(400)
    rows = [
        20 + 5 * np.sin(2 * np.pi * t / 24) + rng.normal(size=400),
        np.maximum(3 * np.sin(2 * np.pi * t / 24) + rng.normal(size=400), 0),
    ]
    return Panel("made", panels._frame("ab", rows, "1h"), 8, "1h", (24,), windows)


def run() -> Run:
    """Stirred, so that its averaged weights are others than its own."""
    drawn = stage(np.random.default_rng(0).normal(size=(2, 64)), np.array([1, 2]))
    torch.manual_seed(0)
    sizes = [getattr(drawn, name).shape[-1] for name in ("candidates", "local", "overall")]
    begun = Run(Plan(), Network(Shape(*sizes).scaled(0.25)))
    begun.averaged = {n: value + 0.05 * torch.randn_like(value) for n, value in begun.averaged.items()}
    return begun


def test_a_run_in_progress_is_forecast_with_its_averaged_weights_as_torch_does(tmp_path: Path) -> None:
    begun, panel = run(), made()
    _, weights, _ = write_weights(begun.state(), [], tmp_path)
    frame, _ = read(panel.frame)
    seen = Seen(frame.select("unique_id", "ds", "y"), Frequency.parse("1h"))
    said = Pretrained((24,), str(weights)).fit(seen).predict(8, NINE).frame.sort("unique_id", "ds")
    y = np.stack([own["y"].to_numpy() for own in panel.frame.partition_by("unique_id")])
    known = stage(np.pad(y, ((0, 0), (112, 0)), constant_values=np.nan), np.arange(1, 9), [[24, 0, 0]] * 2)
    with torch.no_grad():
        z = begun.average()(*[torch.from_numpy(array) for array in inputs(known).values()]).numpy()
    values = at_levels(z, LEVELS, np.array(NINE)) * known.scale[:, None, None] + known.centre[:, None, None]
    expected = within(values, y).reshape(16, 9)
    assert (expected[8:] == 0).any()
    np.testing.assert_allclose(said[:, -9:].to_numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_report_is_the_benchs_panel() -> None:
    panel = made()
    found = report([panel])
    bench = scores(panel, ["pretrained", "closed_form"])
    assert found["panels"]["made"]["ratios"] == [round(r, 4) for r in ratios(bench, "pretrained")]
    assert found["closed_form"] == [round(r, 4) for r in ratios(bench, "closed_form")]
    assert (found["mase"], found["wql"]) == tuple(found["panels"]["made"]["ratios"])
    assert found["under"] == [round(share, 4) for share in bench["pretrained"].under]


def test_seasons_are_told_only_if_asked_to() -> None:
    panel = made()
    told = report([panel], told=True)["panels"]["made"]
    bench = scores(panel, ["pretrained(seasons=(24,))"])["pretrained(seasons=(24,))"]
    assert told["mase"] == round(bench.mase, 4)
    assert told["wql"] == round(bench.wql, 5)
    assert report([panel])["panels"]["made"]["wql"] != told["wql"]


def test_the_command_reads_the_package_a_file_or_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pretrain import checkpoint

    monkeypatch.setattr(panels, "DEVELOPMENT", {"made": made})
    state = run().state()
    checkpoint.save(tmp_path / "run" / "latest.pt", state)
    _, weights, _ = write_weights(state, [], tmp_path / "out")

    def told(*arguments: str) -> dict[str, object]:
        main(["evaluate", *arguments])
        return json.loads(capsys.readouterr().out)

    assert told() == report([made()])
    assert told("--weights", str(weights)) == told(str(tmp_path / "run"), "--state", "latest") != told()
    with pytest.raises(SystemExit, match="not both"):
        told(str(tmp_path / "run"), "--weights", str(weights))
    with pytest.raises(SystemExit, match="There is no panel other: made"):
        told("--panels", "other")
