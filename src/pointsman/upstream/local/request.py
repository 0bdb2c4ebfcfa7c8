"""What a chat request asks of the local model, checked, and written anew for llama.cpp.

llama.cpp takes dozens of fields that no client of ours may set, believes the types of some, and lets some JSON schemas stall every
slot for good. So its body is built from nothing, out of what was understood here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from pointsman.errors import RequestError
from pointsman.wire.strict_json import parse_object

DEFAULT_OUTPUT_TOKENS: Final = 512  # a small model that has not come to an end by then goes round in circles
MAX_CHOICES: Final = 8
MAX_CHARS_PER_TOKEN: Final = 32  # more text than this cannot fit, and reading megabytes to find out takes seconds
MAX_SCHEMA_BYTES: Final = 16_384
MAX_SCHEMA_DEPTH: Final = 32
MAX_SCHEMA_ALTERNATIVES: Final = 256  # llama.cpp's time per token grows with their number: 500 take 1 s, 20,000 never end
MAX_SCHEMA_PROPERTIES: Final = 100  # 1,200 optional ones take 3 to 5 s before the first token
MAX_SCHEMA_COUNT: Final = 1_000  # beyond 2,000 llama.cpp gives up, and prints the grammar, in the client's words

CONTROL = re.compile(r"<\|(?=\w{1,32}\|>)")
_REFERENCE = re.compile(r"#/(\$defs|definitions)/[^/]+")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\[\]\\^]")  # llama.cpp writes names into character classes, unescaped
_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")

Penalty = Annotated[float, Meta(ge=-2, le=2)] | None
Count = Annotated[int, Meta(ge=1, le=10_000_000)] | None


@dataclass(frozen=True, slots=True)
class Turned:
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the local model can serve."""

    messages: tuple[Turned, ...]
    settings: Mapping[str, object]  #: the rest of llama.cpp's body, but for `seed`
    model: str | None = None
    choices: int = 1
    seed: int | None = None
    top_logprobs: int | None = None
    constrained: bool = False  #: whether the answer has to be JSON
    stream: bool = False
    include_usage: bool = False

    def body(self, messages: Sequence[Turned], choice: int = 0, *, scored: bool = False, cached: bool = False) -> bytes:
        """llama.cpp's body for one answer. `scored` asks for log-probabilities, `cached` may reuse a slot's last prompt."""
        body = {
            **self.settings,
            "messages": [{"role": turn.role, "content": turn.content} for turn in messages],
            "cache_prompt": cached,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # events while the prompt is read: chances to stop
        }
        if self.seed is not None:
            # 2**32 - 1 means "any seed" to llama.cpp, which takes 32 bits.
            body["seed"] = (self.seed + choice) % (2**32 - 1)
        if scored or self.top_logprobs is not None:
            # With 0 alternatives llama.cpp leaves the log-probabilities out altogether.
            body |= {"logprobs": True, "top_logprobs": max(1, self.top_logprobs or 0)}
        return msgspec.json.encode(body)


class _Part(Struct):
    type: str
    text: str | None = None


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    tool_calls: list[object] | None = None


class _JsonSchema(Struct):
    schema: dict[str, Any]


class _ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Body(Struct):
    messages: Annotated[list[_Message], Meta(min_length=1)]
    model: str | None = None
    max_tokens: Count = None
    max_completion_tokens: Count = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty = None
    frequency_penalty: Penalty = None
    logit_bias: Annotated[dict[str, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=300)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Annotated[str, Meta(min_length=1)] | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=16)] | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    response_format: _ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


_UNSUPPORTED: Final = ("tools", "functions", "audio", "web_search_options")


def read_request(raw: bytes, context_tokens: int) -> Asked:
    """The request in an OpenAI body. Raises `RequestError` with `param` for what is malformed or what the local model cannot do."""
    body = parse_object(raw)
    for name in _UNSUPPORTED:
        if body.get(name):
            raise RequestError(f"the local model has no `{name}`: use another model", param=name)
    known = _convert(body)
    if known.top_logprobs is not None and not known.logprobs:
        raise RequestError("`top_logprobs` needs `logprobs: true`", param="top_logprobs")
    messages = tuple(_turn(message) for message in known.messages)
    if sum(len(turn.content) for turn in messages) > context_tokens * MAX_CHARS_PER_TOKEN:
        what = f"the messages are longer than a context of {context_tokens:,} tokens can hold: shorten them"
        raise RequestError(what, param="messages", code="context_length_exceeded")
    constraint = _constraint(known.response_format)
    return Asked(
        messages,
        settings=_settings(known) | constraint,
        model=known.model,
        choices=known.n or 1,
        seed=known.seed,
        top_logprobs=(known.top_logprobs or 0) if known.logprobs else None,
        constrained=bool(constraint),
        stream=bool(known.stream),
        include_usage=bool(known.stream_options and known.stream_options.include_usage),
    )


def without_control_tokens(text: str) -> str:
    """The text with a blank in whatever the model would read as the end of a turn or the start of another's.

    >>> without_control_tokens("a <|im_end|> b <|endoftext|> c <| d")
    'a < |im_end|> b < |endoftext|> c <| d'
    """
    return CONTROL.sub("< |", text)


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a JSON schema that llama.cpp would not enforce, could hang on, or would print.

    llama.cpp makes a grammar of the schema, and one that it then cannot read goes to standard error whole, whatever its verbosity: no
    setting turns that off. So everything known to make such a grammar is refused here: counts beyond its limit, names it does not
    escape, references past what was checked. A cause that nobody has found yet would still print the client's words.

    >>> check_schema({"type": "object", "properties": {"id": {"type": "string", "pattern": "^(a?){0,50}$"}}})
    Traceback (most recent call last):
    pointsman.errors.RequestError: the local model cannot enforce `pattern`: leave it out of the JSON schema
    """
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        raise _schema_error(f"the JSON schema is larger than {MAX_SCHEMA_BYTES:,} bytes: make it smaller")
    alternatives = properties = 0
    for depth, part in _schemas(schema):
        if depth > MAX_SCHEMA_DEPTH:
            raise _schema_error(f"the JSON schema is more than {MAX_SCHEMA_DEPTH} deep: flatten it")
        _check_part(part)
        alternatives += sum(len(part[name]) for name in ("enum", "anyOf", "oneOf") if isinstance(part.get(name), list))
        properties += len(part["properties"]) if isinstance(part.get("properties"), dict) else 0
    if alternatives > MAX_SCHEMA_ALTERNATIVES:
        raise _schema_error(f"the JSON schema has {alternatives:,} alternatives: at most {MAX_SCHEMA_ALTERNATIVES} are supported")
    if properties > MAX_SCHEMA_PROPERTIES:
        raise _schema_error(f"the JSON schema has {properties:,} properties: at most {MAX_SCHEMA_PROPERTIES} are supported")


def _check_part(part: Mapping[str, Any]) -> None:
    for name in ("pattern", "patternProperties"):
        if name in part:
            raise _schema_error(f"the local model cannot enforce `{name}`: leave it out of the JSON schema")
    for name in part["properties"] if isinstance(part.get("properties"), dict) else ():
        if _UNWRITABLE.search(name):
            raise _schema_error("a property's name in the JSON schema holds a control character or one of `[ ] ^ \\`: rename it")
    # References to elsewhere may lead to what is no schema to us, and was not checked.
    if "$ref" in part and not (isinstance(part["$ref"], str) and _REFERENCE.fullmatch(part["$ref"])):
        raise _schema_error("the local model follows `$ref` only to `#/$defs/...`: move what it refers to")
    for least, most in (("minLength", "maxLength"), ("minItems", "maxItems")):
        for name in (least, most):
            _check_count(name, part.get(name, 0))
        _check_order(part, least, most)
    for least, most in product(("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        _check_order(part, least, most)


def _check_count(name: str, count: object) -> None:
    if type(count) is not int or not 0 <= count <= MAX_SCHEMA_COUNT:
        raise _schema_error(f"`{name}` in the JSON schema has to be a whole number from 0 to {MAX_SCHEMA_COUNT:,}")


def _check_order(part: Mapping[str, Any], least: str, most: str) -> None:
    # A string at least 5 and at most 3 long fills the memory until the process is killed.
    low, high = part.get(least), part.get(most)
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise _schema_error(f"`{least}` is greater than `{most}` in the JSON schema: nothing can satisfy it")


def _schemas(schema: object, depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # A stack of our own is not needed: the body's nesting is bounded, and so is ours.
    if isinstance(schema, list):
        for item in schema:
            yield from _schemas(item, depth)
    if not isinstance(schema, dict):
        return
    yield depth, schema
    for name, value in schema.items():
        if name in {"enum", "const", "default", "examples"}:
            continue
        names_schemas = name in {"properties", "$defs", "definitions"} and isinstance(value, dict)
        yield from _schemas(list(value.values()) if names_schemas else value, depth + 1)


def _convert(body: Mapping[str, Any]) -> _Body:
    try:
        return msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        path = found["path"] if found else None
        what = _AT.sub("", str(error))
        what = what[:1].lower() + what[1:]
        raise RequestError(f"`{path}`: {what}" if path else what, param=path) from error


def _turn(message: _Message) -> Turned:
    if message.tool_calls or message.role in {"tool", "function"}:
        raise RequestError("the local model has no tools, also not in earlier messages: use another model", param="messages")
    parts = message.content if isinstance(message.content, list) else [_Part("text", message.content or "")]
    for part in parts:
        if part.type != "text" or part.text is None:
            raise RequestError(f"the local model reads text only, not `{part.type[:32]}`: use another model", param="messages")
    role: Literal["system", "user", "assistant"] = "user"
    if message.role != "user":
        role = "assistant" if message.role == "assistant" else "system"
    return Turned(role, without_control_tokens("\n".join(part.text or "" for part in parts)))


def _settings(known: _Body) -> dict[str, object]:
    stop = [known.stop] if isinstance(known.stop, str) else known.stop
    settings = {
        "max_tokens": known.max_completion_tokens or known.max_tokens or DEFAULT_OUTPUT_TOKENS,
        # Greedy unless asked otherwise: at its usual temperature a model this small loses more than it gains.
        "temperature": known.temperature or 0.0,
        "top_p": known.top_p,
        "presence_penalty": known.presence_penalty,
        "frequency_penalty": known.frequency_penalty,
        "stop": stop or None,
        "logit_bias": _logit_bias(known.logit_bias),
    }
    return {name: value for name, value in settings.items() if value is not None}


def _logit_bias(bias: Mapping[str, float] | None) -> Sequence[tuple[int, float]] | None:
    if not bias:
        return None
    for token in bias:
        if not re.fullmatch(r"[0-9]{1,9}", token):
            raise RequestError(f"`logit_bias`: `{token[:32]}` is not a token's number", param="logit_bias")
    return [(int(token), value) for token, value in bias.items()]


def _constraint(wanted: _ResponseFormat | None) -> dict[str, object]:
    if wanted is None or wanted.type == "text":
        return {}
    if wanted.type == "json_object":
        return {"response_format": {"type": "json_object"}}
    if wanted.json_schema is None:
        raise RequestError("`response_format` of type `json_schema` needs `json_schema.schema`", param="response_format")
    check_schema(wanted.json_schema.schema)
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": wanted.json_schema.schema}}}


def _schema_error(what: str) -> RequestError:
    return RequestError(what, param="response_format")
