"""The demonstration with a chain: what is promised happens, and its evidence stands without the chain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chains import started

from foreseal.cli import main
from foreseal.run import anvil as anvils


def cli(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(map(str, arguments)))
    return (int(caught.value.code or 0), *capsys.readouterr())


def test_threat_02_a_member_of_three_that_rewrites_its_log_is_caught_by_witnesses_and_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "state"))
    with started():
        pass
    folder = tmp_path / "three"
    code, out, told = cli(capsys, "demo", "--chain", folder, "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["caught"]) == (0, True, True)
    assert found["anchored"] == {"shop": "final", "carrier": "final", "mill": "final"}
    assert found["verified"] == {"evidence": True, "fork": True, "rewritten_refused": True}
    assert found["refused_by_contract"] == "execution reverted: not an extension."
    assert list(found["witnesses"]) == ["shop.example/witness", "mill.example/witness"]
    assert all("another history of this log (422" in why for why in found["witnesses"].values())
    assert "agreements signed by all of their parties: 1 (21 hand-over of goods)" in told

    trust, evidence, rewritten = folder / "trust", folder / "evidence", folder / "carrier-rewritten" / "log"
    chain = ("--chain", trust / "chain.toml")
    code, out, _ = cli(capsys, "verify", evidence, "--policy", trust / "shop.policy", *chain)
    assert code == 0
    assert "the first 22 entries existed at 20" in out
    code, out, _ = cli(capsys, "verify", evidence, "--policy", trust / "shop.policy")
    assert code == 0
    assert "note: chain anchor present, not checked here" in out
    fork = evidence / "fork-evidence.txt"
    code, out, _ = cli(capsys, "verify", fork, "--policy", trust / "carrier.policy")
    assert code == 0
    assert "a fork is proven: the key of carrier.example/log has signed two histories" in out
    assert cli(capsys, "verify", rewritten, "--policy", trust / "carrier.policy")[0] == 1
    honest = folder / "carrier" / "log"
    assert cli(capsys, "verify", honest, "--policy", trust / "carrier.policy", *chain)[0] == 0

    code, _, told = cli(capsys, "demo", "--chain", folder)
    assert code == 2
    assert "is not empty" in told


def test_without_anvil_the_demonstration_says_how_to_get_it_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("web3")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(anvils.sys, "prefix", str(tmp_path))
    code, _, told = cli(capsys, "demo", "--chain", tmp_path / "three")
    assert code == 3
    assert "needs the program anvil" in told
    assert "npm install --global @foundry-rs/anvil-linux-amd64" in told
    assert not (tmp_path / "three").exists()
