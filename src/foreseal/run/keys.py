"""The author's key: what the log says about it, and how it is replaced or revoked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foreseal.errors import KeyMissing, ProofError, Refused, SettingsError, UsageError
from foreseal.run.desk import RECOVER, Desk
from foreseal.run.project import passphrase
from foreseal.seal.disk import sync_folder, write_file
from foreseal.seal.entry import parse_entry, sign_entry
from foreseal.seal.identity import JUDGING, Identities, find_revocations, sign_rotation
from foreseal.seal.keys import author_id, generate_key, load_key, public_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from foreseal.run.project import Project

ROLE = "author"


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key of an author's line. ``since`` is the entry that added it.

    ``recovery``: who may act in its place; the current key of a line has them all.
    """

    author: str
    since: int
    state: str
    recovery: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What was sealed about a key. ``edited`` is whether foreseal.toml names the new key."""

    index: int
    author: str
    kept: Path | None = None
    edited: bool = True


def show_keys(project: Project) -> list[KeyState]:
    """Every key of the log's authors, in the order of the log."""
    raws = list(project.reader().entries())
    found, judged = Identities(find_revocations(raws)), -1
    since: dict[str, int] = {}
    for index, raw in enumerate(raws):
        entry = parse_entry(raw)
        if entry.kind in JUDGING:
            judged = index
        if entry.kind != "identity":
            continue
        try:
            found.take(index, entry, judged)
        except ProofError:
            continue
        since.setdefault(entry["key"], index)
    return [
        KeyState(
            key,
            since[key],
            _state(found, key),
            tuple(sorted(found.recovery(key))) if found.current(key) == key else (),
        )
        for key in found.lines
    ]


def _state(found: Identities, key: str) -> str:
    void = found.revoked.get(key, ())
    if void:
        return f"revoked in entry {void[0].index}, from entry {min(each.holds for each in void)} on"
    line = [each for each in found.lines if found.same(each, key)]
    following = line[line.index(key) + 1 :]
    return f"replaced by {following[0]}" if following else "current"


def rotate(project: Project, *, recovery: Path | None = None, consent: Path | None = None) -> Changed:
    """Replace the author's key by a new one, which is written beside it; the old file is kept.

    ``recovery`` is the file of a key that may rotate and revoke from then on; it is made if it is not there.
    ``consent`` is the file of a recovery key that signs in place of the old key.
    """
    keys = project.folder / "keys"
    current, fresh = keys / "author.pem", keys / "author-new.pem"
    old = project.settings.seal.author or author_id(public_bytes(project.author_key()))
    signing = load_key(consent, passphrase()) if consent else project.author_key()
    with _desk(project, signing) as desk:
        found = desk.history.identities
        if found.void(old, desk.history.size) and not consent:
            raise Refused(f"the key {old} is revoked, so it cannot name another.", hint=RECOVER)
        # A new key that a crash left behind is used, never a second one: it may be in the log already.
        key = load_key(fresh, passphrase()) if fresh.exists() else generate_key(fresh, passphrase())
        author = author_id(public_bytes(key))
        if old not in found.lines and not consent:
            desk.say("identity", {"name": project.name, "key": old, "action": "add", "role": ROLE})
        if found.current(old) == author:
            index = next(
                p.index for p in desk.history.entries.values() if p.entry.fields.get("key") == author
            )
        else:
            fields = {"name": project.name, "role": ROLE, "previous": old}
            if recovery is not None:
                fields["recovery"] = author_id(public_bytes(_key_at(recovery)))
            raw = sign_rotation(fields, key=key, consent=signing, at=desk.now())
            index = desk.stage(raw).index
            desk.commit()
        day = f"{desk.now():%Y-%m-%d}"
    kept = _free(keys, day) if current.exists() else None
    if kept:
        current.rename(kept)
    fresh.rename(current)
    sync_folder(keys)
    return Changed(index, author, kept, _edit(project, old, author))


def revoke(
    project: Project,
    key: str = "",
    *,
    since: int | None = None,
    by: Path | None = None,
    for_good: bool = False,
) -> Changed:
    """Revoke a key of the author's line (the current one, if none is named) from an index of the log on.

    ``since`` is the log's size if not given. ``by`` is the file of a recovery key. Raises `UsageError` for
    the current key of a line without a recovery key, after which nobody can speak for the author, unless it
    is meant ``for_good``.
    """
    signing = load_key(by, passphrase()) if by else project.author_key()
    key = key or project.settings.seal.author or author_id(public_bytes(project.author_key()))
    with _desk(project, signing) as desk:
        found = desk.history.identities
        if found.current(key) == key and not found.recovery(key) and not for_good:
            raise UsageError(
                f"{key} is the author's current key, and the log names no recovery key: once it is revoked, "
                "nobody can seal anything for this author again.",
                hint="Declare a recovery key first: foreseal key rotate --recovery FILE. To end the author's "
                "record: --for-good",
            )
        if key not in found.lines:
            raise UsageError(
                f"the log knows no author key {key!r}.", hint="`foreseal key show` lists those it knows."
            )
        start = desk.history.size if since is None else since
        if not 0 <= start <= desk.history.size:
            raise UsageError(
                f"a key is void from an index of the log on; {start} lies outside it.",
                hint=f"Give one from 0 to {desk.history.size}.",
            )
        fields = {"name": project.name, "role": ROLE, "key": key, "action": "revoke", "from": start}
        index = desk.stage(sign_entry("identity", fields, key=signing, at=desk.now())).index
        desk.commit()
    return Changed(index, key)


@contextmanager
def _desk(project: Project, key: Ed25519PrivateKey) -> Iterator[Desk]:
    with project.open_log() as log:
        yield Desk(log, key, project.sealing())


def _key_at(path: Path) -> Ed25519PrivateKey:
    try:
        return load_key(path, passphrase())
    except KeyMissing:
        return generate_key(path, passphrase())


def _free(keys: Path, day: str) -> Path:
    names = [f"author-{day}.pem", *(f"author-{day}-{count}.pem" for count in range(2, 100))]
    for name in names:
        if not (keys / name).exists():
            return keys / name
    raise Refused(f"{keys} holds too many old keys of {day}.")


def _edit(project: Project, old: str, new: str) -> bool:
    """Put the new author in foreseal.toml, changing nothing else; False if it does not name the old one."""
    path = project.settings.path
    text = path.read_text("utf-8")
    if text.count(f'"{old}"') != 1:
        return not project.settings.seal.author
    try:
        write_file(path, text.replace(f'"{old}"', f'"{new}"').encode())
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error}", hint=f'Write author = "{new}"') from None
    return True
