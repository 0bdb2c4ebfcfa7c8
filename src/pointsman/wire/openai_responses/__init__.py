"""OpenAI Responses."""

from pointsman.wire.openai_responses.dialect import RESPONSES as RESPONSES
