"""Whoever holds a log or a receipt can tell what it proves, and any damage is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import (
    CUTOFFS,
    Ledger,
    case_forecast,
    case_outcome,
    make_ledger,
    series_forecast,
    series_outcome,
    write_cases,
    write_series,
)

from foreseal.clock import format_instant
from foreseal.seal import payload
from foreseal.seal.audit import audit_files
from foreseal.seal.checkpoint import read_checkpoint
from foreseal.seal.entry import parse_entry
from foreseal.seal.history import History
from foreseal.seal.log import Log
from foreseal.seal.note import Ed25519Verifier, Signer
from foreseal.seal.payload import Payloads
from foreseal.seal.replay import replay
from foreseal.seal.schema import COMMON
from foreseal.seal.tiles import paths_of
from foreseal.seal.verify import REPLAYED, SEALED, UNNAMED, verify_log, verify_receipt


@pytest.fixture
def ledger(log: Log, author: Ed25519PrivateKey) -> Ledger:
    return Ledger(log, author)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, signer: Signer, author: Ed25519PrivateKey) -> Path:
    """Folder of a finished log."""
    folder = tmp_path_factory.mktemp("whole")
    with Log.create(folder / "log", signer, folder / "lock.db") as log:
        make_ledger(folder, log, author)
        (folder / "receipt").write_bytes(bytes(log.receipt(9)))
    return folder


def verified(ledger: Ledger, signer: Signer) -> tuple[str, ...]:
    """The problems of a log that are about what entries say, not about bytes."""
    verdict = verify_log(ledger.log.folder, [signer.verifier])
    assert verdict.ok != bool(verdict.problems)
    return verdict.problems


def test_a_log_that_was_written_honestly_is_complete(whole: Path, signer: Signer) -> None:
    verdict = verify_log(whole / "log", [signer.verifier])
    assert verdict.ok
    assert verdict.problems == verdict.notes == ()
    assert REPLAYED in verdict.statements
    assert SEALED in verdict.statements
    assert "volume: 2 of 2 cutoffs settled, each score recomputed" in verdict.statements
    assert "volume, us: 2 of 2 forecasts due" in verdict.statements
    assert verdict.kinds["forecast"] == 8


def test_every_payload_of_a_log_is_read_once_or_twice_if_it_was_hidden(whole: Path) -> None:
    log, reads = whole / "log", Counter[str]()
    payloads = Payloads(log)

    def read(digest: str, size: int) -> bytes:
        reads[digest] += 1
        return payloads.get(digest, size)

    history = replay(audit_files(log, read_checkpoint((log / "checkpoint").read_bytes())).entries, read)
    assert history.problems == []
    assert reads.keys() == {path.name for path in (log / "payload" / "sha256").iterdir()}
    hidden = {each.entry["payload"]["sha256"] for each in history.reveals.values()}
    assert hidden
    assert all(count <= (2 if digest in hidden else 1) for digest, count in reads.items())


def test_one_s_own_log_is_taken_in_by_its_schedules_alone(whole: Path) -> None:
    log, reads = whole / "log", set[str]()
    raws = audit_files(log, read_checkpoint((log / "checkpoint").read_bytes())).entries
    payloads = Payloads(log)

    def read(digest: str, size: int) -> bytes:
        reads.add(digest)
        return payloads.get(digest, size)

    own, judged = History(read), replay(raws, payloads.get)
    for raw in raws:
        own.add(parse_entry(raw), contents=False)
    assert reads == {track.declared.entry["schedule"]["sha256"] for track in own.tracks.values()}
    assert own.problems == judged.problems == []
    assert own.counted == judged.counted
    for leaf, track in own.tracks.items():
        for name, seq in track.forecasts:
            assert own.standing(track, name, seq) == judged.standing(judged.tracks[leaf], name, seq)


def test_a_receipt_proves_its_entry_and_nothing_more(whole: Path, signer: Signer) -> None:
    verdict = verify_receipt((whole / "receipt").read_bytes(), [signer.verifier])
    assert verdict.ok
    assert verdict.index == 9
    assert verdict.entry is not None
    assert "nothing is said about what else is" in str(verdict)
    assert "order and time are not shown by a receipt alone" in str(verdict)


def test_without_a_named_key_the_evidence_is_only_consistent(whole: Path) -> None:
    for verdict in (verify_log(whole / "log", []), verify_receipt((whole / "receipt").read_bytes(), [])):
        assert not verdict.ok
        assert verdict.statements[0] == UNNAMED
        assert verdict.problems == ()


def test_another_key_of_the_same_name_is_not_trusted(whole: Path, signer: Signer) -> None:
    stranger = Ed25519Verifier(signer.name, bytes(range(32)))
    for verdict in (
        verify_log(whole / "log", [stranger]),
        verify_receipt((whole / "receipt").read_bytes(), [stranger]),
    ):
        assert not verdict.ok
        assert "no key that you named" in verdict.problems[0]


def test_flipping_any_byte_of_a_receipt_is_found(whole: Path, signer: Signer) -> None:
    data = (whole / "receipt").read_bytes()
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
        assert not verify_receipt(flipped, [signer.verifier]).ok, (at, data[at : at + 20])


def needed(folder: Path) -> list[Path]:
    """The files of a log that its newest checkpoint needs: none of the narrower tiles of older ones."""
    newest = paths_of(28)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in files if ".p" not in path.parent.name or str(path.relative_to(folder)) in newest]


def test_flipping_a_byte_anywhere_in_a_published_file_is_found_and_the_file_is_named(
    whole: Path, tmp_path: Path, signer: Signer
) -> None:
    shutil.copytree(whole / "log", tmp_path / "log")
    narrower = [tmp_path / "log/tile" / name for name in ("0/000.p/12", "entries/000.p/1")]
    paths = [*needed(tmp_path / "log"), *narrower]
    assert len(paths) > 15
    for path in paths:
        data, name = path.read_bytes(), path.relative_to(tmp_path / "log").as_posix()
        step = 1 if name == "checkpoint" else max(len(data) // 10, 1)
        for at in range(0, len(data), step):
            path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
            verdict = verify_log(tmp_path / "log", [signer.verifier])
            assert not verdict.ok, (name, at)
            assert any(name in problem for problem in verdict.problems), (name, at, verdict.problems)
        path.write_bytes(data)
    assert verify_log(tmp_path / "log", [signer.verifier]).ok


def test_losing_any_file_is_found_and_the_file_is_named(whole: Path, tmp_path: Path, signer: Signer) -> None:
    shutil.copytree(whole / "log", tmp_path / "log")
    for path in needed(tmp_path / "log"):
        data, name = path.read_bytes(), path.relative_to(tmp_path / "log").as_posix()
        path.unlink()
        verdict = verify_log(tmp_path / "log", [signer.verifier])
        assert not verdict.ok
        assert any(name in problem for problem in verdict.problems), (name, verdict.problems)
        path.write_bytes(data)


def test_a_damaged_entry_is_named_by_its_index(whole: Path, tmp_path: Path, signer: Signer) -> None:
    shutil.copytree(whole / "log", tmp_path / "log")
    path = tmp_path / "log/tile/entries/000.p/28"
    path.write_bytes(path.read_bytes().replace(b'"name":"ridge"', b'"name":"rigde"'))
    verdict = verify_log(tmp_path / "log", [signer.verifier])
    assert "entry 3 is not the one that the tree holds" in verdict.problems[0]


def test_files_that_do_not_belong_to_the_log_are_named(whole: Path, tmp_path: Path, signer: Signer) -> None:
    shutil.copytree(whole / "log", tmp_path / "log")
    (tmp_path / "log" / "tile" / "0" / "notes.txt").write_text("hello")
    (tmp_path / "log" / "payload" / "sha256" / ("0" * 64)).write_text("hello")
    problems = verify_log(tmp_path / "log", [signer.verifier]).problems
    assert any("notes.txt" in problem for problem in problems)
    assert any("0000000000" in problem for problem in problems)


def test_what_an_interrupted_append_leaves_is_noted_and_harmless(
    whole: Path, tmp_path: Path, signer: Signer
) -> None:
    shutil.copytree(whole / "log", tmp_path / "log")
    tile = tmp_path / "log/tile/0/000.p"
    (tile / "29").write_bytes((tile / "28").read_bytes() + bytes(32))
    (tile / ".30.tmp").write_bytes(b"half")
    verdict = verify_log(tmp_path / "log", [signer.verifier])
    assert verdict.ok
    assert len(verdict.notes) == 2
    (tile / "27").write_bytes((tile / "28").read_bytes()[:-32])
    assert verify_log(tmp_path / "log", [signer.verifier]).notes == verdict.notes, "it belongs to the log"
    (tile / "27").write_bytes(bytes(27 * 32))
    verdict = verify_log(tmp_path / "log", [signer.verifier])
    assert "000.p/27 does not agree with the wider tile" in verdict.problems[0]


def test_scores_are_recomputed(ledger: Ledger, signer: Signer) -> None:
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = ledger.model(), ledger.target("volume", "d", "series")
    about = ledger.about("volume", declared, 0)
    for name in ("us", "baseline"):
        ledger.forecast(about, name, model, series_forecast(0))
    ledger.outcome(about, series_outcome(0))
    history, track = ledger.track("volume")
    fields, data = history.settle(track, track.outcomes[0][0])
    first = {**fields["scores"][0], "total": "1.00"}
    ledger.score("volume", 0, scores=[first, *fields["scores"][1:]])
    assert "its scores are not what the payloads give" in verified(ledger, signer)[0]
    other = ledger.log.payloads.put(data.replace(b"baseline", b"base"))
    ledger.score("volume", 0, payload=other)
    assert "its payload is not what the forecasts and the outcome give" in verified(ledger, signer)[1]
    ledger.score("volume", 0)
    assert len(verified(ledger, signer)) == 2


def test_the_regret_of_a_decision_is_the_chosen_cost_less_the_best(ledger: Ledger, signer: Signer) -> None:
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = ledger.model(), ledger.target("volume", "d", "series")
    about = ledger.about("volume", declared, 0)
    forecast = ledger.forecast(about, "us", model, series_forecast(0))
    decision = ledger.decision(about, forecast)
    ledger.forecast(about, "baseline", model, series_forecast(0))
    ledger.outcome(about, series_outcome(0))
    regret = {"decision": decision, "costs": {"a": "2.0", "b": "1.5"}, "regret": "0.4", "kind": "modelled"}
    ledger.score("volume", 0, [regret])
    assert "the regret of plan is 0.5, not 0.4" in verified(ledger, signer)[0]
    ledger.score("volume", 0, [{**regret, "kind": "observed", "regret": "0.5"}])
    assert "changes the kind of regret" in verified(ledger, signer)[1]


class TestWhatCounts:
    """The rules by which a forecast counts, one by one."""

    @pytest.fixture
    def about(self, ledger: Ledger) -> dict[str, Any]:
        ledger.identity()
        ledger.dataset("d", "series")
        self.model = ledger.model()
        return ledger.about("volume", ledger.target("volume", "d", "series"), 0)

    def statuses(self, ledger: Ledger, about: dict[str, Any]) -> dict[str, str]:
        if not ledger.track("volume")[1].outcomes:
            ledger.outcome(about, series_outcome(0))
        ledger.score("volume", about["seq"])
        _, track = ledger.track("volume")
        return {each["forecaster"]: each["status"] for each in track.scores[0][-1].entry["scores"]}

    def test_a_missing_forecast_scores_as_the_baseline(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        ledger.forecast(about, "baseline", self.model, series_forecast(0))
        assert self.statuses(ledger, about) == {"us": "missing", "baseline": "scored"}
        scores = ledger.track("volume")[1].scores[0][0].entry["scores"]
        assert scores[0]["total"] == scores[1]["total"] != ""
        verdict = verify_log(ledger.log.folder, [signer.verifier])
        assert verdict.ok
        assert "volume, us: 0 of 1 forecasts due; 1 missed; 1 not due yet" in verdict.statements

    def test_the_first_valid_forecast_counts_and_later_ones_are_flagged(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        first = ledger.forecast(about, "us", self.model, series_forecast(0))
        ledger.forecast(about, "us", self.model, series_forecast(0, 5))
        assert self.statuses(ledger, about)["us"] == "scored"
        assert ledger.track("volume")[1].scores[0][0].entry["scores"][0]["forecast"] == first
        verdict = verify_log(ledger.log.folder, [signer.verifier])
        assert verdict.ok
        assert "second forecast by us for cutoff 0" in verdict.notes[0]

    def test_a_forecast_that_is_not_well_formed_is_scored_as_missing_unless_a_good_one_follows(
        self, ledger: Ledger, about: dict[str, Any]
    ) -> None:
        ledger.forecast(about, "us", self.model, b"unique_id,ds\n")
        assert self.statuses(ledger, about)["us"] == "malformed"
        ledger.forecast(about, "baseline", self.model, b"\n")
        good = ledger.forecast(about, "baseline", self.model, series_forecast(0))
        assert good
        ledger.at += timedelta(hours=1)
        ledger.outcome(about, series_outcome(0))
        assert self.statuses(ledger, about)["baseline"] == "late"

    def test_a_forecast_after_its_outcome_is_late(self, ledger: Ledger, about: dict[str, Any]) -> None:
        ledger.forecast(about, "baseline", self.model, series_forecast(0))
        ledger.outcome(about, series_outcome(0))
        ledger.forecast(about, "us", self.model, series_forecast(0))
        assert self.statuses(ledger, about) == {"us": "late", "baseline": "scored"}

    def test_a_forecast_that_lacks_a_row_of_the_outcome_is_scored_as_missing(
        self, ledger: Ledger, about: dict[str, Any]
    ) -> None:
        data = series_forecast(0).rsplit(b"\n", 2)[0] + b"\n"
        ledger.forecast(about, "us", self.model, data)
        assert self.statuses(ledger, about)["us"] == "malformed"

    def test_a_stranger_cannot_forecast_under_a_declared_name(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
        ledger.identity("stranger", stranger)
        ours, ledger.key = ledger.key, stranger
        ledger.forecast(about, "us", self.model, series_forecast(0))
        ledger.key = ours
        assert "is no forecaster of volume" in verified(ledger, signer)[0]
        assert self.statuses(ledger, about)["us"] == "missing"

    def test_an_author_without_an_identity_says_nothing(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        ledger.key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        ledger.forecast(about, "us", self.model, series_forecast(0))
        assert "has no identity in this log" in verified(ledger, signer)[0]

    def test_only_the_author_of_a_target_settles_it(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        ledger.key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        ledger.identity("stranger")
        ledger.outcome(about, series_outcome(0))
        assert "only the author of volume settles it" in verified(ledger, signer)[0]

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"declared": "00" * 32}, "is not declared before it"),
            ({"target": "other"}, "is not declared before it"),
            ({"seq": 2}, "has 2 cutoffs, none numbered 2"),
            ({"seq": 1}, "cutoff 1 of volume is 2018-08-02T00:00:00Z"),
            ({"cutoff": "2018-08-01T01:00:00Z"}, "cutoff 0 of volume is 2018-08-01T00:00:00Z"),
        ],
    )
    def test_a_forecast_must_fit_its_target(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer, change: dict[str, Any], problem: str
    ) -> None:
        ledger.forecast({**about, **change}, "us", self.model, series_forecast(0))
        assert problem in verified(ledger, signer)[0]

    def test_a_forecast_names_a_model_that_is_in_the_log(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        ledger.forecast(about, "us", about["declared"], series_forecast(0))
        assert "the model it refers to" in verified(ledger, signer)[0]

    def test_an_outcome_known_after_its_deadline_is_refused(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        late = format_instant(CUTOFFS[0] + timedelta(days=3))
        ds = format_instant(CUTOFFS[0])
        ledger.outcome(about, payload.outcome_series(1).encode([("a", ds, "1.0", late)]))
        assert "became known after 2018-08-02T02:00:00Z" in verified(ledger, signer)[0]

    def test_an_outcome_does_not_hide_how_many_values_it_lacks(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        ledger.forecast(about, "us", self.model, series_forecast(0))
        some = series_outcome(0).rsplit(b"\n", 2)[0] + b"\n"
        ledger.outcome(about, some)
        assert "it expects 3 values, but 4 were forecast" in verified(ledger, signer)[0]
        ledger.outcome(about, some, expected=4)
        verdict = verify_log(ledger.log.folder, [signer.verifier])
        assert len(verdict.problems) == 1
        assert "values not known: 1 of 4" in verdict.notes[0]

    def test_a_revised_outcome_is_flagged_and_can_be_scored_again(
        self, ledger: Ledger, about: dict[str, Any], signer: Signer
    ) -> None:
        ledger.forecast(about, "baseline", self.model, series_forecast(0))
        ledger.outcome(about, series_outcome(0))
        ledger.score("volume", 0)
        ledger.outcome(about, series_outcome(0, "22.0"))
        ledger.score("volume", 0)
        verdict = verify_log(ledger.log.folder, [signer.verifier])
        assert verdict.ok
        assert "revises the outcome" in verdict.notes[0]
        first, second = (each.entry["scores"][1]["total"] for each in ledger.track("volume")[1].scores[0])
        assert first != second

    def test_an_entry_that_is_logged_twice_counts_once(self, ledger: Ledger, signer: Signer) -> None:
        ledger.identity()
        ledger.identity()
        verdict = verify_log(ledger.log.folder, [signer.verifier])
        assert verdict.ok
        assert verdict.notes == ("entry 1 repeats entry 0 and counts for nothing.",)

    def test_an_entry_that_is_not_one_is_named(self, ledger: Ledger, signer: Signer) -> None:
        ledger.log.append([b"{}"])
        ledger.identity()
        assert verified(ledger, signer)[0].startswith("entry 0: 'None' is not a kind of entry")


def test_verifying_needs_the_standard_library_and_cryptography_only() -> None:
    heavy = ("numpy", "polars", "narwhals", "click", "rich", "jinja2", "bokeh", "foreseal.records")
    code = f"import sys, foreseal.seal.verify; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_commitment_counts_once_it_is_revealed(ledger: Ledger, signer: Signer) -> None:
    ledger.identity()
    write_cases(ledger)
    assert verified(ledger, signer) == ()
    history, track = ledger.track("disease")
    assert [history.standing(track, name, 1).status for name in track.forecasters] == ["unrevealed"] * 2
    assert history.standing(track, "us", 0).rows == track.terms.forecast.decode(case_forecast("0.900"))


def test_an_unrevealed_forecast_is_scored_as_missing(ledger: Ledger, signer: Signer) -> None:
    ledger.identity()
    write_cases(ledger)
    about = ledger.about("disease", ledger.track("disease")[1].declared.entry.leaf, 1)
    ledger.outcome(about, case_outcome(1))
    ledger.score("disease", 1)
    assert verified(ledger, signer) == ()
    scores = ledger.track("disease")[1].scores[1][0].entry["scores"]
    assert [(each["status"], each["total"]) for each in scores] == [("unrevealed", "20.000000000")] * 2


def test_a_reveal_of_something_else_is_refused(ledger: Ledger, signer: Signer) -> None:
    ledger.identity()
    write_cases(ledger)
    _, track = ledger.track("disease")
    forecast = track.forecasts["us", 1][0].entry.leaf
    salt = sha256(b"us1").digest()
    ledger.reveal(forecast, salt, case_forecast("0.100"))
    ledger.reveal(forecast, bytes(32), case_forecast("0.900"))
    assert ["does not open the commitment" in problem for problem in verified(ledger, signer)] == [True] * 2
    ledger.reveal(forecast, salt, case_forecast("0.900"))
    history, track = ledger.track("disease")
    assert history.standing(track, "us", 1).status == "scored"


def test_a_live_forecast_that_its_author_dates_after_the_deadline_is_late(ledger: Ledger) -> None:
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = ledger.model(), ledger.target("volume", "d", "series", mode="live")
    ledger.at = CUTOFFS[0] + timedelta(hours=2)
    about = {**ledger.about("volume", declared, 0), "mode": "live"}
    ledger.forecast(about, "us", model, series_forecast(0))
    history, track = ledger.track("volume")
    assert history.standing(track, "us", 0).status == "late"


def test_a_target_rests_on_a_declared_dataset_and_a_full_schedule(ledger: Ledger, signer: Signer) -> None:
    ledger.identity()
    ledger.target("volume", "d", "series")
    ledger.dataset("d", "series")
    ledger.target("volume", "d", "series", cutoffs=3)
    problems = verified(ledger, signer)
    assert "the dataset d is not declared before it" in problems[0]
    assert "does not count 3 cutoffs from 0" in problems[1]


def test_a_decision_states_the_cost_that_its_payload_gives(ledger: Ledger, signer: Signer) -> None:
    write_series(ledger)
    _, track = ledger.track("volume")
    placed = next(p for p in ledger.history().entries.values() if p.entry.kind == "decision")
    own = {name: value for name, value in placed.entry.fields.items() if name not in COMMON}
    ledger.write("decision", {**own, "expected_cost": "1.4"})
    ledger.write("decision", {**own, "seq": 1, "name": "other"})
    problems = verified(ledger, signer)
    assert "does not give a the expected cost" in problems[0]
    assert "of another target or cutoff" in problems[1]
    assert track.mode == "replay"


def test_a_forecast_must_be_a_commitment_where_the_target_asks_for_one(
    ledger: Ledger, signer: Signer
) -> None:
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = (
        ledger.model(),
        ledger.target("volume", "d", "series", commit=True, missing="bound", score_bound="9"),
    )
    ledger.forecast(ledger.about("volume", declared, 0), "us", model, series_forecast(0))
    assert "asks for commitments" in verified(ledger, signer)[0]
