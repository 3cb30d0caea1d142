"""Asking an authority: what it answers is checked before it is published, and nothing it does hurts."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authorities import LocalAuthority, served
from witnesses import Hand

from foreseal.chain import authority as asking
from foreseal.chain import rfc3161
from foreseal.chain.authority import TimestampAnchor
from foreseal.chain.rfc3161 import Authority
from foreseal.errors import Malformed, MissingExtra, ProofError, SettingsError, SetupError, Tampered
from foreseal.seal.anchor import Place, make_anchor
from foreseal.seal.log import Log
from foreseal.seal.outbox import Outbox


def test_a_timestamp_is_published_and_final_at_once(
    local: LocalAuthority, authority: Authority, log: Log
) -> None:
    with served(local) as url:
        anchor = TimestampAnchor(url, authority, log.folder)
        reference = anchor.submit(log.signed)
    assert reference == "timestamp/15.tsr"
    assert anchor.status(reference).state == "final"
    found = anchor.verify(reference, log.signed)
    assert (found.size, found.by) == (15, "timestamp of CN=Good time,O=Good")
    assert [each.name for each in (log.folder / "timestamp").iterdir()] == ["15.tsr"]


def test_a_timestamp_that_is_there_already_is_kept_and_not_asked_for_again(
    local: LocalAuthority, authority: Authority, log: Log
) -> None:
    with served(local) as url:
        anchor = TimestampAnchor(url, authority, log.folder)
        path = log.folder / anchor.submit(log.signed)
        before = path.read_bytes()
        anchor.submit(log.signed)
        assert (path.read_bytes(), len(local.asked)) == (before, 1)
        path.write_bytes(before[:-1])
        anchor.submit(log.signed)
    assert len(local.asked) == 2
    assert anchor.verify("timestamp/15.tsr", log.signed)


def test_a_removed_timestamp_is_lost(authority: Authority, tmp_path: Path) -> None:
    anchor = TimestampAnchor("http://localhost/", authority, tmp_path)
    assert anchor.status("timestamp/15.tsr").state == "lost"


def test_a_timestamp_moved_to_another_size_does_not_verify(
    local: LocalAuthority, authority: Authority, log: Log
) -> None:
    with served(local) as url:
        anchor = TimestampAnchor(url, authority, log.folder)
        path = log.folder / anchor.submit(log.signed)
    log.append([b"one more"])
    path.rename(path.with_name("16.tsr"))
    with pytest.raises(Tampered, match="not of the 16 entries"):
        anchor.verify("timestamp/16.tsr", log.signed)


def test_an_answer_to_an_earlier_request_is_refused_and_not_published(
    local: LocalAuthority, authority: Authority, log: Log
) -> None:
    text = log.signed.partition(b"\n\n")[0] + b"\n"
    local.kept = local.stamp(text)
    with served(local) as url, pytest.raises(ProofError, match="its nonce differs"):
        TimestampAnchor(url, authority, log.folder).submit(log.signed)
    assert not (log.folder / "timestamp").exists()


def test_an_answer_of_another_authority_is_refused(
    other: LocalAuthority, authority: Authority, log: Log
) -> None:
    with served(other) as url, pytest.raises(Tampered, match=f"{url}: .*not one of the authority"):
        TimestampAnchor(url, authority, log.folder).submit(log.signed)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_differs_by_a_day_is_told(
    local: LocalAuthority, authority: Authority, log: Log, days: int
) -> None:
    clock = Hand(datetime.now(UTC) + timedelta(days=days))
    with served(local) as url, pytest.raises(Tampered, match="says 20") as caught:
        TimestampAnchor(url, authority, log.folder, clock).submit(log.signed)
    assert caught.value.hint == "One of the two clocks is wrong."


@pytest.mark.parametrize("kept", [b"", b"garbage", bytes(70_000)])
def test_garbage_is_refused(local: LocalAuthority, authority: Authority, log: Log, kept: bytes) -> None:
    local.kept = kept
    with served(local) as url, pytest.raises(Malformed):
        TimestampAnchor(url, authority, log.folder).submit(log.signed)


def test_an_authority_that_is_down_or_says_no_is_named(
    local: LocalAuthority, authority: Authority, log: Log
) -> None:
    local.kept, local.status = b"", 503
    with served(local) as url, pytest.raises(SetupError, match=f"{url} answers 503"):
        TimestampAnchor(url, authority, log.folder).submit(log.signed)
    with pytest.raises(SetupError, match=f"{url} cannot be reached"):
        TimestampAnchor(url, authority, log.folder).submit(log.signed)


@pytest.mark.parametrize(
    "opening", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"no HTTP\r\n\r\n"]
)
def test_an_authority_that_never_ends_its_answer_is_left(
    opening: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.3)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(opening)
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"x" if opening else b"")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(SetupError, match=r"does not answer within|cannot be reached"):
            asking.post_query(f"http://127.0.0.1:{server.getsockname()[1]}/", b"")
        over.set()
        thread.join()


def test_through_the_outbox_a_day_without_the_authority_ends_with_one_timestamp(
    local: LocalAuthority, authority: Authority, log: Log, tmp_path: Path
) -> None:
    start = datetime.now(UTC) - timedelta(days=1)
    clock, outbox = Hand(start), Outbox(tmp_path / "store" / "anchors.db", "timestamp", log.origin)
    down = TimestampAnchor("http://127.0.0.1:1/", authority, log.folder, clock)
    for hour in range(24):
        log.append([b"hour %d" % hour])
        outbox.offer(log.signed, clock(), timedelta(hours=1))
        (parcel,) = outbox.work(down, clock)
        assert "cannot be reached" in parcel.says
        clock.move(timedelta(hours=1))
    with served(local) as url:
        (parcel,) = outbox.work(TimestampAnchor(url, authority, log.folder, clock), clock)
    assert (parcel.size, parcel.stage) == (39, "final")
    assert [each.name for each in (log.folder / "timestamp").iterdir()] == ["39.tsr"]


def test_settings_that_cannot_work_are_refused(
    local: LocalAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(local.folder, tmp_path)
    good = {"url": "https://time.example/tsr", "certificate": "root.pem"}
    assert isinstance(make_anchor("timestamp", good, place), TimestampAnchor)
    for options, match in (
        ({"certificate": "root.pem"}, "has no 'url'"),
        ({**good, "url": "file:///etc/passwd"}, "not the address of an authority"),
        ({**good, "url": 5}, "not the address of an authority"),
        ({**good, "colour": "red"}, "unknown key 'colour'"),
        ({**good, "certificate": "none.pem"}, "is missing"),
        ({**good, "certificate": "signer.pem"}, "no root certificate"),
    ):
        with pytest.raises(SettingsError, match=match):
            make_anchor("timestamp", options, place)
    monkeypatch.setattr(asking, "available", lambda: False)
    with pytest.raises(MissingExtra, match="timestamp"):
        make_anchor("timestamp", good, place)
    assert rfc3161.available()
