"""A run that is cut and taken up is the same run, bit for bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra pretrain")
import torch

from pretrain import checkpoint, training
from pretrain.generators import BUCKETS, VERSION
from pretrain.network import Network, Shape
from pretrain.training import Plan, Run, held_out, losses, stream, train

PLAN = Plan(seed=9, size=16, warm_up=5)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def small_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        training, "held_out", lambda seed: [training.fixed_examples(seed, 5, 8, b) for b in (64,)]
    )
    monkeypatch.setattr(training, "validation", lambda network, held: {"all": 0.0})


def begin() -> Run:
    torch.manual_seed(PLAN.seed)
    first = training.examples(PLAN.seed, 1, 4).inputs
    sizes = [first[name].shape[-1] for name in ("candidates", "local", "overall")]
    return Run(PLAN, Network(Shape(*sizes, width=32, feed=32, trunk=32, decoder=32, layers=1)))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def go(run: Run, folder: Path, until: int, workers: int = 0) -> Run:
    train(run, folder, "latest", until, workers, save_every=0.0, look_every=5)
    return run


def test_twenty_steps_are_ten_and_ten_more_from_the_checkpoint_bit_for_bit(tmp_path: Path) -> None:
    whole = go(begin(), tmp_path / "whole", 20)
    go(begin(), tmp_path / "cut", 10)
    taken_up = go(Run.resume(checkpoint.load(tmp_path / "cut" / "latest.pt")), tmp_path / "cut", 20)
    assert taken_up.number == whole.number == 20
    assert taken_up.series == whole.series == 320
    assert same(whole.network.state_dict(), taken_up.network.state_dict())
    assert same(whole.averaged, taken_up.averaged)
    one, other = whole.optimiser.state_dict()["state"], taken_up.optimiser.state_dict()["state"]
    assert all(same(one[key], other[key]) for key in one)


def test_batches_prepared_elsewhere_are_the_same_batches() -> None:
    here, there = stream(PLAN, 3, 0), stream(PLAN, 3, 1)
    for _ in range(3):
        (one, _), (other, _) = next(here), next(there)
        assert all((one.inputs[name] == other.inputs[name]).all() for name in one.inputs)
    there.close()  # type: ignore[attr-defined]


def test_chance_goes_on_where_it_was() -> None:
    state = begin().state()
    torch.manual_seed(77)
    Run.resume(state)
    assert torch.equal(torch.get_rng_state(), state["random"])


def test_log_lines_after_the_checkpoint_are_dropped_when_a_run_is_taken_up(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for number in (5, 10, 15):
        checkpoint.append(log, {"batch": number})
    checkpoint.truncate(log, 10)
    assert [json.loads(line)["batch"] for line in log.read_text().splitlines()] == [5, 10]


def test_a_kill_while_a_checkpoint_is_written_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "latest.pt"
    checkpoint.save(file, {"number": 1})

    def cut(state: object, out: object) -> None:
        out.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(file, {"number": 2})
    assert checkpoint.load(file) == {"number": 1}


def test_a_checkpoint_of_another_stage_is_refused() -> None:
    state = begin().state() | {"stage": -1}
    with pytest.raises(SystemExit, match="Start a new run"):
        Run.resume(state)


def test_a_run_of_older_generators_goes_on_only_if_told_to_and_notes_the_new_ones() -> None:
    state = begin().state() | {"mixes": [[VERSION - 1, 0]], "number": 7}
    with pytest.raises(SystemExit, match="--new-mix"):
        Run.resume(state)
    assert Run.resume(state, new_mix=True).mixes == [[VERSION - 1, 0], [VERSION, 7]]
    assert Run.resume(begin().state(), new_mix=True).mixes == [[VERSION, 0]]


def test_a_change_of_plan_is_noted_with_its_batch_and_kept(tmp_path: Path) -> None:
    run = begin()
    run.number = 7
    falling = dataclasses.replace(PLAN, anneal_from=7, anneal=3)
    run.change(falling)
    checkpoint.save(tmp_path / "state.pt", run.state())
    taken = Run.resume(checkpoint.load(tmp_path / "state.pt"))
    assert taken.plans == [(PLAN, 0), (falling, 7)]
    assert taken.plan == falling


def test_a_checkpoint_with_a_single_plan_is_taken_up(tmp_path: Path) -> None:
    state = begin().state()
    ((plan, _),) = state.pop("plans")
    checkpoint.save(tmp_path / "state.pt", state | {"plan": plan})
    assert Run.resume(checkpoint.load(tmp_path / "state.pt")).plans == [(PLAN, 0)]


def test_a_hopeless_series_moves_no_weight() -> None:
    batch = training.examples(PLAN.seed, 2, 8)
    runs = []
    for value in (1e9, np.nan):
        target = batch.target.copy()
        target[3] = value
        runs.append(begin())
        runs[-1].step(dataclasses.replace(batch, target=target))
    assert same(runs[0].network.state_dict(), runs[1].network.state_dict())


def test_gradients_are_clipped() -> None:
    run = begin()
    run.plans = [(dataclasses.replace(PLAN, clip=0.01), 0)]
    run.step(training.examples(PLAN.seed, 2, 16))
    norm = torch.cat([value.grad.flatten() for value in run.network.parameters()]).norm()
    assert float(norm) == pytest.approx(0.01, rel=1e-3)
    assert Plan().clip == 1.0


def test_weights_for_use_are_an_average_that_begins_quickly() -> None:
    assert [Plan().average_at(n) for n in (1, 10, 10**6)] == [1 / 11, 0.5, 0.999]
    run = begin()
    before = {name: value.clone() for name, value in run.averaged.items()}
    run.step(dataclasses.replace(training.examples(PLAN.seed, 2, 16)).every(1, 0))
    for name, value in run.average().named_parameters():
        assert torch.equal(value, run.averaged[name])
        assert not torch.equal(value, before[name]) or torch.equal(value, run.network.state_dict()[name])
    raw = run.network.state_dict()
    assert not all(torch.equal(raw[name], value) for name, value in run.averaged.items())


def test_validation_takes_batches_that_training_never_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(training, "fixed_examples", lambda *arguments: drawn.append(arguments))
    held_out(5)
    assert {(seed, size) for seed, _, size, _ in drawn} == {(5, 256)}
    assert min(number for _, number, _, _ in drawn) >= 2_000_000_000
    assert sorted({bucket for *_, bucket in drawn}) == sorted(BUCKETS)
    assert len(set(drawn)) == 3 * len(BUCKETS)


def test_the_rate_warms_up_stays_and_falls_in_an_annealing_phase() -> None:
    plan = Plan(rate=1.0, warm_up=10)
    assert [plan.rate_at(n) for n in (5, 10, 5000)] == [0.5, 1.0, 1.0]
    annealed = dataclasses.replace(plan, anneal_from=5000, anneal=100)
    assert annealed.rate_at(5050) == pytest.approx(0.5)
    assert annealed.rate_at(5100) == pytest.approx(0.02)


def test_training_lowers_the_loss_of_a_batch() -> None:
    run = begin()
    batch = training.examples(PLAN.seed, 2, 64)
    with torch.no_grad():
        before = float(losses(run.network, batch).nanmean())
    for _ in range(15):
        run.step(batch)
    with torch.no_grad():
        assert float(losses(run.network, batch).nanmean()) < before
