"""The rules of ``known_at``, against an interpreter of them that is as plain as it can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreseal.settings import KnownAt
from foreseal.store import Schema, Store

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = 1000  # hours after START at which the first batch is recorded


@dataclass
class Plain:
    """One row at a time, one list of vintages: (key, known, n, claimed, value)."""

    vintages: list[tuple] = field(default_factory=list)
    n: int = 0
    sealed: int | None = None

    def known(self, key, at, n=None):
        """The value of a key as known at an hour after an append: of the latest claim, then the latest."""
        seen = [v for v in self.vintages if v[0] == key and v[1] <= at and (n is None or v[2] <= n)]
        return max(seen, key=lambda v: (v[3], v[1], v[2]))[4] if seen else None

    def claimed(self, key, at):
        """The value with the latest claim up to an hour, whenever it became known."""
        seen = [v for v in self.vintages if v[0] == key and v[3] <= at]
        return max(seen, key=lambda v: (v[3], v[1], v[2]))[4] if seen else None

    def append(self, rows, rule, now):
        """Rows ``(key, claim, value)``, contradictions removed as a whole; the number of rows added."""
        slots: dict[tuple, set] = {}
        for key, claim, value in rows:
            slots.setdefault((key, claim if rule == "column" else None), set()).add(value)
        good = [(key, claim, values.pop()) for (key, claim), values in slots.items() if len(values) == 1]
        before, n = len(self.vintages), self.n + 1
        for key, claim, value in sorted(good, key=lambda row: row[1] or 0):
            if rule == "column":
                accepted = any(v[0] == key and v[3] == claim and v[4] == value for v in self.vintages)
                if accepted or self.known(key, claim) == self.claimed(key, claim) == value:
                    continue
            else:
                held = [v for v in self.vintages if v[0] == key]
                if held and self.known(key, now) == value:
                    continue
                claim = min(key[1] + 1, now) if rule == "delay" and not held else now
            late = self.sealed is not None and claim <= self.sealed
            self.vintages.append((key, now if late else claim, n, claim, value))
        self.n += len(self.vintages) > before
        return len(self.vintages) - before


keys = st.tuples(st.sampled_from("ab"), st.integers(0, 2))
row = st.tuples(keys, st.integers(0, 6), st.sampled_from([1.0, 2.0]))
batch = st.tuples(
    st.lists(row, min_size=1, max_size=8),
    st.sampled_from(["column", "delay", "load"]),
    st.one_of(st.none(), st.integers(0, 5)),
    st.booleans(),
)


class Standing:
    mode = "live"
    instant = START

    def now(self):
        return self.instant


def frame(rows, rule):
    table = pl.DataFrame(
        {
            "unique_id": [key[0] for key, _, _ in rows],
            "ds": [START + key[1] * HOUR for key, _, _ in rows],
            "y": [value for _, _, value in rows],
            "known_at": [START + claim * HOUR for _, claim, _ in rows],
        }
    )
    return table if rule == "column" else table.drop("known_at")


RULES = {
    "column": KnownAt("column", column="known_at"),
    "delay": KnownAt("delay", delay=HOUR),
    "load": KnownAt("load"),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(batch, min_size=1, max_size=5))
def test_any_sequence_of_batches_reads_back_as_the_plain_rules_say(tmp_path_factory, batches):
    clock, plain = Standing(), Plain()
    with Store.open(tmp_path_factory.mktemp("store"), create=True, clock=clock) as store:
        store.declare(Schema("v"))
        for k, (rows, rule, seal, settle) in enumerate(batches):
            now = NOW + k
            clock.instant = START + now * HOUR
            added = plain.append(rows, rule, now)
            assert store.append("v", frame(rows, rule), known_at=RULES[rule]).added == added
            digests = {at: store.snapshot("v", START + at * HOUR) for at in range(8)}
            if settle:
                store.compact("v")
                assert {at: store.snapshot("v", START + at * HOUR) for at in range(8)} == digests
            for at in (*range(8), now):
                got = store.as_of("v", START + at * HOUR)
                seen = {key: plain.known(key, at) for key in {v[0] for v in plain.vintages}}
                assert {
                    (name, (ds - START) // HOUR): y
                    for name, ds, y in got.select("unique_id", "ds", "y").rows()
                } == {key: value for key, value in seen.items() if value is not None}
            again = store.append("v", frame(rows, rule), known_at=RULES[rule])
            assert again.added == 0
            if seal is not None:
                plain.sealed = max(seal, plain.sealed or 0)
                store.mark_sealed("v", START + seal * HOUR, store.latest_n("v"), clock.instant)
        assert store.check("v") == plain.n


@pytest.mark.parametrize("many", [30_000, 70_000], ids=["hot", "segment"])
@pytest.mark.parametrize("rule", ["column", "delay", "load"])
def test_large_shuffled_batches_follow_the_same_rules(tmp_path, rule, many):
    """Beyond a few thousand rows other code sorts and matches; half of the second batch is not new."""
    clock = Standing()
    clock.instant = START + 10**6 * HOUR
    rows = pl.DataFrame({"k": range(many)}).select(
        unique_id=pl.format("s{}", pl.col("k") % 37),
        ds=pl.lit(START) + pl.duration(hours=pl.col("k") // 37),
        y=(pl.col("k") * 7919 % 101).cast(pl.Float64),
    )
    rows = rows.with_columns(known_at=pl.col("ds") + HOUR) if rule == "column" else rows
    first, second = rows.head(many * 3 // 4), rows.tail(many * 3 // 4)
    with Store.open(tmp_path, create=True, clock=clock) as store:
        store.declare(Schema("v"))
        assert store.append("v", first.sample(fraction=1, shuffle=True, seed=1)).added == first.height
        done = store.append("v", second.sample(fraction=1, shuffle=True, seed=2))
        assert done.added == many - first.height
        assert done.repeated == second.height - done.added
        corrected = second.with_columns(y=pl.when(pl.col("y") == 5).then(-5.0).otherwise("y"))
        assert store.append("v", corrected).added == second.filter(pl.col("y") == 5).height
        got = store.as_of("v", clock.instant + HOUR).select("unique_id", "ds", "y")
        expected = pl.concat([first, corrected]).select("unique_id", "ds", "y")
        expected = expected.unique(["unique_id", "ds"], keep="last", maintain_order=True)
        assert got.equals(expected.sort("unique_id", "ds"))
        assert store.check("v") == 3


def test_ids_that_are_all_different_are_matched_too(tmp_path):
    """More distinct ids than are ranked one by one."""
    rows = pl.DataFrame({"k": range(70_000)}).select(
        unique_id=pl.format("household-{}", pl.col("k") * 48_271 % 70_001),
        ds=pl.lit(START),
        y=pl.col("k").cast(pl.Float64),
        known_at=pl.lit(START),
    )
    with Store.open(tmp_path, create=True) as store:
        store.declare(Schema("v"))
        assert store.append("v", rows).added == rows.height
        assert store.append("v", rows.reverse()).added == 0
        assert store.as_of("v", START)["unique_id"].is_sorted()
