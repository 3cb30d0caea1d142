from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib.util
import math
import re
from datetime import timedelta
from html.parser import HTMLParser

import polars as pl
import pytest
from made_up_pictures import make_pictures

from foreseal.errors import UsageError
from foreseal.pages.render import Card, _cards, option_costs, render_report
from foreseal.pages.report import ReportData
from foreseal.pages.words import Words
from foreseal.score.record import Coverage

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Elements, texts, script sources and the policy of a page; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self.text = ""
        self._attributes: dict[str, str | None] = {}
        self.feed(html.replace("\u00a0", " "))
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._attributes = dict(attrs)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.links += [value for key, value in attrs if key in ("href", "src") and value]
        if self._attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = self._attributes["content"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            if self._attributes.get("type") != "application/json":
                self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def html(report: ReportData) -> str:
    return render_report(report)


def test_the_headline_says_skill_coverage_cutoffs_receipts_and_that_time_is_not_attested(html: str) -> None:
    text = Page(html).text
    assert "replay: order proven, time not attested" in text
    assert "26.0 %" in text
    assert "Coverage of the 80 % interval" in text
    assert "30 of 33" in text
    assert "1 missing" in text
    assert "241 of 241" in text


def test_a_live_project_says_that_no_one_attested_its_time(report: ReportData) -> None:
    text = Page(render_report(dataclasses.replace(report, mode="live"), figures=False)).text
    assert "sealed, time not attested" in text
    assert "replay: order" not in text


def test_every_figure_has_its_table(html: str) -> None:
    page = Page(html)
    assert html.count("data-figure>") == html.count("Table behind this figure") == 10
    assert len(page.ids) == len(set(page.ids))
    assert "Table behind this figure (720 rows)" in page.text


def test_a_low_figure_leaves_no_room_below_it(html: str) -> None:
    (style,) = re.findall(r"^\.plot \{(.*)\}$", html, flags=re.M)
    assert "min-height" not in style, "Bokeh knows how high its figures are"


def test_a_fan_says_which_intervals_its_shades_are(html: str) -> None:
    assert "Shaded: central intervals of 50, 80, 90 %, narrower ones darker." in Page(html).text


def test_the_scripts_that_run_are_those_that_the_policy_names(html: str) -> None:
    page = Page(html)
    named = set(re.findall(r"'sha256-([^']+)'", page.policy))
    found = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in page.scripts}
    assert named == found
    assert len(found) == 2
    assert "default-src 'none'" in page.policy
    assert "unsafe-eval" not in page.policy


def test_the_page_refers_to_nothing_outside_itself(html: str) -> None:
    assert all(link.startswith("#") for link in Page(html).links)


def test_equal_data_gives_equal_bytes(report: ReportData, html: str) -> None:
    assert render_report(report) == html


def test_tables_stand_alone_where_bokeh_is_not_installed(
    report: ReportData, html: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = html.count("<details>")
    assert closed
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bokeh" else find(name))
    opened = html.count("<details open>") + html.count("Table behind this figure")
    html = render_report(report)
    page = Page(html)
    assert "tables only" in page.text
    assert page.scripts == []
    assert "script-src 'none'" in page.policy
    assert html.count("<details open>") == opened
    assert html.count("<details>") < closed
    assert len(html) < 300_000


def test_the_chinese_page_says_the_same_numbers(report: ReportData, html: str) -> None:
    chinese = render_report(report, lang="zh")
    assert '<html lang="zh-Hans">' in chinese
    assert "回放：顺序已证明，时间未经见证" in chinese
    cells = re.compile(r"<td>([−\d,.]+)</td>")
    assert cells.findall(chinese) == cells.findall(html)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_a_policy_shows_is_on_the_page_with_its_numbers(report: ReportData, lang: str) -> None:
    decision = dataclasses.replace(report.decisions[0], pictures=make_pictures())
    data = dataclasses.replace(report, targets=(), decisions=(decision,))
    html = render_report(data, lang=lang)
    page = Page(html)
    assert html.count("data-figure>") == 7  # six pictures, and regret
    assert page.text.count("Kupiec p") == 1
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert cells.count("×") == 1  # one day fell below its limit
    assert "66.7\u00a0%" in cells  # two of three alerts were false
    if lang == "en":
        assert "8 were asked for and 0 not met; 1 were left of 8." in page.text
        assert "not all demand is known yet" in page.text


def test_a_policy_that_cannot_show_its_decisions_is_excused_by_name(report: ReportData) -> None:
    decision = dataclasses.replace(report.decisions[0], without="SciPy is missing.")
    html = render_report(dataclasses.replace(report, decisions=(decision,)), figures=False)
    assert "No picture of the decisions: SciPy is missing." in Page(html).text


def test_an_unknown_language_is_refused(report: ReportData) -> None:
    with pytest.raises(UsageError, match="'xx'"):
        render_report(report, lang="xx")


def test_an_empty_project_has_a_page(report: ReportData) -> None:
    empty = dataclasses.replace(report, datasets=(), targets=(), decisions=(), log=None, commands=())
    assert "What is not claimed" in Page(render_report(empty)).text


def test_before_the_first_outcome_the_page_says_what_is_pending(report: ReportData) -> None:
    first, _ = report.targets
    record = dataclasses.replace(
        first.record,
        scores=first.record.scores.clear(),
        pending=33,
        mean=float("nan"),
        baseline_mean=float("nan"),
        coverage=(),
    )
    waiting = dataclasses.replace(first, record=record, outcomes=first.outcomes.clear())
    undecided = dataclasses.replace(
        report.decisions[0], costs=report.decisions[0].costs.with_columns(cost=pl.lit(None, pl.Float64))
    )
    text = Page(render_report(dataclasses.replace(report, targets=(waiting,), decisions=(undecided,)))).text
    assert "no cutoff has settled yet" in text
    assert "33 declared cutoffs are not settled yet" in text
    assert "Savings and regret" not in text


def card(report: ReportData, label: str, **changes: object) -> Card:
    """The card of the first target under ``label``, with ``changes`` to its record."""
    first = report.targets[0]
    changed = dataclasses.replace(first, record=dataclasses.replace(first.record, **changes))
    ((_, row),) = _cards(dataclasses.replace(report, targets=(changed,), log=None), Words())
    return next(each for each in row if label in each.label)


def with_outcomes(report: ReportData, y: pl.Expr) -> ReportData:
    """The report with outcomes of the first target that are ``y`` of its forecasts."""
    first = report.targets[0]
    outcomes = first.forecasts.select("unique_id", "ds", "cutoff", y.alias("y"))
    return dataclasses.replace(report, targets=(dataclasses.replace(first, outcomes=outcomes),))


def test_the_card_says_how_many_settled_cutoffs_had_no_outcome(report: ReportData) -> None:
    scores = report.targets[0].record.scores.with_columns(
        n=pl.when(pl.col("seq") < 8).then(0).otherwise("n"), status=pl.lit("scored")
    )
    found = card(report, "Cutoffs", scores=scores)
    assert (found.value, found.tone) == ("30 of 33", "good")
    assert found.note == "none missing, none late; 8 without an outcome, hence without a score"
    assert "without" not in card(report, "Cutoffs").note


def test_scores_that_differ_are_written_differently(report: ReportData) -> None:
    assert "0.2841 against 0.2843" in card(report, "Skill", mean=0.2841, baseline_mean=0.2843).note


@pytest.mark.parametrize(
    ("observed", "low", "high", "n", "note", "tone"),
    [
        (0.79, math.nan, math.nan, 900, "too few cutoffs for a 95 % interval; mean width 0.0312", ""),
        (0.79, 0.74, 0.84, 900, "95 % interval 74.0 % to 84.0 %; mean width 0.0312", ""),
        (0.997, math.nan, math.nan, 900, "the intervals are too wide; too few cutoffs", "bad"),
        (0.62, 0.55, 0.69, 900, "the intervals are too narrow; 95 % interval 55.0 %", "bad"),
        (0.82, 0.81, 0.83, 900, "95 % interval 81.0 % to 83.0 %", ""),
    ],
)
def test_coverage_says_whether_the_intervals_hold_what_they_promise(
    report: ReportData, observed: float, low: float, high: float, n: int, note: str, tone: str
) -> None:
    held = (Coverage(0.8, observed, low, high, 0.0312, n),)
    found = card(with_outcomes(report, pl.col("q0.5")), "Coverage", coverage=held)
    assert found.note.replace("\u00a0", " ").startswith(note)
    assert found.tone == tone


def test_of_few_cutoffs_or_of_cutoffs_that_differ_much_nothing_is_said_about_width(
    report: ReportData,
) -> None:
    held = (Coverage(0.8, 0.93, math.nan, math.nan, 3.0, 900),)
    first = report.targets[0]
    start = first.target.cutoffs[0]
    for cutoffs, inside, tone in ((4, 1.0, ""), (5, 1.0, "bad"), (5, 0.5, "")):
        known = start + timedelta(days=cutoffs)
        outcomes = first.forecasts.filter(pl.col("cutoff") < known).select(
            "unique_id",
            "ds",
            "cutoff",
            y=pl.when(pl.col("cutoff") < start + timedelta(days=cutoffs * inside))
            .then("q0.5")
            .otherwise(-1e9),
        )
        changed = dataclasses.replace(report, targets=(dataclasses.replace(first, outcomes=outcomes),))
        assert card(changed, "Coverage", coverage=held).tone == tone


def test_intervals_of_counts_that_lie_on_their_ends_are_not_too_wide(report: ReportData) -> None:
    held = (Coverage(0.8, 0.93, 0.92, 0.94, 3.0, 900),)
    assert card(with_outcomes(report, pl.col("q0.1")), "Coverage", coverage=held).tone == ""
    assert card(with_outcomes(report, pl.col("q0.25")), "Coverage", coverage=held).tone == "bad"


def test_a_table_of_coverage_has_one_dash_where_there_is_no_interval(report: ReportData) -> None:
    first = report.targets[0]
    unknown = (Coverage(0.8, 0.79, math.nan, math.nan, 0.0312, 900),)
    record = dataclasses.replace(first.record, coverage=unknown)
    data = dataclasses.replace(report, targets=(dataclasses.replace(first, record=record),))
    html = render_report(data, figures=False)
    assert "<td>79.0\u00a0%</td><td>–</td><td>0.0312</td><td>900</td>" in html


@pytest.mark.parametrize(
    ("horizon", "said"), [(1, ": one step of 1h of volume"), (24, ": 24 steps of 1h of")]
)
def test_a_horizon_of_one_step_is_said_as_one(report: ReportData, horizon: int, said: str) -> None:
    first = report.targets[0]
    target = dataclasses.replace(first.target, horizon=horizon)
    data = dataclasses.replace(report, targets=(dataclasses.replace(first, target=target),))
    assert said in Page(render_report(data, figures=False)).text


def test_a_damaged_receipt_is_named(report: ReportData) -> None:
    assert report.log is not None
    log = dataclasses.replace(report.log, receipts=240, failures=("0017.tlog-proof: bad path",))
    text = Page(render_report(dataclasses.replace(report, log=log), figures=False)).text
    assert "did not verify" in text
    assert "0017.tlog-proof: bad path" in text


def test_option_totals_leave_out_cutoffs_that_are_not_settled(report: ReportData) -> None:
    decision = report.decisions[0]
    known = decision.costs.filter(pl.col("cost").is_not_null())
    totals = {each.name: each for each in option_costs(decision)}
    for name, total in totals.items():
        assert total.cost == pytest.approx(known.filter(pl.col("option") == name)["cost"].sum())
    assert totals["expected"].saved == 0
    assert totals["expected"].chosen == 31
