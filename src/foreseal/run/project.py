"""A project on disk.

my-city/
  foreseal.toml
  keys/     author.pem, log.pem, subjects.db (0600, git-ignored)
  data/     what the example brought, if there was one
  store/    observations, rejected rows, commitments not yet revealed
  log/      the only published folder: checkpoint, tile/, payload/
  out/      report.html, receipts/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from foreseal import settings as toml
from foreseal.apps import App, find
from foreseal.errors import KeyMissing, ProofError, SettingsError, SetupError, UsageError
from foreseal.options import build
from foreseal.records import Target
from foreseal.run import declare
from foreseal.run.history import History, Said, replayed
from foreseal.run.vault import Vault
from foreseal.seal.cosigned import Sealing
from foreseal.seal.entry import parse_entry
from foreseal.seal.keys import load_key
from foreseal.seal.log import Log
from foreseal.seal.note import Ed25519Verifier, Signer, parse_vkey
from foreseal.seal.payload import Payloads
from foreseal.seal.policy import Policy as Trust
from foreseal.seal.reader import LogReader, read_log

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from foreseal.collect.source import Source
    from foreseal.decide.policy import Policy
    from foreseal.store.store import Store

PASSPHRASE = "FORESEAL_PASSPHRASE"


def passphrase() -> bytes | None:
    """The passphrase of the project's keys, from the environment."""
    text = os.environ.get(PASSPHRASE)
    return text.encode() if text else None


@dataclass(frozen=True, slots=True)
class Project:
    """An opened project. Opening reads settings and resolves every name in them; it writes nothing."""

    folder: Path
    settings: toml.Settings
    app: App | None
    sources: Mapping[str, Source]
    policies: Mapping[str, Policy]
    targets: Mapping[str, Target] = field(repr=False)

    @classmethod
    def open(cls, path: str | Path = ".") -> Project:
        """Open the project in a folder. Raises `SettingsError` naming the table and the key that is wrong."""
        found = toml.load(Path(path))
        app = find(found.project.app) if found.project.app else None
        project = cls(
            folder=found.path.parent,
            settings=found,
            app=app,
            sources=_sources(found, app),
            policies=_policies(found, app),
            targets={name: declare.target(name, found) for name in found.targets},
        )
        if found.seal.key:
            project.trust()
        return project

    @property
    def name(self) -> str:
        return self.settings.project.name

    @property
    def title(self) -> str:
        """What the project is about: its own words, or else the application's, or else its name."""
        return self.settings.project.title or (self.app.title if self.app else self.name)

    @property
    def timezone(self) -> str:
        return self.settings.project.timezone

    @property
    def replay(self) -> bool:
        """Whether declared cutoffs are replayed, so that order is proven and time is not."""
        return self.settings.clock.mode == "replay"

    @property
    def log_folder(self) -> Path:
        return self.folder / "log"

    @property
    def payloads(self) -> Payloads:
        return Payloads(self.log_folder)

    @property
    def vault(self) -> Vault:
        return Vault(self.folder / "store" / "commitments")

    def store(self, *, create: bool = False) -> Store:
        """The observations. Raises `SetupError` if there are none yet, or if they have been lost."""
        from foreseal.store.catalogue import FILE_NAME
        from foreseal.store.store import Store

        folder = self.folder / "store"
        if not create and not (folder / FILE_NAME).is_file():
            raise SetupError(
                f"There are no observations in {folder}.",
                hint="A new project collects them with `foreseal run`; a lost one is in the backup.",
            )
        return Store.open(folder, create=create, keys=self.subjects_file)

    @property
    def subjects_file(self) -> Path:
        """The key database of personal data; in no backup of the project."""
        return self.folder / "keys" / "subjects.db"

    def policy(self, name: str, options: Mapping[str, Any]) -> Policy:
        """The policy of a decision with other options than the present ones, such as those once sealed."""
        return _policy(self.settings, self.app, name, options)

    def trusted(self) -> Ed25519Verifier:
        """The log key that these settings name."""
        if not self.settings.seal.key:
            raise SettingsError(
                "[seal] names no key, so nothing can be verified by it.",
                hint="Write key = with the vkey that `foreseal init` printed.",
            )
        try:
            return parse_vkey(self.settings.seal.key)
        except (ProofError, UsageError) as error:
            raise SettingsError(f"key in [seal]: {error.message}", hint=error.hint) from None

    def trust(self) -> Trust:
        """The log key, the witnesses and the quorum that these settings name."""
        table = self.settings.seal.witnesses
        if table is None:
            return Trust.of([self.trusted()])
        return Trust.k_of_n([self.trusted()], table.need, table.of, tolerate=table.tolerate, own=table.own)

    def sealing(self) -> Sealing | None:
        """When the log's entries were sealed, by its witnesses; None if the settings name none."""
        trust = self.trust()
        return Sealing.of(trust, self.log_folder) if trust.witnesses else None

    def author_key(self) -> Ed25519PrivateKey:
        return load_key(self.folder / "keys" / "author.pem", passphrase())

    def signer(self) -> Signer:
        """The log's key. Raises `KeyMissing` if it is another than the settings name."""
        path = self.folder / "keys" / "log.pem"
        signer = Signer(self.settings.seal.origin, load_key(path, passphrase()))
        if self.settings.seal.key and signer.verifier != self.trusted():
            raise KeyMissing(
                f"{path} is not the key that [seal] names.",
                hint="Restore the right one from the place where you keep the keys. Touch nothing else.",
            )
        return signer

    def open_log(self) -> Log:
        """The log, to write; `Busy` if another process does. See `foreseal.seal.log.Log.open`."""
        witnesses = [each.key for each in self.trust().witnesses]
        return Log.open(self.log_folder, self.signer(), witnesses=witnesses)

    def reader(self) -> LogReader:
        """The log, to read; needs no key."""
        return read_log(self.log_folder, [self.trusted()])

    def history(self) -> History:
        """What the log holds and counts."""
        from foreseal.run.anchoring import sealing_times

        return History.of(replayed(self.reader(), sealing_times(self)))


def said(log: LogReader) -> list[Said]:
    """Every entry of a log, parsed."""
    entries = [parse_entry(raw) for raw in log.entries()]
    return [Said(index, entry.leaf, dict(entry.fields)) for index, entry in enumerate(entries)]


def _sources(settings: toml.Settings, app: App | None) -> dict[str, Source]:
    from foreseal.collect.source import resolve

    own = app.sources if app else {}
    return {
        name: build(own.get(dataset.source) or resolve(dataset.source), dataset.options, f"[datasets.{name}]")
        for name, dataset in settings.datasets.items()
    }


def _policies(settings: toml.Settings, app: App | None) -> dict[str, Policy]:
    return {name: _policy(settings, app, name, table.options) for name, table in settings.decisions.items()}


def _policy(settings: toml.Settings, app: App | None, name: str, options: Mapping[str, Any]) -> Policy:
    from foreseal.decide.policy import make_policy

    where, policy = f"[decisions.{name}.options]", settings.decisions[name].policy
    cls = app.policies.get(policy) if app else None
    if cls:
        return cast("Policy", build(cls, options, where))
    return make_policy(policy, options, where=where, defaults={"timezone": settings.project.timezone})
