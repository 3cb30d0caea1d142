"""What only a folder can hold, or only a long log, gets one verdict from the package and the one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from forging import AUTHOR, leaf
from ledger import START
from verdicts import KEY, plain
from verifiers import ask_one_file, ask_package, put

from foreseal.seal.entry import sign_entry


def test_a_link_among_the_files_of_a_log_is_refused(tmp_path: Path) -> None:
    case = ("log", plain().files(log=True), KEY, ())
    path = put(case, tmp_path)
    assert ask_package(case, path) == ask_one_file(case, path) == (True, "identities", "")
    payload = next((path / "payload" / "sha256").iterdir())
    payload.rename(tmp_path / "elsewhere")
    payload.symlink_to(tmp_path / "elsewhere")
    assert ask_package(case, path) == ask_one_file(case, path) == (False, "none", "container")


def test_a_chain_of_approvals_is_followed_to_its_end_however_long(tmp_path: Path) -> None:
    log = plain()
    entries, decision = list(log.entries), "ab" * 32
    for _ in range(1200):
        word = {"decision": decision, "verdict": "approved", "by": "x", "reason": ""}
        entries.append(sign_entry("approval", word, key=AUTHOR, at=START))
        decision = leaf(entries[-1])
    used = {body["payload"]["sha256"] for body in log.bodies() if "payload" in body}
    kept = {name: data for name, data in log.payloads.items() if name not in used}
    files = replace(log, entries=tuple(entries), payloads=kept).files()
    case = ("folder", files, KEY, ())
    path = put(case, tmp_path)
    # The missing payloads are about the target, which is named once; no verifier breaks off on the way.
    assert ask_package(case, path) == ask_one_file(case, path) == (False, "none", "target-missing")
