"""Ways around a policy, as a table: what is sent, with which key, and why none of it may reach the model outside.

The gateway has two models that could answer anything, `inside` and `outside`; `outside` is better, cheaper and always preferred.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pointsman.testing import scripts
from pointsman.wire.destinations import DESTINATIONS
from tests.server.served import model

APIS = ("chat", "responses", "messages", "completions", "embeddings")
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
GENEROUS = {"context_tokens": 1_000_000, "apis": list(APIS), "capabilities": {"vision": True}}
INSIDE = model("inside", perimeter="on_prem", **GENEROUS)
OUTSIDE = model("outside", quality={"general": 1.0}, **{**GENEROUS, "price": {"input": 0, "output": 0}})
ON_PREM = {"require": {"perimeter": ["on_prem"]}}
POLICIES = [
    {"name": "personal data", "when": '"pii" in labels', **ON_PREM},
    {"name": "what is confidential", "when": '"confidential" in labels', **ON_PREM},
    {"name": "the clinic", "scope": {"orgs": ["acme"], "teams": ["clinic"]}, **ON_PREM},
    {"name": "a department that must be known", "when": 'metadata.department == "ward"', "scope": {"routes": ["wards"]}, **ON_PREM},
]
RULES = [{"name": "marked", "when": '"marked" in signals.keywords', "labels": ["pii"]}]
KEYWORDS = {"marked": ["bluebird"]}

# A script is a fault of the model inside. Those that wait for something are left out: others wait by the clock.
SLOW = {"hang", "slow-first-token", "comments-only", "huge-answer", "stall-after", "drip", "slow-body", "slow"}
FAULTS = [example for example, _ in scripts.table() if not example.startswith(tuple(SLOW))]
EVERY_FAULT = (
    "context_length",
    "content_filter",
    "malformed",
    "timeout",
    "quota",
    "rate_limit",
    "refused",
    "server_error",
    "invalid_output",
)
ASKS_TO_WAIT = ("error-429", "ratelimit-date")
BOTH = {"models": ["inside", "outside"]}
QUICK = {"attempts": 2, "base_s": 0.001, "longest_s": 0.002}


def failing(script: str) -> dict[str, Any]:
    return model(f"in-{script}", script, perimeter="on_prem", **GENEROUS)


def routes() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        "auto": {**BOTH, "dial": 1},
        "clinic": {**BOTH, "dial": 1, "labels": ["pii"]},
        "wards": {**BOTH, "dial": 1},
        "away": {"models": ["outside"]},
        "racing": {**BOTH, "plan": "hedge", "hedge": {"after_s": 0.001}},
    }
    for script in FAULTS:
        own, retry = f"in-{script}", {**QUICK, "attempts": 1 if script.startswith(ASKS_TO_WAIT) else 2}
        found[f"{script}>"] = {"models": [own], "fallback": ["outside"], "retry": retry}
        found[f"{script}*"] = {"models": [own], "fallback_on": {fault: ["outside"] for fault in EVERY_FAULT}, "retry": retry}
        found[f"{script}|"] = {"models": [own, "outside"], "plan": "hedge", "hedge": {"after_s": 0.001}, "retry": retry}
    return found


@dataclass(frozen=True)
class Case:
    """One request. `key`: see `KEYS`."""

    name: str
    body: Any  #: JSON, or bytes as they are
    path: str = PATHS["chat"]
    key: str = "open"
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    silent: bool = False  #: nothing at all may be called


KEYS: dict[str, dict[str, Any]] = {
    "open": {},  # what protects is said by the request
    "floor": {"labels": ("pii",)},
    "confidential": {"labels": ("restricted",)},
    "listed": {"models": ("inside",)},
    "clinic": {"org": "acme", "team": "clinic"},
    "narrow": {"routes": ("clinic",)},
}
PII = {"x_pointsman_labels": "pii"}


def body(api: str, model: object, text: str = "hello", **more: object) -> dict[str, object]:
    said: dict[str, dict[str, object]] = {
        "chat": {"messages": [{"role": "user", "content": text}]},
        "responses": {"input": text},
        "messages": {"messages": [{"role": "user", "content": text}], "max_tokens": 50},
        "completions": {"prompt": text},
        "embeddings": {"input": text},
    }
    return {"model": model, **said[api], **more}


NAMES = [
    "outside", "OUTSIDE", "Outside", "outside ", " outside", "outside\n", "\toutside", "outside\u200b", "\ufeffoutside", "out\u00adside",
    "\uff4f\uff55\uff54\uff53\uff49\uff44\uff45", "\u043eutside", "outs\u0456de", "outs\u0131de", "\U0001d428\U0001d42e\U0001d42d\U0001d42c\U0001d422\U0001d41d\U0001d41e",
    "o\u0301utside", "outside\u0000", "outside\u202e", "edistuo\u202e", "ok@outside", "openai/outside", "openai-compatible/outside", "openai:outside",
    "outside:free", "outside@latest", "inside,outside", "outside,inside", "inside|outside", "auto/outside", "auto:outside", "auto outside",
    "./outside", "../outside", "models/outside", "outside/../inside", "out%73ide", "outside%20", "outside?x=1", "outside#inside", "*", "out*",
    "[\"outside\"]", "{\"id\":\"outside\"}", "${outside}", "{{outside}}", "$(outside)", "", "default", "gpt-4o", "inside\noutside",
]  # fmt: skip
VALUES: list[object] = [["outside"], ["inside", "outside"], {"id": "outside"}, None, 0, True, [[]], {"inside": "outside"}]


def by_name() -> Iterator[Case]:
    for api in APIS:
        for name in NAMES:
            yield Case(f"{api}: model {name!r}", body(api, name), PATHS[api], "floor")
        for value in VALUES:
            yield Case(f"{api}: model {value!r}", body(api, value), PATHS[api], "floor")
        for key in ("confidential", "listed", "clinic", "narrow"):
            yield Case(f"{api}: by name with the key {key}", body(api, "outside"), PATHS[api], key)
        for route in ("auto", "racing", "away"):
            yield Case(f"{api}: {route}, floor", body(api, route), PATHS[api], "floor")
            yield Case(f"{api}: {route}, declared", body(api, route), PATHS[api], headers=PII)
            yield Case(f"{api}: {route}, unknown label", body(api, route), PATHS[api], headers={"x_pointsman_labels": "ppi"})
        yield Case(f"{api}: the route's label", body(api, "clinic"), PATHS[api])
        yield Case(f"{api}: a condition that cannot be evaluated", body(api, "wards"), PATHS[api])
        yield Case(f"{api}: a rule's label", body(api, "auto", "about bluebird"), PATHS[api])
        yield Case(f"{api}: a rule's label, by name", body(api, "outside", "about blue\u200bbird"), PATHS[api])


CHOICES: list[Any] = ["outside", ["outside"], {"model": "outside"}, "http://{evil}/v1"]


def extras() -> Iterator[Case]:
    """Fields by which other gateways let a body choose."""
    names = [*sorted(DESTINATIONS), "api_base", "Base-URL", "apiBase", "extra_body", "extra_headers", "model_list", "fallback_models"]
    for at, name in enumerate(names):
        yield Case(f"extra {name}", body("chat", "auto", **{name: CHOICES[at % 4]}), key="floor", silent=True)
    for name in ("models", "fallbacks", "route", "api_base", "base_url", "extra_body", "provider", "url", "webhook_url", "litellm_params"):
        for api in APIS[1:]:
            for choice in CHOICES[::3]:
                yield Case(f"{api}: extra {name} {choice}", body(api, "auto", **{name: choice}), PATHS[api], "floor", silent=True)
        yield Case(f"nested {name}", body("chat", "auto", options={"deep": [{name: "outside"}]}), key="floor", silent=True)
        yield Case(
            f"tool {name}", body("chat", "auto", tools=[{"type": "function", "function": {"name": "f"}, name: "outside"}]), key="floor"
        )
    for name in ("api_base", "base_url", "api_key", "webhook_url"):
        yield Case(f"metadata {name}", body("chat", "auto", metadata={name: "http://{evil}/v1"}), key="floor", silent=True)
    unknown = {"engine": "outside", "model_id": "outside", "modelId": "outside", "deployment_name": "outside", "target_model": "outside"}
    for name, value in {
        **unknown,
        "Model": "outside",
        "MODEL": "outside",
        "mod\u0435l": "outside",
        "model ": "outside",
        "_model": "outside",
    }.items():
        yield Case(f"unknown field {name!r}", body("chat", "auto", **{name: value}), key="floor")
    yield Case(
        "a tool that calls a model elsewhere",
        body("responses", "auto", tools=[{"type": "mcp", "server_url": "http://{evil}/"}]),
        PATHS["responses"],
        "floor",
        silent=True,
    )
    yield Case("an image from elsewhere", body("chat", "auto", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://{evil}/x.png"}}]}]), key="floor")  # fmt: skip


SPOOFED = {
    "x-pointsman-label": "public", "x-pointsman-labels": "public", "x-pointsman-model": "outside", "x-pointsman-route": "away",
    "x-pointsman-policy": "off", "x-pointsman-policies": "", "x-pointsman-clearance": "outside", "x-pointsman-key": "open",
    "x-pointsman-team": "ml", "x-pointsman-org": "rival", "x-pointsman-role": "root", "x-pointsman-caller": "root", "x-pointsman-task": "outside",
    "x-pointsman-override": "1", "x-pointsman-api": "messages", "x-pointsman-decision-id": "dec_1", "x-pointsman-snapshot": "none",
    "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "{evil}", "x-forwarded-proto": "https", "x-forwarded-user": "root",
    "x-forwarded-uri": "/v1/models/outside", "x-forwarded-prefix": "/away", "forwarded": "for=127.0.0.1;host={evil}", "x-real-ip": "127.0.0.1",
    "x-original-url": "/v1/models/outside", "x-rewrite-url": "/v1/models/outside", "x-http-method-override": "GET", "x-host": "{evil}",
    "host": "{evil}", "via": "1.1 inside", "x-model": "outside", "x-model-id": "outside", "x-model-override": "outside", "x-target-model": "outside",
    "x-provider": "outside", "x-route": "away", "x-fallback-models": "outside", "x-team": "ml", "x-user-role": "admin", "x-remote-user": "root",
    "openai-organization": "outside", "openai-project": "outside", "openai-beta": "outside", "openai-model": "outside",
    "anthropic-version": "2023-06-01", "anthropic-beta": "outside-2025-01-01", "anthropic-dangerous-direct-browser-access": "true",
    "x-litellm-model": "outside", "x-litellm-api-base": "http://{evil}/v1", "x-litellm-tags": "outside", "x-portkey-config": "outside",
    "x-portkey-custom-host": "http://{evil}", "x-portkey-provider": "openai", "helicone-target-url": "http://{evil}", "cf-aig-step": "1",
    "x-base-url": "http://{evil}/v1", "x-api-base": "http://{evil}/v1", "x-upstream-url": "http://{evil}/v1", "x-stainless-helper-method": "stream",
    "cookie": "model=outside; role=root", "referer": "http://{evil}/", "origin": "http://{evil}", "user-agent": "pointsman/root",
    "content-location": "/v1/models/outside", "x-api-key": "outside", "proxy-authorization": "Bearer outside", "x-amz-target": "outside",
}  # fmt: skip


def headers() -> Iterator[Case]:
    for name, value in SPOOFED.items():
        spoofed = {name.replace("-", "_"): value}
        yield Case(f"header {name}, key floor", body("chat", "auto"), key="floor", headers=spoofed)
        yield Case(f"header {name}, team", body("messages", "auto"), PATHS["messages"], "clinic", spoofed)
        yield Case(f"header {name}, route label", body("responses", "clinic"), PATHS["responses"], headers=spoofed)
    every = {name.replace("-", "_"): value for name, value in SPOOFED.items() if name not in ("host", "x-pointsman-api")}
    yield Case("all of them at once", body("chat", "auto"), key="floor", headers=every)


def labels() -> Iterator[Case]:
    """Labels that are to be lowered, in words and in places."""
    for said in (
        "PII",
        "Pii",
        " pii ",
        "\xa0pii",
        ",,pii,,",
        "public,pii",
        "pii,public",
        "pii,pii",
        "not-pii",
        "no-pii",
        "pii.none",
        "pii_off",
        "p",
        "none",
        "public,x",
    ):
        yield Case(f"declared {said!r}", body("chat", "auto"), headers={"x_pointsman_labels": said})
    for said in ("-pii", "!pii", "pii;public", "pii=0", "p\xefi", "pii\x00", "{pii}", "pii:false", "pii public"):
        yield Case(f"declared {said!r}, which is no name", body("chat", "auto"), headers={"x_pointsman_labels": said}, silent=True)
    twice = "pii\r\nx-pointsman-labels: public"
    for first, second in (("pii", "public"), ("public", "pii"), ("pii", ""), ("", "pii")):
        yield Case(
            f"two headers, {first!r} and {second!r}",
            body("chat", "auto"),
            headers={"x_pointsman_labels": f"{first}\r\nx-pointsman-labels: {second}"},
        )
    yield Case("two headers in two cases", body("chat", "auto"), headers={"x_pointsman_labels": twice.replace("x-p", "X-P")})
    for api in ("chat", "responses", "completions"):
        low, high = {"pointsman_labels": "public"}, {"pointsman_labels": "pii"}
        yield Case(f"{api}: metadata below the header", body(api, "auto", metadata=low), PATHS[api], headers=PII)
        yield Case(f"{api}: header below metadata", body(api, "auto", metadata=high), PATHS[api], headers={"x_pointsman_labels": "public"})
        yield Case(f"{api}: metadata below the floor", body(api, "auto", metadata=low), PATHS[api], "floor")
        yield Case(f"{api}: metadata empties the floor", body(api, "auto", metadata={"pointsman_labels": ""}), PATHS[api], "floor")
        yield Case(f"{api}: metadata below the route", body(api, "clinic", metadata=low), PATHS[api])
    for name in (
        "pointsman_label",
        "Pointsman_Labels",
        "POINTSMAN_LABELS",
        "pointsman-labels",
        "pointsman_model",
        "pointsman_role",
        "pointsman_team",
    ):
        yield Case(f"metadata.{name}", body("chat", "auto", metadata={name: "public"}), key="floor", silent=True)
    for value in (["public"], {"a": "public"}, 0, None, True):
        yield Case(f"metadata.pointsman_labels {value!r}", body("chat", "auto", metadata={"pointsman_labels": value}), key="floor")
    for name in ("team", "org", "key", "labels", "department"):
        yield Case(f"metadata.{name} of somebody else", body("chat", "auto", metadata={name: "ml"}), key="clinic")
    yield Case("metadata that is missing where it must be known", body("chat", "wards", metadata={"other": "x"}))
    yield Case("metadata in another case", body("chat", "wards", metadata={"Department": "x"}))
    for n in (32, 33, 1_000):
        yield Case(
            f"{n} labels, the last one matters",
            body("chat", "auto"),
            headers={"x_pointsman_labels": ",".join([*["public"] * (n - 1), "pii"])},
        )
    for task in ("outside", "general", "classification"):
        yield Case(f"task {task}", body("chat", "auto"), key="floor", headers={"x_pointsman_task": task})


_M = '"messages":[{"role":"user","content":"hello"}]'
_META = '"metadata":{"pointsman_labels":"pii"}'


def encodings() -> Iterator[Case]:
    """One meaning, or refused: here the whole body is the trick."""
    texts = {
        "model twice": f'{{"model":"inside","model":"outside",{_M}}}',
        "model twice, the other way": f'{{"model":"outside","model":"inside",{_M}}}',
        "model twice, one escaped": f'{{"model":"inside","\\u006dodel":"outside",{_M}}}',
        "model in two cases": f'{{"model":"inside","Model":"outside",{_M}}}',
        "messages twice": f'{{"model":"auto",{_M},{_M}}}',
        "metadata twice": f'{{"model":"auto",{_M},{_META},"metadata":{{}}}}',
        "labels twice": f'{{"model":"auto",{_M},"metadata":{{"pointsman_labels":"pii","pointsman_labels":"public"}}}}',
        "labels twice, one escaped": f'{{"model":"auto",{_M},"metadata":{{"pointsman_labels":"pii","pointsman\\u005flabels":"public"}}}}',
        "nested twice": f'{{"model":"auto",{_M},"x":{{"a":1,"a":2}}}}',
        "two objects": f'{{"model":"inside",{_M}}}{{"model":"outside",{_M}}}',
        "an object after the end": f'{{"model":"inside",{_M}}}\n\n{{"model":"outside",{_M}}}',
        "a list of bodies": f'[{{"model":"outside",{_M}}}]',
        "a body in a string": json.dumps(f'{{"model":"outside",{_M}}}'),
        "a comment": f'{{"model":"outside"/*inside*/,{_M}}}',
        "a trailing comma": f'{{"model":"outside",{_M},}}',
        "a form": "model=outside&messages=hello",
        "multipart": '--x\r\ncontent-disposition: form-data; name="model"\r\n\r\noutside\r\n--x--',
        "yaml": "model: outside\nmessages: []",
        "xml": "<model>outside</model>",
        "a null byte": f'{{"model":"outside\\u0000",{_M}}}',
        "a lone surrogate": f'{{"model":"outside\\ud800",{_M}}}',
        "a prototype": f'{{"__proto__":{{"model":"outside"}},"constructor":{{"model":"outside"}},{_M}}}',
    }
    yield Case("body: as it should be", json.dumps(body("chat", "auto")).encode(), key="floor")
    for name, text in texts.items():
        yield Case(f"body: {name}", text.encode(), key="floor")
    whole = json.dumps(body("chat", "outside"))
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-7", "utf-8-sig", "cp037"):
        yield Case(f"body in {encoding}", whole.encode(encoding), key="floor")
    for name, value in (("gzip", "gzip"), ("deflate", "deflate"), ("identity, gzip", "identity, gzip"), ("nothing known", "outside")):
        yield Case(f"content-encoding {name}", whole.encode(), key="floor", headers={"content_encoding": value}, silent=True)
    for kind in (
        "application/x-www-form-urlencoded",
        "text/plain; charset=utf-16",
        "application/json; charset=utf-7",
        "multipart/form-data",
    ):
        yield Case(f"content-type {kind}", whole.encode(), key="floor", headers={"content_type": kind})


def places() -> Iterator[Case]:
    """Paths and methods that other gateways know."""
    said = body("chat", "auto")
    for path in (
        "/v1/chat/completions?model=outside", "/v1/chat/completions?api_base=http://{evil}/v1", "/v1/chat/completions?labels=public",
        "/v1/chat/completions#outside", "/v1/chat/completions;model=outside", "/v1/chat/completions/outside", "//v1/chat/completions",
        "/v1//chat/completions", "/v1/./chat/completions", "/v1/chat/../chat/completions", "/v1/chat/completions/", "/v1/chat/completions%00",
        "/v1/chat%2fcompletions", "/V1/chat/completions", "/v1/engines/outside/completions", "/v1/engines/outside/chat/completions",
        "/openai/deployments/outside/chat/completions", "/v1/openai/deployments/outside/chat/completions", "/v1/models/outside:generateContent",
        "/v1beta/models/outside:generateContent", "/model/outside/invoke", "/model/outside/converse", "/v1/outside/chat/completions",
        "/outside/v1/chat/completions", "/proxy/outside", "/pass-through/outside", "/v1/realtime?model=outside", "/v1/batches", "/v1/files",
        "/v1/images/generations", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/moderations", "/v1/rerank", "/v1/responses/compact",
        "/v1/fine_tuning/jobs", "/v1/assistants", "/v1/threads/runs", "/mcp", "/api/chat", "/api/generate", "/generate", "/tokenize",
        "http://{evil}/v1/chat/completions", "/v1/models/outside", "/v1/messages/batches", "/v1/complete", "/v1/decisions/outside",
    ):  # fmt: skip
        yield Case(f"path {path}", said, path, "floor")
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"):
        yield Case(f"method {method}", said, key="floor", method=method)
    for api in APIS:
        for name in ("outside", "auto", "away"):
            asked = {**PII, "x_pointsman_api": api}
            yield Case(f"explain {api} {name}", body(api, name), "/v1/explain", headers=asked, silent=True)
    for name in ("outside", "auto", "away", "OUTSIDE"):
        yield Case(f"count_tokens {name}", body("messages", name), "/v1/messages/count_tokens", headers=PII, silent=True)
    for api in ("responses", "chat"):
        for name, value in {
            "previous_response_id": "resp_of_somebody_else", "conversation": "conv_1", "prompt": {"id": "pmpt_1"}, "background": True,
        }.items():  # fmt: skip
            yield Case(f"{api}: {name}", body(api, "auto", **{name: value}), PATHS[api], "floor")
    for item in (
        {"type": "item_reference", "id": "msg_1"},
        {"type": "message", "role": "user", "content": [{"type": "input_file", "file_id": "f"}]},
    ):
        yield Case(f"responses: {item['type']}", {"model": "auto", "input": [item]}, PATHS["responses"], "floor")


def failures() -> Iterator[Case]:
    """Every way in which the model inside can fail, with every way on; whole and streamed."""
    for script in FAULTS:
        for kind in ">*|":
            for stream in (False, True):
                said = body("chat", f"{script}{kind}", stream=stream)
                yield Case(f"{script}{kind}{' streamed' if stream else ''}", said, headers=PII)
        for api in ("responses", "messages"):
            yield Case(f"{api}: {script}>", body(api, f"{script}>", stream=True), PATHS[api], "floor")
        yield Case(f"{script}, a key's list", body("chat", f"{script}>"), key="listed")
    for stream in (False, True):
        for api in ("chat", "responses", "messages"):
            yield Case(f"{api}: hedged, streamed {stream}", body(api, "racing", stream=stream), PATHS[api], headers=PII)


FAMILIES = (by_name, extras, headers, labels, encodings, places, failures)
