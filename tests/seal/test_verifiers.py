"""Three verifiers, written apart, give one verdict: the package, the single file, and the page.

The page's script is run in node and, as a person would, in a browser that is offline.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from ledger import START, Ledger, series_forecast
from mutants import Mutator
from verdicts import KEY, Vector, to_json, vectors
from verifiers import (
    FOLDER,
    PAGE,
    Answer,
    Case,
    Node,
    ask_one_file,
    ask_package,
    one_file,
    one_file_says,
    package_says,
    put,
)

from foreseal.seal import note
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.problem import CODES
from tests.conftest import ROOT, require

VECTORS = tuple(vectors())
LISTED = re.compile(
    "missed deadlines|second forecasts|reveals after the score|revised outcomes|cutoffs not settled|"
    "outcomes with values not known|second scores of one outcome|targets declared again|"
    "entries set aside by a revocation|agreements signed by all of their parties|"
    "outcome values were known before the forecast was sealed|"
    "cutoffs settled, each score recomputed|forecasts due|of the baseline, over|"
    "receipts that prove entries of this log|files that are no part of evidence"
)
DEFAULT = {"receipts": 2000, "policies": 300, "archives": 150, "logs": 100, "promises": 100}
MANY = {"receipts": 62_000, "policies": 20_000, "archives": 10_000, "logs": 9000, "promises": 4000}


def expected(vector: Vector) -> Answer:
    return "unusable" if vector.unusable else (vector.ok, vector.level, vector.code)


def case(vector: Vector) -> Case:
    return vector.form, vector.files, vector.trust, vector.targets


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verifiers")


@pytest.fixture(scope="module")
def node(room: Path) -> Iterator[Node]:
    asked = Node(require("node", "apt-get install nodejs"), room)
    yield asked
    asked.close()


class Remembering:
    """Ed25519 that remembers its answers: mutants share most of their signatures."""

    def __init__(self, public: bytes) -> None:
        self._public = public

    @staticmethod
    @cache
    def _verify(public: bytes, signature: bytes, data: bytes) -> Exception | None:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
        except Exception as error:  # noqa: BLE001 (given on as it came)
            return error
        return None

    @classmethod
    def from_public_bytes(cls, public: bytes) -> Remembering:
        return cls(public)

    def verify(self, signature: bytes, data: bytes) -> None:
        error = self._verify(self._public, signature, data)
        if error is not None:
            raise error

    def __enter__(self) -> Remembering:
        self._patch = pytest.MonkeyPatch()
        for module in (note, one_file()):
            self._patch.setattr(module, "Ed25519PublicKey", Remembering)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._patch.undo()
        self._verify.cache_clear()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_threat_15_the_package_and_the_single_file_give_the_verdict_that_is_written_down(
    vector: Vector, room: Path
) -> None:
    path = put(case(vector), room)
    assert ask_package(case(vector), path) == expected(vector)
    assert ask_one_file(case(vector), path) == expected(vector)


def test_the_page_s_script_gives_the_verdicts_that_are_written_down(node: Node) -> None:
    said = dict(zip((each.name for each in VECTORS), node.ask(map(case, VECTORS)), strict=True))
    assert said == {each.name: expected(each) for each in VECTORS}


def test_the_vectors_cover_every_code_and_level() -> None:
    assert {each.code for each in VECTORS} == {"", *CODES}
    assert {each.level for each in VECTORS} == {"none", "included", "log", "identities"}
    assert len({each.name for each in VECTORS}) == len(VECTORS) > 250


def test_the_vector_file_is_what_its_generator_writes() -> None:
    text = (ROOT / "vectors" / "verdicts.json").read_text("utf-8")
    assert text == to_json(iter(VECTORS)), "run: python vectors/generate.py"
    read = json.loads(text)
    pieces = {key: base64.b64decode(data) for key, data in read["contents"].items()}
    for vector, row in zip(VECTORS, read["vectors"], strict=True):
        files = {name: b"".join(pieces[key] for key in keys) for name, keys in row["files"].items()}
        assert files == vector.files


def test_three_verifiers_count_and_list_in_the_same_words(node: Node, room: Path) -> None:
    """Missed deadlines, second forecasts, hindsight: who reads one verdict has read all three."""
    good = [each for each in VECTORS if each.level in ("log", "identities")]
    by_page, found = node.ask(map(case, good), says=True), set()
    for vector, said in zip(good, by_page, strict=True):
        path = put(case(vector), room)
        for says in (package_says, one_file_says):
            lines = [line for line in says(case(vector), path) if LISTED.search(line)]
            assert lines == said, (vector.name, says)
        found |= {match[0] for line in said for match in [LISTED.search(line)] if match}
    assert len(found) == LISTED.pattern.count("|") + 1, found


def test_a_baseline_that_nobody_gives_is_told_alike(
    node: Node, room: Path, log: Log, signer: Signer, author: Ed25519PrivateKey
) -> None:
    """Once somebody gives one after all, it is counted."""
    ledger = Ledger(log, author, START)
    ledger.identity()
    ledger.dataset("d", "series")
    model = ledger.model()
    declared = ledger.target(
        "volume", "d", "series", baseline="none: only kept", missing="bound", score_bound="9"
    )
    about = ledger.about("volume", declared, 0)
    for who, line in (("us", "none was declared"), ("baseline", "1 of 1 forecasts due; 1 not due yet")):
        ledger.forecast(about, who, model, series_forecast(0))
        files = {
            p.relative_to(log.folder).as_posix(): p.read_bytes() for p in log.folder.rglob("*") if p.is_file()
        }
        asked = ("log", files, str(signer.verifier), ())
        path = put(asked, room)
        [page] = node.ask([asked], says=True)
        for says in (page, package_says(asked, path), one_file_says(asked, path)):
            assert [each for each in says if each.startswith("volume, baseline: ")] == [
                f"volume, baseline: {line}"
            ]


def disagreements(node: Node, room: Path, seed: int, counts: dict[str, int]) -> Counter[Answer]:
    """How often each verdict was given, by all three; fails at the first disagreement."""
    tally: Counter[Answer] = Counter()
    asked, again = itertools.tee(Mutator(seed).cases(**counts))
    with Remembering(b""):
        for number, (third, mutant) in enumerate(zip(node.ask(asked), again, strict=True)):
            path = put(mutant, room)
            said = (ask_package(mutant, path), ask_one_file(mutant, path), third)
            assert said[0] == said[1] == said[2], (seed, number, mutant[0], said)
            tally[said[0]] += 1
    return tally


def test_threat_15_three_verifiers_agree_on_whatever_is_broken(node: Node, room: Path) -> None:
    tally = disagreements(node, room, 1, DEFAULT)
    assert tally.total() == sum(DEFAULT.values())
    assert len({said[2] for said in tally if not isinstance(said, str)}) > 12


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_threat_15_three_verifiers_agree_on_a_hundred_thousand_mutants(node: Node, room: Path) -> None:
    assert disagreements(node, room, 2, MANY).total() > 100_000


class TestTheSingleFile:
    """It is what somebody else runs, who has nothing of ours."""

    def run(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        script = folder / "foreseal_verify.py"
        script.write_bytes((FOLDER / "foreseal_verify.py").read_bytes())
        command = [sys.executable, "-I", str(script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def vector(self, name: str) -> Vector:
        return next(each for each in VECTORS if each.name == name)

    def test_it_imports_nothing_of_ours(self) -> None:
        text = (FOLDER / "foreseal_verify.py").read_text("utf-8")
        imports = re.findall(r"^(?:from|import) ([a-z0-9_]+)", text, re.MULTILINE)
        assert set(imports) <= {*sys.stdlib_module_names, "cryptography"}

    def test_its_exit_code_is_the_verdict(self, tmp_path: Path) -> None:
        good, bad = self.vector("zip: good"), self.vector("receipt: tampered entry")
        path = put(case(good), tmp_path)
        done = self.run(str(path), "--key", KEY, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("VERIFIED\n")
        assert "replay: order proven, time not attested" in done.stdout
        path = put(case(bad), tmp_path)
        done = self.run(str(path), "--key", KEY, folder=tmp_path)
        assert done.returncode == 1
        assert "problem (receipt)" in done.stdout
        assert self.run(str(tmp_path / "nothing"), "--key", KEY, folder=tmp_path).returncode == 2
        assert self.run(str(path), "--key", "x", folder=tmp_path).returncode == 2

    def test_a_policy_file_and_a_target_can_be_given_and_json_asked_for(self, tmp_path: Path) -> None:
        vector = self.vector("story: a target not asked for left out")
        path = put(case(vector), tmp_path)
        (tmp_path / "policy").write_text(f"log {KEY}\nquorum none\n")
        options = ("--policy", str(tmp_path / "policy"), "--target", "volume", "--json")
        done = self.run(str(path), *options, folder=tmp_path)
        assert done.returncode == 0
        said = json.loads(done.stdout)
        assert (said["ok"], said["level"], said["problems"]) == (True, "identities", [])

    def test_a_timestamp_is_named_and_given_no_weight(self, tmp_path: Path) -> None:
        good = self.vector("files: good")
        path = put(("folder", {**good.files, "timestamp/28.tsr": b"x"}, KEY, ()), tmp_path)
        done = self.run(str(path), "--key", KEY, folder=tmp_path)
        assert done.returncode == 0
        assert "timestamp present, not checked here" in done.stdout

    def test_without_a_key_it_says_that_nobody_is_named(self, tmp_path: Path) -> None:
        path = put(case(self.vector("receipt: good")), tmp_path)
        done = self.run(str(path), folder=tmp_path)
        assert done.returncode == 1
        assert "by a key you have not named" in done.stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require("playwright", "pip install playwright")
    chromium = require("chromium", "apt-get install chromium")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


class TestThePage:
    """verify.html in a real browser: from disk, offline, asking nobody."""

    @pytest.fixture
    def page(self, browser: Any) -> Iterator[Any]:
        context = browser.new_context(offline=True, locale="en-US")
        context.set_default_timeout(20_000)
        page = context.new_page()
        requests: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(PAGE.as_uri())
        yield page
        assert requests == [PAGE.as_uri()]
        assert complaints == []
        context.close()

    def give(self, page: Any, name: str, data: bytes, trust: str, targets: tuple[str, ...] = ()) -> Any:
        page.locator("#file").set_input_files([])
        # Typing thousands of lines takes Chromium a minute; pasting them does not.
        paste = "(field, text) => { field.value = text; field.dispatchEvent(new Event('input')); }"
        page.locator("#trust").evaluate(paste, trust)
        page.locator("#targets").fill(", ".join(targets))
        page.locator("#file").set_input_files(
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        )
        verdict = page.locator(
            f"#verdict:not([data-state=working])[data-file='{hashlib.sha256(data).hexdigest()}']"
        )
        verdict.wait_for()
        return verdict

    def test_it_gives_the_verdicts_that_are_written_down(self, page: Any) -> None:
        for vector in VECTORS:
            # A text that is typed or pasted has no CR.
            if vector.form not in ("receipt", "zip") or "\r" in vector.trust:
                continue
            suffix = {"receipt": ".tlog-proof", "zip": ".zip"}[vector.form]
            verdict = self.give(
                page, f"evidence{suffix}", vector.files[vector.form], vector.trust, vector.targets
            )
            state = verdict.get_attribute("data-state")
            codes = (verdict.get_attribute("data-codes") or "").split()
            said = (state == "good", verdict.get_attribute("data-level"), codes[0] if codes else "")
            assert ("unusable" if state == "unusable" else said) == expected(vector), vector.name

    def test_a_check_that_breaks_off_is_said_to_be_unfinished(self, page: Any) -> None:
        page.evaluate("() => { ForesealVerify.verifyReceipt = () => { throw new Error('out of memory'); } }")
        data = VECTORS[0].files["receipt"]
        page.locator("#file").set_input_files({"name": "a.tlog-proof", "mimeType": "x/y", "buffer": data})
        verdict = page.locator("#verdict[data-state=failed]")
        verdict.wait_for()
        assert "could not be finished. Nothing is verified" in verdict.inner_text()
        assert "out of memory" in verdict.inner_text()

    def test_it_judges_folders_of_evidence_that_were_zipped(self, page: Any) -> None:
        from forging import pack

        for vector in VECTORS[::7]:
            if vector.form != "folder":
                continue
            verdict = self.give(page, "evidence.zip", pack(vector.files), vector.trust, vector.targets)
            codes = (verdict.get_attribute("data-codes") or "").split()
            said = (
                verdict.get_attribute("data-state") == "good",
                verdict.get_attribute("data-level"),
                (*codes, "")[0],
            )
            assert said == expected(vector), vector.name

    def test_it_speaks_two_languages_and_names_what_is_wrong(self, page: Any) -> None:
        good = next(each for each in VECTORS if each.name == "zip: good")
        verdict = self.give(page, "evidence.zip", good.files["zip"], KEY)
        assert verdict.locator("h2").inner_text() == "Verified"
        assert "Replay: order proven, time not attested" in verdict.inner_text()
        page.get_by_role("button", name="中文").click()
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        assert verdict.locator("h2").inner_text() == "核验通过"
        assert "时间未获证明" in verdict.inner_text()
        page.get_by_role("button", name="English").click()
        bad = next(each for each in VECTORS if each.name == "receipt: tampered entry")
        verdict = self.give(page, "r.tlog-proof", bad.files["receipt"], KEY)
        assert verdict.locator("h2").inner_text() == "Not verified"
        assert "A receipt does not prove its entry." in verdict.inner_text()

    def test_a_timestamp_is_named_and_given_no_weight(self, page: Any) -> None:
        from forging import pack

        good = next(each for each in VECTORS if each.name == "files: good")
        data = pack({**good.files, "timestamp/28.tsr": b"x"})
        verdict = self.give(page, "evidence.zip", data, KEY)
        assert verdict.get_attribute("data-state") == "good"
        assert "Timestamp present, not checked here." in verdict.inner_text()

    def test_a_file_can_be_chosen_with_the_keyboard_and_every_field_has_a_name(self, page: Any) -> None:
        for name in ("Whom do you trust?", "The file to check", "Only these targets (optional)"):
            page.get_by_label(name).focus()
        assert page.locator("#verdict").get_attribute("aria-live") == "polite"

    def test_a_browser_without_the_signature_is_told_what_to_do(self, browser: Any) -> None:
        for script, sentence in (
            ("Object.defineProperty(crypto, 'subtle', { value: undefined });", "Save this page"),
            (
                "crypto.subtle.importKey = () => Promise.reject(new DOMException('', 'NotSupportedError'));",
                "Use a newer one",
            ),
        ):
            context = browser.new_context(offline=True, locale="en-US")
            context.add_init_script(script)
            page = context.new_page()
            page.goto(PAGE.as_uri())
            page.locator("#missing").wait_for(state="visible")
            assert sentence in page.locator("#missing").inner_text()
            assert not page.locator("#form").is_visible()
            context.close()

    def test_both_languages_explain_every_code(self) -> None:
        text = PAGE.read_text("utf-8")
        blocks = re.findall(r"codes: \{(.*?)\n      \},", text, re.DOTALL)
        assert len(blocks) == 2
        for block in blocks:
            assert set(re.findall(r'^\s*"?([a-z-]+)"?: "', block, re.MULTILINE)) == set(CODES)

    def test_its_policy_allows_exactly_its_own_scripts_and_style(self) -> None:
        text = PAGE.read_text("utf-8")
        found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
        assert found

        def digest(part: str) -> str:
            return f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"

        scripts = " ".join(map(digest, re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)))
        style = " ".join(map(digest, re.findall(r"<style>(.*?)</style>", text, re.DOTALL)))
        own = f"default-src 'none'; script-src {scripts}; style-src {style}; "
        assert found[1] == own + "base-uri 'none'; form-action 'none'"
        assert not re.search(r"https?://(?!$)[^\s\"']*", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
