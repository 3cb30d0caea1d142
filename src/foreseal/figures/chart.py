"""Maps: places, and lines between them, such as tours and who is served where. Distances are to scale."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from foreseal.figures.style import BLUE, FONT, INK, SERIES, Say, add_legend, english, new_figure
from foreseal.pictures import Chart

if TYPE_CHECKING:
    import bokeh.plotting

EARTH = 6371.0
TALL = 520
SMALLEST, LARGEST = 6.0, 26.0
GROUPED = 5
"""More groups than these share colours, and are not in the legend."""


def chart_table(chart: Chart) -> pl.DataFrame:
    """``group, stop, name, km, amount``: the places of each line in order, with the way to them along it.

    Lines start at a site, which is not repeated; a site without lines is a row of its own at 0 km.
    """
    at = {name: (x, y) for name, x, y in chart.places.select("name", "x", "y").iter_rows()}
    amounts = dict(chart.places.select("name", "amount").iter_rows())
    rows = []
    for group, names in chart.lines:
        km = 0.0
        for stop, (a, b) in enumerate(pairwise(names), 1):
            km += _km(at[a], at[b], geographic=chart.geographic)
            rows.append((group, stop, b, km, amounts[b]))
    for name, group in chart.places.filter(kind="site").select("name", "group").iter_rows():
        if group:
            rows.append((group, 0, name, 0.0, amounts[name]))
    schema = {"group": pl.String, "stop": pl.Int64, "name": pl.String, "km": pl.Float64, "amount": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.sort("group", "stop", "km") if chart.geographic else frame


def _km(a: tuple[float, float], b: tuple[float, float], *, geographic: bool) -> float:
    """Straight on a plane in km, or along the great circle between longitudes and latitudes."""
    if not geographic:
        return float(np.hypot(a[0] - b[0], a[1] - b[1]))
    (lon, lat), (lon2, lat2) = np.radians(a), np.radians(b)
    half = np.sin((lat - lat2) / 2) ** 2 + np.cos(lat) * np.cos(lat2) * np.sin((lon - lon2) / 2) ** 2
    return float(2 * EARTH * np.arcsin(np.sqrt(min(half, 1.0))))


def _plane(chart: Chart) -> dict[str, tuple[float, float]]:
    """Coordinates in km, geographic ones from the centre of the places (equirectangular)."""
    x, y = chart.places["x"].to_numpy().astype(float), chart.places["y"].to_numpy().astype(float)
    if chart.geographic:
        middle = (y.min() + y.max()) / 2
        degree = np.pi / 180 * EARTH
        x, y = (x - (x.min() + x.max()) / 2) * degree * np.cos(np.radians(middle)), (y - middle) * degree
    return dict(zip(chart.places["name"].to_list(), zip(x.tolist(), y.tolist(), strict=True), strict=True))


def chart_figure(chart: Chart, *, say: Say = english) -> bokeh.plotting.figure:
    """Draw the map: squares are sites, circles places with an area in proportion to the amount."""
    from bokeh.core.properties import value
    from bokeh.models import ColumnDataSource, HoverTool

    fig = new_figure(
        x_label=say("km to the east") if chart.geographic else "km",
        y_label=say("km to the north") if chart.geographic else "km",
        height=TALL,
    )
    fig.match_aspect = True
    at = _plane(chart)
    groups = sorted({group for group, _ in chart.lines} | set(chart.places["group"]) - {""})
    looks = [(BLUE, "solid"), *((colour, dash) for colour, dash, _ in SERIES)]
    look = {group: looks[k % len(looks)] for k, group in enumerate(groups)}
    drawn: dict[str, list[Any]] = {group: [] for group in groups}
    for group, names in chart.lines:
        colour, dash = look[group]
        x, y = zip(*(at[name] for name in names), strict=True)
        drawn[group].append(fig.line(x, y, color=colour, line_dash=dash, line_width=2, alpha=0.8))
    most = float(chart.places["amount"].max() or 1.0)  # type: ignore[arg-type]
    for kind, marker in (("place", "circle"), ("site", "square")):
        own = chart.places.filter(kind=kind)
        share = own["amount"].fill_null(0.0).to_numpy() / most
        source = ColumnDataSource(
            {
                "x": [at[name][0] for name in own["name"]],
                "y": [at[name][1] for name in own["name"]],
                "name": own["name"].to_list(),
                "group": own["group"].to_list(),
                "amount": own["amount"].to_list(),
                "size": np.maximum(LARGEST * np.sqrt(share), SMALLEST if kind == "place" else 12.0),
                "colour": [look[group][0] if group else INK for group in own["group"]],
            }
        )
        dots = fig.scatter(
            "x", "y", source=source, size="size", color="colour", marker=marker, fill_alpha=0.5, line_width=2
        )
        for group in own["group"]:
            if group and not drawn[group]:
                drawn[group].append(dots)
        tips = [("", "@name"), (say("group"), "@group"), (say("amount"), "@amount{0,0}")]
        fig.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    labels = list(at)
    fig.text(
        [at[name][0] for name in labels],
        [at[name][1] for name in labels],
        text=labels,
        x_offset=9,
        y_offset=-5,
        text_color=INK,
        text_font=value(FONT),
        text_font_size="11px",
    )
    if len(groups) <= GROUPED:
        add_legend(fig, list(drawn.items()))
    return fig
