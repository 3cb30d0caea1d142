"""What a trained model is made of is sealed with its name, and told again by every forecast."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import distributions
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from checkpoints import digest, save
from projects import Make, go
from verifiers import ask_one_file, ask_package

import foreseal
from foreseal.predict import pretrained
from foreseal.predict.stage import STAGE_VERSION
from foreseal.run import Project, machine
from foreseal.run.session import Session
from tests.conftest import require

WEIGHTS = files("foreseal.predict") / "weights"


def with_models(project: Project, members: str) -> Project:
    toml = project.folder / "foreseal.toml"
    text = toml.read_text().replace('members = ["drift", "seasonal_naive(168)"]', members)
    toml.write_text(text)
    return Project.open(project.folder)


def sealed(project: Project) -> tuple[dict[str, str], list[dict[str, str]]]:
    """``parameters`` of the model entry of ours, and ``ran`` of our forecasts."""
    with Session.begin(project) as session:
        said = session.history.models["next_day/us"]
        ran = [
            dict(each.body["ran"])
            for (_, who, _), each in sorted(session.history.forecasts.items())
            if who == "us"
        ]
    return dict(said.body["parameters"]), ran


def test_the_pretrained_models_weights_generators_seeds_and_log_are_sealed(
    make: Make,
) -> None:
    project = with_models(make(last="2024-02-01"), 'preset = "balanced"')
    done = go(project)
    assert not done.failures
    parameters, ran = sealed(project)
    facts = json.loads((WEIGHTS / "compact.json").read_text())
    digest = hashlib.sha256((WEIGHTS / "compact.npz").read_bytes()).hexdigest()
    log = hashlib.sha256((WEIGHTS / "compact.jsonl").read_bytes()).hexdigest()
    assert parameters["pretrained.weights"] == facts["sha256"] == digest
    assert parameters["pretrained.training_log"] == log
    assert parameters["pretrained.seed"] == str(facts["seed"])
    plans = parameters["pretrained.plans"].split("; ")
    assert [plan.split(":")[0] for plan in plans] == [f"from batch {first}" for _, first in facts["plans"]]
    assert f"seed={facts['seed']}" in plans[0].split()
    assert parameters["pretrained.batches"] == str(facts["batches"])
    assert parameters["pretrained.generators"].startswith("1 from batch 0")
    assert parameters["pretrained.stage"] == str(STAGE_VERSION)
    assert [each["pretrained.weights"] for each in ran] == [digest] * len(ran) != []
    # The entries' size and fields are within what every verifier takes.
    case = ("log", {}, str(project.trusted()), ())
    assert ask_package(case, project.log_folder) == ask_one_file(case, project.log_folder)
    assert ask_one_file(case, project.log_folder)[0] is True


def test_libraries_and_threads_are_sealed_whatever_the_process_has_imported_yet(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(last="2024-02-01")
    go(project)
    declared = project.history().models["next_day/us"].body["versions"]
    assert declared["python"] == platform.python_version()
    for name, module in (("numpy", np), ("polars", pl), ("foreseal", foreseal)):
        assert declared[name] == module.__version__
    for name in ("scipy", "scikit-learn", "statsforecast", "lightgbm"):
        found = any(each.name.lower() == name for each in distributions() if each.name)
        assert (name in declared) == found
    _, ran = sealed(project)
    assert {f"polars={pl.thread_pool_size()}"} <= {each["threads"].split()[0] for each in ran}
    with monkeypatch.context() as other:
        other.setenv("OMP_NUM_THREADS", "3")
        other.setattr("importlib.util.find_spec", lambda name: None)
        assert "OMP_NUM_THREADS=3" in machine.threads().split()


def test_pools_of_threads_are_told_as_their_libraries_tell_them() -> None:
    require("threadpoolctl", 'pip install "foreseal[cases]"')
    from threadpoolctl import threadpool_limits

    np.linalg.inv(np.eye(3))
    with threadpool_limits(1):
        told = dict(each.split("=") for each in machine.threads().split())
    assert told.pop("polars").isdigit()
    assert told
    assert set(told.values()) == {"1"}


def test_other_weights_are_another_model_entry(make: Make, tmp_path: Path) -> None:
    own = tmp_path / "own.npz"
    own.write_bytes((WEIGHTS / "compact.npz").read_bytes())
    own.with_suffix(".json").write_bytes((WEIGHTS / "compact.json").read_bytes())
    project = with_models(make(last="2024-02-01"), f'members = ["pretrained(weights=\'{own}\')", "drift"]')
    go(project)
    first, ran = sealed(project)
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    # The expression is too long for a key of an entry: a digest of it stands for it.
    (name,) = {key.rpartition(".")[0] for key in first}
    assert name.startswith("pretrained-")
    assert first[f"{name}.weights"] == ran[0][f"{name}.weights"] == digest
    # The file is exchanged for one with the same numbers written anew: another file, another entry.
    with np.load(own) as archive:
        arrays = dict(archive)
    arrays["levels"] = arrays["levels"].copy()
    np.savez_compressed(own, **arrays)
    facts = json.loads(own.with_suffix(".json").read_text())
    facts["sha256"] = hashlib.sha256(own.read_bytes()).hexdigest()
    own.with_suffix(".json").write_text(json.dumps(facts))
    pretrained.load.cache_clear()
    go(Project.open(project.folder))
    second, _ = sealed(Project.open(project.folder))
    assert second[f"{name}.weights"] == facts["sha256"] != digest
    pretrained.load.cache_clear()


def test_weights_that_are_gone_hold_a_new_target_back_and_leave_a_declared_one_its_baseline(
    make: Make, tmp_path: Path
) -> None:
    own = tmp_path / "own.npz"
    expression = f'members = ["pretrained(weights=\'{own}\')", "drift"]'
    project = with_models(make(last="2024-02-01"), expression)
    done = go(project)
    assert done.forecasts == 0
    assert any("own.npz cannot be read" in each for each in done.failures)
    own.write_bytes((WEIGHTS / "compact.npz").read_bytes())
    own.with_suffix(".json").write_bytes((WEIGHTS / "compact.json").read_bytes())
    assert go(Project.open(project.folder)).forecasts > 0


def test_the_digest_of_a_large_model_is_sealed_with_it_and_with_its_forecasts(
    make: Make, tmp_path: Path
) -> None:
    for module in ("torch", "chronos", "transformers"):
        require(module)
    folder = tmp_path / "checkpoint"
    save("bolt", folder)
    pinned = digest(folder)
    project = with_models(
        make(last="2024-02-01"), f"members = [\"chronos('{folder}', digest='{pinned}')\", \"drift\"]"
    )
    done = go(project)
    assert not done.failures
    parameters, ran = sealed(project)
    name = f"chronos-{pinned[:12]}"
    assert parameters[f"{name}.checkpoint"] == pinned
    assert parameters[f"{name}.architecture"] == "ChronosBoltModelForForecasting"
    assert "torch 2.13.0" in parameters[f"{name}.libraries"]
    assert [each[f"{name}.checkpoint"] for each in ran] == [pinned]
    assert f"{name}=" in ran[0]["weights"]
    case = ("log", {}, str(project.trusted()), ())
    assert ask_package(case, project.log_folder) == ask_one_file(case, project.log_folder)
    assert ask_one_file(case, project.log_folder)[0] is True
