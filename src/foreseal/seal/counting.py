"""Which forecast counts, and what a score is, by what a log has said so far."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from foreseal.errors import Malformed
from foreseal.seal.anchor import Times
from foreseal.seal.entry import Entry
from foreseal.seal.identity import Identities, Revoked
from foreseal.seal.payload import Row
from foreseal.seal.scoring import score_sheet
from foreseal.seal.tables import PayloadReader, Tables
from foreseal.seal.track import Placed, Standing, Track, score_fields


class Standings:
    """What of a log decides which forecasts count: keys, targets, reveals, payloads, and times of sealing.

    `foreseal.seal.history.History` fills it, entry by entry.
    """

    def __init__(self, read: PayloadReader, revoked: Revoked | None, sealing: Times | None) -> None:
        self._tables = Tables(read)
        self._sealing = sealing
        self.identities = Identities(dict(revoked or {}))
        self.entries: dict[str, Placed] = {}
        self.tracks: dict[str, Track] = {}
        self.reveals: dict[str, Placed] = {}

    def standing(self, track: Track, forecaster: str, seq: int) -> Standing:
        """The first valid forecast of a forecaster at a cutoff, or why there is none.

        Later ones never count; of commitments the first in time is final, revealed or not. One that lies
        after the outcome is late. In live mode so is one that no quorum of witnesses had seen by the
        deadline; where nobody named witnesses, one that says so itself.
        """
        outcomes = track.outcomes.get(seq)
        fallback = Standing("missing")
        for placed in track.forecasts.get((forecaster, seq), ()):
            late = outcomes is not None and placed.index > outcomes[0].index
            sealed = self._sealed(placed.index, placed.entry.at)
            if late or (track.mode == "live" and not _in_time(sealed, track.closes_at(seq))):
                standing = Standing("late", placed)
            else:
                standing = self._revealed(track, placed)
                # What a commitment hides could be chosen among after the outcome, so the first one is final.
                if "commitment" in placed.entry.fields:
                    return standing
            if standing.status == "scored":
                return standing
            if fallback.status == "missing":
                fallback = standing
        return fallback

    def settle(self, track: Track, outcome: Placed) -> tuple[dict[str, Any], bytes]:
        """Fields (without ``decisions`` and the payload's digest) and payload of the score of an outcome."""
        seq = outcome.entry["seq"]
        standings = {name: self.standing(track, name, seq) for name in track.forecasters}
        given = {name: each.status if each.rows is None else each.rows for name, each in standings.items()}
        happened = self._tables.rows(track.terms.outcome, outcome.entry["payload"])
        sheet = score_sheet(track.terms, happened, given)
        return score_fields(track, outcome, standings, sheet), sheet.payload

    def forecast_keys(self, track: Track, seq: int) -> set[Row]:
        """Every series and instant, or case, for which a forecast that counts so far gives a distribution."""
        given = (self.standing(track, name, seq).rows or () for name in track.forecasters)
        return {row[: track.terms.keys] for rows in given for row in rows}

    def _sealed(self, index: int, at: datetime) -> datetime | None:
        """When the entry at an index was sealed: as it claims, ``at``, if nobody else says so."""
        return self._sealing.time(index) if self._sealing else at

    def _stands(self, placed: Placed) -> bool:
        """Whether a forecast counts although its key is void.

        Live, a revocation that was sealed after the deadline sets none aside: its author could have seen the
        outcome, and would choose between a failed forecast and the next one.
        """
        entry, keys = placed.entry, self.identities
        track = self.tracks.get(entry["declared"]) if entry.kind == "forecast" else None
        if track is None or track.mode != "live" or entry["seq"] >= len(track.cutoffs):
            return False
        closes = track.closes_at(entry["seq"])
        in_time = (
            _in_time(self._sealed(void.index, void.at), closes)
            for void in keys.void(entry.author, placed.index)
        )
        return keys.current(entry.author) == entry.author and not any(in_time)

    def _revealed(self, track: Track, placed: Placed) -> Standing:
        entry = placed.entry
        if "commitment" in entry.fields:
            reveal = self.reveals.get(entry.leaf)
            if reveal is None:
                return Standing("unrevealed", placed)
            entry = reveal.entry
        try:
            rows = self._tables.rows(track.terms.forecast, entry["payload"])
        except Malformed as error:
            if error.code != "canonical":
                raise
            return Standing("malformed", placed)
        return Standing("scored", placed, rows)

    def _look_back(self, track: Track, outcome: Placed, score: Entry) -> None:
        """Count the outcome values that were known before the forecasts that they score were sealed."""
        known = [row[-1] for row in self._tables.rows(track.terms.outcome, outcome.entry["payload"])]
        for each in score["scores"]:
            if each["status"] == "scored":
                forecast = self.entries[each["forecast"]]
                sealed = self._sealed(forecast.index, forecast.entry.at)
                assert sealed is not None, "what nobody has dated is late"
                early, of = track.hindsight.get(each["forecaster"], (0, 0))
                early += sum(at < sealed for at in known)
                track.hindsight[each["forecaster"]] = (early, of + len(known))


def _in_time(sealed: datetime | None, deadline: datetime) -> bool:
    return sealed is not None and sealed <= deadline
