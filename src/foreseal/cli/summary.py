"""What several commands show: what was collected, and the track records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from foreseal.cli.terminal import Terminal, plural

if TYPE_CHECKING:
    from foreseal.run import Project
    from foreseal.run.collecting import Collected
    from foreseal.run.loop import Done
    from foreseal.run.witnessing import Witnessed

MAX_LISTED = 10


def do_verbs(terminal: Terminal, folder: str, verbs: tuple[str, ...]) -> Done:
    """Run some of the loop's steps with progress on standard error."""
    from foreseal.run import Project
    from foreseal.run.loop import run
    from foreseal.run.session import Session

    project = Project.open(folder)
    with terminal.warnings(), terminal.progress("open") as update, Session.begin(project) as session:
        done = run(session, verbs=verbs, report=update)
    show_witnessed(terminal, session.witnessed)
    show_failures(terminal, done)
    return done


def show_trust(terminal: Terminal, project: Project, check: str) -> None:
    """How somebody else checks what was written: ``check`` is the command, but for whom to trust."""
    if project.settings.seal.witnesses is None:
        terminal.say(f"Check it: {check} --key '{project.settings.seal.key}'")
        what = "the key"
    else:
        terminal.say(f"Check it: {check} --policy POLICY")
        terminal.say("POLICY is a file with what `foreseal seal policy` prints: the log, and its witnesses.")
        what = "the policy"
    terminal.say(f"Give {what} to whoever checks it by another way than this.")


def show_failures(terminal: Terminal, done: Done) -> None:
    """What could not be done, one line each."""
    for failure in done.failures:
        terminal.say(f"Not done: {failure}", style="red")


def said_done(done: Done) -> str:
    """What a run did, in one sentence."""
    if done.nothing:
        if done.waiting:
            return f"Nothing is due yet; still to come: {plural(done.waiting, 'step')}."
        kept = f", but for the submissions of others ({', '.join(done.kept)}), which are only kept"
        return f"Nothing was due: all that was declared is sealed and settled{kept if done.kept else ''}."
    return (
        f"Sealed {plural(done.forecasts, 'forecast')} and {plural(done.decisions, 'decision')}; "
        f"settled {plural(done.settled, 'cutoff')}."
        + (
            f" Nothing was decided about {plural(done.withheld, 'case')} without consent."
            if done.withheld
            else ""
        )
    )


def show_witnessed(terminal: Terminal, witnessed: Witnessed | None) -> dict[str, Any] | None:
    """Who cosigned what was sealed, and what those said who did not; returns it as plain values."""
    if witnessed is None:
        return None
    terminal.say(
        f"{str(witnessed)[0].upper()}{str(witnessed)[1:]}.", style=None if witnessed.met else "yellow"
    )
    for each in witnessed.why:
        terminal.say(f"  {each.witness}: {each.why}", style="bold red" if each.alarm else None)
    if any(each.alarm for each in witnessed.why):
        terminal.say("  Compare the log with its witnesses: foreseal monitor", style="bold red")
    elif not witnessed.met:
        terminal.say("  The next run asks again. A forecast is sealed when its quorum has cosigned.")
    return {
        "met": witnessed.met,
        "by": witnessed.by,
        "absent": witnessed.absent,
        "why": {each.witness: each.why for each in witnessed.why},
    }


def show_collected(terminal: Terminal, found: Sequence[Collected], *, rejected: bool = False) -> None:
    """One row per dataset; reasons for what was rejected below."""
    if not found:
        return
    terminal.table(
        "Collected",
        ("dataset", "added", "known already", "late", "rejected"),
        [(each.dataset, each.added, each.repeats, each.late, each.rejected) for each in found],
        right=(1, 2, 3, 4),
    )
    for each in found:
        if each.failure:
            terminal.say(f"  {each.dataset} could not be read: {each.failure}", style="red")
        for reason, count in each.reasons.items():
            terminal.say(f"  {each.dataset}: {plural(count, 'row')} rejected: {reason}")
        shown = each.examples if rejected else each.examples[:MAX_LISTED]
        for row in shown if rejected else ():
            terminal.say(f"    {row}")


def show_records(terminal: Terminal, project: Project) -> list[dict[str, Any]]:
    """Every target's track record beside its baseline; returns it as plain values."""
    from foreseal.run.results import Results

    found = Results(project).records()
    rows = []
    for record in found:
        missing = sum(record.not_scored().values())
        rows.append(
            (
                record.target,
                record.forecaster,
                record.rule,
                _number(record.mean, ".4g"),
                _number(record.baseline_mean, ".4g"),
                _number(record.skill, "+.1%"),
                str(record.settled),
                str(missing),
                str(record.pending),
            )
        )
    if rows:
        terminal.table(
            "Track record",
            ("target", "forecaster", "rule", "mean", "baseline", "skill", "settled", "missing", "pending"),
            rows,
            right=range(3, 9),
        )
    for record in found:
        for each in record.coverage:
            interval = f" (95 % interval {each.low:.1%} to {each.high:.1%})" if each.low == each.low else ""
            terminal.say(
                f"  {record.target}: {each.level:.0%} intervals held {each.observed:.1%}{interval}, "
                f"mean width {each.width:.4g}"
            )
        for rule, (mean, baseline) in record.also.items():
            terminal.say(f"  {record.target}: {rule} score {mean:.4g}, baseline {baseline:.4g}")
        if record.comparison is not None and record.settled:
            terminal.say(f"  {record.target}: {record.comparison.sentence(record.forecaster, 'baseline')}")
        if record.values:
            terminal.say(
                f"  {record.target}: of {record.values} outcome values {record.witnessed} are witnessed, "
                f"the rest is claimed by its source"
            )
    return [record_dict(record) for record in found]


def record_dict(record: Any) -> dict[str, Any]:
    """A track record as plain values."""
    return {
        "target": record.target,
        "forecaster": record.forecaster,
        "rule": record.rule,
        "mean": record.mean,
        "baseline": record.baseline_mean,
        "skill": record.skill,
        "settled": record.settled,
        "pending": record.pending,
        "not_scored": record.not_scored(),
        "also": {rule: {"mean": mean, "baseline": base} for rule, (mean, base) in record.also.items()},
        "values": record.values,
        "witnessed": record.witnessed,
        "comparison": _comparison_dict(record.comparison),
        "coverage": [
            {
                "level": each.level,
                "observed": each.observed,
                "low": each.low,
                "high": each.high,
                "width": each.width,
            }
            for each in record.coverage
        ],
    }


def _comparison_dict(comparison: Any) -> dict[str, Any] | None:
    """The latest confidence sequence of forecaster minus baseline; None before any score."""
    if comparison is None or not len(comparison.mean):
        return None
    return {
        "mean": float(comparison.mean[-1]),
        "low": float(comparison.lower[-1]),
        "high": float(comparison.upper[-1]),
        "level": comparison.level,
        "bound": comparison.bound,
        "clipped": comparison.clipped,
        "cutoffs": len(comparison.mean),
        "better": {"first": "forecaster", "second": "baseline", "": None}[comparison.better],
    }


def show_decisions(terminal: Terminal, project: Project) -> list[dict[str, Any]]:
    """What every option would have cost over all settled cutoffs, and the regret of the choices."""
    from foreseal.run.results import Results

    results, found = Results(project), []
    for name, policy in project.policies.items():
        settled = [each for each in results.decisions(name) if each.costs]
        if not settled:
            continue
        totals = {option: sum(each.costs[option] for each in settled) for option in settled[0].costs}
        chosen = sum(each.costs[each.chosen] for each in settled)
        regret = sum(each.regret or 0.0 for each in settled)
        terminal.table(
            f"Decision {name}: {policy.regret_kind} cost over {len(settled)} cutoffs, in {policy.cost_unit}",
            ("option", "cost"),
            [*((option, f"{cost:.1f}") for option, cost in totals.items()), ("as chosen", f"{chosen:.1f}")],
            right=(1,),
        )
        terminal.say(f"  {policy.regret_kind} regret against the cheapest listed option: {regret:.2f}")
        found.append(
            {
                "decision": name,
                "cutoffs": len(settled),
                "unit": policy.cost_unit,
                "kind": policy.regret_kind,
                "costs": totals,
                "chosen": chosen,
                "regret": regret,
            }
        )
    return found


def show_approvals(terminal: Terminal, project: Project) -> list[dict[str, Any]]:
    """What persons have said about decisions, the latest at the end; returns it as plain values."""
    from foreseal.run.results import Results

    results = Results(project)
    found = [each for name in project.settings.decisions for each in results.decisions(name)]
    spoken = [each for each in found if each.by]
    for each in spoken[-MAX_LISTED:]:
        why = f": {each.reason}" if each.reason else ""
        terminal.say(f"  {each.name} {each.seq} {each.state} by {each.by}{why}")
    waiting = sum(each.state == "proposed" for each in found)
    if waiting:
        terminal.say(f"  {waiting} of {len(found)} decisions wait for a person: foreseal approve")
    return [
        {"decision": each.name, "seq": each.seq, "state": each.state, "by": each.by, "reason": each.reason}
        for each in spoken
    ]


def _number(value: float, form: str) -> str:
    """A number for a person; a dash where there is none yet."""
    return format(value, form) if value == value else "–"
