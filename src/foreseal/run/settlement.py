"""Let the outcome judge: fix it, reveal what was committed, score every forecaster, cost every option.

All of it is sealed with one append, in the order reveal, outcome, score, so that a forecast always lies below
the outcome that judges it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.clock import MICROSECOND, format_instant
from foreseal.exact import format_decimal, parse_decimal, round_decimal
from foreseal.records import Outcome, Target
from foreseal.run import lifetimes
from foreseal.run.deciding import COST_DECIMALS, read_decision, read_options
from foreseal.run.forecasting import Knowledge, horizon, read_outcome, snapshot_fields
from foreseal.seal import payload
from foreseal.seal.track import Track

if TYPE_CHECKING:
    from foreseal.run.session import Session


def settle(session: Session, target: Target, seq: int) -> None:
    """Stage everything that the outcome of one cutoff brings; the caller commits."""
    desk = session.desk
    track = desk.history.track(target.name)
    assert track is not None, "targets are declared before anything is due"
    _reveal(session, track, seq)
    cutoff = target.cutoffs[seq]
    knowledge = Knowledge.latest(session.store, [target.dataset], session.project.timezone)
    keys = _keys(session, track, seq)
    if keys.is_empty():
        keys = horizon(knowledge, target, seq)
        keys = lifetimes.keys(keys["case_id"], target) if target.survival else keys
    outcome = _outcome(knowledge, target, cutoff, keys)
    data = _encode(outcome, target)
    placed = desk.say(
        "outcome",
        {
            "target": target.name,
            "mode": track.mode,
            "declared": track.declared.entry.leaf,
            "seq": seq,
            "cutoff": format_instant(cutoff),
            "payload": session.put(data),
            "expected": outcome.expected,
            "rows": outcome.frame.height,
            "witnessed": outcome.witnessed,
            "data": snapshot_fields(knowledge.snapshots(target.settles_at(cutoff))),
        },
    )
    fields, sheet = desk.history.settle(track, placed)
    judged = _judge(session, target, seq, read_outcome(data, target))
    desk.say("score", {**fields, "payload": session.put(sheet), "decisions": judged})


def _reveal(session: Session, track: Track, seq: int) -> None:
    """Open the commitments of all forecasts at this cutoff."""
    for name in track.forecasters:
        for placed in track.forecasts.get((name, seq), ()):
            digest = placed.entry.fields.get("commitment")
            if digest is None or placed.entry.leaf in session.desk.history.reveals:
                continue
            salt, data = session.project.vault.open(str(digest))
            fields = {"forecast": placed.entry.leaf, "salt": salt.hex(), "payload": session.put(data)}
            session.desk.say("reveal", fields)


def _keys(session: Session, track: Track, seq: int) -> pl.DataFrame:
    """Every (series, instant) or case that a forecast that counts has a row for."""
    found = session.desk.history.forecast_keys(track, seq)
    schema: dict[str, Any] = {"unique_id": pl.String, "ds": pl.Datetime("us", "UTC")}
    rows = [(key[0].decode(), *key[1:]) for key in sorted(found)]
    return pl.DataFrame(
        rows, schema=schema if track.terms.form == "series" else {"case_id": pl.String}, orient="row"
    )


def _outcome(knowledge: Knowledge, target: Target, cutoff: datetime, keys: pl.DataFrame) -> Outcome:
    """The values of everything that was forecast, as known when the target settles."""
    at = target.settles_at(cutoff)
    if target.survival:
        known = lifetimes.outcome(knowledge, target, at, keys)
    elif target.kind == "series":
        span: dict[str, Any] = {}
        if not keys.is_empty():
            span = {"start": keys["ds"].min(), "end": keys["ds"].max() + MICROSECOND}  # type: ignore[operator]
        known = knowledge.store.as_of(target.dataset, at, knowledge.n[target.dataset], **span)
    else:
        known = knowledge.labels(target.dataset, at)
    frame = known.join(keys, on=keys.columns, how="semi").sort(keys.columns)
    witnessed = frame.filter(pl.col("n") <= knowledge.store.witnessed_n(target.dataset, at)).height
    return Outcome(target.name, cutoff, frame.select(*keys.columns, "y", "known_at"), keys.height, witnessed)


def _encode(outcome: Outcome, target: Target) -> bytes:
    rows = outcome.frame.iter_rows()
    if target.kind == "series":
        layout = payload.outcome_series(target.decimals)
        return layout.encode(
            (uid, format_instant(ds), round_decimal(y, target.decimals), format_instant(known))
            for uid, ds, y, known in rows
        )
    cases = ((case, str(int(y)), format_instant(known)) for case, y, known in rows)
    return payload.outcome_cases().encode(cases)


def _judge(session: Session, target: Target, seq: int, outcome: pl.DataFrame) -> list[dict[str, Any]]:
    """What every option of every decision on this target cost, and the regret of the choice.

    Costs follow from what is sealed alone: the options in the decision's payload, the policy's own options as
    they were then, and the outcome as it was rounded.
    """
    found = []
    if target.survival:
        outcome = lifetimes.split(outcome).with_columns(days=pl.lit(target.times[0]))
    for name, table in session.project.settings.decisions.items():
        said = session.history.decisions.get((name, seq))
        if table.target != target.name or said is None or outcome.is_empty():
            continue
        stated = read_options(session.log.payloads.find(said.body["options"]))
        policy = session.project.policy(name, stated)
        ref = said.body["payload"]
        options = read_decision(session.log.payloads.get(ref["sha256"], ref["size"]))
        costs = {
            option: round_decimal(policy.cost(action, outcome), COST_DECIMALS)
            for option, action in options.items()
        }
        exact = {option: parse_decimal(cost, COST_DECIMALS) for option, cost in costs.items()}
        regret = format_decimal(exact[said.body["chosen"]] - min(exact.values()), COST_DECIMALS)
        found.append({"decision": said.leaf, "costs": costs, "regret": regret, "kind": said.body["regret"]})
    return found
