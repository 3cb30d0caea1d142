"""The first quorum that saw an entry says when it was sealed; cosignatures survive crashes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import CUTOFFS, Ledger, case_forecast, case_outcome, write_cases
from witnesses import AT, cosigner, make_witness, served

from foreseal.clock import format_instant
from foreseal.errors import SettingsError, SetupError, Tampered
from foreseal.seal.checkpoint import Checkpoint, sign_checkpoint
from foreseal.seal.cosigned import Sealing, check_heads, cosigned_path, read_cosigned
from foreseal.seal.cosigning import ask, fetch
from foreseal.seal.entry import parse_entry
from foreseal.seal.history import History
from foreseal.seal.log import Log
from foreseal.seal.note import Signer, parse_note
from foreseal.seal.policy import Policy
from foreseal.seal.verify import verify_log, verify_receipt

WAIT = 10.0


def policy_of(signer: Signer, n: int, k: int, f: int = 0, own: tuple[str, ...] = (), url: str = "") -> Policy:
    return Policy.k_of_n(
        [signer.verifier], k, [f"{cosigner(i).verifier} {url}" for i in range(n)], tolerate=f, own=own
    )


def cosign(log: Log, times: dict[int, timedelta]) -> None:
    """Cosignatures on the present checkpoint, at these times from `AT` on."""
    log.cosign(cosigner(i).sign(str(log.checkpoint), AT + each) for i, each in times.items())


HOUR = timedelta(hours=1)


def test_the_first_quorum_that_saw_an_entry_decides(
    log: Log, signer: Signer, author: Ed25519PrivateKey
) -> None:
    policy = policy_of(signer, 3, 2)
    Ledger(log, author).identity()
    cosign(log, {0: HOUR})  # one is no quorum
    log.append([b"b", b"c"])
    cosign(log, {0: 2 * HOUR, 1: 3 * HOUR})
    log.append([b"d"])
    cosign(log, {0: 4 * HOUR, 1: 5 * HOUR, 2: 6 * HOUR})
    log.append([b"e"])
    sealing = Sealing.of(policy, log.folder)
    found = [sealing.time(index) for index in range(5)]
    assert found == [AT + 2 * HOUR] * 3 + [AT + 4 * HOUR, None]
    head = sealing.head(0)
    assert head is not None
    receipt = log.receipt(0, head.signed)
    assert receipt.check().size == 3
    verdict = verify_receipt(bytes(receipt), policy)
    assert verdict.ok
    assert f"sealed by {format_instant(AT + 2 * HOUR)}, as w0, w1 cosigned" in verdict.statements


def test_a_cosignature_that_is_published_stays_and_is_kept_apart(
    log: Log, signer: Signer, lock: Path
) -> None:
    log.append([b"a"])
    cosign(log, {0: HOUR})
    cosign(log, {0: 2 * HOUR, 1: 2 * HOUR})
    policy = policy_of(signer, 2, 2)
    published = (log.folder / "checkpoint").read_bytes()
    assert policy.open(published).by == {"w0": AT + HOUR, "w1": AT + 2 * HOUR}
    assert read_cosigned(log.folder) == {1: published}
    log.close()
    with Log.open(log.folder, signer, lock) as again:
        assert again.signed == published == (log.folder / "checkpoint").read_bytes()
        again.append([b"b"])
        assert parse_note(again.signed).signatures[1:] == ()
    assert read_cosigned(log.folder) == {1: published}


def test_a_cut_between_keeping_and_publishing_a_cosignature_is_made_good(
    log: Log, signer: Signer, lock: Path
) -> None:
    log.append([b"a"])
    bare = log.signed
    cosign(log, {0: HOUR})
    kept = log.signed
    (log.folder / "checkpoint").write_bytes(bare)
    (log.folder / "cosigned" / ".1.tmp").write_bytes(b"half")
    log.close()
    with Log.open(log.folder, signer, lock) as again:
        assert again.signed == kept == (log.folder / "checkpoint").read_bytes()
    assert not (log.folder / "cosigned" / ".1.tmp").exists()


def test_witnesses_are_asked_all_at_once_and_caught_up_from_wherever_they_are(
    tmp_path: Path, log: Log, signer: Signer
) -> None:
    witness, late = (make_witness(tmp_path, i, signer.verifier) for i in range(2))
    with served(witness) as one:
        policy = Policy.k_of_n(
            [signer.verifier],
            2,
            [f"{cosigner(0).verifier} {one.url}", f"{cosigner(1).verifier} http://127.0.0.1:9"],
        )
        for size in (1, 2, 9):
            log.append([bytes([size, i]) for i in range(size - log.size)])
            first, second = ask(log, policy.witnesses, WAIT)
            assert first.line is not None
            assert (second.line, second.alarm) == (None, False)
            assert "cannot be reached" in second.why
    with served(witness) as one, served(late) as two:
        policy = Policy.k_of_n(
            [signer.verifier], 2, [f"{cosigner(0).verifier} {one.url}", f"{cosigner(1).verifier} {two.url}/"]
        )
        log.append([b"next"])
        for hint in (0, 2, log.size):
            answers = ask(log, policy.witnesses, WAIT, hint)
            log.cosign(each.line for each in answers if each.line)
            assert policy.met(policy.open(log.signed).by), answers


def test_a_witness_that_never_answers_costs_the_wait_and_no_more(log: Log, signer: Signer) -> None:
    log.append([b"a"])
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        policy = policy_of(signer, 1, 1, url=f"http://127.0.0.1:{deaf.getsockname()[1]}")
        (answer,) = ask(log, policy.witnesses, 0.2)
    assert answer.line is None
    assert not answer.alarm


@pytest.mark.parametrize("part", ["headers", "body"])
def test_an_answer_that_drips_is_given_up_when_the_wait_is_over(part: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" if part == "body" else b"HTTP/1.1 200 OK\r\n"
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as dripping:

        def drip() -> None:
            client, _ = dripping.accept()
            with client, suppress(OSError):
                client.recv(1 << 16)
                client.sendall(head)
                while not stop.wait(0.02):
                    client.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(SetupError, match="cannot be reached: timed out"):
            fetch(f"http://127.0.0.1:{dripping.getsockname()[1]}/", 0.3)
        assert time.monotonic() - began < 3
        stop.set()
        thread.join()


@contextmanager
def saying(body: bytes) -> Iterator[str]:
    """A server that gives one answer; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1 << 16)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("lie", ["another text", "another time", "another key", "nothing"])
def test_a_cosignature_that_does_not_fit_is_not_published(log: Log, signer: Signer, lie: str) -> None:
    log.append([b"a"])
    honest = cosigner(0).sign(str(log.checkpoint), AT)
    later = bytes([*honest.signature[:7], honest.signature[7] ^ 1, *honest.signature[8:]])
    stated = {
        "another text": cosigner(0).sign(f"{log.checkpoint}more\n", AT),
        "another time": replace(honest, signature=later),
        "another key": cosigner(1).sign(str(log.checkpoint), AT),
    }
    before = log.signed
    with saying(str(stated.get(lie, "")).encode()) as url:
        (answer,) = ask(log, policy_of(signer, 1, 1, url=url).witnesses, WAIT)
    assert (answer.line, answer.alarm) == (None, False)
    if lie in ("another text", "another time"):
        assert "does not fit the checkpoint" in answer.why
    assert log.signed == before
    with saying(str(honest).encode()) as url:
        (answer,) = ask(log, policy_of(signer, 1, 1, url=url).witnesses, WAIT)
    assert answer.line == honest


def test_an_address_that_is_no_web_address_is_not_opened(log: Log, signer: Signer, tmp_path: Path) -> None:
    log.append([b"a"])
    (answer,) = ask(log, policy_of(signer, 1, 1, url=f"file://{tmp_path}").witnesses, WAIT)
    assert "not an address" in answer.why


# -- verification --------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(log: Log, author: Ed25519PrivateKey) -> Ledger:
    ledger = Ledger(log, author)
    ledger.identity()
    write_cases(ledger)
    return ledger


def test_without_its_quorum_a_checkpoint_is_not_accepted_and_who_is_missing_is_said(
    ledger: Ledger, signer: Signer
) -> None:
    log = ledger.log
    cosign(log, {1: HOUR})
    policy = policy_of(signer, 3, 2)
    for verdict in (verify_log(log.folder, policy), verify_receipt(bytes(log.receipt(1)), policy)):
        assert (verdict.ok, verdict.codes) == (False, ("quorum",))
        assert "needs 2 of 3; no cosignature by w0, w2" in verdict.problems[0]


def test_the_operators_own_witnesses_are_no_evidence_of_time(ledger: Ledger, signer: Signer) -> None:
    log = ledger.log
    cosign(log, {0: HOUR, 1: HOUR})
    with pytest.raises(SettingsError, match="cannot be had without w0, w1, which the log's operator runs"):
        policy_of(signer, 2, 2, own=("w0", "w1"))
    assert verify_receipt(bytes(log.receipt(1)), policy_of(signer, 3, 2, own=("w0",))).codes == ("quorum",)
    verdict = verify_receipt(bytes(log.receipt(1)), policy_of(signer, 2, 1, own=("w0",)))
    assert verdict.ok
    assert "w0: run by the log's own operator: no evidence of time" in verdict.statements
    assert f"sealed by {format_instant(AT + HOUR)}, as w1 cosigned" in verdict.statements


def write_live(ledger: Ledger, cosignatures: dict[int, timedelta]) -> str:
    """A live target with one forecast, cosigned at these times from its cutoff on; deadline: one hour."""
    ledger.identity()
    ledger.dataset("cases", "cases")
    model = ledger.model("logistic")
    declared = ledger.target("disease", "cases", "cases", commit=False)
    about = ledger.about("disease", declared, 0)
    ledger.at = CUTOFFS[0] + timedelta(minutes=5)
    for name in ("baseline", "us"):
        ledger.forecast(about, name, model, case_forecast("0.300"))
    cosign(ledger.log, {i: CUTOFFS[0] - AT + each for i, each in cosignatures.items()})
    return declared


DAY = timedelta(days=1)


@pytest.mark.parametrize("liars", [(0, 1), (1, 3), (2, 4), (0, 4)])
@pytest.mark.parametrize(("seen", "status"), [(timedelta(minutes=59), "scored"), (2 * HOUR, "late")])
def test_threat_04_f_witnesses_that_backdate_by_a_day_make_no_late_forecast_timely(
    log: Log, author: Ed25519PrivateKey, signer: Signer, liars: tuple[int, int], seen: timedelta, status: str
) -> None:
    """n=5, k=4, f=2: what the author claims and what two liars say changes nothing."""
    ledger, policy = Ledger(log, author), policy_of(signer, 5, 4, 2)
    write_live(ledger, {i: seen - (DAY if i in liars else timedelta(0)) for i in range(5)})
    sealing = Sealing.of(policy, log.folder)
    history = History(log.payloads.get, sealing=sealing)
    for raw in log.entries():
        history.add(parse_entry(raw))
    track = history.track("disease")
    assert track is not None
    assert [history.standing(track, name, 0).status for name in ("us", "baseline")] == [status] * 2


@pytest.mark.parametrize("honest", [True, False])
def test_threat_04_a_score_that_counts_a_late_forecast_is_refused(
    log: Log, author: Ed25519PrivateKey, signer: Signer, honest: bool
) -> None:
    ledger, policy = Ledger(log, author), policy_of(signer, 5, 4, 2)
    declared = write_live(ledger, {0: -DAY, 1: -DAY, 2: 3 * HOUR, 3: 3 * HOUR, 4: 3 * HOUR})
    about = ledger.about("disease", declared, 0)
    ledger.outcome(about, case_outcome(0))
    history = History(log.payloads.get, sealing=Sealing.of(policy, log.folder) if honest else None)
    for raw in log.entries():
        history.add(parse_entry(raw))
    track = history.track("disease")
    assert track is not None
    fields, data = history.settle(track, track.outcomes[0][-1])
    ledger.write("score", {**fields, "payload": log.payloads.put(data), "decisions": []})
    cosign(log, dict.fromkeys(range(5), CUTOFFS[0] - AT + 2 * DAY))
    verdict = verify_log(log.folder, policy)
    assert verdict.ok == honest, verdict
    assert verdict.codes == (() if honest else ("late",))


def test_threat_04_a_live_forecast_that_no_quorum_has_dated_is_late(
    log: Log, author: Ed25519PrivateKey, signer: Signer
) -> None:
    ledger = Ledger(log, author)
    write_live(ledger, {0: timedelta(minutes=10)})
    for policy, status in ((policy_of(signer, 1, 1), "scored"), (policy_of(signer, 3, 2), "late")):
        history = History(log.payloads.get, sealing=Sealing.of(policy, log.folder))
        for raw in log.entries():
            history.add(parse_entry(raw))
        track = history.track("disease")
        assert track is not None
        assert history.standing(track, "us", 0).status == status


def test_kept_checkpoints_of_another_tree_log_or_size_are_found(
    ledger: Ledger, signer: Signer, tmp_path: Path
) -> None:
    log, policy = ledger.log, policy_of(signer, 1, 1)
    cosign(log, {0: CUTOFFS[0] - AT + HOUR})
    assert verify_log(log.folder, policy).ok
    other = Checkpoint(signer.name, 3, bytes(32))
    beyond = Checkpoint(signer.name, log.size + 1, bytes(32))
    mine = Checkpoint(signer.name, 3, log.root_at(3))
    stranger = Signer(signer.name, Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    for size, data, code in [
        (3, sign_checkpoint(other, signer), "fork"),
        (beyond.size, sign_checkpoint(beyond, signer), "fork"),
        (4, sign_checkpoint(mine, signer), "checkpoint"),
        (3, sign_checkpoint(mine, stranger), "signature"),
        (3, b"hello", "checkpoint"),
    ]:
        path = log.folder / cosigned_path(size)
        path.write_bytes(data)
        assert verify_log(log.folder, policy).codes == (code,)
        path.unlink()
    (log.folder / cosigned_path(3)).write_bytes(sign_checkpoint(mine, signer))
    assert verify_log(log.folder, policy).ok
    with pytest.raises(Tampered, match=r"cosigned/\d+: no key that you named"):
        Sealing.of(policy_of(stranger, 1, 1), log.folder)


def test_a_damaged_kept_checkpoint_dates_nothing(ledger: Ledger, signer: Signer) -> None:
    log, policy = ledger.log, policy_of(signer, 1, 1)
    cosign(log, {0: HOUR})
    forged = sign_checkpoint(Checkpoint(signer.name, 2, bytes(32)), signer)
    head = policy.open(log.signed)
    leaves = [log.leaf_hash(index) for index in range(log.size)]
    sealing, problems = check_heads(policy, head, {2: forged}, leaves)
    assert [each.code for each in problems] == ["fork"]
    assert sealing.time(0) == AT + HOUR
