"""Receipts, policies, archives and logs with something random wrong in them, the same for the same seed."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import ledger as ledgers
from forging import AUTHOR, KEYS, WITNESSES, Body, Forged, leaf, pack, sign_body
from verdicts import KEY, OWN, STRICT, WITNESSED, agreed, live, partners, people, plain, revoked
from verifiers import Case

from foreseal.seal.keys import author_id, public_bytes

HOUR = timedelta(hours=1)
NUMBERS = (b"0", b"1", b"00", b"-1", b"+1", b"01", b"255", b"256", b"4294967296", b"9007199254740991")
NUMBERS += (
    b"9007199254740992",
    b"9007199254740993",
    b"18446744073709551616",
    b"1e3",
    b"1.0",
    "\u0661".encode(),
)
BYTES = (
    b"\x00",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"=",
    b"+",
    b"\x7f",
    b"\x85",
    b"\xc2\x85",
    b"\xef\xbb\xbf",
    b"\xff",
)
BYTES += (
    b"\n\n",
    "\u2014 ".encode(),
    b'"',
    b"\\",
    b",",
    "\u0301".encode(),
    "\U0001f600".encode(),
    b"\xed\xa0\x80",
)
TEXTS = (
    "",
    "a",
    "us",
    "baseline",
    "volume",
    "a" * 64,
    "a" * 65,
    "a\u0301",
    "\u00e1",
    "\u0085",
    "\ud7ff",
    "\ue000",
)
TEXTS += (
    "\U0001f600",
    "0",
    "1",
    "-0",
    "1.50",
    "01.5",
    "1e3",
    "__proto__",
    "constructor",
    "live",
    "replay",
    "wis",
)
TEXTS += (
    "log",
    "brier",
    "series",
    "cases",
    "1h",
    "0h",
    "01h",
    "999999w",
    "1mo",
    "1y",
    "2018-08-01T00:00:00Z",
)
TEXTS += (
    "2018-08-02T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "2018-08-01T00:00:60Z",
)
TEXTS += (
    "00" * 32,
    "AB" * 32,
    "0" * 63,
    "ed25519:" + "00" * 32,
    "0.5",
    "0.50",
    "1000000.0",
    "add",
    "rotate",
    "revoke",
)
INTEGERS = (-1, 0, 1, 2, 3, 4, 5, 12, 13, 60, 3600, 100_000, 2**24, 2**24 + 1, 10**7, 2**53 - 1, 2**53 - 2)
CELLS = (
    b"",
    b"0",
    b"0.0",
    b"-0.0",
    b"1.5",
    b"01.5",
    b"99.5",
    b"-3.5",
    b"1.50",
    b'"a"',
    b'"a,b"',
    b'"',
    b"a",
    b"b,c",
)
CELLS += (
    b"2018-08-01T00:00:00Z",
    b"2018-08-01T01:00:00.000001Z",
    b"9999-12-31T23:00:00Z",
    b"\xc3\xa1",
    b"a\xcc\x81",
)
CELLS += ("\ue000".encode(), "\U0001f600".encode(), b"1" * 38 + b".5", b"1" * 40)


class Mutator:
    """Cases of all kinds. Bytes are cheap to make and judge, logs that are signed again cost the most."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        day = timedelta(days=1)
        theft = (revoked(said=day, seen=day, before=True), revoked(said=day, seen=HOUR, stolen=True))
        self.logs = (live(), plain(), *theft)
        self.promises = (people(), partners())
        self.receipts = [bytes(log.receipt(i)) for log in self.logs for i in range(0, len(log.entries), 3)]
        of_two = self.promises[-1]
        self.receipts += [bytes(of_two.receipt(of_two.find(kind))) for kind in ("consent", "agreement")]
        at = self.logs[0].find("forecast", 1)
        self.witnessed = bytes(self.logs[0].receipt(at, at + 1))
        shown = [replace(log, receipts={"a.tlog-proof": 4}) for log in self.logs]
        self.zips = [pack(log.files(), method) for log in shown for method in (0, 8)]

    def cases(self, receipts: int, policies: int, archives: int, logs: int, promises: int) -> Iterator[Case]:
        """So many of each kind, mixed."""
        kinds = (
            [self.receipt] * receipts
            + [self.policy] * policies
            + [self.archive] * archives
            + [self.log] * logs
            + [self.promise] * promises
        )
        self.random.shuffle(kinds)
        for make in kinds:
            yield make()

    def receipt(self) -> Case:
        """A receipt with bytes, lines, numbers or base64 changed."""
        roll = self.random.random()
        if roll < 0.3:
            data, trust = self.witnessed, self.random.choice((WITNESSED, STRICT, OWN, KEY))
        else:
            data, trust = self.random.choice(self.receipts), self.random.choice((KEY, KEY, KEY, ""))
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            data = self.random.choice(
                (self.flip, self.insert, self.cut, self.lines, self.digits, self.decoded)
            )(data)
        return "receipt", {"receipt": data}, trust, ()

    def policy(self) -> Case:
        """A policy with bytes, lines, words or numbers changed."""
        data = self.random.choice((WITNESSED, STRICT, OWN)).encode()
        for _ in range(self.random.choice((1, 1, 2, 3))):
            data = self.random.choice((self.flip, self.insert, self.lines, self.digits, self.words))(data)
        text = data.decode("utf-8", "ignore")
        return "receipt", {"receipt": self.witnessed}, text if " " in text else KEY, ()

    def archive(self) -> Case:
        """A zip with bytes changed, mostly in its directory."""
        data = self.random.choice(self.zips)
        for _ in range(self.random.choice((1, 1, 2))):
            if self.random.random() < 0.7:
                start = data.find(b"PK\x01\x02")
                data = data[:start] + self.random.choice((self.flip, self.flip, self.cut, self.insert))(
                    data[start:]
                )
            else:
                data = self.random.choice((self.flip, self.cut, self.insert))(data)
        return "zip", {"zip": data}, KEY, ()

    def log(self) -> Case:
        """Entries, payloads, cosignatures and files changed, and all that depends on it signed again."""
        log = self.random.choice(self.logs[:1] * 3 + self.logs[1:])
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            change: Callable[[Forged], Forged] = self.random.choice(
                (self.field, self.field, self.field, self.order, self.table, self.table, self.times, self.raw)
            )
            log = change(log)
        return self.shown(log, ("volume", "disease", "weather"))

    def promise(self) -> Case:
        """A log with consents and agreements, in which they, or what rests on them, are changed."""
        log = self.random.choice(self.promises)
        for _ in range(self.random.choice((1, 1, 2, 3))):
            change: Callable[[Forged], Forged] = self.random.choice(
                (
                    *(self.consent, self.consent, self.agreement, self.agreement, self.about, self.about),
                    *(self.cited, self.borrowed, self.field, self.order, self.table),
                )
            )
            log = change(log)
        return self.shown(log, ("volume",))

    def shown(self, log: Forged, names: tuple[str, ...]) -> Case:
        """A folder or the log itself, sometimes with receipts, or with a file that is damaged or gone."""
        count = len(log.entries)
        shown = self.random.sample(range(count), min(2, count)) if self.random.random() < 0.3 else []
        log = replace(log, receipts={f"{i}.tlog-proof": i for i in shown})
        form = self.random.choice(("folder", "folder", "log"))
        files = log.files(log=form == "log")
        if form == "log":
            files = {name: data for name, data in files.items() if not name.startswith("receipts/")}
        if self.random.random() < 0.2:
            name = self.random.choice(sorted(files))
            data = self.random.choice((self.flip, self.cut, self.insert, self.lines))(files[name])
            files = (
                {**files, name: data}
                if self.random.random() < 0.7
                else {n: d for n, d in files.items() if n != name}
            )
        trust = self.random.choice((KEY, WITNESSED, STRICT, OWN, "")) if log.cosigned else KEY
        targets = self.random.choice(((), (), (), *((name,) for name in names)))
        return form, files, trust, targets if form == "folder" else ()

    # Bytes.

    def flip(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self.random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self.random.randrange(8))]) + data[at + 1 :]

    def insert(self, data: bytes) -> bytes:
        at = self.random.randrange(len(data) + 1)
        return data[:at] + self.random.choice(BYTES) + data[at + self.random.choice((0, 1)) :]

    def cut(self, data: bytes) -> bytes:
        at, end = sorted(self.random.randrange(len(data) + 1) for _ in range(2))
        return data[:at] if self.random.random() < 0.5 else data[:at] + data[end:]

    def lines(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        i, j = (self.random.randrange(len(lines)) for _ in range(2))
        roll = self.random.randrange(3)
        if roll == 0:
            lines[i], lines[j] = lines[j], lines[i]
        elif roll == 1:
            lines.insert(i, lines[j])
        else:
            del lines[i]
        return b"\n".join(lines)

    def digits(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        numbered = [i for i, line in enumerate(lines) if line[-1:].isdigit() and len(line) < 60]
        if numbered:
            i = self.random.choice(numbered)
            lines[i] = lines[i].rstrip(b"0123456789") + self.random.choice(NUMBERS)
        return b"\n".join(lines)

    def words(self, data: bytes) -> bytes:
        words = data.split(b" ")
        i, j = (self.random.randrange(len(words)) for _ in range(2))
        words[i] = self.random.choice(
            (words[j], b"any", b"all", b"none", b"two", b"w1", b"", self.random.choice(NUMBERS))
        )
        return b" ".join(words)

    def decoded(self, data: bytes) -> bytes:
        """Bytes changed inside of base64."""
        lines = data.split(b"\n")
        i = self.random.randrange(len(lines))
        head, space, blob = lines[i].rpartition(b" ")
        try:
            inside = base64.b64decode(blob, validate=True)
        except ValueError:
            return data
        inside = self.random.choice((self.flip, self.cut, self.insert))(inside)
        lines[i] = head + space + base64.b64encode(inside)
        return b"\n".join(lines)

    # Logs.

    def field(self, log: Forged) -> Forged:
        """A field of an entry set to something else, the entry and all that refer to it signed again."""
        at = self.random.randrange(len(log.entries))

        def edit(body: Body) -> Body:
            self.change(body, self.random.choice(log.bodies_or_empty()))
            return body

        return log.edited({at: edit}, follow=self.random.random() < 0.8)

    def change(self, value: Any, other: Any) -> None:
        """Something inside of a JSON value changed; ``other`` is a body to take values from."""
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        if isinstance(value, dict):
            keys = [key for key in keys if key not in ("sig", "v")] or keys
        if not keys:
            return
        key = self.random.choice(keys)
        inside = value[key]
        if isinstance(inside, dict | list) and inside and self.random.random() < 0.8:
            self.change(inside, other.get(key, {}) if isinstance(other, dict) else {})
            return
        roll = self.random.random()
        if roll < 0.06:
            del value[key]
        elif roll < 0.1 and isinstance(value, dict):
            value[self.random.choice(("x", "payload", "commitment", "recovery", "from"))] = inside
        elif roll < 0.2 and isinstance(other, dict) and key in other:
            value[key] = other[key]
        elif isinstance(inside, bool):
            value[key] = not inside
        elif isinstance(inside, int):
            value[key] = self.random.choice((*INTEGERS, inside + 1, inside - 1)) if inside < 2**53 - 1 else 0
        elif isinstance(inside, str) and self.random.random() < 0.3 and inside:
            i = self.random.randrange(len(inside))
            value[key] = inside[:i] + self.random.choice("0123456789.-aZ:T") + inside[i + 1 :]
        elif isinstance(inside, list) and self.random.random() < 0.7:
            self.random.shuffle(inside)
        else:
            value[key] = self.random.choice((*TEXTS, *INTEGERS, True, [], {}))

    def order(self, log: Forged) -> Forged:
        """Entries dropped, repeated, swapped, or given to another author."""
        entries = list(log.entries)
        i, j = (self.random.randrange(len(entries)) for _ in range(2))
        roll = self.random.randrange(6)
        if roll == 0:
            del entries[i]
        elif roll == 1:
            entries.insert(i, entries[j])
        elif roll == 2:
            entries[i], entries[j] = entries[j], entries[i]
        elif roll == 3:
            entries = entries[:i]
        elif roll == 4:
            return log.edited({i: lambda body: {**body, "author": self.random.choice(sorted(KEYS))}})
        else:
            entries.insert(i, self.identity(log, i))
        return replace(log, entries=tuple(entries)) if entries else log

    def identity(self, log: Forged, at: int) -> bytes:
        """An identity entry, sensible or not; rotations lack a good consent (vectors have that)."""
        ours, other = author_id(public_bytes(AUTHOR)), self.random.choice(sorted(KEYS))
        body: Body = {
            "v": 1,
            "kind": "identity",
            "at": "2026-01-01T00:00:00Z",
            "name": "us",
            "role": "forecaster",
        }
        body |= {"author": self.random.choice((ours, other)), "key": self.random.choice((ours, other))}
        body["action"] = self.random.choice(("add", "revoke", "revoke", "rotate"))
        if body["action"] == "revoke":
            body["from"] = self.random.choice((0, 1, at - 1, at, at + 1, len(log.entries))) if at else 0
        if body["action"] == "rotate":
            body |= {"previous": ours, "previous_sig": "00" * 64}
        if self.random.random() < 0.3:
            body["recovery"] = other
        return sign_body(body)

    def consent(self, log: Forged) -> Forged:
        """A consent more, given or withdrawn, about people who are there or are not."""
        known = [*ledgers.AGREED, *ledgers.AGREED, *ledgers.PEOPLE, "3c" * 32]
        subjects = self.random.sample(known, self.random.choice((1, 1, 1, 2, 3)))
        body = {"v": 1, "kind": "consent", "at": "2018-08-01T00:00:00Z", "dataset": "d", "purpose": "credit"}
        body |= {"author": self.author(), "action": self.random.choice(("given", "withdrawn", "withdrawn"))}
        body["subjects"] = sorted(subjects) if self.random.random() < 0.9 else subjects
        if self.random.random() < 0.2:
            body["dataset"] = self.random.choice(("x", "D", ""))
        return self.put(log, sign_body(body))

    def agreement(self, log: Forged) -> Forged:
        """An agreement more, signed by all of its parties; then, mostly, something in it is changed."""
        keys = self.random.sample(sorted(KEYS), self.random.choice((1, 2, 2, 2, 2, 3, 3, 4)))
        name = self.random.choice(("hand-over", "甲, 乙", "a", "b", self.random.choice(TEXTS)))
        body: Body = {"v": 1, "kind": "agreement", "at": "2018-08-01T00:00:00Z", "author": self.author()}
        body |= agreed([KEYS[key] for key in keys], name, self.random.choice((b"", b"terms"))).fields
        if self.random.random() < 0.4:
            self.change(body["parties"] if self.random.random() < 0.5 else body, {})
        return self.put(log, sign_body(body))

    def about(self, log: Forged) -> Forged:
        """A field of a consent, an agreement or the decision changed, and mostly what refers to it."""
        bodies = log.bodies_or_empty()
        kinds = ("consent", "agreement", "decision", "dataset", "approval")
        found = [i for i, body in enumerate(bodies) if body.get("kind") in kinds]
        if not found:
            return log
        at = self.random.choice(found)

        def edit(body: Body) -> Body:
            self.change(body, self.random.choice(bodies))
            return body

        return log.edited({at: edit}, follow=self.random.random() < 0.8)

    def cited(self, log: Forged) -> Forged:
        """Other consents cited by a decision: one fewer, one more, or others."""
        bodies = log.bodies_or_empty()
        found = [i for i, body in enumerate(bodies) if body.get("kind") == "decision"]
        if not found:
            return log
        at = self.random.choice(found)
        consents = [leaf(log.entries[i]) for i, body in enumerate(bodies) if body.get("kind") == "consent"]
        some = self.random.sample(consents, self.random.randrange(len(consents) + 1))
        other = leaf(self.random.choice(log.entries))
        cited = sorted(some) or consents[:1] if self.random.random() < 0.8 else [*some, other]
        return log.edited({at: lambda body: {**body, "consents": cited}})

    def borrowed(self, log: Forged) -> Forged:
        """A cell of what was decided taken from another row, or a row left out."""
        bodies = log.bodies_or_empty()
        found = [i for i, body in enumerate(bodies) if body.get("kind") == "decision" and "payload" in body]
        if not found or not isinstance(bodies[found[0]]["payload"], dict):
            return log
        data = log.payloads.get(str(bodies[found[0]]["payload"].get("sha256")), b"")
        head, *rows = [line.split(b",") for line in data.split(b"\n") if line] or [[b""]]
        if not rows:
            return log
        row, other = self.random.choice(rows), self.random.choice(rows)
        column = self.random.randrange(min(len(row), len(other)))
        if self.random.random() < 0.7:
            row[column] = other[column]
        else:
            rows.remove(row)
        lines = sorted(rows) if self.random.random() < 0.8 else rows
        changed, new = log.with_payload(b"\n".join([*map(b",".join, [head, *lines]), b""]))
        return changed.edited({found[0]: lambda body: {**body, "payload": new}})

    def author(self) -> str:
        ours = author_id(public_bytes(AUTHOR))
        return ours if self.random.random() < 0.8 else self.random.choice(sorted(KEYS))

    def put(self, log: Forged, raw: bytes) -> Forged:
        at = self.random.randrange(len(log.entries) + 1)
        return replace(log, entries=(*log.entries[:at], raw, *log.entries[at:]))

    def table(self, log: Forged) -> Forged:
        """A payload changed, and, mostly, the entries that refer to it."""
        with_one = [
            i for i, body in enumerate(log.bodies_or_empty()) if isinstance(body.get("payload"), dict)
        ]
        if not with_one:
            return log
        at = self.random.choice(with_one)
        reference = log.bodies_or_empty()[at]["payload"]
        data = log.payloads.get(str(reference.get("sha256")), ledgers.series_outcome(0))
        if self.random.random() < 0.15:
            gone = {name: each for name, each in log.payloads.items() if name != reference.get("sha256")}
            return replace(log, payloads=gone)
        data = self.random.choice(
            (self.cell, self.cell, self.cell, self.flip, self.insert, self.lines, self.cut)
        )(data)
        changed, new = log.with_payload(data)
        return changed.edited({at: lambda body: {**body, "payload": new}})

    def cell(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        i = self.random.randrange(len(lines))
        cells = lines[i].split(b",")
        cells[self.random.randrange(len(cells))] = self.random.choice(CELLS)
        lines[i] = b",".join(cells)
        return b"\n".join(lines)

    def times(self, log: Forged) -> Forged:
        """Cosignatures moved in time, dropped, or made of other checkpoints."""
        made = list(log.cosigned)
        for _ in range(self.random.choice((1, 2, 4))):
            if made:
                size, who, at = made.pop(self.random.randrange(len(made)))
                roll = self.random.random()
                if roll < 0.6:
                    made.append(
                        (size, who, max(at + self.random.choice((-86_400, -3000, 3000, 4000, 86_400)), 0))
                    )
                elif roll < 0.8:
                    made.append(
                        (self.random.randrange(len(log.entries) + 1), self.random.choice(WITNESSES), at)
                    )
        return replace(log, cosigned=tuple(made))

    def raw(self, log: Forged) -> Forged:
        """The bytes of an entry changed, which its author has not signed."""
        at = self.random.randrange(len(log.entries))
        raw = self.random.choice((self.flip, self.insert, self.cut))(log.entries[at])[:60_000] or b"{}"
        assert leaf(raw)
        return log.edited({at: lambda _: raw})
