"""Words that a decision log keeps sealed: what was asked, what people were shown, and what they released."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pointsman.core.apis import Api
from pointsman.core.codec import from_json
from pointsman.core.request import Caller, Content, Request
from pointsman.core.review import Contents, Resolution
from pointsman.errors import ConfigError, RecordError, RequestError
from pointsman.signals.canonical import asked
from pointsman.stores.content_keys import ContentKeys, sealing_key
from pointsman.stores.logfile import LogFile
from pointsman.stores.places import Places
from pointsman.stores.review_rows import bound_end
from pointsman.wire.request import read_request

T = TypeVar("T")


class Sealed:
    """Opens what a log keeps, as far as its content keys are at hand and not destroyed. What cannot be read is not there."""

    def __init__(self, log: LogFile, keys: ContentKeys | None) -> None:
        self._log, self._keys = log, keys
        self._reviews = bool(log.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'reviews'"))

    def ticket(self, id: str) -> tuple[Contents | None, Resolution | None]:
        """What a ticket's answers said, and what came of it."""
        query = "SELECT contents, resolution FROM reviews WHERE id = ?"
        rows = self._log.rows(query, (id,)) if self._reviews else []
        contents, end = rows[0] if rows else (None, None)
        return self._read(Contents, id, contents), self._read(Resolution, bound_end(id), end)

    def request(self, request: Request, tickets: tuple[str, ...] = ()) -> Content | None:
        """What a recorded request asked: as its content record has it, else as one of its tickets does."""
        rows = self._log.rows("SELECT body FROM log WHERE decision = ? AND kind = 'content' ORDER BY seq LIMIT 1", (request.id,))
        if rows and (body := self._opened(request.id, rows[0][0])) is not None:
            return _content(json.loads(body), request.id, request.api)
        for ticket in tickets:
            if (contents := self.ticket(ticket)[0]) is not None:
                return _content(contents.body, request.id, request.api)
        return None

    def _read(self, kind: type[T], bound_to: str, body: bytes | None) -> T | None:
        text = None if body is None else self._opened(bound_to, body)
        return None if text is None else from_json(kind, text)

    def _opened(self, bound_to: str, body: bytes) -> bytes | None:
        if sealing_key(body) is None:
            return body
        try:
            return None if self._keys is None else self._keys.open(bound_to, body)
        except RecordError:  # it was changed: no words to learn from
            return None


@contextmanager
def sealed(log: LogFile, path: Path, keys: Path | None) -> Iterator[Sealed]:
    """The words of the log at `path`. `keys`: the file of content keys; `None`: the one beside the log, if there is one.

    Raises `ConfigError` for a file that was named and is not there.
    """
    if keys is not None and not keys.exists():
        raise ConfigError(f"{keys}: no content keys: name their file with --content-keys")
    beside = Places.of(path).content_keys if keys is None else keys
    opened = ContentKeys(beside) if beside.exists() else None
    try:
        yield Sealed(log, opened)
    finally:
        if opened is not None:
            opened.close()


def read_as_live(content: Content | None) -> tuple[str, str]:
    """Text and tool documents as the gateway gives them to what predicts; both empty where nothing is known."""
    if content is None:
        return "", ""
    return asked(content).text, "\n".join(f"{tool.name} {tool.schema}" for tool in content.tools)


def _content(body: Mapping[str, object], id: str, api: Api) -> Content | None:
    try:
        return read_request(dict(body), "", id, Caller(), {}, api).content
    except RequestError:  # of an earlier version, whose words are not read any more
        return None
