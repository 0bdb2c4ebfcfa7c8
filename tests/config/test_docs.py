"""`docs/configuration.md` cannot lie: settings are generated, examples load, variables are those that conditions can read."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from pointsman.config import document
from pointsman.config.load import load, warnings
from pointsman.config.providers import PROVIDERS
from pointsman.core import labels
from pointsman.core.request import Request
from pointsman.core.ruling import facts
from pointsman.core.score import Weights
from pointsman.core.signals import Signals

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
BUDGETS = (ROOT / "docs" / "budgets.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE + BUDGETS, re.MULTILINE | re.DOTALL)
ENV = {"OPENAI_API_KEY": "sk-1"}

#: What an excerpt leaves out.
AROUND = {
    "version": "version: 1\n",
    "models": "models: [{id: frontier, provider: openai, api_key: k, region: eu, tags: [soc2], perimeter: on_prem}]\n",
    "routes": "routes: {auto: {}}\n",
}


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_config_docs", ROOT / "tools" / "build_config_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_setting_has_its_row() -> None:
    for kind, places in tool().settings().values():
        section = PAGE.split(f"### {tool()._heading(places[0])}\n")[1].split("\n###")[0]
        for field in fields(kind.cls):
            assert f"| `{field.name}` |" in section


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_load_without_a_warning(example: str) -> None:
    around = "".join(text for key, text in AROUND.items() if not re.search(rf"^{key}:", example, re.MULTILINE))
    assert warnings(load(around + example, "docs/configuration.md", ENV)) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


def test_the_table_of_variables_is_what_conditions_read() -> None:
    section = PAGE.split("## Conditions")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| `([\w.<>]+)` \|", section, re.MULTILINE))
    readable = set()
    for name, value in facts(Request(id="r", model="m", max_output_tokens=5), Signals(), (), "general").items():
        readable |= {f"{name}.{key}" for key in value} if isinstance(value, dict) and value else {name}
    assert documented == readable - {"metadata"} | {"metadata.<name>"}


def test_links_lead_to_headings() -> None:
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    slugs = {"".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "_-") for heading in headings}
    assert len(slugs) == len(headings)
    for link in re.findall(r"\]\(#([^)]*)\)", PAGE):
        assert link in slugs


def test_figures_and_names_in_the_text_are_the_codes() -> None:
    assert f"{document.LARGEST_BYTES:,} bytes, {document.MOST_VALUES:,} values" in PAGE
    assert f"{document.DEEPEST} levels" in PAGE
    weights = Weights()
    said = f"quality .{weights.quality * 100:.0f}, cost .{weights.cost * 100:.0f}, latency .{weights.latency * 100:.0f}"
    assert said in PAGE
    for name in (*PROVIDERS, *labels.KNOWN):
        assert f"`{name}`" in PAGE


def test_the_errors_shown_are_real() -> None:
    golden = (ROOT / "tests" / "golden" / "config" / "unknown-key.txt").read_text(encoding="utf-8")
    assert golden.split("-----\n")[1].strip() in PAGE
