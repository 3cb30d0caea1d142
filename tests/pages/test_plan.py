"""The latest action of a decision, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from foreseal.pages.exhibits import MAX_COLUMNS, plan_table
from foreseal.pages.report import DecisionReport
from foreseal.pages.words import Words
from foreseal.records import Setting

AT = datetime(2026, 1, 5, tzinfo=UTC)


def report(plan: tuple[Setting, ...]) -> DecisionReport:
    return DecisionReport("d", "t", "p", "{EUR}", "modelled", pl.DataFrame(), plan=plan)


def test_what_is_set_at_several_times_has_a_row_per_time() -> None:
    plan = tuple(
        Setting(key, float(hour), "s", AT + timedelta(hours=hour))
        for hour in (0, 1)
        for key in ("cycle", "green")
    )
    header, rows = plan_table(report(plan), "UTC", Words("en"))
    assert header == ("cycle (s)", "green (s)")
    assert [row[1:] for row in rows] == [["0", "0"], ["1", "1"]]


@pytest.mark.parametrize(("lang", "head"), [("en", ("setting", "value")), ("zh", ("设定", "数值"))])
def test_much_that_is_set_at_once_has_a_row_per_thing(lang: str, head: tuple[str, str]) -> None:
    plan = tuple(Setting(f"belt@{k}", float(k), "{piece}", AT) for k in range(MAX_COLUMNS))
    plan += (Setting("tour 1", "north > south", "", AT),)
    header, rows = plan_table(report(plan), "UTC", Words(lang))
    assert header == head
    assert len(rows) == MAX_COLUMNS + 1
    assert rows[-1][1:] == ["tour 1", "north > south"]
    assert rows[3][1:] == ["belt@3 (piece)", "3"]
