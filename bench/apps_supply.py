"""``supply``: car parts, vehicle routing and EPCIS events of the shared data, each beside its measure.

The cost of ordering, stated before it was computed: in each of the last twelve months each part's stock is
set to a level from what was known before; a piece left at the month's end costs 1, a piece short 9, so the
newsvendor's ratio is .9. The point forecast is the mean of the same forecast. Means of history and of
textbook methods stand beside it, and other prices of a piece short. Nothing was tuned on these months for
this; ``intermittent`` had been built and measured on them before.

Routing: one thread, seed 1, ``SECONDS`` of CPU time for each instance, gap to the best known solution.

Data: ``$FORESEAL_SHARED/data/supply``.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench import parts
from foreseal.collect import cbv, epcis
from foreseal.decide import routes
from foreseal.predict.counts import quantiles as of_counts
from foreseal.predict.intermittent import Demand

OVER, UNDER = 1.0, (9.0, 4.0, 19.0, 49.0)  # the first is the one stated
OURS = "quantile of our forecast"
SECONDS = float(os.environ.get("FORESEAL_ROUTE_SECONDS", "30"))
SEED = 1


def run(seconds: float = SECONDS) -> dict[str, Any]:
    """Everything; ``seconds`` of search for each of ten instances."""
    folder = Path(os.environ.get("FORESEAL_SHARED", "../shared")) / "data" / "supply"
    return {
        "parts": parts.compare(folder),
        "orders": orders(folder),
        "routes": route(folder / "vrp", seconds),
        "epcis": events(folder / "epcis"),
    }


def orders(folder: Path) -> dict[str, Any]:
    """Mean cost per part and month of levels from quantiles and from points, at several prices."""
    y = pl.read_parquet(folder / "carparts.parquet").to_numpy().T.astype(np.float64)
    y = y[np.isfinite(y).all(axis=1)]
    ratios = np.array([under / (OVER + under) for under in UNDER])
    cost: dict[str, Any] = {}
    for month in range(y.shape[1] - parts.MONTHS, y.shape[1]):
        known, came = y[:, :month], y[:, month]
        demand = Demand.of(known)
        chance = demand.chances(demand.best(1), 1)
        mean = (chance * np.arange(chance.shape[1])).sum(axis=1) * demand.unit
        recent = np.quantile(known[:, -24:], ratios, axis=1, method="inverted_cdf").T
        points = {
            "mean of our forecast": mean,
            "mean of our forecast, nearest piece": np.rint(mean),
            "mean of our forecast, next piece": np.ceil(mean - 1e-9),
            "median of our forecast": of_counts(chance, np.array([0.5]))[:, 0] * demand.unit,
            "mean of all months": known.mean(axis=1),
            "Croston-SBA": parts.croston_sba(known, 0.1),
            "TSB": parts.tsb(known, 0.1, 0.1),
            "nothing": np.zeros(len(known)),
        }
        stocks = {
            OURS: of_counts(chance, ratios) * demand.unit[:, None],
            "quantile of the last 24 months": recent,
            **{name: np.repeat(stock[:, None], len(UNDER), axis=1) for name, stock in points.items()},
        }
        for name, stock in stocks.items():
            left = stock - came[:, None]
            each = np.maximum(left, 0.0) * OVER + np.maximum(-left, 0.0) * np.array(UNDER)
            cost[name] = cost.get(name, 0.0) + each.mean(axis=0) / parts.MONTHS
    rows = [
        {"stock": name, "cost": each.tolist(), "quantiles_save": (1 - cost[OURS] / each).tolist()}
        for name, each in cost.items()
    ]
    return {"over": OVER, "under": list(UNDER), "rows": rows}


class Cpu:
    """Says stop after so many seconds of this process's CPU time, whatever else the machine does."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.end = seconds, time.process_time() + seconds

    def __call__(self, best_cost: float) -> bool:
        return time.process_time() >= self.end

    def fraction_remaining(self) -> float | None:
        """How PyVRP follows progress."""
        return max(self.end - time.process_time(), 0.0) / self.seconds


def route(folder: Path, seconds: float) -> dict[str, Any]:
    """Gap to the best known solution of each instance, ours and the nearest-client rule."""
    import vrplib

    rows = []
    for path in sorted(folder.glob("X-*.vrp")):
        instance = vrplib.read_instance(path, compute_edge_weights=False)
        best = vrplib.read_solution(path.with_suffix(".sol"))
        distances = routes.euclidean([(float(x), float(y)) for x, y in instance["node_coord"]])
        loads = [int(load) for load in instance["demand"][1:]]
        known = tuple(tuple(client - 1 for client in tour) for tour in best["routes"])
        assert routes.length(known, distances) == best["cost"], "distances are not those of the best known"
        start = time.process_time()
        tours = routes.best_tours(
            distances, loads, int(instance["capacity"]), len(loads), stop=Cpu(seconds), seed=SEED
        )
        assert sorted(c for tour in tours for c in tour) == list(range(len(loads)))
        assert max(sum(loads[c] for c in tour) for tour in tours) <= instance["capacity"]
        simple = routes.nearest_tours(distances, loads, int(instance["capacity"]), len(loads))
        rows.append(
            {
                "instance": path.stem,
                "best_known": int(best["cost"]),
                "cost": routes.length(tours, distances),
                "gap": routes.length(tours, distances) / best["cost"] - 1,
                "nearest": routes.length(simple, distances) / best["cost"] - 1,
                "cpu_seconds": round(time.process_time() - start, 1),
            }
        )
    return {
        "seconds": seconds,
        "median_gap": statistics.median(row["gap"] for row in rows),
        "median_nearest": statistics.median(row["nearest"] for row in rows),
        "rows": rows,
    }


def events(folder: Path) -> dict[str, Any]:
    """Official JSON-LD examples: how many events keep the rules, have the reference generator's hash; and on
    how many spoilt copies of them our verdict is that of the official JSON schema."""
    import jsonschema
    from epcis_event_hash_generator import events_from_file_reader as reader
    from epcis_event_hash_generator import hash_generator, json_to_py

    formats = jsonschema.FormatChecker(formats=())
    formats.checks("uri")(lambda v: not isinstance(v, str) or bool(epcis._URI.fullmatch(v)))
    formats.checks("date-time", raises=ValueError)(
        lambda v: not isinstance(v, str) or datetime.fromisoformat(v).tzinfo is not None
    )
    schema = json.loads((folder / "EPCIS-JSON-Schema.json").read_text())
    official = jsonschema.Draft7Validator(schema, format_checker=formats)
    count: Counter[str] = Counter()
    no_reference = []
    for path in sorted((folder / "JSON").rglob("*.jsonld")):
        count["documents"] += 1
        document = epcis.read_document(path.read_bytes(), path.name)
        names = [cbv.event_hash(event, document.context) for event in document.events]
        json_to_py._namespaces.clear()  # it keeps those of the document before
        try:
            reference = hash_generator.epcis_hashes_from_events(
                reader.event_list_from_file(str(path), "JSON")
            )
        except Exception as error:  # noqa: BLE001  whatever stops it, it gives no hash
            no_reference.append(f"{path.name}: {type(error).__name__}")
            reference = []
        for event, name, theirs in zip(document.events, names, reference or names, strict=True):
            count["events"] += 1
            count["valid"] += epcis.problem(event) == ("", "")
            count["with_reference"] += bool(reference)
            count["same_hash"] += bool(reference) and name == theirs
            for spoilt in _spoilt({"@context": document.context, **event}):
                count["spoilt"] += 1
                count["same_verdict"] += (epcis.problem(spoilt) == ("", "")) == official.is_valid(spoilt)
    return {**count, "no_reference": no_reference}


def _spoilt(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Copies with one member each removed, or replaced by something of another kind."""
    made = []
    for path in _paths(event):
        for value in (None, 7, "bogus", [], {}):
            copied = copy.deepcopy(event)
            inside: Any = copied
            for step in path[:-1]:
                inside = inside[step]
            if value is None:
                del inside[path[-1]]
            else:
                inside[path[-1]] = value
            made.append(copied)
    return made


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for step, each in inner:
        if step != "@context":
            found += _paths(each, (*path, step))
    return found


def table(found: dict[str, Any]) -> str:
    lines = [parts.table(found["parts"]), ""]
    lines.append(f"Cost per part and month, {OVER:g} per piece left; per piece short:")
    lines.append(f"{'':36}" + "".join(f"{under:>8g}{'saved':>7}" for under in UNDER))
    for row in found["orders"]["rows"]:
        cells = zip(row["cost"], row["quantiles_save"], strict=True)
        lines.append(f"{row['stock']:36}" + "".join(f"{cost:8.3f}{saved:7.1%}" for cost, saved in cells))
    part = found["routes"]
    lines += ["", f"{'instance':14}{'best known':>11}{'gap':>8}{'nearest':>9}{'CPU s':>8}"]
    for row in part["rows"]:
        lines.append(
            f"{row['instance']:14}{row['best_known']:11}{row['gap']:8.2%}{row['nearest']:9.1%}"
            f"{row['cpu_seconds']:8.1f}"
        )
    lines.append(
        f"median gap {part['median_gap']:.2%} after {part['seconds']:g} s each; "
        f"nearest client {part['median_nearest']:.1%}"
    )
    e = found["epcis"]
    lines += [
        "",
        f"{e['events']} events of {e['documents']} official documents: {e['valid']} keep the rules; "
        f"{e['same_hash']} of {e['with_reference']} with a hash by the reference generator have the same",
        f"no reference hash: {'; '.join(e['no_reference'])}",
        f"{e['same_verdict']} of {e['spoilt']} spoilt copies: our verdict is that of the official schema",
    ]
    return "\n".join(lines)
