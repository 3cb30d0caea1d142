"""A log of many forecasts, outcomes and scores, made up for `bench.seal`. Nothing in it is synced to disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.clock import format_instant
from foreseal.seal import disk, payload
from foreseal.seal.entry import parse_entry, sign_entry
from foreseal.seal.history import History
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.note import Signer

LEVELS = ("0.05", "0.25", "0.5", "0.75", "0.95")
HOURS = 24
START = datetime(2020, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FORECASTERS = ("us", "baseline")


def make_log(folder: Path, forecasts: int) -> Signer:
    """Two forecasters at ``forecasts / 2`` daily cutoffs of one hourly series, all settled and scored."""
    signer = Signer("bench.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
    author, dice = author_id(public_bytes(key)), Random(1)
    sync, sync_folder = disk.os.fsync, disk.sync_folder
    disk.os.fsync, disk.sync_folder = lambda fd: None, lambda folder: None  # type: ignore[assignment]
    try:
        with Log.create(folder / "log", signer, folder / "lock.db") as log:
            history = History(log.payloads.get)
            entries: list[bytes] = []

            def say(kind: str, fields: Mapping[str, Any], at: datetime = START - DAY) -> str:
                entries.append(sign_entry(kind, fields, key=key, at=at))
                entry = parse_entry(entries[-1])
                history.add(entry)
                return entry.leaf

            say("identity", {"name": "us", "key": author, "action": "add", "role": "author"})
            say("dataset", _dataset())
            model = say("model", {"name": "m", "spec": "naive(24)", "code": "ab" * 32, "versions": {},
                                  "parameters": {}})  # fmt: skip
            cutoffs = [START + k * DAY for k in range(forecasts // len(FORECASTERS))]
            rows = [(str(seq), format_instant(at)) for seq, at in enumerate(cutoffs)]
            declared = say(
                "target", _target(author, log.payloads.put(payload.schedule().encode(rows)), len(rows))
            )
            for seq, cutoff in enumerate(cutoffs):
                about = {"mode": "live", "target": "load", "declared": declared, "seq": seq,
                         "cutoff": format_instant(cutoff)}  # fmt: skip
                data = [
                    {
                        "dataset": "d",
                        "n": seq + 1,
                        "digest": "cd" * 32,
                        "rows": 24 * seq,
                        "witnessed": 24 * seq,
                    }
                ]
                for name in FORECASTERS:
                    reference = log.payloads.put(_forecast(cutoff, dice))
                    fields = {**about, "forecaster": name, "data": data, "model": model, "payload": reference}
                    say(
                        "forecast",
                        {**fields, "ran": {"members": "naive(24)", "weights": "1"}},
                        cutoff + HOUR / 2,
                    )
                reference = log.payloads.put(_outcome(cutoff, dice))
                counts = {"expected": HOURS, "rows": HOURS, "witnessed": HOURS}
                settled = cutoff + 2 * DAY
                say("outcome", {**about, "payload": reference, "data": data, **counts}, settled)
                track = history.tracks[declared]
                scored, sheet = history.settle(track, track.outcomes[seq][-1])
                say(
                    "score", {**about, **scored, "payload": log.payloads.put(sheet), "decisions": []}, settled
                )
            if history.problems:
                raise AssertionError(history.problems[0])
            log.append(entries)
    finally:
        disk.os.fsync, disk.sync_folder = sync, sync_folder
    return signer


def _dataset() -> dict[str, Any]:
    return {"name": "d", "form": "series", "units": {"y": "MW"}, "schema": {"y": "f64"}, "source": "made up",
            "licence": "CC0-1.0", "timezone": "UTC", "known_at": "delay 1h", "personal": False}  # fmt: skip


def _target(author: str, schedule: Mapping[str, Any], cutoffs: int) -> dict[str, Any]:
    return {
        "name": "load", "dataset": "d", "form": "series", "unit": "MW", "horizon": HOURS, "freq": "1h",
        "schedule": dict(schedule), "cutoffs": cutoffs, "deadline": 3600, "quantiles": list(LEVELS),
        "decimals": 1, "rule": "wis", "also": [], "baseline": "naive(24)", "missing": "baseline",
        "score_bound": "", "outcome": {"vintage": "latest_at_deadline", "deadline": 86_400},
        "forecasters": [{"name": name, "author": author} for name in FORECASTERS], "covariates": [],
        "commit": False, "mode": "live",
    }  # fmt: skip


def _forecast(cutoff: datetime, dice: Random) -> bytes:
    rows = []
    for hour in range(HOURS):
        quantiles = sorted(dice.randrange(10_000) for _ in LEVELS)
        rows.append(("a", format_instant(cutoff + hour * HOUR), *(f"{q / 10:.1f}" for q in quantiles)))
    return payload.forecast_series(LEVELS, 1).encode(rows)


def _outcome(cutoff: datetime, dice: Random) -> bytes:
    rows = []
    for hour in range(HOURS):
        ds = cutoff + hour * HOUR
        rows.append(
            ("a", format_instant(ds), f"{dice.randrange(10_000) / 10:.1f}", format_instant(ds + HOUR))
        )
    return payload.outcome_series(1).encode(rows)
