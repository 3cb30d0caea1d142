"""Try a target before it is declared: what is sealed wrongly stays wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foreseal.clock import LiveClock
from foreseal.errors import SettingsError
from foreseal.frame import coarser
from foreseal.predict.catalogue import resolve_classifier, resolve_survival
from foreseal.predict.grid import Grid
from foreseal.run import declare, lifetimes
from foreseal.run.forecasting import Knowledge
from foreseal.seal.schema import BASELINE

if TYPE_CHECKING:
    from foreseal.records import Target
    from foreseal.run.session import Session


def try_target(session: Session, target: Target) -> None:
    """Raise `UsageError` if a target's models do not exist or lack their weights, or its data step otherwise.

    The data are those known now, or at its last cutoff; where there are none yet, only the models are tried.
    """
    for forecaster in (*target.forecasters, BASELINE):
        models = declare.models_of(session.project.settings, target.name, forecaster)
        if target.kind == "series":
            declare.origins(models)
        elif forecaster != BASELINE:
            for member in models.members:
                resolve_survival(member) if target.survival else resolve_classifier(member)
    if target.survival:
        lifetimes.check(session.store, target.dataset)
    if target.kind == "cases" or target.freq is None:
        return
    names = list(dict.fromkeys((target.dataset, *target.covariates)))
    knowledge = Knowledge.latest(session.store, names, session.project.timezone)
    panel = knowledge.panel(target, min(target.cutoffs[-1], LiveClock().now()))
    if panel.frame.is_empty():
        return
    Grid.of(panel)
    found = coarser(panel.frame, target.freq, panel.timezone)
    if found:
        raise SettingsError(
            f"its freq is {target.freq}, but its series step by {found}: most steps would have no outcome.",
            hint=f'Set freq = "{found}".',
        )
