"""A small complete log: a replayed series target and a case target with commitments, two cutoffs each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.clock import format_instant
from foreseal.seal import payload
from foreseal.seal.entry import commitment, parse_entry, sign_entry
from foreseal.seal.history import History
from foreseal.seal.identity import find_revocations
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.track import Track

START = datetime(2018, 8, 1, tzinfo=UTC)
CUTOFFS = (START, START + timedelta(days=1))
AT = datetime(2026, 1, 1, tzinfo=UTC)
LEVELS = ("0.1", "0.5", "0.9")
HOURS = 2
PLAN = (
    ("a", "", "expected_cost", "1.5", "s"),
    ("b", "", "expected_cost", "2.0", "s"),
    ("a", format_instant(START), "green", "30", "s"),
    ("b", "", "green", "20", "s"),
)


@dataclass
class Ledger:
    """Writes entries to a log, keeping track of the leaf hashes that later entries refer to."""

    log: Log
    key: Ed25519PrivateKey
    at: datetime = AT
    leaves: list[str] = field(default_factory=list)

    @property
    def author(self) -> str:
        return author_id(public_bytes(self.key))

    def write(self, kind: str, fields: Mapping[str, Any], key: Ed25519PrivateKey | None = None) -> str:
        raw = sign_entry(kind, fields, key=key or self.key, at=self.at)
        self.log.append([raw])
        self.leaves.append(parse_entry(raw).leaf)
        return self.leaves[-1]

    def identity(self, name: str = "us", key: Ed25519PrivateKey | None = None) -> str:
        public = author_id(public_bytes(key or self.key))
        return self.write(
            "identity", {"name": name, "key": public, "action": "add", "role": "forecaster"}, key
        )

    def dataset(self, name: str, form: str, *, personal: bool = False) -> str:
        fields = {
            "name": name,
            "form": form,
            "units": {"y": "1"},
            "schema": {"y": "f64"},
            "source": "made up",
        }
        rest = {"licence": "CC0-1.0", "timezone": "UTC", "known_at": "delay 1h", "personal": personal}
        return self.write("dataset", {**fields, **rest})

    def model(self, name: str = "naive") -> str:
        fields = {"name": name, "spec": f"{name}(1)", "code": "ab" * 32}
        return self.write("model", {**fields, "versions": {"python": "3.11"}, "parameters": {}})

    def target(self, name: str, dataset: str, form: str, **changes: Any) -> str:
        rows = [(str(seq), format_instant(cutoff)) for seq, cutoff in enumerate(CUTOFFS)]
        series = form == "series"
        fields = {
            "name": name,
            "dataset": dataset,
            "form": form,
            "unit": "1",
            "horizon": HOURS if series else 1,
            "freq": "1h" if series else "",
            "schedule": self.log.payloads.put(payload.schedule().encode(rows)),
            "cutoffs": len(CUTOFFS),
            "deadline": 3600,
            "quantiles": list(LEVELS) if series else [],
            "decimals": 1 if series else 3,
            "rule": "wis" if series else "log",
            "also": [] if series else ["brier"],
            "baseline": "seasonal_naive(1)",
            "missing": "baseline" if series else "bound",
            "score_bound": "" if series else "10",
            "outcome": {"vintage": "latest_at_deadline", "deadline": 86_400},
            "forecasters": [{"name": n, "author": self.author} for n in ("us", "baseline")],
            "covariates": [],
            "commit": not series,
            "mode": "replay" if series else "live",
        }
        return self.write("target", {**fields, **changes})

    def about(self, target: str, declared: str, seq: int) -> dict[str, Any]:
        return {
            "mode": "replay" if target == "volume" else "live",
            "target": target,
            "declared": declared,
            "seq": seq,
            "cutoff": format_instant(CUTOFFS[seq]),
        }

    def snapshot(self, dataset: str) -> list[dict[str, Any]]:
        return [{"dataset": dataset, "n": 1, "digest": "cd" * 32, "rows": 48, "witnessed": 0}]

    def forecast(
        self, about: Mapping[str, Any], forecaster: str, model: str, data: bytes, salt: bytes | None = None
    ) -> str:
        fields = {**about, "forecaster": forecaster, "data": self.snapshot("d"), "model": model, "ran": {}}
        if salt is None:
            return self.write("forecast", {**fields, "payload": self.log.payloads.put(data)})
        digest = sha256(data).digest()
        return self.write("forecast", {**fields, "commitment": commitment(self.author, salt, digest)})

    def reveal(self, forecast: str, salt: bytes, data: bytes) -> str:
        fields = {"forecast": forecast, "salt": salt.hex(), "payload": self.log.payloads.put(data)}
        return self.write("reveal", fields)

    def outcome(self, about: Mapping[str, Any], data: bytes, **changes: Any) -> str:
        rows = data.count(b"\n") - 1
        fields = {"payload": self.log.payloads.put(data), "expected": rows, "rows": rows, "witnessed": 0}
        return self.write("outcome", {**about, **fields, "data": self.snapshot("d"), **changes})

    def decision(
        self,
        about: Mapping[str, Any],
        forecast: str,
        rows: Sequence[tuple[str, ...]] = PLAN,
        **changes: Any,
    ) -> str:
        fields = {
            "name": "plan",
            "mode": about["mode"],
            "target": about["target"],
            "forecast": forecast,
            "seq": about["seq"],
            "cutoff": about["cutoff"],
            "policy": "webster",
            "options": "ef" * 32,
            "chosen": "a",
            "expected_cost": "1.5",
            "cost_unit": "s",
            "regret": "modelled",
            "state": "proposed",
            "payload": self.log.payloads.put(payload.decision().encode(rows)),
        }
        return self.write("decision", {**fields, **changes})

    def history(self) -> History:
        entries = list(self.log.entries())
        history = History(self.log.payloads.get, revoked=find_revocations(entries))
        for raw in entries:
            history.add(parse_entry(raw))
        return history

    def track(self, name: str) -> tuple[History, Track]:
        history = self.history()
        track = history.track(name)
        assert track is not None
        return history, track

    def score(self, name: str, seq: int, decisions: Sequence[Mapping[str, Any]] = (), **changes: Any) -> str:
        history, track = self.track(name)
        fields, data = history.settle(track, track.outcomes[seq][-1])
        fields |= {"payload": self.log.payloads.put(data), "decisions": list(decisions)}
        return self.write("score", {**fields, **changes})


def series_forecast(seq: int, shift: int = 0) -> bytes:
    rows = []
    for series in ("a", "b,c"):
        for hour in range(HOURS):
            ds = format_instant(CUTOFFS[seq] + timedelta(hours=hour))
            rows.append((series, ds, *(f"{10 * k + shift + seq}.5" for k in range(1, 4))))
    return payload.forecast_series(LEVELS, 1).encode(rows)


def series_outcome(seq: int, y: str = "21.0") -> bytes:
    rows = []
    for series in ("a", "b,c"):
        for hour in range(HOURS):
            ds = CUTOFFS[seq] + timedelta(hours=hour)
            rows.append((series, format_instant(ds), y, format_instant(ds + timedelta(hours=1))))
    return payload.outcome_series(1).encode(rows)


def case_forecast(p: str) -> bytes:
    return payload.forecast_cases(3).encode([("case-1", p), ("case-2", "0.250")])


def case_outcome(seq: int) -> bytes:
    known = format_instant(CUTOFFS[seq] + timedelta(hours=5))
    return payload.outcome_cases().encode([("case-1", "1", known), ("case-2", "0", known)])


def write_series(ledger: Ledger) -> str:
    """Identity, dataset, models and a replayed series target with two settled cutoffs; the target's leaf."""
    ledger.identity()
    ledger.dataset("d", "series")
    naive, ridge = ledger.model("naive"), ledger.model("ridge")
    declared = ledger.target("volume", "d", "series")
    for seq in range(2):
        about = ledger.about("volume", declared, seq)
        ledger.forecast(about, "baseline", naive, series_forecast(seq, 3))
        ours = ledger.forecast(about, "us", ridge, series_forecast(seq))
        decision = ledger.decision(about, ours)
        ledger.write("approval", {"decision": decision, "verdict": "approved", "by": "desk", "reason": ""})
        ledger.outcome(about, series_outcome(seq))
        costs = {"a": "1.7", "b": "1.2"}
        regret = {"decision": decision, "costs": costs, "regret": "0.5", "kind": "modelled"}
        ledger.score("volume", seq, [regret])
    return declared


def write_cases(ledger: Ledger) -> str:
    """A live case target with commitments: cutoff 0 revealed and settled, cutoff 1 committed only."""
    ledger.dataset("cases", "cases")
    model = ledger.model("logistic")
    declared = ledger.target("disease", "cases", "cases")
    for seq in range(2):
        ledger.at = CUTOFFS[seq] + timedelta(minutes=5)
        about = ledger.about("disease", declared, seq)
        for name, p in (("baseline", "0.300"), ("us", "0.900")):
            data, salt = case_forecast(p), sha256(f"{name}{seq}".encode()).digest()
            forecast = ledger.forecast(about, name, model, data, salt)
            if seq == 0:
                ledger.reveal(forecast, salt, data)
        if seq == 0:
            ledger.outcome(about, case_outcome(0))
            ledger.score("disease", 0)
    return declared


PEOPLE = ("ab" * 16, "cd" * 16)
AGREED = ("1a" * 32, "2b" * 32)


def write_people(ledger: Ledger) -> None:
    """A replayed target on a personal dataset: two consents, and a decision about the two who gave them."""
    ledger.identity()
    ledger.dataset("d", "cases", personal=True)
    model = ledger.model("logistic")
    terms = {"commit": False, "mode": "replay", "missing": "baseline", "also": [], "rule": "brier"}
    declared = ledger.target("volume", "d", "cases", **terms, score_bound="1")
    about = ledger.about("volume", declared, 0)
    consent = {"dataset": "d", "purpose": "credit", "action": "given", "subjects": list(AGREED)}
    cited = ledger.write("consent", consent)
    data = payload.forecast_cases(3).encode([(each, "0.300") for each in PEOPLE])
    ours = ledger.forecast(about, "us", model, data)
    ledger.forecast(about, "baseline", model, data)
    rows = [("a", "", "expected_cost", "1.5", "s"), ("b", "", "expected_cost", "2.0", "s")]
    for case, agreed in zip(PEOPLE, AGREED, strict=True):
        rows += [("a", "", case, "accept", ""), ("b", "", case, "reject", "")]
        rows += [("a", "", f"consent {case}", agreed, "")]
    decision = ledger.decision(about, ours, rows, consents=[cited])
    word = {"decision": decision, "verdict": "approved", "by": "desk", "reason": ""}
    ledger.write("approval", {**word, "case": PEOPLE[0]})
    known = format_instant(CUTOFFS[0] + timedelta(hours=5))
    ledger.outcome(about, payload.outcome_cases().encode([(each, "0", known) for each in PEOPLE]))
    ledger.score("volume", 0)


def make_ledger(folder: Path, log: Log, key: Ed25519PrivateKey) -> Ledger:
    ledger = Ledger(log, key)
    write_series(ledger)
    write_cases(ledger)
    return ledger
