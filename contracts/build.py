"""Compile the contracts into the package: ``python contracts/build.py``. Needs the extra ``dev``.

The compiler's version and the EVM's are named in the sources, so the same source gives the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "contracts" / "Anchor.vy"
ARTIFACT = ROOT / "src" / "foreseal" / "chain" / "Anchor.json"


def compiled(source: Path = SOURCE) -> dict[str, Any]:
    """What the package ships of a contract: ABI, bytecode to deploy and as deployed, slots of its storage."""
    from vyper import __version__
    from vyper.compiler import compile_code

    found = compile_code(
        source.read_text(encoding="utf-8"),
        output_formats=["abi", "bytecode", "bytecode_runtime", "layout"],
    )
    slots = {name: each["slot"] for name, each in found["layout"]["storage_layout"].items()}
    return {
        "source": f"contracts/{source.name}",
        "compiler": f"vyper {__version__}",
        "abi": found["abi"],
        "bytecode": found["bytecode"],
        "runtime": found["bytecode_runtime"],
        "slots": slots,
    }


def printed(artifact: dict[str, Any]) -> str:
    """The artifact as its file has it."""
    return json.dumps(artifact, indent=1) + "\n"


if __name__ == "__main__":
    ARTIFACT.write_text(printed(compiled()), encoding="utf-8")
