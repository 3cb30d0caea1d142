"""foreseal export"""

from __future__ import annotations

from pathlib import Path

import click

from foreseal.cli.terminal import Terminal, json_option, project_option


@click.command("export")
@click.argument("dataset")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@project_option
@json_option
def command(dataset: str, file: Path, folder: str, as_json: bool) -> None:
    """Write every vintage of DATASET to FILE (.parquet or .csv), with both clocks.

    A dataset of cases gives two files, with -features and -labels in their names. Personal data is written in
    plain text, which `foreseal erase` cannot reach, and not into the project folder.
    """
    from foreseal.errors import UsageError
    from foreseal.run import Project
    from foreseal.run.collecting import source_of

    terminal = Terminal(as_json)
    if file.suffix not in (".parquet", ".csv"):
        raise UsageError(f"{file} is neither .parquet nor .csv.", hint="Name the file accordingly.")
    project = Project.open(folder)
    with project.store() as store:
        parts = store.schema(dataset).parts
        for each in (file, *(file.with_stem(f"{file.stem}-{part.name}") for part in parts)):
            source = source_of(project, each)
            if source:
                raise UsageError(
                    f"{each} is what the dataset {source} is collected from.",
                    hint="Give another name: an export never takes the place of a source.",
                )
        if store.schema(dataset).personal and file.resolve().is_relative_to(project.folder.resolve()):
            raise UsageError(
                f"{dataset} is personal, and {file} lies inside the project, which holds it only encrypted.",
                hint="Write it elsewhere, and remove it when it is no longer needed.",
            )
        rows = store.export(dataset, file, "csv" if file.suffix == ".csv" else "parquet")
    terminal.say(f"Wrote {rows} vintages of {dataset}.")
    terminal.result({"dataset": dataset, "rows": rows})
