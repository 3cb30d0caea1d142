"""Keys are added, replaced and revoked in the log; what a void key says does not count."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import AT, CUTOFFS, Ledger, case_forecast, case_outcome, series_forecast, series_outcome

from foreseal.errors import Malformed
from foreseal.seal.entry import parse_entry, sign_entry
from foreseal.seal.identity import sign_rotation
from foreseal.seal.keys import author_id, public_bytes
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.verify import UNREVOKED, Verdict, verify_log, verify_receipt

Key = Ed25519PrivateKey


def key(number: int) -> Key:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def name(of: Key) -> str:
    return author_id(public_bytes(of))


class Keys:
    """A log of one author with a series target, and what happens to the author's key."""

    def __init__(self, log: Log, author: Key, signer: Signer) -> None:
        self.ledger, self.signer, self.first = Ledger(log, author), signer, author
        self.recovery = key(99)
        own = {"name": "us", "key": self.ledger.author, "action": "add", "role": "author"}
        self.ledger.write("identity", {**own, "recovery": name(self.recovery)})
        self.ledger.dataset("d", "series")
        self.model = self.ledger.model()
        self.declared = self.ledger.target("volume", "d", "series")

    def rotate(self, new: Key, consent: Key, previous: Key | None = None) -> int:
        fields = {"name": "us", "role": "author", "previous": name(previous or consent)}
        raw = sign_rotation(fields, key=new, consent=consent, at=self.ledger.at)
        self.ledger.log.append([raw])
        self.ledger.leaves.append(parse_entry(raw).leaf)
        self.ledger.key = new
        return self.ledger.log.size - 1

    def revoke(self, void: Key, since: int, by: Key) -> int:
        fields = {"name": "us", "role": "author", "key": name(void), "action": "revoke", "from": since}
        self.ledger.write("identity", fields, by)
        return self.ledger.log.size - 1

    def forecast(self, seq: int, who: str = "us", shift: int = 0) -> int:
        about = self.ledger.about("volume", self.declared, seq)
        self.ledger.forecast(about, who, self.model, series_forecast(seq, shift))
        return self.ledger.log.size - 1

    def settle(self, seq: int) -> dict[str, str]:
        """Seal the outcome and the score; status by forecaster."""
        self.ledger.outcome(self.ledger.about("volume", self.declared, seq), series_outcome(seq))
        self.ledger.score("volume", seq)
        _, track = self.ledger.track("volume")
        return {each["forecaster"]: each["status"] for each in track.scores[seq][-1].entry["scores"]}

    def verdict(self) -> Verdict:
        return verify_log(self.ledger.log.folder, [self.signer.verifier])


@pytest.fixture
def keys(log: Log, author: Key, signer: Signer) -> Keys:
    return Keys(log, author, signer)


def test_a_target_goes_on_under_the_key_that_replaced_its_author(keys: Keys) -> None:
    keys.forecast(0, "baseline")
    keys.rotate(key(1), keys.first)
    keys.forecast(0)
    assert keys.settle(0) == {"us": "scored", "baseline": "scored"}
    keys.rotate(key(2), key(1))
    keys.forecast(1)
    keys.forecast(1, "baseline")
    assert keys.settle(1) == {"us": "scored", "baseline": "scored"}
    verdict = keys.verdict()
    assert (verdict.ok, verdict.level) == (True, "identities")


def test_a_replaced_key_says_nothing_any_more(keys: Keys) -> None:
    keys.rotate(key(1), keys.first)
    keys.ledger.key = keys.first
    at = keys.forecast(0)
    verdict = keys.verdict()
    assert verdict.codes == ("revoked",)
    assert f"entry {at} (forecast): its author's key was replaced by {name(key(1))}" in verdict.problems[0]


def test_a_rotation_needs_the_old_key_or_a_recovery_key(keys: Keys) -> None:
    keys.rotate(key(1), key(7), previous=keys.first)
    verdict = keys.verdict()
    assert verdict.codes == ("signature",)
    assert "signed neither by" in verdict.problems[0]
    keys.rotate(key(2), keys.recovery, previous=keys.first)
    assert len(keys.verdict().problems) == 1
    assert keys.forecast(0)
    assert len(keys.verdict().problems) == 1


def test_a_rotation_is_signed_over_all_that_it_says(keys: Keys) -> None:
    fields = {"name": "us", "role": "author", "previous": name(keys.first)}
    raw = sign_rotation(fields, key=key(1), consent=keys.first, at=keys.ledger.at)
    signature = parse_entry(raw)["previous_sig"]
    stolen = {**fields, "action": "rotate", "key": name(key(5)), "previous_sig": signature}
    keys.ledger.write("identity", stolen, key(5))
    assert keys.verdict().codes == ("signature",)


def test_the_new_key_signs_its_own_rotation(author: Key) -> None:
    fields = {"name": "us", "role": "author", "previous": name(author), "action": "rotate"}
    whole = {**fields, "key": name(key(1)), "previous_sig": "00" * 64}
    with pytest.raises(Malformed, match="added by itself"):
        sign_entry("identity", whole, key=key(2), at=AT)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "add", "from": 3},
        {"action": "add", "previous": "ed25519:" + "00" * 32},
        {"action": "rotate"},
        {"action": "revoke"},
        {"action": "revoke", "from": 0, "recovery": "ed25519:" + "00" * 32},
        {"action": "forget"},
    ],
)
def test_an_identity_entry_has_the_fields_of_its_action(author: Key, change: dict[str, Any]) -> None:
    fields = {"name": "us", "role": "author", "key": name(author)}
    with pytest.raises(Malformed) as error:
        sign_entry("identity", {**fields, **change}, key=author, at=AT)
    assert error.value.code == "fields"


def test_a_key_is_revoked_by_itself_by_its_successor_or_by_its_recovery_key(keys: Keys) -> None:
    keys.rotate(key(1), keys.first)
    keys.revoke(keys.first, 0, key(1))
    keys.revoke(key(1), 0, keys.recovery)
    assert keys.verdict().ok
    keys.rotate(key(2), keys.recovery, previous=key(1))
    keys.revoke(key(2), keys.ledger.log.size, key(2))
    assert keys.verdict().ok


def test_nobody_else_revokes_a_key(keys: Keys) -> None:
    keys.ledger.identity("stranger", key(5))
    for by in (key(5), key(6)):
        keys.revoke(keys.first, 0, by)
    keys.rotate(key(1), keys.first)
    keys.revoke(key(1), 0, keys.first)
    assert keys.verdict().codes == ("identity",) * 3
    keys.forecast(0)
    assert len(keys.verdict().problems) == 3


def test_a_revocation_does_not_begin_in_the_future(keys: Keys) -> None:
    keys.revoke(keys.first, keys.ledger.log.size + 1, keys.first)
    assert keys.verdict().codes == ("identity",)


def test_what_a_stolen_key_said_before_it_was_noticed_is_set_aside(keys: Keys) -> None:
    forged = keys.forecast(0, shift=5)
    keys.revoke(keys.first, forged, keys.recovery)
    keys.rotate(key(1), keys.recovery, previous=keys.first)
    keys.forecast(0, "baseline")
    right = keys.forecast(0)
    assert keys.settle(0) == {"us": "scored", "baseline": "scored"}
    verdict = keys.verdict()
    assert verdict.ok
    assert f"entry {forged} (forecast, forecaster us, target volume, seq 0) is set aside" in verdict.notes[0]
    _, track = keys.ledger.track("volume")
    assert track.scores[0][0].entry["scores"][0]["forecast"] == keys.ledger.leaves[right]


def test_a_thief_who_rotates_gains_nothing(keys: Keys) -> None:
    stolen = keys.rotate(key(66), keys.first)
    keys.forecast(0, shift=5)
    keys.revoke(keys.first, stolen, keys.recovery)
    keys.rotate(key(1), keys.recovery, previous=keys.first)
    keys.forecast(0)
    keys.forecast(0, "baseline")
    assert keys.settle(0) == {"us": "scored", "baseline": "scored"}
    verdict = keys.verdict()
    assert verdict.ok
    assert len(verdict.notes) == 2
    keys.ledger.key = key(66)
    keys.forecast(1)
    assert keys.verdict().codes == ("revoked",)


def test_a_revocation_does_not_take_back_what_an_outcome_has_judged(keys: Keys) -> None:
    first = keys.forecast(0)
    keys.forecast(0, "baseline")
    assert keys.settle(0) == {"us": "scored", "baseline": "scored"}
    keys.revoke(keys.first, first, keys.first)
    verdict = keys.verdict()
    assert verdict.ok
    assert verdict.notes == ()
    assert "us: 1 of 1 forecasts due" in str(verdict)
    assert "1 of 2 cutoffs settled, each score recomputed" in str(verdict)


def test_threat_16_not_even_a_recovery_key_takes_back_what_an_outcome_has_judged(keys: Keys) -> None:
    first = keys.forecast(0)
    keys.forecast(0, "baseline")
    assert keys.settle(0) == {"us": "scored", "baseline": "scored"}
    after = keys.forecast(1)
    keys.revoke(keys.first, first, keys.recovery)
    verdict = keys.verdict()
    assert verdict.ok
    assert [note.partition(" (")[0] for note in verdict.notes] == [f"entry {after}"]
    _, track = keys.ledger.track("volume")
    assert track.forecasts.keys() == {("us", 0), ("baseline", 0)}


def test_threat_16_only_a_recovery_key_reaches_back_behind_the_rotation_that_made_the_present_key(
    keys: Keys,
) -> None:
    first = keys.forecast(0)
    keys.rotate(key(1), keys.first)
    keys.revoke(keys.first, first, key(1))
    verdict = keys.verdict()
    assert (verdict.ok, verdict.notes) == (True, ())
    keys.revoke(keys.first, first, keys.recovery)
    # Whoever held the first key from then on could have made the rotation, and the revocation that followed.
    assert keys.ledger.history().aside == [first, first + 1, first + 2]


def test_threat_16_what_a_stolen_key_handed_on_is_void_however_often_it_was_handed_on(keys: Keys) -> None:
    stolen = keys.rotate(key(66), keys.first)
    keys.rotate(key(67), key(66))
    keys.forecast(0, shift=5)
    # The thief's own revocation, later and of less, narrows nothing.
    keys.revoke(keys.first, stolen, keys.recovery)
    verdict = keys.verdict()
    assert verdict.ok, verdict.problems
    assert (
        f"entries set aside by a revocation: 3 ({stolen}, {stolen + 1}, {stolen + 2})" in verdict.statements
    )
    keys.revoke(key(67), keys.ledger.log.size, key(67))
    assert keys.verdict().codes == ("identity",)
    assert keys.ledger.track("volume")[1].forecasts == {}


class TestRevokingAFailedForecast:
    """Between two sealed forecasts nobody chooses when the outcome is known."""

    def story(self, keys: Keys, said: timedelta, *, mode: str = "live") -> tuple[list[str], str]:
        """A forecast, another one by a new key, a revocation ``said`` after the cutoff, a score."""
        ledger = keys.ledger
        declared = ledger.target("again", "d", "series", mode=mode)
        about = {**ledger.about("again", declared, 0), "mode": mode}
        ledger.at = CUTOFFS[0]
        ledger.forecast(about, "baseline", keys.model, series_forecast(0, 3))
        failed = ledger.forecast(about, "us", keys.model, series_forecast(0, 40))
        since = ledger.log.size - 1
        keys.rotate(key(1), keys.recovery, previous=keys.first)
        better = ledger.forecast(about, "us", keys.model, series_forecast(0))
        ledger.at = CUTOFFS[0] + said
        keys.revoke(keys.first, since, keys.recovery)
        ledger.at = CUTOFFS[0] + timedelta(days=2)
        ledger.outcome(about, series_outcome(0))
        ledger.score("again", 0)
        verdict = keys.verdict()
        assert verdict.ok, verdict.problems
        _, track = ledger.track("again")
        counted = track.scores[0][0].entry["scores"][0]["forecast"]
        aside = [line for line in verdict.statements if line.startswith("entries set aside")]
        return aside, {failed: "failed", better: "better"}[counted]

    def test_threat_16_a_revocation_after_the_deadline_leaves_the_failed_forecast_standing(
        self, keys: Keys
    ) -> None:
        assert self.story(keys, timedelta(hours=1, microseconds=1)) == ([], "failed")

    def test_threat_16_a_revocation_until_the_deadline_sets_aside_what_a_thief_forecast(
        self, keys: Keys
    ) -> None:
        aside, counted = self.story(keys, timedelta(hours=1))
        assert (len(aside), counted) == (1, "better")

    def test_in_a_replay_only_the_outcome_in_the_log_is_a_bound(self, keys: Keys) -> None:
        aside, counted = self.story(keys, timedelta(days=1), mode="replay")
        assert (len(aside), counted) == (1, "better")

    def test_threat_16_an_earlier_harmless_revocation_lends_a_late_one_no_time(self, keys: Keys) -> None:
        ledger = keys.ledger
        declared = ledger.target("again", "d", "series", mode="live")
        about = {**ledger.about("again", declared, 0), "mode": "live"}
        ledger.at = CUTOFFS[0]
        ledger.forecast(about, "us", keys.model, series_forecast(0, 40))
        first = ledger.log.size - 1
        keys.revoke(keys.first, first + 1, keys.recovery)
        ledger.at = CUTOFFS[0] + timedelta(days=1)
        keys.revoke(keys.first, first, keys.recovery)
        history, track = ledger.track("again")
        assert history.aside == []
        assert history.standing(track, "us", 0).status == "scored"


def test_a_commitment_made_before_a_rotation_is_revealed_after_it(
    log: Log, author: Key, signer: Signer
) -> None:
    keys = Keys(log, author, signer)
    ledger = keys.ledger
    ledger.dataset("cases", "cases")
    declared = ledger.target("disease", "cases", "cases", mode="replay")
    about = {**ledger.about("disease", declared, 0), "mode": "replay"}
    salt, data = sha256(b"salt").digest(), case_forecast("0.900")
    forecasts = [ledger.forecast(about, who, keys.model, data, salt) for who in ("us", "baseline")]
    keys.rotate(key(1), author)
    for forecast in forecasts:
        ledger.reveal(forecast, salt, data)
    ledger.outcome(about, case_outcome(0))
    ledger.score("disease", 0)
    verdict = keys.verdict()
    assert verdict.ok, verdict.problems
    assert "disease, us: 1 of 1 forecasts due" in str(verdict)


def test_verdicts_say_up_to_where_revocations_are_known(keys: Keys) -> None:
    keys.forecast(0)
    size = keys.ledger.log.size
    assert f"revocations known up to entry {size - 1}" in keys.verdict().statements
    receipt = bytes(keys.ledger.log.receipt(size - 1))
    assert UNREVOKED in verify_receipt(receipt, [keys.signer.verifier]).statements
