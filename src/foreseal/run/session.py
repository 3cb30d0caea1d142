"""A session: the project open for writing, by this process alone, and the steps of the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from foreseal.clock import parse_instant
from foreseal.errors import KeyMissing, Refused, UsageError
from foreseal.records import Target
from foreseal.run import declare
from foreseal.run.anchoring import sealing_times
from foreseal.run.collecting import Collected, collect
from foreseal.run.desk import Desk
from foreseal.run.history import History, Said
from foreseal.run.project import Project
from foreseal.run.results import Results
from foreseal.run.settlement import settle
from foreseal.run.step import Step, seal_step
from foreseal.run.timekeeping import check_clock
from foreseal.run.trial import try_target
from foreseal.run.witnessing import Witnessed, get_witnessed
from foreseal.seal.log import Log
from foreseal.seal.schema import BASELINE, COMMON
from foreseal.store.store import Store


@dataclass(slots=True)
class Session:
    """Everything a step needs. Made by :meth:`begin`; `Busy` if another process has the project open.

    ``held_back`` are targets that this session does nothing about, ``unread`` datasets whose sources could
    not be read, each with the reason. ``sure_of_time``: somebody confirms the machine's clock. ``past``
    keeps, by target, what members forecast at earlier cutoffs.
    """

    project: Project
    store: Store
    log: Log
    history: History
    desk: Desk
    witnessed: Witnessed | None = None
    sure_of_time: bool = False
    held_back: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    past: dict[str, Any] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def begin(cls, project: Project, *, trust_clock: bool = False) -> Iterator[Session]:
        """Open log and store for writing, and have witnessed what is sealed before they are closed.

        What an earlier session left without cosignatures is caught up with first. Raises `Refused` where
        witnesses hold another history, `SetupError` where the machine's clock cannot be right.
        """
        author = project.author_key()
        with (
            project.open_log() as log,
            project.store(create=not log.size) as store,
        ):
            before, witnessed = log.size, get_witnessed(project, log)
            if witnessed:
                witnessed.refuse_fork()
            desk = Desk(log, author, sealing_times(project))
            sure = trust_clock or check_clock(desk.now(), desk.last, None if project.replay else witnessed)
            session = cls(project, store, log, History.of(desk.history), desk, witnessed, sure)
            yield session
            if log.size > before:
                session.witnessed = get_witnessed(project, log)

    @property
    def targets(self) -> Mapping[str, Target]:
        """The targets of the settings, but for those held back."""
        return {name: each for name, each in self.project.targets.items() if name not in self.held_back}

    @property
    def replay(self) -> bool:
        return self.project.replay

    # -- collect -------------------------------------------------------------------------------------------

    def restore_marks(self) -> None:
        """Tell the store which cutoffs have been sealed, also if a crash came between log and store.

        Of targets that the settings do not name any more the store need not know.
        """
        for (target, _, _), each in self.history.forecasts.items():
            if target in self.project.targets:
                self.mark(each)

    def collect(self) -> list[Collected]:
        """Read every source and append what is new. A replay holds back the targets of what is unread."""
        found = [collect(self.project, self.store, name) for name in self.project.settings.datasets]
        self.unread = {each.dataset: each.failure for each in found if each.failure}
        for name, target in self.project.targets.items() if self.replay else ():
            for dataset in (target.dataset, *target.covariates):
                if dataset in self.unread:
                    self.held_back[name] = f"the dataset {dataset} could not be read."
        return found

    def mark(self, forecast: Said) -> None:
        """Tell the store which data a forecast was sealed on."""
        body = forecast.body
        for data in body["data"]:
            cutoff = parse_instant(body["cutoff"])
            self.store.mark_sealed(data["dataset"], cutoff, data["n"], parse_instant(body["at"]))

    # -- declare -------------------------------------------------------------------------------------------

    def identify(self) -> None:
        """Say who the author is, where the log does not know it. Raises `KeyMissing` for another's key."""
        author, named = self.desk.author, self.project.settings.seal.author
        if named and named != author:
            raise KeyMissing(
                f"{self.project.folder / 'keys' / 'author.pem'} is not the author that [seal] names.",
                hint="Restore the key, or start a new project for a new author.",
            )
        if author not in self.history.identities:
            self.desk.say("identity", declare.identity_fields(self.project.name, author))

    def declare(self) -> None:
        """Seal the author, the datasets, the targets and the models, where that is new.

        A new target that could not be forecast as it is asked is held back.
        """
        self.identify()
        settings, desk, author = self.project.settings, self.desk, self.desk.author
        for name, dataset in settings.datasets.items():
            types = {
                column: kind
                for part in self.store.schema(name).parts
                for column, kind in part.columns.items()
            }
            fields = declare.dataset_fields(name, dataset, types, self.project.timezone)
            if not _same(self.history.datasets.get(name), fields):
                desk.say("dataset", fields)
        for name, target in self.project.targets.items():
            if name not in self.history.targets and name not in self.held_back:
                try:
                    try_target(self, target)
                except UsageError as error:
                    self.held_back[name] = f"it is not declared: {error.message} {error.hint}".strip()
        for target in self.targets.values():
            for forecaster in (*target.forecasters, BASELINE):
                models = declare.models_of(settings, target.name, forecaster)
                name = declare.model_name(target.name, forecaster)
                known = self.history.models.get(name)
                try:
                    fields = declare.model_fields(name, models, target.kind)
                except UsageError:
                    if known is None:
                        raise
                    continue  # its forecasts fail for the same reason, and say so
                if not _same(known, fields):
                    desk.say("model", fields)
        for name, target in self.targets.items():
            mode, known = settings.clock.mode, self.history.targets.get(name)
            by = author
            if known is not None and desk.history.identities.same(known.body["author"], author):
                by = known.body["author"]  # a rotated key is the same author
            fields = declare.target_fields(target, by, mode, self.put(declare.schedule(target)))
            if known is None:
                desk.say("target", fields)
            elif not _same(known, fields):
                changed = sorted(key for key, value in fields.items() if known.body.get(key) != value)
                raise Refused(
                    f"The target {name!r} was declared otherwise in entry {known.index} "
                    f"(changed: {', '.join(changed)}). A declared target does not change.",
                    hint="Undo the change, or declare a target with another name.",
                )
        self.commit()

    # -- forecast ------------------------------------------------------------------------------------------

    def forecast(self, target: Target, seq: int) -> Step:
        """Forecast, decide and seal one cutoff with one append."""
        return seal_step(self, target, seq)

    # -- decide --------------------------------------------------------------------------------------------

    def approve(self, name: str, seq: int, verdict: str, by: str, reason: str, case: str = "") -> Said:
        """Seal a person's word on a decision, or on one case that it refers to a person.

        Raises `UsageError` if there is none of that name and number, if it does not refer that case, or if
        the word has been given already.
        """
        decision = self.history.decisions.get((name, seq))
        if decision is None:
            raise UsageError(
                f"There is no decision {name} {seq} in the log.", hint="`foreseal decide` lists decisions."
            )
        word = {"decision": decision.leaf, "verdict": verdict, "by": by, "reason": reason}
        if case:
            if case not in Results(self.project, self.history).referred(decision):
                raise UsageError(
                    f"{name} {seq} does not refer this case to a person.",
                    hint=f"`foreseal decide {name} {seq}` lists the cases that it does.",
                )
            if (decision.leaf, case) in self.history.words:
                raise UsageError(
                    f"A word on the case {case} of {name} {seq} is sealed already.",
                    hint="What is sealed stands: `foreseal decide` shows it.",
                )
            self.desk.say("approval", {**word, "case": case})
            return self.commit()[0]
        if decision.leaf in self.history.approvals or decision.body["state"] != "proposed":
            raise UsageError(
                f"The decision {name} {seq} is {self.history.state(decision)} already.",
                hint="What is sealed stands: `foreseal decide` lists what waits for a person.",
            )
        self.desk.say("approval", word)
        return self.commit()[0]

    # -- settle --------------------------------------------------------------------------------------------

    def settle(self, target: Target, seq: int) -> int:
        """Fix the outcome of one cutoff, score every forecaster and judge the decisions."""
        settle(self, target, seq)
        self.commit()
        return 1

    def commit(self) -> list[Said]:
        """Append what was said since; returns it."""
        found = self.desk.commit()
        self.history.add(found)
        return found

    def put(self, data: bytes) -> dict[str, str | int]:
        """Store a payload durably; returns how an entry refers to it."""
        return self.log.payloads.put(data)


def _same(known: Said | None, fields: Mapping[str, Any]) -> bool:
    return known is not None and {k: v for k, v in known.body.items() if k not in COMMON} == fields
