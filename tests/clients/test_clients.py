"""Real client libraries, each in its own environment, against a gateway process: in their own API and translated into the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.clients import PAIRS, Client, Program, own
from tests.clients.stage import AT_LENGTH, FAULTS, SAID, Stage

GENERATING = [(client, outbound) for client, outbound in PAIRS if client.api != "embeddings"]
CALLING = [(client, outbound) for client, outbound in GENERATING if client.api != "completions"]

FINISHED = {"stop", "end_turn", "completed"}
ERRORS = {
    "sdk": {
        401: "AuthenticationError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        429: "RateLimitError",
        500: "InternalServerError",
    },
    "ai-sdk": dict.fromkeys((401, 403, 404, 429, 500), "APICallError"),
}
LEFT_WITHIN_S = 0.5


@pytest.fixture(scope="session")
def programs(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Client, Program]]:
    running: dict[Client, Program] = {}
    yield running
    for program in running.values():
        program.close()


class Checks:
    """Checks of one client, counted."""

    def __init__(self, program: Program, node: pytest.Item, client: Client) -> None:
        self._program, self._node, self._client = program, node, client

    def __call__(self, check: str, **arguments: Any) -> dict[str, Any]:
        """What the client says of it."""
        self._node.user_properties.append(("check", str(self._client)))
        return self._program(check, **arguments)


@pytest.fixture
def check(
    stage: Stage, programs: dict[Client, Program], client: Client, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checks:
    if client not in programs:
        programs[client] = Program(client, stage.url, stage.key, tmp_path_factory.mktemp("program"))
    return Checks(programs[client], request.node, client)


def each(pairs: list[tuple[Client, str]]) -> Any:
    """One worker runs all tests of a client, in one process of that client."""
    marked = [
        pytest.param(client, outbound, id=f"{client}->{outbound}", marks=pytest.mark.xdist_group(str(client))) for client, outbound in pairs
    ]
    return pytest.mark.parametrize(("client", "outbound"), marked)


@each(GENERATING)
def test_plain_and_streamed_answers(check, client, outbound):
    plain, stream = (check(kind, model=f"{outbound}/ok", text=SAID) for kind in ("plain", "stream"))
    assert plain["text"] == stream["text"] == SAID, (plain, stream)
    assert stream["pieces"] == len(SAID.split())
    assert {plain["finish"], stream["finish"]} <= FINISHED
    assert plain["tokens"] > 0
    assert stream["tokens"] > 0


@each(CALLING)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("names", "text"), [(["get_weather"], "the weather"), (["get_weather", "get_time"], "the weather and the time")])
def test_tools_there_and_back(check, client, outbound, names, text, streamed):
    said = check("tools", model=f"{outbound}/able", names=names, text=text, stream=streamed)
    assert "error" not in said, said
    assert [call["name"] for call in said["calls"]] == names
    assert all(isinstance(call["arguments"]["city"], str) for call in said["calls"])
    assert said["text"] == "The tool said: " + " and ".join(f"{name} says fine" for name in names)


@each(CALLING)
def test_answers_keep_to_a_schema(check, client, outbound):
    said = check("schema", model=f"{outbound}/able")
    assert said.get("value") is not None, said
    assert isinstance(said["value"]["name"], str)
    assert isinstance(said["value"]["age"], int)


@each(PAIRS)
def test_errors_are_the_right_exceptions(check, client, outbound):
    asked = [
        (401, "invalid_api_key", {"model": f"{outbound}/ok", "key": "pm_wrong"}),
        (403, "policy_denied", {"model": f"{outbound}/denied"}),
        (404, "model_not_found", {"model": "no-such-model"}),
        (429, "scripted_429", {"model": f"{outbound}/{own('error-429', client)}"}),
        (500, "scripted_500", {"model": f"{outbound}/error-500"}),
    ]
    for status, code, fields in asked:
        said = check("refused", **fields)
        # Anthropic's errors have no codes: what an upstream of that API says has none to keep.
        code = None if outbound == "messages" and code.startswith("scripted") else code
        assert ERRORS[client.errors][status] in said["error"]
        assert (said["status"], said["code"]) == (status, code), said


@each(PAIRS)
def test_what_was_tried_in_vain_is_not_tried_again(stage, check, client, outbound):
    """The client keeps its own default of retries; each of its requests would be two calls upstream."""
    script = own("error-503", client)
    before = len(stage.calls(script))
    said = check("patient", model=f"{outbound}/{script}/chain")
    assert "error" in said
    requests = (len(stage.calls(script)) - before) / 2
    assert requests == (1 if client.heeds else 3)  # the AI SDK goes by the status alone


@each(GENERATING)
def test_leaving_a_stream_ends_the_call(stage, check, client, outbound):
    script = own("drip-20", client)
    before = len(stage.calls(script))
    said = check("leave", model=f"{outbound}/{script}", text=AT_LENGTH)
    assert "error" not in said, said
    [left_at] = stage.left_at(script, within_s=2)[before:]
    assert left_at is not None, "the upstream went on to the end"
    assert left_at - said["left_at"] < LEFT_WITHIN_S


@each(PAIRS)
def test_giving_up_before_an_answer_ends_the_call(stage, check, client, outbound):
    script = own("hang", client)
    before = len(stage.calls(script))
    said = check("impatient", model=f"{outbound}/{script}")
    assert "error" in said
    [left_at] = stage.left_at(script, within_s=2)[before:]
    assert left_at is not None, "the upstream is still at work"
    assert left_at - said["at"] < LEFT_WITHIN_S


@each(GENERATING)
def test_no_stream_ends_in_silence(stage, check, client, outbound):
    """A fault at whatever event is an exception, unless the answer had come whole and had said so."""
    faults = [f"{fault}-{at}" for fault in FAULTS for at in range(stage.events[outbound])]
    found = {fault: check("stream", model=f"{outbound}/{fault}", text=SAID) for fault in faults}
    went_well = {fault: said for fault, said in found.items() if "error" not in said}
    assert {fault: said for fault, said in went_well.items() if said["text"] != SAID or said["finish"] not in FINISHED} == {}
    assert len(went_well) < len(faults) / 2


@each([pair for pair in PAIRS if pair[0].api == "embeddings"])
def test_embeddings(check, client, outbound):
    said = check("embed", model=f"{outbound}/ok", texts=["one", "two three"])
    assert len(said["sizes"]) == 2
    assert min(said["sizes"]) > 0


KEEPING = [
    (client, outbound) for client, outbound in CALLING if client.api == "responses" and client.name in {"openai-python", "openai-node"}
]


@each(KEEPING)
def test_responses_are_read_again_until_they_are_deleted(check, client, outbound):
    assert check("stored", model=f"{outbound}/ok", text=SAID) == {"same": True, "asked": [SAID], "then": 404}


@each(KEEPING)
def test_responses_go_on_from_one_another(check, client, outbound):
    said = check("remembered", model=f"{outbound}/able")
    assert said.get("text") == "Ada", said


@each([(client, outbound) for client, outbound in CALLING if client.name in {"anthropic-python", "anthropic-node"}])
def test_tokens_are_counted(check, client, outbound):
    said = check("counted", model=f"{outbound}/ok", text=SAID)
    assert said["tokens"] >= len(SAID.split())
