"""What somebody else made costs no more memory or work than its honest size, whatever it claims."""

from __future__ import annotations

import importlib.util
import sys
import tracemalloc
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import Ledger, series_forecast, series_outcome
from witnesses import cosigner

from foreseal.errors import Malformed, ProofError, Tampered
from foreseal.seal import payload
from foreseal.seal.cosigned import check_heads, cosigned_path, read_cosigned
from foreseal.seal.disk import read_file
from foreseal.seal.log import Log
from foreseal.seal.note import MAX_NOTE, Signer
from foreseal.seal.payload import Layout, Row
from foreseal.seal.policy import Policy
from foreseal.seal.replay import replay
from foreseal.seal.schema import MAX_PAYLOAD_ROWS
from foreseal.seal.tables import Tables
from foreseal.seal.verify import verify_log

MIB = 1 << 20


@pytest.fixture
def ledger(log: Log, author: Ed25519PrivateKey) -> Ledger:
    return Ledger(log, author)


def peak(call: Callable[[], object]) -> int:
    """Bytes that a call held at most, beyond what there was before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HEADER = b"unique_id,ds,y,known_at\n"
ROW = b"a,2026-01-01T00:00:00Z,1.00,2026-01-01T00:00:00Z\n"


@pytest.mark.parametrize(
    "junk",
    [b"\n" * 2 * MIB, b"\n" * (MIB - 1), b"," * 2 * MIB, b'"",' * MIB + b"\n", b'"' * MIB + b"\n"],
    ids=["many empty lines", "empty lines", "one line of cells", "quoted cells", "quotes"],
)
def test_a_payload_of_nothing_but_separators_takes_little_more_than_its_bytes(junk: bytes) -> None:
    data = HEADER + junk

    def read() -> None:
        with pytest.raises(Malformed):
            payload.outcome_series(2).decode(data)

    assert peak(read) < 8 * len(data)


def one_file() -> ModuleType:
    path = Path(payload.__file__).parent / "verifier" / "foreseal_verify.py"
    spec = importlib.util.spec_from_file_location("foreseal_verify", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "junk", [b"\n" * (MIB - 1), b"," * 2 * MIB, b'"",' * MIB + b"\n", b'"' * MIB + b"\n"]
)
def test_the_single_file_takes_such_a_payload_apart_no_further(junk: bytes) -> None:
    verifier, data = one_file(), HEADER + junk
    header = HEADER.decode().rstrip("\n").split(",")

    def read() -> None:
        with pytest.raises(verifier.Wrong):
            verifier.table(data, header, [str] * 4, 2)

    assert peak(read) < 60 * len(data)
    with pytest.raises(verifier.Wrong, match="more than 1048576 rows"):
        verifier.table(HEADER + ROW * (MAX_PAYLOAD_ROWS + 1), header, [str] * 4, 2)


@settings(max_examples=200)
@given(st.text(st.sampled_from('a",é '), max_size=9), st.integers(1, 4))
def test_the_single_file_and_the_package_find_the_same_cells(line: str, width: int) -> None:
    verifier = sys.modules.get("one_file") or sys.modules.setdefault("one_file", one_file())

    def spelled(cells: list[str]) -> str:
        return ",".join('"' + c.replace('"', '""') + '"' if '"' in c or "," in c else c for c in cells)

    try:
        ours = payload.read_csv(f"{line}\n".encode(), width)[0]
    except Malformed:
        ours = ()
    try:
        theirs = tuple(verifier.cells(line, width))
    except verifier.Wrong:
        theirs = ()
    if len(ours) == width:
        assert theirs == ours
    else:
        assert len(theirs) != width or spelled(list(theirs)) != line


def test_a_payload_has_at_most_a_million_rows() -> None:
    data = HEADER + ROW * (MAX_PAYLOAD_ROWS + 1)
    assert len(data) < payload.MAX_PAYLOAD
    with pytest.raises(Malformed, match="1048577 rows; the limit is 1048576"):
        payload.outcome_series(2).decode(data)


def test_a_payload_over_its_limit_of_bytes_is_refused_by_whoever_reads_it() -> None:
    wide = b"unique_id,ds,y,known_at\n" + b"x" * payload.MAX_PAYLOAD
    with pytest.raises(Malformed, match="67108888 bytes; the limit is 67108864"):
        payload.read_csv(wide, 4)


def test_a_payload_that_is_malformed_is_taken_apart_once() -> None:
    class Counting(Layout):
        def decode(self, data: bytes) -> list[Row]:
            decoded.append(len(data))
            return super().decode(data)

    decoded: list[int] = []
    series = payload.outcome_series(2)
    layout = Counting(series.name, series.columns, series.keys)
    data = HEADER + b"wrong\n"
    tables = Tables(lambda digest, size: data)
    for _ in range(3):
        with pytest.raises(Malformed, match="does not have 4 cells") as error:
            tables.rows(layout, {"sha256": sha256(data).hexdigest(), "size": len(data)})
        assert error.value.code == "canonical"
    assert len(decoded) == 1


def test_junk_beside_the_checkpoint_is_read_one_file_at_a_time(log: Log, signer: Signer) -> None:
    log.append([b"one"])
    for size in range(2, 42):
        path = log.folder / cosigned_path(size)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\n" * (MAX_NOTE - 1))
    policy = Policy.k_of_n([signer.verifier], 1, [str(cosigner(0).verifier)])
    head = policy.open(log.signed)
    kept = read_cosigned(log.folder)
    assert len(kept) == 40
    found: list[object] = []
    assert peak(lambda: found.append(check_heads(policy, head, kept, []))) < 12 * MIB
    ((_, problems),) = found
    assert len(problems) == 40


def test_a_huge_stray_file_is_named_and_not_read(ledger: Ledger, signer: Signer) -> None:
    ledger.identity()
    ledger.dataset("d", "series")
    for name in ("tile/0/000.p/1", "tile/0/000.p/200", "notes.bin"):
        path = ledger.log.folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(600 * MIB)
    found: list[str] = []
    read = peak(lambda: found.extend(verify_log(ledger.log.folder, [signer.verifier]).problems))
    assert any("000.p/1 " in problem for problem in found)
    assert any("notes.bin" in problem for problem in found)
    assert read < 20 * MIB


def test_targets_whose_payloads_are_missing_cost_what_they_are_and_not_their_square(ledger: Ledger) -> None:
    ledger.identity()
    ledger.dataset("d", "series")
    model = ledger.model()
    for k in range(60):
        declared = ledger.target(f"t{k}", "d", "series")
        about = {**ledger.about(f"t{k}", declared, 0), "mode": "replay"}
        ledger.forecast(about, "us", model, series_forecast(0))
        ledger.outcome(about, series_outcome(0))
    reads: list[str] = []
    schedules = {
        entry["schedule"]["sha256"]
        for entry in (placed.entry for placed in ledger.history().entries.values())
        if entry.kind == "target"
    }

    def read(digest: str, size: int) -> bytes:
        reads.append(digest)
        if digest in schedules:
            return ledger.log.payloads.get(digest, size)
        raise Tampered(f"{digest} is missing.", code="payload-missing")

    found = replay(list(ledger.log.entries()), read)
    assert [problem.code for problem in found.problems] == ["target-missing"] * 60
    assert found.tracks == {}
    assert len(reads) < 60 * 8


def test_a_file_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="not a regular file"):
        read_file(Path("/dev/zero"), 10)
