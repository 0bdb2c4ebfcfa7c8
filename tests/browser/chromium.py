"""A headless Chromium, driven over two pipes in the words of its DevTools: no driver, no port, no library.

https://chromedevtools.github.io/devtools-protocol/ · each message is JSON that ends with a zero byte.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium reads descriptor 3 and writes 4, whatever numbers the pipes have here.
_START = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
_LONGEST_MESSAGE = 64 * 2**20
_PATIENCE_S = 12.0
_KEYS = {
    "Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), "ArrowDown": (40, ""), "ArrowUp": (38, ""), "Space": (32, " "),
}  # fmt: skip
_CTRL, _SHIFT = 2, 8
# What a policy forbids is told to the test as well.
_WATCH = "addEventListener('securitypolicyviolation', (e) => violated(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample), true)"


class Chromium:
    """One process. Every page that is opened in it is another person's: nothing is shared."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        number = next(self._numbers)
        said = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps(said).encode() + b"\0")
        async with asyncio.timeout(_PATIENCE_S):
            return await self._answers[number]

    async def page(self, width: int = 1200, height: int = 800) -> Page:
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        for name in ("canary", "violated"):
            await page.call("Runtime.addBinding", name=name)
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return page

    async def listen(self) -> None:
        """Hand out what Chromium says, until it is gone."""
        while True:
            try:
                said = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if "id" in said:
                waiting = self._answers.pop(said["id"])
                if waiting.done():
                    continue
                if "error" in said:
                    waiting.set_exception(AssertionError(said["error"]))
                else:
                    waiting.set_result(said["result"])
            elif page := self._pages.get(said.get("sessionId", "")):
                page.hear(said["method"], said["params"])


@dataclass
class Page:
    """A page with what happened in it."""

    chromium: Chromium
    session: str
    errors: list[str] = field(default_factory=list)  #: of the console: exceptions, errors and warnings, but for answers of HTTP
    refusals: list[str] = field(default_factory=list)  #: answers of HTTP that the console calls errors
    violations: list[str] = field(default_factory=list)  #: of the content security policy
    ran: list[str] = field(default_factory=list)  #: what called `canary`, and dialogs
    requests: list[str] = field(default_factory=list)  #: addresses that were asked for

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self.chromium.call(method, self.session, **params)

    def hear(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(json.dumps(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                entry = params["entry"]
                (self.refusals if entry["source"] == "network" else self.errors).append(f"{entry['text']} {entry.get('url', '')}")
            case "Runtime.bindingCalled":
                (self.ran if params["name"] == "canary" else self.violations).append(params["payload"])
            case "Page.javascriptDialogOpening":
                self.ran.append(f"dialog: {params['message']}")
                self._later = asyncio.ensure_future(self.call("Page.handleJavaScriptDialog", accept=False))
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(params["url"])

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def js(self, expression: str) -> Any:
        """What an expression comes to; a promise, what it comes to."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait for what nobody announces."""
        look = f"new Promise((done) => {{ const look = () => ({condition}) ? done(true) : setTimeout(look, 15); look(); }})"
        try:
            await self.js(look)
        except TimeoutError:
            seen = await self.js("document.body.innerText")
            raise AssertionError(f"not so: {condition}\nerrors: {self.errors}\n{seen}") from None

    async def text(self, selector: str) -> str:
        return str(await self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def texts(self, selector: str) -> list[str]:
        return list(await self.js(f"[...document.querySelectorAll({json.dumps(selector)})].map((found) => found.innerText)"))

    async def click(self, selector: str) -> None:
        """A click of the mouse in the middle of it."""
        what = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{what} && !{what}.disabled && {what}.offsetParent !== null")
        middle = "((box) => [box.x + box.width / 2, box.y + box.height / 2])"
        x, y = await self.js(f"{what}.scrollIntoView({{block: 'center'}}), {middle}({what}.getBoundingClientRect())")
        for event in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """As if by keyboard, where the focus is."""
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, *, ctrl: bool = False, shift: bool = False) -> None:
        code, text = _KEYS[key]
        what = {
            "key": " " if key == "Space" else key,
            "code": key,
            "windowsVirtualKeyCode": code,
            "modifiers": ctrl * _CTRL + shift * _SHIFT,
        }
        await self.call(
            "Input.dispatchKeyEvent",
            type="keyDown" if text and not ctrl else "rawKeyDown",
            **what,
            **({"text": text} if text and not ctrl else {}),
        )
        await self.call("Input.dispatchKeyEvent", type="keyUp", **what)

    async def picture(self) -> bytes:
        """What the page looks like, as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def chromium(program: str, folder: Path) -> AsyncIterator[Chromium]:
    """A Chromium of one's own, with a profile in this folder, which ends with the block."""
    theirs_in, ours_out = _pipe()
    ours_in, theirs_out = _pipe()
    command = [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _START, str(theirs_in), str(theirs_out), *command),
        pass_fds=(theirs_in, theirs_out),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(_LONGEST_MESSAGE)
    reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb"))
    writing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(ours_out, "wb"))
    browser = Chromium(reader, asyncio.StreamWriter(writing, protocol, None, loop))
    listening = asyncio.ensure_future(browser.listen())
    try:
        yield browser
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        writing.close()
        await listening
        reading.close()


def _pipe() -> tuple[int, int]:
    """Its ends, with numbers that are out of the way of 3 and 4."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved  # type: ignore[return-value]
