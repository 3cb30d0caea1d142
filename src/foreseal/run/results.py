"""What has been said and how it turned out, read back from the log's own bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from foreseal.clock import parse_instant
from foreseal.records import Score, Setting, Target, quantile_column
from foreseal.run.deciding import read_decision
from foreseal.run.forecasting import read_cases, read_outcome, read_series
from foreseal.run.history import History, Said
from foreseal.score.record import Coverage, TrackRecord, interval_coverage, track_record
from foreseal.seal import payload

if TYPE_CHECKING:
    from foreseal.run.project import Project

UTC_TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Decided:
    """One sealed decision: its options with their settings, and what each cost once the outcome was known.

    ``by`` and ``reason`` are those of the person who approved or rejected it, if one did.
    """

    name: str
    seq: int
    cutoff: datetime
    said: Said
    state: str
    chosen: str
    cost_unit: str
    options: dict[str, tuple[Setting, ...]]
    expected: dict[str, float]
    costs: dict[str, float] = field(default_factory=dict)
    regret: float | None = None
    by: str = ""
    reason: str = ""


class Results:
    """Reads a project's log once and answers from it."""

    def __init__(self, project: Project, history: History | None = None) -> None:
        self.project = project
        self.history = project.history() if history is None else history

    def forecasts(self, target: Target, forecaster: str) -> pl.DataFrame:
        """``unique_id, ds, cutoff, q…`` (cases: ``case_id, cutoff, p``) of what was sealed and revealed."""
        frames = []
        for seq, cutoff in enumerate(target.cutoffs):
            forecast = self.history.forecasts.get((target.name, forecaster, seq))
            data = self._payload_of(forecast) if forecast else None
            if data is None:
                continue
            if target.kind == "series":
                frames.append(read_series(data, target, cutoff))
            else:
                frames.append(_stamped(read_cases(data, target), cutoff))
        return pl.concat(frames) if frames else pl.DataFrame(schema=_schema(target, forecast=True))

    def outcomes(self, target: Target) -> pl.DataFrame:
        """``unique_id, ds, cutoff, y`` (cases: ``case_id, cutoff, y``) of all settled cutoffs."""
        frames = []
        for seq, cutoff in enumerate(target.cutoffs):
            outcome = self.history.outcomes.get((target.name, seq))
            if outcome is None:
                continue
            frames.append(_stamped(read_outcome(self._get(outcome.body["payload"]), target), cutoff))
        return pl.concat(frames) if frames else pl.DataFrame(schema=_schema(target, forecast=False))

    def scores(self, target: Target) -> list[Score]:
        """Every score entry of a target, one `Score` per forecaster."""
        found = []
        for seq, cutoff in enumerate(target.cutoffs):
            entry = self.history.scores.get((target.name, seq))
            if entry is None:
                continue
            for each in entry.body["scores"]:
                mean = float(each["mean"]) if each["mean"] else float("nan")
                found.append(
                    Score(
                        target.name,
                        each["forecaster"],
                        seq,
                        cutoff,
                        entry.body["rule"],
                        each["status"],
                        mean,
                        each["n"],
                    )
                )
        return found

    def also(self, target: Target) -> dict[tuple[str, str], float]:
        """Mean of each further rule over all settled cases, by (rule, forecaster)."""
        sums: dict[tuple[str, str], list[float]] = {}
        for seq in range(len(target.cutoffs)):
            entry = self.history.scores.get((target.name, seq))
            if entry is None:
                continue
            sizes = {each["forecaster"]: each["n"] for each in entry.body["scores"]}
            for each in entry.body["also"]:
                n = sizes[each["forecaster"]]
                if n and each["mean"]:
                    total = sums.setdefault((each["rule"], each["forecaster"]), [0.0, 0.0])
                    total[0] += n * float(each["mean"])
                    total[1] += n
        return {key: total / n for key, (total, n) in sums.items()}

    def record(self, target: Target, forecaster: str) -> TrackRecord:
        """The track record of one forecaster, with coverage of the intervals for series."""
        coverage: tuple[Coverage, ...] = ()
        if target.kind == "series":
            forecasts, outcomes = self.forecasts(target, forecaster), self.outcomes(target)
            if not forecasts.is_empty() and not outcomes.is_empty():
                coverage = interval_coverage(forecasts, outcomes, target.quantiles)
        outcomes_said = [s.body for (name, _), s in self.history.outcomes.items() if name == target.name]
        also = self.also(target)
        return track_record(
            target.name,
            forecaster,
            self.scores(target),
            declared=len(target.cutoffs),
            coverage=coverage,
            also={r: (m, also[r, "baseline"]) for (r, f), m in also.items() if f == forecaster},
            values=sum(body["rows"] for body in outcomes_said),
            witnessed=sum(body["witnessed"] for body in outcomes_said),
            bound=target.score_bound,
        )

    def records(self) -> list[TrackRecord]:
        """Every target's record for every forecaster but the baseline."""
        return [self.record(t, name) for t in self.project.targets.values() for name in t.forecasters]

    def decisions(self, name: str) -> list[Decided]:
        """All sealed decisions of that name, in the order of their cutoffs."""
        found = []
        for (other, seq), said in sorted(self.history.decisions.items()):
            if other != name:
                continue
            body = said.body
            data = self._get(body["payload"])
            costs, regret = self._judged(said)
            word = self.history.approvals.get(said.leaf)
            found.append(
                Decided(
                    name=name,
                    seq=seq,
                    cutoff=parse_instant(body["cutoff"]),
                    said=said,
                    state=self.history.state(said),
                    chosen=body["chosen"],
                    cost_unit=body["cost_unit"],
                    options=read_decision(data),
                    expected=_expected(data),
                    costs=costs,
                    regret=regret,
                    by=word.body["by"] if word else "",
                    reason=word.body["reason"] if word else "",
                )
            )
        return found

    def referred(self, decision: Said) -> dict[str, str]:
        """The cases that a decision leaves to a person, and the word on each: empty while it is awaited."""
        policy = self.project.policies.get(decision.body["name"])
        act = getattr(policy, "refer", "")
        action = read_decision(self._get(decision.body["payload"]))[decision.body["chosen"]] if act else ()
        cases = [each.key for each in action if each.value == act and " " not in each.key]
        words = {case: self.history.words.get((decision.leaf, case)) for case in cases}
        return {case: str(word.body["verdict"]) if word else "" for case, word in words.items()}

    def _judged(self, decision: Said) -> tuple[dict[str, float], float | None]:
        score = self.history.scores.get((decision.body["target"], decision.body["seq"]))
        for each in score.body["decisions"] if score else ():
            if each["decision"] == decision.leaf:
                costs = {option: float(cost) for option, cost in each["costs"].items()}
                return costs, float(each["regret"])
        return {}, None

    def _payload_of(self, forecast: Said) -> bytes | None:
        if "payload" in forecast.body:
            return self._get(forecast.body["payload"])
        reveal = self.history.reveals.get(forecast.leaf)
        return self._get(reveal.body["payload"]) if reveal else None

    def _get(self, ref: dict[str, object]) -> bytes:
        return self.project.payloads.get(str(ref["sha256"]), int(str(ref["size"])))


def _expected(data: bytes) -> dict[str, float]:
    rows = payload.decision().decode(data)
    return {option.decode(): float(value) for option, _, key, value, _ in rows if key == b"expected_cost"}


def _schema(target: Target, *, forecast: bool) -> dict[str, Any]:
    """Columns of forecasts or outcomes where there are none yet."""
    if target.kind == "cases":
        return {"case_id": pl.String, "p" if forecast else "y": pl.Float64, "cutoff": UTC_TIME}
    keys: dict[str, Any] = {"unique_id": pl.String, "ds": UTC_TIME}
    if forecast:
        values = dict.fromkeys(map(quantile_column, target.quantiles), pl.Float64)
        return {**keys, "cutoff": UTC_TIME, **values}
    return {**keys, "y": pl.Float64, "cutoff": UTC_TIME}


def _stamped(frame: pl.DataFrame, cutoff: datetime) -> pl.DataFrame:
    return frame.with_columns(pl.lit(cutoff, UTC_TIME).alias("cutoff"))
