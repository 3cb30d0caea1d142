"""One run of an application's project, sealed and verified, as every table of `bench.apps` needs it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foreseal.run import Project
from foreseal.run.create import create
from foreseal.run.loop import run
from foreseal.run.receipts import verify_receipts, write_receipts
from foreseal.run.results import Results
from foreseal.run.session import Session


@contextmanager
def made(app: str) -> Iterator[Path]:
    """A new project of an application, as `foreseal init --app` makes it; gone afterwards."""
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("FORESEAL_STATE", f"{place}/state")
        folder = Path(place) / app
        create(folder, app=app)
        yield folder


def replay(folder: Path) -> tuple[Results, dict[str, Any]]:
    """Run a project once and read it back from its log, with its CPU seconds, cutoffs and receipts."""
    project = Project.open(folder)
    start = time.process_time()
    with Session.begin(project) as session:
        done = run(session)
    seconds = time.process_time() - start
    verdicts = verify_receipts(project, write_receipts(project))
    account = {
        "seconds": round(seconds, 1),
        "cutoffs": done.settled,
        "failures": done.failures,
        "receipts": len(verdicts),
        "verified": sum(verdict.ok for verdict in verdicts.values()),
    }
    return Results(project), account
