"""Sealed scores against what the payloads give, and what a difference is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foreseal.errors import Malformed, Tampered
from foreseal.exact import format_decimal, parse_decimal
from foreseal.seal.entry import Entry
from foreseal.seal.track import Placed, Track

if TYPE_CHECKING:
    from foreseal.seal.history import History


def check_score(history: History, track: Track, outcome: Placed, said: Entry, data: bytes) -> None:
    """Raise `Tampered` unless a score entry and its payload are what forecasts and outcome give."""
    try:
        fields, payload = history.settle(track, outcome)
    except Malformed as error:
        # More rows than a payload of scores could hold.
        raise Tampered(error.message, code=error.code or "score-differs") from None
    _check_items(history, track, said, fields["scores"])
    for name, value in fields.items():
        if said[name] != value:
            raise Tampered(
                f"its {name} are not what the payloads give: {said[name]} is sealed, {value} is computed.",
                code="score-differs",
            )
    if data != payload:
        raise Tampered("its payload is not what the forecasts and the outcome give.", code="score-differs")


def check_regret(score: Entry, decision: Entry, said: Mapping[str, Any]) -> None:
    """Raise unless the regret of a decision is the cost of the chosen option less the least cost."""
    costs = said["costs"]
    if (decision["target"], decision["seq"]) != (score["target"], score["seq"]):
        raise Malformed("it scores a decision of another target or cutoff.")
    if decision["chosen"] not in costs or decision["regret"] != said["kind"]:
        raise Malformed("it lacks the cost of the chosen option, or changes the kind of regret.")
    places = len(said["regret"].partition(".")[2])
    value = {option: parse_decimal(cost, places) for option, cost in costs.items()}
    regret = format_decimal(value[decision["chosen"]] - min(value.values()), places)
    if regret != said["regret"]:
        raise Tampered(
            f"the regret of {decision['name']} is {regret}, not {said['regret']}.", code="regret-differs"
        )


def _check_items(history: History, track: Track, said: Entry, computed: list[dict[str, Any]]) -> None:
    """The first item, in the order of the target, that differs decides what is wrong."""
    sealed = said["scores"]
    if [each["forecaster"] for each in sealed] != [each["forecaster"] for each in computed]:
        raise Tampered("its scores are not of the declared forecasters.", code="score-differs")
    for item, right in zip(sealed, computed, strict=True):
        if item == right:
            continue
        name, seq, shown = item["forecaster"], said["seq"], item["forecast"]
        who = f"{name} for cutoff {seq} of {track.name}"
        placed = history.entries.get(shown)
        if shown and placed is None:
            raise Tampered(f"it shows a forecast by {who} that is not in the log.", code="gap")
        if (
            placed is not None
            and shown != right["forecast"]
            and placed in track.forecasts.get((name, seq), ())
        ):
            first = history.entries.get(right["forecast"])
            counts = f"entry {first.index}, the first valid one, counts" if first else "none counts"
            raise Tampered(
                f"it shows the forecast by {who} in entry {placed.index}; {counts}.", code="duplicate"
            )
        if right["status"] == "late" and item["status"] == "scored":
            raise Tampered(f"it counts the forecast by {who}, which came too late.", code="late")
        raise Tampered(
            f"its scores are not what the payloads give: {item} is sealed, {right} is computed.",
            code="score-differs",
        )
