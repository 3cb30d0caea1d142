"""foreseal decide"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from foreseal.cli.terminal import Terminal, json_option, project_option

if TYPE_CHECKING:
    from foreseal.run import Project
    from foreseal.run.results import Decided


def _show_case(terminal: Terminal, project: Project, decided: Decided, case: str) -> None:
    from foreseal.errors import UsageError
    from foreseal.run import reasons

    dataset = project.targets[str(decided.said.body["target"])].dataset
    with project.store() as store:
        if project.settings.datasets[dataset].personal:
            case = store.pseudonyms(dataset, [case]).get(case, case)
        stated = {each.key: str(each.value) for each in decided.options[decided.chosen]}
        if case not in stated:
            raise UsageError(
                f"{decided.name} {decided.seq} decides nothing about this case.",
                hint="Give the pseudonym, or the id as the source writes it.",
            )
        key = reasons.PREFIX + case
        about = (dataset, decided.seq, decided.cutoff)
        told = {case: stated[key]} if key in stated else {}
        why = reasons.read(project, store, decided.name, about, told).get(case, ())
    consent = stated.get(f"consent {case}", "")
    terminal.say(f"{case}: {stated[case]}")
    for reason in why:
        terminal.say(f"  {reason}")
    if consent:
        terminal.say(f"  consent {consent}")
    terminal.result(
        {
            "decision": decided.name,
            "seq": decided.seq,
            "case": case,
            "act": stated[case],
            "reasons": list(why),
            "consent": consent,
        }
    )


@click.command("decide")
@click.argument("decision", required=False, default="")
@click.argument("seq", required=False, type=int)
@click.option("--case", default="", help="One case: what is done about it, on whose consent, and why.")
@project_option
@json_option
def command(decision: str, seq: int | None, case: str, folder: str, as_json: bool) -> None:
    """List the sealed decisions, or show one with its alternatives.

    DECISION is its name in foreseal.toml, SEQ the number of the cutoff.
    """
    from foreseal.errors import UsageError
    from foreseal.run import Project
    from foreseal.run.results import Results

    terminal = Terminal(as_json)
    project = Project.open(folder)
    zone = ZoneInfo(project.timezone)
    results = Results(project)
    names = [name for name in project.settings.decisions if decision in ("", name)]
    if not names:
        if not project.settings.decisions:
            raise UsageError(
                "The project makes no decisions.", hint="See [decisions.NAME] in docs/project.md."
            )
        known = ", ".join(project.settings.decisions)
        raise UsageError(f"There is no decision {decision!r}; the project has: {known}.")
    found = [each for name in names for each in results.decisions(name) if seq in (None, each.seq)]
    if seq is not None and not found:
        raise UsageError(
            f"There is no decision {decision} {seq} in the log.",
            hint=f"The sealed ones: foreseal decide -C {folder} {decision}",
        )
    if case:
        if len(found) != 1:
            raise UsageError("--case needs a decision and the number of its cutoff.")
        _show_case(terminal, project, found[0], case)
        return
    terminal.table(
        "Decisions",
        (
            "decision",
            "seq",
            f"cutoff ({project.timezone})",
            "chosen",
            "expected cost",
            "cost",
            "regret",
            "unit",
            "state",
            "by",
            "reason",
        ),
        [
            (
                each.name,
                each.seq,
                f"{each.cutoff.astimezone(zone):%Y-%m-%d %H:%M}",
                each.chosen,
                f"{each.expected[each.chosen]:.4g}",
                f"{each.costs[each.chosen]:.4g}" if each.costs else "",
                "" if each.regret is None else f"{each.regret:.4g}",
                each.cost_unit,
                each.state,
                each.by,
                each.reason,
            )
            for each in found
        ],
        right=(1, 4, 5, 6),
    )
    if found:
        kinds = sorted({each.said.body["regret"] for each in found})
        terminal.say(f"Regret ({', '.join(kinds)}): cost of the chosen option less the cheapest listed.")
    if seq is not None and len(found) == 1:
        one = found[0]
        for option in one.options:
            cost = f"{one.expected[option]:.6g} expected"
            real = f", {one.costs[option]:.6g} with the outcome" if one.costs else ""
            terminal.say(f"  {option}: {cost}{real}{'  <- chosen' if option == one.chosen else ''}")
        waiting = [each for each, word in results.referred(one.said).items() if not word]
        if waiting:
            terminal.say(f"  {len(waiting)} cases wait for a person: {', '.join(waiting[:3])}, ...")
            terminal.say(f"  foreseal approve {one.name} {one.seq} --case CASE")
        terminal.table(
            f"Action of {one.chosen}",
            (f"from ({project.timezone})", "setting", "value", "unit"),
            [
                (f"{s.ds.astimezone(zone):%Y-%m-%d %H:%M}" if s.ds else "throughout", s.key, s.value, s.unit)
                for s in one.options[one.chosen]
            ],
            right=(2,),
        )
    terminal.result(
        {
            "decisions": [
                {
                    "decision": each.name,
                    "seq": each.seq,
                    "cutoff": each.cutoff.isoformat(),
                    "index": each.said.index,
                    "chosen": each.chosen,
                    "expected": each.expected,
                    "costs": each.costs,
                    "regret": each.regret,
                    "unit": each.cost_unit,
                    "state": each.state,
                    "by": each.by,
                    "reason": each.reason,
                }
                for each in found
            ]
        }
    )
