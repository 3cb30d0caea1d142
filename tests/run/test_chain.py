"""A project on a chain, from its account to a verdict that dates it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from chains import started
from projects import Make, go

from foreseal.cli import main
from foreseal.errors import KeyMissing, SettingsError
from foreseal.run import Project
from foreseal.run.anchoring import BLOCKS, anchor_log, believed_chain
from foreseal.run.anvil import CHAIN_ID, Anvil
from foreseal.run.witnessing import adopt
from foreseal.seal.anchor import CHAIN_NOT_CHECKED
from foreseal.settings import load
from tests.conftest import require

Cli = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def anvil():
    require("web3", 'pip install "foreseal[chain]"')
    with started() as anvil:
        yield anvil


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> tuple[int, dict[str, object]]:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), "--json"])
        return int(caught.value.code or 0), json.loads(capsys.readouterr().out)

    return call


def with_chain(project: Project, url: str, contract: str = "") -> Project:
    toml = project.folder / "foreseal.toml"
    lines = [line for line in toml.read_text().splitlines() if not line.startswith("chain")]
    lines.append(f'chain = {{ rpc = "{url}", chain_id = {CHAIN_ID}, contract = "{contract}" }}')
    toml.write_text("\n".join(lines) + "\n")
    return Project.open(project.folder)


def claimed(project: Project, anvil: Anvil, cli: Cli) -> Project:
    """The project with a contract of its own on the chain, where its name is claimed."""
    project, here = with_chain(project, anvil.url), ("-C", project.folder)
    anvil.fund(str(cli("seal", "account", *here)[1]["address"]))
    project = with_chain(project, anvil.url, str(cli("seal", "deploy", *here)[1]["contract"]))
    assert cli("seal", "claim", *here)[0] == 0
    return project


def sealed_more(project: Project, cli: Cli, *models: str) -> tuple[int, dict[str, object]]:
    """What a run says after other models have been sealed; the outbox is lost, so that it anchors at once."""
    toml = project.folder / "foreseal.toml"
    for model in models:
        toml.write_text(re.sub('"drift", "[^"]+"', f'"drift", "{model}"', toml.read_text()))
        go(Project.open(project.folder))
        for file in (project.folder / "store").glob("anchors.db*"):
            file.unlink()
    return cli("run", "-C", project.folder, "--no-report")


def test_a_run_exits_with_1_where_the_contract_holds_another_history_or_more_of_this_one(
    make: Make, anvil: Anvil, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = claimed(make(last="2024-02-01"), anvil, cli)
    go(project)
    held = project.reader().signed
    copy = Project.open(shutil.copytree(project.folder, tmp_path / "copy"))
    code, done = sealed_more(project, cli, "seasonal_naive(24)", "seasonal_naive(48)")
    assert code == 0
    assert [each["forked"] for each in done["anchored"]] == [False]

    monkeypatch.setenv("FORESEAL_STATE", str(tmp_path / "elsewhere"))
    adopt(copy, held)
    size = project.reader().size
    for models, why in (
        (["seasonal_naive(72)"], f"holds {size} entries of {project.settings.seal.origin}, more than these"),
        (
            ["seasonal_naive(96)", "seasonal_naive(120)"],
            f"its root of {size} entries is not that of this log",
        ),
    ):
        code, done = sealed_more(copy, cli, *models)
        (said,) = done["anchored"]
        assert code == 1
        assert said["forked"]
        assert why in str(said["why"])
    with pytest.raises(SystemExit) as stop:
        main(["run", "-C", str(copy.folder), "--no-report", "--watch"])
    assert stop.value.code == 1


def test_a_project_makes_an_account_deploys_claims_and_has_its_log_anchored(
    make: Make, anvil: Anvil, cli: Cli
) -> None:
    project = with_chain(make(last="2024-02-02"), anvil.url)
    here = ("-C", project.folder)
    code, made = cli("seal", "account", *here)
    assert code == 0
    assert (project.folder / "keys" / "chain.pem").stat().st_mode & 0o777 == 0o600
    assert cli("seal", "account", *here)[0] == 1
    anvil.fund(str(made["address"]))
    code, deployed = cli("seal", "deploy", *here)
    assert code == 0
    project = with_chain(project, anvil.url, str(deployed["contract"]))
    assert cli("seal", "claim", *here) == (0, {"owner": made["address"], "proven": True, "size": 0})
    assert cli("seal", "claim", *here)[0] == 1

    (said,) = go(project).anchored
    assert (said.anchor, said.stage, said.well) == ("chain", "included", True)
    assert str(said).endswith("(not final yet)")
    assert not (project.log_folder / "chain").exists()
    anvil.mine(3)
    (said,) = go(project).anchored
    assert said.stage == "final"
    assert go(project).anchored == []

    code, found = cli("verify", *here)
    verdict = found["results"][str(project.log_folder)]
    assert code == 0
    (statement,) = [line for line in verdict["statements"] if "by chain" in line]
    assert statement.startswith(f"the first {said.size} entries existed at 20")
    code, found = cli("verify", project.log_folder, "--key", project.settings.seal.key)
    assert code == 0
    assert CHAIN_NOT_CHECKED in found["results"][str(project.log_folder)]["notes"]

    # What was final once needs no node any more.
    known = believed_chain(project)
    assert known is not None
    assert len(known.blocks) == 1
    assert sorted(known.blocks) == (project.folder / "store" / BLOCKS).read_text().split()
    anvil.kill()
    code, found = cli("verify", *here)
    assert code == 0
    assert statement in found["results"][str(project.log_folder)]["statements"]


def test_blocks_that_a_reorganisation_has_taken_back_are_not_remembered(
    make: Make, anvil: Anvil, cli: Cli
) -> None:
    """A proof is published, its block goes, and until the next one is final no block is believed unasked."""
    project = claimed(make(last="2024-02-01"), anvil, cli)
    (said,) = go(project).anchored
    anvil.mine(3)
    assert go(project).anchored[0].stage == "final"
    blocks = project.folder / "store" / BLOCKS
    (gone,) = blocks.read_text().split()
    for file in [blocks, *(project.folder / "store").glob("anchors.db*")]:
        file.unlink()
    anvil.node.ask("anvil_reorg", 4, [])
    (said,) = go(project).anchored
    assert said.stage == "included"
    assert not blocks.exists()
    anvil.mine(3)
    (said,) = go(project).anchored
    assert said.stage == "final"
    assert gone not in blocks.read_text()


def test_a_run_goes_on_without_the_chain_and_says_what_is_wrong(make: Make) -> None:
    require("web3", 'pip install "foreseal[chain]"')
    project = with_chain(make(last="2024-02-02"), "http://127.0.0.1:1", "0x" + "ab" * 20)
    done = go(project)
    assert done.forecasts == 4
    (said,) = done.anchored
    assert (said.stage, said.well) == ("queued", False)
    assert "http://127.0.0.1:1 cannot be asked" in said.why


def test_without_an_account_or_a_contract_the_next_step_is_named(make: Make, anvil: Anvil) -> None:
    project = with_chain(make(last="2024-02-02"), anvil.url)
    assert believed_chain(project) is None
    (said,) = go(project).anchored
    assert "names no contract. Deploy one with `foreseal seal deploy`" in said.why
    project = with_chain(project, anvil.url, "0x" + "ab" * 20)
    (said,) = anchor_log(project, project.reader())
    assert "there is no Anchor at 0xabab" in said.why
    from foreseal.run.chain import deploy

    with pytest.raises(KeyMissing) as missing:
        deploy(project, 1)
    assert "foreseal seal account" in missing.value.hint


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('chain = "mainnet"', "is not a table"),
        ('anchors = { chain = { every = "1h" } }', "the anchor 'chain' is the key chain"),
        ('chain = { rpc = "x", chain_id = 1, every = "1s" }', "every must be at least 1min"),
    ],
)
def test_settings_of_a_chain_that_cannot_be_are_refused(make: Make, table: str, why: str) -> None:
    toml = make().folder / "foreseal.toml"
    toml.write_text(f"{toml.read_text()}{table}\n")
    with pytest.raises(SettingsError, match=why):
        load(Path(toml))
