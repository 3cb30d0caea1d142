"""foreseal forecast"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foreseal.cli.terminal import Terminal, json_option, project_option

if TYPE_CHECKING:
    import polars as pl

MAX_SHOWN = 48
OF_A_FILE = {
    "horizon": "--horizon",
    "freq": "--freq",
    "preset": "--preset",
    "models": "--model",
    "id_col": "--id",
    "time_col": "--time",
    "target_col": "--value",
    "date_format": "--date-format",
}


@click.command("forecast")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-h", "--horizon", type=int, default=None, help="Steps ahead, for a FILE.")
@click.option("--freq", default=None, help="Step of the series, such as 1h (default: found in the data).")
@click.option("--preset", default="balanced", help="fast, balanced or best.")
@click.option("--model", "models", multiple=True, help="A model such as seasonal_naive(24); may be repeated.")
@click.option("--id", "id_col", default="unique_id", help="Column with the series' names.")
@click.option("--time", "time_col", default="ds", help="Column with the times.")
@click.option("--value", "target_col", default="y", help="Column with the values.")
@click.option("--date-format", default="", help="How a FILE's dates are written, such as %m/%d/%Y.")
@click.option("--target", default="", help="In a project: the target (default: the only one).")
@click.option("--cutoff", default="", help="In a project: as known at this instant, 2018-08-01T05:00:00Z.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write CSV or Parquet here.")
@project_option
@json_option
def command(
    file: Path | None, horizon: int | None, out: Path | None, folder: str, as_json: bool, **options: Any
) -> None:
    """Forecast a FILE, or a project's target as known at a cutoff. Nothing is sealed.

    FILE is CSV or Parquet with columns unique_id, ds and y. Dates that may be read in two ways are refused.
    In a project the store is read as of the cutoff: by default the next one that is not sealed yet and whose
    deadline, in a live project, has not passed.
    """
    terminal = Terminal(as_json)
    if out:
        _check_out(out)
    if not file:
        _refuse_options_of_a_file()
    zone = ""
    with terminal.warnings():
        if file:
            frame, ran = _of_file(file, horizon, options)
        else:
            frame, ran, zone = _of_project(folder, options["target"], options["cutoff"], terminal)
    if out:
        frame.write_parquet(out) if out.suffix.lower() == ".parquet" else frame.write_csv(out)
        terminal.say(f"Wrote {frame.height} rows to {out}.")
    else:
        shown = _in_zone(frame.head(MAX_SHOWN), zone)
        terminal.table("", shown.columns, (map(_cell, row) for row in shown.iter_rows()), right=range(3, 99))
        if frame.height > MAX_SHOWN:
            terminal.say(f"... {frame.height - MAX_SHOWN} more rows; --out FILE.csv writes all.")
    for key in ("members", "weights", "guard"):
        if key in ran:
            terminal.say(f"{key}: {ran[key]}")
    terminal.result({"rows": frame.to_dicts(), "ran": dict(ran)})


def _of_file(file: Path, horizon: int | None, options: dict[str, Any]) -> tuple[pl.DataFrame, Any]:
    from foreseal import forecast
    from foreseal.cli.series_file import read_series
    from foreseal.errors import UsageError

    for name in ("cutoff", "target"):
        if options[name]:
            raise UsageError(
                f"--{name} is for a project; a file is forecast from its end.",
                hint="Leave it out; to forecast from an earlier time, give a file that ends there.",
            )
    if horizon is None:
        raise UsageError("How many steps ahead?", hint=f"foreseal forecast {file} -h 24")
    columns = {name: options[name] for name in ("id_col", "time_col", "target_col")}
    frame = read_series(file, date_format=options["date_format"], **columns)
    result = forecast(
        frame,
        horizon,
        preset=options["preset"],
        models=list(options["models"]) or None,
        freq=options["freq"],
        **columns,
    )
    return result.frame, result.ran


def _of_project(folder: str, name: str, cutoff: str, terminal: Terminal) -> tuple[pl.DataFrame, Any, str]:
    from foreseal.clock import LiveClock, format_instant, parse_instant
    from foreseal.errors import UsageError
    from foreseal.run import Project
    from foreseal.run.declare import models_of
    from foreseal.run.forecasting import Knowledge, forecast_series
    from foreseal.seal.schema import BASELINE

    project = Project.open(folder)
    series = [target for target in project.targets.values() if target.kind == "series"]
    chosen = [target for target in series if name in ("", target.name)]
    if len(chosen) != 1:
        known = ", ".join(target.name for target in series) or "none"
        raise UsageError(f"Which target? The project has: {known}.", hint="Say --target NAME.")
    target, now = chosen[0], LiveClock().now()
    if cutoff:
        when = parse_instant(cutoff)
    else:
        sealed = project.history().forecasts
        ahead = [
            each
            for seq, each in enumerate(target.cutoffs)
            if (target.name, BASELINE, seq) not in sealed
            and (project.replay or each + target.deadline >= now)
        ]
        when = ahead[0] if ahead else target.cutoffs[-1]
    with project.store() as store:
        names = list(dict.fromkeys((target.dataset, *target.covariates)))
        knowledge = Knowledge.latest(store, names, project.timezone)
        found = forecast_series(
            knowledge, target, when, models_of(project.settings, target.name, target.forecasters[0]), {}
        )
    about = ""
    if not project.replay and when > now:
        about = " (not reached yet: this is from what is known now)"
    elif not project.replay and when + target.deadline < now:
        about = " (its deadline has passed)"
    terminal.say(f"{target.name} as known at {format_instant(when)}{about}, not sealed; unit {target.unit}")
    terminal.say(f"Times in the table are those of {project.timezone}.")
    return found.frame, found.ran, project.timezone


def _refuse_options_of_a_file() -> None:
    from foreseal.errors import UsageError

    context = click.get_current_context()
    for name, option in OF_A_FILE.items():
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            raise UsageError(
                f"{option} is for a FILE; in a project foreseal.toml says it.",
                hint="Name the FILE first, or leave the option out.",
            )


def _check_out(out: Path) -> None:
    from foreseal.errors import UsageError

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"{out} would be neither CSV nor Parquet.", hint="Give a name in .csv or .parquet.")
    if not out.parent.is_dir():
        raise UsageError(f"There is no folder {out.parent}.", hint="Make it first, or give another --out.")


def _in_zone(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    """``frame`` with its instants on the clock of ``zone``, if there is one."""
    import polars as pl

    if not zone:
        return frame
    return frame.with_columns(pl.col("ds", "cutoff").dt.convert_time_zone(zone))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    # The zone's letters tell the two hours of one name apart, when clocks are set back.
    return f"{value:%Y-%m-%d %H:%M %Z}".rstrip() if isinstance(value, datetime) else str(value)
