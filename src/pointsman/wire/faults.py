"""What an upstream's error means: its answer's status, headers and body, or an event in its stream, become one `Fault`.

What providers say in a code or a type decides first, then the status; the text is read only where neither says it (a 400 whose
sentence is the only sign that the context was too long). Texts may quote the client, so none takes a model out of service unless the
whole sentence is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pointsman.core.fault import Fault
from pointsman.wire.error_body import ErrorBody
from pointsman.wire.retry_after import retry_after_s


@dataclass(frozen=True, slots=True)
class Classified:
    """An error of an upstream: what it means to us, and what the provider said, in the provider's words."""

    fault: Fault
    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    retry_after_s: float | None = None  #: only where waiting may help


_WORDS: Final[Mapping[str, Fault]] = {
    # OpenAI, Azure, llama.cpp, GitHub Models
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "tokens_limit_reached": "context_length",
    # OpenAI, Azure, Alibaba
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "moderation_blocked": "content_filter",
    "data_inspection_failed": "content_filter",
    # OpenAI, Anthropic, Gemini, Moonshot, Alibaba, Bedrock
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "credit_balance_exhausted": "quota",
    "organization_usage_limit_exceeded": "quota",
    "organization_spend_limit_exceeded": "quota",
    "project_spend_limit_exceeded": "quota",
    "billing_error": "quota",
    "enforced_spend_limit_reached": "quota",
    "quota_exceeded": "quota",
    "exceeded_current_quota_error": "quota",
    "arrearage": "quota",
    "servicequotaexceededexception": "quota",
    # OpenAI, Groq, Anthropic, Mistral, Bedrock
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "rate_limited": "rate_limit",
    "throttlingexception": "rate_limit",
    "toomanyrequestsexception": "rate_limit",
    # Anthropic, TGI, Moonshot, Azure, Gemini, Bedrock
    "overloaded_error": "overloaded",
    "overloaded": "overloaded",
    "engine_overloaded_error": "overloaded",
    "nocapacity": "overloaded",
    "model_capacity_exhausted": "overloaded",
    "modelnotreadyexception": "overloaded",
    "serviceunavailableexception": "overloaded",
    # OpenAI, Groq, Mistral, Gemini, Bedrock
    "invalid_api_key": "refused",
    "model_not_found": "refused",
    "model_decommissioned": "refused",
    "model_terms_required": "refused",
    "invalid_model": "refused",
    "api_key_invalid": "refused",
    "failed_precondition": "refused",
    "accessdeniedexception": "refused",
    "unrecognizedclientexception": "refused",
    "expiredtokenexception": "refused",
    "resourcenotfoundexception": "refused",
    # Bedrock
    "modelerrorexception": "server_error",
    "modeltimeoutexception": "server_error",
    "modelstreamerrorexception": "server_error",
    "internalserverexception": "server_error",
}

_STATUSES: Final[Mapping[int, Fault]] = {
    401: "refused",
    402: "quota",
    403: "refused",
    404: "refused",
    408: "server_error",
    409: "server_error",
    429: "rate_limit",
    498: "overloaded",  # Groq: no room in the flex tier
    503: "overloaded",
    529: "overloaded",  # Anthropic
}

_TOO_LONG = re.compile(
    r"maximum context length|context (?:length|window|limit|size)|prompt (?:is )?too long|input is too long|too many (?:input )?tokens"
    r"|(?:maximum|max) (?:number of )?(?:input )?tokens? (?:allowed|limit)|token count\b.{0,80}\bexceeds"
    r"|inputs` (?:tokens|must have less than)|exceeds? (?:the )?(?:maximum|available) (?:number of tokens|context)"
    r"|max_tokens must be at least 1, got -|reduce the length of the (?:messages|input|prompt)",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request (?:body )?too large for|input or output tokens must be reduced", re.IGNORECASE)
_FILTERED = re.compile(
    r"content management policy|content[ _-]filter|content (?:safety|moderation|polic)"
    r"|violat\w+ (?:\w+ ){0,4}(?:usage|policy|policies|guidelines)|SAFETY_CHECK|flagged (?:as|by|for)|requires moderation",
    re.IGNORECASE,
)
_SPENT = re.compile(
    r"spend(?:ing)?[ -]limit|credit balance|available credits|more credits|insufficient (?:balance|credits?|funds|quota)"
    r"|calls / month|api usage limits|key limit exceeded",
    re.IGNORECASE,
)
_SPENT_OR_FULL = re.compile(r"exceeded your current quota", re.IGNORECASE)  # OpenAI and Gemini; Gemini says it of the minute too
_NO_CAPACITY = re.compile(r"no capacity|high demand|overloaded", re.IGNORECASE)
# Sentences of 400s that are about us, not about the request. From their beginning on: what quotes the client begins otherwise.
_SPENT_400 = re.compile(r"your credit balance is too low|you have reached your specified (?:\w+ )?api usage limits", re.IGNORECASE)
_REFUSED_400 = re.compile(r"api key not valid|\S{1,200} is not a valid model id", re.IGNORECASE)


def classify(status: int, body: bytes, headers: Mapping[str, str], now_s: float) -> Classified:
    """What an answer with an error means; header names in lower case, `now_s` in seconds since the epoch. Never raises.

    A status under 300 is for providers that answer 200 with an error in the body; one without an error is `broken`.

    >>> classify(429, b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}', {"retry-after": "2"}, now_s=0)
    Classified(fault='rate_limit', message='slow down', type=None, code='rate_limit_exceeded', param=None, retry_after_s=2.0)
    """
    said = ErrorBody(body, headers.get("x-amzn-errortype", ""))
    if status < 300:
        if not said.is_error:
            return Classified("broken", said.message)
        status = said.status()
    return _classified(status, said, retry_after_s(headers, now_s))


def classify_event(data: bytes) -> Classified:
    """What an error event in a stream means: the status is the one it names, else 502. Never raises.

    >>> classify_event(b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}').fault
    'overloaded'
    """
    said = ErrorBody(data)
    return _classified(said.status(), said, None)


def _classified(status: int, said: ErrorBody, wait_s: float | None) -> Classified:
    wait_s = said.retry_after_s() if wait_s is None else wait_s
    fault = _fault(status, said, wait_s)
    helps = fault in {"rate_limit", "overloaded", "server_error", "quota"}
    return Classified(fault, said.message, said.type, said.code, said.param, wait_s if helps else None)


def _fault(status: int, said: ErrorBody, wait_s: float | None) -> Fault:
    fault = next((_WORDS[word] for word in said.words if word in _WORDS), None) or _by_status(status)
    if fault == "rate_limit":
        return _rate_limit(said, wait_s)
    if fault == "refused" and status == 403:
        return "content_filter" if said.was_flagged or said.matches(_FILTERED) else "quota" if said.matches(_SPENT) else fault
    if fault == "malformed" or (fault == "server_error" and status == 500):
        return _bad_request(said, fault)
    return fault


def _by_status(status: int) -> Fault:
    if (fault := _STATUSES.get(status)) is not None:
        return fault
    if status >= 500:
        return "server_error"
    return "malformed" if status >= 400 else "refused"


def _rate_limit(said: ErrorBody, wait_s: float | None) -> Fault:
    if said.matches(_TOO_LARGE):
        # More tokens in one request than the account gets in a minute: waiting will not make it fit, another model may.
        return "context_length"
    if said.matches(_SPENT) or (wait_s is None and said.matches(_SPENT_OR_FULL)):
        return "quota"
    return "overloaded" if said.matches(_NO_CAPACITY) else "rate_limit"


def _bad_request(said: ErrorBody, otherwise: Fault) -> Fault:
    if said.matches(_TOO_LONG) or said.matches(_TOO_LARGE):
        return "context_length"
    if otherwise == "malformed":
        if said.matches(_FILTERED):
            return "content_filter"
        if said.begins(_SPENT_400):
            return "quota"
        if said.begins(_REFUSED_400):
            return "refused"
    return otherwise
