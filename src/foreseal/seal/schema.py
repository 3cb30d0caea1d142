"""What each kind of entry holds: one table per kind, a closed set.

Common to all: ``v`` (1), ``kind``, ``author``, ``at`` (the author's own claim of real time; it proves
nothing) and ``sig``. References to other entries are leaf hashes in hexadecimal. Decimals are strings.
Nothing here is personal, and no digest of anything personal is unsalted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from foreseal.errors import Malformed
from foreseal.exact import MAX_DECIMALS, MAX_WHOLE
from foreseal.seal import fields
from foreseal.seal.fields import (
    Check,
    boolean,
    choice,
    decimal,
    decimal_or_empty,
    hexadecimal,
    instant,
    integer,
    listing,
    mapping,
    record,
    text,
)

VERSION = 1
MAX_INTEGER = 2**53 - 1
MAX_PAYLOAD = 1 << 26
MAX_PAYLOAD_ROWS = 1 << 20
MAX_ROWS = 1 << 24
MAX_SEQ = 10**7 - 1
MAX_SPAN = 366 * 86_400 * 100
MAX_ERASED = 64
MAX_CONSENTS = 64
MAX_PARTIES = 16
BASELINE = "baseline"

RULES = ("wis", "brier", "log")
FORMS = ("series", "cases")
STATUSES = ("scored", "missing", "late", "unrevealed", "malformed")

_name = text(64)
_unit = text(64)
_line = text(1024)
_leaf = hexadecimal(32)
_seq = integer(0, MAX_SEQ)
_count = integer(0, MAX_ROWS)
_rule = choice(*RULES)
_regret = choice("observed", "modelled", "randomised")
_strings = mapping(text(2048, empty=True), 64)
_mode = choice("live", "replay")
_payload = record({"sha256": hexadecimal(32), "size": integer(0, MAX_PAYLOAD)})
_data = listing(
    record({"dataset": _name, "n": _count, "digest": hexadecimal(32), "rows": _count, "witnessed": _count}),
    16,
)

COMMON: Mapping[str, Check] = {
    "v": integer(VERSION, VERSION),
    "kind": _name,
    "author": fields.author,
    "at": instant,
    "sig": hexadecimal(64),
}

KINDS: Mapping[str, Mapping[str, Check]] = {
    "identity": {
        "name": _name,
        "key": fields.author,
        "action": choice("add", "rotate", "revoke"),
        "role": _name,
    },
    "dataset": {
        "name": _name,
        "form": choice(*FORMS),
        "units": mapping(_unit, 64),
        "schema": mapping(_name, 64),
        "source": _line,
        "licence": _line,
        "timezone": _name,
        "known_at": _line,
        "personal": boolean,
    },
    "model": {
        "name": _name,
        "spec": _line,
        "code": hexadecimal(32),
        "versions": _strings,
        "parameters": _strings,
    },
    "target": {
        "name": _name,
        "dataset": _name,
        "form": choice(*FORMS),
        "unit": _unit,
        "horizon": integer(1, 100_000),
        "freq": fields.frequency,
        "schedule": _payload,
        "cutoffs": integer(1, MAX_SEQ + 1),
        "deadline": integer(0, MAX_SPAN),
        "quantiles": fields.levels,
        "decimals": integer(0, MAX_DECIMALS),
        "rule": _rule,
        "also": listing(_rule, len(RULES)),
        "baseline": _line,
        "missing": choice("baseline", "bound"),
        "score_bound": decimal_or_empty,
        "outcome": record({"vintage": choice("latest_at_deadline"), "deadline": integer(0, MAX_SPAN)}),
        "forecasters": listing(record({"name": _name, "author": fields.author}), 32),
        "covariates": listing(_name, 32),
        "commit": boolean,
        "mode": _mode,
    },
    "forecast": {
        "mode": _mode,
        "target": _name,
        "declared": _leaf,
        "forecaster": _name,
        "seq": _seq,
        "cutoff": instant,
        "data": _data,
        "model": _leaf,
        "ran": _strings,
    },
    "reveal": {
        "forecast": _leaf,
        "salt": hexadecimal(32),
        "payload": _payload,
    },
    "outcome": {
        "mode": _mode,
        "target": _name,
        "declared": _leaf,
        "seq": _seq,
        "cutoff": instant,
        "payload": _payload,
        "expected": _count,
        "rows": _count,
        "witnessed": _count,
        "data": _data,
    },
    "score": {
        "mode": _mode,
        "target": _name,
        "declared": _leaf,
        "seq": _seq,
        "cutoff": instant,
        "rule": _rule,
        "outcome": _leaf,
        "payload": _payload,
        "scores": listing(
            record(
                {
                    "forecaster": _name,
                    "author": fields.author,
                    "status": choice(*STATUSES),
                    "forecast": text(64, empty=True),
                    "total": decimal_or_empty,
                    "n": _count,
                    "mean": decimal_or_empty,
                }
            ),
            32,
        ),
        "also": listing(record({"rule": _rule, "forecaster": _name, "mean": decimal_or_empty}), 96),
        "decisions": listing(
            record({"decision": _leaf, "costs": mapping(decimal, 32), "regret": decimal, "kind": _regret}), 16
        ),
    },
    "decision": {
        "mode": _mode,
        "name": _name,
        "target": _name,
        "forecast": _leaf,
        "seq": _seq,
        "cutoff": instant,
        "policy": _line,
        "options": hexadecimal(32),
        "chosen": _name,
        "expected_cost": decimal,
        "cost_unit": _unit,
        "regret": _regret,
        "state": choice("proposed", "approved"),
        "payload": _payload,
    },
    "approval": {
        "decision": _leaf,
        "verdict": choice("approved", "rejected"),
        "by": _name,
        "reason": text(512, empty=True),
    },
    "agreement": {
        "name": _name,
        "terms": _payload,
        "made": instant,
        "parties": listing(
            record({"name": _name, "key": fields.author, "signature": hexadecimal(64)}), MAX_PARTIES
        ),
    },
    "consent": {
        "dataset": _name,
        "purpose": _name,
        "action": choice("given", "withdrawn"),
        "subjects": listing(hexadecimal(32), MAX_CONSENTS),
    },
    "erasure": {
        "dataset": _name,
        "subjects": listing(hexadecimal(32), MAX_ERASED),
    },
}

_OPTIONAL: Mapping[str, Mapping[str, Check]] = {
    "identity": {
        "recovery": fields.author,
        "previous": fields.author,
        "previous_sig": hexadecimal(64),
        "from": integer(0, MAX_INTEGER),
    },
    "forecast": {"payload": _payload, "commitment": hexadecimal(32)},
    "decision": {"consents": listing(_leaf, MAX_CONSENTS)},
    "approval": {"case": _name},
}

_AGREED = record(
    {
        **KINDS["agreement"],
        "parties": listing(
            record({"name": _name, "key": fields.author}, {"signature": hexadecimal(64)}), MAX_PARTIES
        ),
    }
)
_CHECKS = {kind: record({**COMMON, **own}, _OPTIONAL.get(kind)) for kind, own in KINDS.items()}


def check_fields(entry: object) -> dict[str, Any]:
    """The entry, if it has exactly the fields of its kind and each is well formed; else `Malformed`."""
    if not isinstance(entry, dict):
        raise Malformed("an entry is not a JSON object.")
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in _CHECKS:
        raise Malformed(f"{str(kind)[:40]!r} is not a kind of entry; the kinds are {', '.join(KINDS)}.")
    _CHECKS[kind](entry, kind)
    if kind in _RULES:
        _RULES[kind](entry)
    return entry


def _check_identity(entry: Mapping[str, Any]) -> None:
    action = entry["action"]
    own: set[str] = {"add": set(), "rotate": {"previous", "previous_sig"}, "revoke": {"from"}}[action]
    if {"previous", "previous_sig", "from"} & entry.keys() != own:
        raise Malformed(f"identity: the action {action!r} has other fields.")
    if action == "revoke" and "recovery" in entry:
        raise Malformed("identity: whoever revokes a key declares no recovery key.")
    if action != "revoke" and entry["author"] != entry["key"]:
        raise Malformed("identity: a key is added by itself, to prove that its owner holds it.")


def _check_target(entry: Mapping[str, Any]) -> None:
    series, also, bound = entry["form"] == "series", entry["also"], entry["score_bound"]
    if any(series != bool(there) for there in (entry["rule"] == "wis", entry["quantiles"], entry["freq"])):
        raise Malformed(
            "target: series need quantiles, a frequency and the rule 'wis'; cases have none of these."
        )
    if also and (series or "wis" in also or entry["rule"] in also or len(set(also)) != len(also)):
        raise Malformed("target.also: further rules are of the same form, and each is named once.")
    if bound and (bound.startswith("-") or not bound.strip("0.")):
        raise Malformed("target.score_bound is not above zero.")
    if len(bound.partition(".")[0]) > MAX_WHOLE:
        raise Malformed(f"target.score_bound has more than {MAX_WHOLE} digits before the point.")
    if not bound and (entry["missing"] == "bound" or "log" in (entry["rule"], *also)):
        raise Malformed("target.score_bound is needed by missing = 'bound' and by the log score.")
    if entry["commit"] and entry["missing"] != "bound":
        raise Malformed("target.missing is 'bound' where forecasts are commitments: silence must cost.")
    names = [each["name"] for each in entry["forecasters"]]
    if len(set(names)) != len(names) or BASELINE not in names:
        raise Malformed(f"target.forecasters: names are unique, and {BASELINE!r} is one of them.")


def _check_forecast(entry: Mapping[str, Any]) -> None:
    if ("payload" in entry) == ("commitment" in entry):
        raise Malformed("forecast: there is either a payload or a commitment to one.")


def _check_outcome(entry: Mapping[str, Any]) -> None:
    if not entry["witnessed"] <= entry["rows"] <= entry["expected"]:
        raise Malformed("outcome: there are more witnessed rows than rows, or more rows than expected.")


def _check_score(entry: Mapping[str, Any]) -> None:
    for each in entry["scores"]:
        if each["forecast"]:
            _leaf(each["forecast"], "score.scores.forecast")
    for each in entry["decisions"]:
        costs = (each["regret"], *each["costs"].values())
        if len({len(cost.partition(".")[2]) for cost in costs}) > 1:
            raise Malformed("score.decisions: costs and regret have the same number of decimals.")


def _check_subjects(entry: Mapping[str, Any]) -> None:
    if not entry["subjects"] or entry["subjects"] != sorted(set(entry["subjects"])):
        raise Malformed(f"{entry['kind']}.subjects: at least one, each once, in ascending order.")


def _check_decision(entry: Mapping[str, Any]) -> None:
    consents = entry.get("consents")
    if consents is not None and (not consents or consents != sorted(set(consents))):
        raise Malformed("decision.consents: at least one, each once, in ascending order.")


def check_agreed(agreement: object) -> None:
    """Raise `Malformed` unless this is an agreement that some of its parties may have signed."""
    _AGREED(agreement, "agreement")
    assert isinstance(agreement, dict)
    _check_agreement(agreement)


def _check_agreement(entry: Mapping[str, Any]) -> None:
    names, keys = ([each[field] for each in entry["parties"]] for field in ("name", "key"))
    if len(keys) < 2 or keys != sorted(set(keys)) or len(set(names)) != len(names):
        raise Malformed("agreement.parties: at least two, each once, in ascending order of their keys.")


_RULES: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "identity": _check_identity,
    "target": _check_target,
    "forecast": _check_forecast,
    "outcome": _check_outcome,
    "score": _check_score,
    "agreement": _check_agreement,
    "decision": _check_decision,
    "consent": _check_subjects,
    "erasure": _check_subjects,
}
