"""Applications: declarations on the same engine, one file each.

An application states five things in this order: *data*, *targets*, *models*, *decision*, *outcome*. Each is
a piece of TOML; ``foreseal init --app NAME`` joins them into the project's foreseal.toml, which is the truth
from then on. Beside the declaration the file gives only the code its names refer to. Applications of other
packages are found through the entry-point group ``foreseal.apps``.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.resources
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.resources.abc import Traversable
from pathlib import Path

from foreseal.errors import SettingsError


@dataclass(frozen=True, slots=True)
class App:
    """An application.

    ``data`` to ``outcome`` are TOML tables; ``files`` are copied from the example's folder into the project;
    ``extras`` names the optional dependencies that the declaration needs. ``sources`` and ``policies`` map
    names used in the TOML to classes; a model has an entry point. ``adopt`` makes the same application on
    the folder of a forecast hub that the user brings.
    """

    name: str
    title: str
    data: str
    targets: str
    models: str
    decision: str
    outcome: str
    timezone: str = "UTC"
    mode: str = "replay"
    files: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    sources: Mapping[str, type] = field(default_factory=dict)
    policies: Mapping[str, type] = field(default_factory=dict)
    adopt: Callable[[Path], App] | None = None

    def toml(self, project: str, seal: str) -> str:
        """The whole foreseal.toml of a new project called ``project``; ``seal`` is its ``[seal]`` table."""
        title = json.dumps(self.title, ensure_ascii=False)
        parts = [
            f'[project]\nname = "{project}"\ntitle = {title}\napp = "{self.name}"\n'
            f'timezone = "{self.timezone}"',
            f'[clock]\nmode = "{self.mode}"',
            f"# 1. data\n{self.data.strip()}",
            f"# 2. targets\n{self.targets.strip()}",
            f"# 3. models\n{self.models.strip()}",
            f"# 4. decision\n{self.decision.strip()}",
            f"# 5. outcome\n{self.outcome.strip()}",
            seal.strip(),
        ]
        return "\n\n".join(parts) + "\n"

    def example(self) -> Traversable:
        """The folder of this application's example data."""
        return importlib.resources.files("foreseal") / "examples" / self.name


def names() -> list[str]:
    """Every application there is, sorted."""
    own = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted({*own, *(point.name for point in entry_points(group="foreseal.apps"))})


def find(name: str) -> App:
    """The application of that name; `SettingsError` names the nearest one there is."""
    if name in {module.name for module in pkgutil.iter_modules(__path__)}:
        found = importlib.import_module(f"{__name__}.{name}").APP
    else:
        points = entry_points(group="foreseal.apps", name=name)
        if not points:
            near = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names())}."
            raise SettingsError(f"There is no application {name!r}.", hint=hint)
        found = next(iter(points)).load()
    if not isinstance(found, App):
        raise SettingsError(f"The application {name!r} is not a foreseal.apps.App.")
    return found
