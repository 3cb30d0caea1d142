"""The shared vectors: small logs, receipts and evidence, good and bad, and the verdict on each.

The expected verdicts are written here by hand, from docs/evidence.md; no verifier is asked for them.
"""

from __future__ import annotations

import base64
import json
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ledger as ledgers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forging import (
    AUTHOR,
    KEYS,
    LOG,
    STRANGER,
    WITNESSES,
    Body,
    Files,
    Forged,
    leaf,
    pack,
    private_key,
    sign_body,
)

from foreseal.merkle import leads_to, leaf_hash
from foreseal.seal import jcs
from foreseal.seal.agreement import Agreement
from foreseal.seal.checkpoint import Checkpoint
from foreseal.seal.identity import sign_rotation
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.receipt import Receipt

KEY = str(LOG.verifier)
WITNESSED = "\n".join(
    [
        f"log {KEY}",
        *(f"witness w{i} {who.verifier}" for i, who in enumerate(WITNESSES, start=1)),
        "group two 2 w1 w2 w3",
        "quorum two",
        "",
    ]
)
STRICT = WITNESSED.replace("group two 2", "group two 3") + "tolerate 1\n"
OWN = WITNESSED + "own w1\n"
SMALL_ORDER = bytes([1]) + bytes(31)


@dataclass(frozen=True)
class Vector:
    """What is verified, whom to trust, and the verdict: ``codes`` holds the first problem's code, or nothing.

    ``trust`` is a policy, or one verifier key, or empty; ``unusable`` if it must be refused as such.
    ``files`` is a file by name: ``receipt``, or ``zip``, or the files of a folder.
    """

    name: str
    form: str
    files: Files
    trust: str = KEY
    targets: tuple[str, ...] = ()
    level: str = "none"
    code: str = ""
    unusable: bool = False

    @property
    def ok(self) -> bool:
        return self.level != "none" and ("log " in self.trust or " " not in self.trust) and self.trust != ""


def plain() -> Forged:
    """A replayed series target and a live case target with commitments (tests/support/ledger.py)."""
    return _written(lambda ledger: ledgers.make_ledger(ledger.log.folder, ledger.log, AUTHOR))


def live() -> Forged:
    """A live series target with two settled cutoffs, cosigned by three witnesses soon after each forecast."""

    def write(ledger: ledgers.Ledger) -> None:
        ledger.at = ledgers.START - timedelta(hours=1)
        ledger.identity()
        ledger.dataset("d", "series")
        model, declared = ledger.model(), ledger.target("volume", "d", "series", mode="live")
        for seq, cutoff in enumerate(ledgers.CUTOFFS):
            ledger.at = cutoff + timedelta(minutes=5)
            about = {**ledger.about("volume", declared, seq), "mode": "live"}
            ledger.forecast(about, "baseline", model, ledgers.series_forecast(seq, 3))
            ledger.forecast(about, "us", model, ledgers.series_forecast(seq))
            ledger.at = cutoff + timedelta(days=1)
            ledger.outcome(about, ledgers.series_outcome(seq))
            ledger.score("volume", seq)

    forged = _written(write)
    cosigned = []
    for seq, cutoff in enumerate(ledgers.CUTOFFS):
        size = forged.find("forecast", 2 * seq + 1) + 1
        cosigned += [(size, who, _seconds(cutoff + timedelta(minutes=10))) for who in WITNESSES]
    end = ledgers.CUTOFFS[-1] + timedelta(days=2)
    cosigned += [(len(forged.entries), who, _seconds(end)) for who in WITNESSES]
    return replace(forged, cosigned=tuple(cosigned))


def people() -> Forged:
    """A replayed target on a personal dataset, with consents (tests/support/ledger.py)."""
    return _written(ledgers.write_people)


def partners() -> Forged:
    """The log of `people`, then an agreement of two and one of three, its own author among them."""
    log = people()
    common = {name: log.bodies()[0][name] for name in ("v", "author", "at")}
    for keys in ((AUTHOR, STRANGER), (AUTHOR, STRANGER, private_key("next"))):
        log = _inserted(log, len(log.entries), {**common, "kind": "agreement", **agreed(keys).fields})
    return log


def agreed(
    keys: Sequence[Ed25519PrivateKey], name: str = "hand-over", terms: bytes = b"120 crates, handed over"
) -> Agreement:
    """An agreement that the holders of ``keys`` have signed."""
    parties = {f"party {i}": author_id(public_bytes(key)) for i, key in enumerate(keys)}
    found = Agreement.of(name, terms, ledgers.AT, parties)
    for key in keys:
        found = found.signed(key)
    return found


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _written(write: Callable[[ledgers.Ledger], object]) -> Forged:
    with (
        tempfile.TemporaryDirectory() as name,
        Log.create(Path(name) / "log", LOG, Path(name) / "lock") as log,
    ):
        write(ledgers.Ledger(log, AUTHOR))
        folder = log.folder / "payload" / "sha256"
        payloads = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        return Forged(tuple(log.entries()), payloads)


def setting(**fields: Any) -> Callable[[Body], Body]:
    """An edit that sets fields of an entry."""
    return lambda body: {**body, **fields}


def left_out(_: Body) -> None:
    """An edit that leaves an entry out."""


def vectors() -> Iterator[Vector]:
    """All of them, in a fixed order."""
    yield from _receipts(plain())
    yield from _witnessed_receipts(live())
    yield from _policies(live())
    yield from _containers(plain())
    yield from _entries(plain())
    yield from _stories(plain())
    yield from _times(live())
    yield from _identities(plain())


def _receipts(log: Forged) -> Iterator[Vector]:
    index = log.find("outcome")
    good = log.receipt(index)

    def receipt(name: str, data: bytes, level: str = "none", code: str = "receipt", **rest: Any) -> Vector:
        return Vector(f"receipt: {name}", "receipt", {"receipt": data}, level=level, code=code, **rest)

    data = bytes(good)
    lines = data.split(b"\n")
    other = Signer(LOG.name, private_key("another log"))
    yield receipt("good", data, "included", "")
    yield receipt("no key named", data, "included", "", trust="")
    yield receipt("another key of the same name", data, code="signature", trust=str(other.verifier))
    yield receipt("a policy without witnesses", data, "included", "", trust=f"log {KEY}\nquorum none\n")
    tampered = good.entry.replace(b'"rows":4', b'"rows":3')
    yield receipt("tampered entry", bytes(replace(good, entry=tampered)))
    yield receipt("wrong index", bytes(replace(good, index=index - 1)))
    yield receipt("index beyond size", bytes(replace(good, index=len(log.entries))))
    yield receipt("short path", bytes(replace(good, proof=good.proof[:-1])))
    yield receipt("no path", bytes(replace(good, proof=())))
    yield receipt("long path", bytes(replace(good, proof=(*good.proof, bytes(32)))))
    yield receipt("path of 64 hashes", bytes(replace(good, proof=(bytes(32),) * 64)))
    yield receipt("another hash in the path", bytes(replace(good, proof=(bytes(32), *good.proof[1:]))))
    yield receipt("a hash of 31 bytes", bytes(replace(good, proof=(bytes(31), *good.proof[1:]))))
    yield receipt("leading zero in the index", data.replace(b"\nindex ", b"\nindex 0"))
    yield receipt("plus sign in the index", data.replace(b"\nindex ", b"\nindex +"))
    yield receipt("index 2^53", _with_line(lines, 2, b"index 9007199254740992"))
    yield receipt("index 2^53 + 9", _with_line(lines, 2, b"index 9007199254741001"))
    yield receipt("index of twenty digits", _with_line(lines, 2, b"index 18446744073709551616"))
    yield receipt("another version", data.replace(b"@v1", b"@v2"))
    yield receipt("no extra line", b"\n".join([lines[0], *lines[2:]]))
    yield receipt("empty entry", _with_line(lines, 1, b"extra "))
    yield receipt("CR after the header", data.replace(b"@v1\n", b"@v1\r\n"))
    yield receipt("CR in every line", data.replace(b"\n", b"\r\n"))
    yield receipt("BOM", b"\xef\xbb\xbf" + data)
    yield receipt("white space in base64", _with_line(lines, 1, lines[1][:20] + b" " + lines[1][20:]))
    loose = log.receipt(log.find("dataset"))
    found = next(i for i in range(len(log.entries)) if len(log.entries[i]) % 3)
    loose = log.receipt(found)
    line = bytes(loose).split(b"\n")
    yield receipt("non-canonical base64", _with_line(line, 1, _loosened(line[1])))
    yield receipt("base64 without padding", _with_line(line, 1, line[1].rstrip(b"=")))
    yield receipt("empty", b"")
    yield receipt("cut in the middle", data[: len(data) // 2])
    yield receipt("no final newline", data[:-1])
    # The checkpoint inside.
    text = str(Checkpoint(LOG.name, len(log.entries), log.receipt(0).check().root))
    base = replace(good, checkpoint=log.note(text))

    def noted(name: str, note: bytes, level: str = "none", code: str = "receipt") -> Vector:
        return receipt(name, bytes(replace(base, checkpoint=note)), level, code)

    signature = base.checkpoint.split(b"\n\n")[1]
    yield noted("extension line", log.note(text + "an extension\n"), "included", "")
    yield noted("empty extension line", log.note(text + "\nan extension\n"))
    yield noted("leading zero in the size", log.note(text.replace("\n2", "\n02", 1)))
    yield noted("size 2^53", log.note(text.replace("\n28\n", "\n9007199254740992\n")))
    yield noted("no size", log.note(text.replace("\n28\n", "\n\n")))
    yield noted("size of a log of none", log.note(text.replace("\n28\n", "\n0\n")))
    yield noted("two lines", log.note("\n".join(text.split("\n")[:2]) + "\n"))
    yield noted("CR in the checkpoint", log.note(text.replace("\n", "\r\n")))
    yield noted("wrong key id", base.checkpoint.replace(signature, _other_id(signature)), code="signature")
    yield noted("unsigned", text.encode() + b"\n")
    stranger = Signer("stranger.example/log", STRANGER).sign(text)
    yield noted("unknown signature", base.checkpoint + str(stranger).encode(), "included", "")
    many = b"".join([base.checkpoint, *[str(stranger).encode()] * 15])
    yield noted("sixteen signatures", many, "included", "")
    yield noted("65 signatures", many + str(stranger).encode() * 49)
    wrong = LOG.sign(text + "x")
    yield noted("a wrong signature of the log", base.checkpoint + str(wrong).encode(), code="signature")
    yield noted(
        "by another log", bytes(_signed(text, Signer("other.example/log", LOG.key))), code="signature"
    )
    renamed = text.replace("example.com/log", "example.com/other", 1)
    yield noted("of another log", log.note(renamed), code="signature")
    yield noted("name with a wide space", base.checkpoint + "\u2014 a\u3000b AAAAAAAA\n".encode())
    yield noted("name with a plus", base.checkpoint + "\u2014 a+b AAAAAAAA\n".encode())
    yield noted(
        "name with a zero-width space",
        base.checkpoint + "\u2014 a\ufeffb AAAAAAAA\n".encode(),
        "included",
        "",
    )
    yield noted("name with a next-line sign", base.checkpoint + "\u2014 a\u0085b AAAAAAAA\n".encode())
    yield noted("short signature", base.checkpoint + "\u2014 ab AAAAAA==\n".encode())
    yield noted("name of 256 letters", base.checkpoint + f"\u2014 {'a' * 256} AAAAAAAA\n".encode())
    # An index that needs more than 32 bits.
    at, size = 2**52 + 5, 2**53 - 1
    proof = tuple(sha256(bytes([i])).digest() for i in range(_length(at, size)))
    deep = Checkpoint(LOG.name, size, leads_to(leaf_hash(good.entry), at, size, proof))
    high = Receipt(good.entry, at, proof, log.note(str(deep)))
    yield receipt("index above 2^52", bytes(high), "included", "")
    yield receipt("index above 2^52, one too low", bytes(replace(high, index=at - 1)))
    # The entry inside. Which text is in normal form C depends on the version of Unicode, so nobody asks.
    for name, text in (("a decomposed letter", "volume\u0301e"), ("new letters", "\U00016d67\U00016d67")):
        signed = sign_body({**log.bodies()[index], "target": text})
        forged = log.edited({index: lambda _, raw=signed: raw}, follow=False)  # type: ignore[misc]
        yield receipt(f"signed, with {name}", bytes(forged.receipt(index)), "included", "")
    for name, raw, code in _bad_entries(log, index):
        forged = log.edited({index: lambda _, raw=raw: raw}, follow=False)  # type: ignore[misc]
        yield receipt(f"{name}", bytes(forged.receipt(index)), code=code)


def _bad_entries(log: Forged, index: int) -> Iterator[tuple[str, bytes, str]]:
    body, raw = log.bodies()[index], log.entries[index]
    yield (
        "signature by nobody",
        raw.replace(b'"rows":4', b'"rows":3').replace(b'ed":4', b'ed":3'),
        "signature",
    )
    yield "duplicate keys", raw.replace(b'"rows":4', b'"rows":4,"rows":4'), "canonical"
    yield "white space", raw.replace(b",", b", ", 1), "canonical"
    yield "a float", raw.replace(b'"rows":4', b'"rows":4.0'), "canonical"
    yield "an exponent", raw.replace(b'"rows":4', b'"rows":4e0'), "canonical"
    yield "minus zero", raw.replace(b'"seq":0', b'"seq":-0'), "canonical"
    yield "leading zero in a number", raw.replace(b'"rows":4', b'"rows":04'), "canonical"
    yield "an integer above 2^53", raw.replace(b'"rows":4', b'"rows":9007199254740993'), "canonical"
    yield "null", raw.replace(b'"seq":0', b'"seq":null'), "canonical"
    yield "keys out of order", b'{"v":1,' + raw[1:].replace(b',"v":1', b""), "canonical"
    yield "an escape without need", raw.replace(b'"volume"', b'"v\\u006flume"'), "canonical"
    yield "half of a surrogate pair", raw.replace(b'"volume"', b'"\\ud800"'), "canonical"
    yield "a decomposed letter", raw.replace(b'"volume"', '"volume\u0301e"'.encode()), "signature"
    yield "bytes that are not UTF-8", raw.replace(b'"volume"', b'"volum\xe9"'), "canonical"
    yield "a byte order mark", b"\xef\xbb\xbf" + raw, "canonical"
    yield "deep nesting", b"[" * 5000 + b"]" * 5000, "canonical"
    yield "more than 8 KiB", b'"' + b"a" * 9000 + b'"', "canonical"
    yield "not an object", b'"text"', "fields"
    yield "an empty object", b"{}", "fields"
    yield "a kind from the prototype", b'{"kind":"constructor"}', "fields"

    def signed(**fields: Any) -> bytes:
        return sign_body({**body, **fields})

    yield "an unknown field", signed(extra=1), "fields"
    yield "an unknown kind", signed(kind="rumour"), "fields"
    yield "a field of the prototype", signed(constructor="x"), "fields"
    yield "version 2", signed(v=2), "fields"
    yield "true for one", signed(v=True), "fields"
    yield "an instant with an offset", signed(cutoff="2018-08-01T00:00:00+00:00"), "fields"
    yield "an instant that is not", signed(cutoff="2018-02-30T00:00:00Z"), "fields"
    yield "an instant of the year 0", signed(cutoff="0000-01-01T00:00:00Z"), "fields"
    yield "a fraction of zero", signed(cutoff="2018-08-01T00:00:00.000000Z"), "fields"
    yield "a control character", signed(target="vol\u0085ume"), "fields"
    yield "a name of 65 letters", signed(target="a" * 65), "fields"
    yield "more rows than expected", signed(rows=5), "fields"
    yield "an upper-case digest", signed(declared="AB" * 32), "fields"
    weak = {**body, "author": f"ed25519:{SMALL_ORDER.hex()}", "sig": (SMALL_ORDER + bytes(32)).hex()}
    yield "an author of small order", jcs.encode(weak), "signature"


def _witnessed_receipts(log: Forged) -> Iterator[Vector]:
    index = log.find("forecast", 1)
    size = index + 1
    cosigned = bytes(log.receipt(index, size))
    alone = replace(log, cosigned=())
    one = replace(log, cosigned=tuple(each for each in log.cosigned if each[1] is WITNESSES[0]))

    def receipt(name: str, data: bytes, trust: str, level: str = "none", code: str = "") -> Vector:
        return Vector(
            f"witnessed receipt: {name}", "receipt", {"receipt": data}, trust, level=level, code=code
        )

    yield receipt("good", cosigned, WITNESSED, "included")
    yield receipt("by witnesses that nobody named", cosigned, KEY, "included")
    yield receipt("of the log's own operator", cosigned, OWN, "included")
    own = replace(log, cosigned=tuple(each for each in log.cosigned if each[1] is not WITNESSES[2]))
    yield receipt("the operator's own and one other", bytes(own.receipt(index, size)), OWN, code="quorum")
    yield receipt("without cosignatures", bytes(alone.receipt(index, size)), WITNESSED, code="quorum")
    yield receipt("one of three", bytes(one.receipt(index, size)), WITNESSED, code="quorum")
    lines = cosigned.split(b"\n")
    bad = _flipped_signature(lines[-2])
    yield receipt("a wrong cosignature", b"\n".join([*lines[:-2], bad, b""]), WITNESSED, code="signature")
    unknown = b"\n".join([*lines[:-2], bad, b""])
    yield receipt("a wrong cosignature by nobody we know", unknown, KEY, "included")
    yield receipt(
        "one cosignature twice", bytes(one.receipt(index, size)) + lines[-2] + b"\n", WITNESSED, "included"
    )
    twice = bytes(one.receipt(index, size))
    yield receipt("one witness twice", twice + twice.split(b"\n")[-2] + b"\n", WITNESSED, code="quorum")


def _policies(log: Forged) -> Iterator[Vector]:
    data = bytes(log.receipt(log.find("forecast", 1), log.find("forecast", 1) + 1))
    w = [str(who.verifier) for who in WITNESSES]

    def policy(name: str, trust: str, level: str = "none", code: str = "") -> Vector:
        unusable = level == "none" and not code
        return Vector(f"policy: {name}", "receipt", {"receipt": data}, trust, (), level, code, unusable)

    yield policy("weak: one of three", WITNESSED.replace("group two 2", "group two 1"))
    yield policy("weak: two of three against one", WITNESSED + "tolerate 1\n")
    yield policy("weak: any", WITNESSED.replace("group two 2", "group two any"))
    yield policy(
        "weak: two of two against two",
        f"log {KEY}\nwitness a {w[0]}\nwitness b {w[1]}\ngroup g all a b\nquorum g\ntolerate 2\n",
    )
    yield policy("strong: three of three against one", STRICT, "included")
    yield policy("all of three", WITNESSED.replace("group two 2", "group two all"), "included")
    yield policy("a single witness", f"log {KEY}\nwitness a {w[0]}\nquorum a\n", "included")
    three = "".join(f"witness {name} {key}\n" for name, key in zip("abc", w, strict=True))
    nested = f"log {KEY}\n{three}group x any a b\ngroup y all x c\nquorum y\n"
    yield policy("nested groups", nested, "included")
    yield policy("weak nested groups", nested.replace("group y all", "group y any"))
    for depth, level in ((63, "included"), (64, "none"), (3000, "none")):
        chain = "".join(f"group g{k} all g{k - 1}\n" for k in range(1, depth))
        deep = f"log {KEY}\nwitness a {w[0]}\ngroup g0 all a\n{chain}quorum g{depth - 1}\n"
        yield policy(f"{depth} groups, each in the next", deep, level)
    yield policy("no quorum line", f"log {KEY}\n")
    yield policy("two quorum lines", f"log {KEY}\nquorum none\nquorum none\n")
    yield policy("a quorum of nobody", f"log {KEY}\nquorum two\n")
    yield policy("the same log twice", f"log {KEY}\nlog {KEY}\nquorum none\n")
    yield policy("the same witness twice", f"log {KEY}\nwitness a {w[0]}\nwitness b {w[0]}\nquorum none\n")
    yield policy("a witness key for a log", f"log {w[0]}\nquorum none\n")
    yield policy("a log key for a witness", f"log {KEY}\nwitness a {KEY}\nquorum none\n")
    yield policy(
        "a member that is not declared", f"log {KEY}\nwitness a {w[0]}\ngroup g 1 a b\nquorum none\n"
    )
    yield policy("a member twice", f"log {KEY}\nwitness a {w[0]}\ngroup g 1 a a\nquorum none\n")
    yield policy("a threshold above its members", WITNESSED.replace("group two 2", "group two 4"))
    yield policy("a threshold of zero", WITNESSED.replace("group two 2", "group two 0"))
    yield policy("a threshold with a leading zero", WITNESSED.replace("group two 2", "group two 02"))
    yield policy("own names no witness", WITNESSED + "own w9\n")
    yield policy("own witnesses are needed for the quorum", WITNESSED + "own w1 w2\n")
    yield policy("own is the only witness", f"log {KEY}\nwitness a {w[0]}\nquorum a\nown a\n")
    yield policy("own leaves enough", WITNESSED + "own w3\n", "included")
    yield policy("own leaves one of two", f"log {KEY}\n{three}group g any a b\nquorum g\nown a\n", "included")
    yield policy("own makes a nested group impossible", nested + "own c\n")
    yield policy("own makes a nested group strong", nested + "own a\ntolerate 1\n", "included")
    yield policy("an unknown line", WITNESSED + "trust everybody\n")
    yield policy("CR LF at the ends of lines", WITNESSED.replace("\n", "\r\n"), "included")
    yield policy("a byte order mark before it", "\ufeff" + WITNESSED, "included")
    yield policy("two byte order marks", "\ufeff\ufeff" + WITNESSED)
    yield policy("CR at the ends of lines", WITNESSED.replace("\n", "\r"))
    yield policy("CR before CR LF", WITNESSED.replace("\n", "\r\r\n"))
    yield policy(
        "comments, tabs and urls",
        "# whom\n\n" + WITNESSED.replace(f"w1 {w[0]}", f"w1\t {w[0]} https://w1.example"),
        "included",
    )
    yield policy("a key with another id", f"log {KEY.replace('+', '+0', 1)}\nquorum none\n")
    yield policy("a witness called none", f"log {KEY}\nwitness none {w[0]}\nquorum none\n")
    yield policy("no log", WITNESSED.replace(f"log {KEY}\n", ""), "included")


def _containers(log: Forged) -> Iterator[Vector]:
    log = replace(log, receipts={"volume/us-0.tlog-proof": log.find("forecast", 1)})
    files = log.files()

    def zipped(name: str, data: bytes, level: str = "none", code: str = "container", **rest: Any) -> Vector:
        return Vector(f"zip: {name}", "zip", {"zip": data}, level=level, code=code, **rest)

    def folder(name: str, given: Files, level: str = "none", code: str = "", **rest: Any) -> Vector:
        return Vector(f"files: {name}", "folder", given, level=level, code=code, **rest)

    good = pack(files)
    yield zipped("good", good, "identities", "")
    yield zipped("an unknown target asked for", good, code="target-missing", targets=("typo",))
    yield zipped("stored", pack(files, 0), "identities", "")
    yield zipped("no key named", good, "identities", "", trust="")
    yield zipped("not a zip", b"nothing")
    yield zipped("empty", b"")
    yield zipped("cut", good[:-30])
    yield zipped("junk before", b"junk" + good)
    yield zipped("junk after", good + b"junk")
    yield zipped("a comment", good[:-2] + b"\x04\x00note")
    yield zipped("a name with ..", pack({**files, "../escape": b"x"}))
    yield zipped("an absolute name", pack({**files, "/escape": b"x"}))
    yield zipped("a backslash", pack({**files, "a\\b": b"x"}))
    yield zipped("an empty zip", pack({}), code="checkpoint")
    yield zipped("encrypted, says a flag", _patched(good, 8, 1))
    yield zipped("another method", _patched(good, 10, 12))
    field = good.index(b"PK\x01\x02") + 20
    packed = int.from_bytes(good[field : field + 4], "little")
    for name, change in (
        ("a byte after the end of a member", 1),
        ("a byte short of the end of a member", -1),
    ):
        yield zipped(name, good[:field] + (packed + change).to_bytes(4, "little") + good[field + 4 :])
    yield zipped("members that claim 20 GiB together", _with_claims(good, 5))
    yield zipped("a member that is another", _flipped(good, good.index(b"checkpoint") + 20))
    yield folder("good", files, "identities")
    yield folder("no checkpoint", _without(files, "checkpoint"), code="checkpoint")
    yield folder("no entries", {n: d for n, d in files.items() if "entries" not in n}, code="entries")
    bundle = next(name for name in files if "entries" in name)
    yield folder("entries cut", {**files, bundle: files[bundle][:-1]}, code="entries")
    yield folder("an entry too many", {**files, bundle: files[bundle] + b"\0\1x"}, code="entries")
    yield folder("a flipped entry", {**files, bundle: _flipped(files[bundle], 500)}, code="root")
    yield folder("something else beside", {**files, "notes.md": b"hello"}, "identities")
    shown = "receipts/volume/us-0.tlog-proof"
    yield folder("a receipt that is none", {**files, shown: b"none"}, code="receipt")
    fork = log.edited({log.find("model"): setting(spec="another")})
    yield folder("a receipt of another history", {**files, shown: fork.files()[shown]}, code="fork")
    whole = log.files(log=True)
    whole = {name: data for name, data in whole.items() if not name.startswith("receipts/")}
    yield Vector("log: good", "log", whole, level="identities")
    yield Vector("log: one target", "log", whole, targets=("disease",), level="identities")
    yield Vector(
        "log: an unknown target asked for", "log", whole, targets=("volume", "typo"), code="target-missing"
    )
    yield Vector(
        "log: a missing tile",
        "log",
        _without(whole, "tile/0/000.p/28") | {"tile/0/000.p/27": b""},
        code="tile",
    )
    tile = whole["tile/0/000.p/28"]
    yield Vector("log: a wrong tile", "log", {**whole, "tile/0/000.p/28": _flipped(tile, 40)}, code="tile")
    yield Vector("log: an older tile", "log", {**whole, "tile/0/000.p/9": tile[:288]}, level="identities")
    yield Vector(
        "log: an older tile that differs", "log", {**whole, "tile/0/000.p/9": bytes(288)}, code="stray"
    )
    yield Vector("log: a stray file", "log", {**whole, "tile/readme": b"x"}, code="stray")
    yield Vector("log: a timestamp", "log", {**whole, "timestamp/28.tsr": b"x"}, level="identities")
    yield Vector("log: a chain anchor", "log", {**whole, "chain/28.json": b"x"}, level="identities")
    for name in (
        "timestamp/028.tsr",
        "timestamp/28",
        "timestamp/9007199254740993.tsr",
        "chain/028.json",
        "chain/28",
        "chain/28.tsr",
        "chain/9007199254740993.json",
        "cosigned/9007199254740993",
    ):
        yield Vector(f"log: a stray {name}", "log", {**whole, name: b"x"}, code="stray")
    yield Vector(
        "log: a payload that is another",
        "log",
        {**whole, f"payload/sha256/{'0' * 64}": b""},
        code="payload-differs",
    )


def _entries(log: Forged) -> Iterator[Vector]:
    """One entry changed, all signed again: the rules of each kind."""

    def story(name: str, edits: dict[int, Any], code: str, level: str = "none") -> Vector:
        return Vector(f"entry: {name}", "folder", log.edited(edits).files(), level=level, code=code)

    def first(kind: str, n: int = 0) -> int:
        return log.find(kind, n)

    late = "2018-08-05T00:00:00Z"
    yield story("not JSON", {first("model"): lambda _: b"{]"}, "canonical")
    yield story(
        "unsigned",
        {first("model"): lambda b: log.entries[first("model")].replace(b"naive", b"nervy")},
        "signature",
    )
    yield story("no identity", {first("identity"): left_out}, "identity")
    stranger = author_id(public_bytes(STRANGER))
    yield story("a stranger's outcome", {first("outcome"): setting(author=stranger)}, "identity")
    yield story("no dataset", {first("dataset"): left_out}, "reference")
    yield story("no target", {first("target"): left_out}, "reference")
    yield story("no model", {first("model", 1): left_out}, "reference")
    yield story("another cutoff", {first("forecast"): setting(cutoff=late)}, "reference")
    yield story("no such cutoff", {first("forecast"): setting(seq=2)}, "reference")
    yield story("another mode", {first("forecast"): setting(mode="live")}, "rule")
    yield story("no such forecaster", {first("forecast"): setting(forecaster="them")}, "rule")
    yield story("cutoffs miscounted", {first("target"): setting(cutoffs=3)}, "rule")
    yield story("rows miscounted", {first("outcome"): setting(rows=3)}, "rule")
    yield story("fewer expected than forecast", {first("outcome"): setting(expected=3, rows=3)}, "rule")
    yield story("another salt", {first("reveal"): setting(salt="00" * 32)}, "commitment")
    yield story("another expected cost", {first("decision"): setting(expected_cost="1.4")}, "rule")
    yield story(
        "a model for a decision", {first("approval"): setting(decision=leaf(log.entries[2]))}, "reference"
    )
    score = first("score")
    said = log.bodies()[score]
    yield story("a score of another rule", {score: setting(rule="brier")}, "score-differs")
    items = [dict(each) for each in said["scores"]]
    yield story("altered score", {score: _item(0, total="1.00")}, "score-differs")
    yield story("altered mean", {score: _item(1, mean="0.0000001")}, "score-differs")
    yield story("a forecaster left out of the score", {score: setting(scores=items[:1])}, "score-differs")
    yield story("forecasters swapped", {score: setting(scores=items[::-1])}, "score-differs")
    yield story("a missing forecast called scored", {score: _item(0, forecast="12" * 32)}, "gap")
    yield story(
        "a wrong payload of the score",
        {score: setting(payload=said["payload"] | {"size": 1})},
        "payload-differs",
    )
    regret = [{**said["decisions"][0], "regret": "0.4"}]
    yield story("altered regret", {score: setting(decisions=regret)}, "regret-differs")
    regret = [{**said["decisions"][0], "kind": "observed"}]
    yield story("another kind of regret", {score: setting(decisions=regret)}, "rule")
    target = first("target")
    yield story("ten decimals", {target: setting(decimals=10)}, "fields")
    yield story("a level of seven decimals", {target: setting(quantiles=["0.1000001"])}, "fields")
    yield story("a bound of 15 digits", {target: setting(score_bound="1" + "0" * 14)}, "fields")
    yield story("a bound of 14 digits", {target: setting(score_bound="9" * 14)}, "", "identities")
    cases = first("target", 1)
    yield story("commitments that may stay silent", {cases: setting(missing="baseline")}, "fields")
    yield story("due when it settles", {cases: setting(deadline=86_400)}, "", "identities")
    yield story("due after it settles", {cases: setting(deadline=86_401)}, "rule")
    yield story("due after its horizon, replayed", {target: setting(deadline=864_000)}, "", "identities")
    yield story("revised horizon", {first("target"): setting(horizon=1)}, "", "identities")
    yield story("a far future", {first("target"): setting(horizon=100_000, freq="999999w")}, "rule")
    yield story("a far future in months", {first("target"): setting(horizon=100_000, freq="1y")}, "rule")


def _stories(log: Forged) -> Iterator[Vector]:
    def story(name: str, forged: Forged, code: str, level: str = "none", **rest: Any) -> Vector:
        return Vector(f"story: {name}", "folder", forged.files(), level=level, code=code, **rest)

    us = log.find("forecast", forecaster="us", seq=0, target="volume")
    body = log.bodies()
    yield story("a forecast dropped", log.edited({us: left_out}, follow=False), "reference")
    better, reference = log.with_payload(ledgers.series_forecast(0, -1))
    better_forecast = {**body[us], "payload": reference}
    again = _inserted(better, us + 1, better_forecast)
    yield story("the same cutoff twice, the first counts", again, "", "identities")
    shown = leaf(again.entries[us + 1])
    score = again.find("score")
    yield story(
        "the same cutoff twice, the second is shown",
        again.edited({score: _item(0, forecast=shown)}),
        "duplicate",
    )
    hidden = replace(again, receipts={"a.tlog-proof": us + 1})
    yield story("the receipt of the second only", hidden, "receipt")
    both = replace(again, receipts={"a.tlog-proof": us + 1, "b.tlog-proof": us})
    yield story("receipts of both", both, "", "identities")
    yield story("an entry twice", replace(log, entries=(*log.entries, log.entries[0])), "", "identities")
    first = log.find("score")
    skipped = log.edited({first: left_out, log.find("outcome"): left_out})
    yield story("a cutoff skipped", skipped, "gap")
    yield story("a cutoff with an outcome and no score", log.edited({first: left_out}), "gap")
    scored = {**body[first], "at": "2027-01-01T00:00:00Z"}
    yield story("scored twice", _inserted(log, first + 1, scored), "", "identities")
    wrong = _item(0, total="1.00")(scored)
    yield story("scored twice, the second time wrongly", _inserted(log, first + 1, wrong), "", "identities")
    wrong = _inserted(log.edited({first: _item(0, total="1.00")}), first + 1, scored)
    yield story("scored twice, the first time wrongly", wrong, "score-differs")
    target = log.find("target")
    named = {**body[target], "at": "2027-01-01T00:00:00Z"}
    yield story("a target declared again", _inserted(log, len(log.entries), named), "", "identities")
    revised = {**body[log.find("outcome")], "at": "2027-01-01T00:00:00Z"}
    yield story("an outcome revised", _inserted(log, first + 1, revised), "", "identities")
    yield story("an outcome with no value", _empty(), "", "identities")
    yield from _late_reveals()
    yield story("ends before its scores", replace(log, entries=log.entries[:first]), "", "identities")
    # A forecast after its outcome.
    outcome = log.find("outcome")
    moved = list(log.entries)
    moved.insert(outcome, moved.pop(us))
    ours = log.find("forecast", forecaster="us", seq=0, target="volume")
    swapped = [
        *log.entries[:ours],
        *log.entries[ours + 1 : outcome + 1],
        log.entries[ours],
        *log.entries[outcome + 1 :],
    ]
    kept = [raw for raw in swapped if b'"kind":"decision"' not in raw and b'"kind":"approval"' not in raw]
    late = replace(log, entries=tuple(kept))
    score = late.find("score")
    late = late.edited({score: setting(decisions=[]), late.find("score", 1): setting(decisions=[])})
    yield story("late forecast counted", late, "late")
    # Payloads.
    name = body[us]["payload"]["sha256"]
    yield story("missing payload", replace(log, payloads=_without(log.payloads, name)), "payload-missing")
    other = {**log.payloads, name: log.payloads[name] + b"\n"}
    yield story("payload of another size", replace(log, payloads=other), "payload-differs")
    flipped = {**log.payloads, name: _flipped(log.payloads[name], 30)}
    yield story("payload of another digest", replace(log, payloads=flipped), "payload-differs")
    schedule = body[log.find("target", 1)]["schedule"]["sha256"]
    yield story(
        "targets without a schedule",
        replace(log, payloads=_without(log.payloads, schedule)),
        "target-missing",
    )
    of_cases = {
        each["payload"]["sha256"] for each in body if each.get("target") == "disease" and "payload" in each
    }
    of_cases |= {each["payload"]["sha256"] for each in body if each["kind"] == "reveal"}
    rest = {digest: data for digest, data in log.payloads.items() if digest not in of_cases}
    yield story("a target left out", replace(log, payloads=rest), "target-missing")
    yield story(
        "a target not asked for left out", replace(log, payloads=rest), "", "identities", targets=("volume",)
    )
    yield story(
        "the other target asked for", replace(log, payloads=rest), "target-missing", targets=("disease",)
    )
    yield story("an unknown target asked for", log, "target-missing", targets=("volume", "weather"))
    # Canonical tables.
    for what, table in _bad_tables(ledgers.series_outcome(0)):
        forged, reference = log.with_payload(table)
        code = "" if what == "the same" else "canonical"
        level = "none" if code else "identities"
        yield story(
            f"an outcome with {what}", forged.edited({outcome: setting(payload=reference)}), code, level
        )
    forged, reference = log.with_payload(ledgers.series_outcome(0, "22.0"))
    yield story("altered outcome", forged.edited({outcome: setting(payload=reference)}), "score-differs")
    spelled = ledgers.series_outcome(0).replace(b"b,c", "b,c\u0301".encode())
    forged, reference = log.with_payload(spelled)
    yield story("decomposed", forged.edited({outcome: setting(payload=reference)}), "score-differs")
    known = ledgers.series_outcome(0).replace(b"2018-08-01T02:00:00Z\n", b"2018-08-09T02:00:00Z\n")
    forged, reference = log.with_payload(known)
    yield story("an outcome known too late", forged.edited({outcome: setting(payload=reference)}), "rule")
    crossing = ledgers.series_forecast(0).replace(b"10.5", b"90.5", 1)
    forged, reference = log.with_payload(crossing)
    yield story(
        "crossing quantiles called scored", forged.edited({us: setting(payload=reference)}), "score-differs"
    )
    longest = b"9" * 14 + b".0"
    for what, number, code in (
        ("with the longest number", longest, "score-differs"),
        ("with the longest number, below zero", b"-" + longest, "score-differs"),
        ("too long to score", b"1" + longest, "canonical"),
        ("too long to score, below zero", b"-1" + longest, "canonical"),
    ):
        forged, reference = log.with_payload(ledgers.series_outcome(0).replace(b"21.0", number, 1))
        yield story(f"an outcome {what}", forged.edited({outcome: setting(payload=reference)}), code)
    for number, code in ((longest, "duplicate"), (b"1" + longest, "")):
        data = ledgers.series_forecast(0).replace(b"30.5", number, 1)
        forged, reference = log.with_payload(data)
        first = _inserted(forged, us, {**body[us], "payload": reference})
        name = f"a first forecast of {len(number) - 2} digits"
        yield story(name, first, code, "none" if code else "identities")
    # Commitments.
    yield story(
        "unrevealed commitment called scored", log.edited({log.find("reveal", 1): left_out}), "score-differs"
    )


def _bad_tables(good: bytes) -> Iterator[tuple[str, bytes]]:
    lines = good.split(b"\n")
    yield "the same", good
    yield "CR", good.replace(b"\n", b"\r\n")
    yield "no final newline", good[:-1]
    yield "a quote without need", good.replace(b"\na,", b'\n"a",', 1)
    yield "no quote where it is needed", good.replace(b'"b,c"', b"b,c")
    yield "a quote that never ends", good.replace(b'"b,c"', b'"b,c')
    yield "rows out of order", b"\n".join([lines[0], lines[2], lines[1], *lines[3:]])
    yield "a row twice", b"\n".join([*lines[:2], lines[1], *lines[2:]])
    yield "a number with more decimals", good.replace(b"21.0", b"21.00", 1)
    yield "a leading zero", good.replace(b"21.0", b"021.0", 1)
    yield "minus zero", good.replace(b"21.0", b"-0.0", 1)
    yield "a plus sign", good.replace(b"21.0", b"+21.0", 1)
    yield "an exponent", good.replace(b"21.0", b"2.1e1", 1)
    yield "an empty key", good.replace(b"\na,", b"\n,", 1)
    yield "another header", good.replace(b"known_at", b"known")
    yield "a cell more", good.replace(b"Z\n", b"Z,\n", 1)
    yield "an empty line", good + b"\n"
    yield "bytes that are not UTF-8", good.replace(b"\na,", b"\n\xff,", 1)
    yield "a byte order mark", b"\xef\xbb\xbf" + good


def _times(log: Forged) -> Iterator[Vector]:
    def story(name: str, forged: Forged, trust: str, code: str, level: str = "none") -> Vector:
        return Vector(f"time: {name}", "folder", forged.files(), trust, level=level, code=code)

    size = log.find("forecast", 1) + 1
    deadline = _seconds(ledgers.CUTOFFS[0]) + 3600
    day = 86_400

    def at(*times: int) -> Forged:
        """The checkpoint after the first forecasts, cosigned at these times."""
        rest = [each for each in log.cosigned if each[0] != size]
        return replace(
            log, cosigned=(*((size, who, time) for who, time in zip(WITNESSES, times, strict=False)), *rest)
        )

    yield story("in time", log, WITNESSED, "", "identities")
    yield story("in time, without the witnesses", log, KEY, "", "identities")
    yield story("at the deadline", at(deadline, deadline, deadline), WITNESSED, "", "identities")
    yield story("a second late", at(deadline + 1, deadline + 1, deadline + 1), WITNESSED, "late")
    yield story("a second late, but nobody asks", at(deadline + 1, deadline + 1), KEY, "", "identities")
    yield story(
        "one witness backdates and may",
        at(deadline - day, deadline + day, deadline + day),
        WITNESSED,
        "",
        "identities",
    )
    yield story(
        "one witness backdates by a day", at(deadline - day, deadline + day, deadline + day), STRICT, "late"
    )
    yield story(
        "two witnesses backdate where one may lie",
        at(deadline - day, deadline - day, deadline + day),
        STRICT,
        "",
        "identities",
    )
    yield story(
        "only the operator's own was in time", at(deadline - 1, deadline + 1, deadline + 1), OWN, "late"
    )
    yield story("too few were in time", at(deadline - 1), WITNESSED, "late")
    target = log.find("target")
    hours = ledgers.HOURS * 3600
    late = at(deadline + 1, deadline + 1, deadline + 1)
    end = log.edited({target: setting(deadline=hours)})
    yield story("due at the end of the horizon", end, WITNESSED, "", "identities")
    end = replace(end, cosigned=late.cosigned)
    yield story("known in part before it was sealed", end, WITNESSED, "", "identities")
    end = log.edited({target: setting(deadline=hours + 1)})
    yield story("due after the end of the horizon", end, WITNESSED, "rule")
    yield from _revocations()
    last = [each for each in log.cosigned if each[0] == len(log.entries)]
    yield story("seen only at the end", replace(log, cosigned=tuple(last)), WITNESSED, "late")
    yield story(
        "not seen at the end",
        replace(log, cosigned=tuple(e for e in log.cosigned if e not in last)),
        WITNESSED,
        "quorum",
    )
    files = log.files()

    def kept(name: str, data: bytes, code: str) -> Vector:
        return Vector(f"time: {name}", "folder", {**files, f"cosigned/{size}": data}, WITNESSED, code=code)

    yield kept("a cosigned checkpoint that is none", b"none", "late")
    long = {**files, "cosigned/2": bytes(2**20 + 1)}
    yield Vector("time: a cosigned checkpoint that is too long", "folder", long, WITNESSED, code="checkpoint")
    name = log.bodies()[log.find("forecast")]["payload"]["sha256"]
    long = {**replace(log, payloads=_without(log.payloads, name)).files(), "cosigned/2": bytes(2**20 + 1)}
    yield Vector(
        "time: a payload that is missing, and a checkpoint that is too long",
        "folder",
        long,
        WITNESSED,
        code="payload-missing",
    )
    fork = log.edited({log.find("model"): setting(spec="another")})
    yield Vector(
        "time: a fork beside", "folder", {**files, "cosigned/2": _fork(log, 2)}, WITNESSED, code="fork"
    )
    yield Vector(
        "time: another size beside",
        "folder",
        {**files, "cosigned/2": log.checkpoint(3)},
        WITNESSED,
        code="checkpoint",
    )
    ahead = {**files, "cosigned/20": fork.note(str(Checkpoint(LOG.name, 20, bytes(32))))}
    yield Vector("time: a longer log beside", "folder", ahead, WITNESSED, code="fork")
    broken = {**files, "cosigned/3": log.checkpoint(3).replace(b"\n3\n", b"\nx\n", 1)}
    yield Vector("time: no checkpoint beside", "folder", broken, WITNESSED, code="checkpoint")
    broken = {**files, "cosigned/2": log.checkpoint(2).replace(b"\n2\n", b"\n3\n", 1)}
    yield Vector("time: a wrong signature beside", "folder", broken, WITNESSED, code="signature")


def _empty() -> Forged:
    """A cutoff that settles on an outcome of which nothing became known."""

    def write(ledger: ledgers.Ledger) -> None:
        ledger.identity()
        ledger.dataset("d", "series")
        model, declared = ledger.model(), ledger.target("volume", "d", "series")
        about = ledger.about("volume", declared, 0)
        for name in ("us", "baseline"):
            ledger.forecast(about, name, model, ledgers.series_forecast(0))
        ledger.outcome(about, ledgers.series_outcome(0).split(b"\n")[0] + b"\n", expected=4)
        ledger.score("volume", 0)

    return _written(write)


def _late_reveals() -> Iterator[Vector]:
    """A commitment that is opened when its score is there, or a revised outcome has been."""

    def write(revised: bool) -> Callable[[ledgers.Ledger], None]:
        def made(ledger: ledgers.Ledger) -> None:
            ledger.identity()
            ledger.dataset("cases", "cases")
            model = ledger.model()
            declared = ledger.target("disease", "cases", "cases")
            ledger.at = ledgers.CUTOFFS[0] + timedelta(minutes=5)
            about = ledger.about("disease", declared, 0)
            ours, salt = ledgers.case_forecast("0.900"), bytes([2]) * 32
            forecast = ledger.forecast(about, "us", model, ours, salt)
            ledger.outcome(about, ledgers.case_outcome(0))
            score = ledger.score("disease", 0)
            assert score
            ledger.at += timedelta(days=300)
            ledger.reveal(forecast, salt, ours)
            if revised:
                ledger.outcome(about, ledgers.case_outcome(0))
            ledger.score("disease", 0)

        return made

    for revised, name in ((False, "again"), (True, "by a revised outcome")):
        log = _written(write(revised))
        name = f"story: revealed after the score, and scored {name}"
        yield Vector(name, "folder", log.files(), level="identities")
        at = log.find("score", 1)
        better = log.edited({at: _item(0, status="scored", total="0.393042511", mean="0.196521256")})
        code = "score-differs" if revised else ""
        level = "none" if revised else "identities"
        yield Vector(f"{name}, and counted", "folder", better.files(), level=level, code=code)


def revoked(
    *, said: timedelta, seen: timedelta, stolen: bool = False, before: bool = False, second: bool = True
) -> Forged:
    """Revoked ``said`` after the cutoff as the author claims, ``seen`` as witnesses do.

    With ``stolen`` the first key consents to the second one, and only the second forecasts; with
    ``before`` the same key was revoked once already, from then on.
    """
    recovery, following = private_key("stranger"), private_key("next")
    ours = author_id(public_bytes(AUTHOR))
    sizes: list[int] = []
    cutoff = ledgers.CUTOFFS[0]

    def identity(ledger: ledgers.Ledger, action: str, **fields: Any) -> None:
        body = {"name": "us", "role": "forecaster", "key": ours, "action": action, **fields}
        ledger.write("identity", body, recovery if action == "revoke" else None)

    def write(ledger: ledgers.Ledger) -> None:
        ledger.at = ledgers.START - timedelta(hours=1)
        identity(ledger, "add", recovery=author_id(public_bytes(recovery)))
        ledger.dataset("d", "series")
        model = ledger.model()
        declared = ledger.target("volume", "d", "series", mode="live")
        ledger.at = cutoff + timedelta(minutes=5)
        about = {**ledger.about("volume", declared, 0), "mode": "live"}
        ledger.forecast(about, "baseline", model, ledgers.series_forecast(0, 3))
        since = len(ledger.leaves)
        if not stolen:
            ledger.forecast(about, "us", model, ledgers.series_forecast(0, 40))
        if before:
            identity(ledger, "revoke", **{"from": len(ledger.leaves)})
        fields = {"name": "us", "role": "forecaster", "previous": ours}
        raw = sign_rotation(fields, key=following, consent=AUTHOR if stolen else recovery, at=ledger.at)
        ledger.log.append([raw])
        ledger.leaves.append(leaf(raw))
        ledger.key = following
        if second:
            ledger.forecast(about, "us", model, ledgers.series_forecast(0))
        sizes.append(len(ledger.leaves))
        ledger.at = cutoff + said
        identity(ledger, "revoke", **{"from": since})
        sizes.append(len(ledger.leaves))
        if stolen:
            raw = sign_rotation(fields, key=private_key("third"), consent=recovery, at=ledger.at)
            ledger.log.append([raw])
            ledger.leaves.append(leaf(raw))
            ledger.key = private_key("third")
        ledger.at = cutoff + timedelta(days=1)
        ledger.outcome(about, ledgers.series_outcome(0))
        ledger.score("volume", 0)

    log = _written(write)
    sizes.append(len(log.entries))
    at = (timedelta(minutes=10), seen, timedelta(days=2))
    times = zip(sizes, at, strict=True)
    cosigned = [(size, who, _seconds(cutoff + each)) for size, each in times for who in WITNESSES]
    return replace(log, cosigned=tuple(cosigned))


def _revocations() -> Iterator[Vector]:
    """A failed forecast, a second one in time, and a revocation that would put the second in its place."""
    hour = timedelta(hours=1)

    def story(name: str, log: Forged, code: str, trust: str = WITNESSED, **item: Any) -> Vector:
        log = log.edited({log.find("score"): _item(0, **item)})
        level = "none" if code else "identities"
        return Vector(f"revocation: {name}", "folder", log.files(), trust, (), level, code)

    day = timedelta(days=1)
    late, early = revoked(said=day, seen=day), revoked(said=hour, seen=hour)
    first, second = (leaf(late.entries[late.find("forecast", n)]) for n in (1, 2))
    yield story("after the deadline", late, "")
    yield story("after the deadline, the second forecast shown", late, "duplicate", forecast=second)
    yield story("at the deadline", early, "")
    yield story("at the deadline, the first forecast shown", early, "score-differs", forecast=first)
    claimed = revoked(said=hour, seen=hour + timedelta(seconds=1))
    yield story("after the deadline, and claims to be before", claimed, "duplicate")
    yield story("before the deadline, as far as anybody asked knows", claimed, "", KEY)
    backdated = revoked(said=day, seen=hour)
    yield story("before the deadline, and claims to be after", backdated, "score-differs")
    twice = revoked(said=day, seen=day, before=True)
    yield story("a second one reaches further, after the deadline", twice, "")
    shown = leaf(twice.entries[twice.find("forecast", 2)])
    yield story("a second one, the second forecast shown", twice, "duplicate", forecast=shown)
    yield story("a second one reaches further, in time", revoked(said=hour, seen=hour, before=True), "")
    alone = revoked(said=day, seen=day, second=False)
    yield story("of the only forecast, after the deadline", alone, "")
    yield story("of the only forecast, called missing", alone, "score-differs", status="missing", forecast="")
    stolen = revoked(said=day, seen=day, stolen=True)
    yield story("of a key that handed over, after the deadline", stolen, "")
    yield story(
        "of a key that handed over, called missing", stolen, "score-differs", status="missing", forecast=""
    )
    yield story("of a key that handed over, in time", revoked(said=hour, seen=hour, stolen=True), "")


def _fork(log: Forged, size: int) -> bytes:
    return log.note(str(Checkpoint(LOG.name, size, bytes(32))))


def _identities(log: Forged) -> Iterator[Vector]:
    following = private_key("next")
    key = author_id(public_bytes(following))
    author = author_id(public_bytes(AUTHOR))
    base = {name: value for name, value in log.bodies()[0].items() if name != "sig"}
    rotate = {"name": base["name"], "role": base["role"], "previous": author}

    def consented(by: Ed25519PrivateKey) -> Body:
        raw = sign_rotation(rotate, key=following, consent=by, at=ledgers.AT)
        return {name: value for name, value in jcs.decode(raw).items() if name != "sig"}  # type: ignore[attr-defined]

    def story(name: str, forged: Forged, code: str, level: str = "none") -> Vector:
        return Vector(f"identity: {name}", "folder", forged.files(), level=level, code=code)

    end = len(log.entries)
    yield story("rotated at the end", _inserted(log, end, consented(AUTHOR)), "", "identities")
    yield story("rotated by a stranger", _inserted(log, end, consented(STRANGER)), "signature")
    middle = log.find("forecast")
    early = _inserted(log, middle, consented(AUTHOR))
    yield story("the old key goes on", early, "revoked")
    going_on = {index: setting(author=key) for index in range(middle + 1, end + 1)}
    commits = [each for each in early.bodies() if "commitment" in each]
    assert commits
    series = replace(early, entries=early.entries[: early.find("dataset", 1)])
    going_on = {index: setting(author=key) for index in range(middle + 1, len(series.entries))}
    yield story("the new key goes on", series.edited(going_on), "", "identities")
    revoke = {**base, "action": "revoke", "author": author, "key": author, "from": end}
    yield story("revoked at the end", _inserted(log, end, revoke), "", "identities")
    yield story("revoked from the future", _inserted(log, end, {**revoke, "from": end + 1}), "identity")
    yield story(
        "revoked from the start, after scores", _inserted(log, end, {**revoke, "from": 0}), "", "identities"
    )
    yield story("revoked, and goes on", _inserted(log, middle, {**revoke, "from": middle}), "revoked")
    both = _inserted(log, end, revoke)
    yield story("revoked twice", _inserted(both, end + 1, {**revoke, "from": 1}), "identity")
    stranger = author_id(public_bytes(STRANGER))
    other = {**base, "author": stranger, "key": stranger, "name": "them"}
    known = _inserted(log, end, other)
    yield story(
        "revoked by another",
        _inserted(known, end + 1, {**revoke, "author": stranger, "from": end}),
        "identity",
    )
    recovering = log.edited({0: setting(recovery=stranger)})
    recovered = consented(STRANGER)
    yield story("rotated by the recovery key", _inserted(recovering, end, recovered), "", "identities")
    yield story(
        "revoked by the recovery key",
        _inserted(recovering, end, {**revoke, "author": stranger}),
        "",
        "identities",
    )
    unset = [{"name": each, "author": stranger if each == "us" else author} for each in ("us", "baseline")]
    target = log.find("target", 1)
    rest = replace(log.edited({target: setting(forecasters=unset)}), entries=())
    rest = log.edited({target: setting(forecasters=unset)})
    rest = replace(rest, entries=rest.entries[: target + 1])
    yield story("a forecaster without an identity", rest, "", "log")
    no_target = replace(log, entries=log.entries[: log.find("target")])
    yield story("no target", no_target, "", "log")
    yield story("no entry", replace(log, entries=()), "", "log")
    erasure = {**base, "kind": "erasure", "dataset": "d", "subjects": ["ab" * 32]}
    erasure = {
        name: value for name, value in erasure.items() if name not in ("name", "key", "action", "role")
    }
    yield story("an erasure", _inserted(log, end, erasure), "", "identities")
    yield story("an erasure of nobody", _inserted(log, end, {**erasure, "subjects": []}), "fields")
    yield story(
        "an erasure of an unknown dataset", _inserted(log, end, {**erasure, "dataset": "x"}), "reference"
    )
    assert set(KEYS) >= {author, stranger, key}
    yield from _agreements(log, following)
    yield from _consents()


def _consents() -> Iterator[Vector]:
    """Decisions about people, and who agreed to them."""
    log = people()
    given, decision = log.find("consent"), log.find("decision")
    body = {name: value for name, value in log.bodies()[given].items() if name != "sig"}
    first, second = ledgers.AGREED
    withdrawn = {**body, "action": "withdrawn", "subjects": [second]}

    def story(name: str, forged: Forged, code: str = "") -> Vector:
        level = "none" if code else "identities"
        return Vector(f"consent: {name}", "folder", forged.files(), level=level, code=code)

    def decided(change: Callable[[list[tuple[str, ...]]], list[tuple[str, ...]]]) -> Forged:
        ref = log.bodies()[decision]["payload"]
        cells = log.payloads[ref["sha256"]].decode().splitlines()[1:]
        rows = sorted(change([tuple(line.split(",")) for line in cells]))
        text = "\n".join(["option,ds,key,value,unit", *(",".join(row) for row in rows), ""])
        found, named = log.with_payload(text.encode())
        return found.edited({decision: setting(payload=named)})

    yield story("given and cited", log)
    yield story("withdrawn before the decision", _inserted(log, given + 1, withdrawn), "rule")
    yield story("withdrawn before it was given", _inserted(log, given, withdrawn), "rule")
    yield story("withdrawn after the decision", _inserted(log, decision + 1, withdrawn))
    stranger = {**withdrawn, "subjects": ["3c" * 32]}
    yield story("withdrawn by another", _inserted(log, given + 1, stranger))
    yield story("not cited", log.edited({decision: lambda b: _lacking(b, "consents")}), "rule")
    yield story("no entry cited", log.edited({decision: setting(consents=[])}), "fields")
    twice = log.bodies()[decision]["consents"] * 2
    yield story("cited twice", log.edited({decision: setting(consents=twice)}), "fields")
    other = log.edited({decision: setting(consents=[leaf(log.entries[0])])}, follow=False)
    yield story("another kind of entry cited", other, "reference")
    yield story("a withdrawal cited", log.edited({given: setting(action="withdrawn")}), "rule")
    yield story("of one person only", log.edited({given: setting(subjects=[first])}), "rule")
    yield story("of nobody", log.edited({given: setting(subjects=[])}), "fields")
    yield story("in another order", log.edited({given: setting(subjects=[second, first])}), "fields")
    yield story("another action", log.edited({given: setting(action="taken")}), "fields")
    unknown = {**body, "dataset": "x"}
    yield story("for an unknown dataset", _inserted(log, given, unknown), "reference")
    yield story("a person without a row", decided(lambda rows: [r for r in rows if first not in r]), "rule")
    swapped = decided(lambda rows: [("b" if r[3] == first else r[0], *r[1:]) for r in rows])
    yield story("stated for another option", swapped, "rule")
    dated = decided(
        lambda rows: [(r[0], "2018-08-01T00:00:00Z" if r[3] == first else "", *r[2:]) for r in rows]
    )
    yield story("stated at another time", dated, "rule")
    one, other = ledgers.PEOPLE
    shared = decided(lambda rows: [(*r[:3], first if r[3] == second else r[3], r[4]) for r in rows])
    yield story("one for two people", shared, "rule")

    def more(*keys: str, option: str = "a") -> Forged:
        return decided(lambda rows: [*rows, *((option, "", key, "5c" * 32, "") for key in keys)])

    yield story("reasons of somebody who gave it", more(f"reasons {one}"))
    yield story("reasons of somebody who did not", more("reasons " + "ef" * 16), "rule")
    yield story("a consent without a person", more("consent " + "ef" * 16), "rule")
    yield story("a person in another option only", more("ef" * 16, option="b"), "rule")
    for name, key in (
        ("a name", "Anna Berg"),
        ("a name of 32 letters", "Anna Berg of the harbour streets"),
        ("a pseudonym in capitals", other.upper()),
        ("a shorter pseudonym", other[:-1]),
        ("a longer pseudonym", other + "0"),
        ("reasons of a name", "reasons Anna Berg"),
        ("a consent of a name", "consent Anna Berg"),
        ("another word before a pseudonym", f"refusal {one}"),
        ("two words before a pseudonym", f"reasons consent {one}"),
        ("a setting of everybody", "cycle"),
    ):
        yield story(f"{name} is decided about", more(key), "rule")
    yield story("a name in another option", more("Anna Berg", option="b"), "rule")
    public = log.edited({1: setting(personal=False)})
    yield story("of data that is not personal", public)
    named = decided(lambda rows: [*rows, ("a", "", "Anna Berg", "accept", "")])
    yield story("a name in data that is not personal", named.edited({1: setting(personal=False)}))
    none = public.edited({decision: lambda b: _lacking(b, "consents")})
    yield story("none for data that is not personal", none)
    again = {name: value for name, value in log.bodies()[1].items() if name != "sig"}
    hidden = _inserted(log, 2, {**again, "personal": False})
    bare = hidden.edited({decision + 1: lambda b: _lacking(b, "consents")})
    yield story("not cited, and the data called impersonal later", bare, "rule")
    case = log.find("approval")
    yield story("an approval of a case without a name", log.edited({case: setting(case="")}), "fields")


def _lacking(body: Body, name: str) -> Body:
    return {key: value for key, value in body.items() if key != name}


def _agreements(log: Forged, following: Ed25519PrivateKey) -> Iterator[Vector]:
    """``following`` is the key that takes the place of the author's."""
    author, stranger = (author_id(public_bytes(key)) for key in (AUTHOR, STRANGER))
    common = {name: log.bodies()[0][name] for name in ("v", "author", "at")}
    terms = b"120 crates, handed over"

    def between(*keys: Ed25519PrivateKey, name: str = "hand-over") -> Body:
        return {**common, "kind": "agreement", **agreed(keys, name, terms).fields}

    def edited(body: Body, at: int, **changes: object) -> Body:
        parties = [{**each, **changes} if i == at else each for i, each in enumerate(body["parties"])]
        return {**body, "parties": parties}

    def story(name: str, body: Body, code: str, more: Mapping[str, bytes] = MappingProxyType({})) -> Vector:
        forged = _inserted(log, len(log.entries), body)
        level = "none" if code else "identities"
        return Vector(f"agreement: {name}", "folder", {**forged.files(), **more}, level=level, code=code)

    both = between(AUTHOR, STRANGER)
    payload = "payload/sha256/" + sha256(terms).hexdigest()
    yield story("signed by both, its terms kept", both, "")
    yield story("signed by both, its terms shown", both, "", {payload: terms})
    yield story("other terms shown", both, "payload-differs", {payload: terms[:-1] + b"."})
    yield story("shorter terms shown", both, "payload-differs", {payload: terms[:-1]})
    yield story("of three, in a name of many", between(AUTHOR, STRANGER, following, name="甲, 乙"), "")
    others = between(STRANGER, following)
    yield story("between others", others, "rule")
    yield story("with oneself", between(AUTHOR), "fields")
    yield story("of nobody", {**both, "parties": []}, "fields")
    yield story("with too many", {**both, "parties": both["parties"] * 9}, "fields")
    yield story("in another order", {**both, "parties": both["parties"][::-1]}, "fields")
    yield story("under one name", edited(both, 0, name=both["parties"][1]["name"]), "fields")
    yield story("without a signature", edited(both, 1, signature=""), "fields")
    for at in (0, 1):
        swapped = both["parties"][1 - at]["signature"]
        yield story(f"signature {at} by the other", edited(both, at, signature=swapped), "signature")
        yield story(f"party {at} renamed", edited(both, at, name="somebody"), "signature")
    yield story("at another time", {**both, "made": "2024-01-01T00:00:00Z"}, "signature")
    yield story("under another name", {**both, "name": "hand-over 2"}, "signature")
    size = {**both["terms"], "size": both["terms"]["size"] + 1}
    yield story("over other terms", {**both, "terms": size}, "signature")
    strange = {**both, "parties": [{**each, "share": "1"} for each in both["parties"]]}
    yield story("with something more", strange, "fields")
    assert {author, stranger} == {each["key"] for each in both["parties"]}
    raw = _inserted(log, len(log.entries), edited(both, 1, signature=both["parties"][0]["signature"]))
    for name, forged, code in (
        ("a receipt", _inserted(log, len(log.entries), both), ""),
        ("a receipt, signed by one only", raw, "signature"),
    ):
        receipt = forged.receipt(len(log.entries))
        yield Vector(
            f"agreement: {name}",
            "receipt",
            {"receipt": bytes(receipt)},
            level="none" if code else "included",
            code=code,
        )


def _inserted(log: Forged, at: int, body: Body) -> Forged:
    return replace(log, entries=(*log.entries[:at], sign_body(body), *log.entries[at:]))


def _item(n: int, **fields: Any) -> Callable[[Body], Body]:
    def edit(body: Body) -> Body:
        return {
            **body,
            "scores": [{**each, **fields} if i == n else each for i, each in enumerate(body["scores"])],
        }

    return edit


def _with_line(lines: list[bytes], at: int, line: bytes) -> bytes:
    return b"\n".join([*lines[:at], line, *lines[at + 1 :]])


def _loosened(line: bytes) -> bytes:
    """The same bytes in base64 whose unused bits are not zero."""
    bare = line.rstrip(b"=")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(bare[-1:]) + 1 :][:1]
    return bare[:-1] + last + line[len(bare) :]


def _other_id(signature: bytes) -> bytes:
    name, blob = signature.rstrip(b"\n").rsplit(b" ", 1)
    data = base64.b64decode(blob)
    return name + b" " + base64.b64encode(bytes([data[0] ^ 1]) + data[1:]) + b"\n"


def _flipped_signature(line: bytes) -> bytes:
    name, blob = line.rsplit(b" ", 1)
    data = base64.b64decode(blob)
    return name + b" " + base64.b64encode(data[:-1] + bytes([data[-1] ^ 1]))


def _signed(text: str, signer: Signer) -> bytes:
    return f"{text}\n{signer.sign(text)}".encode()


def _length(index: int, size: int) -> int:
    """Hashes in the inclusion proof of an index."""
    fn, sn, n = index, size - 1, 0
    while sn:
        if fn & 1 or fn < sn:
            n += 1
        fn, sn = fn >> 1, sn >> 1
    return n


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _without(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    return {each: data for each, data in files.items() if each != name}


def _patched(data: bytes, offset: int, value: int) -> bytes:
    """A field of the first member changed in the directory of a zip."""
    at = data.index(b"PK\x01\x02") + offset
    return data[:at] + value.to_bytes(2, "little") + data[at + 2 :]


def _with_claims(data: bytes, members: int) -> bytes:
    """A zip whose directory lists further members of almost 4 GiB each, which are nowhere."""
    *_, count, size, start = struct.unpack("<4H2L", data[-18:-2])
    more = b""
    for name in (f"claim{k}".encode() for k in range(members)):
        fields = (20, 20, 0, 0, 0, 0, 0, 10, 0xFFFF_FFF0, len(name), 0, 0, 0, 0, 0, 0)
        more += struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + name
    end = struct.pack("<4H2L", 0, 0, count + members, count + members, size + len(more), start)
    return data[:-22] + more + data[-22:-18] + end + data[-2:]


def to_json(vectors: Iterator[Vector]) -> str:
    """The vector file: pieces of content once, as base64; a file is the pieces that it names, joined."""
    contents: dict[str, str] = {}

    def key(data: bytes) -> str:
        found = sha256(data).hexdigest()[:12]
        contents[found] = base64.b64encode(data).decode()
        return found

    rows = []
    for vector in vectors:
        names = {name: [*map(key, _pieces(name, data))] for name, data in sorted(vector.files.items())}
        rows.append(
            {
                "name": vector.name,
                "form": vector.form,
                "files": names,
                "trust": vector.trust,
                "targets": list(vector.targets),
                "expected": "unusable"
                if vector.unusable
                else {"ok": vector.ok, "level": vector.level, "code": vector.code},
            }
        )
    return json.dumps({"contents": contents, "vectors": rows}, indent=0, ensure_ascii=False) + "\n"


def _pieces(name: str, data: bytes) -> Iterator[bytes]:
    """A bundle entry by entry, for most vectors share most entries; anything else whole."""
    at = 0
    while "entries" in name and at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        yield data[at:end]
        at = end
    if "entries" not in name:
        yield data
