"""Attacks on a track record, one by one (docs/threats.md); the numbers are those of its table."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exports import Files, bundles, export, find, head, pack, payloads_of, receipt, write_folder
from ledger import (
    CUTOFFS,
    HOURS,
    Ledger,
    case_forecast,
    case_outcome,
    make_ledger,
    series_forecast,
    series_outcome,
)
from witnesses import AT as WITNESSED
from witnesses import cosigner

from foreseal.errors import Malformed
from foreseal.run.history import History as Report
from foreseal.seal import payload
from foreseal.seal.entry import commitment, parse_entry
from foreseal.seal.evidence import verify_evidence
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.policy import Policy
from foreseal.seal.verify import Verdict


@pytest.fixture
def ledger(log: Log, author: Ed25519PrivateKey) -> Ledger:
    return Ledger(log, author)


def start(ledger: Ledger, **changes: object) -> str:
    """Identity, dataset, model and a series target; the target's leaf."""
    ledger.identity()
    ledger.dataset("d", "series")
    ledger.model()
    return ledger.target("volume", "d", "series", **changes)


def check(tmp_path: Path, files: Files, trust: Policy | list[object]) -> Verdict:
    return verify_evidence(write_folder(tmp_path / "evidence", files), trust)  # type: ignore[arg-type]


def test_threat_01_an_entry_edited_deleted_or_reordered_is_found(
    ledger: Ledger, log: Log, signer: Signer, author: Ed25519PrivateKey, tmp_path: Path
) -> None:
    make_ledger(tmp_path, log, author)
    entries, files = list(log.entries()), export(log, signer)
    assert check(tmp_path, files, [signer.verifier]).ok
    for at in range(len(entries)):
        edited = entries[at][:-3] + bytes([entries[at][-3] ^ 1]) + entries[at][-2:]
        other = (at + 1) % len(entries)
        swapped = list(entries)
        swapped[at], swapped[other] = swapped[other], swapped[at]
        deleted = entries[:at] + entries[at + 1 :]
        for changed in ([*entries[:at], edited, *entries[at + 1 :]], swapped):
            assert check(tmp_path, {**files, **bundles(changed)}, [signer.verifier]).codes[0] == "root"
        shorter = {**files, "tile/entries/000.p/28": bundles(deleted)["tile/entries/000.p/27"]}
        assert check(tmp_path, shorter, [signer.verifier]).codes[0] == "entries"


def test_threat_02_a_log_rewritten_and_signed_again_contradicts_a_receipt_and_a_cosigned_checkpoint(
    ledger: Ledger, log: Log, signer: Signer, author: Ed25519PrivateKey, tmp_path: Path
) -> None:
    make_ledger(tmp_path, log, author)
    entries, payloads = list(log.entries()), payloads_of(log)
    at = find(entries, kind="forecast", target="volume", forecaster="us", seq=0)[0]
    rewritten = pack([*entries[: at + 1], *entries[at + 2 :]], payloads, signer)
    assert "fork" not in check(tmp_path, rewritten, [signer.verifier]).codes
    kept = receipt(entries[:20], at, signer)
    problems = check(tmp_path, {**rewritten, "receipts/kept.tlog-proof": kept}, [signer.verifier]).problems
    assert [problem.code for problem in problems if "receipts/kept" in problem] == ["fork"]
    old = head(entries[:20], signer)
    problems = check(tmp_path, {**rewritten, "cosigned/20": old}, [signer.verifier]).problems
    assert [problem.code for problem in problems if "cosigned/20" in problem] == ["fork"]


def test_threat_04_a_forecast_that_claims_an_earlier_time_than_witnesses_saw_is_late(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    policy = Policy.k_of_n([signer.verifier], 2, [f"{cosigner(i).verifier}" for i in range(2)])
    declared = start(ledger, mode="live")
    about = {**ledger.about("volume", declared, 0), "mode": "live"}
    ledger.at = CUTOFFS[0]  # what the author claims; the witnesses see it years later
    for name in ("us", "baseline"):
        ledger.forecast(about, name, ledger.leaves[2], series_forecast(0))
    ledger.outcome(about, series_outcome(0))
    ledger.score("volume", 0)
    log.cosign(cosigner(i).sign(str(log.checkpoint), WITNESSED + timedelta(hours=i)) for i in range(2))
    files = {**export(log, signer), "checkpoint": (log.folder / "checkpoint").read_bytes()}
    assert check(tmp_path, files, [signer.verifier]).ok
    verdict = check(tmp_path, files, policy)
    assert verdict.codes[0] == "late"


def test_threat_05_whichever_forecast_is_dropped_from_an_export_it_is_refused_and_named(
    ledger: Ledger, log: Log, signer: Signer, author: Ed25519PrivateKey, tmp_path: Path
) -> None:
    make_ledger(tmp_path, log, author)
    entries, payloads = list(log.entries()), payloads_of(log)
    settled = [
        at for at in find(entries, kind="forecast") if at not in find(entries, target="disease", seq=1)
    ]
    assert len(settled) == 6
    for at in settled:
        body = parse_entry(entries[at])
        verdict = check(
            tmp_path, pack([*entries[:at], *entries[at + 1 :]], payloads, signer), [signer.verifier]
        )
        assert not verdict.ok
        name = f"by {body['forecaster']} for cutoff {body['seq']} of {body['target']}"
        assert [p.code for p in verdict.problems if name in p] == ["gap"]


def test_threat_05_of_a_hundred_lotteries_none_can_be_hidden(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    ledger.identity()
    ledger.dataset("d", "series")
    model = ledger.model()
    # A target takes 32 forecasters at most; whoever wants a hundred declares four targets, all in the log.
    for number in range(4):
        names = [f"guess-{number * 25 + k}" for k in range(25)]
        forecasters = [{"name": name, "author": ledger.author} for name in (*names, "baseline")]
        declared = ledger.target(f"lottery-{number}", "d", "series", forecasters=forecasters)
        about = ledger.about(f"lottery-{number}", declared, 0) | {"mode": "replay"}
        for k, name in enumerate((*names, "baseline")):
            ledger.forecast(about, name, model, series_forecast(0, k))
        ledger.outcome(about, series_outcome(0))
        ledger.score(f"lottery-{number}", 0)
    files = export(log, signer)
    verdict = check(tmp_path, files, [signer.verifier])
    assert verdict.ok
    assert all(f"guess-{k}: 1 of 1 forecasts due" in str(verdict) for k in range(100))
    winner = find(list(log.entries()), kind="target", name="lottery-2")[0]
    only = verify_evidence(tmp_path / "evidence", [signer.verifier], ["lottery-2"])
    assert f"entry {winner} declared it" in str(only)
    assert "guess-50: 1 of 1 forecasts due" in str(only)
    assert "guess-74: 1 of 1 forecasts due" in str(only)


def test_threat_05_a_live_forecast_may_not_be_due_after_the_end_of_its_horizon(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    start(ledger, mode="live", deadline=HOURS * 3600)
    assert check(tmp_path, export(log, signer), [signer.verifier]).ok
    ledger.target("later", "d", "series", mode="live", deadline=HOURS * 3600 + 1)
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.codes == ("rule",)
    assert "its deadline lies after the end of its horizon" in verdict.problems[0]


def test_threat_05_outcomes_that_were_known_before_the_forecast_was_sealed_are_counted(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    declared = start(ledger, mode="live", deadline=HOURS * 3600)
    about = {**ledger.about("volume", declared, 0), "mode": "live"}
    ledger.at = CUTOFFS[0]
    ledger.forecast(about, "baseline", ledger.leaves[2], series_forecast(0, 3))
    # The values of the first hour are known an hour after the cutoff, those of the second one after two.
    ledger.at = CUTOFFS[0] + timedelta(hours=1, microseconds=1)
    ledger.forecast(about, "us", ledger.leaves[2], series_forecast(0))
    ledger.outcome(about, series_outcome(0))
    ledger.score("volume", 0)
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.ok
    said = [line for line in verdict.statements if "were known before" in line]
    assert said == ["volume, us: 2 of 4 outcome values were known before the forecast was sealed"]


def test_threat_05_the_first_score_of_an_outcome_stands_and_a_second_one_counts_for_nothing(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    about = ledger.about("volume", start(ledger), 0)
    ledger.forecast(about, "us", ledger.leaves[2], series_forecast(0))
    ledger.outcome(about, series_outcome(0))
    first = ledger.score("volume", 0)
    ledger.at += timedelta(hours=1)
    ledger.score("volume", 0)
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.ok
    assert "volume: second scores of one outcome: 1 (0)" in verdict.statements
    history, track = ledger.track("volume")
    assert [each.entry.leaf for each in track.scores[0]] == [first]
    report = Report.of(history)
    assert report.scores["volume", 0].leaf == first


def test_threat_06_a_forecast_that_is_revealed_after_its_score_stays_unrevealed(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    ledger.identity()
    ledger.dataset("cases", "cases")
    model, declared = ledger.model(), ledger.target("disease", "cases", "cases")
    about, salt, data = ledger.about("disease", declared, 0), sha256(b"s").digest(), case_forecast("0.900")
    ledger.at = CUTOFFS[0]
    forecast = ledger.forecast(about, "us", model, data, salt)
    ledger.outcome(about, case_outcome(0))
    ledger.score("disease", 0)
    ledger.at += timedelta(days=300)
    ledger.reveal(forecast, salt, data)
    ledger.outcome(about, case_outcome(0))
    ledger.score("disease", 0)
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.ok
    assert "disease: reveals after the score: 1 (us 0)" in verdict.statements
    history, track = ledger.track("disease")
    assert history.standing(track, "us", 0).status == "unrevealed"
    assert [each.entry["scores"][0]["status"] for each in track.scores[0]] == ["unrevealed"] * 2
    assert Report.of(history).reveals == {}


def test_threat_06_who_may_stay_silent_about_a_commitment_pays_the_bound(ledger: Ledger) -> None:
    ledger.dataset("cases", "cases")
    with pytest.raises(Malformed, match="silence must cost"):
        ledger.target("disease", "cases", "cases", missing="baseline")


def test_threat_07_a_hidden_forecast_is_not_found_by_trying_all_there_are(
    ledger: Ledger, log: Log, tmp_path: Path
) -> None:
    ledger.identity()
    ledger.dataset("cases", "cases")
    model, declared = ledger.model(), ledger.target("disease", "cases", "cases", mode="live")
    about, salt = ledger.about("disease", declared, 0), sha256(b"a secret").digest()
    ledger.forecast(about, "us", model, case_forecast("0.731"), salt)
    entry = parse_entry(list(log.entries())[-1])
    hidden = entry["commitment"]
    guesses = [case_forecast(f"{k / 1000:.3f}") for k in range(1001)]
    digests = [sha256(guess).digest() for guess in guesses]
    assert hidden not in {digest.hex() for digest in digests}
    assert hidden not in {commitment(entry.author, bytes(32), digest) for digest in digests}
    assert hidden in {commitment(entry.author, salt, digest) for digest in digests}
    published = b"".join(path.read_bytes() for path in log.folder.rglob("*") if path.is_file())
    for secret in (b"0.731", salt, salt.hex().encode(), sha256(case_forecast("0.731")).hexdigest().encode()):
        assert secret not in published


def test_threat_08_a_copied_commitment_cannot_be_opened_by_who_copied_it(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    thief = Ed25519PrivateKey.from_private_bytes(bytes(32))
    ledger.identity()
    ledger.identity("thief", thief)
    ledger.dataset("cases", "cases")
    forecasters = [
        {"name": "us", "author": ledger.author},
        {"name": "thief", "author": author_id(public_bytes(thief))},
        {"name": "baseline", "author": ledger.author},
    ]
    model = ledger.model()
    declared = ledger.target("disease", "cases", "cases", mode="live", forecasters=forecasters)
    about, salt, data = ledger.about("disease", declared, 0), sha256(b"s").digest(), case_forecast("0.900")
    ledger.at = CUTOFFS[0]
    ours = ledger.forecast(about, "us", model, data, salt)
    hidden = parse_entry(list(log.entries())[-1])["commitment"]
    fields = {**about, "forecaster": "thief", "data": ledger.snapshot("d"), "model": model, "ran": {}}
    copied = ledger.write("forecast", {**fields, "commitment": hidden}, thief)
    ledger.reveal(ours, salt, data)
    opened = {"salt": salt.hex(), "payload": log.payloads.put(data)}
    for leaf in (copied, ours):
        ledger.write("reveal", {**opened, "forecast": leaf}, thief)
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.codes == ("commitment",) * 2
    history, track = ledger.track("disease")
    assert history.standing(track, "us", 0).status == "scored"
    assert history.standing(track, "thief", 0).status == "unrevealed"


def test_threat_09_an_outcome_by_a_stranger_or_from_the_future_settles_nothing(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    about = ledger.about("volume", start(ledger), 0)
    for name in ("us", "baseline"):
        ledger.forecast(about, name, ledger.leaves[2], series_forecast(0))
    ours, ledger.key = ledger.key, Ed25519PrivateKey.from_private_bytes(bytes(32))
    ledger.identity("stranger")
    ledger.outcome(about, series_outcome(0, "99.0"))
    ledger.key = ours
    late = series_outcome(0).replace(b"2018-08-01T01:00:00Z\n", b"2018-09-01T01:00:00Z\n")
    ledger.outcome(about, late)
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.codes == ("rule", "rule")
    assert ledger.track("volume")[1].outcomes == {}


def test_threat_09_a_score_names_its_outcome_and_is_recomputed_from_the_bytes(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    about = ledger.about("volume", start(ledger), 0)
    for name in ("us", "baseline"):
        ledger.forecast(about, name, ledger.leaves[2], series_forecast(0))
    ledger.outcome(about, series_outcome(0))
    ledger.score("volume", 0)
    revised = ledger.outcome(about, series_outcome(0, "29.0"))
    assert check(tmp_path, export(log, signer), [signer.verifier]).ok
    history, track = ledger.track("volume")
    fields, _ = history.settle(track, track.outcomes[0][1])
    first = track.scores[0][0].entry
    assert fields["outcome"] == revised != first["outcome"]
    # The scores of the first outcome under the name of its revision.
    ledger.write(
        "score",
        {k: v for k, v in first.fields.items() if k not in ("v", "kind", "author", "at", "sig")}
        | {"outcome": revised},
    )
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.codes == ("score-differs",)
    assert payload.read_csv(log.payloads.get(first["payload"]["sha256"], first["payload"]["size"]), 4)


def test_threat_16_a_stolen_key_counts_before_the_revocation_index_and_not_from_it_on(
    ledger: Ledger, log: Log, signer: Signer, tmp_path: Path
) -> None:
    declared = start(ledger)
    about = [ledger.about("volume", declared, seq) for seq in range(2)]
    old, model = ledger.key, ledger.leaves[2]
    before = ledger.forecast(about[0], "us", model, series_forecast(0))
    since = log.size
    ledger.forecast(about[1], "us", model, series_forecast(1, 5))
    revoked = {"name": "us", "role": "author", "key": ledger.author, "action": "revoke", "from": since}
    ledger.write("identity", revoked, old)
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.ok
    assert f"entry {since} (forecast, forecaster us, target volume, seq 1) is set aside" in verdict.notes[0]
    ledger.forecast(about[1], "baseline", model, series_forecast(1))
    verdict = check(tmp_path, export(log, signer), [signer.verifier])
    assert verdict.codes == ("revoked",)
    history, track = ledger.track("volume")
    counted = history.standing(track, "us", 0).forecast
    assert counted is not None
    assert counted.entry.leaf == before
    assert history.standing(track, "us", 1).status == "missing"
