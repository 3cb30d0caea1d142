"""A project -> `ReportData`: all of it read back from the log's bytes and the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from foreseal import __version__
from foreseal.errors import ForesealError, SettingsError
from foreseal.figures.groups import group_of
from foreseal.pages.report import DatasetReport, DecisionReport, LogReport, ReportData, TargetReport
from foreseal.pictures import Acted, Pictured, Provision
from foreseal.records import Setting, Target
from foreseal.run import Project
from foreseal.run.receipts import verify_receipts
from foreseal.run.results import UTC_TIME, Decided, Results
from foreseal.store.store import Store


def gather(project: Project, receipts: Sequence[Path], written_at: datetime) -> ReportData:
    """What the report says of a project; ``receipts`` are checked one by one by the settings' key."""
    results = Results(project)
    with project.store() as store:
        datasets = tuple(_dataset(project, store, name, written_at) for name in project.settings.datasets)
        targets = tuple(
            _target(results, store, target, name)
            for target in project.targets.values()
            for name in target.forecasters
        )
    return ReportData(
        project=project.name,
        mode=project.settings.clock.mode,
        timezone=project.timezone,
        written_at=written_at,
        version=__version__,
        title=project.title,
        datasets=datasets,
        targets=targets,
        decisions=tuple(_decision(results, name) for name in project.settings.decisions),
        log=_log(project, results, receipts),
        commands=_commands(project, receipts),
    )


def _dataset(project: Project, store: Store, name: str, written_at: datetime) -> DatasetReport:
    table = project.settings.datasets[name]
    about = store.catalogue().filter(pl.col("dataset") == name).row(0, named=True)
    n = store.latest_n(name)
    parts = [store.vintages(name, part.name) for part in store.schema(name).parts]
    key = "unique_id" if table.kind == "series" else "case_id"
    times = parts[0]["ds" if table.kind == "series" else "known_at"]
    flags = Counter(flag for part in parts for text in part["flags"] for flag in text.split() if flag)
    rejected = store.rejected(name)
    notes = []
    if project.replay:
        notes.append("Loaded as history: what became known when is claimed by the file, not witnessed.")
    return DatasetReport(
        name=name,
        kind=table.kind,
        rows=sum(part.height for part in parts),
        subjects=parts[0][key].n_unique(),
        appends=n,
        unit=table.unit,
        title=table.title,
        licence=table.licence,
        origin=table.origin,
        known_at=str(table.known_at),
        first=times.min(),  # type: ignore[arg-type]
        last=times.max(),  # type: ignore[arg-type]
        witnessed=store.snapshot(name, _last_cutoff(project, name, written_at), n).witnessed,
        rejected=dict(Counter(rejected["reason"].to_list())),
        flagged=dict(flags),
        notes=tuple(notes) if about["rows"] else (),
    )


def _target(results: Results, store: Store, target: Target, forecaster: str) -> TargetReport:
    names = results.project.settings.datasets[target.dataset].called
    sealed = [s for (t, f, _), s in results.history.forecasts.items() if (t, f) == (target.name, forecaster)]
    return TargetReport(
        target=target,
        record=results.record(target, forecaster),
        forecasts=_called(results.forecasts(target, forecaster), names),
        outcomes=_called(results.outcomes(target), names),
        ran=sealed[-1].body["ran"] if sealed else {},
        groups=_groups(results.project, store, target),
        baseline=_called(results.forecasts(target, "baseline"), names)
        if target.kind == "series"
        else pl.DataFrame(),
        **_acts(results, target),
    )


def _called(frame: pl.DataFrame, names: Mapping[str, str], column: str = "unique_id") -> pl.DataFrame:
    """Series by what the settings call them, their ids behind it; those without a name stay as they are."""
    if not names or column not in frame.columns:
        return frame
    called = {uid: _name(uid, names) for uid in names}
    return frame.with_columns(pl.col(column).replace(called))


def _name(uid: str, names: Mapping[str, str]) -> str:
    return f"{names[uid]} ({uid})" if uid in names else uid


def _groups(project: Project, store: Store, target: Target) -> pl.DataFrame:
    """``case_id, feature, group`` of the features that ``groups`` names, as last known."""
    asked = project.settings.targets[target.name].groups
    schema = {"case_id": pl.String, "feature": pl.String, "group": pl.String}
    if not asked:
        return pl.DataFrame(schema=schema)
    known = store.vintages(target.dataset, "features").sort("known_at", "n").unique("case_id", keep="last")
    absent = [name for name in asked if name not in known.columns]
    if absent:
        raise SettingsError(
            f"groups in [targets.{target.name}] names {absent[0]!r}, which is no feature of "
            f"{target.dataset!r}.",
            hint=f"There are: {', '.join(store.schema(target.dataset).features)}.",
        )
    return pl.concat(
        known.select("case_id", feature=pl.lit(name), group=group_of(known[name], cuts))
        for name, cuts in asked.items()
    )


def _acts(results: Results, target: Target) -> dict[str, Any]:
    """What was done about each case by the first decision on the target, and the act that is looked at."""
    tables = results.project.settings.decisions
    name = next((name for name, table in tables.items() if table.target == target.name), "")
    rows = [
        (setting.key, each.cutoff, str(setting.value))
        for each in (results.decisions(name) if name and target.kind == "cases" else ())
        for setting in each.options[each.chosen]
        if " " not in setting.key
    ]
    schema: dict[str, Any] = {"case_id": pl.String, "cutoff": UTC_TIME, "act": pl.String}
    acts = pl.DataFrame(rows, schema=schema, orient="row")
    costs = getattr(results.project.policies.get(name), "costs", {})
    return {"acts": acts, "act": next(iter(costs), "")}


def _decision(results: Results, name: str) -> DecisionReport:
    table = results.project.settings.decisions[name]
    policy = results.project.policies[name]
    found = results.decisions(name)
    rows = [
        (each.cutoff, option, option == each.chosen, each.expected[option], each.costs.get(option))
        for each in found
        for option in each.options
    ]
    schema: dict[str, Any] = {
        "cutoff": UTC_TIME,
        "option": pl.String,
        "chosen": pl.Boolean,
        "expected_cost": pl.Float64,
        "cost": pl.Float64,
    }
    last = found[-1] if found else None
    return DecisionReport(
        name=name,
        target=table.target,
        policy=table.policy,
        cost_unit=policy.cost_unit,
        regret_kind=policy.regret_kind,
        costs=pl.DataFrame(rows, schema=schema, orient="row"),
        states=dict(Counter(each.state for each in found)),
        plan=_plan(results, last) if last else (),
        plan_cutoff=last.cutoff if last else None,
        options=table.options,
        **_pictures(results, name, found),
    )


def _pictures(results: Results, name: str, found: Sequence[Decided]) -> dict[str, Any]:
    """What the policy shows of its decisions about series, or why it cannot."""
    policy = results.project.policies[name]
    target = results.project.targets[results.project.settings.decisions[name].target]
    if not found or target.kind != "series" or not isinstance(policy, Pictured):
        return {}
    said = {s.leaf: forecaster for (_, forecaster, _), s in results.history.forecasts.items()}
    forecaster = said[found[-1].said.body["forecast"]]
    forecasts = results.forecasts(target, forecaster).partition_by("cutoff", as_dict=True, include_key=False)
    outcomes = results.outcomes(target)
    none = outcomes.clear().drop("cutoff")
    settled = outcomes.partition_by("cutoff", as_dict=True, include_key=False)
    acts = [
        Acted(
            each.cutoff, each.chosen, each.options, forecasts[each.cutoff,], settled.get((each.cutoff,), none)
        )
        for each in found
    ]
    try:
        shown = policy.pictures(acts)
    except ForesealError as error:
        return {"without": str(error)}
    names = results.project.settings.datasets[target.dataset].called
    return {
        "pictures": tuple(
            replace(each, frame=_called(each.frame, names, "name")) if isinstance(each, Provision) else each
            for each in shown
        )
    }


def _plan(results: Results, last: Decided) -> tuple[Setting, ...]:
    """The latest action; of cases only how many got each act, for a report is no place for single ones."""
    action = last.options[last.chosen]
    target = results.project.settings.decisions[last.name].target
    if results.project.targets[target].kind == "series":
        names = results.project.settings.datasets[results.project.targets[target].dataset].called
        return tuple(replace(each, key=_key(each.key, names)) for each in action)
    acts = Counter(str(each.value) for each in action if " " not in each.key)
    return tuple(Setting(act, float(n), "{cases}") for act, n in sorted(acts.items()))


def _key(key: str, names: Mapping[str, str]) -> str:
    """A setting's key, its last part by name if that is a series."""
    what, space, uid = key.partition(" ")
    return f"{what}{space}{_name(uid, names)}"


def _log(project: Project, results: Results, receipts: Sequence[Path]) -> LogReport:
    reader = project.reader()
    verdicts = verify_receipts(project, list(receipts))
    return LogReport(
        origin=reader.origin,
        size=reader.size,
        root=reader.checkpoint.root.hex(),
        checkpoint=reader.signed.decode(),
        vkey=str(project.trusted()),
        authors={said.body["author"]: said.body["name"] for said in results.history.identities.values()},
        receipts=sum(verdict.ok for verdict in verdicts.values()),
        receipts_total=len(verdicts),
        failures=tuple(path.name for path, verdict in verdicts.items() if not verdict.ok),
    )


def _commands(project: Project, receipts: Sequence[Path]) -> tuple[str, ...]:
    commands = ["foreseal verify", "foreseal doctor"]
    if receipts:
        one = receipts[-1].relative_to(project.folder)
        commands.append(f"foreseal verify {one} --key '{project.trusted()}'")
    return tuple(commands)


def _last_cutoff(project: Project, dataset: str, written_at: datetime) -> datetime:
    """The latest cutoff of a forecast that rests on the dataset; a row sealed later is not witnessed."""
    used = [t.cutoffs for t in project.targets.values() if dataset in (t.dataset, *t.covariates)]
    return max((c for cutoffs in used for c in cutoffs if c <= written_at), default=written_at)
