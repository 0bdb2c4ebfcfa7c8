"""The pages' files over HTTP: what is there, what is not, and that nothing in them comes from elsewhere or becomes markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pointsman.server import pages
from tests.browser.desks import Desked, desked

UI = Path(pages.__file__).parent / "ui"
SCRIPTS = sorted(UI.glob("*.js"))


@pytest.fixture
def scene(tmp_path: Path):
    return lambda: desked(tmp_path)


async def get(found: Desked, path: str, method: str = "GET"):
    return await found.gateway.ask(path, key=None, method=method)


async def test_every_page_is_there_without_a_key_and_guarded(scene):
    async with scene() as found:
        for path, (name, kind) in pages.FILES.items():
            answer = await get(found, path)
            assert (answer.status, answer.body, answer.headers["content-type"]) == (200, (UI / name).read_bytes(), kind)
            assert {key: answer.headers[key] for key in pages.HEADERS} == dict(pages.HEADERS)
        policy = pages.HEADERS["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy


@pytest.mark.parametrize(("path", "to"), [("/ui", "ui/reviews"), ("/ui/", "reviews")])
async def test_the_first_page_is_found(scene, path, to):
    async with scene() as found:
        answer = await get(found, path)
        assert (answer.status, answer.headers["location"], answer.body) == (307, to, b"")


@pytest.mark.parametrize(
    "path", ["/ui/reviews/", "/ui/x", "/ui/../pages.py", "/ui/%2e%2e/pages.py", "/ui/reviews.html", "/ui//reviews", "/ui/reviews%00"]
)
async def test_nothing_else_is(scene, path):
    async with scene() as found:
        answer = await get(found, path)
        assert (answer.status, answer.error["code"]) == (404, "unknown_url")


async def test_pages_are_read_only(scene):
    async with scene() as found:
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = await get(found, pages.FIRST, method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET")
        assert (await get(found, "/uix")).status == 401  # not a page's


def test_each_file_has_its_path():
    assert {name for name, _ in pages.FILES.values()} == {path.name for path in UI.iterdir()}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_makes_text_and_nothing_else_of_what_it_reads(path):
    ways = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|srcdoc|localStorage|cookie|\.src\b|\.style\b|DOMParser|import\("
    text = path.read_text(encoding="utf-8")
    assert re.findall(ways, text) == []
    assert re.findall(r"\.href = (.*)", text) == (["`#${encodeURIComponent(ticket.id)}`;"] if path.name == "reviews.js" else [])
    assert set(re.findall(r'setAttribute\("([\w-]+)"', text)) <= {"aria-label", "aria-current"}


def test_no_file_names_another_place_or_has_script_or_style_in_it():
    for path in UI.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://|//[\w-]+\.\w+/|@import|url\(", text) == [], path
    page = (UI / "reviews.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", page) == []
