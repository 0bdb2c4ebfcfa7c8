"""Clients never choose destinations: fields by which other gateways and servers let a body say where it goes are refused.

They would not move *our* call. But every field travels on, and the upstream may be a gateway itself, or a server that calls others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pointsman.errors import RequestError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Compared without case, `-` and `_`: `apiBase` and `API-BASE` are `api_base`.
ADDRESSES = _words(
    """
    apibase apikey azureadtoken azureendpoint baseuri baseurl callbackurl connectorid customhost customllmprovider extraheaders
    proxyurl remotehost remoteport serverurl upstreamurl virtualkey webhookurl
    """
)
"""Addresses and credentials: refused wherever they stand, also in `metadata`."""

DESTINATIONS = ADDRESSES | _words(
    """
    apitype apiversion authorization callbacks config contextwindowfallbackdict contextwindowfallbacks deployment deploymentid
    endpoint extrabody extraquery failurecallback fallback fallbackmodels fallbacks gateway headers host kvtransferparams lorapath
    mockresponse modelgrouplist modellist models organization organizationid plugins preset provider provideroptions providers proxies
    proxy regionname route router routersettings routersettingsoverride server strategy successcallback targets
    upstream url urls userconfig webhook
    """
)
"""Choices of where a request goes: refused everywhere but in `metadata` and in what the model reads."""

_FAMILIES = (
    "aws",
    "bootstrap",
    "contentpolicyfallback",
    "langfuse",
    "langsmith",
    "litellm",
    "mocktesting",
    "portkey",
    "sagemaker",
    "tensorzero",
    "vertex",
    "watsonx",
)
_CONTENT = _words(
    """
    chat_template_kwargs documents function_call functions guided_json input instructions logit_bias messages output_config output_format
    prediction prompt response_format structured_outputs suffix system text tool_choice web_search_options
    """
)
"""What the model reads: names in there are the user's own."""
_TOOL_CONTENT = frozenset({"custom", "function", "input_examples", "input_schema", "parameters"})
_MARKS = re.compile("[^a-z0-9]")


def refuse_destinations(body: Mapping[str, Any]) -> None:
    """Raise `RequestError` for a field that says where the request should go."""
    for path, name in _chosen(body):
        raise RequestError(
            f"`{name[:100]}` is not accepted: where a request goes is the gateway's to decide, by `model` and its policies",
            param=path[:200],
        )


def _chosen(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if _is_one_of(DESTINATIONS, name):
            yield name, name
        elif name == "tools" and isinstance(value, list):
            for tool in value:
                if isinstance(tool, dict):
                    kept = {key: item for key, item in tool.items() if key not in _TOOL_CONTENT}
                    yield from _within(kept, DESTINATIONS, name)
        elif isinstance(value, (dict, list)) and name not in _CONTENT:
            yield from _within(value, ADDRESSES if name == "metadata" else DESTINATIONS, name)


def _within(value: object, refused: frozenset[str], path: str) -> Iterator[tuple[str, str]]:
    level: list[object] = [value]
    while level:
        item = level.pop()
        inner: Iterable[object] = item if isinstance(item, list) else ()
        if isinstance(item, dict):
            yield from ((f"{path}.{name}", name) for name in item if _is_one_of(refused, name))
            inner = item.values()
        level.extend(found for found in inner if isinstance(found, (dict, list)))


def _is_one_of(refused: frozenset[str], name: str) -> bool:
    bare = _MARKS.sub("", name.casefold())
    return bare in refused or (refused is DESTINATIONS and bare.startswith(_FAMILIES))
