"""Decisions as they are sealed: every option with all its settings, and the cost expected of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from foreseal.clock import format_instant
from foreseal.errors import SettingsError
from foreseal.exact import round_decimal
from foreseal.records import Decision, Setting
from foreseal.seal import payload
from foreseal.settings import DecisionTable

COST_DECIMALS = 6


def decision_fields(
    name: str, table: DecisionTable, decision: Decision, ref: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a decision entry that do not say which forecast it rests on."""
    return {
        "name": name,
        "policy": decision.policy,
        "options": hashlib.sha256(options_payload(table.options)).hexdigest(),
        "chosen": decision.chosen,
        "expected_cost": round_decimal(decision.expected_cost, COST_DECIMALS),
        "cost_unit": decision.cost_unit,
        "regret": decision.regret_kind,
        "state": "approved" if table.approval == "none" else "proposed",
        "payload": dict(ref),
    }


def options_payload(options: Mapping[str, Any]) -> bytes:
    """A policy's options as they are published beside the decision: JSON, keys sorted, no spaces."""
    try:
        return json.dumps(options, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except TypeError as error:
        raise SettingsError(
            f"The options of a policy cannot be sealed: {error}.", hint="Write dates and times as text."
        ) from error


def read_options(data: bytes) -> dict[str, Any]:
    """Inverse of :func:`options_payload`."""
    found: dict[str, Any] = json.loads(data)
    return found


def decision_payload(decision: Decision) -> bytes:
    """Every option with all its settings, the chosen one's too, and its expected cost."""
    rows = []
    for option in decision.options:
        rows += [(option.name, *_setting(setting)) for setting in option.action]
        cost = round_decimal(option.expected_cost, COST_DECIMALS)
        rows.append((option.name, "", "expected_cost", cost, decision.cost_unit))
    return payload.decision().encode(rows)


def read_decision(data: bytes) -> dict[str, tuple[Setting, ...]]:
    """Options of a sealed decision with their settings, without the expected costs."""
    options: dict[str, list[Setting]] = {}
    for option, ds, key, value, unit in payload.decision().decode(data):
        settings = options.setdefault(option.decode(), [])
        if key != b"expected_cost":
            settings.append(Setting(key.decode(), _value(value), unit, ds))
    return {name: tuple(settings) for name, settings in options.items()}


def _setting(setting: Setting) -> tuple[str, str, str, str]:
    value = setting.value if isinstance(setting.value, str) else repr(float(setting.value))
    return ("" if setting.ds is None else format_instant(setting.ds), setting.key, value, setting.unit)


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
