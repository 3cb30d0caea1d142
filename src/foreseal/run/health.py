"""Is the project well? Each part is examined by itself, so that one fault does not hide another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foreseal.clock import LiveClock, format_instant, parse_instant
from foreseal.errors import ForesealError, KeyMissing, Tampered
from foreseal.run.anchoring import make_anchors
from foreseal.run.erasure import check_erasures
from foreseal.run.history import History
from foreseal.run.receipts import verify_receipts
from foreseal.run.timekeeping import check_times
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.receipt import SUFFIX
from foreseal.seal.signed import signed_here
from foreseal.seal.verify import verify_log

if TYPE_CHECKING:
    from foreseal.run.project import Project

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What one examination found, and what to do if it is not well.

    ``warns``: nothing is damaged, but somebody should look at it.
    """

    what: str
    ok: bool
    says: str
    hint: str = ""
    warns: bool = False


def examine(project: Project) -> list[Finding]:
    """Settings and keys, the log with its payloads, the store, and the snapshots that were sealed."""
    return [
        _look("settings", project, _settings),
        _look("author key", project, _author),
        _look("log key", project, _log_key),
        _look("lock database", project, _lock),
        *_log(project),
        _times(project),
        _receipts(project),
        *([_look("outside clocks", project, _clocks)] if project.settings.seal.outside else []),
        _look("store", project, _store),
        _look("sealed snapshots", project, _snapshots),
        *([_look("personal data", project, _personal)] if _is_personal(project) else []),
    ]


def _look(what: str, project: Project, check: Callable[[Project], str]) -> Finding:
    try:
        return Finding(what, True, check(project))
    except ForesealError as error:
        return Finding(what, False, error.message, error.hint)


def _settings(project: Project) -> str:
    return (
        f"{len(project.sources)} datasets, {len(project.targets)} targets, {len(project.policies)} decisions"
    )


def _author(project: Project) -> str:
    author = author_id(public_bytes(project.author_key()))
    if project.settings.seal.author not in ("", author):
        raise KeyMissing(
            "keys/author.pem is not the author that [seal] names.",
            hint="Restore the key, or start a new project for a new author.",
        )
    return author


def _log_key(project: Project) -> str:
    return str(project.signer().verifier)


def _lock(project: Project) -> str:
    """Would the log's key sign here? The same question that the next append asks, but nothing is changed."""
    size = signed_here(project.log_folder, project.signer())
    return f"holds the log's last checkpoint, of {size} entries"


def _log(project: Project) -> list[Finding]:
    try:
        verdict = verify_log(project.log_folder, project.trust())
    except ForesealError as error:
        return [Finding("log", False, error.message, error.hint)]
    if verdict.ok:
        return [Finding("log", True, f"{verdict.size} entries, every file and score checked")]
    if verdict.codes == ("quorum",):
        # Sealed is sealed: only when, nobody else says yet.
        hint = "The next `foreseal run` asks the witnesses again; then `foreseal doctor` looks at the rest."
        return [Finding("log", True, verdict.problems[0], hint, warns=True)]
    return [Finding("log", False, each) for each in verdict.problems]


def _receipts(project: Project) -> Finding:
    """The receipts that are there. What has no quorum yet is written again when it has."""
    paths = sorted((project.folder / "out" / "receipts").rglob(f"*{SUFFIX}"))
    try:
        found = verify_receipts(project, paths)
    except ForesealError as error:
        return Finding("receipts", False, error.message, error.hint)
    wrong = [
        f"{path.relative_to(project.folder).as_posix()}: {verdict.problems[0]}"
        for path, verdict in found.items()
        if not verdict.ok and verdict.codes != ("quorum",)
    ]
    if wrong:
        hint = "Remove what is wrong; the next `foreseal run` writes it again."
        return Finding("receipts", False, _few(wrong), hint)
    return Finding("receipts", True, f"{len(paths)} checked")


def _times(project: Project) -> Finding:
    """What the entries say about when they were made."""
    from foreseal.run.project import said

    try:
        future, backwards = check_times(said(project.reader()), LiveClock().now())
    except ForesealError as error:
        return Finding("clock", False, error.message, error.hint)
    if future:
        hint = "Set the machine's clock right. If it is, it was wrong when these were sealed."
        return Finding("clock", False, f"from the future: {_few(future)}", hint)
    if backwards:
        hint = "The machine's clock was wrong then. Nothing is to be done about entries that are sealed."
        return Finding("clock", True, f"times that run backwards: {_few(backwards)}", hint, warns=True)
    return Finding("clock", True, "no entry is from the future, none from before the one below")


def _few(found: list[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(found[:SHOWN])}{more}"


def _clocks(project: Project) -> str:
    return f"{', '.join(make_anchors(project))} configured"


def _store(project: Project) -> str:
    with project.store() as store:
        names = store.catalogue()["dataset"].to_list()
        says = f"{sum(store.check(name) for name in names)} appends in {len(names)} datasets checked"
        erased = sum(store.erased_records(name) for name in names)
        return f"{says}, {erased} records erased" if erased else says


def _is_personal(project: Project) -> bool:
    return any(table.personal for table in project.settings.datasets.values())


def _personal(project: Project) -> str:
    with project.store() as store:
        return check_erasures(project, store, project.history())


def _snapshots(project: Project) -> str:
    history: History = project.history()
    asked = {
        (data["dataset"], each.body["cutoff"], data["n"], data["digest"])
        for each in history.forecasts.values()
        for data in each.body["data"]
    }
    asked |= {
        (data["dataset"], format_instant(target.settles_at(target.cutoffs[seq])), data["n"], data["digest"])
        for (name, seq), each in history.outcomes.items()
        if (target := project.targets.get(name)) is not None
        for data in each.body["data"]
    }
    with project.store() as store:
        for dataset, cutoff, n, digest in sorted(asked):
            found = store.snapshot(dataset, parse_instant(cutoff), n).digest
            if found != digest:
                raise Tampered(
                    f"{dataset} as known at {cutoff} after {n} appends no longer has its sealed digest.",
                    hint="Restore the store folder from its backup.",
                )
    return f"{len(asked)} digests recomputed"
