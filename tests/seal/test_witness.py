"""A witness cosigns only what extends the largest tree that it has seen, whoever asks, however often."""

from __future__ import annotations

import json
import multiprocessing
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from witnesses import AT, Hand, cosigner, make_witness, race, send, served

from foreseal.errors import Malformed
from foreseal.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, root, subtree_root, verify_consistency
from foreseal.seal import witness_server
from foreseal.seal.checkpoint import Checkpoint, sign_checkpoint
from foreseal.seal.note import Ed25519Verifier, Signer, encode_base64, parse_note
from foreseal.seal.policy import Policy
from foreseal.seal.witness import MAX_REQUEST, Request, Witness, origin_path, parse_request


class Tree:
    """Checkpoints, proofs and requests of a tree whose leaves are known."""

    def __init__(self, signer: Signer, salt: bytes = b"") -> None:
        self.signer = signer
        self.leaves = [leaf_hash(salt + bytes([i])) for i in range(16)]

    def read(self, level: int, index: int) -> bytes:
        return root(self.leaves[index << level : (index + 1) << level])

    def checkpoint(self, size: int) -> bytes:
        value = subtree_root(0, size, self.read) if size else EMPTY_ROOT
        return sign_checkpoint(Checkpoint(self.signer.name, size, value), self.signer)

    def request(self, old: int, size: int) -> bytes:
        proof = tuple(consistency_proof(old, size, self.read)) if 0 < old <= size else ()
        return bytes(Request(old, proof, self.checkpoint(size)))


@pytest.fixture
def tree(signer: Signer) -> Tree:
    return Tree(signer)


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def witness(tmp_path: Path, signer: Signer, clock: Hand) -> Witness:
    return make_witness(tmp_path, 0, signer.verifier, clock=clock)


def test_the_recorded_requests_of_another_witness_get_its_answers(shared: Path, tmp_path: Path) -> None:
    """Replayed in order over HTTP. The recorded witness answers 403 for a log that it does not know, where
    the specification demands 404; so does ours."""
    recorded = json.loads((shared / "ledger" / "witness_cases.json").read_text())
    log = Ed25519Verifier(recorded["origin"], bytes.fromhex(recorded["sigsum_log_public_key_hex"]))
    key = cosigner(0).key
    witness = Witness(tmp_path / "w.db", type(cosigner(0))(recorded["witness_name"], key), [log], Hand())
    assert len(recorded["cases"]) == 9
    policy = Policy.k_of_n([log], 1, [str(witness.verifier)])
    with served(witness) as server:
        for number, case in enumerate(recorded["cases"], start=1):
            status, kind, text = send(server.url + case["path"], case["body"].encode())
            unknown = number == 3
            assert status == (404 if unknown else case["status"]), (number, text)
            for rule in case["asserts"]:
                if rule.startswith("body == "):
                    assert text == json.loads(rule[8:])
                else:
                    assert json.loads(rule.removeprefix("body contains ")) in text, number
            assert (kind == "text/x.tlog.size") == (status == 409)
            if status == 200:
                checkpoint = case["body"].partition("\n\n")[2]
                assert policy.open((checkpoint + text).encode()).by == {recorded["witness_name"]: AT}
        name = sha256(recorded["origin"].encode()).hexdigest()
        status, _, text = send(f"{server.url}/{name}/checkpoint")
    found = policy.open(text.encode())
    assert (status, found.checkpoint.size, set(found.by)) == (200, 5, {recorded["witness_name"]})


def test_it_cosigns_what_extends_what_it_has_seen_at_the_time_of_its_clock(
    witness: Witness, tree: Tree, clock: Hand
) -> None:
    policy = Policy.k_of_n([tree.signer.verifier], 1, [str(witness.verifier)])
    for old, size in [(0, 3), (3, 3), (3, 8), (8, 13)]:
        reply = witness.add_checkpoint(tree.request(old, size))
        assert reply.status == 200
        assert policy.open(tree.checkpoint(size) + reply.body.encode()).by == {"w0": clock.at}
        clock.move(timedelta(seconds=90))


def refusals(tree: Tree, fork: Tree) -> list[tuple[str, bytes, int, str]]:
    signer = tree.signer
    stranger = Signer(signer.name, Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    elsewhere = Signer("example.net/other", signer.key)
    wrong = tree.checkpoint(8).replace(b"\n8\n", b"\n9\n")
    rooted = f"{signer.name}\n0\n{encode_base64(bytes(32))}\n"
    return [
        ("old above size", bytes(Request(9, (), tree.checkpoint(8))), 400, "above"),
        ("garbage", b"hello", 400, "bad request"),
        ("no checkpoint", b"old 5\n\n", 400, "blank line"),
        ("leading zero", tree.request(5, 8).replace(b"old 5", b"old 05"), 400, "bad request"),
        ("sign", tree.request(5, 8).replace(b"old 5", b"old +5"), 400, "bad request"),
        ("carriage return", tree.request(5, 8).replace(b"old 5\n", b"old 5\r\n"), 400, "bad request"),
        ("short hash", b"old 5\nAAAA\n\n" + tree.checkpoint(8), 400, "not 32 bytes"),
        ("64 hashes", bytes(Request(5, (bytes(32),) * 64, tree.checkpoint(8))), 400, "limit is 63"),
        ("too long", b"old 5\n\n" + b"x" * MAX_REQUEST, 400, "limit"),
        ("another log", Tree(elsewhere).request(5, 8), 404, "unknown log"),
        ("another key", Tree(stranger).request(5, 8), 403, "no trusted key"),
        ("wrong signature", b"old 5\n\n" + wrong, 403, "invalid signature"),
        ("cut signature", tree.request(5, 8)[:-5] + b"\n", 403, "invalid signature"),
        ("older", tree.request(3, 8), 409, "5\n"),
        ("newer", bytes(Request(6, (), tree.checkpoint(8))), 409, "5\n"),
        ("rollback", tree.request(0, 3), 409, "5\n"),
        ("no proof", bytes(Request(5, (), tree.checkpoint(8))), 422, "consistency proof"),
        ("fork", fork.request(5, 8), 422, "consistency proof"),
        ("fork, same size", bytes(Request(5, (), fork.checkpoint(5))), 422, "consistency proof"),
        ("proof to itself", bytes(Request(5, (bytes(32),), tree.checkpoint(5))), 422, "consistency proof"),
        ("empty log with a root", b"old 0\n\n" + _signed(rooted, signer), 422, "root of another"),
    ]


def _signed(text: str, signer: Signer) -> bytes:
    return f"{text}\n{signer.sign(text)}".encode()


def test_it_refuses_everything_else_with_the_status_of_the_specification(
    witness: Witness, tree: Tree, signer: Signer
) -> None:
    fork = Tree(signer, b"fork")
    assert witness.add_checkpoint(tree.request(0, 5)).status == 200
    for name, body, status, text in refusals(tree, fork):
        reply = witness.add_checkpoint(body)
        assert (reply.status, text in reply.body) == (status, True), (name, reply)
        assert "\N{EM DASH}" not in reply.body, name
    assert witness.add_checkpoint(tree.request(5, 8)).status == 200


def test_a_proof_from_nothing_must_be_empty(witness: Witness, tree: Tree) -> None:
    assert witness.add_checkpoint(bytes(Request(0, (bytes(32),), tree.checkpoint(5)))).status == 422
    assert witness.add_checkpoint(tree.request(0, 0)).status == 200
    assert witness.add_checkpoint(tree.request(0, 5)).status == 200


def test_threat_02_a_log_that_was_rewritten_and_signed_again_finds_no_witness(
    witness: Witness, tree: Tree, signer: Signer
) -> None:
    fork = Tree(signer, b"fork")
    assert witness.add_checkpoint(tree.request(0, 8)).status == 200
    for old in range(17):
        for size in range(17):
            reply = witness.add_checkpoint(fork.request(old, size))
            assert reply.status == (400 if old > size else 409 if old != 8 else 422)
    assert witness.add_checkpoint(tree.request(8, 9)).status == 200


def test_its_times_never_run_backwards(witness: Witness, tree: Tree, clock: Hand) -> None:
    policy = Policy.k_of_n([tree.signer.verifier], 1, [str(witness.verifier)])
    witness.add_checkpoint(tree.request(0, 3))
    clock.move(-timedelta(days=1))
    reply = witness.add_checkpoint(tree.request(3, 4))
    assert policy.open(tree.checkpoint(4) + reply.body.encode()).by == {"w0": AT}


def test_what_it_shows_is_its_own_cosignature_and_the_logs_signature_only(
    witness: Witness, tree: Tree, signer: Signer
) -> None:
    path = origin_path(signer.name)
    assert witness.checkpoint(path).status == 404
    stranger = cosigner(5).sign("anything\n", AT)
    assert witness.add_checkpoint(tree.request(0, 4) + str(stranger).encode()).status == 200
    note = parse_note(witness.checkpoint(path).body.encode())
    assert [line.name for line in note.signatures] == [signer.name, "w0"]
    assert witness.checkpoint(origin_path("example.net/other")).status == 404


def test_it_remembers_when_it_is_started_again(
    tmp_path: Path, witness: Witness, tree: Tree, signer: Signer
) -> None:
    assert witness.add_checkpoint(tree.request(0, 5)).status == 200
    again = make_witness(tmp_path, 0, signer.verifier)
    assert again.add_checkpoint(tree.request(0, 5)).body == "5\n"
    assert again.add_checkpoint(tree.request(5, 6)).status == 200


def test_nothing_is_cosigned_when_it_cannot_be_remembered(
    tmp_path: Path, witness: Witness, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w0" / "witness.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON heads BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    db.close()
    reply = witness.add_checkpoint(tree.request(0, 5))
    assert (reply.status, "disk full" in reply.body) == (503, True)
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER full")
    db.close()
    assert witness.add_checkpoint(tree.request(0, 3)).status == 200


def test_threat_13_of_two_requests_from_the_same_tree_exactly_one_wins(witness: Witness, tree: Tree) -> None:
    """Over HTTP, with two servers on one state, released at the same moment, again and again."""
    size = 1
    assert witness.add_checkpoint(tree.request(0, size)).status == 200
    with served(witness) as one, served(witness) as two:
        while size <= 13:
            found: dict[int, tuple[int, str, str]] = {}
            barrier = threading.Barrier(2)

            def ask(url: str, new: int, old: int, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                found[new] = send(f"{url}/add-checkpoint", tree.request(old, new))  # noqa: B023

            threads = [
                threading.Thread(target=ask, args=(server.url, new, size))
                for server, new in ((one, size + 1), (two, size + 3))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            won = [new for new, (status, _, _) in found.items() if status == 200]
            lost = [answer for answer in found.values() if answer[0] != 200]
            assert (len(won), len(lost)) == (1, 1)
            assert lost[0] == (409, "text/x.tlog.size", f"{won[0]}\n")
            size = won[0]


_CUT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from witnesses import make_witness
from foreseal.seal.note import parse_vkey
witness = make_witness(Path(sys.argv[1]), 0, parse_vkey(sys.argv[3]))
reply = witness.add_checkpoint(sys.stdin.buffer.read())
assert reply.status == 200, reply
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_threat_13_a_witness_killed_between_remembering_and_answering_does_not_roll_back(
    tmp_path: Path, tree: Tree, signer: Signer
) -> None:
    support = Path(__file__).parent.parent / "support"
    command = [sys.executable, "-c", _CUT, str(tmp_path), str(support), str(signer.verifier)]
    killed = subprocess.run(command, input=tree.request(0, 5), capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    witness, fork = make_witness(tmp_path, 0, signer.verifier), Tree(signer, b"fork")
    assert witness.add_checkpoint(fork.request(0, 7)).body == "5\n"
    assert witness.add_checkpoint(fork.request(5, 7)).status == 422
    assert witness.add_checkpoint(tree.request(0, 4)).body == "5\n"
    assert witness.add_checkpoint(tree.request(5, 5)).status == 200


def test_processes_that_share_one_state_never_cosign_two_ways(tmp_path: Path, signer: Signer) -> None:
    """Two processes offer two different logs of the same key; what was cosigned is one chain."""
    trees = [Tree(signer), Tree(signer, b"fork")]
    offers = [[tree.request(old, new) for old in range(6) for new in range(old + 1, 7)] for tree in trees]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=race, args=(str(tmp_path), signer.verifier, bodies * 3, results))
        for bodies in offers
    ]
    for worker in workers:
        worker.start()
    won = [pair for _ in workers for pair in results.get(timeout=60)]
    for worker in workers:
        worker.join()
    notes = {bytes(checkpoint) for _, checkpoint in won}
    assert notes <= {trees[0].checkpoint(n) for n in range(7)} or notes <= {
        trees[1].checkpoint(n) for n in range(7)
    }
    assert len(won) == len({old for old, _ in won}), "two steps began at the same size"


def test_threat_17_a_server_bounds_what_it_reads(witness: Witness, tree: Tree) -> None:
    with served(witness) as server:
        host, port = server.server_address[:2]

        def raw(head: str) -> bytes:
            with socket.create_connection((str(host), int(port)), timeout=10) as line:
                line.sendall(head.encode())
                answer = b""
                while part := line.recv(4096):
                    answer += part
                return answer

        assert b" 413 " in raw("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in raw(f"POST /add-checkpoint HTTP/1.1\r\nContent-Length: {MAX_REQUEST + 1}\r\n\r\n")
        assert b" 411 " in raw("POST /add-checkpoint HTTP/1.1\r\n\r\n")
        assert b" 411 " in raw("POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b" 411 " in raw("POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n")
        assert b" 404 " in raw("POST /other HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        assert b" 414 " in raw(f"GET /{'x' * 70000} HTTP/1.1\r\n\r\n")
        assert b" 431 " in raw(f"GET /x HTTP/1.1\r\n{'a: b' * 20000}\r\n\r\n")
        assert send(f"{server.url}/add-checkpoint", tree.request(0, 5))[0] == 200


def test_threat_17_a_server_ends_connections_that_only_drip(
    witness: Witness, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_server, "LIFETIME_SECONDS", 0.3)
    body = tree.request(0, 3)
    head = f"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with served(witness) as server, socket.create_connection(server.server_address[:2]) as client:
        client.settimeout(10)
        client.sendall(head)
        try:
            for byte in body:
                client.sendall(bytes([byte]))
                client.settimeout(0.05)
                with suppress(TimeoutError):
                    assert client.recv(1) == b"", "no answer to half a request"
                    break
            else:
                pytest.fail("the server waited for ever")
        except OSError:
            pass  # it has closed the connection
        assert send(f"{server.url}/add-checkpoint", body)[0] == 200


@pytest.mark.parametrize("size", [MAX_REQUEST + 1, 5 << 20])
def test_a_request_that_is_too_large_is_told_so(witness: Witness, size: int) -> None:
    with served(witness) as server:
        status, kind, said = send(f"{server.url}/add-checkpoint", b"x" * size)
    assert (status, kind) == (413, "text/plain; charset=utf-8")
    assert said == "a request has at most 65536 bytes\n"


def test_what_is_no_http_is_answered_in_plain_text(witness: Witness) -> None:
    with served(witness) as server, socket.create_connection(server.server_address[:2]) as client:
        client.sendall(b"\x16\x03\x01 binary <b> /\r\n\r\n")
        client.settimeout(10)
        said = client.makefile("rb").read()
    assert b"<" not in said.partition(b"\r\n\r\n")[2].replace(b"<b>", b"")
    assert b"DOCTYPE" not in said


def test_a_request_prints_back_to_the_same_bytes(tree: Tree) -> None:
    body = tree.request(5, 8)
    request = parse_request(body)
    assert bytes(request) == body
    verify_consistency(5, 8, request.proof, tree_root(tree, 5), tree_root(tree, 8))
    with pytest.raises(Malformed):
        parse_request(body.replace(b"old 5", b"old  5"))


def tree_root(tree: Tree, size: int) -> bytes:
    return subtree_root(0, size, tree.read)
