"""Two projects agree: one proposes, the other signs, each seals it in a log of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from foreseal.cli import main
from foreseal.run import Project
from foreseal.run.create import create

Cli = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> tuple[int, dict[str, object]]:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), "--json"])
        return int(caught.value.code or 0), json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    for name in ("shop", "carrier"):
        create(tmp_path / name, name=name)
    return tmp_path / "shop", tmp_path / "carrier"


def test_what_both_have_signed_is_sealed_by_both_and_verifies_with_its_terms(
    two: tuple[Path, Path], tmp_path: Path, cli: Cli
) -> None:
    shop, carrier = two
    terms, file = tmp_path / "terms.txt", tmp_path / "hand-over.agreement"
    terms.write_bytes(b"120 crates of flour")
    other = f"shop={Project.open(shop).settings.seal.author}"
    propose = ("agree", "propose", terms, "--name", "hand-over", "--with", other, "--out", file)
    code, said = cli(*propose, "-C", carrier)
    assert (code, said["lacks"]) == (0, ["shop"])
    assert cli(*propose, "-C", carrier)[0] == 2
    code, said = cli("agree", "seal", file, terms, "-C", carrier)
    assert code == 2
    assert "is not signed by shop" in said["error"]["message"]
    assert cli("agree", "sign", file, terms, "-C", shop) == (0, {"agreement": str(file), "lacks": []})
    for project in two:
        code, said = cli("agree", "seal", file, terms, "-C", project)
        assert (code, said["index"]) == (0, 1)
        code, found = cli("verify", "-C", project)
        assert code == 0
        (verdict,) = found["results"].values()
        assert "agreements signed by all of their parties: 1 (1 hand-over)" in verdict["statements"]
    out = tmp_path / "evidence"
    assert cli("evidence", "--out", out, "-C", shop)[0] == 0
    shown = [path.read_bytes() for path in (out / "payload" / "sha256").iterdir()]
    assert shown == [b"120 crates of flour"]
    assert cli("verify", out, "--key", Project.open(shop).settings.seal.key)[0] == 0


def test_other_terms_are_neither_signed_nor_sealed(two: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    shop, carrier = two
    terms, file = tmp_path / "terms.txt", tmp_path / "hand-over.agreement"
    terms.write_bytes(b"120 crates of flour")
    other = f"shop={Project.open(shop).settings.seal.author}"
    cli("agree", "propose", terms, "--name", "n", "--with", other, "--out", file, "-C", carrier)
    terms.write_bytes(b"80 crates of flour")
    for verb in ("sign", "seal"):
        code, said = cli("agree", verb, file, terms, "-C", shop)
        assert code == 1
        assert "these are not the terms of the agreement n" in said["error"]["message"]
    assert Project.open(shop).reader().size == 0


def test_who_is_named_wrongly_is_refused(two: tuple[Path, Path], tmp_path: Path, cli: Cli) -> None:
    _, carrier = two
    terms = tmp_path / "terms.txt"
    terms.write_bytes(b"terms")
    own = Project.open(carrier).settings.seal.author
    for other in ("shop", "shop=ed25519:12", f"carrier={own}"):
        out = tmp_path / "out"
        asked = ("agree", "propose", terms, "--name", "n", "--with", other, "--out", out, "-C", carrier)
        assert cli(*asked)[0] in (1, 2)
        assert not out.exists()
