"""Structures of sums: what they mean, and what cannot be one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from foreseal.errors import DataError
from foreseal.predict.structure import Structure

CITY = {"city": ["north", "south"], "north": ["a", "b"], "south": ["c", "d", "e"]}


def test_a_mapping_of_sums_becomes_a_matrix_of_leaves() -> None:
    found = Structure.of(CITY)
    assert found.ids == ("city", "north", "south", "a", "b", "c", "d", "e")
    assert found.leaves == ("a", "b", "c", "d", "e")
    expected = [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], *np.eye(5).tolist()]
    assert found.matrix.tolist() == expected
    assert found.sums == 3


def test_a_frame_of_levels_says_the_same_and_may_cross() -> None:
    rows = {"unique_id": list("abcde"), "all": ["city"] * 5, "side": ["north"] * 2 + ["south"] * 3}
    for frame in (pl.DataFrame(rows), pd.DataFrame(rows)):
        found = Structure.of(frame)
        assert found.ids == Structure.of(CITY).ids
        assert (found.matrix == Structure.of(CITY).matrix).all()
    crossed = Structure.of(pl.DataFrame(rows).with_columns(kind=pl.Series(["x", "y", "x", "y", "x"])))
    assert crossed.matrix[crossed.ids.index("x")].tolist() == [1, 0, 1, 0, 1]
    assert [crossed.ids[row] for row in crossed.roots()] == ["city"] * 5


def test_order_of_the_mapping_does_not_matter_and_chains_may_be_long() -> None:
    chain = {f"s{k}": [f"s{k + 1}", f"x{k}"] for k in range(3000)}
    found = Structure.of(chain)
    assert found.matrix[0].sum() == 3001
    assert found.matrix[2999].sum() == 2


def test_every_leaf_has_its_root() -> None:
    forest = Structure.of({"p": ["a", "b"], "q": ["c"], "p2": ["p"]})
    assert [forest.ids[row] for row in forest.roots()] == ["p", "p", "q"]
    with pytest.raises(DataError, match=r"'a' is part of 2 sums, none of which holds the others"):
        Structure.of({"p": ["a", "b"], "q": ["a", "c"]}).roots()


@pytest.mark.parametrize(
    ("summing", "said"),
    [
        ({"a": ["b"], "b": ["c", "a"]}, r"goes in a circle: 'a' of 'b' of 'a'"),
        ({"a": ["a"]}, r"goes in a circle: 'a' of 'a'"),
        ({"a": ["b", "b"]}, r"'a' counts 'b' twice"),
        ({"t": ["p", "q"], "p": ["x"], "q": ["x", "y"]}, r"'t' counts 'x' twice"),
        ({"a": []}, r"'a' has no parts"),
        ({}, r"no sums"),
        ({"a": "bc"}, r"not a list of names"),
        (pl.DataFrame({"unique_id": ["a", "a"], "side": ["n", "n"]}), r"more than one row for 'a'"),
        (pl.DataFrame({"unique_id": ["a", "b"], "side": ["n", None]}), r"no 'side' for 'b'"),
        (pl.DataFrame({"unique_id": ["a"], "x": ["n"], "y": ["n"]}), r"'n' in two columns, 'x' and 'y'"),
        (pl.DataFrame({"unique_id": ["a", "b"], "x": ["b", "c"]}), r"'b' as a leaf and as a sum"),
        (pl.DataFrame({"id": ["a"], "x": ["n"]}), r"needs 'unique_id'"),
        (["a", "b"], r"not a data frame"),
    ],
)
def test_what_is_no_structure_is_refused_by_name(summing: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Structure.of(summing)
