"""Graphs told, measured and learnt."""

from __future__ import annotations

import numpy as np

from foreseal.predict.neighbours import from_adjacency, from_coordinates, from_past


def test_rows_sum_to_one_without_a_sensors_own_weight():
    table = np.array([[9.0, 1.0, 3.0], [0.0, 9.0, 0.0], [1.0, 1.0, 9.0]])
    want = [[0.0, 0.25, 0.75], [0.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    np.testing.assert_allclose(from_adjacency(table, None, ("a", "b", "c")), want)


def test_a_series_that_the_table_does_not_name_has_no_neighbour():
    got = from_adjacency([[0, 1], [1, 0]], ["a", "c"], ("a", "b", "c"))
    np.testing.assert_allclose(got, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


def test_nearer_sensors_weigh_more_also_across_the_date_line():
    places = {"a": (0.0, 179.9), "b": (0.0, -179.9), "c": (0.0, 179.0)}
    got = from_coordinates(places, ("a", "b", "c"))
    assert got[0, 1] > got[0, 2] > 0.0
    np.testing.assert_allclose(got.sum(axis=1), 1.0)


def test_who_goes_before_is_learnt_from_the_past():
    z = np.random.default_rng(0).normal(size=(3, 2000))
    z[1, 1:] = z[0, :-1]
    assert from_past(z)[1, 0] > 0.9


def test_nobody_is_learnt_where_nothing_moves():
    assert not from_past(np.zeros((4, 50))).any()
