"""``foreseal.plot``: look at a forecast in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from foreseal.errors import UsageError
from foreseal.figures.fan import fan_figure, fan_table
from foreseal.figures.style import INK
from foreseal.records import Forecast

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM

MAX_SERIES = 6
HISTORY = 4


class Forecasted(Protocol):
    """What ``foreseal.forecast`` returns, as far as a figure needs it."""

    @property
    def frame(self) -> Any: ...

    @property
    def forecast(self) -> Forecast: ...

    @property
    def history(self) -> pl.DataFrame: ...


def plot(
    result: Forecasted | Forecast,
    *,
    ids: list[str] | None = None,
    outcomes: pl.DataFrame | None = None,
    unit: str = "1",
    timezone: str | None = None,
) -> LayoutDOM:
    """A fan chart for each series, with the history before it: ``bokeh.io.show(foreseal.plot(result))``.

    ``ids`` chooses the series (the first six if left out); ``outcomes`` has ``unique_id, ds, y`` with ``ds``
    in UTC; ``unit`` is a UCUM code. Times are shown in ``timezone``, by default that of the result's own
    frame. Raises `MissingExtra` without Bokeh.
    """
    if not isinstance(result, Forecast) and not hasattr(result, "forecast"):
        raise UsageError(
            f"A {type(result).__name__} is no forecast.", hint="Give what foreseal.forecast(df, h) returned."
        )
    if isinstance(result, Forecast):
        forecast, history, zone = result, None, "UTC"
    else:
        forecast, history, zone = result.forecast, result.history, _zone(result.frame)
    known = forecast.frame["unique_id"].unique(maintain_order=True).to_list()
    seen = pl.DataFrame(schema=forecast.frame.select("unique_id", "ds").schema | {"y": pl.Float64})
    figures: list[Any] = []
    for unique_id in ids or known[:MAX_SERIES]:
        table = fan_table(forecast.frame, seen if outcomes is None else outcomes, unique_id)
        before = None
        if history is not None:
            mine = history.filter(pl.col("unique_id") == unique_id).sort("ds")
            before = mine.tail(max(HISTORY * table.height, 1))
        figure: Any = fan_figure(
            table,
            forecast.quantiles,
            unit=unit,
            timezone=zone if timezone is None else timezone,
            history=before,
        )
        if len(known) > 1:
            figure.title.text = unique_id
            figure.title.text_color = INK
        figures.append(figure)
    from bokeh.layouts import column

    return column(*figures, sizing_mode="stretch_width") if len(figures) > 1 else figures[0]


def _zone(frame: Any) -> str:
    """Time zone of the first time column of a user's frame; empty if its times are naive."""
    import narwhals.stable.v2 as nw

    for kind in nw.from_native(frame).collect_schema().values():
        if isinstance(kind, nw.Datetime):
            return kind.time_zone or ""
    return ""
