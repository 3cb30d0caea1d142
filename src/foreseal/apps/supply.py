"""Supply: spare parts at twelve depots that do not exist; stock and tours for the week, orders, hand-overs.

Demand is read from synthetic EPCIS 2.0 events: made up, and called synthetic wherever it appears.

``python -m foreseal.apps.supply ship harbour 2024-07-01T06:30:00Z filter=1 seal=2 >handover.jsonld`` writes
what a van hands over at a depot as an EPCIS event named by its hash, for both sides to sign with ``foreseal
agree``; ``python -m foreseal.apps.supply check handover.jsonld`` checks such a file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from foreseal.apps import App
from foreseal.clock import format_instant, parse_instant
from foreseal.collect import epcis
from foreseal.collect.events import Events
from foreseal.decide.reorder import Reorder
from foreseal.decide.round import Round
from foreseal.errors import ForesealError, Refused, UsageError

CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]
HOME = "urn:epc:id:sgln:9521141.00000.0"
DEPOTS = {
    f"urn:epc:id:sgln:9521141.{number:05d}.0": name
    for number, name in enumerate(
        ("airport", "brewery", "bridge", "castle", "harbour", "hospital",
         "market", "mill", "museum", "quarry", "station", "tower"), 1)
}  # fmt: skip
PLACES = {
    "airport": (31.0, 4.0), "brewery": (12.5, 22.0), "bridge": (18.0, 16.5), "castle": (8.0, 9.0),
    "harbour": (3.5, 27.0), "hospital": (21.0, 20.5), "market": (16.0, 19.0), "mill": (27.5, 30.0),
    "museum": (17.0, 21.5), "quarry": (35.0, 24.5), "station": (19.5, 18.0), "tower": (10.0, 33.0),
}  # fmt: skip
PARTS = {
    f"urn:epc:idpat:sgtin:9521141.{number:06d}.*": name
    for number, name in enumerate(("filter", "seal", "belt", "valve", "sensor", "pump"), 1)
}


def _table(pairs: Mapping[str, Any]) -> str:
    rows = (f'"{key}" = {json.dumps(value)}' for key, value in pairs.items())
    return "\n".join(rows)


DATA = f"""
[datasets.synthetic_demand]
title = "Synthetic spare parts handed out at twelve depots that do not exist"
source = "epcis"
path = "data/events.jsonld.gz"
step = "dispensing"                   # the business step that is counted
origin = "synthetic: made up by bench.network of Foreseal"
licence = "CC0-1.0"
unit = "{{pieces}}/wk"
known_at = {{ delay = "7d" }}           # a week's pieces are known when it is over

[datasets.synthetic_demand.goods]
{_table(PARTS)}

[datasets.synthetic_demand.places]
{_table(DEPOTS)}

[datasets.synthetic_network]
title = "The same synthetic pieces, all depots together: what the warehouse hands out"
source = "epcis"
path = "data/events.jsonld.gz"
step = "dispensing"
origin = "synthetic: made up by bench.network of Foreseal"
licence = "CC0-1.0"
unit = "{{pieces}}/wk"
known_at = {{ delay = "7d" }}

[datasets.synthetic_network.goods]
{_table(PARTS)}

[datasets.synthetic_network.places]
{_table(dict.fromkeys(DEPOTS, "warehouse"))}
"""

TARGETS = """
[targets.synthetic_week]
dataset = "synthetic_demand"
horizon = 1
freq = "1w"
cutoffs = { start = 2024-07-01, end = 2024-12-23, every = "7d", at = "00:00" }   # Mondays
deadline = "6h"                       # latest sealing, after the cutoff
quantiles = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
decimals = 1
rule = "wis"
baseline = "intermittent(method='sba')"   # Croston with the Syntetos-Boylan correction
missing = "baseline"
score_bound = 100
forecasters = ["us"]

[targets.synthetic_two_months]
dataset = "synthetic_network"
horizon = 8
freq = "1w"
cutoffs = { start = 2024-07-01, end = 2024-11-04, every = "28d", at = "00:00" }
deadline = "6h"
quantiles = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
decimals = 1
rule = "wis"
baseline = "intermittent(method='sba')"
missing = "baseline"
score_bound = 500
forecasters = ["us"]
"""

MODELS = """
[models]
members = ["intermittent"]            # for the whole panel the way to a distribution that erred least
"""

DECISION = f"""
# Every Monday vans bring each depot a full rack for the week and take back the old one.
[decisions.synthetic_round]
policy = "round"
from = "synthetic_week"
approval = "none"

[decisions.synthetic_round.options]
over = 1.0                            # EUR per piece left at the end of the week
under = 9.0                           # EUR per piece short, which a courier brings
per_km = 0.5                          # EUR
vehicles = 4
capacity = 40                         # pieces
home = [17.5, 12.0]                   # the warehouse, km

[decisions.synthetic_round.options.sites]
{_table(PLACES)}

# The warehouse orders from suppliers, who deliver two weeks later.
[decisions.synthetic_orders]
policy = "reorder"
from = "synthetic_two_months"
approval = "none"

[decisions.synthetic_orders.options]
over = 0.2                            # EUR per piece and week
under = 5.0                           # EUR per piece owed and week
fixed = 25.0                          # EUR per order
lead = 2                              # weeks
"""

OUTCOME = """
[targets.synthetic_week.outcome]
vintage = "latest_at_deadline"
deadline = "1d"                       # after the end of the horizon

[targets.synthetic_two_months.outcome]
vintage = "latest_at_deadline"
deadline = "1d"
"""

APP = App(
    name="supply",
    title="Synthetic spare parts at twelve depots: demand, stock, tours and orders",
    data=DATA,
    targets=TARGETS,
    models=MODELS,
    decision=DECISION,
    outcome=OUTCOME,
    files=("events.jsonld.gz", "SOURCE.md"),
    extras=("supply",),
    sources={"epcis": Events},
    policies={"round": Round, "reorder": Reorder},
)


def shipment(pieces: Mapping[str, int], depot: str, at: datetime) -> bytes:
    """The EPCIS document of one hand-over of ``pieces`` by part.

    Its event is named by its hash, so that whoever gets it can tell whether it was changed.
    """
    links = {name: link for link, name in DEPOTS.items()}
    parts = {name: link for link, name in PARTS.items()}
    if depot not in links:
        raise UsageError(f"There is no depot {depot!r}.", hint=f"There are: {', '.join(sorted(links))}.")
    unknown = sorted(set(pieces) - set(parts))
    if unknown or not pieces or min(pieces.values()) < 1:
        raise UsageError(
            f"{unknown[0]!r} is no part." if unknown else "At least one piece of each part is handed over.",
            hint=f"Parts are: {', '.join(sorted(parts))}.",
        )
    event: dict[str, Any] = {
        "type": "ObjectEvent",
        "eventTime": format_instant(at),
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "shipping",
        "disposition": "in_transit",
        "readPoint": {"id": HOME},
        "quantityList": [{"epcClass": parts[name], "quantity": n} for name, n in sorted(pieces.items())],
        "sourceList": [{"type": "location", "source": HOME}],
        "destinationList": [{"type": "location", "destination": links[depot]}],
    }
    event = {"eventID": epcis.event_id(event, CONTEXT), **event}
    body = {
        "@context": CONTEXT,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": format_instant(at),
        "epcisBody": {"eventList": [event]},
    }
    return json.dumps(body, indent=1).encode() + b"\n"


def check(data: bytes, name: str) -> list[str]:
    """The names of a document's events. Raises `Refused` where one breaks a rule of the standard or is not
    named by its hash, `DataError` if it is no document."""
    document = epcis.read_document(data, name)
    names = []
    for number, event in enumerate(document.events, 1):
        member, why = epcis.problem(event)
        if why:
            raise Refused(f"{name}, event {number}, {member}: {why}.")
        names.append(epcis.event_id(event, document.context))
        if event.get("eventID") != names[-1]:
            raise Refused(
                f"{name}, event {number}: its eventID is not its hash.",
                hint="It was changed, or never named.",
            )
    return names


def main(arguments: list[str]) -> int:
    """``ship DEPOT TIME PART=PIECES ...`` writes an event; ``check FILE`` its name, or why it has none."""
    try:
        if arguments[:1] == ["ship"] and len(arguments) > 3:
            given = dict(each.partition("=")[::2] for each in arguments[3:])
            if not all(n.isdecimal() for n in given.values()):
                raise UsageError("Pieces are whole numbers: filter=1 seal=2.")
            pieces = {name: int(n) for name, n in given.items()}
            sys.stdout.write(shipment(pieces, arguments[1], parse_instant(arguments[2])).decode())
        elif arguments[:1] == ["check"] and len(arguments) == 2:
            file = Path(arguments[1])
            sys.stdout.write("".join(f"{name}\n" for name in check(file.read_bytes(), file.name)))
        else:
            raise UsageError("Say what to do: ship DEPOT TIME PART=PIECES ..., or check FILE.")
    except ForesealError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
