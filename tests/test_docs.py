"""The manual cannot lie: what exists has its place in it, its examples run, its links lead somewhere."""

from __future__ import annotations

import asyncio
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from packaging.requirements import Requirement

from pointsman.config.load import load
from pointsman.config.models import ModelConfig
from pointsman.config.plans import RetryConfig
from pointsman.config.routes import RouteConfig
from pointsman.config.schema import Config, HealthConfig, StoreConfig
from pointsman.core.apis import Api
from pointsman.core.codec import to_json
from pointsman.core.fault import FINAL, RETRIED, Fault
from pointsman.core.request import Request
from pointsman.core.rule import PlanKind
from pointsman.errors import ConditionError, ConfigError, NoEligibleModel, PointsmanError
from pointsman.gateway import responses
from pointsman.gateway.idempotency import LARGEST_BYTES
from pointsman.plans.checks import CHECKS, COMPARED
from pointsman.plans.schema import MOST_BYTES
from pointsman.policy.gates import GATES
from pointsman.server.admission import MOST_WAITING, TURN_S
from pointsman.server.app import _HEALTH, App, Limits
from pointsman.server.reload import _fixed
from pointsman.stores.sqlite import SqliteLog
from pointsman.testing import scripts
from pointsman.upstream.health import FAILURES, SOUND
from pointsman.upstream.lag import EVERY_S, MOST_S
from pointsman.wire.anthropic_messages.from_chat import DEFAULT_MAX_TOKENS
from pointsman.wire.destinations import DESTINATIONS
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.openai_embeddings.request import MOST_INPUTS
from tools import build_docs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "pointsman"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """What stands under each heading, up to the next one of any level."""
    found = re.split(r"^#+ (.*)\n", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL), flags=re.MULTILINE)
    return {heading.strip("`"): text for heading, text in zip(found[1::2], found[2::2], strict=True)}


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, heads and rules left out."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|(?! \||---).*\|$", text, re.MULTILINE)]


def blocks(page: str, language: str) -> Iterator[tuple[int, str]]:
    """Fenced blocks with the number of their first line."""
    for found in re.finditer(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        yield page[: found.start(1)].count("\n") + 1, found[1]


def whole_configurations(page: str) -> list[str]:
    return [block for _, block in blocks(page, "yaml") if re.match(r"(#.*\n)*version:", block)]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# What exists has its place


@pytest.mark.parametrize("path", build_docs.parts(), ids=named)
def test_generated_parts_are_current(path):
    assert build_docs.is_current(path), "run `make docs`"


@pytest.mark.parametrize("name", build_docs.gate_names())
def test_every_gate_has_its_heading_and_kind(name):
    kinds = {gate.name: gate.kind for gate in (*GATES.standing, *GATES.request, *GATES.estimate)}
    assert f"Kind {kinds.get(name, 'health')}." in " ".join(sections(read("gates.md"))[name].split())


def configuration_classes(kind: Any = Config) -> set[type]:
    if not is_dataclass(kind):
        return {found for part in get_args(kind) for found in configuration_classes(part)}
    inside = (configuration_classes(hint) for hint in get_type_hints(kind, include_extras=True).values())
    return {kind}.union(*inside)


@pytest.mark.parametrize("kind", sorted(configuration_classes(), key=lambda kind: kind.__name__))
def test_every_setting_has_its_row(kind):
    (section,) = (text for text in sections(read("configuration.md")).values() if text.strip().startswith(kind.__doc__))
    assert sorted(row[0] for row in rows(section)[1:]) == sorted(f"`{field.name}`" for field in fields(kind))


def test_every_endpoint_has_its_row():
    app: Any = App(None, None, None, Limits(), None)
    endpoints = {f"`{method} {path}`" for path, (method, _) in app._exact.items()}
    endpoints |= {f"`{method} {path}{{id}}`" for path, methods in app._under.items() for method in methods}
    endpoints |= {f"`GET {path}`" for path in _HEALTH}
    documented = {name for row in rows(sections(read("http-api.md"))["Endpoints"])[1:] for name in row[0].split(", ")}
    assert documented == endpoints


def header_rows(heading: str) -> set[str]:
    """Headers in the first cells of a section's tables."""
    return {name for row in rows(sections(read("http-api.md"))[heading]) for name in re.findall(r"`([a-z-]+)`", row[0])}


def test_every_header_has_its_row():
    files = [
        SOURCE / "errors.py",
        SOURCE / "core" / "rate.py",
        SOURCE / "wire" / "request.py",
        *(SOURCE / "gateway").glob("*.py"),
        *(SOURCE / "server").glob("*.py"),
    ]
    texts = [file.read_text() for file in files]
    known = r'"(x-[a-z-]+|retry-after|allow|cache-control|idempotent-[a-z]+|idempotency-[a-z]+|anthropic-[a-z]+)"'
    found = {name for text in texts for name in re.findall(known, text)}
    asked = {name for text in texts for name in re.findall(rf"headers\.get\({known}", text)}
    asked |= {name for name in found if name.startswith(("anthropic-", "idempotency-"))}
    asked |= {name for dialect in DIALECTS.values() for name in dialect.client_headers}
    assert asked == header_rows("What a request may say")
    assert found - asked == header_rows("What an answer says")


def test_refused_destinations_are_named():
    section = sections(read("http-api.md"))["What is refused"]
    assert not {name for name in DESTINATIONS if f"`{name}`" not in section}


def errors(kind: type[PointsmanError] = PointsmanError) -> Iterator[type[PointsmanError]]:
    """Those that can reach a client with the status of their class."""
    if not issubclass(kind, ConfigError | ConditionError):
        yield from () if kind is NoEligibleModel else (kind,)
        for child in kind.__subclasses__():
            yield from errors(child)


def test_every_error_has_its_row():
    table = rows(sections(read("http-api.md"))["Errors"])[1:]
    for kind in errors():
        wanted = [str(kind.status), f"`{kind.type}`", f"`{kind.code or 'null'}`"]
        assert any(row[:2] == wanted[:2] and wanted[2] in row[2] for row in table), f"{kind.__name__} has no row {wanted}"
    documented = {code for row in table for code in re.findall(r"`(\w+)`", row[2])} - {"null"}
    raised = {code for file in SOURCE.rglob("*.py") for code in re.findall(r'\bcode(?:: [\w |]+)?\s?=\s?"(\w+)"', file.read_text())}
    assert documented == raised


def test_arguments_that_are_not_for_people_are_left_out():
    assert "SUPPRESS" not in read("cli.md")


def test_every_fault_has_its_row():
    found = [row[0].strip("`") for row in rows(sections(read("execution.md"))["When a call fails"])[1:]]
    assert found == list(get_args(Fault))
    assert set(get_args(Fault)) >= RETRIED | FINAL | FAILURES | SOUND


def test_every_plan_has_its_heading():
    assert set(re.findall(r"^## `(\w+)`$", read("plans.md"), re.MULTILINE)) == set(get_args(PlanKind))


def test_every_check_has_its_heading():
    assert re.findall(r"^## `(\w+)`$", read("checks.md"), re.MULTILINE) == [*CHECKS, *COMPARED]


def test_settings_are_named_with_their_defaults():
    """Of execution: what stands in its tables as `name` or `place.name` exists, and has that default."""
    said = {"retry": RetryConfig(), "health": HealthConfig()}
    route, model = RouteConfig(), ModelConfig(id="m", provider="p")
    for heading in ("Retries and waits", "Three clocks"):
        for row in rows(sections(read("execution.md"))[heading])[1:]:
            names = re.findall(r"`([\w.<>]+)`", row[1])
            if row[2].startswith(tuple("0123456789")) and names:
                found = [default_of(name, route, model, said) for name in names]
                assert [f"{value:,g}" for value in found] == re.findall(r"[\d.]+", row[2]), row


def default_of(name: str, route: object, model: object, said: dict[str, object]) -> float:
    *place, field = name.removeprefix("routes.<name>.").split(".")
    owner = said[place[0]] if place else route if hasattr(route, field) else model
    return float(getattr(owner, field))


@pytest.mark.parametrize("api", get_args(Api))
def test_every_api_has_its_section(api):
    (section,) = (text for heading, text in sections(read("apis.md")).items() if heading.endswith(f": `{api}"))
    assert f"`POST /v1{DIALECTS[api].path}`" in section
    assert sum(row[0] == f"`{api}`" for row in rows(read("apis.md"))) == 1


def test_every_script_has_its_row():
    documented = {re.sub(r"-\d+$", "", row[0].strip("`")) for row in rows(sections(read("testing.md"))["Scripts"])[1:]}
    assert documented == set(scripts.names())


def test_figures_in_the_text_are_the_codes():
    assert f"{LARGEST_BYTES:,} bytes" in read("lifecycle.md")
    assert f"{responses.LARGEST_BYTES:,} bytes" in read("apis.md")
    assert (TURN_S, MOST_S, EVERY_S, MOST_WAITING) == (0.01, 0.03, 0.05, 32)  # docs/lifecycle.md
    assert f"{MOST_BYTES:,} bytes" in read("execution.md")
    assert f"at most {MOST_INPUTS:,} inputs" in read("apis.md")
    assert f"`max_tokens: {DEFAULT_MAX_TOKENS}`" in read("apis.md")
    assert (StoreConfig().idempotency_ttl_s, StoreConfig().responses_ttl_s) == (86_400, 3_600)  # a day, an hour


def test_settings_that_need_a_restart_are_named():
    said = read("lifecycle.md").split("In force only after a restart")[1].split("\n\n")[0]
    settings = re.findall(r"`([\w.]+)`", said)
    assert settings == list(_fixed(load("version: 1\nmodels: [{id: m, provider: p, base_url: 'http://h/v1'}]\nroutes: {}\n", "x", {})))


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", read("index.md")))
    assert listed == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


def test_words_are_those_of_the_code():
    found = [name for row in rows(sections(read("architecture.md"))["Words"])[1:] for name in re.findall(r"`([\w.]+)`", row[2])]
    assert len(found) >= 20
    for name in found:
        module, attribute = name.rsplit(".", 1)
        assert hasattr(importlib.import_module(f"pointsman.{module}"), attribute), name


def test_the_core_imports_the_standard_library_only():
    packages = {row[0]: row[2] for row in rows(sections(read("architecture.md"))["Layers"])[1:]}
    assert (packages["`core`"], packages["`errors`"]) == ("none", "none")


# Dependencies


def requirement_names(requirements: list[str]) -> set[str]:
    """Distributions asked for on this platform, without extras."""
    parsed = [Requirement(text) for text in requirements]
    return {r.name.lower().replace("_", "-") for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})}


def brought_in(name: str) -> set[str]:
    found = requirement_names(metadata.requires(name) or [])
    return found.union(*(brought_in(child) for child in found))


def test_every_dependency_has_its_row_and_no_other():
    headed = sections(read("dependencies.md"))
    table = {row[0].strip("`"): row for row in rows(headed["What `pip install pointsman` asks for"])[1:]}
    assert set(table) == {Requirement(text).name for text in PROJECT["dependencies"]}
    for name, row in table.items():
        assert set(re.findall(r"`([\w-]+)`", row[2])) == brought_in(name), name
        assert row[1], f"{name}: why is it here"
        assert row[3], f"{name}: which licence"
    optional = {"local": PROJECT["optional-dependencies"]["local"], "weights": GROUPS["weights"]}
    documented = {(row[0].split("`")[1], row[1].strip("`")) for row in rows(headed["A local model"])[1:]}
    assert documented == {(asked_by, Requirement(text).name) for asked_by, texts in optional.items() for text in texts}
    others = {row[0].strip("`"): row for row in rows(headed["Other extras"])[1:]}
    assert {name: row[1].strip("`") for name, row in others.items()} == {
        extra: Requirement(text).name for extra, (text,) in PROJECT["optional-dependencies"].items() if extra != "local"
    }
    assert all(row[2] and row[4] for row in others.values()), "why is it here, and under which licence"


def test_the_requirement_file_holds_what_is_accounted_for():
    installed = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE))
    asked = requirement_names([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["local"], *GROUPS["weights"]])
    brought = {found for name in requirement_names(PROJECT["dependencies"]) for found in brought_in(name)}
    assert installed == asked | brought | build_docs.BUILD_TOOLS


def test_the_changelog_knows_this_version():
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()


# Examples run


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page.read_text(), "python"))], ids=named)
def test_python_runs(page, tmp_path):
    """Each page's blocks in order, as one program. Its folder holds the page's first configuration and a small log, its argument."""
    text = page.read_text(encoding="utf-8")
    for configuration in whole_configurations(text)[:1]:
        (tmp_path / "pointsman.yaml").write_text(configuration)
    shutil.copy(a_log(tmp_path / "made"), tmp_path / "pointsman.db")
    program: list[str] = []
    for line, block in blocks(text, "python"):
        program += [""] * (line - 1 - len(program)) + block.splitlines()  # so that a traceback shows the page's own line
    (tmp_path / "page.py").write_text("\n".join(program))
    ran = subprocess.run([sys.executable, "page.py", "pointsman.db"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, f"{named(page)}: {ran.stderr}"


def a_log(folder: Path) -> Path:
    async def write() -> None:
        async with SqliteLog(folder / "pointsman.db") as log:
            await log.append("decision", "dec_1", to_json(Request("dec_1", "auto")).encode())

    asyncio.run(write())
    return folder / "pointsman.db"


CONFIGURATIONS = [
    pytest.param(text, id=f"{named(page)}-{at}") for page in PAGES for at, text in enumerate(whole_configurations(page.read_text()))
]


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations_load(text):
    load(text, "example", dict.fromkeys(re.findall(r"\$\{(\w+)", text), "k-0123456789"))


# Links and names lead somewhere


def slugs(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in slugs(target), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_and_the_names_in_them_exist(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:src|tests|tools|docs|benchmarks|requirements)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(
        r"(?<![\w/])((?:build|config|core|estimators|gateway|plans|policy|server|signals|stores|upstream|wire)/\w+\.py)", text
    ):
        assert (SOURCE / path).exists(), path
    for path, names in re.findall(r"`(\w[\w/]+\.py)`:\s((?:`\w+`(?:, | and )?)+)", text):
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), f"{path}: {name}"


# In pieces, or this file would contain them.
REGISTRIES = [
    f"{name}.{top}" for name, top in (("py" + "pi", "org"), ("python" + "hosted", "org"), ("npm" + "js", "org"), ("crates", "io"))
]
FOLDERS = [f"/{name}/" for name in ("work", "root", "tmp")]


def test_no_file_names_a_package_registry_or_somebody_s_machine():
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            said = [word for word in (*REGISTRIES, *FOLDERS) if word.encode() in content]
            assert not said, f"{name}: {said}"
