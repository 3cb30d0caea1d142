"""Fixtures shared by all rooms: real data and real components, required in CI and optional elsewhere."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("FORESEAL_REQUIRE_ALL") == "1"

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def _absent(what: str) -> None:
    if REQUIRE_ALL:
        pytest.fail(f"{what} is required here and missing")
    pytest.skip(f"needs {what}")


def require(name: str, install: str = "") -> str:
    """Path of a program or name of a module; if absent, skip (fail where everything is required)."""
    found = shutil.which(name) or (name if importlib.util.find_spec(name.replace("-", "_")) else None)
    if found is None:
        _absent(f"{name}{f' ({install})' if install else ''}")
    return str(found)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of shared real data (``$FORESEAL_SHARED``, default ``../shared`` beside the clone)."""
    folder = Path(os.environ.get("FORESEAL_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        _absent(f"the shared data folder {folder}")
    return folder


@pytest.fixture(scope="session")
def strace() -> str:
    """The system call tracer, for tests of power loss and failing disks."""
    return require("strace")
