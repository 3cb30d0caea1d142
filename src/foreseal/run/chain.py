"""Setting up a project's anchor on a chain: the account, the contract, the claim of the log's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foreseal.chain import account
from foreseal.chain import deploy as deploying
from foreseal.chain.anchor import GWEI, AnchorOptions, make_anchor
from foreseal.chain.contract import Head
from foreseal.chain.node import Node
from foreseal.errors import SettingsError
from foreseal.run.project import passphrase
from foreseal.seal.anchor import Place

if TYPE_CHECKING:
    from foreseal.run.project import Project


def make_account(project: Project) -> tuple[Path, str]:
    """Make the account; returns where its key is, and its address. Raises `Refused` if there is one."""
    path = project.folder / _options(project).key
    return path, account.make_account(path, passphrase())


def deploy(project: Project, wait: float) -> str:
    """Deploy the contract, paid by the project's account; returns its address."""
    options = _options(project)
    payer = account.load_account(project.folder / options.key, passphrase())
    return deploying.deploy(Node(options.rpc[0]), payer, options.chain_id, options.max_fee * GWEI, wait)


def claim(project: Project, *, proven: bool, wait: float) -> Head:
    """Claim the name of the project's log; returns what the contract then holds of it."""
    table, origin = project.settings.seal.chain, project.settings.seal.origin
    place = Place(project.folder, project.log_folder, passphrase())
    anchor = make_anchor({} if table is None else table.options, place)
    deploying.wait_for(anchor.node, anchor.claim(origin, proven=proven), wait)
    return anchor.head(origin)


def _options(project: Project) -> AnchorOptions:
    table = project.settings.seal.chain
    if table is None:
        raise SettingsError(
            "[seal] names no chain.",
            hint='Add, for example: chain = { rpc = "https://node.example", chain_id = 1 }',
        )
    return AnchorOptions.of(table.options)
