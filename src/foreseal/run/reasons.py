"""Why a case was decided about as it was: sealed with the decision, readable by whom it concerns.

Reasons tell of a person's features. For a dataset that is not personal they stand in the decision. For a
personal one the decision holds only the leaf hash of a record that is encrypted and salted like those of the
store (`foreseal.store.personal`), and the record lies in ``store/reasons``; erasing the person ends it, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from foreseal import merkle
from foreseal.clock import to_us
from foreseal.errors import SetupError, Tampered
from foreseal.records import Setting
from foreseal.seal.disk import make_folder, write_file
from foreseal.store import personal

if TYPE_CHECKING:
    from foreseal.run.project import Project
    from foreseal.store.store import Store

PREFIX = "reasons "


def keep(
    project: Project,
    store: Store,
    name: str,
    about: tuple[str, int, datetime],
    reasons: Mapping[str, Sequence[str]],
) -> tuple[Setting, ...]:
    """Reasons as the decision ``name`` states them; ``about`` is its dataset, cutoff number and cutoff.

    Those of a personal dataset are kept, durably, beside the store.
    """
    dataset, seq, cutoff = about
    if not project.settings.datasets[dataset].personal:
        return tuple(Setting(PREFIX + case, "; ".join(each)) for case, each in reasons.items())
    secrets = store.secrets(dataset, reasons)
    records: dict[str, str] = {}
    found = []
    for case, secret in secrets.items():
        place = personal.Place(dataset, PREFIX + name, case, to_us(cutoff), seq)
        record = personal.encrypt({"reasons": "\n".join(reasons[case])}, secret, place)
        records[case] = record.hex()
        leaf = merkle.leaf_hash(personal.leaf(record, secret, place)).hex()
        found.append(Setting(PREFIX + case, leaf))
    path = _path(project, name, seq)
    make_folder(path.parent)
    path.parent.chmod(0o700)
    write_file(path, json.dumps(records, sort_keys=True, separators=(",", ":")).encode())
    return tuple(found)


def read(
    project: Project,
    store: Store,
    name: str,
    about: tuple[str, int, datetime],
    stated: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Reasons of the cases in ``stated`` (what the decision says of each), without those of the erased.

    Raises `Tampered` if what is kept is not what the decision was sealed with.
    """
    dataset, seq, cutoff = about
    if not project.settings.datasets[dataset].personal:
        return {case: tuple(text.split("; ")) if text else () for case, text in stated.items()}
    path = _path(project, name, seq)
    if stated and not path.is_file():
        raise SetupError(
            f"The reasons of {name} {seq} are not in {path.parent}.", hint="Restore the store's folder."
        )
    records = json.loads(path.read_bytes()) if stated else {}
    found = {}
    for case, secret in store.secrets(dataset, stated).items():
        place = personal.Place(dataset, PREFIX + name, case, to_us(cutoff), seq)
        record = bytes.fromhex(records.get(case, ""))
        if merkle.leaf_hash(personal.leaf(record, secret, place)).hex() != stated[case]:
            raise Tampered(f"The reasons kept for {case} are not those that {name} {seq} was sealed with.")
        text = personal.decrypt(record, secret, place)["reasons"]
        found[case] = tuple(text.split("\n")) if text else ()
    return found


def _path(project: Project, name: str, seq: int) -> Path:
    return project.folder / "store" / "reasons" / f"{name}-{seq}.json"
