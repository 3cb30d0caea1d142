"""``python -m bench.network``: write the synthetic events of the ``supply`` example anew, the same each time.

Two years of spare parts handed out at the twelve depots of ``foreseal.apps.supply``, all made up: in a week
a depot hands out parts on a Poisson number of occasions, one to four pieces at a time, at a rate that is
the part's times the depot's times a slow wave. Each occasion is an EPCIS 2.0 ObjectEvent with its hash as
eventID. Five events are wrong on purpose, to show what is refused and why.
"""

from __future__ import annotations

import gzip
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from foreseal.apps.supply import CONTEXT, DEPOTS, PARTS
from foreseal.collect import epcis

START = datetime(2023, 1, 2, tzinfo=UTC)
WEEKS = 105
PATH = Path(__file__).parents[1] / "src/foreseal/examples/supply/events.jsonld.gz"
RATES = (0.55, 0.35, 0.25, 0.18, 0.12, 0.08)
PIECES = (0.62, 0.22, 0.1, 0.06)


def events() -> list[dict[str, Any]]:
    """Events in the order of time, then those that are wrong on purpose."""
    rng = np.random.default_rng(20260101)
    size = {
        place: float(each) for place, each in zip(DEPOTS, rng.uniform(0.5, 1.7, len(DEPOTS)), strict=True)
    }
    found = []
    for week in range(WEEKS):
        for part, rate in zip(PARTS, RATES, strict=True):
            wave = 1.0 + 0.4 * math.sin(2 * math.pi * (week / 52 + rate))
            for place in DEPOTS:
                for _ in range(rng.poisson(rate * size[place] * wave)):
                    at = START + timedelta(weeks=week, minutes=int(rng.integers(7 * 60, 5 * 24 * 60)))
                    found.append(event(at, part, place, int(rng.choice(4, p=PIECES)) + 1))
    found.sort(key=lambda each: str(each["eventTime"]))
    return [*found, *wrong(found)]


def event(at: datetime, part: str, place: str, pieces: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "ObjectEvent",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "dispensing",
        "disposition": "dispensed",
        "bizLocation": {"id": place},
        "quantityList": [{"epcClass": part, "quantity": pieces}],
    }
    return {"eventID": epcis.event_id(made, CONTEXT), **made}


def wrong(good: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Unknown depot, negative quantity, unknown type, after the document; and one declared erroneous."""
    part, place = next(iter(PARTS)), next(iter(DEPOTS))
    at = START + timedelta(weeks=50)
    declared = {
        "declarationTime": "2024-01-08T08:00:00Z",
        "reason": "did_not_occur",
    }
    return [
        event(at, part, "urn:epc:id:sgln:9521141.99999.0", 1),
        event(at, part, place, -3),
        {**event(at, part, place, 1), "type": "MovementEvent"},
        event(START + timedelta(weeks=WEEKS + 3), part, place, 1),
        {**good[100], "errorDeclaration": declared},
    ]


def document() -> bytes:
    body = {
        "@context": CONTEXT,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": (START + timedelta(weeks=WEEKS)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "epcisBody": {"eventList": events()},
    }
    return json.dumps(body, separators=(",", ":")).encode()


def main() -> None:
    PATH.write_bytes(gzip.compress(document(), 9, mtime=0))
    print(f"{PATH}: {PATH.stat().st_size} bytes, {len(events())} events")


if __name__ == "__main__":
    main()
