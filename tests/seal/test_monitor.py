"""Split views: no client accepts two where the quorum is strong; where it is not, the monitor shows both."""

from __future__ import annotations

import functools
import http.server
import itertools
import math
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import Ledger
from witnesses import AT, cosigner, make_witness, served

from foreseal.cli import main
from foreseal.errors import Malformed, SettingsError, Tampered
from foreseal.seal.checkpoint import sign_checkpoint
from foreseal.seal.cosigning import ask
from foreseal.seal.fork import Fork, parse_fork
from foreseal.seal.log import Log
from foreseal.seal.monitor import watch
from foreseal.seal.note import Note, Signer, parse_note
from foreseal.seal.policy import Policy
from foreseal.seal.quorum import Group
from foreseal.seal.verify import verify_receipt

WAIT = 10.0


@pytest.fixture
def views(tmp_path: Path, signer: Signer, author: Ed25519PrivateKey) -> Iterator[tuple[Log, Log]]:
    """One key, two histories: the first three entries are the same, the fourth is not."""
    with ExitStack() as stack:
        logs = [
            stack.enter_context(Log.create(tmp_path / name, signer, tmp_path / f"{name}.db"))
            for name in ("one", "two")
        ]
        for log, last in zip(logs, ("up", "down"), strict=True):
            for name in ("a", "b", "c", last):
                Ledger(log, author).identity(name)
        yield logs[0], logs[1]


def accepts(log: Log, policy: Policy, by: Collection[int]) -> bool:
    """Whether a client accepts the receipt of the entry in which the views differ, cosigned ``by`` these."""
    note = parse_note(log.signed)
    lines = (cosigner(i).sign(note.text, AT) for i in sorted(by))
    signed = bytes(Note(note.text, (*note.signatures, *lines)))
    return verify_receipt(bytes(log.receipt(3, signed)), policy).ok


def policy_of(signer: Signer, n: int, k: int, f: int, *, urls: dict[int, str] | None = None) -> Policy:
    urls = urls or {}
    texts = [f"{cosigner(i).verifier} {urls.get(i, '')}" for i in range(n)]
    return Policy.k_of_n([signer.verifier], k, texts, tolerate=f)


@pytest.mark.parametrize(("n", "k", "f"), [(5, 4, 2), (7, 5, 2)])
def test_threat_03_with_a_strong_quorum_no_client_accepts_both_of_two_views(
    views: tuple[Log, Log], signer: Signer, n: int, k: int, f: int
) -> None:
    """Every way in which f colluders sign both views, and each honest witness one of them or none."""
    policy = policy_of(signer, n, k, f)
    accepted = {
        (view, by): accepts(views[view], policy, by)
        for view in (0, 1)
        for size in range(n + 1)
        for by in map(frozenset, itertools.combinations(range(n), size))
    }
    assert sum(accepted.values()) == 2 * sum(math.comb(n, size) for size in range(k, n + 1))
    tried = 0
    for liars in itertools.combinations(range(n), f):
        honest = [i for i in range(n) if i not in liars]
        for saw in itertools.product((0, 1, None), repeat=len(honest)):
            sides = [
                frozenset(liars) | {i for i, side in zip(honest, saw, strict=True) if side == view}
                for view in (0, 1)
            ]
            assert not (accepted[0, sides[0]] and accepted[1, sides[1]]), (liars, saw)
            tried += 1
    assert tried == math.comb(n, f) * 3 ** (n - f)


@pytest.mark.parametrize(("n", "k", "f"), [(5, 3, 1), (5, 3, 2), (7, 4, 1), (7, 4, 2)])
def test_threat_03_just_below_the_bound_two_clients_are_shown_two_views(
    views: tuple[Log, Log], signer: Signer, n: int, k: int, f: int
) -> None:
    """Such a policy is refused; only by going round that can the split be shown."""
    with pytest.raises(SettingsError, match=rf"{k} of {n} witnesses is too weak if {f}"):
        policy_of(signer, n, k, f)
    group = Group("witnesses", k, tuple(f"w{i}" for i in range(n)))
    weak = policy_of(signer, n, n, 0)
    for name, value in (("groups", (group,)), ("_parts", {**weak._parts, "witnesses": group})):
        object.__setattr__(weak, name, value)
    liars, honest = tuple(range(f)), tuple(range(f, n))
    half = k - f
    sides = ((*liars, *honest[:half]), (*liars, *honest[len(honest) - half :]))
    assert set(honest[:half]).isdisjoint(honest[len(honest) - half :])
    strong = policy_of(signer, n, (n + f) // 2 + 1, f)
    shown = list(zip(views, sides, strict=True))
    assert [accepts(log, weak, side) for log, side in shown] == [True, True]
    assert [accepts(log, strong, side) for log, side in shown] == [False, False]


def test_threat_03_the_monitor_finds_the_split_and_proves_it(
    tmp_path: Path, views: tuple[Log, Log], signer: Signer
) -> None:
    """Honest witnesses that were shown different views hold different trees, and show them."""
    with ExitStack() as stack:
        urls = {}
        for i in range(4):
            witness = make_witness(tmp_path, i, signer.verifier)
            urls[i] = stack.enter_context(served(witness)).url
        policy = policy_of(signer, 4, 3, 0, urls=urls)
        for log, side in ((views[0], policy.witnesses[:2]), (views[1], policy.witnesses[2:])):
            assert all(answer.line for answer in ask(log, side, WAIT))
        # The other view is offered to the first ones, too: they refuse, and that looks like a fork.
        refused = ask(views[1], policy.witnesses[:2], WAIT)
        assert all(each.alarm and "another history" in each.why for each in refused)

        for place in (None, views[0].folder, views[1].folder):
            found = watch(policy, signer.verifier, place, WAIT)
            assert any("w0 and w2 hold different trees of 4 entries" in each for each in found.problems)
            assert found.forks
            for fork in found.forks:
                assert "has signed two histories" in parse_fork(bytes(fork)).check([signer.verifier])


def test_a_view_that_went_on_is_compared_with_a_proof(
    tmp_path: Path, views: tuple[Log, Log], signer: Signer
) -> None:
    one, two = views
    with served(make_witness(tmp_path, 0, signer.verifier)) as server:
        policy = policy_of(signer, 1, 1, 0, urls={0: server.url})
        assert ask(one, policy.witnesses, WAIT)[0].line
        two.append([bytes([i % 251]) for i in range(300)])
        found = watch(policy, signer.verifier, two.folder, WAIT)
        (fork,) = found.forks
        assert fork.proof
        said = fork.check([signer.verifier])
        assert "4 and 304 entries" in said
        one.append([b"more"])
        assert watch(policy, signer.verifier, one.folder, WAIT).problems == []


def test_without_the_log_different_sizes_are_said_to_be_uncompared(
    tmp_path: Path, views: tuple[Log, Log], signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = views
    with ExitStack() as stack:
        servers = [stack.enter_context(served(make_witness(tmp_path, i, signer.verifier))) for i in (0, 1)]
        policy = policy_of(signer, 2, 2, 0, urls={i: server.url for i, server in enumerate(servers)})
        file = tmp_path / "policy.txt"
        file.write_text(str(policy))
        assert ask(one, policy.witnesses[:1], WAIT)[0].line
        two.append([b"more"])
        assert ask(two, policy.witnesses[1:], WAIT)[0].line
        assert watch(policy, signer.verifier, None, WAIT).partly
        assert not watch(policy, signer.verifier, two.folder, WAIT).partly
        with pytest.raises(SystemExit):
            main(["monitor", "--policy", str(file), "--out", str(tmp_path / "fork.txt")])
    said = capsys.readouterr().out
    assert "Only checkpoints of equal size were compared" in said
    assert "One history" not in said


def test_a_log_that_shows_less_than_was_cosigned_is_named(
    tmp_path: Path, views: tuple[Log, Log], signer: Signer
) -> None:
    one, two = views
    with served(make_witness(tmp_path, 0, signer.verifier)) as server:
        policy = policy_of(signer, 1, 1, 0, urls={0: server.url})
        one.append([b"more"])
        assert ask(one, policy.witnesses, WAIT)[0].line
        found = watch(policy, signer.verifier, two.folder, WAIT)
        assert "w0 has cosigned 5 entries, but the log shows only 4" in found.problems[0]
        assert found.forks == []
        (answer,) = ask(two, policy.witnesses, WAIT)
        assert answer.alarm
        assert "it has cosigned 5 entries of this log, more than the 4 here" in answer.why


def test_witnesses_that_are_down_or_lie_about_what_they_hold_are_named(
    tmp_path: Path, views: tuple[Log, Log], signer: Signer
) -> None:
    stranger = Signer(signer.name, Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    one = views[0]
    with ExitStack() as stack:
        up = stack.enter_context(served(make_witness(tmp_path, 0, signer.verifier)))
        empty = stack.enter_context(served(make_witness(tmp_path, 2, signer.verifier)))
        # w3 follows another key of the same name, and holds what that one signed.
        liar = make_witness(tmp_path, 3, stranger.verifier)
        forged = sign_checkpoint(one.checkpoint, stranger)
        assert liar.add_checkpoint(b"old 0\n\n" + forged).status == 200
        urls = {0: up.url, 1: "http://127.0.0.1:9", 2: empty.url, 3: stack.enter_context(served(liar)).url}
        policy = policy_of(signer, 5, 4, 0, urls=urls)
        assert ask(one, policy.witnesses[:1], WAIT)[0].line
        found = watch(policy, signer.verifier, one.folder, WAIT)
    assert sorted(found.heads) == ["log", "w0"]
    assert [each.partition(":")[0] for each in found.problems] == ["w3"]
    assert [each.partition(":")[0] for each in found.notes] == ["w1", "w2", "w4"]


def test_honest_checkpoints_and_damaged_evidence_prove_no_fork(
    views: tuple[Log, Log], signer: Signer
) -> None:
    one, two = views
    keys = [signer.verifier]
    real = Fork(one.signed, two.signed, two.checkpoint.root)
    assert "two checkpoints of 4 entries with different roots" in real.check(keys)
    data = bytes(real)
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((Malformed, Tampered)):
            parse_fork(flipped).check(keys)
    with pytest.raises(Tampered, match="agree"):
        Fork(one.signed, one.signed, one.checkpoint.root).check(keys)
    older = sign_checkpoint(type(one.checkpoint)(signer.name, 3, one.root_at(3)), signer)
    with pytest.raises(Tampered, match="agree"):
        Fork(older, two.signed, two.root_at(3), tuple(two.consistency(3))).check(keys)
    stranger = Signer(signer.name, Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    with pytest.raises(Tampered, match="no key that you named"):
        real.check([stranger.verifier])


def test_an_address_is_as_good_as_a_folder(tmp_path: Path, views: tuple[Log, Log], signer: Signer) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(views[1].folder))
    with (
        served(make_witness(tmp_path, 0, signer.verifier)) as server,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files,
    ):
        thread = threading.Thread(target=files.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        policy = policy_of(signer, 1, 1, 0, urls={0: server.url})
        assert ask(views[0], policy.witnesses, WAIT)[0].line
        found = watch(policy, signer.verifier, f"http://127.0.0.1:{files.server_port}/", WAIT)
        files.shutdown()
        thread.join()
    assert len(found.forks) == 1
