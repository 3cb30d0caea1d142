"""Writing out/report.html; not a verb of its own, `run` and `demo` do it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foreseal.run import Project


def write_report(project: Project) -> Path:
    """Write receipts and the report; returns the report's path."""
    from foreseal.clock import LiveClock
    from foreseal.pages.gather import gather
    from foreseal.pages.render import render_report
    from foreseal.run.receipts import write_receipts
    from foreseal.seal.disk import write_file

    receipts = write_receipts(project)
    path = project.folder / "out" / "report.html"
    write_file(path, render_report(gather(project, receipts, LiveClock().now())).encode())
    return path
