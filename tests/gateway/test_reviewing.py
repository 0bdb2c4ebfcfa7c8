"""People at the end of a chain, before an answer goes out, and afterwards: what clients get, and what is kept."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from pointsman.core.answer import Answer
from pointsman.core.decide import decide
from pointsman.core.decision import Decision
from pointsman.core.model import Model
from pointsman.core.prices import Usage
from pointsman.core.request import Caller, Content, Request, ToolCall
from pointsman.core.review import STATES, Action, Proposal, ReviewTerms, Ticket
from pointsman.core.signals import Signals
from pointsman.errors import ReviewRequired
from pointsman.gateway.reviewing import Reviewing
from pointsman.gateway.reviews import Desk
from pointsman.signals.extract import Search
from pointsman.signals.sensitivity.detect import Detector, Settings
from pointsman.stores.memory_reviews import MemoryReviews
from pointsman.stores.reviews import Filter
from tests.server.conftest import Serve
from tests.server.served import ONCE, OPERATOR, Served, chat, model
from tests.worlds import snapshot

RITA = Caller("rita", role="admin")
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
ENDINGS = {"chat": b"[DONE]", "responses": b"response.completed", "messages": b"message_stop"}


def auto(review: dict[str, object], **more: object) -> dict[str, object]:
    return {"auto": {"models": ["m"], "retry": ONCE, "review": review, **more}}


def body(api: str, stream: bool) -> dict[str, object]:
    if api == "responses":
        return {"model": "auto", "input": "where is it?", "stream": stream}
    return chat("auto", "where is it?", stream=stream, **({"max_tokens": 100} if api == "messages" else {}))


async def ticket(served: Served) -> Ticket:
    """The only one there is, as soon as there is one."""
    while not (found := await served.service.reviews.store.queue(Filter(states=STATES), 10)):
        await asyncio.sleep(0.001)
    (only,) = found
    return only


async def asking(served: Served, api: str = "chat", *, stream: bool = False) -> asyncio.Task[Any]:
    return asyncio.ensure_future(served.ask(PATHS[api], body(api, stream)))


@pytest.mark.parametrize("api", PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_who_waits_gets_what_a_person_says(serve: Serve, api: str, stream: bool):
    routes = auto({"contract": "wait"}, fallback=["human"])
    async with serve([model("m", "error-500")], routes=routes) as served:
        answer = await asking(served, api, stream=stream)
        open_one = await ticket(served)
        assert (open_one.why, open_one.state) == ("outage", "open")
        await served.service.reviews.act(open_one.id, Action("answer", text="It comes tomorrow."), RITA)
        got = await answer
        assert (got.status, got.headers["x-pointsman-review-id"]) == (200, open_one.id)
        assert b"It comes tomorrow." in got.body or b"tomorrow" in got.body
        assert (ENDINGS[api] in got.body) is stream
        assert "x-pointsman-model" not in got.headers


@pytest.mark.parametrize(("deed", "code"), [(Action("reject"), "review_denied"), (None, "review_pending")])
async def test_who_waits_in_vain_is_told_so(serve: Serve, deed: Action | None, code: str):
    routes = auto({"contract": "wait", "wait_s": 60.0 if deed else 0.01}, fallback=["human"])
    async with serve([model("m", "error-500")], routes=routes) as served:
        answer = await asking(served)
        if deed is not None:
            await served.service.reviews.act((await ticket(served)).id, deed, RITA)
        got = await answer
        assert got.error["code"] == code
        assert got.headers["x-should-retry"] == "false"


async def test_a_holding_answer_comes_at_once(serve: Serve):
    routes = auto({"contract": "holding", "holding_answer": "One moment."}, fallback=["human"])
    async with serve([model("m", "filtered")], routes=routes) as served:
        got = await served.chat("auto")
        assert (got.status, got.json["choices"][0]["message"]["content"]) == (200, "One moment.")
        assert got.headers["x-pointsman-review-id"] == (await ticket(served)).id


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("action", "said"),
    [(Action("approve"), "where is it?"), (Action("edit", text="Changed."), "Changed."), (Action("answer", text="Mine."), "Mine.")],
)
async def test_nothing_goes_out_before_it_is_approved(serve: Serve, stream: bool, action: Action, said: str):
    async with serve([model("m", "ok")], routes=auto({"contract": "wait", "approval": True})) as served:
        answer = await asking(served, stream=stream)
        open_one = await ticket(served)
        assert (open_one.why, [offered.model for offered in open_one.offered]) == ("approval", ["m"])
        assert not answer.done()
        await served.service.reviews.act(open_one.id, action, RITA)
        got = await answer
        assert (got.text if stream else got.json["choices"][0]["message"]["content"]) == said


@pytest.mark.parametrize("api", PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_model_thought_is_not_released_with_what_was_approved(serve: Serve, api: str, stream: bool):
    async with serve([model("m", "reasoning")], routes=auto({"contract": "wait", "approval": True})) as served:
        answer = await asking(served, api, stream=stream)
        await served.service.reviews.act((await ticket(served)).id, Action("approve"), RITA)
        got = await answer
        assert got.status == 200
        assert b"where is it?" in got.body or b"where" in got.body
        assert b'"thinking"' not in got.body
        assert b"reasoning_content" not in got.body


async def test_of_an_answer_with_several_choices_none_is_released_that_was_not_shown(serve: Serve):
    async with serve([model("m", "ok")], routes=auto({"contract": "wait", "approval": True})) as served:
        got = await served.chat("auto", n=2)
        assert (got.status, got.error["code"], got.error["param"], served.ledger) == (400, "review_required", "n", [])


def proposed(*answers: Answer) -> tuple[Proposal, ...]:
    return tuple(Proposal(at, "small", answer) for at, answer in enumerate(answers, 1))


def asked(**body: object) -> Decision:
    world = snapshot([Model("small")])
    content = Content((), body={"model": "auto", "messages": [], **body})
    return decide(Request("dec_1", "auto", caller=Caller("k_1"), content=content), Signals(), world, world.routes["auto"], 0)


def test_where_nobody_wants_a_sample_none_is_drawn():
    """Every request asks: a seed that could not be drawn with shows that it was not."""
    undrawable = replace(asked(), seed=None)  # type: ignore[arg-type]
    assert not Reviewing(undrawable, ReviewTerms(), Desk(MemoryReviews()), set()).sampled
    with pytest.raises(TypeError):
        Reviewing(undrawable, ReviewTerms(sample=0.5), Desk(MemoryReviews()), set())


async def approved(action: Action, answer: Answer, **body: object) -> Any:
    """The choice that a client gets of an answer that was dealt with so."""
    desk = Desk(MemoryReviews())
    reviewing = Reviewing(asked(**body), ReviewTerms("wait", approval=True), desk, set())
    spoken = asyncio.ensure_future(reviewing.approved(1, proposed(answer), Usage(5, 7)))
    while reviewing.ticket is None:
        await asyncio.sleep(0)
    await desk.act(reviewing.ticket.id, action, RITA)
    got = json.loads((await spoken).written.body)
    assert (got["usage"] and got["usage"]["completion_tokens"]) == (None if action.deed == "answer" else 7)
    return got["choices"][0]


async def test_a_refusal_that_was_approved_is_what_the_client_gets():
    choice = await approved(Action("approve"), Answer(refusal="I will not."))
    assert (choice["message"]["refusal"], choice["message"]["content"]) == ("I will not.", None)


@pytest.mark.parametrize(("said", "told"), [("length", "length"), ("content_filter", "content_filter"), ("stop", "stop"), (None, "stop")])
async def test_an_answer_that_was_cut_short_says_so_unless_it_was_edited(said: str | None, told: str):
    answer = Answer("It comes", finish_reason=said)
    assert (await approved(Action("approve"), answer))["finish_reason"] == told
    for action in (Action("edit", text="It comes tomorrow."), Action("answer", text="Tomorrow.")):
        assert (await approved(action, answer))["finish_reason"] == "stop"


@pytest.mark.parametrize("deed", ["approve", "edit"])
async def test_a_tool_that_takes_free_text_is_called_with_free_text(deed: Any):
    calls = (ToolCall("c1", "shell", "ls -l"), ToolCall("c2", "look", "{}"))
    tools = [{"type": "custom", "custom": {"name": "shell"}}, {"type": "function", "function": {"name": "look"}}]
    choice = await approved(Action(deed, tool_calls=calls if deed == "edit" else ()), Answer(tool_calls=calls), tools=tools)
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
        {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Answer("Write to john.smith@hospital-example.org."),
        Answer(tool_calls=(ToolCall("c", "mail", '{"to":"john.smith@hospital-example.org"}'),)),
    ],
)
async def test_who_reviews_must_be_allowed_to_see_what_the_answers_hold(answer: Answer):
    desk, search = Desk(MemoryReviews()), Search(Detector(Settings()), b"k" * 32)
    reviewing = Reviewing(asked(), ReviewTerms(approval=True, sample=1.0), desk, set(), search)
    with pytest.raises(ReviewRequired):
        await reviewing.approved(1, proposed(Answer("fine"), answer))
    assert reviewing.ticket is not None
    assert "pii" in reviewing.ticket.labels
    assert reviewing.ticket.best == 1
    await reviewing.look(proposed(answer), ())
    assert all("pii" in found.labels for found in await desk.store.queue(Filter(), 9))


@pytest.mark.parametrize("stream", [False, True])
async def test_what_nobody_approves_never_goes_out(serve: Serve, stream: bool):
    async with serve([model("m", "says@a secret plan")], routes=auto({"approval": True})) as served:
        got = await served.chat("auto", stream=stream)
        assert (got.status, got.error["code"]) == (403, "review_required")
        assert b"secret plan" not in got.body
        await served.service.reviews.act((await ticket(served)).id, Action("reject"), RITA)


async def test_nothing_is_left_of_a_request_that_a_person_ended(serve: Serve):
    async with serve([model("m", "ok")], routes=auto({"approval": True})) as served:
        for _ in range(3):
            assert (await served.chat("auto")).status == 403
        await served.quiet()
        assert not served.app._gateway._clocks


async def test_embeddings_cannot_be_approved(serve: Serve):
    async with serve([model("m", "ok", apis=["chat", "embeddings"])], routes=auto({"approval": True})) as served:
        got = await served.ask("/v1/embeddings", {"model": "auto", "input": "where is it?"})
        assert (got.status, got.error["code"], served.ledger) == (400, "review_required", [])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", PATHS)
async def test_a_sample_is_looked_at_afterwards(serve: Serve, api: str, stream: bool):
    async with serve([model("m", "says@It is there.")], routes=auto({"sample": 1.0})) as served:
        got = await served.ask(PATHS[api], body(api, stream))
        assert got.status == 200
        assert "x-pointsman-review-id" not in got.headers
        drawn = await ticket(served)
        assert (drawn.why, drawn.offered[0].model) == ("sample", "m")
        contents = await served.service.reviews.store.contents(drawn)
        assert contents is not None
        assert [proposal.answer.text for proposal in contents.proposals] == ["It is there."]


async def test_the_ticket_of_a_sampled_stream_holds_the_answer_that_was_given(serve: Serve):
    cascade = {"tiers": ["weak", "m"], "accept": {"confidence": 0.9}}
    models = [model("weak", "says@2 + 2 = 5"), model("m", "says@It is 4.")]
    async with serve(models, routes=auto({"sample": 1.0}, plan="cascade", cascade=cascade)) as served:
        assert (await served.chat("auto", stream=True)).text == "It is 4."
        contents = await served.service.reviews.store.contents(await ticket(served))
        assert contents is not None
        assert [(proposal.call, proposal.answer.text) for proposal in contents.proposals] == [(1, "2 + 2 = 5"), (2, "It is 4.")]


async def test_embeddings_have_nobody_to_ask(serve: Serve):
    routes = auto({"contract": "holding"}, fallback=["human"])
    async with serve([model("m", "error-503", apis=["embeddings"])], routes=routes) as served:
        got = await served.ask("/v1/embeddings", {"model": "auto", "input": "where is it?"})
        assert (got.status, got.error["code"]) == (503, "scripted_503")


async def test_a_person_sees_every_answer_and_why_none_did(serve: Serve):
    routes = auto({}, plan="cascade", cascade={"accept": {"confidence": 0.9}}, fallback=["human"])
    models = [model("m", "says@2 + 2 = 5", quality={"general": 0.5})]
    async with serve(models, routes=routes) as served:
        assert (await served.chat("auto")).status == 403
        asked = await ticket(served)
        assert (asked.why, asked.reason) == ("low_confidence", "no answer is sure enough")
        contents = await served.service.reviews.store.contents(asked)
        assert contents is not None
        (proposal,) = contents.proposals
        assert (proposal.answer.text, proposal.confidence) == ("2 + 2 = 5", 0.0)
        assert {grade.check: grade.value for grade in proposal.grades}["arithmetic"] == 0


async def test_what_an_upstream_calls_a_code_stays_out_of_tickets_unless_it_is_one(serve: Serve):
    said = "the client's own words"

    async def echo(exchange: Any, say: Any) -> bool:
        content = json.dumps({"error": {"message": "no", "code": exchange.json["messages"][0]["content"]}}).encode()
        await say(b"HTTP/1.1 500 Bad\r\ncontent-length: %d\r\n\r\n" % len(content) + content)
        return True

    async with serve([model("m", "ok"), model("n", "error-500")], routes=auto({}, fallback=["n", "human"])) as served:
        play = served.upstream._play

        async def misbehave(exchange: Any, say: Any) -> bool:
            return await (echo if exchange.json["model"].startswith("ok") else play)(exchange, say)

        served.upstream._play = misbehave
        got = await served.chat("auto", said)
        open_one = await ticket(served)
        assert [(failure.model, failure.code) for failure in open_one.failures] == [("m", "server_error"), ("n", "scripted_500")]
        assert said not in json.dumps(got.json)
        told = (await served.ask(f"/v1/decisions/{got.headers['x-pointsman-decision-id']}")).body
        assert said.encode() not in told


async def test_no_conversation_goes_on_from_a_holding_answer(serve: Serve):
    routes = auto({"contract": "holding", "holding_answer": "One moment."}, fallback=["human"])
    async with serve([model("m", "filtered", apis=["responses"])], routes=routes) as served:
        held = await served.ask("/v1/responses", body("responses", stream=False))
        assert held.json["output"][0]["content"][0]["text"] == "One moment."
        gone_on = await served.ask("/v1/responses", {"model": "auto", "input": "and?", "previous_response_id": held.json["id"]})
        assert (gone_on.status, gone_on.error["code"]) == (400, "previous_response_not_found")


async def test_a_conversation_goes_on_from_what_a_person_said(serve: Serve):
    routes = auto({"contract": "wait"}, fallback=["human"])
    async with serve([model("m", "filtered", apis=["responses"]), model("n", "ok", apis=["responses"])], routes=routes) as served:
        answer = await asking(served, "responses")
        await served.service.reviews.act((await ticket(served)).id, Action("answer", text="It comes tomorrow."), RITA)
        said = await answer
        gone_on = await served.ask("/v1/responses", {"model": "n", "input": "and?", "previous_response_id": said.json["id"]})
        assert gone_on.status == 200
        assert "It comes tomorrow." in served.ledger[-1].body.decode()


async def test_who_asks_again_gets_the_ticket_that_waits_and_the_record_says_so(serve: Serve):
    async with serve([model("m", "ok")], routes=auto({"approval": True})) as served:
        first, again = [await served.chat("auto") for _ in range(2)]
        assert first.headers["x-pointsman-review-id"] == again.headers["x-pointsman-review-id"] == (await ticket(served)).id
        told = (await served.ask(f"/v1/decisions/{again.headers['x-pointsman-decision-id']}")).json["reviews"]
        assert [(event["event"], event["id"]) for event in told] == [("asked_again", (await ticket(served)).id)]


@pytest.mark.parametrize("differs", [{"user": "zeb"}, {"temperature": 0.5}, {"metadata": {"pointsman_labels": "internal"}}])
async def test_who_asks_anything_else_gets_a_ticket_of_its_own(serve: Serve, differs: dict[str, object]):
    async with serve([model("m", "ok")], routes=auto({"approval": True})) as served:
        asked = [await served.chat("auto"), await served.chat("auto", **differs)]
        assert len({each.headers["x-pointsman-review-id"] for each in asked}) == 2


@pytest.mark.parametrize(
    ("script", "accept", "released"),
    [
        ("says@2 + 2 = 5 and 1 + 1 = 2", {"confidence": 0.9}, True),
        ("refusal", {"confidence": 0.9, "checks": ["refusal"]}, False),
        ("empty-content", {"confidence": 0.9}, False),  # one of the route's own checks: nobody was left to ask instead
    ],
)
async def test_what_a_check_bars_is_not_released_by_the_clock(serve: Serve, script: str, accept: dict[str, object], released: bool):
    plan = {"plan": "cascade", "cascade": {"tiers": ["m", "n"], "accept": accept}, "fallback": ["human"]}
    async with serve([model("m", script), model("n", script)], routes=auto({"on_expiry": "release"}, **plan)) as served:
        assert (await served.chat("auto")).error["code"] == "review_required"
        found, store = await ticket(served), served.service.reviews.store
        (expired,) = await store.expire_due(found.deadline_at_ns)
        resolution = await store.resolution(expired)
        assert (expired.state, resolution is not None and resolution.released) == ("expired", released)


async def test_draining_ends_who_waits_for_a_person(serve: Serve):
    async with serve([model("m", "error-500")], routes=auto({"contract": "wait"}, fallback=["human"])) as served:
        answer = await asking(served)
        await ticket(served)
        await served.app.cut()
        assert (await answer).error["code"] == "shutting_down"


async def test_the_asker_fetches_the_answer_by_the_ticket(serve: Serve):
    async with serve([model("m", "error-500")], routes=auto({}, fallback=["human"])) as served:
        key = await served.key()
        got = await served.ask(body=chat("auto"), key=key)
        path = f"/v1/reviews/{got.headers['x-pointsman-review-id']}"
        assert (await served.ask(path, key=key)).json["state"] == "open"
        await served.ask(f"{path}/answer", {"text": "Tomorrow."}, key=OPERATOR, method="POST")
        found = (await served.ask(path, key=key)).json
        assert (found["state"], json.dumps(found["answer"]).count("Tomorrow.")) == ("answered", 1)


async def test_no_words_of_a_ticket_lie_in_the_store(serve: Serve):
    async with serve([model("m", "ok")], routes=auto({"approval": True})) as served:
        await served.chat("auto", "the green giraffe")
        await served.service.log.flush()
        kept = b"".join(path.read_bytes() for path in served.folder.rglob("*") if path.is_file())
        assert b"giraffe" not in kept
