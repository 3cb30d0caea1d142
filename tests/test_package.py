"""What is installed stays small, typed, and free of what it does not need."""

from __future__ import annotations

import importlib.metadata as metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import foreseal

LIMIT_MB = 350


def closure(name: str) -> dict[str, metadata.Distribution]:
    """A distribution and everything that its base install (no extras) pulls in here."""
    found: dict[str, metadata.Distribution] = {}
    queue = [name]
    while queue:
        each = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if each in found:
            continue
        found[each] = metadata.distribution(each)
        for requirement in found[each].requires or ():
            text, _, marker = requirement.partition(";")
            if "extra ==" in marker or "sys_platform" in marker or "python_version <" in marker:
                continue
            queue.append(re.split(r"[\s\[<>=!~(]", text.strip(), maxsplit=1)[0])
    return found


def size(distribution: metadata.Distribution) -> int:
    paths = (Path(str(file.locate())) for file in distribution.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())


def test_the_base_install_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    parts = {name: size(distribution) / 1e6 for name, distribution in closure("foreseal").items()}
    parts["foreseal"] = (
        sum(p.stat().st_size for p in Path(foreseal.__path__[0]).rglob("*") if p.is_file()) / 1e6
    )
    total = sum(parts.values())
    with capsys.disabled():
        sys.stdout.write(f"\nbase install: {total:.0f} MB in {len(parts)} packages, limit {LIMIT_MB} MB\n")
    assert total < LIMIT_MB, parts
    assert not {"pandas", "pyarrow", "scipy", "torch", "onnxruntime"} & set(parts)


def test_public_names_resolve_and_are_imported_only_when_asked_for() -> None:
    for name in foreseal.__all__:
        assert getattr(foreseal, name) is not None
    assert dir(foreseal) == sorted(foreseal.__all__)
    with pytest.raises(AttributeError, match="no attribute 'forcast'"):
        foreseal.forcast  # noqa: B018
    program = "import sys, foreseal; sys.exit(bool({'numpy', 'polars'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_offline_verifier_needs_the_standard_library_and_cryptography_only() -> None:
    program = (
        "import sys, foreseal.seal.verify\n"
        "foreign = {m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)\n"
        "foreign -= {'foreseal', 'cryptography', '_cffi_backend', '_openssl', '__main__'}\n"
        "own = ('__editable__', '_foreseal', '_distutils_hack', 'sitecustomize')\n"
        "print(sorted(name for name in foreign if not name.startswith(own)))"
    )
    out = subprocess.check_output([sys.executable, "-c", program], text=True).strip()
    assert out == "[]"


def test_examples_and_templates_lie_inside_the_package() -> None:
    root = Path(foreseal.__path__[0])
    assert (root / "py.typed").is_file()
    assert (root / "examples" / "traffic" / "i94.csv.gz").is_file()
    assert "CC BY 4.0" in (root / "examples" / "traffic" / "SOURCE.md").read_text("utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    assert metadata.version("foreseal") == foreseal.__version__
