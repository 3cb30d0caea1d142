"""Nothing that tells who somebody is lies anywhere in a project but encrypted, and erased it is nowhere.

Names, numbers, addresses and dates of birth are planted as ids, in columns of free text, in cells that are
refused, in lines that are no rows and in names of files; after everything that a project can do, every byte
that it wrote or printed is looked through.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pytest
from scanning import everything, found_in

from foreseal.apps import find
from foreseal.cli import main
from foreseal.errors import Tampered
from foreseal.run import Project
from foreseal.run.create import create
from foreseal.store.personal import Place, decrypt
from foreseal.store.rows import Where
from foreseal.store.subjects import Secret
from tests.conftest import require

NAME, NUMBER, MAIL = "Žofia Quxley-Zandt", "840317-QZ-5519", "zofia.quxley@mail.example"
OTHERS = ("Ingmar Wrzoseth", "QZ 77 31 05 66 K", "i.wrzoseth@post.example")
BORN, PHONE, NOTE, WEIGHT = "17.03.1911", "+49 170 5550199", "lives above the chandlery", 61.0625
PLANTED = (NAME, "Quxley", "quxley-zandt", NUMBER, MAIL, *OTHERS, "Wrzoseth", BORN, PHONE, NOTE, WEIGHT)
PEOPLE = (NAME, NUMBER, MAIL)
EXTRA = ("born", "mail", "phone", "note")

pytestmark = pytest.mark.filterwarnings("ignore::foreseal.errors.ModelWarning")


@dataclass
class World:
    """A project, all that it may write to, and all that it has printed; the files of people lie outside."""

    root: Path
    outside: Path
    said: list[str]
    capture: pytest.CaptureFixture[str]

    @property
    def folder(self) -> Path:
        return self.root / "project"

    @property
    def project(self) -> Project:
        return Project.open(self.folder)

    def __call__(self, *arguments: object, code: int = 0, elsewhere: bool = False) -> str:
        place = () if elsewhere else ("-C", self.folder)
        with pytest.raises(SystemExit) as stop:
            main([str(each) for each in (*arguments, *place)])
        out, err = self.capture.readouterr()
        self.said += [out, err]
        assert int(stop.value.code or 0) == code, (arguments, out, err)
        return out

    def found(self, *more: bytes) -> list[tuple[str, bytes]]:
        printed = [("printed", text.encode()) for text in self.said]
        return found_in([*everything(self.root), *printed], [*PLANTED, *more])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> World:
    made = World(tmp_path / "world", tmp_path / "outside", [], capfd)
    for name in ("tmp", "state", "home"):
        (made.root / name).mkdir(parents=True)
    made.outside.mkdir()
    monkeypatch.setenv("FORESEAL_STATE", str(made.root / "state"))
    monkeypatch.setenv("HOME", str(made.root / "home"))
    for name in ("TMPDIR", "SQLITE_TMPDIR", "POLARS_TEMP_DIR"):
        monkeypatch.setenv(name, str(made.root / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return made


def people_of(app: str) -> tuple[pl.DataFrame, list[str], list[str]]:
    """An application's own cases as a table of people, its features and its labels."""
    declared = find(app)
    (source,) = (each() for each in declared.sources.values())
    features, labels = list(source.read(None))
    table = features.rows.unique("case_id", keep="first", maintain_order=True).drop("row", "source")
    own = [name for name in table.columns if name not in ("case_id", "known_at", "consent")]
    told = labels.rows.unique("case_id", keep="last", maintain_order=True).drop("row", "source")
    named = [name for name in told.columns if name not in ("case_id", "known_at")]
    table = table.rename({"known_at": "seen"}).join(told.rename({"known_at": "settled"}), "case_id")
    k = pl.int_range(pl.len())
    plain = {name: pl.format("{} {}", pl.lit(name), k % 4) for name in EXTRA}
    return table.with_columns(agreed=pl.lit(1), weight=60.0 + k % 9, **plain), own, named


def plant(table: pl.DataFrame, due: int) -> pl.DataFrame:
    """``table`` with three people in the row ``due`` and the two above it, and one long before them."""
    rows = table.to_dicts()
    for k, name in zip((due, due - 1, due - 2, 5), (*PEOPLE, OTHERS[0]), strict=True):
        said = {"case_id": name, "born": BORN, "mail": MAIL, "phone": PHONE, "note": f"{NOTE}; {NAME}"}
        rows[k] |= {**said, "weight": WEIGHT}
    return pl.DataFrame(rows, infer_schema_length=None)


def write(table: pl.DataFrame, file: Path) -> None:
    table.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%SZ")


def declare(world: World, app: str, own: dict[str, str], labels: list[str], *, personal: bool = True) -> None:
    """The application's own targets, models and decisions over the files of people."""
    declared = find(app)
    (name,) = [line[10:-1] for line in declared.data.splitlines() if line.startswith("[datasets.")]
    kinds = own | dict.fromkeys(EXTRA, "str") | {"weight": "float", "agreed": "int"}
    typed = ", ".join(f'"{column}" = "{kind}"' for column, kind in kinds.items())
    data = f"""
[datasets.{name}]
source = "csv"
kind = "cases"
path = "{world.outside.as_posix()}/*.csv"
case_id = "case_id"
features = {{ {typed} }}
labels = {{ {", ".join(f'{label} = "int"' for label in labels)} }}
known_at = {{ column = "seen" }}
labels_known_at = "settled"
"""
    if personal:
        data += 'personal = true\nconsent = { column = "agreed", purpose = "what is done here" }\n'
    create(world.folder, name="people")
    toml = world.folder / "foreseal.toml"
    seal = toml.read_text().partition("[seal]")[2]
    text = replace(declared, data=data).toml("people", f"[seal]{seal}")
    for old, new in SHORTER[app]:
        assert old in text
        text = text.replace(old, new)
    toml.write_text(text)


SHORTER = {
    "credit": [("start = 2024-03-04, end = 2024-05-06", "start = 2024-02-05, end = 2024-02-05")],
    "diagnosis": [
        ("end = 2024-03-11", "end = 2024-02-05"),
        ("\"average(members=('logistic', 'logistic(penalty=1)'))\"", '"logistic(penalty=1)"'),
    ],
}
DUE = {"credit": 270, "diagnosis": 270}
"""A case that is seen before the first cutoff and settled after it."""


def prepared(world: World, app: str, *, personal: bool = True) -> str:
    """The project of an application with everything planted; returns the name of its dataset."""
    table, own, labels = people_of(app)
    table = plant(table.head(DUE[app] + 20), DUE[app])
    kinds = {name: "str" if table.schema[name] == pl.String else "float" for name in own}
    declare(world, app, kinds, labels, personal=personal)
    write(table, world.outside / "a.csv")
    bad = table.tail(6).to_dicts()
    bad[0] |= {"weight": NUMBER}  # a cell that is no number
    bad[1] |= {"seen": f"{BORN} {NAME}"}  # ... that is no time
    bad[2] |= {"case_id": f"Zoe\u0308 {OTHERS[0]}"}  # an id that no payload can hold
    bad[3] |= {"case_id": "", "note": f"{NAME} {MAIL}"}
    bad[4] |= {"case_id": OTHERS[1], "agreed": OTHERS[2]}
    text = io.StringIO()
    as_text = pl.DataFrame([{k: str(v).replace("+00:00", "Z") for k, v in row.items()} for row in bad])
    as_text.write_csv(text)
    lines = [f"{NAME},{NUMBER},{','.join([MAIL] * 60)}", f'"{NAME}, {BORN}, and a quote that never ends']
    (world.outside / f"{OTHERS[0]} {NUMBER}.csv").write_text(text.getvalue() + "\n".join(lines) + "\n")
    return next(iter(world.project.settings.datasets))


def errors(world: World, dataset: str, decision: str) -> None:
    """What goes wrong while people's data lie before it is told without them."""
    for name, data in (
        (f"{NAME}.csv", f"{NAME},{NUMBER},{BORN}\n{NAME},{NUMBER},{BORN}\n".encode()),
        (f"{MAIL}.csv", f"{NAME};{MAIL}\n{NAME};{NUMBER}\n".encode()),
        (f"{NUMBER}.csv", f'"{NAME}"{NUMBER}"\n"{MAIL}"x,\n'.encode()),
        (f"Ž {NUMBER}.csv", f"case_id,seen\n{NAME},\xff".encode("latin-1", "replace")),
        (f"{PHONE}.csv", b"\x1f\x8b\x08" + NAME.encode()),
    ):
        (world.outside / name).write_bytes(data)
        world("collect", "--rejected", "--json", code=2)
        (world.outside / name).unlink()
    (world.outside / f"{NAME}.csv").mkdir()
    world("collect", "--json", code=3)
    world("run", "--no-report", code=3)
    (world.outside / f"{NAME}.csv").rmdir()
    for arguments in (
        ("decide", decision, 0, "--case", OTHERS[2]),
        ("erase", dataset, OTHERS[2], "--yes"),
        ("consent", dataset, OTHERS[2], "--withdraw"),
        ("approve", decision, 0, "--case", OTHERS[2]),
    ):
        world(*arguments, code=2)
    sources = world.folder / f"{NAME}.csv"
    sources.write_text("case_id\n")
    toml = world.folder / "foreseal.toml"
    text = toml.read_text()
    toml.write_text(text.replace(world.outside.as_posix(), world.folder.as_posix()))
    world("collect", "--json", code=2)
    toml.write_text(text)
    sources.unlink()


@pytest.mark.parametrize("app", ["credit", "diagnosis"])
def test_nobody_is_named_in_any_byte_and_who_was_erased_is_gone(world: World, app: str) -> None:
    require("bokeh", 'pip install "foreseal[plots]"')
    require("sklearn", 'pip install "foreseal[cases]"')
    dataset = prepared(world, app)
    (decision,) = world.project.settings.decisions
    world("run")
    case = json.loads(world("decide", decision, 0, "--case", NAME, "--json"))["case"]
    world("collect", "--rejected")
    world("collect", "--rejected", "--json")
    world("status")
    world("status", "--json")
    world("decide", decision, 0)
    world("decide", decision, 0, "--case", NUMBER)
    world("consent", dataset, NUMBER, "--withdraw")
    world("score", "--json")
    world("evidence", "--out", world.root / "evidence.zip")
    world("evidence", "--out", world.root / "evidence")
    asked = ("--cutoff", "2024-02-05T00:00:00Z", "--series", NAME, "--ds", "2024-02-05T00:00:00Z")
    world("disclose", dataset, *asked, code=2)
    world("export", dataset, world.folder / "inside.csv", code=2)
    world("export", dataset, world.outside / "export.parquet")
    world("doctor", "--json")
    world("backup", world.root / "backup")
    errors(world, dataset, decision)
    assert world.found() == []

    with world.project.store() as store:
        names = store.pseudonyms(dataset, PEOPLE)
        assert names[NAME] == case
        stored = store.vintages(dataset, "features").filter(pl.col("case_id") == case)
        assert stored["note"].to_list() == [f"{NOTE}; {NAME}"], "it was there all the time"
    with closing(sqlite3.connect(world.project.subjects_file)) as keys:
        secrets = keys.execute("SELECT key, salt, mark FROM subject WHERE case_id=?", (case,)).fetchone()
    kept = records(world, dataset, case)
    assert NOTE in str([decrypt(record, Secret(*secrets[:2]), place) for record, place in kept])
    assert world.found(*secrets), "the scan sees the keys"

    table = pl.read_csv(world.outside / "a.csv", infer_schema=False)
    write(table.filter(~pl.col("case_id").is_in(PEOPLE)), world.outside / "a.csv")
    assert json.loads(world("erase", dataset, *PEOPLE, "--yes", "--json"))["erased"] == [
        names[each] for each in PEOPLE
    ]
    world("run")
    world("doctor")
    world("restore", world.root / "backup", world.root / "restored", elsewhere=True)
    world("evidence")
    world("verify", world.root / "evidence.zip", "--key", world.project.settings.seal.key, elsewhere=True)
    assert world.found(*secrets) == []
    assert records(world, dataset, case) == kept, "what nobody can read any more stays"
    with world.project.store() as store:
        assert store.pseudonyms(dataset, PEOPLE) == {}
        assert case not in store.vintages(dataset, "features")["case_id"].to_list()
    with closing(sqlite3.connect(world.project.subjects_file)) as keys:
        everyone = keys.execute("SELECT key, salt FROM subject").fetchall()
    assert not any(opens(record, Secret(*each), place) for record, place in kept for each in everyone)


def records(world: World, dataset: str, case: str) -> list[tuple[bytes, Place]]:
    """The encrypted features of somebody, as they lie in the store, and their places."""
    with world.project.store() as store:
        number, schema = store._find(dataset)
        found = store._rows.read(number, schema.stored(schema.part("features")), Where())
    return [
        (record, Place(dataset, "features", case, known, n))
        for record, known, n in found.filter(pl.col("case_id") == case)
        .select("record", pl.col("known_at").to_physical(), "n")
        .iter_rows()
    ]


def opens(record: bytes, secret: Secret, place: Place) -> bool:
    try:
        decrypt(record, secret, place)
    except Tampered:
        return False
    return True


def test_the_same_people_are_found_where_the_dataset_is_not_personal(world: World) -> None:
    prepared(world, "credit", personal=False)
    world("collect", "--rejected")
    found = {(name.partition(" ")[0], needle) for name, needle in world.found()}
    for each in (NAME, NUMBER, MAIL, *OTHERS, BORN, PHONE, NOTE):
        assert ("project/store/store.db", each.encode()) in found, each
    assert ("printed", OTHERS[0].encode()) in found


def test_curves_of_people_are_refused_before_anything_is_kept(world: World) -> None:
    declared = find("progression")
    create(world.folder, name="people")
    toml = world.folder / "foreseal.toml"
    seal = toml.read_text().partition("[seal]")[2]
    data = f"{declared.data.strip()}\npersonal = true"
    toml.write_text(replace(declared, data=data).toml("people", f"[seal]{seal}"))
    for verb in ("collect", "run", "status"):
        world(verb, code=2)
    assert "survival curves of a personal dataset" in world.said[-1]
    assert not (world.folder / "store").exists()


def test_who_hands_goods_over_is_not_kept_with_the_goods(world: World) -> None:
    require("pyvrp", 'pip install "foreseal[supply]"')
    create(world.folder, app="supply", name="people")
    shipped = world.folder / "data" / "events.jsonld.gz"
    document = json.loads(gzip.decompress(shipped.read_bytes()))
    shipped.unlink()
    del document["epcisBody"]["eventList"][300:]
    events = document["epcisBody"]["eventList"]
    for k, event in enumerate(events):
        event.pop("eventID", None)
        event["sourceList"] = [{"type": "possessing_party", "source": f"https://id.example/{NUMBER}"}]
        event["example:driver"] = {"example:name": NAME, "example:born": BORN, "example:mail": MAIL}
        event["example:note"] = NOTE
        if k % 50 == 0:
            event["eventTime"] = "at noon"
        if k % 50 == 1:
            event["sourceList"] = [{"type": "possessing_party", "source": NAME}]
        if k % 50 == 2:
            event["destinationList"] = [{"type": NAME, "destination": MAIL}]
    document["@context"].append({"example": "https://example.org/"})
    away = world.outside / "events.jsonld.gz"
    away.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    toml = world.folder / "foreseal.toml"
    toml.write_text(toml.read_text().replace("data/events.jsonld.gz", away.as_posix()))
    said = world("collect", "--rejected")
    assert "rejected: " in said
    world("collect", "--rejected", "--json")
    world("status", "--json")
    world("doctor")
    assert world.found() == []


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("file", data)
    return out.getvalue()


def parquet(data: bytes) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"text": ["other", data.decode()]}).write_parquet(out, compression="zstd")
    return out.getvalue()


def stream(data: bytes) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"text": [data.decode()]}).write_ipc_stream(out, compression="lz4")
    return out.getvalue()


def database(data: bytes) -> bytes:
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute("CREATE TABLE t (x BLOB)")
        made.execute("INSERT INTO t VALUES (?)", (zlib.compress(data),))
        made.commit()
        return made.serialize()


HIDING: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda x: b"..." + x,
    "in capitals": lambda x: x.decode().upper().encode(),
    "in UTF-16": lambda x: x.decode().encode("utf-16"),
    "in UTF-16, the other way round": lambda x: b"." + x.decode().encode("utf-16-be"),
    "in hexadecimal": lambda x: x.hex().encode(),
    "escaped in JSON": lambda x: json.dumps({"name": x.decode()}).encode(),
    "escaped in an address": lambda x: b"?q=" + quote(x.decode()).encode(),
    "in base64": base64.b64encode,
    "in base64 after one byte": lambda x: base64.b64encode(b"a" + x + b"b"),
    "in base64 after two": lambda x: base64.urlsafe_b64encode(b"ab" + x + b"bc"),
    "gzipped": lambda x: gzip.compress(x * 3),
    "deflated": lambda x: zlib.compress(x, 9, -15),
    "deflated inside of something": lambda x: b"head of a file" + zlib.compress(x) + b"and its end",
    "in Zstandard": lambda x: b"head" + pa.compress(x, codec="zstd", asbytes=True),
    "in a zip in a zip": lambda x: zipped(zipped(x)),
    "gzipped in base64": lambda x: b'{"data":"' + base64.b64encode(gzip.compress(x)) + b'"}',
    "in Parquet": parquet,
    "in Parquet in a database": lambda x: database(parquet(x)),
    "in an Arrow stream in a database in a zip": lambda x: zipped(database(stream(x))),
}


@pytest.mark.parametrize("way", HIDING)
def test_the_scan_finds_what_is_hidden(way: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(HIDING[way](NAME.encode()))
    assert found_in(everything(tmp_path), [NAME])
    assert not found_in(everything(tmp_path), [OTHERS[0], MAIL])


def test_the_scan_finds_names_of_files_numbers_and_what_a_database_holds_or_has_deleted(
    tmp_path: Path,
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / f"{NUMBER}.txt").touch()
    pl.DataFrame({"w": [1.0, WEIGHT]}).write_parquet(tmp_path / "w.parquet")
    with closing(sqlite3.connect(tmp_path / "some.db", isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE t (x TEXT)")
        made.execute("INSERT INTO t VALUES (?), (?)", (MAIL, PHONE))
        made.execute("DELETE FROM t")  # what was there lies in the file of changes
        found = dict.fromkeys(needle for _, needle in found_in(everything(tmp_path), PLANTED))
    assert {each.encode() for each in (NUMBER, MAIL, PHONE)} <= found.keys()
    assert str(WEIGHT).encode() in found
    assert NAME.encode() not in found
