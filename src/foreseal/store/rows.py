"""Where rows lie: recent appends as Arrow frames in the database, settled ones in Parquet segments.

An append lies wholly in one place. Small appends are *hot*: one blob each, which makes a commit cheap. When
enough have gathered they are merged into a segment, and small segments into larger ones; a large append is a
segment at once. Merging changes no row, and a reader that loses a file to it starts again.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from foreseal.clock import to_us
from foreseal.errors import SetupError
from foreseal.store.catalogue import Catalogue
from foreseal.store.order import in_key_order
from foreseal.store.schema import Part
from foreseal.store.segments import scan_segments, sync_folder, write_segment

HOT_ROWS = 65_536  # an append of this size is a segment at once
HOT_APPENDS = 512
MERGE_FILES = 8  # so many small segments become one
MERGED_ROWS = 2_000_000  # a segment of this size is left alone

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Where:
    """Which rows to read; ``None`` means all. ``start <= ds < end``; ``known`` and ``n`` are inclusive."""

    ids: Sequence[str] | None = None
    id_range: tuple[str, str] | None = None
    start: datetime | None = None
    end: datetime | None = None
    known: datetime | None = None
    known_from: datetime | None = None
    n: int | None = None
    only_n: int | None = None

    def test(self, part: Part) -> pl.Expr | None:
        """As a Polars predicate over the columns of ``part``."""
        key = pl.col(part.keys[0])
        tests = []
        if self.ids is not None:
            low, high = (min(self.ids), max(self.ids)) if self.ids else ("", "")
            # The interval is what row groups are skipped by.
            tests += [key >= low, key <= high]
            if len(self.ids) != 1:
                tests.append(key.is_in(list(self.ids)))
        if self.id_range is not None:
            tests += [key >= self.id_range[0], key <= self.id_range[1]]
        tests += [pl.col("ds") >= self.start] if self.start is not None else []
        tests += [pl.col("ds") < self.end] if self.end is not None else []
        tests += [pl.col("known_at") <= self.known] if self.known is not None else []
        tests += [pl.col("known_at") >= self.known_from] if self.known_from is not None else []
        tests += [pl.col("n") <= self.n] if self.n is not None else []
        tests += [pl.col("n") == self.only_n] if self.only_n is not None else []
        return pl.all_horizontal(tests) if tests else None

    def bounds(self) -> tuple[str, list[Any]]:
        """As an SQL condition on the bounds of segments and of hot appends."""
        low, high = (min(self.ids), max(self.ids)) if self.ids else (self.id_range or (None, None))
        tests: list[tuple[str, Any]] = [
            ("key_max >= ?", low),
            ("key_min <= ?", high),
            ("ds_max >= ?", None if self.start is None else to_us(self.start)),
            ("ds_min < ?", None if self.end is None else to_us(self.end)),
            ("known_min <= ?", None if self.known is None else to_us(self.known)),
            ("n_min <= ?", self.n if self.only_n is None else self.only_n),
            ("n_max >= ?", self.only_n),
        ]
        used = [(test, value) for test, value in tests if value is not None]
        return "".join(f" AND {test}" for test, _ in used), [value for _, value in used]


class Rows:
    """The rows of all datasets of one store."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._hot: dict[tuple[int, str], dict[int, pl.DataFrame]] = {}

    def put(self, dataset: int, name: str, part: Part, n: int, rows: pl.DataFrame) -> None:
        """Keep the rows of append ``n``, sorted by key, in the transaction that is under way."""
        number = pl.Series("n", [n], pl.Int64).new_from_index(0, rows.height)
        frame = rows[list(part.columns)].insert_column(len(part.columns), number)
        if frame.height >= HOT_ROWS:
            self._write(dataset, name, part, frame)
            return
        blob = io.BytesIO()
        frame.write_ipc_stream(blob, compression="uncompressed" if frame.height < 1000 else "lz4")
        self._catalogue.insert(
            "hot",
            dataset=dataset,
            part=part.name,
            n=n,
            rows=frame.height,
            **_bounds(frame, part),
            frame=blob.getvalue(),
        )

    def read(
        self, dataset: int, part: Part, where: Where, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """All vintages that ``where`` allows, in no particular order, with ``n``."""
        empty = pl.DataFrame(schema=part.frame_schema)
        if columns is not None:
            empty = empty[list(columns)]
        if where.ids is not None and not where.ids:
            return empty
        condition, values = where.bounds()
        for attempt in range(_ATTEMPTS):
            with self._catalogue.reading():
                found = self._catalogue.execute(
                    f"SELECT file FROM segment WHERE dataset=? AND part=?{condition} ORDER BY id",
                    (dataset, part.name, *values),
                ).fetchall()
                frames = [frame.lazy() for frame in self._hot_frames(dataset, part, where)]
            if found:
                frames.insert(0, scan_segments([self._folder / file for (file,) in found], part.columns))
            if not frames:
                return empty
            rows = pl.concat(frames)
            test = where.test(part)
            if test is not None:
                rows = rows.filter(test)
            try:
                return rows.select(columns or pl.all()).collect()
            except FileNotFoundError as error:
                # Another process has merged the file away since the manifest was read.
                if attempt == _ATTEMPTS - 1:
                    raise SetupError(
                        f"A segment of {self._folder} is missing: {error}",
                        hint="Restore the store folder from a backup; check it with: foreseal doctor",
                    ) from error
        raise AssertionError

    def settle(self, dataset: int, name: str, part: Part, *, everything: bool = False) -> int:
        """Move hot rows to a segment and merge small segments where it is time, and count the files written.

        With ``everything``, do it whether or not it is time.
        """
        written = 0
        if self._hot_is_due(dataset, part, everything):
            written += self._settle_hot(dataset, name, part, everything)
        while self._to_merge(dataset, part, everything) and self._merge(dataset, name, part, everything):
            written += 1
        return written

    def _hot_is_due(self, dataset: int, part: Part, everything: bool) -> bool:
        rows, appends = self._catalogue.execute(
            "SELECT coalesce(sum(rows), 0), count(*) FROM hot WHERE dataset=? AND part=?",
            (dataset, part.name),
        ).fetchone()
        return bool(rows >= HOT_ROWS or appends >= HOT_APPENDS or (everything and appends))

    def _settle_hot(self, dataset: int, name: str, part: Part, everything: bool) -> bool:
        """Move hot rows to a segment, unless another process was faster."""
        with self._catalogue.writing():
            if not self._hot_is_due(dataset, part, everything):
                return False
            frames = self._hot_frames(dataset, part, Where())
            self._write(dataset, name, part, in_key_order(pl.concat(frames), part.keys))
            where = (dataset, part.name)
            gone = self._catalogue.execute("DELETE FROM hot WHERE dataset=? AND part=?", where).changed
            self._check_moved(gone, len(frames))
            self._hot.pop(where, None)
        return True

    def _merge(self, dataset: int, name: str, part: Part, everything: bool) -> bool:
        """Merge small segments, unless another process was faster."""
        with self._catalogue.writing():
            # Chosen under the lock: rows of a file that another process has merged would be kept twice.
            files = self._to_merge(dataset, part, everything)
            if not files:
                return False
            paths = [self._folder / file for _, file, _ in files]
            frame = scan_segments(paths, part.columns).collect()
            self._write(dataset, name, part, in_key_order(frame, part.keys))
            marks = ", ".join("?" * len(files))
            gone = self._catalogue.execute(
                f"DELETE FROM segment WHERE id IN ({marks})", tuple(segment for segment, _, _ in files)
            ).changed
            self._check_moved(gone, len(files))
        for path in paths:
            path.unlink(missing_ok=True)
        return True

    def _check_moved(self, gone: int, written: int) -> None:
        if gone != written:
            raise SetupError(
                f"The manifest of {self._folder} changed while it was locked: {gone} of {written} places "
                "of rows were there to be replaced. Nothing was changed.",
                hint="Check that its file system supports locks; network file systems may not.",
            )

    def sweep(self) -> None:
        """Remove files that no transaction has committed; what a crash left behind."""
        segments = self._folder / "segments"
        if not segments.is_dir():
            return
        with self._catalogue.writing():
            kept = {self._folder / file for (file,) in self._catalogue.execute("SELECT file FROM segment")}
            for path in segments.glob("*/*"):
                if path not in kept:
                    path.unlink(missing_ok=True)

    def _to_merge(self, dataset: int, part: Part, everything: bool) -> list[tuple[int, str, int]]:
        """Neighbouring segments of one size class that make up a larger one, or nothing."""
        small = self._catalogue.execute(
            "SELECT id, file, rows FROM segment WHERE dataset=? AND part=? AND rows<? ORDER BY n_min",
            (dataset, part.name, MERGED_ROWS // 2),
        ).fetchall()
        for ceiling in (MERGED_ROWS // 16, MERGED_ROWS // 2):
            files = [row for row in small if row[2] < ceiling]
            taken, total = [], 0
            for row in files:
                if total + row[2] <= MERGED_ROWS:
                    taken.append(row)
                    total += row[2]
            if len(taken) >= (2 if everything else MERGE_FILES) or (total >= MERGED_ROWS // 2 < ceiling):
                return taken
        return []

    def _hot_frames(self, dataset: int, part: Part, where: Where) -> list[pl.DataFrame]:
        """Hot appends that may have such rows. Blobs never change, so they are decoded once."""
        condition, values = where.bounds()
        cached = self._hot.setdefault((dataset, part.name), {})
        found = self._catalogue.execute(
            "SELECT n FROM (SELECT *, n AS n_min, n AS n_max FROM hot) "
            f"WHERE dataset=? AND part=?{condition} ORDER BY n",
            (dataset, part.name, *values),
        ).fetchall()
        for (n,) in found:
            if n not in cached:
                (blob,) = self._catalogue.execute(
                    "SELECT frame FROM hot WHERE dataset=? AND part=? AND n=?", (dataset, part.name, n)
                ).fetchone()
                cached[n] = pl.read_ipc_stream(io.BytesIO(blob))
        return [cached[n] for (n,) in found]

    def _write(self, dataset: int, name: str, part: Part, frame: pl.DataFrame) -> None:
        """Write a segment and enter it in the manifest, in the transaction that is under way."""
        row = self._catalogue.execute("SELECT seq FROM sqlite_sequence WHERE name='segment'").fetchone()
        number = (row[0] if row else 0) + 1
        folder = self._folder / "segments" / name
        if not folder.is_dir():
            folder.mkdir(parents=True)
            for made in (folder.parent, self._folder):
                sync_folder(made)
        path = folder / f"{part.name}-{number:08d}.parquet"
        size = write_segment(frame, path)
        self._catalogue.insert(
            "segment",
            id=number,
            dataset=dataset,
            part=part.name,
            file=path.relative_to(self._folder).as_posix(),
            rows=frame.height,
            bytes=size,
            n_min=frame["n"].min(),
            n_max=frame["n"].max(),
            **_bounds(frame, part),
        )


def _bounds(frame: pl.DataFrame, part: Part) -> dict[str, Any]:
    """Smallest and largest keys, and the first ``known_at``: what a read is narrowed by."""
    key = frame[part.keys[0]]
    bounds = {
        "known_min": int(frame["known_at"].to_numpy().view("i8").min()),
        "key_min": key.min(),
        "key_max": key.max(),
    }
    if "ds" in part.keys:
        ds = frame["ds"].to_numpy().view("i8")
        bounds |= {"ds_min": int(ds.min()), "ds_max": int(ds.max())}
    return bounds
