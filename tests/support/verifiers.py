"""The three verifiers behind one question: what is the verdict on these files, trusting these keys?

A verdict is ``(ok, level, code of the first problem)``, or ``"unusable"`` where policy or key cannot be used.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import foreseal
from foreseal.errors import ProofError, UsageError
from foreseal.seal.evidence import verify_evidence
from foreseal.seal.policy import Policy, parse_policy
from foreseal.seal.verify import Verdict, verify_log, verify_receipt

Answer = tuple[bool, str, str] | str
Case = tuple[str, Mapping[str, bytes], str, tuple[str, ...]]
"""``(form, files, trust, targets)`` as in `verdicts.Vector`."""

FOLDER = Path(foreseal.__file__).parent / "seal" / "verifier"
PAGE = FOLDER / "verify.html"


def is_policy(trust: str) -> bool:
    return " " in trust


def put(case: Case, room: Path) -> Path:
    """The files of a case on disk; the path that a verifier is given."""
    form, files, _, _ = case
    if form in ("receipt", "zip"):
        path = room / ("r.tlog-proof" if form == "receipt" else "e.zip")
        path.write_bytes(files[form])
        return path
    folder = room / "files"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tile" / "0").mkdir(parents=True) if form == "log" else folder.mkdir()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def ask_package(case: Case, path: Path) -> Answer:
    try:
        verdict = _package(case, path)
    except (UsageError, ProofError):
        return "unusable"
    return verdict.ok, verdict.level, next(iter(verdict.codes), "")


def package_says(case: Case, path: Path) -> list[str]:
    """The statements of its verdict."""
    return list(_package(case, path).statements)


def _package(case: Case, path: Path) -> Verdict:
    form, _, trust, targets = case
    if not trust:
        policy = Policy()
    else:
        policy = parse_policy(trust) if is_policy(trust) else Policy.of([trust])
    if form == "receipt":
        return verify_receipt(path.read_bytes(), policy)
    if form == "log":
        return verify_log(path, policy, targets)
    return verify_evidence(path, policy, targets)


@lru_cache(maxsize=1)
def one_file() -> ModuleType:
    """foreseal_verify.py, loaded as the stranger that it is."""
    spec = importlib.util.spec_from_file_location("foreseal_verify", FOLDER / "foreseal_verify.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["foreseal_verify"] = module
    spec.loader.exec_module(module)
    return module


def ask_one_file(case: Case, path: Path) -> Answer:
    module = one_file()
    try:
        verdict = _one_file(case, path)
    except (module.Unusable, module.Wrong):
        return "unusable"
    return verdict.ok, verdict.level, verdict.problems[0][0] if verdict.problems else ""


def one_file_says(case: Case, path: Path) -> list[str]:
    """The statements of its verdict."""
    return list(_one_file(case, path).says)


def _one_file(case: Case, path: Path) -> Any:
    _, _, trust, targets = case
    module = one_file()
    policy = module.Policy()
    if is_policy(trust):
        policy.read(trust)
    elif trust:
        policy.logs.append(module.read_key(trust, 1))
    return module.verify(path, policy, set(targets))


def core_script() -> str:
    """The verification core of verify.html."""
    found = re.search(r'<script id="core">(.*?)</script>', PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def _listed_in_english() -> str:
    """How the page words what is listed: members of an object of functions."""
    found = re.search(r"(settled: \(\{.*?)timestamp:", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


_RUNNER = r"""
const readline = require("node:readline");
const fs = require("node:fs");
globalThis.crypto ??= require("node:crypto").webcrypto;
const V = new Function(fs.readFileSync(process.argv[2], "utf8") + "\nreturn ForesealVerify;")();

// One process judges many cases that differ little: what was computed once is remembered.
const remembered = (compute, limit) => {
  const known = new Map();
  return async (...parts) => {
    const key = parts.map((part) => Buffer.from(part).toString("latin1")).join("|");
    if (!known.has(key)) {
      if (known.size > limit) known.clear();
      known.set(key, await compute(...parts));
    }
    return known.get(key);
  };
};
V.primitives.ed25519 = remembered(V.primitives.ed25519, 50000);
V.primitives.sha256 = remembered(V.primitives.sha256, 50000);

// Unlike browsers, this version of node takes a stream with bytes after its end.
V.primitives.inflate = async (data) => {
  const { buffer, engine } = require("node:zlib").inflateRawSync(data, { info: true });
  if (engine.bytesWritten !== data.length) throw new Error("bytes after the end");
  return new Uint8Array(buffer);
};

// What the page's English says of what is listed.
const english = new Function(`return { ${fs.readFileSync(process.argv[3], "utf8")} };`)();

async function answer({ form, files, trust, targets, says }) {
  let policy;
  try {
    const read = trust.includes(" ") ? V.readPolicy : (key) => V.trustKeys([key]);
    policy = trust ? await read(trust) : V.noPolicy();
  } catch (error) {
    if (error instanceof V.Unusable) return "unusable";
    throw error;
  }
  const bytes = (data) => new Uint8Array(Buffer.from(data, "base64"));
  const source = new Map(Object.entries(files).map(([name, data]) => [name, bytes(data)]));
  const verdict =
    form === "receipt" ? await V.verifyReceipt(source.get("receipt"), policy)
    : form === "zip" ? await V.verifyZip(source.get("zip"), policy, targets)
    : await V.verifyFiles(source, policy, targets, form === "log");
  const listed = verdict.says.filter(({ id }) => english[id]);
  if (says) return listed.map(({ id, ...values }) => english[id](values));
  return [verdict.ok, verdict.level, verdict.problems[0]?.code ?? ""];
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let said;
    try {
      said = await answer(JSON.parse(line));
    } catch (error) {
      said = `crash: ${error.stack}`;
    }
    process.stdout.write(JSON.stringify(said) + "\n");
  }
})();
"""


class Node:
    """The core of verify.html in node, one process for many questions."""

    def __init__(self, node: str, room: Path) -> None:
        (room / "core.js").write_text(core_script(), "utf-8")
        (room / "english.js").write_text(_listed_in_english(), "utf-8")
        (room / "runner.cjs").write_text(_RUNNER, "utf-8")
        command = [node, *(str(room / name) for name in ("runner.cjs", "core.js", "english.js"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, cases: Iterable[Case], *, says: bool = False) -> Iterator[Any]:
        """The verdicts, in order, or what they list. Questions are written some ahead of the answers."""
        asked = 0
        for case in cases:
            self._send(case, says)
            asked += 1
            if asked >= 8:
                yield self._receive()
                asked -= 1
        for _ in range(asked):
            yield self._receive()

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def _send(self, case: Case, says: bool) -> None:
        form, files, trust, targets = case
        encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
        question = {"form": form, "files": encoded, "trust": trust, "targets": targets, "says": says}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()

    def _receive(self) -> Answer:
        assert self._process.stdout
        said: Any = json.loads(self._process.stdout.readline())
        return said if isinstance(said, str) else tuple(said) if said and said[0] in (True, False) else said
