"""Errors as providers send them: the class they fall into, the words that are kept, the wait that is read.

Bodies have the shapes of public documentation, SDKs and bug reports; names, numbers and ids in them are made up.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.fault import Fault
from pointsman.wire.error_body import MOST_MESSAGE, MOST_WORD
from pointsman.wire.faults import Classified, classify, classify_event

NOW = 1_784_000_000.0  # Tue, 14 Jul 2026 03:33:20 GMT


class Case(NamedTuple):
    """An answer, and what must be read from it. `code` and `type` are what the provider wrote."""

    name: str
    status: int
    body: object  #: JSON, or the bytes themselves
    fault: Fault
    code: str | None = None
    type: str | None = None
    wait_s: float | None = None
    headers: dict[str, str] = {}  # noqa: RUF012
    param: str | None = None


def openai(message: str, type: str | None, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def anthropic(type: str, message: str, **fields: object) -> dict[str, Any]:
    return {"type": "error", "error": {**fields, "type": type, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def gemini(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    error = {"code": code, "message": message, "status": status}
    return {"error": {**error, "details": list(details)} if details else error}


def google(kind: str, **fields: object) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def mistral(message: object, type: str, code: str | None) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": type, "param": None, "code": code}


def openrouter(code: int, message: str, **metadata: object) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "metadata": metadata}, "user_id": "user_1"}


def amazon(name: str) -> dict[str, str]:
    return {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/", "x-amzn-requestid": "r"}


QUOTA = "You exceeded your current quota, please check your plan and billing details."
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages."
TOO_LARGE = "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully."
GROQ_TPM = "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_1` on tokens per minute (TPM): Limit 6000, Used 3513, Requested 3166. Please try again in 6.780999999s. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
GROQ_413 = "Request too large for model `llama-3.1-8b-instant` in organization `org_1` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 12328, please reduce your message size and try again."
AZURE_FILTER = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry."
)
FLAGGED = "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt."
EXTRA = [{"type": "extra_forbidden", "loc": ["body", "messages", 0, "user", "name"], "msg": "Extra inputs are not permitted", "input": ""}]
NGINX = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
RPM = {
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "20s",
    "x-ratelimit-remaining-tokens": "900",
    "x-ratelimit-reset-tokens": "6m0s",
}
CLAUDE_RPM = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-07-14T03:33:32Z"}
PER_MINUTE = google(
    "QuotaFailure",
    violations=[
        {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "quotaValue": "15",
        }
    ],
)
RETRY_34 = google("RetryInfo", retryDelay="34s")
BAD_KEY = google("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com", metadata={"service": "generativelanguage.googleapis.com"})
FILTERED = {"hate": {"filtered": True, "severity": "medium"}, "violence": {"filtered": False, "severity": "safe"}}
INVALID = "invalid_request_error"

# fmt: off
CASES = [
    # OpenAI
    Case("openai, wrong key", 401, openai("Incorrect API key provided: sk-1***.", INVALID, "invalid_api_key"), "refused", "invalid_api_key", INVALID),
    Case("openai, no such model", 404, openai("The model `gpt-9` does not exist or you do not have access to it.", INVALID, "model_not_found"), "refused", "model_not_found", INVALID),
    Case("openai, country", 403, openai("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"), "refused", "unsupported_country_region_territory", "request_forbidden"),
    Case("openai, unknown parameter", 400, openai("Unrecognized request argument supplied: foo", INVALID, None), "malformed", None, INVALID),
    Case("openai, parameter of the wrong value", 400, openai("Invalid 'temperature': decimal above maximum value.", INVALID, "decimal_above_max_value", "temperature"), "malformed", "decimal_above_max_value", INVALID, param="temperature"),
    Case("openai, max_tokens above the model's output", 400, openai("max_tokens is too large: 200000. This model supports at most 16384 completion tokens, whereas you provided 200000.", INVALID, "invalid_value", "max_tokens"), "malformed", "invalid_value", INVALID, param="max_tokens"),
    Case("openai, context length", 400, openai(TOO_LONG, INVALID, "context_length_exceeded", "messages"), "context_length", "context_length_exceeded", INVALID, param="messages"),
    Case("openai, flagged prompt", 400, openai(FLAGGED, INVALID, "invalid_prompt"), "content_filter", "invalid_prompt", INVALID),
    Case("openai, content policy", 400, openai("Your request was rejected as a result of our safety system.", INVALID, "content_policy_violation"), "content_filter", "content_policy_violation", INVALID),
    Case("openai, rate limit", 429, openai("Rate limit reached for gpt-4o in organization org-1 on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.", "requests", "rate_limit_exceeded"), "rate_limit", "rate_limit_exceeded", "requests", 20.0, RPM),
    Case(
        "openai, rate limit, wait in words",
        429,
        openai("Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 1200. Please try again in 400ms. Visit https://platform.openai.com/account/rate-limits to learn more.", "tokens", "rate_limit_exceeded"),
        "rate_limit",
        "rate_limit_exceeded",
        "tokens",
        0.4,
    ),
    Case("openai, larger than a minute's tokens", 429, openai(TOO_LARGE, "tokens", "rate_limit_exceeded"), "context_length", "rate_limit_exceeded", "tokens"),
    Case("openai, quota", 429, openai(QUOTA, "insufficient_quota", "insufficient_quota"), "quota", "insufficient_quota", "insufficient_quota"),
    Case("openai, quota, old form without a code", 429, openai(QUOTA, "insufficient_quota", None), "quota", None, "insufficient_quota"),
    Case("openai, billing limit", 400, openai("Billing hard limit has been reached", INVALID, "billing_hard_limit_reached"), "quota", "billing_hard_limit_reached", INVALID),
    Case("openai, credit used up", 429, openai("You have no prepaid credits remaining.", "insufficient_quota", "credit_balance_exhausted"), "quota", "credit_balance_exhausted", "insufficient_quota"),
    Case("openai, spend limit", 429, openai("Your organization reached its spend limit.", "insufficient_quota", "organization_spend_limit_exceeded"), "quota", "organization_spend_limit_exceeded", "insufficient_quota"),
    Case("openai, server error", 500, openai("The server had an error while processing your request. Sorry about that!", "server_error", None), "server_error", None, "server_error"),
    Case("openai, overloaded", 503, openai("That model is currently overloaded with other requests.", "server_error", None), "overloaded", None, "server_error", 5.0, {"retry-after": "5"}),
    Case("openai, conflict", 409, openai("Another request is in progress", INVALID, None), "server_error", None, INVALID),
    # Azure OpenAI
    Case("azure, content filter", 400, {"error": {"message": AZURE_FILTER, "type": None, "param": "prompt", "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED}}}, "content_filter", "content_filter", param="prompt"),
    Case("azure, content filter by inner code", 400, {"error": {"message": "filtered", "code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "content_filter"),
    Case("azure, content filter, sentence only", 400, {"error": {"message": AZURE_FILTER, "type": INVALID}}, "content_filter", None, INVALID),
    Case("azure, rate limit", 429, {"error": {"code": "429", "message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds."}}, "rate_limit", "429", None, 86_400.0),
    Case("azure, rate limit in milliseconds", 429, {"error": {"code": "429", "message": "Rate limit is exceeded. Try again in 2 seconds."}}, "rate_limit", "429", None, 1.5, {"retry-after-ms": "1500", "retry-after": "2"}),
    Case("azure, rate limit in words", 429, {"error": {"code": "429", "message": "Rate limit is exceeded. Try again in 2 seconds."}}, "rate_limit", "429", None, 2.0),
    Case("azure, no capacity", 429, {"error": {"code": "NoCapacity", "message": "The system is currently experiencing high demand and cannot process your request. Please retry after 20 seconds."}}, "overloaded", "NoCapacity", None, 20.0),
    Case("azure, no deployment", 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}, "refused", "DeploymentNotFound"),
    Case("azure, wrong key", 401, {"statusCode": 401, "message": "Access denied due to invalid subscription key or wrong API endpoint."}, "refused"),
    Case("github models, too long", 413, {"error": {"code": "tokens_limit_reached", "message": "Request body too large for gpt-4.1 model. Max size: 8000 tokens.", "details": "Request body too large"}}, "context_length", "tokens_limit_reached"),
    # Anthropic
    Case("anthropic, bad request", 400, anthropic(INVALID, 'messages: roles must alternate between "user" and "assistant"'), "malformed", None, INVALID),
    Case("anthropic, prompt too long", 400, anthropic(INVALID, "prompt is too long: 208732 tokens > 200000 maximum"), "context_length", None, INVALID),
    Case("anthropic, input and output too long", 400, anthropic(INVALID, "input length and `max_tokens` exceed context limit: 198214 + 8192 > 200000, decrease input length or `max_tokens` and try again"), "context_length", None, INVALID),
    Case("anthropic, credit", 400, anthropic(INVALID, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), "quota", None, INVALID),
    Case("anthropic, own spend limit", 400, anthropic(INVALID, "You have reached your specified workspace API usage limits. You will regain access on 2026-08-01 at 00:00 UTC."), "quota", None, INVALID),
    Case("anthropic, blocked output", 400, anthropic(INVALID, "Output blocked by content filtering policy", details=None), "content_filter", None, INVALID),
    Case("anthropic, wrong key", 401, anthropic("authentication_error", "invalid x-api-key"), "refused", None, "authentication_error"),
    Case("anthropic, billing", 402, anthropic("billing_error", "There is an issue with your billing."), "quota", None, "billing_error"),
    Case("anthropic, permission", 403, anthropic("permission_error", "Your API key does not have permission to use the specified resource."), "refused", None, "permission_error"),
    Case("anthropic, no such model", 404, anthropic("not_found_error", "model: claude-9"), "refused", None, "not_found_error"),
    Case("anthropic, too many bytes", 413, anthropic("request_too_large", "Request exceeds the maximum size"), "malformed", None, "request_too_large"),
    Case("anthropic, rate limit", 429, anthropic("rate_limit_error", "This request would exceed your organization's rate limit of 20,000 input tokens per minute."), "rate_limit", None, "rate_limit_error", 12.0, CLAUDE_RPM),
    Case("anthropic, rate limit, header outright", 429, anthropic("rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit"), "rate_limit", None, "rate_limit_error", 41.0, {**CLAUDE_RPM, "retry-after": "41"}),
    Case("anthropic, monthly cap", 429, anthropic("rate_limit_error", "Your organization has reached its monthly usage.", details={"error_code": "enforced_spend_limit_reached"}), "quota", None, "rate_limit_error"),
    Case("anthropic, spend limit in words", 429, anthropic("rate_limit_error", "You have hit your monthly spend limit"), "quota", None, "rate_limit_error"),
    Case("anthropic, internal", 500, anthropic("api_error", "Internal server error"), "server_error", None, "api_error"),
    Case("anthropic, timeout", 504, anthropic("timeout_error", "Request timed out"), "server_error", None, "timeout_error"),
    Case("anthropic, overloaded", 529, anthropic("overloaded_error", "Overloaded"), "overloaded", None, "overloaded_error"),
    # Gemini
    Case("gemini, rate limit", 429, gemini(429, "RESOURCE_EXHAUSTED", QUOTA, PER_MINUTE, google("Help", links=[]), RETRY_34), "rate_limit", "429", "RESOURCE_EXHAUSTED", 34.0),
    Case("gemini, openai-compatible, in a list", 429, [gemini(429, "RESOURCE_EXHAUSTED", QUOTA, RETRY_34)], "rate_limit", "429", "RESOURCE_EXHAUSTED", 34.0),
    Case("gemini, rate limit, wait in words", 429, gemini(429, "RESOURCE_EXHAUSTED", f"{QUOTA}\nPlease retry in 36.429760048s."), "rate_limit", "429", "RESOURCE_EXHAUSTED", 36.429760048),
    Case("gemini, quota without a wait", 429, gemini(429, "RESOURCE_EXHAUSTED", QUOTA, google("Help", links=[])), "quota", "429", "RESOURCE_EXHAUSTED"),
    Case("gemini, exhausted", 429, [gemini(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.")], "rate_limit", "429", "RESOURCE_EXHAUSTED"),
    Case("gemini, no capacity", 429, gemini(429, "RESOURCE_EXHAUSTED", "No capacity available for model on the server", {"reason": "MODEL_CAPACITY_EXHAUSTED"}), "overloaded", "429", "RESOURCE_EXHAUSTED"),
    Case("gemini, too long", 400, gemini(400, "INVALID_ARGUMENT", "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."), "context_length", "400", "INVALID_ARGUMENT"),
    Case("gemini, wrong key is a 400", 400, gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", BAD_KEY), "refused", "400", "INVALID_ARGUMENT"),
    Case("gemini, wrong key, openai-compatible", 400, [gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")], "refused", "400", "INVALID_ARGUMENT"),
    Case("gemini, region", 400, gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "refused", "400", "FAILED_PRECONDITION"),
    Case("gemini, bad argument", 400, gemini(400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified"), "malformed", "400", "INVALID_ARGUMENT"),
    Case("gemini, overloaded", 503, gemini(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), "overloaded", "503", "UNAVAILABLE"),
    Case("gemini, internal", 500, gemini(500, "INTERNAL", "An internal error has occurred."), "server_error", "500", "INTERNAL"),
    # Bedrock
    Case("bedrock, throttled", 429, {"message": "Too many tokens, please wait before trying again."}, "rate_limit", None, "ThrottlingException", None, amazon("ThrottlingException")),
    Case("bedrock, type in the body", 400, {"__type": "com.amazon.coral.service#ThrottlingException", "message": "Too many requests"}, "rate_limit", None, "ThrottlingException"),
    Case("bedrock, too long", 400, {"message": "Input is too long for requested model."}, "context_length", None, "ValidationException", None, amazon("ValidationException")),
    Case("bedrock, too many tokens asked for", 400, {"message": "The maximum tokens you requested exceeds the model limit of 32768. Try again with a maximum tokens value that is lower than 32768."}, "malformed", None, "ValidationException", None, amazon("ValidationException")),
    Case("bedrock, access", 403, {"message": "You don't have access to the model with the specified model ID."}, "refused", None, "AccessDeniedException", None, amazon("AccessDeniedException")),
    Case("bedrock, signature", 403, {"message": "The security token included in the request is invalid."}, "refused", None, "UnrecognizedClientException", None, amazon("UnrecognizedClientException")),
    Case("bedrock, service quota", 400, {"message": "Your request exceeds the service quota for your account."}, "quota", None, "ServiceQuotaExceededException", None, amazon("ServiceQuotaExceededException")),
    Case("bedrock, model not ready", 429, {"message": "The model specified in the request is not ready to serve inference requests."}, "overloaded", None, "ModelNotReadyException", None, amazon("ModelNotReadyException")),
    Case("bedrock, model error is a 424", 424, {"message": "The request failed due to an error while processing the model.", "originalStatusCode": 500}, "server_error", None, "ModelErrorException", None, amazon("ModelErrorException")),
    Case("bedrock, model timeout", 408, {"message": "The request took too long to process."}, "server_error", None, "ModelTimeoutException", None, amazon("ModelTimeoutException")),
    Case("bedrock, unavailable", 503, {"message": "Bedrock is unable to process your request."}, "overloaded", None, "ServiceUnavailableException", None, amazon("ServiceUnavailableException")),
    # Mistral
    Case("mistral, extra field", 422, mistral({"detail": EXTRA}, INVALID, None), "malformed", None, INVALID, param="messages.0.user.name"),
    Case("mistral, extra field, flat", 422, {"detail": EXTRA}, "malformed", param="messages.0.user.name"),
    Case("mistral, extra field, newer", 422, {"object": "Error", "detail": EXTRA, "message": EXTRA, "type": INVALID, "code": 3001}, "malformed", "3001", INVALID, param="messages.0.user.name"),
    Case("mistral, too long", 400, mistral("Prompt contains 40251 tokens and 0 draft tokens, too large for model with 32768 maximum context length", INVALID, "3051"), "context_length", "3051", INVALID),
    Case("mistral, no such model", 400, mistral("Invalid model: mistral-huge", "invalid_model", "1500"), "refused", "1500", "invalid_model"),
    Case("mistral, rate limit", 429, {**mistral("Rate limit exceeded", "rate_limited", "1300"), "raw_status_code": 429}, "rate_limit", "1300", "rate_limited"),
    Case("mistral, rate limit, bare", 429, {"message": "Requests rate limit exceeded"}, "rate_limit"),
    Case("mistral, capacity", 503, mistral("Service tier capacity exceeded for this model.", INVALID, None), "overloaded", None, INVALID),
    Case("mistral, wrong key", 401, {"message": "Unauthorized", "request_id": "1"}, "refused"),
    # vLLM, llama.cpp, TGI, Ollama
    Case("vllm, too long", 400, {"object": "error", "message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}, "context_length", "400", "BadRequestError"),
    Case("vllm, too long, newer", 400, {"error": {"message": "You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is only 1024 tokens.", "type": "BadRequestError", "param": "input_tokens", "code": 400}}, "context_length", "400", "BadRequestError", param="input_tokens"),
    Case("vllm, too long, no room for an answer", 400, {"object": "error", "message": "max_tokens must be at least 1, got -186.", "type": "BadRequestError", "param": None, "code": 400}, "context_length", "400", "BadRequestError"),
    Case("vllm, bad request", 400, {"object": "error", "message": "top_p must be in (0, 1], got 2.0.", "type": "BadRequestError", "param": None, "code": 400}, "malformed", "400", "BadRequestError"),
    Case("vllm, no such model", 404, {"object": "error", "message": "The model `m` does not exist.", "type": "NotFoundError", "param": None, "code": 404}, "refused", "404", "NotFoundError"),
    Case("llama.cpp, too long", 400, {"error": {"code": 400, "message": "the request exceeds the available context size. try increasing the context size or enable context shift", "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}}, "context_length", "400", "exceed_context_size_error"),
    Case("llama.cpp, too long, status forgotten", 200, {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}}, "context_length", "400", "exceed_context_size_error"),
    Case("llama.cpp, too long, older", 500, {"error": {"code": 500, "message": "the request exceeds the available context size. try increasing the context size or enable context shift", "type": "server_error"}}, "context_length", "500", "server_error"),
    Case("llama.cpp, loading", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "overloaded", "503", "unavailable_error"),
    Case("tgi, too long", 422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens and 1024 `max_new_tokens`", "error_type": "validation"}, "context_length", None, "validation"),
    Case("tgi, overloaded is a 429", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, "overloaded", None, "overloaded"),
    Case("hugging face, too long", 422, {"error": {"message": "Input validation error: `inputs` must have less than 4096 tokens. Given: 4545", "http_status_code": 422}}, "context_length"),
    Case("ollama, no such model", 404, {"error": "model 'llama9' not found"}, "refused"),
    Case("ollama, busy", 503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, "overloaded"),
    # Groq, Cohere, OpenRouter, xAI, DeepSeek, Moonshot
    Case("groq, rate limit", 429, {"error": {"message": GROQ_TPM, "type": "tokens", "code": "rate_limit_exceeded"}}, "rate_limit", "rate_limit_exceeded", "tokens", 7.0, {"retry-after": "7", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "31.6s"}),
    Case("groq, rate limit in words", 429, {"error": {"message": GROQ_TPM, "type": "tokens", "code": "rate_limit_exceeded"}}, "rate_limit", "rate_limit_exceeded", "tokens", 6.780999999),
    Case("groq, larger than a minute's tokens", 413, {"error": {"message": GROQ_413, "type": "tokens", "code": "rate_limit_exceeded"}}, "context_length", "rate_limit_exceeded", "tokens"),
    Case("groq, max_tokens above the model's output", 400, {"error": {"message": "`max_tokens` must be less than or equal to `16384`, the maximum value for `max_tokens` is less than the `context_window` for this model", "type": INVALID, "param": "max_tokens"}}, "malformed", None, INVALID, param="max_tokens"),
    Case("groq, model gone", 400, {"error": {"message": "The model `mixtral-8x7b-32768` has been decommissioned and is no longer supported.", "type": INVALID, "code": "model_decommissioned"}}, "refused", "model_decommissioned", INVALID),
    Case("groq, flex tier full", 498, b"", "overloaded"),
    Case("cohere, too long", 400, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292. Try using a shorter prompt."}, "context_length"),
    Case("cohere, per minute", 429, {"message": "You are using a Trial key, which is limited to 40 API calls / minute."}, "rate_limit"),
    Case("cohere, per month", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}, "quota"),
    Case("cohere, wrong key", 401, {"message": "invalid api token"}, "refused"),
    Case("openrouter, provider's rate limit", 429, openrouter(429, "Provider returned error", raw="m is temporarily rate-limited upstream. Please retry shortly", provider_name="Venice", is_byok=False, retry_after_seconds=17), "rate_limit", "429", None, 17.0),
    Case("openrouter, provider's context length", 400, openrouter(400, "Provider returned error", raw=json.dumps(openai(TOO_LONG, INVALID, None)), provider_name="Azure"), "context_length", "400"),
    Case("openrouter, moderation", 403, openrouter(403, 'm requires moderation on Provider. Your input was flagged for "violence".', reasons=["violence"], flagged_input="how to ...", provider_name="p", model_slug="m"), "content_filter", "403"),
    Case("openrouter, key's limit", 403, {"error": {"message": "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys", "code": 403}}, "quota", "403"),
    Case("openrouter, credits", 402, {"error": {"message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits", "code": 402}}, "quota", "402"),
    Case("openrouter, model's name", 400, {"error": {"message": "acme/huge is not a valid model ID", "code": 400}}, "refused", "400"),
    Case("openrouter, provider gone, status 200", 200, openrouter(502, "Provider returned error", raw="upstream connect error", provider_name="p"), "server_error", "502"),
    Case(
        "xai, safety",
        403,
        {"code": "The caller does not have permission to execute the specified operation", "error": "Content violates usage guidelines. Team: t, API key ID: k, Model: grok-4, Failed check: SAFETY_CHECK_TYPE_BIO"},
        "content_filter",
        "The caller does not have permission to execute the specified operation",
    ),
    Case("xai, spend limit", 429, {"code": "Some resource has been exhausted", "error": "Your team t has either used all available credits or reached its monthly spending limit. To continue making API requests, please purchase more credits or raise your spending limit."}, "quota", "Some resource has been exhausted"),
    Case("xai, too many tokens a minute", 429, b'"Too many tokens for team t and model grok-4. Your team\'s rate limit is: Tokens per Minute (actual/limit): 65605/16000."', "rate_limit"),
    Case("deepseek, balance", 402, openai("Insufficient Balance", "unknown_error", INVALID), "quota", INVALID, "unknown_error"),
    Case("moonshot, overloaded is a 429", 429, {"error": {"message": "The engine is currently overloaded, please try again later", "type": "engine_overloaded_error"}}, "overloaded", None, "engine_overloaded_error"),
    # What is between us and them
    Case("nginx, bad gateway", 502, NGINX, "server_error"),
    Case("cloudflare, unreachable origin", 522, b"error code: 522", "server_error"),
    Case("envoy, reset", 503, b"upstream connect error or disconnect/reset before headers. reset reason: connection termination", "overloaded"),
    Case("nginx, too large", 413, b"<html><head><title>413 Request Entity Too Large</title></head></html>", "malformed"),
    Case("a redirection", 307, b"", "refused", headers={"location": "https://elsewhere.example/"}),
    Case("an empty answer", 200, b"", "broken"),
    Case("an answer that is none", 200, {"choices": []}, "broken"),
    Case("a status of its own", 418, b"I'm a teapot", "malformed"),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_errors_fall_into_their_class_and_keep_their_words(case):
    body = case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode()
    said = classify(case.status, body, case.headers, NOW)
    assert (said.fault, said.code, said.type, said.param) == (case.fault, case.code, case.type, case.param)
    assert said.retry_after_s == (case.wait_s if case.wait_s is None else pytest.approx(case.wait_s))


def test_names_of_cases_are_distinct():
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (openai("Sorry", None, None), "Sorry"),
        ({"detail": EXTRA * 2}, "Extra inputs are not permitted; Extra inputs are not permitted"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error": "text"}, "text"),
        (NGINX, "502 Bad Gateway"),
        (b"  plain words \n", "plain words"),
        (b"<p>no title</p>", None),
        (b"", None),
        (b"\xff\xfe not utf-8", "\ufffd\ufffd not utf-8"),
        ({"message": ["a", 1, None]}, None),
    ],
)
def test_the_message_is_found(body, message):
    assert classify(500, body if isinstance(body, bytes) else json.dumps(body).encode(), {}, NOW).message == message


@pytest.mark.parametrize(
    "quoted",
    [
        "Your credit balance is too low to access the Anthropic API",
        "You exceeded your current quota",
        "x is not a valid model id",
        "insufficient_quota",
    ],
)
def test_a_client_that_is_quoted_cannot_take_a_model_out_of_service(quoted):
    body = json.dumps(openai(f"Invalid value for 'tools[0].name': '{quoted}'", INVALID, "invalid_value", "tools")).encode()
    assert classify(400, body, {}, NOW).fault == "malformed"


@pytest.mark.parametrize(
    ("event", "fault", "code"),
    [
        (anthropic("overloaded_error", "Overloaded"), "overloaded", None),
        (anthropic("rate_limit_error", "Slow down"), "rate_limit", None),
        (anthropic("api_error", "Internal server error"), "server_error", None),
        (anthropic(INVALID, "Output blocked by content filtering policy"), "content_filter", None),
        (anthropic("authentication_error", "invalid x-api-key"), "refused", None),
        (openai("The server had an error while processing your request", "server_error", None), "server_error", None),
        (openai(QUOTA, "insufficient_quota", "insufficient_quota"), "quota", "insufficient_quota"),
        (
            {"type": "error", "code": "ERR_SOMETHING", "message": "Something went wrong", "param": None, "sequence_number": 1},
            "server_error",
            "ERR_SOMETHING",
        ),
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None, "sequence_number": 1},
            "rate_limit",
            "rate_limit_exceeded",
        ),
        (
            {"type": "response.failed", "response": {"id": "r", "error": {"code": "server_error", "message": "failed"}}},
            "server_error",
            "server_error",
        ),
        ({"object": "error", "message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}, "context_length", "400"),
        ({"id": "gen-1", "choices": [], "error": {"code": 502, "message": "Provider disconnected unexpectedly"}}, "server_error", "502"),
        ({"id": "gen-1", "choices": [], "error": {"code": "429", "message": "Rate limited"}}, "rate_limit", "429"),
        (gemini(503, "UNAVAILABLE", "The model is overloaded."), "overloaded", "503"),
        ({"error": "Request failed during generation: Server error", "error_type": "generation"}, "server_error", None),
        (b"upstream closed", "server_error", None),
        (b"", "server_error", None),
    ],
)
def test_events_name_their_status_or_are_errors_of_the_server(event, fault, code):
    said = classify_event(event if isinstance(event, bytes) else json.dumps(event).encode())
    assert (said.fault, said.code) == (fault, code)


def test_that_an_error_is_an_error_is_not_its_type():
    assert classify_event(b'{"type": "error", "code": "x", "message": "m"}').type is None


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"error":' * 50_000,
        b'{"error": {"message": "' + b"x" * 3_000_000 + b'"}}',
        b'{"error": {"message": "' + b"x" * 500_000 + b'", "code": "' + b"y" * 5_000 + b'", "type": ' + b"9" * 10_000 + b"}}",
        b'{"error": {"code": 1' + b"0" * 5_000 + b"}}",
        b'{"error": {"code": true, "type": [], "param": {}, "message": 7, "details": {"error_code": []}, "metadata": []}}',
        b'{"error": {"details": [1, null, {"retryDelay": 5}], "innererror": "x", "metadata": {"raw": 3, "retry_after_seconds": 1e400}}}',
        b'{"error": {"message": "\\ud800"}}',
        b'{"detail": [{"loc": "body", "msg": 3}, {"loc": [[]]}]}',
        b"<title>" * 100_000,
        b"\x00\xff" * 1_000,
        b"null",
        b"[]",
        b"7",
    ],
    ids=lambda body: repr(body[:30]),
)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_hostile_bodies_are_read_within_bounds(body, status):
    check(classify(status, body, {}, NOW))
    check(classify_event(body))


def check(said: Classified) -> None:
    assert len(said.message or "") <= MOST_MESSAGE
    assert all(word is None or 0 < len(word) <= MOST_WORD for word in (said.type, said.code, said.param))
    assert said.retry_after_s is None or 0 <= said.retry_after_s <= 86_400


NAMES = [
    "error",
    "message",
    "type",
    "code",
    "param",
    "detail",
    "details",
    "metadata",
    "status",
    "object",
    "loc",
    "msg",
    "raw",
    "retryDelay",
    "reason",
    "innererror",
    "response",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["error", "rate_limit_exceeded", TOO_LONG, "34s"])
)
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5), max_leaves=12
)


@given(
    status=st.integers(),
    body=st.binary(max_size=200) | BODIES.map(lambda body: json.dumps(body).encode()),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-amzn-errortype"]) | st.text(max_size=9), st.text(max_size=30)
    ),
)
def test_nothing_that_an_upstream_sends_raises(status, body, headers):
    check(classify(status, body, headers, NOW))
    check(classify_event(body))
