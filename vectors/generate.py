"""Write the shared vectors that every verifier is tested with: ``python vectors/generate.py``.

Keys and times are fixed, so the file is always the same. The vectors themselves, and the verdict on each, are
in tests/support/verdicts.py; the file is for verifiers in any language. ``contents`` holds pieces of base64,
a file of a vector is the pieces it names, joined. ``form`` says what is verified: a receipt, a zip, the files
of an evidence folder, or those of a published log. ``trust`` is a policy, or one verifier key, or empty.
``expected`` is the verdict: ok, level, and the code of the first problem; or ``unusable``, where the policy
itself must be refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support")]

from verdicts import to_json, vectors  # noqa: E402

if __name__ == "__main__":
    (ROOT / "vectors" / "verdicts.json").write_text(to_json(vectors()), encoding="utf-8")
