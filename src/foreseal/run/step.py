"""One cutoff of one target: forecast, decided and sealed with one append."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.clock import format_instant
from foreseal.errors import Malformed, UsageError
from foreseal.predict.catalogue import resolve_survival
from foreseal.records import Curves, Decision, Forecast, Option, Probabilities, Setting, Snapshot, Target
from foreseal.run import declare, lifetimes, reasons
from foreseal.run.consenting import Agreed, agreed
from foreseal.run.deciding import decision_fields, decision_payload, options_payload
from foreseal.run.forecasting import (
    Knowledge,
    cases_payload,
    forecast_cases,
    forecast_series,
    read_cases,
    read_series,
    series_payload,
    snapshot_fields,
)
from foreseal.run.machine import threads
from foreseal.seal.consent import people_in
from foreseal.seal.schema import BASELINE

if TYPE_CHECKING:
    from foreseal.run.session import Session

# Members' forecasts of earlier cutoffs that are kept in memory: more than any preset looks back at.
MAX_PAST = 600


@dataclass(slots=True)
class Step:
    """What was sealed at one cutoff, and what could not be.

    ``withheld`` counts cases that nothing was decided about, for their consent is lacking or withdrawn.
    """

    forecasts: int = 0
    decisions: int = 0
    withheld: int = 0
    failures: list[str] = field(default_factory=list)


def seal_step(session: Session, target: Target, seq: int) -> Step:
    """Forecast, decide and seal one cutoff with one append.

    What a model or policy cannot do is told in the step's ``failures``, and the rest goes on: the cutoff
    then counts as missing.
    """
    cutoff = target.cutoffs[seq]
    names = dict.fromkeys((target.dataset, *target.covariates))
    knowledge = Knowledge.latest(session.store, list(names), session.project.timezone)
    snapshots = knowledge.snapshots(cutoff)
    step = Step()
    for forecaster in (*target.forecasters, BASELINE):
        if (target.name, forecaster, seq) in session.history.forecasts:
            continue
        try:
            data, found = _predict(session, knowledge, target, seq, forecaster)
        except (UsageError, Malformed) as error:
            step.failures.append(f"{target.name}, {forecaster}, {format_instant(cutoff)}: {error.message}")
            continue
        leaf = _seal_forecast(session, target, seq, forecaster, snapshots, data, found.ran)
        step.forecasts += 1
        if forecaster == target.forecasters[0]:
            _decide(session, knowledge, target, seq, found, leaf, step)
    for each in session.commit():
        if each.body["kind"] == "forecast":
            session.mark(each)
    return step


def _predict(
    session: Session, knowledge: Knowledge, target: Target, seq: int, forecaster: str
) -> tuple[bytes, Any]:
    models = declare.models_of(session.project.settings, target.name, forecaster)
    if target.survival:
        found = lifetimes.forecast(knowledge, target, seq, resolve_survival(models.members[0]))
        data = lifetimes.encode(found, target)
        return data, replace(lifetimes.curves(read_cases(data, target), target), ran=found.ran)
    if target.kind == "cases":
        consent = session.project.settings.datasets[target.dataset].consent
        hidden = [consent.column] if consent else []
        cases = forecast_cases(knowledge, target, seq, models.members[0], hidden)
        data = cases_payload(cases, target)
        return data, replace(cases, frame=read_cases(data, target))
    past = session.past.setdefault(target.name, {})
    for old in sorted(past, key=lambda key: key[1])[:-MAX_PAST]:
        del past[old]
    cutoff = target.cutoffs[seq]
    series = forecast_series(knowledge, target, cutoff, models, past)
    data = series_payload(series, target)
    # Decisions rest on the rounded numbers that are sealed, so that they can be made again from them.
    return data, replace(series, frame=read_series(data, target, cutoff))


def _seal_forecast(
    session: Session,
    target: Target,
    seq: int,
    forecaster: str,
    snapshots: Sequence[Snapshot],
    data: bytes,
    ran: Mapping[str, str],
) -> str:
    model = declare.model_name(target.name, forecaster)
    fields: dict[str, Any] = {
        "mode": session.project.settings.clock.mode,
        "target": target.name,
        "declared": session.history.targets[target.name].leaf,
        "forecaster": forecaster,
        "seq": seq,
        "cutoff": format_instant(target.cutoffs[seq]),
        "data": snapshot_fields(snapshots),
        "model": session.history.models[model].leaf,
        "ran": {**ran, "threads": threads()},
    }
    if target.commit:
        fields["commitment"] = session.project.vault.commit(session.desk.author, data)
    else:
        fields["payload"] = session.put(data)
    return session.desk.say("forecast", fields).entry.leaf


def _decide(
    session: Session,
    knowledge: Knowledge,
    target: Target,
    seq: int,
    forecast: Forecast | Probabilities | Curves,
    leaf: str,
    step: Step,
) -> None:
    tables = session.project.settings.decisions
    names = [name for name, table in tables.items() if table.target == target.name]
    if not names:
        return
    cutoff, consents = target.cutoffs[seq], Agreed({}, ())
    if isinstance(forecast, Forecast):
        history = knowledge.series(target.dataset, cutoff)
    elif isinstance(forecast, Curves):
        history = lifetimes.labels(knowledge, target.dataset, cutoff).select("case_id", "time", "event")
    else:
        history = knowledge.labels(target.dataset, cutoff).select("case_id", "y")
        if session.project.settings.datasets[target.dataset].personal:
            try:
                cases = forecast.frame["case_id"].to_list()
                consents = agreed(session, knowledge, target.dataset, cutoff, cases)
            except UsageError as error:
                step.failures.append(f"{names[0]}, {format_instant(cutoff)}: {error.message}")
                return
            step.withheld += len(cases) - len(consents.subjects)
            mine = forecast.frame.filter(pl.col("case_id").is_in([*consents.subjects]))
            forecast = replace(forecast, frame=mine)
    for name in names:
        table = tables[name]
        try:
            decision = session.project.policies[name].decide(forecast, history)
            if isinstance(forecast, Probabilities):
                decision = _told(session, name, target, seq, decision, forecast, consents)
            data = decision_payload(decision)
        except (UsageError, Malformed, ValueError) as error:
            step.failures.append(f"{name}, {format_instant(target.cutoffs[seq])}: {error}")
            continue
        session.put(options_payload(table.options))
        fields = decision_fields(name, table, decision, session.put(data))
        about = {
            "mode": session.project.settings.clock.mode,
            "target": target.name,
            "seq": seq,
            "cutoff": format_instant(target.cutoffs[seq]),
        }
        if consents.cited:
            about["consents"] = list(consents.cited)
        session.desk.say("decision", {**fields, **about, "forecast": leaf})
        step.decisions += 1


def _told(
    session: Session,
    name: str,
    target: Target,
    seq: int,
    decision: Decision,
    cases: Probabilities,
    consents: Agreed,
) -> Decision:
    """The decision with what its chosen option rests on for each case: a consent, and reasons."""
    ids = cases.frame["case_id"].to_list()
    more = [Setting(f"consent {case}", consents.subjects[case]) for case in ids if case in consents.subjects]
    why = {case: cases.reasons[case] for case in ids if case in cases.reasons}
    if why:
        about = (target.dataset, seq, target.cutoffs[seq])
        more += reasons.keep(session.project, session.store, name, about, why)
    options = tuple(
        Option(each.name, (*each.action, *more), each.expected_cost) if each.name == decision.chosen else each
        for each in decision.options
    )
    if session.project.settings.datasets[target.dataset].personal:
        people_in(target.dataset, (setting.key.encode() for each in options for setting in each.action))
    return replace(decision, options=options)
