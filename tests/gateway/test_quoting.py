"""Who is asked about an answer sees no part of what it must not see, also where the text is too long to be quoted whole."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from pointsman.core.answer import Answer
from pointsman.core.model import Model
from pointsman.core.request import Caller, Request
from pointsman.errors import RequestError, UpstreamRefused
from pointsman.gateway import Inquiry
from pointsman.gateway.masking import Mask
from pointsman.gateway.quoting import refuse_news, refuse_parts
from pointsman.gateway.understand import World, decide_request
from pointsman.gateway.varied import varied
from pointsman.plans.checks.asking import shown
from pointsman.plans.steps import Call, Variation
from pointsman.signals.extract import Search, SignalSettings
from pointsman.signals.sensitivity.detect import Detector
from pointsman.wire.request import parse_request
from tests.worlds import snapshot

SEARCH = Search(Detector(), b"a key of the tests, secret enough")
MASK = Mask(frozenset({"secret", "pii"}), frozenset({"external"}), SEARCH)
WORDS = "The bridge on the lower road is closed for a week. "
KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(base64.b64encode(bytes([at] * 48)).decode() for at in range(25))
LONG = WORDS * 600
ACROSS = f"{WORDS * 600}{KEY}{' ' + WORDS * 140}"  # the border of what is quoted from the end runs through the key


def user(text: str) -> Request:
    return parse_request(json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]}).encode(), "r", Caller(), {})


def question(request: Request, answer: Answer) -> Request:
    decided = decided_for(request)
    return varied(request, Call(decided.clear("ada"), variation=Variation(question=f"Is it right? {shown(answer)}")))


def decided_for(request: Request):
    world = World(snapshot([Model("ada")]), SignalSettings())
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}).encode()
    return decide_request(Inquiry(body, Caller(), {}, id=request.id), world)


def test_the_border_cuts_the_key_so_that_what_is_quoted_of_it_is_not_found():
    quoted = shown(Answer(ACROSS))
    assert "BEGIN" not in quoted
    assert KEY.splitlines()[-2] in quoted
    assert "secret" not in SEARCH(question(user("hi"), Answer(ACROSS)).content).labels


@pytest.mark.parametrize("answer", [Answer(ACROSS), Answer("", refusal=ACROSS), Answer(f"key:\n{KEY}\n-----END RSA PRIVATE KEY-----")])
async def test_an_answer_that_holds_news_is_not_quoted(answer):
    request = user("hi")
    with pytest.raises(UpstreamRefused, match="holds what the request did not"):
        await refuse_news(question(request, answer), decided_for(request), SEARCH, [answer])


@pytest.mark.parametrize("answer", [Answer(WORDS), Answer(LONG)])
async def test_one_that_holds_nothing_is(answer):
    request = user("hi")
    await refuse_news(question(request, answer), decided_for(request), SEARCH, [answer])
    await refuse_parts(request, MASK, [answer])


@pytest.mark.parametrize(
    ("asked", "answer"), [("hi", Answer(ACROSS)), (ACROSS, Answer("yes")), (f"{LONG} I am called, my email: a.b@example.org", Answer(""))]
)
async def test_where_a_part_could_not_be_masked_nobody_is_asked(asked, answer):
    with pytest.raises(RequestError, match="too long to be quoted whole") as refused:
        await refuse_parts(user(asked), MASK, [answer])
    assert refused.value.code == "cannot_mask"


async def test_kinds_that_are_not_hidden_do_not_stop_it():
    await refuse_parts(user(ACROSS), replace(MASK, kinds=frozenset({"financial"})), [])
