"""The outbox loses nothing, sends nothing twice without need, and believes only what it has checked."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from anchors import MemoryAnchor
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from witnesses import Hand

from foreseal.errors import SetupError
from foreseal.seal.anchor import Status
from foreseal.seal.checkpoint import Checkpoint, sign_checkpoint
from foreseal.seal.note import Signer
from foreseal.seal.outbox import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Outbox,
    failed,
    is_due,
    overtaken,
    queued,
    seen,
    sent,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORIGIN = "example.com/log"
SUPPORT = Path(__file__).resolve().parent.parent / "support"


@pytest.fixture
def head(signer: Signer) -> Callable[[int], bytes]:
    """The signed checkpoint of a size."""
    return lambda size: sign_checkpoint(Checkpoint(signer.name, size, sha256(b"%d" % size).digest()), signer)


def stages(outbox: Outbox) -> list[tuple[int, str]]:
    return [(each.size, each.stage) for each in outbox.parcels()]


def test_a_checkpoint_goes_from_queued_to_final_one_step_at_a_time(
    tmp_path: Path, head: Callable[[int], bytes]
) -> None:
    clock = Hand()
    board, outbox = MemoryAnchor(clock), Outbox(tmp_path / "o.db", "board", ORIGIN)
    assert outbox.offer(head(3), AT, HOUR)
    assert stages(outbox) == [(3, "queued")]
    for stage in ("pending", "included", "final"):
        assert [each.stage for each in outbox.work(board, clock)] == [stage]
        board.tick()
    assert outbox.work(board, clock) == []
    assert outbox.parcels()[0].at == AT
    assert board.received == [head(3)]


def test_one_checkpoint_is_queued_per_interval_however_often_it_is_offered(
    tmp_path: Path, head: Callable[[int], bytes]
) -> None:
    outbox = Outbox(tmp_path / "o.db", "board", ORIGIN)
    taken = [
        minute
        for minute in range(0, 180, 7)
        if outbox.offer(head(minute + 1), AT + timedelta(minutes=minute), HOUR)
    ]
    assert taken == [0, 63, 126]
    assert not outbox.offer(head(127), AT + 9 * HOUR, HOUR), "nothing is new"


def test_an_empty_log_and_another_log_are_not_queued(tmp_path: Path, signer: Signer) -> None:
    outbox = Outbox(tmp_path / "o.db", "board", "another.example/log")
    assert not outbox.offer(sign_checkpoint(Checkpoint(signer.name, 1, bytes(32)), signer), AT, HOUR)
    outbox = Outbox(tmp_path / "o.db", "board", ORIGIN)
    assert not outbox.offer(
        sign_checkpoint(Checkpoint(signer.name, 0, sha256(b"").digest()), signer), AT, HOUR
    )


def test_a_clock_that_ran_ahead_and_was_set_right_does_not_stop_the_outbox() -> None:
    later = queued(b"x\n1\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 x AAAAAAA=\n", AT + timedelta(days=365))
    assert is_due(later, 2, AT, HOUR)
    assert not is_due(later, 2, later.made + HOUR / 2, HOUR)


def test_what_waits_gives_way_to_a_larger_checkpoint_and_what_was_sent_does_not(
    tmp_path: Path, head: Callable[[int], bytes]
) -> None:
    clock = Hand()
    board, outbox = MemoryAnchor(clock), Outbox(tmp_path / "o.db", "board", ORIGIN)
    outbox.offer(head(1), AT, HOUR)
    outbox.work(board, clock)
    board.down = True
    for hour in (1, 2, 3):
        clock.move(HOUR)
        outbox.offer(head(1 + hour), clock(), HOUR)
        outbox.work(board, clock)
    assert stages(outbox) == [(1, "pending"), (4, "queued")]
    assert {each.says for each in outbox.parcels()} == {"the board cannot be reached."}
    board.down = False
    board.tick()
    board.tick()
    outbox.work(board, clock)
    assert stages(outbox) == [(1, "final"), (4, "pending")]
    assert board.received == [head(1), head(4)]


def test_threat_14_what_is_lost_is_sent_again_unless_a_larger_one_covers_it(
    tmp_path: Path, head: Callable[[int], bytes]
) -> None:
    clock = Hand()
    board, outbox = MemoryAnchor(clock), Outbox(tmp_path / "o.db", "board", ORIGIN)
    outbox.offer(head(1), AT, HOUR)
    outbox.work(board, clock)
    clock.move(HOUR)
    outbox.offer(head(2), clock(), HOUR)
    outbox.work(board, clock)
    board.reorganise()
    outbox.work(board, clock)
    assert stages(outbox) == [(1, "queued"), (2, "queued")]
    outbox.work(board, clock)
    assert stages(outbox) == [(2, "pending")]
    assert board.received == [head(1), head(2), head(2)]


def test_threat_14_final_is_what_verifies_and_not_what_is_said_to_be_final(
    tmp_path: Path, head: Callable[[int], bytes]
) -> None:
    clock = Hand()
    board, outbox = MemoryAnchor(clock, lie=True), Outbox(tmp_path / "o.db", "board", ORIGIN)
    outbox.offer(head(1), AT, HOUR)
    (parcel,) = outbox.work(board, clock)
    assert (parcel.stage, parcel.says) == ("queued", "nothing final is known of this checkpoint.")


def test_waiting_doubles_up_to_an_hour_and_starts_anew_after_success(head: Callable[[int], bytes]) -> None:
    parcel, waits = queued(head(1), AT), []
    for _ in range(9):
        parcel = failed(parcel, "down", AT)
        waits.append(parcel.retry - AT)
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    parcel = sent(parcel, "r", AT)
    assert (parcel.tries, parcel.says) == (0, "")
    assert seen(parcel, Status("pending"), AT).retry == AT + FIRST_WAIT


def test_next_is_when_something_is_to_be_done(tmp_path: Path, head: Callable[[int], bytes]) -> None:
    clock = Hand()
    board, outbox = MemoryAnchor(clock), Outbox(tmp_path / "o.db", "board", ORIGIN)
    assert outbox.next(0, HOUR, AT) is None
    assert outbox.next(5, HOUR, AT) == AT
    outbox.offer(head(5), AT, HOUR)
    board.down = True
    outbox.work(board, clock)
    assert outbox.next(5, HOUR, AT) == AT + FIRST_WAIT
    board.down = False
    for _ in range(3):
        outbox.work(board, clock)
        board.tick()
    assert stages(outbox) == [(5, "final")]
    assert outbox.next(5, HOUR, AT) is None
    assert outbox.next(6, HOUR, AT) == AT + HOUR


def test_anchors_do_not_see_each_others_parcels(tmp_path: Path, head: Callable[[int], bytes]) -> None:
    one, two = (Outbox(tmp_path / "o.db", name, ORIGIN) for name in ("one", "two"))
    one.offer(head(1), AT, HOUR)
    assert two.parcels() == []


def test_a_damaged_outbox_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "o.db").write_bytes(b"no database, but long enough to be read as one" * 100)
    with pytest.raises(SetupError, match="cannot be opened") as caught:
        Outbox(tmp_path / "o.db", "board", ORIGIN)
    assert "move it away" in caught.value.hint


class Killed(BaseException):
    """The process ends here."""


class Adversary(RuleBasedStateMachine):
    """Time passes, the log grows, the board loses, lies and fails, the process dies around any call."""

    def __init__(self) -> None:
        super().__init__()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.signer = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
        self.folder = tempfile.TemporaryDirectory()
        self.clock, self.size, self.offered = Hand(), 0, list[tuple[int, datetime]]()
        self.board, self.fuse = MemoryAnchor(self.clock), 0
        self.finals: dict[int, datetime | None] = {}

    @property
    def outbox(self) -> Outbox:
        """Opened anew each time, as by another process."""
        return Outbox(Path(self.folder.name) / "o.db", "board", ORIGIN)

    def head(self) -> bytes:
        root = sha256(b"%d" % self.size).digest()
        return sign_checkpoint(Checkpoint(ORIGIN, self.size, root), self.signer)

    @rule(by=st.integers(1, 90))
    def wait(self, by: int) -> None:
        self.clock.move(timedelta(minutes=by))

    @rule(by=st.integers(1, 5))
    def grow(self, by: int) -> None:
        self.size += by

    @precondition(lambda self: self.size)
    @rule()
    def offer(self) -> None:
        if self.outbox.offer(self.head(), self.clock(), HOUR):
            self.offered.append((self.size, self.clock()))

    @rule(fuse=st.integers(0, 6), before=st.booleans())
    def work(self, fuse: int, before: bool) -> None:
        """``fuse`` calls to the board, then the process dies before or after its effect; 0: it does not."""
        left, board = [fuse], self.board

        def call(method: Callable[..., object]) -> Callable[..., object]:
            def wrapped(*arguments: object) -> object:
                left[0] -= 1
                if left[0] == 0 and before:
                    raise Killed
                answer = method(*arguments)
                if left[0] == 0:
                    raise Killed
                return answer

            return wrapped

        class Mortal:
            submit = staticmethod(call(board.submit))
            status = staticmethod(call(board.status))
            verify = staticmethod(call(board.verify))

        try:
            self.outbox.work(Mortal(), self.clock)  # type: ignore[arg-type]
        except Killed:
            assert fuse

    @rule()
    def tick(self) -> None:
        self.board.tick()

    @rule()
    def reorganise(self) -> None:
        self.board.reorganise()

    @rule(down=st.booleans(), lie=st.booleans())
    def turn(self, down: bool, lie: bool) -> None:
        self.board.down, self.board.lie = down, lie

    @rule()
    def recover(self) -> None:
        """Once the board is well, everything becomes final in a bounded number of steps, and is true."""
        self.board.down = self.board.lie = False
        for _ in range(6):
            self.outbox.work(self.board, self.clock)
            self.board.tick()
        assert all(not each.open for each in self.outbox.parcels())
        if self.offered:
            assert self.outbox.latest().size == self.offered[-1][0]  # type: ignore[union-attr]

    @invariant()
    def one_per_interval(self) -> None:
        times = [at for _, at in self.offered]
        assert all(b - a >= HOUR for a, b in itertools.pairwise(times))

    @invariant()
    def what_is_final_is_held_and_stays(self) -> None:
        parcels = self.outbox.parcels()
        for each in parcels:
            if each.stage == "final":
                held = self.board.held[each.reference]
                assert (held.checkpoint, held.step, held.at) == (each.checkpoint, 2, each.at)
                self.finals.setdefault(each.size, each.at)
        sizes = {each.size for each in parcels}
        assert set(self.finals) <= sizes

    @invariant()
    def the_last_intent_is_never_lost(self) -> None:
        parcels = self.outbox.parcels()
        assert [each.size for each in parcels][-1:] == [size for size, _ in self.offered][-1:]
        assert {each.size for each in parcels} <= {size for size, _ in self.offered}

    @invariant()
    def nothing_is_sent_that_was_not_written_down(self) -> None:
        sizes = {size for size, _ in self.offered}
        assert {int(each.split(b"\n")[1]) for each in self.board.received} <= sizes

    def teardown(self) -> None:
        self.folder.cleanup()


Adversary.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAdversary = Adversary.TestCase

CHILD = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
from datetime import UTC, datetime, timedelta
from pathlib import Path
from anchors import MemoryAnchor
from foreseal.seal.outbox import Outbox

now = datetime(2026, 1, 1, tzinfo=UTC)
board, count = MemoryAnchor(lambda: now), [int(sys.argv[2])]

def die():
    count[0] -= 1
    if count[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Mortal:
    def submit(self, checkpoint):
        die(); found = board.submit(checkpoint); die(); return found
    def status(self, reference):
        board.submit(checkpoint); board.tick(); board.tick()
        die(); found = board.status(reference); die(); return found
    def verify(self, reference, checkpoint):
        die(); found = board.verify(reference, checkpoint); die(); return found

folder = Path(sys.argv[1])
checkpoint = (folder / "checkpoint").read_bytes()
outbox = Outbox(folder / "o.db", "board", "example.com/log")
outbox.offer(checkpoint, now, timedelta(hours=1))
outbox.work(Mortal(), lambda: now)
print("done", flush=True)
"""


@pytest.mark.parametrize("count", range(1, 7))
def test_a_process_killed_around_any_call_leaves_what_the_next_one_finishes(
    tmp_path: Path, head: Callable[[int], bytes], count: int
) -> None:
    (tmp_path / "checkpoint").write_bytes(head(7))
    child = [sys.executable, "-c", CHILD, str(tmp_path)]
    killed = subprocess.run([*child, str(count), str(SUPPORT)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    found = Outbox(tmp_path / "o.db", "board", ORIGIN).parcels()
    stage = "queued" if count < 3 else "pending"
    assert [(each.checkpoint, each.stage) for each in found] == [(head(7), stage)]
    assert subprocess.run([*child, "0", str(SUPPORT)], capture_output=True, check=True).stdout == b"done\n"
    assert stages(Outbox(tmp_path / "o.db", "board", ORIGIN)) == [(7, "final")]


def test_only_what_waits_is_overtaken(head: Callable[[int], bytes]) -> None:
    small, large = queued(head(1), AT), queued(head(2), AT)
    assert overtaken([small, large]) == [small]
    assert overtaken([sent(small, "r", AT), large]) == []
    assert overtaken([large]) == []
