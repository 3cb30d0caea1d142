"""The pages say what the code does: names, options, links and examples are compared with it."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import foreseal
from foreseal import apps, settings, target
from foreseal.cli import VERBS
from foreseal.collect.csv import CsvSource
from foreseal.collect.parquet import ParquetSource
from foreseal.decide.policy import policy_names
from foreseal.decide.webster import Webster
from foreseal.predict import catalogue
from foreseal.predict.presets import PRESETS
from foreseal.seal import verify
from foreseal.seal.schema import COMMON, KINDS, STATUSES
from foreseal.store.quality import QualityRules

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("apps/*.md"), *ROOT.glob("README*.md")])
TABLES = (
    settings.ProjectTable,
    settings.ClockTable,
    settings.ConsentTable,
    settings.Dataset,
    target.Cutoffs,
    target.OutcomeTable,
    target.TargetTable,
    settings.ModelsTable,
    settings.DecisionTable,
    settings.SealTable,
    settings.WitnessesTable,
    settings.AnchorTable,
)
# What a field is called in foreseal.toml where that differs, or None where it is no key of its own.
KEYS = {("Dataset", "options"): None, ("DecisionTable", "target"): "from"}


def read(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def absent(names: list[str], text: str) -> list[str]:
    """The names that no word in code type of the text is."""
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL))
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", code)]


def fields(cls: type) -> list[str]:
    return [each.name for each in dataclasses.fields(cls) if each.init]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_what_the_generator_prints(generator: ModuleType) -> None:
    assert read("cli.md") == generator.page(), "run: python docs/generate_cli.py > docs/cli.md"


def test_every_command_has_a_section() -> None:
    headings = re.findall(r"^## foreseal (\w+)$", read("cli.md"), re.MULTILINE)
    assert headings == list(VERBS)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_of_the_settings_is_in_the_project_page(table: type) -> None:
    keys = [KEYS.get((table.__name__, name), name) for name in fields(table)]
    assert not absent([key for key in keys if key], read("project.md"))


def test_no_table_of_settings_was_forgotten() -> None:
    every = [cls for module in (settings, target) for cls in vars(module).values()]
    own = (settings.__name__, target.__name__)
    found = {cls for cls in every if dataclasses.is_dataclass(cls) and cls.__module__ in own}
    assert found == {*TABLES, settings.Settings, settings.KnownAt}


@pytest.mark.parametrize("cls", [CsvSource, ParquetSource, QualityRules], ids=lambda cls: cls.__name__)
def test_every_option_of_sources_and_quality_rules_is_in_the_data_page(cls: type) -> None:
    assert not absent(fields(cls), read("data.md"))


def test_every_policy_and_every_option_of_webster_is_in_the_decisions_page() -> None:
    assert not absent([*policy_names(), *fields(Webster)], read("decisions.md"))


def test_every_model_with_its_arguments_and_every_preset_is_in_the_forecasting_page() -> None:
    text = read("forecasting.md")
    assert not absent([*catalogue.MODELS, *catalogue.CLASSIFIERS, *catalogue.SURVIVAL, *PRESETS], text)
    for table, resolve in (
        (catalogue.MODELS, catalogue.resolve),
        (catalogue.CLASSIFIERS, catalogue.resolve_classifier),
        (catalogue.SURVIVAL, catalogue.resolve_survival),
    ):
        for name in table:
            row = re.search(rf"^\| `{name}` .*$", text, re.MULTILINE)
            assert row, name
            assert not absent(fields(type(resolve(name))), row[0])


def test_every_preset_has_the_members_that_the_page_gives_it() -> None:
    for name, preset in PRESETS.items():
        row = re.search(rf"^\| `{name}` \|(.*?)\|", read("forecasting.md"), re.MULTILINE)
        assert row, name
        assert tuple(re.findall(r"`([^`]+)`", row[1])) == preset.members


def test_every_parameter_of_forecast_is_in_its_page() -> None:
    assert not absent(list(inspect.signature(foreseal.forecast).parameters), read("forecasting.md"))


def test_every_kind_of_entry_has_a_row_with_its_fields_in_the_seal_page() -> None:
    text = read("seal.md")
    assert not absent([*COMMON, *STATUSES], text)
    for kind, own in KINDS.items():
        row = re.search(rf"^\| `{kind}` .*$", text, re.MULTILINE)
        assert row, kind
        assert not absent(list(own), row[0])


def test_every_statement_of_a_verification_is_explained() -> None:
    text = read("seal.md")
    for statement in (verify.UNNAMED, verify.SEALED, verify.REPLAYED, verify.REPLAYED_ALONE, verify.INCLUDED):
        assert f"| `{statement}` |" in text


def test_every_public_name_is_in_some_page() -> None:
    everything = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert not absent([name for name in foreseal.__all__ if not name.startswith("_")], everything)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_chinese_readme_has_the_same_headings_and_the_same_code() -> None:
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md")]
    code = [re.findall(r"^```.*?^```", page, re.DOTALL | re.MULTILINE) for page in pages]
    assert code[0] == code[1]
    bare = [re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE) for page in pages]
    levels = [re.findall(r"^#+", page, re.MULTILINE) for page in bare]
    assert levels[0] == levels[1]
    links = [sorted(re.findall(r"\]\((?!README)([^)]+)\)", page)) for page in bare]
    assert links[0] == links[1]


def test_both_readmes_name_every_extra_and_every_application_with_its_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    applications = sorted(path.stem for path in Path(apps.__file__).parent.glob("[a-z]*.py"))
    for name in ("README.md", "README.zh.md"):
        page = (ROOT / name).read_text("utf-8")
        absent = [extra for extra in project["optional-dependencies"] if f"`{extra}`" not in page]
        assert not absent, (name, absent)
        rows = re.findall(r"^\| `(\w+)` \|.*\| `foreseal init --app (\w+)` \|$", page, re.MULTILINE)
        assert sorted(rows) == [(each, each) for each in applications], name
