"""The page for reviewers, in a real browser: what people do with it, and what nobody can do to them through it."""

from __future__ import annotations

import json

import pytest

from pointsman.core.labels import close
from pointsman.errors import Failure
from tests.browser.chromium import Chromium, Page
from tests.browser.desks import Desked
from tests.tickets import ANSWER, WORDS

APPROVE_2, EDIT_2 = '[data-deed="approve 2"]', '[data-deed="edit 2"]'
CLAIM, RELEASE, REJECT, OWN = '[data-deed="claim"]', '[data-deed="release"]', '[data-deed="reject"]', '[data-deed="answer"]'


async def sign_in(page: Page, url: str, key: str) -> None:
    await page.go(url)
    await page.click("#key")
    await page.type(key)
    await page.press("Enter")
    await page.until("!document.getElementById('desk').hidden && document.getElementById('fresh').textContent === 'live'")


async def choose(page: Page, id: str) -> None:
    await page.click(f'#queue a[href="#{id}"]')
    await page.until(f"document.querySelector('#ticket .facts')?.innerText.includes('{id}')")


async def form(found: Desked, browser: Chromium, deed: str) -> Page:
    """Where a reviewer who has just signed in is about to decide a new ticket."""
    await found.opened()
    page = await browser.page()
    await sign_in(page, found.url, await found.reviewer())
    await choose(page, "rev_1")
    await page.click(deed)
    await page.until("!decision.hidden")
    return page


async def write(page: Page, selector: str, text: str) -> None:
    """In place of what stands there."""
    await page.js(f"document.querySelector('{selector}').select()")
    await page.type(text)


def id_of(key: str) -> str:
    return key.split("_")[1]


def assert_sound(page: Page) -> None:
    assert (page.errors, page.violations, page.ran) == ([], [], [])


# What people do with it


async def test_a_reviewer_signs_in_claims_edits_and_releases(scene):
    async with scene() as (found, browser):
        await found.opened()
        key, page = await found.reviewer(), await browser.page()
        await sign_in(page, found.url, key)
        await choose(page, "rev_1")
        assert WORDS in await page.text("#ticket")
        assert await page.texts(".card h4 span + span") == ["20 %", "60 %"]
        await page.click(CLAIM)
        await page.until(f"document.querySelector('{RELEASE}')")
        assert (await found.desk.store.get("rev_1")).assignee == id_of(key)
        await page.click(EDIT_2)
        assert await page.js("words.value") == ANSWER
        await write(page, "#words", "It is the flu.\nRest.")
        await write(page, "#note", "too terse")
        await page.click("#confirm")
        await page.until("ticket.innerText.includes('edited')")
        done = await found.desk.store.resolution(await found.desk.store.get("rev_1"))
        assert (done.verdict, done.text, done.edited, done.call, done.note) == ("approved", "It is the flu.\nRest.", True, 2, "too terse")
        await page.until("decision.hidden")
        assert_sound(page)
        assert page.refusals == []


async def test_what_failed_is_told_with_the_check_that_an_answer_failed(scene):
    async with scene() as (found, browser):
        failures = (
            Failure("small", "invalid_output", 502, 1, "json <b>schema</b>"),
            Failure("large", "overloaded", 503, 2),
            Failure("away", "unavailable", 503),
        )
        await found.opened(failures=failures)
        page = await browser.page()
        await sign_in(page, found.url, await found.reviewer())
        await choose(page, "rev_1")
        assert (await page.texts(".history li"))[1:4] == [
            "call 1: small failed: invalid_output: json <b>schema</b>",
            "call 2: large failed: overloaded",
            "not asked: away failed: unavailable",
        ]
        assert_sound(page)


@pytest.mark.parametrize(
    ("button", "words", "expected"),
    [
        (APPROVE_2, None, ("approved", ANSWER, 2, False)),
        (OWN, "I do not know.", ("answered", "I do not know.", 0, False)),
        (REJECT, None, ("rejected", "", 2, False)),
    ],
)
async def test_every_other_way_to_decide(scene, button, words, expected):
    async with scene() as (found, browser):
        page = await form(found, browser, button)
        if words is not None:
            await write(page, "#words", words)
        await page.click("#confirm")
        await page.until(f"ticket.querySelector('.state').innerText.startsWith('{expected[0]}')")
        done = await found.desk.store.resolution(await found.desk.store.get("rev_1"))
        assert (done.verdict, done.text, done.call, done.edited) == expected
        assert_sound(page)


async def test_of_two_who_race_one_has_it_and_the_other_hears_who(scene):
    async with scene() as (found, browser):
        await found.opened()
        names = ("Rita <b>R.</b>", "Sam")
        keys, people = [await found.reviewer(name=name) for name in names], [await browser.page(), await browser.page()]
        for person, key in zip(people, keys, strict=True):
            await sign_in(person, found.url, key)
            await choose(person, "rev_1")
        for person in people:  # neither waits for the other
            await person.js("setTimeout(() => document.querySelector('[data-deed=claim]').click(), 50), 0")
        for person in people:
            await person.until("document.getElementById('alert').textContent + document.getElementById('status').textContent")
        winner = [id_of(key) for key in keys].index((await found.desk.store.get("rev_1")).assignee)
        first, second = people[winner], people[1 - winner]
        assert "Claimed: it is yours" in await first.text("#status")
        assert await second.text("#alert") == f"{names[winner]} was faster: the ticket is claimed by {names[winner]}."
        await second.until(f"queue.innerText.includes({json.dumps(f'claimed by {names[winner]}')})")
        assert await second.js(f"document.querySelector('{APPROVE_2}') === null")
        await first.click(APPROVE_2)
        await first.click("#confirm")
        await second.until("ticket.querySelector('.state').innerText.startsWith('approved')")  # by itself
        for person in people:
            assert_sound(person)


async def test_who_was_slower_keeps_what_was_written(scene):
    async with scene() as (found, browser):
        page = await form(found, browser, OWN)
        await write(page, "#words", "my long answer")
        for deed in ("release", "reject"):  # an admin steps in
            assert (await found.gateway.ask(f"/v1/reviews/rev_1/{deed}", {})).status == 200
        await page.click("#confirm")
        await page.until("document.getElementById('alert').textContent")
        assert await page.text("#alert") == "env was faster: the ticket is rejected. What you wrote is still here, and was not sent."
        assert await page.js("[words.value, document.getElementById('confirm').disabled]") == ["my long answer", True]
        assert_sound(page)


async def test_a_failing_gateway_is_told_once_and_what_is_written_stays(scene):
    async with scene() as (found, browser):
        page = await form(found, browser, OWN)
        await write(page, "#words", "my long answer")
        found.gateway.app.draining = True
        await page.click("#confirm")
        await page.until("document.getElementById('alert').textContent.includes('being stopped')")
        assert "What you wrote is still here" in await page.text("#alert")
        found.gateway.app.draining = False
        await page.click("#confirm")
        await page.until("ticket.querySelector('.state').innerText.startsWith('answered')")
        assert (await found.desk.store.resolution(await found.desk.store.get("rev_1"))).text == "my long answer"
        assert_sound(page)


async def test_the_queue_is_live_and_can_be_narrowed(scene):
    async with scene() as (found, browser):
        await found.opened("rev_a", route="support", labels=close(("pii",)))
        await found.opened("rev_b", route="sales", priority=3)
        page = await browser.page()
        await sign_in(page, found.url, await found.reviewer())

        async def listed() -> list[str]:
            return list(await page.js("[...queue.querySelectorAll('a')].map((link) => link.hash)"))

        assert await listed() == ["#rev_b", "#rev_a"]
        await found.opened("rev_c", route="support", priority=5)
        await page.until("queue.children.length === 3")
        assert (await listed())[0] == "#rev_c"
        for box, text, left in (("route", "support", ["#rev_c", "#rev_a"]), ("label", "pii", ["#rev_a"])):
            await page.click(f"#{box}")
            await page.type(text)
            await page.press("Enter")
            await page.until(f"queue.children.length === {len(left)}")
            assert await listed() == left
        await page.js("state.value = 'rejected', state.dispatchEvent(new Event('change', {bubbles: true}))")
        await page.until("queue.children.length === 0 && !empty.hidden")
        assert_sound(page)


async def test_who_lacks_the_label_does_not_see_the_ticket(scene):
    async with scene() as (found, browser):
        await found.opened("rev_open")
        await found.opened("rev_pii", labels=close(("pii",)))
        page = await browser.page()
        await sign_in(page, found.url, await found.reviewer(allowed_labels=("internal",)))
        assert await page.js("[...queue.querySelectorAll('a')].map((link) => link.hash)") == ["#rev_open"]
        await page.js("location.hash = 'rev_pii'")
        await page.until("document.getElementById('alert').textContent")
        assert "carries the label `pii`" in await page.text("#alert")
        assert await page.text("#ticket") == ""
        assert_sound(page)


@pytest.mark.parametrize(("role", "told"), [("caller", "may not"), (None, "not one of this gateway's")])
async def test_who_may_not_review_gets_no_further_than_the_door(scene, role, told):
    async with scene() as (found, browser):
        await found.opened()
        page = await browser.page()
        await page.go(found.url)
        await page.click("#key")
        await page.type("wrong" if role is None else await found.gateway.key(role=role))
        await page.press("Enter")
        await page.until("document.getElementById('alert').textContent")
        assert told in await page.text("#alert")
        assert await page.js("desk.hidden && !sessionStorage.length") is True


async def test_a_key_is_in_this_tab_alone_and_goes_with_it(scene):
    async with scene() as (found, browser):
        await found.opened()
        key, page = await found.reviewer(), await browser.page()
        await sign_in(page, f"{found.url}#rev_1", key)
        await page.until("ticket.innerText.includes('Zebulon')")
        await page.go(found.url)  # read again: it is still known here
        await page.until("queue.children.length === 1")
        assert await page.js("[localStorage.length, document.cookie, location.href.includes('pm_')]") == [0, "", False]
        assert not any(key in url for url in page.requests)
        stranger = await browser.page()
        await stranger.go(found.url)
        assert await stranger.js("desk.hidden") is True
        await found.gateway.service.keys.revoke_key(id_of(key))
        await page.until("desk.hidden")
        seen = await page.js("document.documentElement.outerHTML + JSON.stringify(sessionStorage)")
        assert not any(word in seen for word in ("Zebulon", "rev_1", key))
        assert_sound(page)


# Without a mouse, and without eyes


async def test_everything_can_be_done_with_the_keyboard(scene):
    async with scene() as (found, browser):
        await found.opened("rev_a", priority=1)
        await found.opened("rev_b")
        page = await browser.page()
        await page.go(found.url)

        async def tab_to(selector: str) -> None:
            for _ in range(60):
                if await page.js(f"document.activeElement.matches({json.dumps(selector)})"):
                    return
                await page.press("Tab")
            raise AssertionError(f"no way to {selector}")

        assert await page.js("document.activeElement.id") == "key"
        await page.type(await found.reviewer())
        await page.press("Enter")
        await page.until("queue.children.length === 2")
        await tab_to("#queue a")
        await page.press("ArrowDown")
        await page.press("Enter")
        await page.until("document.activeElement.tagName === 'H2'")
        await tab_to(CLAIM)
        await page.press("Enter")
        await page.until(f"document.querySelector('{RELEASE}')")
        await tab_to(EDIT_2)
        await page.press("Space")
        await page.until("document.activeElement.id === 'words'")
        await page.press("Escape")
        await page.until("decision.hidden")
        assert await page.js(f"document.activeElement.matches('{EDIT_2}')") is True
        await page.press("Enter")
        await page.until("document.activeElement.id === 'words'")
        await write(page, "#words", "by keyboard")
        await page.press("Enter", ctrl=True)
        await page.until("document.activeElement.tagName === 'H2' && ticket.innerText.includes('by keyboard')")
        done = await found.desk.store.resolution(await found.desk.store.get("rev_b"))
        assert (done.text, done.edited) == ("by keyboard", True)
        assert_sound(page)


async def test_everything_that_can_be_used_has_a_name(scene):
    async with scene() as (found, browser):
        page = await form(found, browser, OWN)
        await page.call("Accessibility.enable")
        nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        used = {"button", "link", "textbox", "combobox", "checkbox", "meter", "form", "navigation", "searchbox"}
        named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]
        assert [role for role, name in named if role in used and not name.strip()] == []
        assert {"button", "link", "textbox", "meter", "navigation", "main"} <= {role for role, _ in named}
        live = await page.js("[...document.querySelectorAll('[role=alert], [role=status]')].map((found) => found.id)")
        assert live == ["alert", "status"]


@pytest.mark.parametrize("width", [400, 1000, 1600])
async def test_nothing_is_out_of_sight_to_the_right(scene, width):
    async with scene() as (found, browser):
        await found.opened(labels=close(("pii",)))
        page = await browser.page(width, 800)
        await sign_in(page, found.url, await found.reviewer())
        await choose(page, "rev_1")
        await page.click(EDIT_2)
        await page.until("!decision.hidden")
        assert await page.js("document.documentElement.scrollWidth") == width
        outside = "[...document.querySelectorAll('button, input, .words')].filter((box) => box.getBoundingClientRect().right > innerWidth)"
        assert await page.js(f"{outside}.map((box) => box.outerHTML)") == []
        assert_sound(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_what_is_written_can_be_read_in_both_themes(scene, theme):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 at least."""
    async with scene() as (found, browser):
        await found.opened(labels=close(("pii",)))
        page = await browser.page()
        await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        await sign_in(page, found.url, await found.reviewer())
        await choose(page, "rev_1")
        await page.js("new Promise((done) => setTimeout(done, 200))")
        assert await page.js(FAINT) == []


FAINT = """(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => { for (; node; node = node.parentElement) {
    const [r, g, b, a = 1] = numbers(getComputedStyle(node).backgroundColor); if (a > 0) return [r, g, b]; } return [255, 255, 255]; };
  const faint = [];
  for (const node of document.querySelectorAll('#desk *')) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || !node.offsetParent || node.disabled) continue;
    const [a, b] = [light(numbers(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push([node.tagName, node.className, node.innerText.slice(0, 30), (a + 0.05) / (b + 0.05)]);
  }
  return faint;
})()"""
