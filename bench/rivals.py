"""The same work by other people's logs: pymerkle 7 (PyPI) and hypercore 11.37.0 (npm).

hypercore is installed once into a cache folder (``$XDG_CACHE_HOME/foreseal-bench``) if node and npm are
there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

HYPERCORE = "11.37.0"

_SCRIPT = """\
import Hypercore from 'hypercore'
const [folder, singles, batches, proofs, size] = process.argv.slice(2)
const entry = k => Buffer.from(String(k).padStart(Number(size), '0'))
const core = new Hypercore(folder)
await core.ready()
const now = () => Number(process.hrtime.bigint()) / 1e9
const found = {}
let start = now()
for (let k = 0; k < singles; k++) await core.append(entry(k))
found.single = singles / (now() - start)
start = now()
for (let k = 0; k < batches; k++) await core.append(Array.from({ length: 1000 }, (_, i) => entry(i)))
found.batch = batches * 1000 / (now() - start)
const request = k => ({ block: { index: (k * 7919) % core.length, nodes: 0 },
                        upgrade: { start: 0, length: core.length } })
start = now()
for (let k = 0; k < proofs; k++) await core.proof(request(k))
found.proof = proofs / (now() - start)
console.log(JSON.stringify(found))
await core.close()
"""


def hypercore(folder: Path, singles: int, batches: int, proofs: int, size: int) -> dict[str, float] | str:
    """Rates of single appends, appends of 1000 (entries a second) and proofs; or why there are none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return "hypercore is left out: node and npm are not installed."
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foreseal-bench"
    if not (cache / "node_modules" / "hypercore").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(cache)]
        done = subprocess.run(
            [*install, f"hypercore@{HYPERCORE}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"hypercore is left out: npm cannot install {HYPERCORE}."
    script = cache / "bench.mjs"
    script.write_text(_SCRIPT)
    arguments = [str(folder), *map(str, (singles, batches, proofs, size))]
    done = subprocess.run([node, str(script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"hypercore is left out: it failed ({done.stderr.strip().splitlines()[-1:]})."
    found: dict[str, float] = json.loads(done.stdout)
    return found


def pymerkle() -> object | str:
    """The module, or why it is left out."""
    try:
        import pymerkle as module
    except ImportError:
        return 'pymerkle is left out: it is not installed (pip install "foreseal[bench]").'
    return module
