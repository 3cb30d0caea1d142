"""How weights do on the development panel, forecast by the package's own code: the figures of the model card.

The panel is what mix and design may be tuned on, and nothing else. Never trained on; of M4 Hourly and M1 the
last horizon of the training part is held out, and the official test parts are not opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.panels import Panel
from bench.pretrained import geometric, ratios
from bench.tasks import Score, scores
from foreseal.predict.closed_form import ClosedForm
from foreseal.predict.engine import member_name
from foreseal.predict.pretrained import Pretrained


def report(panels: Iterable[Panel], weights: str | None = None, *, told: bool = False) -> dict[str, Any]:
    """Ratios to the point seasonal naive by panel, their geometric means, and pooled shares of outcomes under
    quantiles, for the network with these weights (None: the package's) and for the untrained stage.

    Seasons are found by the models themselves unless ``told``.
    """
    table: dict[str, dict[str, Score]] = {}
    rows = {}
    for panel in panels:
        seasons = panel.seasons if told else None
        models = {"pretrained": Pretrained(seasons, weights), "closed_form": ClosedForm(seasons)}
        found = scores(panel, list(models.values()))
        named = {name: found[member_name(model)] for name, model in models.items()}
        table[panel.name] = found | named
        ours = named["pretrained"]
        rows[panel.name] = {
            "mase": round(ours.mase, 4),
            "wql": round(ours.wql, 5),
            "ratios": [round(ratio, 4) for ratio in ratios(table[panel.name], "pretrained")],
            "closed_form": [round(ratio, 4) for ratio in ratios(table[panel.name], "closed_form")],
            "under": [round(share, 3) for share in ours.under],
            "outcomes": ours.outcomes,
        }
    every = [found["pretrained"] for found in table.values()]
    under = np.average([each.under for each in every], axis=0, weights=[each.outcomes for each in every])
    mase, wql = geometric(table, "pretrained")
    return {
        "mase": round(mase, 4),
        "wql": round(wql, 4),
        "closed_form": [round(ratio, 4) for ratio in geometric(table, "closed_form")],
        "under": [round(float(share), 4) for share in under],
        "panels": rows,
    }
