"""Projects in the test's own folder, with lock databases beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from projects import Make, make_project

from foreseal.run import Project


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lock databases go into the test's own folder."""
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a small project; keyword arguments fill in the settings."""

    def build(name: str = "small", **settings: Any) -> Project:
        return make_project(tmp_path / name, **settings)

    return build
