"""A ticket as a person reads it in a terminal: what was asked, the answers with what was thought of them, until when, and how it stands.

Words of clients and models stand behind a bar, so that none of them can be taken for a line of this page, and nothing steers the terminal.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pointsman.core.apis import Api
from pointsman.core.request import Message, Text
from pointsman.core.review import ENDED
from pointsman.errors import PointsmanError
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.openai_chat.request import messages_of, read

_THEN = {
    "deny": "no answer",
    "release": "the best answer goes out, unless a check bars it",
    "escalate": "it is open again, more urgent",
}


def ticket_page(told: Mapping[str, Any]) -> str:
    """The page of a ticket as `/v1/reviews/{id}` tells it, without an end of line."""
    parts = (_head(told), _request(told), _answers(told), _failures(told), _resolution(told), _history(told))
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)


def named(told: Mapping[str, Any], key: str) -> str:
    """A key by its name, if it has one, and its id."""
    name = told["names"].get(key)
    return safe(f"{name} ({key})" if name else key).replace("\n", " ")


def moment(at_s: float) -> str:
    """A time, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))


# Printable by their category, and not seen all the same: fillers, joiners, variation selectors.
_BLANK = re.compile("[\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u2800\\u3164\\uffa0\\ufe00-\\ufe0e\\U000e0100-\\U000e01ef]")


def safe(text: str) -> str:
    """The same with everything escaped that is not seen, but for ends of lines.

    >>> safe("ok\\x1b[2J\\u202e")
    'ok\\\\x1b[2J\\\\u202e'
    """
    escaped = (sign.encode("unicode_escape").decode() if _hidden(sign) else sign for sign in text)
    return "".join(escaped)


def _hidden(sign: str) -> bool:
    return sign != "\n" and (not sign.isprintable() or _BLANK.match(sign) is not None)


def _head(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"review {told['id']}: {told['state']}{_by(told, told['assignee'])}"
    place = "/".join(safe(name) for name in (told["org"], told["team"]) if name)
    stated = {
        "why": f"{told['why']}: {safe(told['reason'])}",
        "asked": f"{moment(told['created_at'])}, route {safe(told['route'])}, task {safe(told['task'])}",
        "by": " of ".join(part for part in (f"key {named(told, told['key'])}" if told["key"] else "", place) if part),
        "decision": safe(told["decision"]),
        "labels": ", ".join(map(safe, told["labels"])),
        "priority": str(told["priority"]) if told["priority"] else "",
        "approval": "no answer goes out without it" if told["approval"] else "",
        "deadline": "" if told["state"] in ENDED else f"{moment(told['deadline_at'])}; then {_then(told)}",
    }
    yield from (f"  {name:10}{value}" for name, value in stated.items() if value)


def _then(told: Mapping[str, Any]) -> str:
    return "it closes: the client has its answer" if told["why"] == "sample" else _THEN[told["on_expiry"]]


def _request(told: Mapping[str, Any]) -> Iterator[str]:
    if told["erased"]:
        yield "its words were erased"
        return
    yield f"request ({told['api']})"
    for role, text in _turns(told["api"], told["request"]):
        yield f"  {safe(role)}"
        yield from _words(text)


def _turns(api: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Who said what, in the words of Chat Completions; what cannot be read so, as it is."""
    try:
        known = read(body if api == "chat" else DIALECTS[cast("Api", api)].to_chat(body).body)
        turns = [(message.role, _said(message)) for message in messages_of(known)]
    except (PointsmanError, KeyError):
        turns = [("body", json.dumps(body, indent=2, ensure_ascii=False))]
    yield from turns


def _said(message: Message) -> str:
    pieces = [part.text if isinstance(part, Text) else f"[{type(part).__name__.lower()}]" for part in message.parts]
    return "\n".join([*pieces, *(f"calls {call.name} with {call.arguments}" for call in message.tool_calls)])


def _answers(told: Mapping[str, Any]) -> Iterator[str]:
    if told["answers"]:
        yield "answers"
    for each in told["answers"]:
        best = "  the best" if each["call"] == told["best"] else ""
        sure = "" if each["confidence"] is None else f"  confidence {each['confidence']:.2f}"
        why = f"  ({safe(each['why'])})" if each["why"] else ""
        yield f"  {each['call']}. {safe(each['model'])}{best}{sure}{why}"
        yield from _words(_text(each["answer"]))
        yield from _grades(each["grades"])


def _grades(grades: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each check with an opinion, one for all the others."""
    said = [grade for grade in grades if grade["value"] is not None]
    for grade in said:
        yield f"     {safe(grade['check'])}: {grade['value']:.2f}{', ' + safe(grade['reason']) if grade['reason'] else ''}"
    if silent := len(grades) - len(said):
        yield f"     {silent} check{' has' if silent == 1 else 's have'} no opinion"


def _failures(told: Mapping[str, Any]) -> Iterator[str]:
    if told["failures"]:
        yield "calls that failed"
    for each in told["failures"]:
        why = f": {safe(each['check'])}" if each["check"] else ""
        yield f"  {each['call'] or '-'}. {safe(each['model'])}  {safe(str(each['code']))} ({each['status']}){why}"


def _resolution(told: Mapping[str, Any]) -> Iterator[str]:
    found = told["resolution"]
    if found is None:
        return
    whose = f", the answer of call {found['call']}" if found["call"] else ""
    yield f"{found['verdict']}{_by(told, found['by'])}{whose}{', edited' if found['edited'] else ''}"
    yield from _words(_text(found))
    if found["note"]:
        yield "  note"
        yield from _words(found["note"])


def _history(told: Mapping[str, Any]) -> Iterator[str]:
    if told["history"]:
        yield "history"
    edited = told["resolution"] is not None and told["resolution"]["edited"]
    for done in told["history"]:
        how = ", edited" if edited and done["event"] == "approved" else ""
        yield f"  {moment(done['at'])}  {done['event']}{_by(told, done['by'])}{how}"


def _text(answer: Mapping[str, Any]) -> str:
    calls: Sequence[Mapping[str, Any]] = answer["tool_calls"]
    declined = f"declines: {answer['refusal']}" if answer["refusal"] else ""
    pieces = [answer["text"], declined, *(f"calls {call['name']} with {call['arguments']}" for call in calls)]
    return "\n".join(piece for piece in pieces if piece)


def _words(text: str) -> Iterator[str]:
    return (f"     | {line}" for line in safe(text).split("\n")) if text else iter(())


def _by(told: Mapping[str, Any], who: str) -> str:
    return f" by {named(told, who)}" if who else ""
