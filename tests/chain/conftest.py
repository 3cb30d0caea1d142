"""A timestamp authority of openssl, a chain of one node, and a log to be anchored."""

from __future__ import annotations

from pathlib import Path

import pytest
from authorities import LocalAuthority
from chains import Port, started
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal.chain.rfc3161 import Authority
from foreseal.run.anvil import Anvil
from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from tests.conftest import require


@pytest.fixture(scope="session")
def openssl() -> str:
    require("rfc3161_client", 'pip install "foreseal[timestamp]"')
    return require("openssl", "apt-get install openssl")


@pytest.fixture(scope="session")
def made(openssl: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalAuthority, LocalAuthority]:
    """Two authorities that do not know each other."""
    folder = tmp_path_factory.mktemp("authorities")
    return (
        LocalAuthority(folder / "good", "Good", openssl).make(),
        LocalAuthority(folder / "other", "Other", openssl).make(),
    )


@pytest.fixture
def local(made: tuple[LocalAuthority, LocalAuthority]) -> LocalAuthority:
    """The authority that is trusted, without what a test before did to it."""
    return LocalAuthority(made[0].folder, made[0].name, made[0].openssl)


@pytest.fixture
def other(made: tuple[LocalAuthority, LocalAuthority]) -> LocalAuthority:
    """An authority that nobody named."""
    return LocalAuthority(made[1].folder, made[1].name, made[1].openssl)


@pytest.fixture
def authority(local: LocalAuthority) -> Authority:
    return Authority.load(local.root)


@pytest.fixture
def log(tmp_path: Path):
    signer = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    with Log.create(tmp_path / "log", signer, tmp_path / "state" / "lock.db") as log:
        log.append(b"entry %d" % number for number in range(15))
        yield log


@pytest.fixture(scope="session")
def node():
    require("web3", 'pip install "foreseal[chain]"')
    with started() as anvil:
        yield anvil


@pytest.fixture
def anvil(node: Anvil):
    """A chain of one node on a free local port, where every block but the last two is final."""
    yield node
    node.node.ask("evm_setAutomine", True)
    node.node.ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    node.mine()


@pytest.fixture
def port(anvil: Anvil, tmp_path: Path) -> Port:
    """An account on it, and the contract."""
    return Port.open(anvil, tmp_path / "account")
