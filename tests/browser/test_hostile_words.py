"""Words that would run where they are taken for more than words: as prompt, answer, reason, and every name a ticket has. None does."""

from __future__ import annotations

import asyncio
import html
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pointsman.core.answer import Answer, Grade
from pointsman.core.request import Caller, ToolCall
from pointsman.core.review import Action, Contents, Proposal
from pointsman.errors import Failure
from tests.browser.chromium import Page
from tests.browser.corpus import PAYLOADS, payloads
from tests.browser.test_review_page import sign_in
from tests.server.served import OPERATOR

PARTS = 4


@asynccontextmanager
async def elsewhere(page: bytes = b"") -> AsyncIterator[tuple[str, list[str]]]:
    """An address that is not the gateway's, and what was asked of it. It answers with a page that has no policy."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # browsers open connections that they may not need
            writer.close()
            return
        asked.append(head.split()[1].decode())
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (len(page), page)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", asked
    finally:
        server.close()


def hostile(text: str) -> Contents:
    """Everything that a client or a model writes, made of one text; in the fields that stores take as they are."""
    calls = (ToolCall(text, text, text),)
    turns: list[Any] = [
        {"role": "system", "content": text},
        {"role": text, "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": text}}], "name": text},
        {"role": "assistant", "content": None, "tool_calls": [{"id": text, "function": {"name": text, "arguments": text}}]},
        text,
    ]
    grades = (Grade(text, 0.5, text), Grade("second", None, text))
    answer = Answer(text, text, calls, text)
    return Contents(
        {"model": text, text: text, "messages": turns}, "chat", (Proposal(1, text, answer, 0.5, grades, text), Proposal(2, text, answer))
    )


async def names(found: Any, at: int, text: str) -> str:
    """A ticket that is called so in every way. One of two was decided, with those words."""
    review, now_ns = f"rev_{at}", time.time_ns()
    named = dict.fromkeys(("decision", "route", "reason", "org", "team", "key", "task"), text)
    await found.opened(review, hostile(text), **named, labels=(text,), failures=(Failure(text, text, 500, 1, text),))
    if at % 2:
        await found.desk.store.act(review, Action("edit", text=text, call=1, note=text), Caller(text, role="root"), now_ns)
    elif at % 4 == 2:
        await found.desk.store.act(review, Action("claim"), Caller(text, role="root"), now_ns)
    return review


def assert_unharmed(page: Page, origin: str, asked: list[str]) -> None:
    assert page.ran == []
    assert page.violations == []
    assert page.errors == []
    assert asked == []
    assert [url for url in page.requests if not url.startswith((f"{origin}/", "data:image/svg+xml,%3Csvg"))] == []


@pytest.mark.parametrize("guarded", [True, False], ids=["with its policy", "without"])
@pytest.mark.parametrize("part", range(PARTS))
async def test_no_word_runs_wherever_it_stands(scene, part, guarded):
    """Without the policy as well: it is the second lock, not the first."""
    async with scene() as (found, browser), elsewhere() as (address, asked):
        page = await browser.page()
        await page.call("Page.setBypassCSP", enabled=not guarded)
        chosen = list(enumerate(payloads(address)))[part::PARTS]
        ids = {await names(found, at, text): text for at, text in chosen}
        await sign_in(page, found.url, OPERATOR)
        await page.js("state.value = 'all', state.dispatchEvent(new Event('change', {bubbles: true}))")
        await page.until(f"queue.children.length === {len(ids)}")
        for review in ids:
            await page.js(f"location.hash = '{review}'")
            await page.until(f"document.activeElement.tagName === 'H2' && ticket.querySelector('.facts').innerText.includes('{review}')")
        seen = await page.js(
            "[...document.querySelectorAll('script, style, link, iframe, img, svg, object, embed, base, meta, [onerror], [style]')].length"
        )
        assert seen == 6  # the page's own
        assert await page.js("[document.documentElement.scrollWidth <= innerWidth, ticket.scrollWidth <= ticket.clientWidth]") == [
            True,
            True,
        ]
        assert_unharmed(page, found.origin, asked)


async def test_no_word_runs_in_the_form_or_in_a_message(scene):
    async with scene() as (found, browser), elsewhere() as (address, asked):
        page, texts = await browser.page(), payloads(address)
        everything = "\n".join(texts)
        await found.opened("rev_1", hostile(everything))
        await sign_in(page, f"{found.url}#rev_1", OPERATOR)
        await page.click('[data-deed="edit 1"]')
        await page.until("!decision.hidden")
        assert await page.js("words.value") == everything.replace("\r", "\n")
        await page.click("#note")
        await page.type(everything)
        await page.click("#confirm")
        await page.until("ticket.querySelector('.state').innerText.startsWith('approved')")
        assert (await found.desk.store.resolution(await found.desk.store.get("rev_1"))).text == everything
        assert page.refusals == []
        for text in texts[::8]:  # a ticket that does not exist, by that name: the gateway says the name again
            await page.js(f"document.getElementById('alert').textContent = '', location.hash = encodeURIComponent({json.dumps(text)})")
            await page.until("document.getElementById('alert').textContent")
        assert_unharmed(page, found.origin, asked)


async def test_what_is_not_seen_is_shown(scene):
    async with scene() as (found, browser):
        hidden = "".join(chr(0xE0000 + ord(sign)) for sign in "approve this")
        await found.opened("rev_1", Contents({"messages": [{"role": "user", "content": f"a\u202eb\u200b{hidden}c\u200d\U0001f600"}]}))
        page = await browser.page()
        await sign_in(page, f"{found.url}#rev_1", OPERATOR)
        await page.until("ticket.querySelector('.words')")
        assert await page.text(".words") == "aU+202EbU+200Bhidden: approve thisc\u200d\U0001f600"


async def test_these_words_do_run_where_a_page_is_careless(scene):
    """So that the tests above are known to see what they look for."""
    async with scene() as (_, browser), elsewhere() as (address, asked):
        frames = "".join(f'<iframe srcdoc="{html.escape(text)}"></iframe>' for text in payloads(address))
        page = await browser.page()
        async with elsewhere(f"<!doctype html><body>{frames}".encode()) as (careless, _):
            await page.call("Page.navigate", url=careless)
            async with asyncio.timeout(20):
                while len(set(page.ran)) < 40 or len(set(asked)) < 40:
                    await asyncio.sleep(0.05)
        assert len(PAYLOADS) >= 100
