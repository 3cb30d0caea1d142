"""Evidence that was tampered with is refused, and the verdict names what is wrong by a stable code."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exports import (
    Files,
    bundles,
    digest_of,
    export,
    find,
    pack,
    payloads_of,
    receipt,
    write_folder,
    write_zip,
)
from ledger import Ledger, make_ledger, series_forecast, series_outcome

from foreseal.seal import archive
from foreseal.seal.evidence import verify_evidence
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.problem import CODES
from foreseal.seal.verify import LEVELS, NOT_SHOWN, UNNAMED, Verdict

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ledger(log: Log, author: Ed25519PrivateKey, tmp_path: Path) -> Ledger:
    return make_ledger(tmp_path, log, author)


class Box:
    """Evidence of the finished log, to tamper with and to check."""

    def __init__(self, ledger: Ledger, signer: Signer, folder: Path) -> None:
        self.entries, self.payloads = list(ledger.log.entries()), payloads_of(ledger.log)
        self.signer, self.folder = signer, folder
        self.files: Files = export(ledger.log, signer)

    def check(self, *targets: str) -> Verdict:
        path = write_folder(self.folder / "evidence", self.files)
        zipped = write_zip(self.folder / "evidence.zip", self.files)
        verdicts = [verify_evidence(each, [self.signer.verifier], targets) for each in (path, zipped)]
        assert verdicts[0] == verdicts[1]
        assert verdicts[0].ok == (not verdicts[0].problems)
        assert (verdicts[0].level == "none") == bool(verdicts[0].problems)
        return verdicts[0]

    def refused(self, code: str, *targets: str) -> str:
        """The text of the first problem, which has this code."""
        verdict = self.check(*targets)
        assert not verdict.ok
        assert verdict.codes[0] == code, verdict.problems
        return verdict.problems[0]


@pytest.fixture
def box(ledger: Ledger, signer: Signer, tmp_path: Path) -> Box:
    return Box(ledger, signer, tmp_path)


def test_honest_evidence_is_verified_from_its_bundles_alone(box: Box) -> None:
    assert not any(re.match(r"tile/\d", name) for name in box.files)
    verdict = box.check()
    assert verdict.ok
    assert verdict.level == "identities"
    assert verdict.notes == ()
    assert f"revocations known up to entry {len(box.entries) - 1}" in verdict.statements
    assert "complete within this log, up to 28 entries" in str(verdict)
    assert "complete for the closed set of identities named in volume (us, baseline)" in str(verdict)
    assert NOT_SHOWN in verdict.statements


def test_without_a_named_key_evidence_is_only_consistent(box: Box) -> None:
    verdict = verify_evidence(write_folder(box.folder / "e", box.files), [])
    assert (verdict.ok, verdict.problems, verdict.level) == (False, (), "identities")
    assert verdict.statements[0] == UNNAMED


def test_a_log_without_targets_is_complete_but_for_no_identities(
    log: Log, author: Ed25519PrivateKey, signer: Signer, tmp_path: Path
) -> None:
    Ledger(log, author).identity()
    verdict = verify_evidence(write_folder(tmp_path / "e", export(log, signer)), [signer.verifier])
    assert (verdict.ok, verdict.level) == (True, "log")


def test_a_target_that_names_a_key_without_an_identity_is_not_a_closed_set(
    log: Log, author: Ed25519PrivateKey, signer: Signer, tmp_path: Path
) -> None:
    ledger = Ledger(log, author)
    ledger.identity()
    ledger.dataset("d", "series")
    forecasters = [
        {"name": "us", "author": "ed25519:" + "ab" * 32},
        {"name": "baseline", "author": ledger.author},
    ]
    ledger.target("volume", "d", "series", forecasters=forecasters)
    verdict = verify_evidence(write_folder(tmp_path / "e", export(log, signer)), [signer.verifier])
    assert (verdict.ok, verdict.level) == (True, "log")
    assert "not complete for a closed set of identities: us of volume" in str(verdict)


class TestTamperedExports:
    """What somebody may do to an export by hand."""

    def test_a_forecast_dropped_from_the_entries_is_refused_and_named(self, box: Box) -> None:
        at = find(box.entries, kind="forecast", target="volume", forecaster="us", seq=1)[0]
        rest = [entry for index, entry in enumerate(box.entries) if index != at]
        del box.files["tile/entries/000.p/28"]
        box.files |= {"tile/entries/000.p/28": bundles(rest)["tile/entries/000.p/27"]}
        assert "holds 27 entries, not 28" in box.refused("entries")

    def test_a_forecast_replaced_by_a_repeat_of_another_is_refused_and_named(self, box: Box) -> None:
        at = find(box.entries, kind="forecast", target="volume", forecaster="us", seq=1)[0]
        box.files |= bundles([*box.entries[:at], box.entries[0], *box.entries[at + 1 :]])
        assert "is not the root of the 28 entries" in box.refused("root")
        gaps = [problem for problem in box.check().problems if problem.code == "gap"]
        assert (
            any("by us for cutoff 1 of volume" in str(gap) and "is left out" in gap for gap in gaps) or gaps
        )

    def test_a_forecast_dropped_and_the_log_signed_anew_leaves_a_gap(self, box: Box) -> None:
        at = find(box.entries, kind="forecast", target="volume", forecaster="us", seq=1)[0]
        rest = [entry for index, entry in enumerate(box.entries) if index != at]
        box.files = pack(rest, box.payloads, box.signer)
        verdict = box.check()
        assert not verdict.ok
        score = next(problem for problem in verdict.problems if "(score)" in problem)
        assert score.code == "gap"
        assert "a forecast by us for cutoff 1 of volume that is not in the log" in score

    def test_a_payload_that_is_left_out_is_named(self, box: Box) -> None:
        at = find(box.entries, kind="forecast", target="volume", forecaster="us", seq=1)[0]
        name = f"payload/sha256/{digest_of(box.entries[at])}"
        del box.files[name]
        assert f"entry {at} (forecast): {name} is missing" in box.refused("payload-missing")

    def test_a_payload_with_other_numbers_is_named(self, box: Box) -> None:
        at = find(box.entries, kind="outcome", target="volume", seq=0)[0]
        name = f"payload/sha256/{digest_of(box.entries[at])}"
        for data in (box.files[name].replace(b"21.0", b"31.0", 1), box.files[name] + b"x", b""):
            box.files[name] = data
            assert name in box.refused("payload-differs")

    def test_a_declared_target_that_is_left_out_is_named_unless_the_caller_asks_for_another(
        self, box: Box
    ) -> None:
        about = [*find(box.entries, target="volume"), *find(box.entries, kind="target", name="volume")]
        keep = {
            digest_of(box.entries[i])
            for i in find(box.entries, target="disease")
            if b'"payload"' in box.entries[i]
        }
        for at in about:
            for field in ("payload", "schedule"):
                if (
                    f'"{field}":'.encode() in box.entries[at]
                    and digest_of(box.entries[at], field) not in keep
                ):
                    box.files.pop(f"payload/sha256/{digest_of(box.entries[at], field)}", None)
        # Both targets have the same schedule, so its bytes are still needed, and still there.
        schedule = digest_of(box.entries[find(box.entries, kind="target", name="disease")[0]], "schedule")
        box.files[f"payload/sha256/{schedule}"] = box.payloads[schedule]
        assert "the declared target volume is left out" in box.refused("target-missing")
        assert len(box.check().problems) == 1
        verdict = box.check("disease")
        assert (verdict.ok, verdict.level) == (True, "identities")
        assert "named in volume" not in str(verdict)

    def test_a_target_without_its_schedule_is_left_out(self, box: Box) -> None:
        declared = find(box.entries, kind="target", name="volume")[0]
        del box.files[f"payload/sha256/{digest_of(box.entries[declared], 'schedule')}"]
        verdict = box.check()
        # The two targets share one schedule.
        assert [(p.code, p.entry) for p in verdict.problems] == [
            ("target-missing", index) for index in find(box.entries, kind="target")
        ]

    def test_a_target_that_nobody_declared_cannot_be_asked_for(self, box: Box) -> None:
        assert "no target other is declared" in box.refused("target-missing", "other")

    def test_a_truncated_or_missing_bundle_is_named(self, box: Box) -> None:
        name = "tile/entries/000.p/28"
        data = box.files.pop(name)
        assert f"{name} is missing" in box.refused("entries").replace(f"{name}: ", "", 1)
        for cut in (1, 100, len(data) - 1):
            box.files[name] = data[:cut]
            assert name in box.refused("entries")

    def test_a_checkpoint_that_is_missing_or_of_another_key_is_named(self, box: Box) -> None:
        stranger = Signer(box.signer.name, Ed25519PrivateKey.from_private_bytes(bytes(32)))
        box.files["checkpoint"] = pack(box.entries, {}, stranger)["checkpoint"]
        box.refused("signature")
        box.files["checkpoint"] = b"nonsense"
        box.refused("checkpoint")
        del box.files["checkpoint"]
        box.refused("checkpoint")

    def test_receipts_agree_with_the_entries(self, box: Box) -> None:
        at = find(box.entries, kind="forecast", target="volume")[0]
        good = receipt(box.entries, at, box.signer)
        box.files["receipts/volume/00000-us.tlog-proof"] = good
        early = receipt(box.entries[:20], at, box.signer)
        box.files["receipts/volume/early.tlog-proof"] = early
        assert box.check().ok
        box.files["receipts/volume/00000-us.tlog-proof"] = good.replace(b"extra ey", b"extra eZ")
        box.refused("receipt")
        fork = receipt([*box.entries[:at], box.entries[0], box.entries[at]], at + 1, box.signer)
        box.files["receipts/volume/00000-us.tlog-proof"] = fork
        assert "a root that the entries do not give" in box.refused("fork")

    def test_files_that_are_no_evidence_are_noted_and_not_read(self, box: Box) -> None:
        box.files |= {"notes.txt": b"trust me", "README.txt": b"hello", "verify.html": b"<p>"}
        verdict = box.check()
        assert verdict.ok
        assert "files that are no part of evidence, and were not read: 1 (notes.txt)" in verdict.statements


def written(ledger: Ledger) -> dict[str, object]:
    """A target whose forecaster spoke twice for cutoff 0; the second forecast is the better one."""
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = ledger.model(), ledger.target("volume", "d", "series")
    about = ledger.about("volume", declared, 0)
    ledger.forecast(about, "baseline", model, series_forecast(0, 3))
    ledger.forecast(about, "us", model, series_forecast(0, 7))
    ledger.forecast(about, "us", model, series_forecast(0))
    ledger.outcome(about, series_outcome(0))
    return about


class TestOneNumberSealedTwice:
    """Two forecasts for one cutoff: the first valid one counts, whichever is shown."""

    def test_a_score_that_shows_the_better_one_is_a_duplicate(
        self, log: Log, author: Ed25519PrivateKey, signer: Signer, tmp_path: Path
    ) -> None:
        ledger = Ledger(log, author)
        written(ledger)
        history, track = ledger.track("volume")
        fields, _ = history.settle(track, track.outcomes[0][0])
        better = track.forecasts["us", 0][1].entry.leaf
        shown = [
            {**each, "forecast": better} if each["forecaster"] == "us" else each for each in fields["scores"]
        ]
        ledger.score("volume", 0, scores=shown)
        verdict = verify_evidence(write_folder(tmp_path / "e", export(log, signer)), [signer.verifier])
        assert verdict.codes == ("duplicate",)
        assert (
            "the forecast by us for cutoff 0 of volume in entry 6; entry 5, the first valid one, counts"
            in str(verdict.problems[0])
        )

    def test_a_receipt_of_the_better_one_alone_is_refused(
        self, log: Log, author: Ed25519PrivateKey, signer: Signer, tmp_path: Path
    ) -> None:
        ledger = Ledger(log, author)
        written(ledger)
        ledger.score("volume", 0)
        entries, files = list(log.entries()), export(log, signer)
        files["receipts/volume/00000-us.tlog-proof"] = receipt(entries, 6, signer)
        verdict = verify_evidence(write_folder(tmp_path / "e", files), [signer.verifier])
        assert verdict.codes == ("receipt",)
        assert "than the one that counts, entry 5" in verdict.problems[0]
        files["receipts/volume/first.tlog-proof"] = receipt(entries, 5, signer)
        verdict = verify_evidence(write_folder(tmp_path / "e", files), [signer.verifier])
        assert verdict.ok
        assert "second forecast by us for cutoff 0" in verdict.notes[0]


def test_a_cutoff_that_is_skipped_between_settled_ones_is_a_gap(
    log: Log, author: Ed25519PrivateKey, signer: Signer, tmp_path: Path
) -> None:
    ledger = Ledger(log, author)
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = ledger.model(), ledger.target("volume", "d", "series")
    about = ledger.about("volume", declared, 1)
    ledger.forecast(about, "baseline", model, series_forecast(1))
    ledger.outcome(about, series_outcome(1))
    ledger.score("volume", 1)
    verdict = verify_evidence(write_folder(tmp_path / "e", export(log, signer)), [signer.verifier])
    assert verdict.codes == ("gap",)
    assert "volume skips 1 of its cutoffs: 0" in verdict.problems[0]


def test_missed_deadlines_are_listed_and_no_problem(
    log: Log, author: Ed25519PrivateKey, signer: Signer, tmp_path: Path
) -> None:
    ledger = Ledger(log, author)
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = ledger.model(), ledger.target("volume", "d", "series")
    for seq in range(2):
        about = ledger.about("volume", declared, seq)
        ledger.forecast(about, "baseline", model, series_forecast(seq))
        ledger.outcome(about, series_outcome(seq))
        if seq:
            ledger.forecast(about, "us", model, series_forecast(seq))
        ledger.score("volume", seq)
    verdict = verify_evidence(write_folder(tmp_path / "e", export(log, signer)), [signer.verifier])
    assert verdict.ok
    assert "us: 0 of 2 forecasts due; 2 missed" in str(verdict)


class TestUnsafeArchives:
    """A zip file is read where it lies, and only if its names and sizes are safe."""

    @pytest.mark.parametrize(
        "name", ["../checkpoint", "/etc/passwd", "a/../../b", "C:/b", "a\\b", "./a", "a//b", "a\nb"]
    )
    def test_a_name_that_leads_outside_is_refused(self, box: Box, name: str) -> None:
        box.files[name] = b"x"
        path = write_zip(box.folder / "evil.zip", box.files)
        assert verify_evidence(path, [box.signer.verifier]).codes == ("container",)

    def test_a_name_that_is_there_twice_is_refused(self, box: Box) -> None:
        path = box.folder / "twice.zip"
        write_zip(path, box.files)
        with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("checkpoint", b"other")
        verdict = verify_evidence(path, [box.signer.verifier])
        assert verdict.codes == ("container",)
        assert "twice" in verdict.problems[0]

    def test_a_bomb_is_read_no_further_than_its_entry_says(self, box: Box) -> None:
        at = find(box.entries, kind="outcome", target="volume", seq=0)[0]
        name = f"payload/sha256/{digest_of(box.entries[at])}"
        bomb = write_zip(box.folder / "bomb.zip", {**box.files, name: bytes(50_000_000)})
        assert bomb.stat().st_size < 100_000
        verdict = verify_evidence(bomb, [box.signer.verifier])
        assert verdict.codes[0] == "payload-differs"

    def test_members_are_refused_by_what_they_come_to_together(
        self, box: Box, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_zip(box.folder / "whole.zip", box.files)
        total = sum(map(len, box.files.values()))
        monkeypatch.setattr(archive, "MAX_TOTAL", total)
        assert verify_evidence(path, [box.signer.verifier]).ok
        monkeypatch.setattr(archive, "MAX_TOTAL", total - 1)
        verdict = verify_evidence(path, [box.signer.verifier])
        assert verdict.codes == ("container",)
        assert f"more than {total - 1} bytes" in verdict.problems[0]

    def test_a_broken_archive_is_refused(self, box: Box) -> None:
        path = write_zip(box.folder / "whole.zip", box.files)
        data = path.read_bytes()
        for cut in (b"", b"PK", data[: len(data) // 2], data[:-10]):
            path.write_bytes(cut)
            assert verify_evidence(path, [box.signer.verifier]).codes == ("container",)
        at = data.index(b"checkpoint") + len("checkpoint") + 5
        path.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
        assert verify_evidence(path, [box.signer.verifier]).codes == ("container",)

    def test_a_link_in_a_folder_is_refused(self, box: Box) -> None:
        folder = write_folder(box.folder / "linked", box.files)
        (folder / "README.txt").symlink_to("/etc/hostname")
        assert verify_evidence(folder, [box.signer.verifier]).codes == ("container",)


def test_the_page_on_evidence_names_every_code_and_level() -> None:
    page = (ROOT / "docs" / "evidence.md").read_text("utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \| [1-4]", page, re.MULTILINE) == list(CODES)
    assert all(f"| `{level}` |" in page for level in LEVELS)
