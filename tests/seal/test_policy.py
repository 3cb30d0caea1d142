"""A policy names keys and a quorum; what is weak, wrong or not understood is refused, not ignored."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from foreseal.errors import SettingsError, Tampered, UsageError
from foreseal.merkle import EMPTY_ROOT
from foreseal.seal.checkpoint import Checkpoint
from foreseal.seal.cosignature import CosignatureSigner
from foreseal.seal.note import Note, Signer, parse_note
from foreseal.seal.policy import Policy, parse_policy
from foreseal.seal.quorum import Group, Witness

AT = datetime(2026, 1, 1, tzinfo=UTC)


def cosigner(number: int) -> CosignatureSigner:
    return CosignatureSigner(f"w{number}", Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32))


COSIGNERS = [cosigner(number) for number in range(8)]
VKEYS = [str(each.verifier) for each in COSIGNERS]


def witnesses(n: int) -> tuple[Witness, ...]:
    return tuple(Witness(f"w{i}", COSIGNERS[i].verifier) for i in range(n))


def test_a_policy_lists_logs(signer: Signer) -> None:
    text = f"# who we trust\n\n  log\t{signer.verifier}  https://log.example\nquorum none\n"
    assert parse_policy(text) == Policy((signer.verifier,)) == Policy.of([str(signer.verifier)])


def test_a_policy_file_names_witnesses_groups_and_a_quorum(signer: Signer) -> None:
    lines = [f"log {signer.verifier}"]
    lines += [f"witness X{i} {VKEYS[i]}" for i in range(3)]
    lines += [f"witness Y{i} {VKEYS[3 + i]} https://y{i}.example/w" for i in range(3)]
    lines += ["group X 2 X0 X1 X2", "group Y all Y0 Y1 Y2", "group both all X Y", "quorum both"]
    lines += ["tolerate 3", "own Z"]
    lines.insert(7, f"witness Z {VKEYS[6]}")
    policy = parse_policy("\n".join(lines) + "\n")
    assert policy.groups == (
        Group("X", 2, ("X0", "X1", "X2")),
        Group("Y", 3, ("Y0", "Y1", "Y2")),
        Group("both", 2, ("X", "Y")),
    )
    assert policy.witnesses[4].url == "https://y1.example/w"
    assert (policy.quorum, policy.tolerate, policy.own) == ("both", 3, frozenset({"Z"}))
    assert parse_policy(str(policy)) == policy
    assert policy.met({"X0", "X2", "Y0", "Y1", "Y2"})
    assert not policy.met({"X0", "X1", "X2", "Y0", "Y1"})


@pytest.mark.parametrize(
    ("need", "own", "usable"),
    [
        (2, (), True),
        (2, (0,), True),
        (2, (0, 1), False),
        (3, (0,), False),
        (1, (0, 1), True),
        (1, (0,), False),
    ],
)
def test_threat_03_witnesses_of_the_operators_own_have_no_weight_in_a_quorum(
    signer: Signer, need: int, own: tuple[int, ...], usable: bool
) -> None:
    """Of three, ``own`` are left out: the rest must make the quorum, and any two quorums of it overlap."""
    names = [VKEYS[i].partition("+")[0] for i in own]
    if not usable:
        with pytest.raises(SettingsError):
            Policy.k_of_n([signer.verifier], need, VKEYS[:3], own=names)
        return
    policy = Policy.k_of_n([signer.verifier], need, VKEYS[:3], own=names)
    for size in range(4):
        for by in itertools.combinations(range(3), size):
            there = {VKEYS[i].partition("+")[0] for i in by}
            assert policy.met(there) == (len(set(by) - set(own)) >= need)


def test_settings_give_the_same_policy_as_a_file(signer: Signer) -> None:
    policy = Policy.k_of_n([signer.verifier], 2, [f"{VKEYS[0]} http://127.0.0.1:1", *VKEYS[1:3]], own=["w2"])
    assert policy.witnesses[0].url == "http://127.0.0.1:1"
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no quorum line"),
        ("log {vkey}\n", "no quorum line"),
        ("quorum none\nquorum none\n", "line 2 .* not understood"),
        ("witness W {vkey}\nquorum W\n", "line 1 .* type 0x01, which is not supported here"),
        ("log {w0}\nquorum none\n", "line 1 .* type 0x04, which is not supported here"),
        ("quorum any\n", "line 1 .* not declared"),
        ("log {vkey}\nlog {vkey}\nquorum none\n", "line 2 .* same key"),
        ("log {vkey}x\nquorum none\n", "line 1"),
        ("log\nquorum none\n", "line 1"),
        ("# a\rquorum none\nquorum\rnone\n", "line 2 .* not understood"),
        ("# a\r\nquorum\rnone\n", "line 2 .* not understood"),
        ("witness W {w0}\nwitness V {w0}\nquorum W\n", "line 2 .* again"),
        ("witness W {w0}\nwitness W {w1}\nquorum W\n", "line 2 .* again"),
        ("witness none {w0}\nquorum none\n", "line 1 .* again"),
        ("witness W {w0}\ngroup W 1 W\nquorum W\n", "line 2 .* again"),
        ("witness W {w0}\ngroup G 1\nquorum W\n", "line 2 .* not understood"),
        ("witness W {w0}\ngroup G 0 W\nquorum G\n", "line 2 .* needs 0 of its 1"),
        ("witness W {w0}\ngroup G 01 W\nquorum G\n", "line 2 .* not a count"),
        ("witness W {w0}\ngroup G 2 W\nquorum G\n", "line 2 .* needs 2 of its 1"),
        ("witness W {w0}\ngroup G 2 W W\nquorum G\n", "line 2 .* more than once"),
        ("witness W {w0}\ngroup G 1 W none\nquorum G\n", "line 2 .* 'none', which is not declared"),
        ("group G 1 W\nwitness W {w0}\nquorum G\n", "line 1 .* not declared before"),
        ("witness W {w0}\ngroup G 1 W\ngroup H 1 W\nquorum H\n", "line 3 .* more than once"),
        ("witness W {w0}\nquorum W\nown V\n", "own names 'V'"),
        ("witness W {w0}\nquorum W\ntolerate -1\n", "line 3 .* not a count"),
        ("witness W {w0}\nquorum W\ntolerate 0\ntolerate 0\n", "line 4 .* not understood"),
        ("\n" * (1 << 17), "more than"),
    ],
)
def test_a_line_that_is_wrong_or_unsupported_is_named(signer: Signer, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_policy(text.format(vkey=signer.verifier, w0=VKEYS[0], w1=VKEYS[1]))


def test_threat_18_a_post_quantum_witness_is_refused_by_its_type() -> None:
    with pytest.raises(SettingsError, match="type 0x06"):
        parse_policy("witness W w+00000000+Bg==\nquorum W\n")


@pytest.mark.parametrize(
    ("k", "n", "f"), [(k, n, f) for n in range(1, 8) for k in range(1, n + 1) for f in range(n + 1)]
)
def test_threat_03_a_quorum_of_k_of_n_is_refused_exactly_where_f_colluders_could_serve_two_trees(
    k: int, n: int, f: int
) -> None:
    group = Group("G", k, tuple(f"w{i}" for i in range(n)))
    if 2 * k > n + f:
        policy = Policy((), witnesses(n), (group,), "G", f)
        assert policy.overlap() == 2 * k - n
        return
    with pytest.raises(SettingsError, match=rf"{k} of {n} witnesses is too weak if {f} .*\({n} \+ {f}\) / 2"):
        Policy((), witnesses(n), (group,), "G", f)


@st.composite
def nested(draw: st.DrawFn) -> tuple[tuple[Witness, ...], tuple[Group, ...], str]:
    """Up to seven witnesses, combined into groups until one name is left."""
    found = witnesses(draw(st.integers(1, 7)))
    loose, groups = [each.name for each in found], []
    while len(loose) > 1 or not groups:
        size = draw(st.integers(1, len(loose)))
        members = tuple(loose[:size])
        groups.append(Group(f"g{len(groups)}", draw(st.integers(1, size)), members))
        loose = [*loose[size:], groups[-1].name]
        if len(groups) > 6:
            break
    return found, tuple(groups), groups[-1].name


@settings(max_examples=200, deadline=None)
@given(nested())
def test_the_overlap_of_nested_groups_is_what_trying_all_pairs_of_quorums_gives(
    made: tuple[tuple[Witness, ...], tuple[Group, ...], str],
) -> None:
    found, groups, quorum = made

    def has(name: str, by: frozenset[str]) -> bool:
        group = next((each for each in groups if each.name == name), None)
        return name in by if group is None else sum(has(m, by) for m in group.members) >= group.need

    names = [each.name for each in found]
    subsets = [frozenset(s) for r in range(len(names) + 1) for s in itertools.combinations(names, r)]
    quorums = [subset for subset in subsets if has(quorum, subset)]
    fewest = min(len(a & b) for a in quorums for b in quorums)
    if fewest == 0:
        with pytest.raises(SettingsError, match="too weak"):
            Policy((), found, groups, quorum)
    else:
        policy = Policy((), found, groups, quorum, fewest - 1)
        assert policy.overlap() == fewest
        assert [policy.met(subset) for subset in subsets] == [has(quorum, subset) for subset in subsets]
        with pytest.raises(SettingsError, match="too weak"):
            Policy((), found, groups, quorum, fewest)


def test_the_sealing_time_outlives_f_liars_and_ignores_the_operators_own_witnesses() -> None:
    policy = Policy.k_of_n([], 4, VKEYS[:5], tolerate=2, own=["w4"])
    honest = {f"w{i}": AT + timedelta(seconds=i) for i in range(5)}
    assert policy.time(honest) == AT + timedelta(seconds=2)
    for liars in itertools.combinations(["w0", "w1", "w2", "w3"], 2):
        lied = honest | {name: AT - timedelta(days=1) for name in (*liars, "w4")}
        assert policy.time(lied) == min(honest[name] for name in honest if name not in (*liars, "w4"))
    assert policy.time({"w0": AT, "w1": AT, "w4": AT}) is None
    assert policy.time({}) is None


def note_of(signer: Signer, *lines: object) -> Note:
    text = str(Checkpoint(signer.name, 0, EMPTY_ROOT))
    return parse_note(bytes(Note(text, (signer.sign(text), *lines))))  # type: ignore[arg-type]


Sign = Callable[[int, int], object]


@pytest.fixture
def sign(signer: Signer) -> Sign:
    text = str(Checkpoint(signer.name, 0, EMPTY_ROOT))
    return lambda number, seconds: COSIGNERS[number].sign(text, AT + timedelta(seconds=seconds))


def test_a_checkpoint_says_who_cosigned_it_and_what_it_lacks(signer: Signer, sign: Sign) -> None:
    policy = Policy.k_of_n([signer.verifier], 2, VKEYS[:3])
    one = policy.open(bytes(note_of(signer, sign(1, 7), sign(6, 3))))
    assert one.by == {"w1": AT + timedelta(seconds=7)}
    assert not policy.met(one.by)
    assert "needs 2 of 3; no cosignature by w0, w2" in policy.missing(one.by)
    two = policy.open(bytes(note_of(signer, sign(1, 7), sign(2, 9), sign(1, 5))))
    assert two.by == {"w1": AT + timedelta(seconds=5), "w2": AT + timedelta(seconds=9)}
    assert policy.met(two.by)
    assert policy.missing(two.by) == ""


def test_cosignatures_never_stand_in_for_the_logs_own_signature(signer: Signer, sign: Sign) -> None:
    stranger = Signer(signer.name, Ed25519PrivateKey.from_private_bytes(b"x" * 32))
    policy = Policy.k_of_n([signer.verifier], 2, VKEYS[:3])
    with pytest.raises(Tampered, match="no key that you named"):
        policy.open(bytes(note_of(stranger, sign(0, 0), sign(1, 0))))


def test_a_wrong_cosignature_by_a_known_witness_rejects_the_checkpoint(signer: Signer) -> None:
    wrong = COSIGNERS[0].sign("something else\n", AT)
    with pytest.raises(Tampered, match="does not fit"):
        Policy.k_of_n([signer.verifier], 1, VKEYS[:1]).open(bytes(note_of(signer, wrong)))
    assert Policy.k_of_n([signer.verifier], 1, VKEYS[1:2]).open(bytes(note_of(signer, wrong))).by == {}


def test_a_witness_key_is_no_log_key() -> None:
    with pytest.raises(UsageError, match="0x04"):
        Policy.of(VKEYS[:1])
