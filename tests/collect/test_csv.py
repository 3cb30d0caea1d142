"""Bad files are explained, bad rows are listed with their line and column, and the others are kept."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from foreseal.collect import Context
from foreseal.collect.csv import CsvSource
from foreseal.collect.parquet import ParquetSource
from foreseal.errors import DataError
from foreseal.settings import KnownAt

LOAD = KnownAt()


def read(folder, text, *, known_at=LOAD, timezone="UTC", file="x.csv", **options):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / file).write_bytes(data)
    options = {"ds": "t", "y": "v", **options} if "case_id" not in options else options
    return list(CsvSource(path=file, **options).read(Context(folder, timezone, known_at)))


def refused(batch):
    return [(item.row, item.column, item.value) for item in batch.rejected]


def test_a_plain_file_gives_one_row_per_line_numbered_by_line(tmp_path):
    (batch,) = read(tmp_path, "t,v\n2024-01-01 00:00,1\n2024-01-01 01:00,2.5\n", id="'main'")
    assert batch.rows.select("unique_id", "ds", "y", "row").rows() == [
        ("main", datetime(2024, 1, 1, 0, tzinfo=UTC), 1.0, 2),
        ("main", datetime(2024, 1, 1, 1, tzinfo=UTC), 2.5, 3),
    ]
    assert batch.rejected == ()


def test_bad_cells_are_listed_by_line_and_column_and_good_rows_kept(tmp_path):
    lines = ["t,v", "2024-01-01,1", "yesterday,2", "2024-01-03,many", "2024-01-04,", "2024-01-05,NaN"]
    lines += ["2024-01-06,inf", ",7", "2024-02-30,8", "2024-01-09,9"]
    (batch,) = read(tmp_path, "\n".join(lines))
    assert batch.rows["y"].to_list() == [1.0, 9.0]
    assert [(item.row, item.column, item.value, item.reason) for item in batch.rejected] == [
        (3, "t", "yesterday", "not a time"),
        (4, "v", "many", "not a number"),
        (5, "v", "", "missing value"),
        (6, "v", "NaN", "missing value"),
        (7, "v", "inf", "infinite"),
        (8, "t", "", "missing"),
        (9, "t", "2024-02-30", "not a time"),
    ]


def test_stamps_may_carry_a_zone_and_several_forms_may_be_mixed(tmp_path):
    stamps = ["2024-07-01T12:00:00Z", "2024-07-01 14:00:00+02:00", "2024-07-01T07:00-0500"]
    stamps += ["2024/07/01 14:00", "2024-07-01T14:00:00.000000"]
    rows = "\n".join(f"{stamp},{k}" for k, stamp in enumerate(stamps))
    (batch,) = read(tmp_path, f"t,v\n{rows}", timezone="Europe/Vienna")
    assert batch.rejected == ()
    assert batch.rows["ds"].unique().to_list() == [datetime(2024, 7, 1, 12, tzinfo=UTC)]


def test_other_forms_of_time_are_read_with_a_pattern(tmp_path):
    (batch,) = read(tmp_path, "t,v\n31.12.2023 23:00,1", ds_format="%d.%m.%Y %H:%M", timezone="Europe/Vienna")
    assert batch.rows["ds"].item() == datetime(2023, 12, 31, 22, tzinfo=UTC)
    (batch,) = read(tmp_path, "t,v\n31.12.2023 23:00 +0100,1", ds_format="%d.%m.%Y %H:%M %z")
    assert batch.rows["ds"].item() == datetime(2023, 12, 31, 22, tzinfo=UTC)


SPRING = "t,v\n2024-03-31 01:00,1\n2024-03-31 02:30,2\n2024-03-31 03:00,3"
AUTUMN = "t,v\n2024-10-27 01:00,1\n2024-10-27 02:30,2\n2024-10-27 03:00,3"


def test_a_local_time_that_clocks_skipped_is_rejected(tmp_path):
    (batch,) = read(tmp_path, SPRING, timezone="Europe/Vienna")
    assert batch.rows["y"].to_list() == [1, 3]
    assert refused(batch) == [(3, "t", "2024-03-31 02:30")]
    assert "does not exist" in batch.rejected[0].reason


@pytest.mark.parametrize(("ambiguous", "hour"), [("reject", None), ("earliest", 0), ("latest", 1)])
def test_a_local_time_that_happened_twice_is_taken_as_told(tmp_path, ambiguous, hour):
    (batch,) = read(tmp_path, AUTUMN, timezone="Europe/Vienna", ambiguous=ambiguous)
    if hour is None:
        assert refused(batch) == [(3, "t", "2024-10-27 02:30")]
        assert "twice" in batch.rejected[0].reason
    else:
        assert batch.rows["ds"][1] == datetime(2024, 10, 27, hour, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("\ufefft,v\n2024-01-01,1", {}),
        ("t,v\r\n2024-01-01,1\r\n", {}),
        (" t , v \n2024-01-01, 1 ", {}),
        ('"t","v"\n"2024-01-01","1"', {}),
        ("t;v\n2024-01-01;1,0", {"delimiter": ";", "decimal": ","}),
        ("t\tv\n2024-01-01\t1", {"delimiter": "\t"}),
        ("t,v\n2024-01-01,1".encode("utf-16"), {"encoding": "utf-16"}),
        (gzip.compress(b"t,v\n2024-01-01,1", mtime=0), {"file": "x.csv.gz"}),
    ],
    ids=["BOM", "CRLF", "spaces", "quotes", "semicolons", "tabs", "UTF-16", "gzip"],
)
def test_the_same_table_is_read_from_all_its_forms(tmp_path, text, options):
    (batch,) = read(tmp_path, text, **options)
    assert batch.rows.select("ds", "y").rows() == [(datetime(2024, 1, 1, tzinfo=UTC), 1.0)]


@pytest.mark.parametrize(
    ("text", "options", "message", "hint"),
    [
        ("", {}, "is empty", "header"),
        ("t,v\n", {}, "0 rows", "nothing below"),
        ("t,value\n2024-01-01,1", {"y": "valeu"}, "no column 'valeu'", "Did you mean 'value'"),
        ("t,v\n2024-01-01,1", {"id": "road"}, "no column 'road'", "It has: t, v"),
        ("t;v\n2024-01-01;1", {}, "has no ','", 'delimiter = ";"'),
        ("t,v\n2024-01-01,1,9\n", {}, "cannot be read as CSV", "delimiter"),
        ("t,v\n2024-01-01,ä".encode("latin-1"), {}, "not UTF-8: byte 0xe4 in line 2", "cp1252"),
        ("t,v".encode("utf-16"), {}, "UTF-16", "utf-16"),
        (gzip.compress(b"t,v\n2024-01-01,1", mtime=0)[:-9], {}, "damaged", "again"),
        ("t,v\n2024-01-01,1", {"encoding": "klingon"}, "no encoding", "cp1252"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_what_to_do(tmp_path, text, options, message, hint):
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, **options)
    assert message in caught.value.message
    assert "x.csv" in caught.value.message or "encoding" in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_not_there_says_where_paths_start(tmp_path):
    with pytest.raises(DataError, match=r"(?s)no file.*foreseal\.toml"):
        list(CsvSource(path="y.csv", ds="t", y="v").read(Context(tmp_path)))


def test_line_numbers_count_line_breaks_inside_quotes(tmp_path):
    text = 't,note,v\n2024-01-01,"two\nlines",1\n2024-01-02,one,x\n2024-01-03,"a\nb\nc",2\n2024-01-04,d,x\n'
    (batch,) = read(tmp_path, text)
    assert [row for row, _, _ in refused(batch)] == [4, 8]
    assert batch.rows["row"].to_list() == [2, 5]


def test_line_numbers_count_empty_lines(tmp_path):
    (batch,) = read(tmp_path, "t,v\n2024-01-01,1\n\n\n2024-01-02,x\n\n2024-01-03,3\n")
    assert refused(batch) == [(5, "v", "x")]
    assert batch.rows["row"].to_list() == [2, 7]


def test_several_value_columns_are_several_series(tmp_path):
    text = "t,place,temp,rain\n2024-01-01,A,1,0\n2024-01-01,B,2,\n"
    (batch,) = read(tmp_path, text, y=("temp", "rain"), id="place")
    found = {(row["unique_id"], row["y"]) for row in batch.rows.iter_rows(named=True)}
    assert found == {("A/temp", 1.0), ("A/rain", 0.0), ("B/temp", 2.0)}
    assert refused(batch) == [(3, "rain", "")]
    (batch,) = read(tmp_path, text, y=("temp",))
    assert batch.rows["unique_id"].unique().to_list() == ["temp"]


def test_known_at_source_and_quality_come_from_their_columns(tmp_path):
    text = "t,v,seen,by,grade\n2024-01-01,1,2024-01-02T00:00Z,lab,good\n2024-01-01,2,soon,lab,good\n"
    (batch,) = read(
        tmp_path,
        text,
        known_at=KnownAt("column", column="seen"),
        source_column="by",
        quality_column="grade",
    )
    assert batch.known_at == KnownAt("column", column="known_at")
    row = batch.rows.row(0, named=True)
    assert (row["known_at"], row["source"], row["quality"]) == (
        datetime(2024, 1, 2, tzinfo=UTC),
        "lab",
        "good",
    )
    assert refused(batch) == [(3, "seen", "soon")]


CASES = "who,age,site,smoker,seen,died,told\np,40,x,yes,2024-01-01,1,2024-03-01\nq,,y,no,2024-01-02,,\n"


def test_cases_give_features_and_the_labels_that_are_known(tmp_path):
    features, labels = read(
        tmp_path,
        CASES,
        known_at=KnownAt("column", column="seen"),
        case_id="who",
        features={"age": "int", "site": "str", "smoker": "bool"},
        labels={"died": "bool"},
        labels_known_at="told",
    )
    assert (features.part, labels.part) == ("features", "labels")
    assert features.rows.select("case_id", "age", "site", "smoker").rows() == [
        ("p", 40, "x", True),
        ("q", None, "y", False),
    ]
    assert labels.rows.select("case_id", "died", "known_at").rows() == [
        ("p", True, datetime(2024, 3, 1, tzinfo=UTC))
    ]
    assert features.rejected == labels.rejected == ()


def test_a_label_that_was_known_before_its_case_was_seen_is_rejected_with_row_and_reason(tmp_path):
    text = (
        "who,age,seen,died,told\np,40,2024-01-02,1,2024-01-01\nq,41,2024-01-02,0,2024-01-02\n"
        "r,42,2024-01-02,,2024-01-01\ns,43,soon,1,2024-01-01\n"
    )
    features, labels = read(
        tmp_path,
        text,
        known_at=KnownAt("column", column="seen"),
        case_id="who",
        features={"age": "int"},
        labels={"died": "int"},
        labels_known_at="told",
    )
    assert features.rows["case_id"].to_list() == ["p", "q", "r"]
    assert refused(labels) == [(2, "told", "2024-01-01")]
    assert labels.rejected[0].reason == "before the case was known (seen)"
    assert labels.rows["case_id"].to_list() == ["q", "s"]


def test_cells_of_cases_that_do_not_fit_their_type_are_rejected(tmp_path):
    text = "who,age,smoker\np,4.5,yes\nq,old,yes\nr,30,maybe\n,31,no\ns,32,no\n"
    (batch,) = read(tmp_path, text, case_id="who", features={"age": "int", "smoker": "bool"})
    assert refused(batch) == [(2, "age", "4.5"), (3, "age", "old"), (4, "smoker", "maybe"), (5, "who", "")]
    assert batch.rows["case_id"].to_list() == ["s"]


@pytest.mark.parametrize("timezone", ["America/Chicago", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_local_times_agree_with_the_standard_library(tmp_path, timezone):
    """`zoneinfo` is the oracle: a local time exists if it survives the way to UTC and back."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(timezone)
    first = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    walls = [first + timedelta(minutes=30) * k for k in range(366 * 48)]
    text = "t,v\n" + "\n".join(f"{wall},1" for wall in walls)
    (batch,) = read(tmp_path, text, timezone=timezone)
    expected = []
    for wall in walls:
        early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early == late and early.astimezone(zone).replace(tzinfo=None) == wall:
            expected.append(early)
    assert batch.rows["ds"].to_list() == expected
    assert len(batch.rejected) == len(walls) - len(expected)


def test_parquet_gives_the_same_rows_as_text(tmp_path):
    table = pl.DataFrame(
        {
            "t": pl.select(
                pl.datetime_range(pl.date(2024, 10, 26), pl.date(2024, 10, 28), "30m")
            ).to_series(),
            "v": [float(k) if k % 7 else None for k in range(97)],
        }
    )
    table.write_csv(tmp_path / "a.csv")
    table.write_parquet(tmp_path / "a.parquet")
    context = Context(tmp_path, "Europe/Vienna")
    (text,) = CsvSource(path="a.csv", ds="t", y="v").read(context)
    (typed,) = ParquetSource(path="a.parquet", ds="t", y="v").read(context)
    same = ["unique_id", "ds", "y"]
    assert typed.rows.select(same).equals(text.rows.select(same))
    assert [item.row + 1 for item in typed.rejected] == [item.row for item in text.rejected]


def test_parquet_of_the_wrong_type_is_rejected_row_by_row(tmp_path):
    pl.DataFrame({"t": [1, 2], "v": [[1], [2]]}).write_parquet(tmp_path / "a.parquet")
    (batch,) = ParquetSource(path="a.parquet", ds="t", y="v").read(Context(tmp_path))
    assert batch.rows.is_empty()
    assert [item.reason for item in batch.rejected] == ["not a time"] * 2
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        list(ParquetSource(path="a.parquet", ds="t", y="v").read(Context(tmp_path)))


def test_real_traffic_says_what_is_dropped(shared):
    """104 hours of this file have no value in any column, two of them hours that the clocks skipped."""
    source = CsvSource(
        path="traffic/i94_hourly.csv", ds="datetime", y="traffic_volume", id="'i94'", ambiguous="earliest"
    )
    (batch,) = source.read(Context(shared, "America/Chicago"))
    assert batch.rows.height == 17_520 - 104
    counts = Counter(item.reason.split(":")[0] for item in batch.rejected)
    assert counts == {"missing value": 102, "this local time does not exist": 2}


@pytest.mark.parametrize(
    ("broken", "line", "reason"),
    [
        ("2024-01-02,2,9", 3, "3 cells, and the header has 2"),
        ('"2024-01-02,2', 3, "a quote that is not closed"),
        ('2024-01-02,"2', 3, "a quote that is not closed"),
        ('2024-01-02,2"x', 3, "a quote that is not closed, or stands inside a cell"),
        ('2024-01-02,"2"x', 3, "stands inside a cell"),
    ],
)
def test_a_malformed_line_is_named_and_the_others_are_kept(tmp_path, broken, line, reason):
    text = f"t,v\n2024-01-01,1\n{broken}\n2024-01-03,3\n2024-01-04,4\n"
    (batch,) = read(tmp_path, text)
    assert batch.rows["y"].to_list() == [1.0, 3.0, 4.0]
    assert batch.rows["row"].to_list() == [2, 4, 5]
    (found,) = batch.rejected
    assert (found.row, found.file) == (line, "x.csv")
    assert reason in found.reason
    assert found.value == broken


def test_line_numbers_stay_right_beside_malformed_lines_and_quoted_line_breaks(tmp_path):
    text = 't,v,note\n2024-01-01,1,"a\nb"\n2024-01-02,2,"c\n\n2024-01-03,3,"d, ""e"""\n2024-01-04,4\n'
    text = text.replace("\n", "\r\n")
    (batch,) = read(tmp_path, text)
    assert batch.rows["y"].to_list() == [1.0, 3.0, 4.0]
    assert batch.rows["row"].to_list() == [2, 6, 7]
    assert refused(batch) == [(4, "", '2024-01-02,2,"c')]


@pytest.mark.parametrize("header", ["who,age,Anna Berg, Anna Berg", "who,age, Anna Berg ,Anna Berg"])
@pytest.mark.parametrize("private", [True, False])
def test_two_columns_of_one_name_are_refused_by_number(tmp_path, header, private):
    """They may be the names of people, where a file has lost its header."""
    (tmp_path / "a.csv").write_text(f"{header}\n1,2,3,4\n")
    source = CsvSource(path="a.csv", case_id="who", features={"age": "float"})
    with pytest.raises(DataError, match=r"^Columns 3 and 4 of a\.csv have one name\.") as caught:
        list(source.read(Context(tmp_path, known_at=LOAD, private=private)))
    assert "Anna" not in str(caught.value)


@pytest.mark.parametrize(("kind", "source"), [("csv", CsvSource), ("parquet", ParquetSource)])
def test_of_people_neither_matched_files_nor_headers_are_told(tmp_path, kind, source):
    people = Context(tmp_path, known_at=LOAD, private=True)
    for name, column in (("Anna Berg", "age"), ("Bo Dahl", "age"), ("Carl Ek", "ages of Carl Ek")):
        frame = pl.DataFrame({"who": ["1", "2"], column: [7.0, 8.0]})
        getattr(frame, f"write_{kind}")(tmp_path / f"{name}.{kind}")
    found = source(path=f"*.{kind}", case_id="who", features={"age": "float"}).read(people)
    assert [next(found).file for _ in range(2)] == [f"*.{kind}, file 1", f"*.{kind}, file 2"]
    with pytest.raises(DataError, match=rf"^\*\.{kind}, file 3 has no column 'age'") as caught:
        next(found)
    assert "Carl" not in str(caught.value)
    (tmp_path / f"Aa Carl.{kind}").write_bytes(b"\x1f\x8bCarl Ek")
    with pytest.raises(DataError, match=rf"^\*\.{kind}, file 1 ") as caught:
        next(source(path=f"*.{kind}", case_id="who", features={"age": "float"}).read(people))
    assert "Carl" not in str(caught.value)
    known = Context(tmp_path, known_at=LOAD)
    files = source(path=f"*.{kind}", case_id="who", features={"age": "float"}).named(known)
    assert [name for _, name in files][1] == f"Anna Berg.{kind}", "of others they are"
