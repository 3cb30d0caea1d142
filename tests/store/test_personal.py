"""Personal records open under their own key and at their own place only; who is erased is gone for good."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreseal import merkle
from foreseal.errors import Busy, DataError, SettingsError, SetupError, Tampered
from foreseal.records import Rejected
from foreseal.store import Schema, Store
from foreseal.store.personal import PADDED, Place, decrypt, encrypt, leaf
from foreseal.store.subjects import Secret, Subjects

T0 = datetime(2024, 1, 1, tzinfo=UTC)
LATER = T0 + timedelta(days=100)
FEATURES = {"age": "float", "note": "str", "count": "int", "smoker": "bool"}

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.dictionaries(
    TEXT,
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    max_size=6,
)
PLACES = st.builds(Place, TEXT, TEXT, TEXT, st.integers(-(10**15), 10**15), st.integers(1, 10**6))
SECRETS = st.builds(Secret, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))


@pytest.fixture
def store(tmp_path: Path):
    with open_store(tmp_path) as opened:
        opened.declare(schema())
        yield opened


def schema(**changes):
    return Schema(
        "p", **{"kind": "cases", "personal": True, "features": FEATURES, "labels": {"ill": "int"}} | changes
    )


def open_store(folder: Path, **options) -> Store:
    return Store.open(folder / "store", create=True, keys=folder / "keys" / "subjects.db", **options)


def rows(*names: str, day: int = 0, age: float = 40.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "case_id": names,
            "age": [age + k for k in range(len(names))],
            "note": [f"note of {name}" for name in names],
            "count": list(range(len(names))),
            "smoker": [k % 2 == 0 for k in range(len(names))],
            "known_at": [T0 + timedelta(days=day, hours=k % 3) for k in range(len(names))],
        }
    )


@given(VALUES, SECRETS, PLACES)
def test_what_is_encrypted_is_decrypted(values, secret, place):
    record = encrypt(values, secret, place)
    found = decrypt(record, secret, place)
    assert found == values
    assert [type(each) for each in found.values()] == [type(each) for each in values.values()]
    assert len(record) % PADDED == 12 + 16


@given(VALUES, SECRETS, PLACES, SECRETS, PLACES)
def test_a_record_opens_nowhere_but_in_its_place_and_under_its_key(values, secret, place, other, elsewhere):
    record = encrypt(values, secret, place)
    if elsewhere != place:
        assert leaf(record, secret, elsewhere) != leaf(record, secret, place)
        with pytest.raises(Tampered):
            decrypt(record, secret, elsewhere)
    if other.key != secret.key:
        with pytest.raises(Tampered):
            decrypt(record, other, place)


@given(VALUES, SECRETS, PLACES, st.data())
def test_a_record_with_a_changed_bit_does_not_open(values, secret, place, data):
    record = bytearray(encrypt(values, secret, place))
    at = data.draw(st.integers(0, 8 * len(record) - 1))
    record[at // 8] ^= 1 << at % 8
    with pytest.raises(Tampered):
        decrypt(bytes(record), secret, place)
    with pytest.raises(Tampered):
        decrypt(bytes(record[: at // 8]), secret, place)


def test_the_same_values_never_give_the_same_record_or_leaf():
    secret, place = Secret(bytes(32), bytes(32)), Place("p", "features", "c", 0, 1)
    records = {encrypt({"a": 1}, secret, place) for _ in range(200)}
    assert len({record[:12] for record in records}) == 200
    assert len({leaf(record, secret, place) for record in records}) == 200


def test_reading_gives_what_was_written_under_pseudonyms(store):
    store.append("p", rows("Anna", "Bert", "Carl"), part="features")
    store.append("p", rows("Anna", day=2, age=41.5), part="features")
    store.append("p", pl.DataFrame({"case_id": ["Bert"], "ill": [1], "known_at": [LATER]}), part="labels")
    names = store.pseudonyms("p", ["Anna", "Bert", "Carl", "Dora"])
    assert set(names) == {"Anna", "Bert", "Carl"}
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names.values())
    found = store.as_of_features("p", LATER).select("case_id", *FEATURES)
    expected = pl.concat([rows("Anna", day=2, age=41.5), rows("Anna", "Bert", "Carl")[1:]])
    expected = expected.with_columns(pl.col("case_id").replace_strict(names)).sort("case_id")
    assert found.equals(expected.select("case_id", *FEATURES))
    assert store.as_of_features("p", T0, ids=[names["Anna"]])["age"].to_list() == [40.0]
    assert store.as_of_labels("p", LATER)["case_id"].to_list() == [names["Bert"]]


def test_what_is_known_already_adds_nothing(store):
    assert store.append("p", rows("Anna", "Bert"), part="features").added == 2
    again = store.append("p", rows("Anna", "Bert", "Carl"), part="features")
    assert (again.added, again.repeated) == (1, 2)


def test_a_late_row_keeps_its_claim_inside_the_record(store):
    n = store.append("p", rows("Anna"), part="features").n
    store.mark_sealed("p", T0 + timedelta(days=5), n, T0 + timedelta(days=5))
    assert store.append("p", rows("Anna", day=1, age=50), part="features").late == 1
    found = store.vintages("p", "features")
    assert found["claimed_at"].to_list() == [None, T0 + timedelta(days=1)]
    assert found["flags"].to_list() == ["", "late"]
    assert store.check("p") == 2


def test_the_digest_does_not_depend_on_where_the_rows_lie_and_survives_erasure(store):
    for k in range(4):
        store.append("p", rows(*(f"s{i}" for i in range(30)), day=k, age=k), part="features")
    instants = [T0 + timedelta(days=d, hours=h) for d in range(5) for h in range(4)]
    before = [store.snapshot("p", at) for at in instants]
    assert len({each.digest for each in before}) == 12
    store.compact("p")
    assert [store.snapshot("p", at) for at in instants] == before
    store.erase("p", "s7")
    assert [store.snapshot("p", at) for at in instants] == before
    assert store.check("p") == 4
    assert store.erased_records("p") == 4


def test_the_root_of_an_append_is_that_of_its_records_one_by_one(store):
    n = store.append("p", rows("Anna", "Bert", "Carl", "Dora"), part="features").n
    leaves = [store.chunk("p", n, k) for k in range(4)]
    root = merkle.root([sha256(b"\0" + each).digest() for each in leaves])
    assert store.snapshot("p", LATER).digest == merkle.root([merkle.leaf_hash(root)]).hex()
    salts = {each.partition(b"\n")[2][:32] for each in leaves}
    assert len(salts) == 4
    case = store.erase("p", "Carl").case_id
    for k in range(4):
        if case.encode() in leaves[k]:
            with pytest.raises(DataError, match="erased"):
                store.chunk("p", n, k)
        else:
            assert store.chunk("p", n, k) == leaves[k]


def test_who_is_erased_is_absent_and_everyone_else_is_as_before(store):
    store.append("p", rows("Anna", "Bert", "Carl"), part="features")
    names = store.pseudonyms("p", ["Anna", "Bert", "Carl"])
    before = store.vintages("p", "features")
    done = store.erase("p", "Bert")
    assert done.case_id == names["Bert"]
    assert store.pseudonyms("p", ["Anna", "Bert", "Carl"]) == {n: names[n] for n in ("Anna", "Carl")}
    assert store.vintages("p", "features").equals(before.filter(pl.col("case_id") != names["Bert"]))
    assert [each.case_id for each in store.erasures("p")] == [names["Bert"]]
    assert store.erase("p", names["Bert"]) == done  # once more, by the pseudonym
    with pytest.raises(DataError, match="no such subject"):
        store.erase("p", "Bert")


def test_whoever_comes_back_is_somebody_new(store):
    store.append("p", rows("Anna"), part="features")
    old = store.erase("p", "Anna").case_id
    assert store.append("p", rows("Anna"), part="features").added == 1
    assert store.pseudonyms("p", ["Anna"])["Anna"] != old


def test_erased_keys_leave_no_byte_in_the_key_database(store, tmp_path):
    store.append("p", rows(*(f"s{i}" for i in range(300))), part="features")
    path = tmp_path / "keys" / "subjects.db"
    with closing(sqlite3.connect(path)) as db:
        secrets = db.execute("SELECT case_id, key, salt, mark FROM subject ORDER BY case_id").fetchall()
    for case, *_ in secrets[::2]:
        store.erase("p", case)
    assert sorted(each.name for each in path.parent.iterdir()) == ["subjects.db"]
    raw = path.read_bytes()
    for k, (_, *parts) in enumerate(secrets):
        assert all((part in raw) == (k % 2 == 1) for part in parts)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_of_a_record_lies_in_plain_in_the_store(store, tmp_path):
    store.append("p", rows("Anna"), part="features", rejected=[Rejected("f", 3, "age", "Anna's age", "no")])
    wrong = rows("Berta").with_columns(age=float("inf"))
    refused = store.append("p", pl.concat([wrong, rows("")]), part="features", file="f").rejected
    found = sorted((each.column, each.value, each.reason) for each in refused)
    assert found == [("age", "", "infinite"), ("case_id", "", "missing")]
    assert store.rejected("p")["value"].to_list() == ["", "", ""]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Anna" not in kept
    assert b"Berta" not in kept


def test_swapped_records_are_found(store, tmp_path):
    store.append("p", rows("Anna", "Bert", "Carl"), part="features")
    store.append("p", rows("Anna", day=1, age=60), part="features")
    store.compact("p")
    (file,) = (tmp_path / "store" / "segments" / "p").iterdir()
    frame = pl.read_parquet(file)
    for order in ([1, 0, 2, 3], [0, 1, 3, 2]):
        frame.with_columns(frame["record"].gather(order)).write_parquet(file)
        with pytest.raises(Tampered, match="not the one that was accepted"):
            store.as_of_features("p", LATER)
        with pytest.raises(Tampered, match="not those that were accepted"):
            store.check("p")
    frame.write_parquet(file)
    assert store.check("p") == 2


def test_keys_that_are_lost_are_not_taken_for_erased(store, tmp_path):
    store.append("p", rows("Anna", "Bert"), part="features")
    store.close()
    path = tmp_path / "keys" / "subjects.db"
    path.rename(tmp_path / "elsewhere.db")
    with open_store(tmp_path) as again:
        for ask in (
            lambda: again.as_of_features("p", LATER),
            lambda: again.check("p"),
            lambda: again.append("p", rows("Anna"), part="features"),
        ):
            with pytest.raises(SetupError, match=r"not in .*subjects\.db"):
                ask()
        assert not path.exists()
        assert again.snapshot("p", LATER).rows == 2
    with Store.open(tmp_path / "store") as bare, pytest.raises(SetupError, match="without a key database"):
        bare.as_of_features("p", LATER)


def test_an_older_key_database_is_not_taken_for_the_latest(store, tmp_path):
    store.append("p", rows("Anna"), part="features")
    path = tmp_path / "keys" / "subjects.db"
    shutil.copy(path, tmp_path / "older.db")
    store.append("p", rows("Bert"), part="features")
    store.close()
    shutil.copy(tmp_path / "older.db", path)
    with open_store(tmp_path) as again, pytest.raises(SetupError, match="keys of 1 subjects"):
        again.vintages("p", "features")


def test_a_reader_may_hold_up_an_erasure_which_says_so(store, tmp_path):
    store.append("p", rows("Anna"), part="features")
    path = tmp_path / "keys" / "subjects.db"
    with closing(Subjects(path, busy_seconds=0.05)) as hasty, closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM subject").fetchone()
        with pytest.raises(Busy):
            hasty.erase("p", "Anna", LATER)
        reader.rollback()
        assert hasty.erase("p", "Anna", LATER).dataset == "p"


def test_a_dataset_does_not_become_personal_or_cease_to_be(store):
    with pytest.raises(SettingsError, match="personal"):
        store.declare(schema(personal=False))
    with pytest.raises(SettingsError, match="only cases"):
        Schema("series", personal=True)


def test_what_is_not_personal_cannot_be_erased(store):
    store.declare(Schema("q", kind="cases", features={"a": "int"}, labels={"y": "int"}))
    with pytest.raises(DataError, match="not personal"):
        store.erase("q", "Anna")
    assert store.erased_records("q") == 0


def test_two_processes_give_one_person_one_pseudonym(tmp_path):
    path = tmp_path / "keys" / "subjects.db"
    with closing(Subjects(path)) as one, closing(Subjects(path)) as other:
        assert one.admit("p", ["Anna", "Bert"]) == other.admit("p", ["Bert", "Anna"])
        assert one.admit("q", ["Anna"]) != other.find("p", ["Anna"])


def test_threads_that_share_a_store_give_one_person_one_pseudonym(store):
    batches = [rows(*(f"s{i}" for i in range(k, k + 20)), day=k) for k in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: store.append("p", batch, part="features"), batches))
    names = store.pseudonyms("p", [f"s{i}" for i in range(27)])
    assert len(set(names.values())) == 27
    assert set(store.vintages("p", "features")["case_id"]) == set(names.values())
    assert store.check("p") == 8
