"""A request, normalised from its wire format.

What routing may look at stands in plain fields. What only the model needs to see (messages, tool schemas, the body) stands in
`Request.content`, which takes no part in equality and is not recorded: `digest` stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from operator import attrgetter
from typing import Literal

from pointsman.core.apis import Api, Feature
from pointsman.core.role import Standing
from pointsman.core.value import value

ResponseFormat = Literal["text", "json_object", "json_schema"]


@value
class Text:
    """A piece of text in a message."""

    text: str


@value
class Image:
    """An image in a message, by URL or data URL."""

    url: str


@value
class Opaque:
    """A part of a kind that routing does not read (audio, file, ...); it travels through."""

    kind: str


Part = Text | Image | Opaque


@value
class ToolCall:
    """A tool call that a model made earlier in the conversation; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@value
class Message:
    """One turn of the conversation."""

    role: str
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """All text of the turn, tool arguments included, one piece a line."""
        pieces = [part.text for part in self.parts if isinstance(part, Text)]
        return "\n".join([*pieces, *(call.arguments for call in self.tool_calls)])


@value
class Tool:
    """A tool offered to the model; `schema` is the JSON text of its definition."""

    name: str
    schema: str = ""


@value
class Content:
    """What the model sees: turns, tool definitions, and the client's JSON body with every field it sent."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    body: Mapping[str, object] = field(default_factory=dict)
    translated: Mapping[str, object] | None = None  #: the same as Chat Completions writes it; `None`: that is what the client wrote
    dropped: tuple[str, ...] = ()  #: fields that Chat Completions has no words for
    headers: Mapping[str, str] = field(default_factory=dict)  #: the client's, as far as they are part of its API
    previous: str | None = None  #: id of the response that it goes on from

    @property
    def chat(self) -> Mapping[str, object]:
        """The body in the words of Chat Completions."""
        return self.body if self.translated is None else self.translated


@value
class Caller:
    """Who asks: a gateway key and what it may do. `None` means no restriction."""

    key: str = "anonymous"  #: public id of the key, never its secret
    team: str = ""
    routes: tuple[str, ...] | None = None  #: routes this key may use
    models: tuple[str, ...] | None = None  #: models this key's requests may reach
    labels: tuple[str, ...] = ()  #: every request of this key carries at least these
    org: str = ""  #: whose team it is; no org: the gateway's own
    role: Standing = "caller"
    allowed_labels: tuple[str, ...] | None = None  #: labels that this key's requests may carry, those they imply included


@value
class Request:
    """What the client asked.

    >>> Request(id="r1", model="auto") == Request(id="r1", model="auto", content=Content((Message("user", (Text("hi"),)),)))
    True
    """

    id: str
    model: str  #: a route, or a model's own name
    api: Api = "chat"  #: in whose words it was asked
    features: tuple[Feature, ...] = ()  #: what not every API has words for
    caller: Caller = Caller()
    digest: str = ""  #: SHA-256 of the body as the client sent it, in hex
    stream: bool = False
    max_output_tokens: int | None = None
    choices: int = 1  #: answers asked for (`n`)
    messages: int = 0
    images: int = 0
    tools: tuple[str, ...] = ()  #: names of the tools offered
    response_format: ResponseFormat = "text"
    labels: tuple[str, ...] = ()  #: labels the client declared
    task: str | None = None  #: task class the client declared
    domain: str | None = None  #: the same of what it is about
    difficulty: str | None = None  #: and of how hard it is
    metadata: Mapping[str, str] = field(default_factory=dict)
    reads_for: str = ""  #: id of the request whose words it takes to the model that reads them; empty: a client's own
    content: Content | None = field(default=None, compare=False, repr=False)

    def without_content(self) -> Request:
        """The request as the record keeps it."""
        return self if self.content is None else Request(*_recorded(self))


_recorded = attrgetter(*(field.name for field in fields(Request)[:-1]))  # everything before the content, which comes last
