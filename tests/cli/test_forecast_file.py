"""A file of a newcomer is read as it was meant, or refused with its column, value and row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from projects import make_project

from foreseal.cli import main


class Run:
    """``foreseal forecast FILE`` in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = folder / "sales.csv"
        self.capsys = capsys

    def __call__(self, text: str, *args: object) -> tuple[int, str, str]:
        self.file.write_text(text, "utf-8")
        with pytest.raises(SystemExit) as stop:
            main(["forecast", str(self.file), "-h", "2", "--model", "seasonal_naive(1)", *map(str, args)])
        out, err = self.capsys.readouterr()
        return int(stop.value.code or 0), out, err

    def days(self, text: str, *args: object) -> list[str]:
        """The days that were forecast."""
        code, out, err = self(text, *args, "--json")
        assert code == 0, err
        return [
            next(row[each] for each in ("ds", "day, local") if each in row)[:10]
            for row in json.loads(out)["rows"]
        ]

    def refused(self, text: str, *args: object) -> str:
        """What an error of exit code 2 says."""
        code, out, err = self(text, *args)
        assert (code, out) == (2, "")
        return err


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, capsys)


def csv(times: list[str], separator: str = ",", values: list[str] | None = None) -> str:
    rows = zip(times, values or [str(10 + k % 3) for k in range(len(times))], strict=True)
    return "\n".join([f"ds{separator}y", *(separator.join(row) for row in rows)]) + "\n"


US_MONTHS = [f"{month:02}/01/{year}" for year in (2019, 2020, 2021) for month in range(1, 13)][:28]
ISO_DAYS = [f"2024-01-{day:02}" for day in range(1, 21)]


@pytest.mark.parametrize("separator", "/.-")
def test_dates_of_two_readings_are_refused_with_column_value_and_hint(run: Run, separator: str) -> None:
    err = run.refused(csv([each.replace("/", separator) for each in US_MONTHS]))
    assert "Column 'ds' holds '02/01/2019'".replace("/", separator) in err
    assert "2019-02-01" in err
    assert "2019-01-02" in err
    assert "--date-format" in err


def test_a_date_format_says_which_reading_is_meant(run: Run) -> None:
    assert run.days(csv(US_MONTHS), "--date-format", "%m/%d/%Y") == ["2021-05-01", "2021-06-01"]
    assert run.days(csv(US_MONTHS), "--date-format", "%d/%m/%Y", "--freq", "1d")[0] == "2021-01-05"
    err = run.refused(csv([*US_MONTHS, "2021-05-01"]), "--date-format", "%m/%d/%Y")
    assert "Column 'ds' holds '2021-05-01' in row 29, not '%m/%d/%Y'" in err


def test_slash_dates_of_one_reading_are_read(run: Run) -> None:
    days = range(1, 21)
    assert run.days(csv([f"01/{day:02}/2019" for day in days])) == ["2019-01-21", "2019-01-22"]
    assert run.days(csv([f"{day}.1.2019" for day in days])) == ["2019-01-21", "2019-01-22"]
    assert run.days(csv([f"1/{day}/2019 06:30" for day in days])) == ["2019-01-21", "2019-01-22"]


def test_slash_dates_that_no_one_order_reads_are_refused(run: Run) -> None:
    err = run.refused(csv(["01/13/2019", "14/01/2019", "01/15/2019"]))
    assert "'01/13/2019'" in err
    assert "'14/01/2019'" in err


def test_a_year_of_two_digits_is_refused(run: Run) -> None:
    assert "'01/13/19'" in run.refused(csv([f"01/{day}/19" for day in range(13, 30)]))


def test_a_column_of_years_and_one_of_months_are_read(run: Run) -> None:
    assert run.days(csv([str(year) for year in range(2001, 2021)])) == ["2021-01-01", "2022-01-01"]
    months = [f"{year}-{month:02}" for year in (2019, 2020) for month in range(1, 13)]
    assert run.days(csv(months)) == ["2021-01-01", "2021-02-01"]


@pytest.mark.parametrize("bad", ["n/a", "12,5 EUR"])
def test_a_value_that_is_no_number_is_named_with_its_row(run: Run, bad: str) -> None:
    values = ["1"] * 20
    values[6] = f'"{bad}"'
    assert f"Column 'y' holds '{bad}' in row 7, not a number" in run.refused(csv(ISO_DAYS, values=values))


def test_a_time_that_is_none_is_named_with_its_row(run: Run) -> None:
    assert "Column 'ds' holds 'soon' in row 21, not a date" in run.refused(csv([*ISO_DAYS, "soon"]))


def test_a_semicolon_file_is_read_with_its_decimal_commas(run: Run) -> None:
    code, out, err = run(csv(ISO_DAYS, ";", ["12,5"] * 20), "--json")
    assert code == 0, err
    assert json.loads(out)["rows"][0]["q0.5"] == pytest.approx(12.5)
    assert "'1,234'" in run.refused(csv(ISO_DAYS, ";", ["1,234"] * 20))


def test_a_header_without_rows_and_missing_columns_are_named_in_the_command_s_words(run: Run) -> None:
    assert "no rows" in run.refused("ds,y\n")
    err = run.refused("day,sold\n2024-01-01,3\n")
    assert "no column 'ds', 'y'; it has day, sold." in err
    assert "no column 'y'; it has unique_id, ds." in run.refused("unique_id,ds\na,2024-01-01\n")
    assert "--id, --time and --value" in err
    assert "id_col" not in err


def test_options_of_a_project_are_refused_for_a_file(run: Run) -> None:
    for option in (("--cutoff", "2024-01-05T00:00:00Z"), ("--target", "next_day")):
        err = run.refused(csv(ISO_DAYS), *option)
        assert f"{option[0]} is for a project" in err
        assert "a file is forecast from its end" in err


def test_an_output_of_another_kind_or_in_no_folder_is_refused(run: Run, tmp_path: Path) -> None:
    assert ".csv or .parquet" in run.refused(csv(ISO_DAYS), "--out", tmp_path / "o.xlsx")
    assert not (tmp_path / "o.xlsx").exists()
    err = run.refused(csv(ISO_DAYS), "--out", tmp_path / "nope" / "o.csv")
    assert f"There is no folder {tmp_path / 'nope'}" in err
    assert "acknowledged" not in err
    for name, read in (("o.csv", pl.read_csv), ("o.CSV", pl.read_csv), ("o.parquet", pl.read_parquet)):
        reader: Any = read
        assert run(csv(ISO_DAYS), "--out", tmp_path / name)[0] == 0
        assert reader(tmp_path / name).height == 2


def test_a_project_s_forecast_is_printed_in_its_zone_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_project(tmp_path / "p").folder
    toml = folder / "foreseal.toml"
    text = toml.read_text("utf-8")
    assert 'timezone = "UTC"' in text or "timezone" not in text
    text = text.replace('timezone = "UTC"\n', "")
    toml.write_text(text.replace("[project]\n", '[project]\ntimezone = "America/Chicago"\n', 1), "utf-8")
    shown = []
    for args in (["collect"], ["forecast", "--cutoff", "2024-02-02T06:00:00Z"]):
        with pytest.raises(SystemExit):
            main([*args, "-C", str(folder)])
        shown.append(capsys.readouterr())
    assert "America/Chicago" in shown[1].out, shown[1].err
    assert "2024-02-02 00:00 CST" in shown[1].out
    assert "2024-02-02 06:00" not in shown[1].out


def test_options_of_a_file_are_refused_for_a_project(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_project(tmp_path / "p").folder
    for option in (("-h", "3"), ("--preset", "fast"), ("--value", "z"), ("--date-format", "%Y")):
        with pytest.raises(SystemExit) as stop:
            main(["forecast", "-C", str(folder), *option])
        assert stop.value.code == 2
        name = {"-h": "--horizon"}.get(option[0], option[0])
        assert f"{name} is for a FILE" in capsys.readouterr().err


def test_a_quoted_comma_in_the_header_parts_nothing_and_a_file_that_is_no_text_is_told_what_to_do(
    run: Run,
) -> None:
    text = csv(ISO_DAYS, ";").replace("ds;y", '"ds";"y"').replace('"ds"', '"day, local"')
    assert run.days(text, "--time", "day, local", "--value", "y") == ["2024-01-21", "2024-01-22"]
    run.file.with_suffix(".xlsx").write_bytes(b"PK\x03\x04" + bytes(range(256)) * 4)
    with pytest.raises(SystemExit):
        main(["forecast", str(run.file.with_suffix(".xlsx")), "-h", "2"])
    assert "Save it as CSV in UTF-8" in run.capsys.readouterr().err
