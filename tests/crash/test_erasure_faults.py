"""Every write of an erasure fails in turn, or is where it dies: the subject is whole or gone."""

from __future__ import annotations

import compileall
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from powerloss import file_calls, inject, python

import foreseal
from foreseal.store.subjects import Subjects

SCRIPT = Path(__file__).with_name("erase_once.py")
NAMES = [f"s{k}" for k in range(40)]
GONE = "s17"
CHANGES = {"pwrite64", "write", "fdatasync", "fsync", "unlink", "ftruncate", "openat"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAULTS = ("EIO", "ENOSPC", "SIGKILL")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_erasure_is_whole_or_absent_and_never_takes_another_key(tmp_path: Path, strace: str) -> None:
    code = tmp_path / "code"
    ignored = shutil.ignore_patterns("examples", "__pycache__")
    shutil.copytree(Path(foreseal.__file__).parent, code / "foreseal", ignore=ignored)
    compileall.compile_dir(code, quiet=1)
    environ = {"PYTHONPATH": str(code), "PYTHONHASHSEED": "0", "POLARS_MAX_THREADS": "1"}
    template = tmp_path / "template"
    with closing(Subjects(template / "subjects.db")) as subjects:
        cases = subjects.admit("p", NAMES)
        before = subjects.secrets("p", cases.values())
    with closing(sqlite3.connect(template / "subjects.db")) as database:
        (mark,) = database.execute("SELECT mark FROM subject WHERE case_id=?", (cases[GONE],)).fetchone()
    traces = [mark, before[cases[GONE]].key, before[cases[GONE]].salt]

    def command(folder: Path) -> list[str]:
        return python(SCRIPT, folder / "subjects.db", GONE)

    folder = shutil.copytree(template, tmp_path / "calls")
    calls = file_calls(command(folder), folder, tmp_path / "trace", "mark", **environ)
    assert {"pwrite64", "fdatasync", "unlink"} <= {name for name, _ in calls}
    outcomes: Counter[str] = Counter()
    for call, when in ((name, when) for name, when in calls if name in CHANGES):
        for fault in FAULTS:
            folder = shutil.copytree(template, tmp_path / f"{call}-{when}-{fault}")
            done = inject(command(folder), folder, call, when, fault, **environ)
            assert done.stderr.startswith("mark"), f"the fault came before the erasure: {done.stderr}"
            with closing(Subjects(folder / "subjects.db")) as subjects:
                left = subjects.secrets("p", cases.values())  # raises if a key is lost without an erasure
                erased = [each.case_id for each in subjects.erasures("p")]
                assert left == {case: key for case, key in before.items() if case not in erased}
                assert erased in ([], [cases[GONE]])
                assert not (done.stdout == "erased" and not erased)
                subjects.erase("p", cases[GONE], NOW)
            kept = b"".join(path.read_bytes() for path in folder.iterdir())
            assert [path.name for path in folder.iterdir()] == ["subjects.db"]
            assert not any(each in kept for each in traces)
            outcomes["erased" if erased else "whole"] += 1
            shutil.rmtree(folder)
    assert min(outcomes["erased"], outcomes["whole"]) > 5, outcomes
