"""The pages for people: files of the package, the same for everybody and without a word of anybody's. What they show they ask the API for.

They are let out without a key, for a browser has none to send yet; whoever opens one pastes a key, which goes to the API alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from pointsman.errors import MethodNotAllowed, NotFound
from pointsman.server.asgi import Scope, Send, respond

PREFIX: Final = "/ui"
FIRST: Final = "/ui/reviews"
"""Where `PREFIX` leads, in words that hold behind a proxy that adds to the path as well."""

FILES: Final[Mapping[str, tuple[str, str]]] = {
    FIRST: ("reviews.html", "text/html; charset=utf-8"),
    f"{PREFIX}/reviews.css": ("reviews.css", "text/css; charset=utf-8"),
    f"{PREFIX}/reviews.js": ("reviews.js", "text/javascript; charset=utf-8"),
    f"{PREFIX}/text.js": ("text.js", "text/javascript; charset=utf-8"),
}
"""Every path there is, with its file and what that is."""

# The last two: text becomes markup, or code, nowhere, not even where the page's own script would have it so.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def holds(path: str) -> bool:
    """Whether a path is one of the pages' to answer, if only with 404."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


async def serve(scope: Scope, send: Send) -> None:
    """Answer with a page or a part of one. Raises `NotFound` and `MethodNotAllowed` before anything is sent."""
    path, method = scope["path"], scope["method"]
    leads_on = path in (PREFIX, f"{PREFIX}/")
    if not leads_on and path not in FILES:
        raise NotFound(f"no such path: `{path[:200]}`", code="unknown_url")
    if method not in ("GET", "HEAD"):
        raise MethodNotAllowed(f"`{path[:200]}` takes GET, not {method}", "GET")
    if leads_on:
        await respond(send, 307, b"", {**HEADERS, "location": "reviews" if path.endswith("/") else "ui/reviews"})
        return
    name, kind = FILES[path]
    await respond(send, 200, _file(name), {**HEADERS, "content-type": kind})


@cache
def _file(name: str) -> bytes:
    return (Path(__file__).parent / "ui" / name).read_bytes()
