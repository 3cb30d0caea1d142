"""What is declared before the first forecast: the author, the datasets, the targets and the models.

Each function turns settings into the fields of one entry, so that declaring twice the same is seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Any

from foreseal.clock import format_instant
from foreseal.errors import SettingsError
from foreseal.exact import round_decimal
from foreseal.records import Target, as_levels
from foreseal.run.machine import versions
from foreseal.seal import payload
from foreseal.seal.schema import BASELINE
from foreseal.settings import Dataset, ModelsTable, Settings

Fields = dict[str, Any]


def target(name: str, settings: Settings) -> Target:
    """The target of that name, with its cutoffs written out."""
    table = settings.targets[name]
    dataset = settings.datasets[table.dataset]
    found = Target(
        name=name,
        dataset=table.dataset,
        kind=dataset.kind,
        cutoffs=table.cutoffs.instants(settings.project.timezone),
        rule=table.rule,
        decimals=table.decimals,
        baseline=table.baseline,
        forecasters=table.forecasters,
        deadline=table.deadline,
        outcome_deadline=table.outcome.deadline,
        outcome_vintage=table.outcome.vintage,
        missing=table.missing,
        horizon=table.horizon,
        freq=table.freq,
        quantiles=table.quantiles,
        score_bound=table.score_bound,
        also=table.also,
        covariates=table.covariates,
        commit=table.commit,
        unit=dataset.unit if isinstance(dataset.unit, str) else "1",
    )
    if found.survival:
        found = replace(found, unit=f"{found.times[0]:g}.d")
    try:
        found.settles_at(found.cutoffs[-1])
    except (OverflowError, ValueError):
        raise SettingsError(f"[targets.{name}] settles after the year 9999.", hint="Check freq.") from None
    return found


def identity_fields(name: str, author: str) -> Fields:
    """The author presents their key."""
    return {"name": name, "key": author, "action": "add", "role": "author"}


def dataset_fields(name: str, dataset: Dataset, schema: Mapping[str, str], timezone: str) -> Fields:
    """What is kept, in which units, under which licence and rule of ``known_at``."""
    units = dataset.unit if isinstance(dataset.unit, dict) else {"y": dataset.unit}
    return {
        "name": name,
        "form": dataset.kind,
        "units": dict(units),
        "schema": dict(schema),
        "source": dataset.origin or dataset.title or dataset.source,
        "licence": dataset.licence or "not stated",
        "timezone": dataset.timezone or timezone,
        "known_at": str(dataset.known_at),
        "personal": dataset.personal,
    }


def schedule(found: Target) -> bytes:
    """The payload that lists every declared cutoff with its sequence number."""
    rows = [(str(seq), format_instant(cutoff)) for seq, cutoff in enumerate(found.cutoffs)]
    return payload.schedule().encode(rows)


def target_fields(found: Target, author: str, mode: str, schedule_ref: Mapping[str, Any]) -> Fields:
    """The question, its schedule and its rules of scoring."""
    bound = round_decimal(found.score_bound, found.decimals)
    return {
        "name": found.name,
        "dataset": found.dataset,
        "form": found.kind,
        "unit": found.unit,
        "horizon": found.horizon,
        # Of a survival target the unit is one step.
        "freq": str(found.freq) if found.freq and found.kind == "series" else "",
        "schedule": dict(schedule_ref),
        "cutoffs": len(found.cutoffs),
        "deadline": int(found.deadline.total_seconds()),
        "quantiles": list(as_levels(found.quantiles)),
        "decimals": found.decimals,
        "rule": found.rule,
        "also": list(found.also),
        "baseline": found.baseline,
        "missing": found.missing,
        "score_bound": bound,
        "outcome": {
            "vintage": found.outcome_vintage,
            "deadline": int(found.outcome_deadline.total_seconds()),
        },
        "forecasters": [{"name": name, "author": author} for name in (*found.forecasters, "baseline")],
        "covariates": list(found.covariates),
        "commit": found.commit,
        "mode": mode,
    }


def models_of(settings: Settings, target: str, forecaster: str) -> ModelsTable:
    """What answers a target: the baseline is one model, ours the target's own or what ``[models]`` says."""
    table = settings.targets[target]
    if forecaster == BASELINE:
        return ModelsTable(members=(table.baseline,))
    if table.models:
        return ModelsTable(members=table.models)
    if settings.datasets[table.dataset].kind == "cases" and not settings.models.members:
        return ModelsTable(members=("logistic",))
    return settings.models


def model_name(target: str, forecaster: str) -> str:
    """Name of the model entry of a forecaster on a target."""
    return f"{target}/{forecaster}"


def model_fields(name: str, models: ModelsTable, kind: str) -> Fields:
    """A forecaster's models: what they are called, the digest of the code that runs them, and what those that
    were trained beforehand say of their weights. Raises `ModelError` where weights cannot be read."""
    spec = ", ".join(models.members) or f"preset {models.preset}"
    return {
        "name": name,
        "spec": spec,
        "code": code_digest(),
        "versions": versions(),
        "parameters": origins(models) if kind == "series" else {},
    }


def origins(models: ModelsTable) -> dict[str, str]:
    """What the members say of the weights that they were trained to, ``member.key`` each."""
    from foreseal.predict.catalogue import resolve
    from foreseal.predict.engine import member_name
    from foreseal.predict.model import Trained
    from foreseal.predict.presets import find

    found: dict[str, str] = {}
    for member in models.members or find(models.preset).members:
        model = resolve(member)
        if isinstance(model, Trained):
            found |= {f"{member_name(member)}.{key}": value for key, value in model.origin().items()}
    return found


def code_digest() -> str:
    """SHA-256 over the names and bytes of the modules that forecast."""
    root = files("foreseal")
    modules = [root / name for name in ("frame.py", "clock.py")]
    modules += sorted(
        (m for m in (root / "predict").iterdir() if m.name.endswith(".py")), key=lambda m: m.name
    )
    digest = hashlib.sha256()
    for module in modules:
        data = module.read_bytes()
        digest.update(f"{module.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()
