"""Large models that a user brings: checkpoints of Chronos-2, Chronos-Bolt and TimesFM (extra ``foundation``).

A checkpoint is a folder on this machine, pinned by a digest (`foreseal.predict.checkpoint`); nothing is
fetched and no pickle is loaded. Series are forecast one by one, each less its mean in units of its deviation,
and without covariates. Levels between the model's own, and beyond them, lie on straight lines over the
normal distribution's quantiles.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from foreseal.clock import Frequency
from foreseal.errors import MissingExtra, ModelError
from foreseal.frame import Panel
from foreseal.predict.checkpoint import Checkpoint, checked
from foreseal.predict.contexts import Said, silence, warn_if_certain
from foreseal.predict.grid import FloatArray, Grid, IntArray
from foreseal.predict.naive import SeasonalNaive
from foreseal.predict.pretrained import at_levels
from foreseal.records import Forecast

EXTRA = "foundation"
# Series that are forecast at a time.
BATCH = 32
LIBRARIES = ("chronos-forecasting", "transformers", "torch")


class Network(Protocol):
    """A checkpoint in memory: its own ``levels`` and the longest history that it reads."""

    levels: tuple[float, ...]
    context: int

    def __call__(self, histories: Sequence[FloatArray], reach: int, freq: Frequency) -> FloatArray:
        """Quantiles (series, reach, levels) of histories that may hold NaN, though not at their start."""
        ...


@dataclass
class Chronos:
    """Chronos-2 or Chronos-Bolt from the folder ``path``, pinned by its ``digest``.

    ``context`` is how many values of a history are read, at most and by default as many as the checkpoint
    takes. Missing values are left to the model. Beyond its own horizon it goes on as its library does. A
    series without a value in the context gets the seasonal naive forecast's quantiles, with a warning.
    """

    path: str = ""
    digest: str = ""
    context: int | None = None
    grid_: Grid | None = field(default=None, init=False, repr=False, compare=False)

    family: ClassVar[str] = "chronos"

    @property
    def called(self) -> str:
        """A short name that tells checkpoints apart."""
        own = "" if self.context is None else f"-{self.context}"
        return f"{self.family}-{self.digest[:12]}{own}"

    def origin(self) -> dict[str, str]:
        """See `foreseal.predict.model.Trained`. Raises `ModelError` if the checkpoint is not as pinned."""
        found = checked(self.path, self.digest)
        return {"checkpoint": found.digest, "architecture": found.architecture, "libraries": _libraries()}

    def fit(self, panel: Panel) -> Self:
        if self.context is not None and (not isinstance(self.context, int) or self.context < 1):
            raise ModelError(f"A context of {self.context!r} values is impossible.", hint="Give at least 1.")
        checked(self.path, self.digest)
        self.grid_ = Grid.of(panel)
        return self

    def predict(self, h: int, quantiles: Sequence[float]) -> Forecast:
        if self.grid_ is None:
            raise ModelError("The model has not been fitted.", hint="Call fit(panel) first.")
        grid = self.grid_
        network = load(self.family, self.path, self.digest)
        context = min(self.context or network.context, network.context)
        reach, levels = grid.reach(h), np.asarray(quantiles, np.float64)
        values = np.empty((len(grid.ids), reach, len(levels)))
        gone = silence(grid.y) >= context
        silent, heard = np.flatnonzero(gone), np.flatnonzero(~gone)
        if len(silent):
            values[silent] = SeasonalNaive().ahead(grid, grid.y[silent], reach, quantiles)[0]
        for rows, histories in _batches(grid.y[heard], context):
            level, scale, even = _units(histories)
            alike = [
                (y / size - at) / width
                for y, size, at, width in zip(histories, scale, level, even, strict=True)
            ]
            z = np.sort(network(alike, reach, grid.freq), axis=2)
            said = at_levels(z, network.levels, levels) * even[:, None, None] + level[:, None, None]
            values[heard[rows]] = scale[:, None, None] * said
        _hold_still(values, grid.y)
        warn_if_certain(self, grid)
        made = Said(values, silent, np.empty(0, np.int64))
        made.warn(self, grid)
        return Forecast(grid.to_frame(values, h, quantiles), tuple(quantiles), self.origin() | made.told())


@dataclass
class TimesFM(Chronos):
    """TimesFM 2.0 or 2.5, in the format of transformers, from the folder ``path``, pinned by its ``digest``.

    Missing values are filled by straight lines. Beyond its own horizon it reads its own medians as history,
    so that its intervals stop growing there.
    """

    family: ClassVar[str] = "timesfm"


@functools.lru_cache(maxsize=2)
def load(family: str, path: str, digest: str) -> Network:
    """The network of a checkpoint, read once a process. Raises `ModelError` if it is of another family."""
    checkpoint = checked(path, digest)
    make = MAKERS.get((family, checkpoint.architecture))
    if make is None:
        fitting = [name for own, name in MAKERS if own == family]
        raise ModelError(
            f"The checkpoint {path!r} is of the architecture {checkpoint.architecture!r}, which {family!r} "
            "does not know.",
            hint=f"It takes {' or '.join(fitting)}.",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import transformers
        except ImportError:
            raise MissingExtra(EXTRA, f"The model {family!r}") from None
        with _quietly(transformers):
            made: Network = make(checkpoint)
    return made


class _Chronos:
    """A pipeline of the package chronos-forecasting."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        try:
            import chronos
            from chronos.chronos_bolt import ChronosBoltModelForForecasting
        except ImportError:
            raise MissingExtra(EXTRA, "The model 'chronos'") from None
        if checkpoint.architecture == "Chronos2Model":
            self.pipeline = chronos.Chronos2Pipeline(_read(chronos.Chronos2Model, checkpoint))
        else:
            self.pipeline = chronos.ChronosBoltPipeline(_read(ChronosBoltModelForForecasting, checkpoint))
        self.levels = tuple(float(level) for level in self.pipeline.quantiles)
        self.context = int(self.pipeline.model_context_length)

    def __call__(self, histories: Sequence[FloatArray], reach: int, freq: Frequency) -> FloatArray:
        given = [_tensor(self.pipeline.model, y) for y in histories]
        with warnings.catch_warnings():
            # That it is asked for more steps than it was trained on is said in the documentation.
            warnings.simplefilter("ignore")
            said = self.pipeline.predict(given, prediction_length=reach)
        rows = [np.asarray(each, np.float64).reshape(len(self.levels), reach).T for each in said]
        return np.stack(rows)


class _TimesFM:
    """A model for prediction of the package transformers."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        import transformers

        self.model = _read(getattr(transformers, checkpoint.architecture), checkpoint)
        self.levels = tuple(float(level) for level in self.model.config.quantiles)
        self.context = int(self.model.config.context_length)
        self.patch = int(self.model.config.patch_length)
        self.newer = checkpoint.architecture.startswith("TimesFm2_5")

    def __call__(self, histories: Sequence[FloatArray], reach: int, freq: Frequency) -> FloatArray:
        known = [_filled(y) for y in histories]
        parts: list[FloatArray] = []
        while sum(part.shape[1] for part in parts) < reach:
            said = self._ahead(known, freq)
            parts.append(said)
            middle = at_levels(said, self.levels, np.array([0.5]))[:, :, 0]
            known = [np.append(y, next_)[-self.context :] for y, next_ in zip(known, middle, strict=True)]
        return np.concatenate(parts, axis=1)[:, :reach]

    def _ahead(self, known: Sequence[FloatArray], freq: Frequency) -> FloatArray:
        """Quantiles (series, own horizon, levels)."""
        longest = max(map(len, known))
        # Padding to the whole context would only cost time. Bounds at zero would be those of the whole batch.
        how: dict[str, Any] = {"forecast_context_len": -(-longest // self.patch) * self.patch}
        if not self.newer:
            how = {"freq": [pace(freq)] * len(known)}
        how["truncate_negative"] = False
        made = self.model(past_values=[_tensor(self.model, y) for y in known], **how)
        return np.asarray(made.full_predictions, np.float64)[:, :, 1:]


MAKERS: dict[tuple[str, str], Any] = {
    ("chronos", "Chronos2Model"): _Chronos,
    ("chronos", "ChronosBoltModelForForecasting"): _Chronos,
    ("timesfm", "TimesFmModelForPrediction"): _TimesFM,
    ("timesfm", "TimesFm2_5ModelForPrediction"): _TimesFM,
}


def _read(kind: Any, checkpoint: Checkpoint) -> Any:
    """The model of a checkpoint, without gradients. What it lacks would be made up, so that is refused."""
    # The classes name weights whose absence is not told.
    strict: Any = type(kind.__name__, (kind,), {"_keys_to_ignore_on_load_missing": None})
    try:
        model, told = strict.from_pretrained(
            str(checkpoint.folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype="float32",
            output_loading_info=True,
        )
    except Exception as error:
        raise ModelError(
            f"The checkpoint {str(checkpoint.folder)!r} cannot be read: {error}",
            hint="It was damaged before it was pinned, or is of another version of its library.",
        ) from error
    absent = sorted(told["missing_keys"])
    if absent:
        raise ModelError(
            f"The checkpoint {str(checkpoint.folder)!r} lacks {len(absent)} weights, such as {absent[0]}.",
            hint="It is cut short, or its configuration is that of another model.",
        )
    return model.eval().requires_grad_(False)


def _tensor(model: Any, values: FloatArray) -> Any:
    return next(model.parameters()).new_tensor(values)


@contextmanager
def _quietly(transformers: Any) -> Iterator[None]:
    """Without bars of progress and reports, for as long as something is loaded."""
    said = transformers.utils.logging
    shown, level = said.is_progress_bar_enabled(), said.get_verbosity()
    said.disable_progress_bar()
    said.set_verbosity_error()
    try:
        yield
    finally:
        said.set_verbosity(level)
        if shown:
            said.enable_progress_bar()


def _batches(y: FloatArray, context: int) -> Iterator[tuple[IntArray, list[FloatArray]]]:
    """Rows of y (series, T) and their histories from a value on, alike in length, `BATCH` at a time."""
    histories = [_latest(row, context) for row in y]
    order = np.argsort([len(each) for each in histories], kind="stable")
    for low in range(0, len(order), BATCH):
        rows = order[low : low + BATCH]
        yield rows, [histories[row] for row in rows]


def _latest(y: FloatArray, context: int) -> FloatArray:
    """The last ``context`` values, from the first one that is there."""
    part = y[-context:]
    return part[int(np.isfinite(part).argmax()) :]


def _units(histories: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Level, size and deviation of each: a history is size * (level + deviation * z)."""
    size = np.array([np.nanmax(np.abs(y), initial=0.0) for y in histories])
    size[size == 0.0] = 1.0
    level = np.array([np.nanmean(y / s) for y, s in zip(histories, size, strict=True)])
    width = np.array([np.nanstd(y / s) for y, s in zip(histories, size, strict=True)])
    width[width == 0.0] = 1.0
    return level, size, width


def _hold_still(values: FloatArray, y: FloatArray) -> None:
    """A series that never changed is forecast to stay where it is, in place of ``values``."""
    seen = np.isfinite(y)
    low = np.where(seen, y, np.inf).min(axis=1)
    same = low >= np.where(seen, y, -np.inf).max(axis=1)
    values[same] = low[same, None, None]


def _filled(y: FloatArray) -> FloatArray:
    """Gaps filled by straight lines, at the end by the last value."""
    seen = np.isfinite(y)
    if seen.all():
        return y
    at = np.arange(len(y))
    return np.interp(at, at[seen], y[seen])


def pace(freq: Frequency) -> int:
    """TimesFM's own class of frequencies: 0 up to days, 1 weeks and months, 2 longer."""
    if freq.step is not None:
        return 0 if freq.step.days < 7 else 1
    return 1 if freq.months < 3 else 2


def _libraries() -> str:
    told = []
    for name in LIBRARIES:
        try:
            told.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            raise MissingExtra(EXTRA, "A large model") from None
    return ", ".join(told)
