"""Make a project: its folder, keys, log and settings. The only place where keys are made."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from foreseal.apps import App, find
from foreseal.errors import Malformed, UsageError
from foreseal.run.extras import lacking
from foreseal.run.project import passphrase
from foreseal.seal.disk import make_folder, write_file
from foreseal.seal.keys import author_id, generate_key, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.note import Signer, check_name
from foreseal.settings import FILE_NAME

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)
_IGNORED = "keys/\nstore/\nout/\n"
_BARE = """\
# A Foreseal project. To see every table filled in: foreseal init --app traffic example
[project]
name = "{name}"
timezone = "UTC"

[clock]
mode = "live"

# 1. data
# [datasets.load]
# source = "csv"
# path = "load.csv"
# id = "site"                         # a column, or a constant in quotes: "'site-1'"
# ds = "time"
# y = "kilowatt"
# unit = "kW"
# known_at = {{ delay = "1h" }}         # or {{ column = "..." }}, or "load"

# 2. targets, 3. models, 4. decision, 5. outcome: docs/project.md

{seal}"""


@dataclass(frozen=True, slots=True)
class Created:
    """What `create` made. ``log_key`` is the vkey others need to verify this log, ``extras`` what is to be
    installed still."""

    folder: Path
    origin: str
    log_key: str
    author: str
    keys: tuple[Path, Path]
    extras: tuple[str, ...] = ()


def create(
    folder: Path, *, app: str = "", name: str = "", origin: str = "", hub: Path | None = None
) -> Created:
    """Make a project in ``folder``, which must not hold one.

    ``hub`` is the folder of a forecast hub that an application reads instead of its example. Keys are
    encrypted if the environment gives a passphrase. Raises `UsageError` if there is a project already.
    """
    declared = find(app) if app else None
    if hub is not None:
        if declared is None or declared.adopt is None:
            raise UsageError(
                f"The application {app!r} reads no hub." if app else "No application is to read the hub.",
                hint="foreseal init --app epidemic --hub PATH",
            )
        declared = declared.adopt(hub)
    name = name or _name_of(folder.resolve().name)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a project's name.",
            hint="Use 1 to 40 of a-z, 0-9, dot, dash and underscore: --name my-city",
        )
    if (folder / FILE_NAME).exists():
        raise UsageError(
            f"{folder / FILE_NAME} exists; there is a project here already.",
            hint="Continue it with `foreseal run`, or give another folder.",
        )
    if origin:
        try:
            check_name(origin)
            if set('"\\') & set(origin):
                raise Malformed("it would not survive being written in TOML.")
        except Malformed:
            raise UsageError(
                f"{origin!r} cannot be the name of a log.",
                hint="No spaces and no plus sign: --origin example.org/traffic",
            ) from None
    for part in ("keys", "log", "store"):
        if (folder / part).exists():
            raise UsageError(
                f"{folder / part} exists, but no {FILE_NAME} beside it.",
                hint="Move it away, or restore the settings of the project that it belonged to.",
            )
    try:
        return _make(folder, declared, name, origin)
    except BaseException:
        # Keys that no settings name would only be mistaken for those of a project.
        for part in ("keys", "log"):
            shutil.rmtree(folder / part, ignore_errors=True)
        raise


def _make(folder: Path, declared: App | None, name: str, origin: str) -> Created:
    _ignore(folder / ".gitignore")
    make_folder(folder / "keys")
    (folder / "keys").chmod(0o700)
    paths = (folder / "keys" / "author.pem", folder / "keys" / "log.pem")
    author_key, log_key = (generate_key(path, passphrase()) for path in paths)
    public = public_bytes(log_key)
    origin = origin or f"{name}.{public.hex()[:8]}.example/log"
    signer = Signer(origin, log_key)
    author, vkey = author_id(public_bytes(author_key)), str(signer.verifier)
    Log.create(folder / "log", signer).close()
    if declared:
        _copy_example(declared, folder / "data")
    seal = f'[seal]\norigin = "{origin}"\nkey = "{vkey}"\nauthor = "{author}"\n'
    text = declared.toml(name, seal) if declared else _BARE.format(name=name, seal=seal)
    write_file(folder / FILE_NAME, text.encode())
    return Created(folder, origin, vkey, author, paths, lacking(declared.extras) if declared else ())


def _ignore(path: Path) -> None:
    """Keep keys, data and pages out of a repository, beside what its owner keeps out."""
    own = path.read_text("utf-8") if path.exists() else ""
    lines = [line for line in _IGNORED.splitlines() if line not in own.splitlines()]
    if lines:
        write_file(path, "\n".join([*own.splitlines(), *lines, ""]).encode())


def _name_of(folder: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", folder.lower()).strip("-._")[:40] or "project"


def _copy_example(app: App, folder: Path) -> None:
    for name in app.files:
        write_file(folder / name, (app.example() / name).read_bytes())
