"""Timestamps beside entries: what fits dates the entries, what does not fit weighs nothing and is told."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest
from authorities import LocalAuthority, served

from foreseal.chain import attest as attesting
from foreseal.chain.attest import attest, attest_folder
from foreseal.chain.authority import TimestampAnchor
from foreseal.chain.rfc3161 import Authority
from foreseal.errors import Tampered
from foreseal.seal.anchor import NOT_CHECKED, TIMESTAMP, Attested, read_tokens
from foreseal.seal.log import Log

BY = "by timestamp of CN=Good time,O=Good"


@pytest.fixture
def stamped(local: LocalAuthority, authority: Authority, log: Log) -> Log:
    """A log with timestamps of 15, 315 and 316 entries."""
    with served(local) as url:
        anchor = TimestampAnchor(url, authority, log.folder)
        anchor.submit(log.signed)
        for fresh in ([b"%d" % number for number in range(300)], [b"last"]):
            log.append(fresh)
            anchor.submit(log.signed)
    return log


def test_timestamps_date_the_entries_below_them(stamped: Log, authority: Authority) -> None:
    found = attest_folder(stamped.folder, authority, datetime.now(UTC))
    assert [each.size for each in found.found] == [15, 315, 316]
    assert found.notes == ()
    (statement,) = found.statements
    when = r"existed at 20\S+Z"
    assert re.fullmatch(
        rf"the first 15 entries {when}, the first 316 entries {when} {BY} \(3 .*\)", statement
    )
    times = [found.times.time(index) for index in (0, 14, 15, 314, 315)]
    assert all(a <= b for a, b in itertools.pairwise(times))
    assert found.times.time(316) is None


def test_without_an_authority_or_the_extra_nothing_is_checked_and_nothing_weighs(
    stamped: Log, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attest_folder(stamped.folder, None).notes == (NOT_CHECKED,)
    monkeypatch.setattr(attesting, "available", lambda: False)
    found = attest_folder(stamped.folder, authority)
    assert (found.notes, found.found) == ((NOT_CHECKED,), ())


def test_a_log_without_timestamps_says_nothing(log: Log, authority: Authority) -> None:
    assert attest_folder(log.folder, authority) == Attested()


def test_what_does_not_fit_weighs_nothing_and_is_told(
    stamped: Log, authority: Authority, other: LocalAuthority
) -> None:
    tokens, entries = read_tokens(stamped.folder)[TIMESTAMP], list(stamped.entries())
    text = stamped.signed.partition(b"\n\n")[0] + b"\n"
    more = {20: tokens[15], 400: tokens[315], 315: tokens[315][:-5], 316: other.stamp(text)}
    found = attest({TIMESTAMP: {**tokens, **more}}, stamped.origin, entries, authority)
    assert [each.size for each in found.found] == [15]
    assert [note.partition(" has no weight: ")[0] for note in found.notes] == [
        f"timestamp/{size}.tsr" for size in (20, 315, 316, 400)
    ]
    assert "there are no 400 entries here" in found.notes[-1]


def test_entries_that_were_changed_are_not_those_that_were_timestamped(
    stamped: Log, authority: Authority
) -> None:
    tokens, entries = read_tokens(stamped.folder), list(stamped.entries())
    entries[100] = b"better"
    assert [each.size for each in attest(tokens, stamped.origin, entries, authority).found] == [15]
    assert attest(tokens, "another.example/log", entries, authority).found == ()


def test_a_timestamp_from_the_future_is_not_believed(stamped: Log, authority: Authority) -> None:
    found = attest_folder(stamped.folder, authority, datetime.now(UTC) - timedelta(days=1))
    assert found.found == ()
    assert len(found.notes) == 3


def test_entries_that_are_missing_are_named(stamped: Log, authority: Authority) -> None:
    (stamped.folder / "tile" / "entries" / "000").unlink()
    with pytest.raises(Tampered, match="entries/000"):
        attest_folder(stamped.folder, authority)
