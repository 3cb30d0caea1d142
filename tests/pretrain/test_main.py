"""The commands of `python -m pretrain` on a run of a few small batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra pretrain")

from pretrain import checkpoint, export, training
from pretrain.__main__ import main
from pretrain.network import Network, Shape
from pretrain.training import Plan, Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two batches of a narrow network, annealed over two more."""
    folder = tmp_path_factory.mktemp("run")
    plan = Plan(seed=9, size=8, width=0.25)
    first = training.examples(plan.seed, 1, 4).inputs
    sizes = [first[name].shape[-1] for name in ("candidates", "local", "overall")]
    checkpoint.save(folder / "latest.pt", Run(plan, Network(Shape(*sizes).scaled(plan.width))).state())
    go = ["train", str(folder), "--workers", "0", "--look-every", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "held_out", lambda seed: [])
        patch.setattr(training, "validation", lambda network, held: {"all": 0.0})
        main([*go, "--until", "2"])
        main([*go, "--anneal", "2"])
    return folder


def test_an_annealing_phase_is_a_second_plan_from_the_batch_where_it_began(folder: Path) -> None:
    state = checkpoint.load(folder / "annealed.pt")
    assert [first for _, first in state["plans"]] == [0, 2]
    assert [plan["anneal"] for plan, _ in state["plans"]] == [0, 2]
    assert {plan["seed"] for plan, _ in state["plans"]} == {9}
    assert {plan["width"] for plan, _ in state["plans"]} == {0.25}
    assert state["number"] == 4
    lines = checkpoint.lines(folder / "latest.jsonl") + checkpoint.lines(folder / "annealed.jsonl")
    assert [line["batch"] for line in lines] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "1"], "has seed 9, not 1: leave --seed out, or begin another folder"),
        (["--width", "1.0"], "has width 0.25, not 1.0"),
        (["--without", "trend"], "has without '', not 'trend'"),
        (["--anneal", "7"], "has anneal 2, not 7: go on with --anneal 2, or remove annealed.pt"),
    ],
)
def test_what_a_run_under_way_would_ignore_is_refused(folder: Path, arguments: list[str], said: str) -> None:
    before = (folder / "latest.pt").read_bytes()
    with pytest.raises(SystemExit) as refused:
        main(["train", str(folder), "--workers", "0", "--until", "3", *arguments])
    assert said in str(refused.value)
    assert (folder / "latest.pt").read_bytes() == before


@pytest.mark.parametrize("verb", [["train", "--anneal", "5"], ["evaluate"], ["export"]])
def test_a_folder_without_a_run_is_refused_in_a_sentence(tmp_path: Path, verb: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"There is no state .*: python -m pretrain train .* makes one"):
        main([verb[0], str(tmp_path / "none"), *verb[1:]])


def test_a_run_without_an_annealed_state_is_told_what_it_has(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "latest.pt").write_bytes((folder / "latest.pt").read_bytes())
    with pytest.raises(
        SystemExit, match=r"no state .*annealed.pt: anneal the run first, or take --state latest"
    ):
        main(["evaluate", str(tmp_path)])


def test_a_batch_is_drawn_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["generate", "--seed", "3", "--size", "16", "--bucket", "64", "--out", str(tmp_path / "b.npz")])
    assert "bucket 64, 16 series" in capsys.readouterr().out
    with np.load(tmp_path / "b.npz") as drawn:
        assert drawn["context"].shape == (16, 64)


def test_export_writes_weights_with_the_log_of_both_phases(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_onnx", lambda network, path, seed: None)
    main(["export", str(folder), "--weights", str(tmp_path), "--golden", str(tmp_path / "g")])
    facts = json.loads((tmp_path / "compact.json").read_text())
    assert [first for _, first in facts["plans"]] == [0, 2]
    assert [line["batch"] for line in checkpoint.lines(tmp_path / "compact.jsonl")] == [1, 2, 3, 4]
