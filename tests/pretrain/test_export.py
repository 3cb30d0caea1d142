"""What is exported answers as the network does: NumPy arrays, golden file, ONNX."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT

pytest.importorskip("torch", reason="needs the extra pretrain")
import torch

from pretrain import checkpoint, export
from pretrain.network import Network, Shape
from pretrain.training import Plan, Run

WEIGHTS = ROOT / "src/foreseal/predict/weights"
GOLDEN = ROOT / "tests/predict/golden/compact.npz"


def network() -> tuple[Network, dict[str, Any]]:
    facts = json.loads((WEIGHTS / "compact.json").read_text(encoding="utf-8"))
    with np.load(WEIGHTS / "compact.npz") as arrays:
        state = {
            name: torch.from_numpy(arrays[name]) for name in arrays.files if name.split(".")[-1] in KINDS
        }
        state |= {name: torch.from_numpy(arrays[name]) for name in BARE}
    made = Network(Shape(**facts["shape"]))
    made.load_state_dict(state)
    return made.eval(), facts


KINDS = ("weight", "bias", "position")
BARE = ("prior_overall", "prior_here", "overall_mean", "overall_rate", "local_mean", "local_rate")


def test_the_weights_are_the_ones_described() -> None:
    _, facts = network()
    file = WEIGHTS / "compact.npz"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == facts["sha256"]
    assert file.stat().st_size < 10_000_000
    log = (WEIGHTS / "compact.jsonl").read_bytes()
    assert hashlib.sha256(log).hexdigest() == facts["log_sha256"]
    assert json.loads(log.splitlines()[-1])["batch"] == facts["batches"]
    with np.load(file) as arrays:
        described = json.loads(str(arrays["meta"]))
    assert described == {name: value for name, value in facts.items() if name != "sha256"}


def test_every_logged_rate_is_that_of_the_plan_in_force() -> None:
    _, facts = network()
    plans = [(Plan(**fields), first) for fields, first in facts["plans"]]
    assert [first for _, first in plans] == sorted({first for _, first in plans})
    for line in checkpoint.lines(WEIGHTS / "compact.jsonl"):
        plan = [plan for plan, first in plans if first < line["batch"]][-1]
        assert plan.rate_at(line["batch"]) == line["rate"], line["batch"]


def test_the_golden_file_is_what_the_network_answers() -> None:
    made, _ = network()
    with np.load(GOLDEN) as golden, torch.no_grad():
        for bucket in (64, 256):
            inputs = [torch.from_numpy(golden[f"{bucket}.{name}"]) for name in export.INPUTS]
            np.testing.assert_allclose(
                made(*inputs).numpy(), golden[f"{bucket}.quantiles"], rtol=1e-5, atol=1e-5
            )


def test_the_averaged_weights_are_exported_and_the_same_state_as_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_onnx", lambda network, path, seed: None)
    torch.manual_seed(0)
    first = export.example(1, 64).inputs
    sizes = [first[name].shape[-1] for name in ("candidates", "local", "overall")]
    run = Run(Plan(), Network(Shape(*sizes, width=16, feed=16, trunk=16, decoder=16, layers=1)))
    run.averaged = {name: value + 0.5 for name, value in run.averaged.items()}
    one, other = (
        [p for p in export.write(run.state(), [], tmp_path / n, tmp_path / n / "g") if p.suffix == ".npz"]
        for n in "ab"
    )
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in other]
    with np.load(one[0]) as arrays:
        assert set(run.averaged) < set(arrays.files)
        for name, value in run.averaged.items():
            np.testing.assert_array_equal(arrays[name], value.numpy())
