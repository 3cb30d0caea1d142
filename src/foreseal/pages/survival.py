"""What the report shows of survival curves, beside the reliability of their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from foreseal.figures.survival import survival_figure, survival_table
from foreseal.pages.numbers import number, percent

if TYPE_CHECKING:
    from foreseal.pages.exhibits import Exhibit, Studio
    from foreseal.pages.report import TargetReport

_KEY = r"^(.*) (\d+)$"


def survival_exhibits(studio: Studio, report: TargetReport, key: str) -> list[Exhibit]:
    """Curves by group of risk, beside the life table of what happened."""
    words = studio.words
    table = survival_table(_steps(report.forecasts), _steps(report.outcomes), report.target.times[0])
    shown = {"1": words("lowest risk"), "2": words("middle risk"), "3": words("highest risk")}
    return [
        studio.exhibit(
            key=f"{key}-survival",
            title=words("Survival by group of risk"),
            caption=words(
                "Cases in three groups of equal size by their forecast: mean forecast curves as lines, as "
                "points the life table of what happened with 95 % limits. Cases lost to follow-up count as "
                "long as they were watched."
            ),
            table=table,
            columns={
                "group": (words("group"), lambda group: shown[str(group)]),
                "days": (words("days from the start"), lambda value: number(value, 0)),
                "predicted": (words("predicted share"), percent),
                "observed": (words("observed share"), percent),
                "low": (words("95 % interval, from"), percent),
                "high": (words("95 % interval, to"), percent),
                "n": (words("cases watched"), lambda value: number(value, 0)),
            },
            figure=lambda: survival_figure(table, say=words),
        )
    ]


def _steps(frame: pl.DataFrame) -> pl.DataFrame:
    parts = pl.col("case_id").str.extract_groups(_KEY)
    return frame.with_columns(
        parts.struct.field("1").alias("case_id"), parts.struct.field("2").cast(pl.Int64).alias("step")
    )
