"""The report in a real browser: offline, without a single request, without a complaint in the console."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made_up_pictures import make_pictures
from made_up_report import make_report

from foreseal.pages.render import render_report
from tests.conftest import require

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Visit:
    """A page and all that happened on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note)
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, path: Path, html: str) -> None:
        path.write_text(html, encoding="utf-8")
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("load")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require("playwright", "pip install playwright")
    chromium = require("chromium", "apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    yield Visit(context.new_page())
    context.close()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_figure_is_drawn_from_the_file_alone(visit: Visit, tmp_path: Path, lang: str) -> None:
    visit.open(tmp_path / "report.html", render_report(make_report(), lang=lang))
    plots = visit.page.locator(".plot")
    assert plots.count() == 10
    for k in range(6):
        plots.nth(k).locator("canvas").first.wait_for(state="visible")
    assert visit.requests == [(tmp_path / "report.html").as_uri()]
    assert visit.complaints == []


def test_names_from_the_data_are_text_and_never_markup_or_mathematics(visit: Visit, tmp_path: Path) -> None:
    """Script tags, attribute breakers, and signs that figures could take for mathematics."""
    evil = """</script><script>alert(1)</script><img src=x onerror=alert(2)>"'$$x^2$$\\(y\\)"""
    data = make_report(unique_id=evil)
    target = dataclasses.replace(data.targets[0].target, unit=evil)
    dataset = dataclasses.replace(data.datasets[0], title=evil, notes=(evil,), rejected={evil: 1})
    decision = data.decisions[0]
    costs = decision.costs.with_columns(pl.col("option").replace("point", evil))
    data = dataclasses.replace(
        data,
        title=evil,
        decisions=(dataclasses.replace(decision, costs=costs, pictures=make_pictures(evil)),),
        targets=(dataclasses.replace(data.targets[0], target=target),),
        datasets=(dataset,),
        commands=(evil,),
    )
    visit.open(tmp_path / "report.html", render_report(data))
    visit.page.locator(".plot canvas").last.wait_for(state="visible")
    assert visit.page.locator("h1").inner_text() == evil
    assert visit.page.locator("img").count() == 0
    assert visit.requests == [(tmp_path / "report.html").as_uri()]
    assert visit.complaints == []


def test_nothing_is_wider_than_a_telephone(visit: Visit, tmp_path: Path) -> None:
    visit.page.set_viewport_size({"width": 375, "height": 800})
    data = make_report()
    pictured = dataclasses.replace(data.decisions[0], pictures=make_pictures())
    data = dataclasses.replace(data, decisions=(pictured,))
    visit.open(tmp_path / "report.html", render_report(data))
    visit.page.locator(".plot canvas").last.wait_for(state="visible")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 375
    body = visit.page.locator("body").bounding_box()
    assert body["width"] <= 375
    for box in visit.page.locator("section, figure, .plot, .scroll, pre").all():
        place = box.bounding_box()
        assert place is None or place["x"] + place["width"] <= 376


def test_the_table_behind_a_figure_opens_with_the_keyboard(visit: Visit, tmp_path: Path) -> None:
    visit.open(tmp_path / "report.html", render_report(make_report()))
    summary = visit.page.locator("figure summary").first
    table = visit.page.locator("figure table").first
    assert not table.is_visible()
    summary.focus()
    visit.page.keyboard.press("Enter")
    table.wait_for(state="visible")
    assert table.locator("tbody tr").count() == 720


def test_a_page_without_figures_runs_no_script(visit: Visit, tmp_path: Path) -> None:
    visit.open(tmp_path / "report.html", render_report(make_report(), figures=False))
    assert visit.page.locator("script").count() == 0
    assert visit.page.locator("table").first.is_visible()
    assert visit.complaints == []
