"""A power cut while witnesses cosign: a witness never forgets what it has answered, a log no cosignature."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest
from powerloss import Disk, python, record, replay

from foreseal.seal.checkpoint import open_checkpoint
from foreseal.seal.cosigned import read_cosigned
from foreseal.seal.log import Log
from foreseal.seal.note import parse_note
from foreseal.seal.verify import verify_log
from foreseal.seal.witness import origin_path

SCRIPT = Path(__file__).with_name("cosign_loop.py")
COUNT = 4


@pytest.fixture(scope="module")
def loop() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cosign_loop", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, strace: str) -> tuple[Path, Path]:
    """A folder's path and the trace of what the script did in it."""
    root, trace = tmp_path_factory.mktemp("power") / "disk", tmp_path_factory.mktemp("trace") / "trace"
    root.mkdir()
    done = record(python(SCRIPT, root, COUNT), root, trace)
    assert done.returncode == 0, done.stderr
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return root, trace


def acknowledged(lines: list[str], what: str) -> int:
    """The largest size of which this was said."""
    return max((int(line.split()[1]) for line in lines if line.startswith(what)), default=0)


def check(loop: ModuleType, folder: Path, lines: list[str]) -> None:
    seen, cosigned = acknowledged(lines, "witness"), acknowledged(lines, "cosigned")
    if seen:
        reply = loop.open_witness(folder).checkpoint(origin_path(loop.SIGNER.name))
        assert reply.status == 200, "the witness has forgotten the log"
        held = open_checkpoint(reply.body.encode(), [loop.SIGNER.verifier])
        assert held.size >= seen, "the witness has forgotten what it cosigned"
    if not cosigned:
        return
    key = loop.COSIGNER.verifier
    with Log.open(folder / "log", loop.SIGNER, folder / "state" / "lock.db", [key]) as log:
        assert log.size >= cosigned
        kept = read_cosigned(log.folder)
        for size in range(1, cosigned + 1):
            found = parse_note(kept[size])
            assert [line for _, line in found.verified([key])], f"the cosignature of {size} is lost"
        if log.size == cosigned:
            assert list(parse_note(log.signed).verified([key])), "the checkpoint has lost its cosignature"
        log.append([b"after the power cut"])
    verdict = verify_log(folder / "log", [loop.SIGNER.verifier])
    assert not [each for each in verdict.problems if each.code not in ("canonical", "fields")], verdict


@pytest.mark.parametrize("keep", ["synced", "names", "random"])
def test_threat_13_after_a_power_cut_nothing_that_was_cosigned_is_forgotten(
    loop: ModuleType, tmp_path: Path, recording: tuple[Path, Path], keep: str
) -> None:
    dice, images, said = random.Random(5), 0, 0
    for step, disk in enumerate(replay(Disk(recording[0]), recording[1])):
        fresh = len(disk.acknowledged) > said
        said = len(disk.acknowledged)
        if not fresh and (step + len(keep)) % 3:
            continue
        folder = tmp_path / str(step)
        disk.image(folder, dice if keep == "random" else keep)
        try:
            check(loop, folder, disk.acknowledged)
        except Exception as error:
            raise AssertionError(f"power cut after operation {step}, {disk.operation}: {error}") from error
        images += 1
    assert said == 2 * COUNT
    assert images > 30
