"""foreseal.toml is read strictly, and a mistake is named where it stands."""

from __future__ import annotations

import itertools
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foreseal import settings
from foreseal.apps import find
from foreseal.errors import SettingsError

SEAL = '[seal]\norigin = "test/log"\n'
TRAFFIC = find("traffic").toml("i94", SEAL)


def parse(text: str) -> settings.Settings:
    return settings.parse(tomllib.loads(text), Path("foreseal.toml"))


def test_the_traffic_declaration_is_read_whole() -> None:
    found = parse(TRAFFIC)
    target = found.targets["volume_24h"]
    assert found.project.timezone == "America/Chicago"
    assert found.datasets["volume"].known_at == settings.KnownAt("delay", delay=timedelta(hours=1))
    assert found.datasets["volume"].options == {
        "path": "data/i94.csv.gz",
        "id": "'i94'",
        "ds": "date_time",
        "y": "traffic_volume",
        "ambiguous": "earliest",
    }
    assert target.quantiles[0] == 0.05
    assert target.outcome.deadline == timedelta(days=2)
    assert found.decisions["signal_plan"].target == "volume_24h"


def test_every_declared_day_is_a_cutoff_at_local_midnight() -> None:
    found = parse(TRAFFIC).targets["volume_24h"].cutoffs.instants("America/Chicago")
    assert len(found) == 60
    assert found[0] == datetime(2018, 8, 1, 5, tzinfo=UTC)
    assert found[-1] == datetime(2018, 9, 29, 5, tzinfo=UTC)


def test_daily_cutoffs_keep_the_local_hour_across_a_clock_change() -> None:
    text = TRAFFIC.replace("start = 2018-08-01, end = 2018-09-29", "start = 2018-11-03, end = 2018-11-05")
    found = parse(text).targets["volume_24h"].cutoffs.instants("America/Chicago")
    assert [instant.hour for instant in found] == [5, 5, 6]


def test_hourly_cutoffs_are_an_hour_apart_across_a_clock_change() -> None:
    text = TRAFFIC.replace(
        'start = 2018-08-01, end = 2018-09-29, every = "1d"',
        'start = 2018-11-04, end = 2018-11-04, every = "1h"',
    )
    found = parse(text).targets["volume_24h"].cutoffs.instants("America/Chicago")
    assert len(found) == 25
    assert {b - a for a, b in itertools.pairwise(found)} == {timedelta(hours=1)}


@pytest.mark.parametrize("days", [["wed"], ["mon", "tue", "wed", "thu", "fri"], ["sun", "mon"]])
def test_weekdays_and_holidays_leave_the_days_that_numpy_calls_business_days(days: list[str]) -> None:
    holidays = ["2018-09-03", "2018-09-05", "2018-08-12"]
    text = TRAFFIC.replace(
        'every = "1d", at = "00:00"',
        f'every = "1d", at = "20:00", weekdays = {days}, holidays = [{", ".join(holidays)}]',
    )
    found = parse(text).targets["volume_24h"].cutoffs.instants("America/Chicago")
    every = np.arange("2018-08-01", "2018-09-30", dtype="datetime64[D]")
    mask = " ".join(day.title() for day in days)
    expected = every[np.is_busday(every, weekmask=mask, holidays=holidays)]
    local = [each.astimezone(ZoneInfo("America/Chicago")) for each in found]
    assert [str(each.date()) for each in local] == [str(each) for each in expected]
    assert {each.hour for each in local} == {20}, "it is the local day that counts: in UTC it is the next"


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ('weekdays = ["Wed"]', "no list of mon, tue"),
        ('weekdays = "wed"', "no list of mon, tue"),
        ('weekdays = ["wed", "wed"]', "each at most once"),
        ("weekdays = []", "no list of mon, tue"),
        ('holidays = ["2018-08-01"]', "is not a date"),
        ('start = 2018-08-01, every = "7d", weekdays = ["thu"]', "has no cutoff"),
    ],
)
def test_weekdays_that_are_none_or_leave_nothing_are_refused(days: str, message: str) -> None:
    text = TRAFFIC.replace('every = "1d", at = "00:00"', f'at = "00:00", {days}')
    if "start" in days:
        text = text.replace("cutoffs = { start = 2018-08-01, ", "cutoffs = { ")
    with pytest.raises(SettingsError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("horizon = 24", "horizont = 24", "unknown key 'horizont'", "'horizon'"),
        ('mode = "replay"', 'mod = "replay"', "unknown key 'mod'", "'mode'"),
        ('mode = "replay"', 'mode = "reply"', "mode in [clock] is 'reply'", "'replay'"),
        ('rule = "wis"', 'rule = "mse"', "not a scoring rule", ""),
        ('freq = "1h"', 'freq = "1 hour"', "not a frequency", "'1h'"),
        ('deadline = "1h" ', "deadline = 1 ", "not a duration", ""),
        ('timezone = "America/Chicago"', 'timezone = "Chicago"', "not a time zone", ""),
        ('dataset = "volume"', 'dataset = "volumes"', "does not exist", "'volume'"),
        ('from = "volume_24h"', 'from = "volume_12h"', "does not exist", "'volume_24h'"),
        ('from = "volume_24h"', "", "has no 'from'", ""),
        ("quantiles = [0.05", "quantiles = [0.95", "must lie in (0, 1) and ascend", ""),
        ("decimals = 1", "decimals = true", "which is not a whole number", "such as 24"),
        ("end = 2018-09-29", "end = 2018-07-29", "lies before start", ""),
        ('known_at = { delay = "1h" } ', 'known_at = "delay" ', 'write "load"', ""),
        ('forecasters = ["us"]', 'forecasters = ["baseline"]', "names one forecaster", ""),
        (
            'title = "Hourly traffic',
            'title = "\\nHourly traffic',
            "is not a line of up to 400 characters",
            "",
        ),
        ('source = "csv"', 'source = "csv"\ncalled = "I-94"', "write a table of series", ""),
        ('source = "csv"', 'source = "csv"\ncalled = { i94 = "" }', "write a table of series", ""),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, message: str, hint: str) -> None:
    assert old in TRAFFIC
    with pytest.raises(SettingsError) as caught:
        parse(TRAFFIC.replace(old, new, 1))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_missing_file_tells_how_to_make_a_project(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path)
    assert "foreseal init" in caught.value.hint


def test_broken_toml_and_broken_utf8_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "foreseal.toml"
    file.write_text("[project\n")
    with pytest.raises(SettingsError, match="line 1"):
        settings.load(tmp_path)
    file.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        settings.load(tmp_path)


def test_commitments_that_stay_closed_cost_the_bound() -> None:
    diagnosis = find("diagnosis").toml("clinic", SEAL)
    target = parse(diagnosis).targets["malignant"]
    assert (target.commit, target.missing) == (True, "bound")
    with pytest.raises(SettingsError, match='commit = true needs missing = "bound"'):
        parse(diagnosis.replace('missing = "bound"', 'missing = "baseline"'))
    assert parse(diagnosis.replace('missing = "bound"', "").replace("commit = true", "")).targets


@pytest.mark.parametrize(
    ("deadline", "mode", "refused"),
    [("24h", "live", ""), ("25h", "live", "2018-08-02T05"), ("25h", "replay", "")],
)
def test_threat_05_a_live_forecast_is_due_before_the_end_of_its_horizon(
    deadline: str, mode: str, refused: str
) -> None:
    text = TRAFFIC.replace('mode = "replay"', f'mode = "{mode}"').replace(
        'deadline = "1h"', f'deadline = "{deadline}"', 1
    )
    if not refused:
        assert parse(text).targets["volume_24h"].deadline == timedelta(hours=int(deadline[:-1]))
        return
    with pytest.raises(SettingsError, match="a deadline after the end of its horizon") as caught:
        parse(text)
    assert f"The deadline may lie at {refused}" in caught.value.hint


def test_live_cases_are_due_before_they_settle() -> None:
    text = find("diagnosis").toml("clinic", SEAL).replace('mode = "replay"', 'mode = "live"')
    assert parse(text.replace('deadline = "1d"', 'deadline = "14d"', 1))
    with pytest.raises(SettingsError, match="a deadline after the end of its horizon"):
        parse(text.replace('deadline = "1d"', 'deadline = "15d"', 1))
