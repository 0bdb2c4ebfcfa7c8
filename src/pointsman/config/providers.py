"""Providers that need no `base_url`: where they are, which variable holds their key, and a few of their models to start with.

All are reached through their OpenAI-compatible endpoint, but for clouds that are asked in a format of their own (`CLOUDS`). Prices and
context windows come from the price catalogue (`prices` is the provider's name there). What a model can do is claimed only where its
provider documents it for that endpoint; quality is a guess by the vendor's own tiers, and marked as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pointsman.config.bedrock import BEDROCK
from pointsman.config.cloud import Cloud
from pointsman.config.models import ModelConfig
from pointsman.config.vertex import VERTEX
from pointsman.core.apis import Api

LOCAL: Final = "local"  #: weights run in this process
OPENAI_COMPATIBLE: Final = "openai-compatible"  #: any server with a `base_url`

CLOUDS: Final[Mapping[str, Cloud]] = MappingProxyType({cloud.id: cloud for cloud in (BEDROCK, VERTEX)})
"""Clouds that are asked in a format of their own, into which Messages is translated; `pointsman.build.clouds` says how."""

TOKENS: Final[Mapping[str, str]] = MappingProxyType({"google": "a token of Google's"})
"""What calls carry that others could use, by how they prove who calls; a signature of AWS's is of no use to them."""

PACKAGED_CONTEXT: Final[Mapping[str, int]] = MappingProxyType({"smollm2-135m": 2_048})
"""Context, in tokens, in which packaged weights are used."""

Tier = Literal["strong", "middle", "small"]

STATED_QUALITY: Final[Mapping[Tier, float]] = MappingProxyType({"strong": 0.97, "middle": 0.94, "small": 0.90})
"""Expected quality of a tier on short everyday questions (the scale on which the local models are measured): a guess, not graded."""
STATED_SOURCE: Final = "stated: vendor tier, not measured"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that the default pool takes from a provider."""

    name: str  #: what the provider calls it
    tier: Tier
    id: str = ""  #: the pool's name for it; empty: as `name`
    tools: bool = True
    json_mode: bool = True
    json_schema: bool = True
    vision: bool = False
    parallel_tools: bool = True
    strict_tools: bool = True

    @property
    def pool_id(self) -> str:
        """The name that routes and clients use."""
        return self.id or self.name


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider's endpoint and its models for the default pool."""

    id: str
    base_url: str
    key_variables: tuple[str, ...]  #: environment variables that may hold the key, the usual one first
    models: tuple[KnownModel, ...]
    prices: str = ""  #: provider id in genai-prices; empty: as `id`
    #: Variables with which its SDK is pointed elsewhere: where one is set, the key belongs to another server.
    elsewhere_variables: tuple[str, ...] = ()
    apis: tuple[Api, ...] = ("chat",)
    perimeter: str = "external"
    #: Where data is processed is a matter of contract, which nobody but the user can state.
    region: str = ""

    @property
    def catalogue_id(self) -> str:
        """The provider's name in the price catalogue."""
        return self.prices or self.id


_ALL = (
    KnownProvider(
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        (KnownModel("gpt-5.2", "strong", vision=True), KnownModel("gpt-5-mini", "small", vision=True)),
        elsewhere_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        apis=("chat", "responses"),
    ),
    # Messages has structured output by schema, but no free JSON mode.
    KnownProvider(
        "anthropic",
        "https://api.anthropic.com/v1",
        ("ANTHROPIC_API_KEY",),
        (
            KnownModel("claude-opus-5-5", "strong", vision=True, json_mode=False),
            KnownModel("claude-sonnet-5-5", "middle", vision=True, json_mode=False),
            KnownModel("claude-haiku-5-5", "small", vision=True, json_mode=False),
        ),
        elsewhere_variables=("ANTHROPIC_BASE_URL",),
        apis=("messages",),
    ),
    KnownProvider(
        "google",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        (KnownModel("gemini-4-argon", "strong", vision=True), KnownModel("gemini-3.1-flash-lite", "small", vision=True)),
    ),
    KnownProvider(
        "mistral",
        "https://api.mistral.ai/v1",
        ("MISTRAL_API_KEY",),
        (KnownModel("mistral-medium-3-5", "middle", vision=True), KnownModel("mistral-small-2603", "small")),
    ),
    KnownProvider(
        "groq",
        "https://api.groq.com/openai/v1",
        ("GROQ_API_KEY",),
        (
            KnownModel("openai/gpt-oss-120b", "middle", "groq/gpt-oss-120b"),
            KnownModel("openai/gpt-oss-20b", "small", "groq/gpt-oss-20b"),
        ),
    ),
    KnownProvider(
        "together",
        "https://api.together.xyz/v1",
        ("TOGETHER_API_KEY",),
        (
            KnownModel("zai-org/GLM-5.3", "strong", "together/glm-5.3", json_mode=False, json_schema=False),
            KnownModel("openai/gpt-oss-120b", "middle", "together/gpt-oss-120b"),
        ),
    ),
    KnownProvider(
        "openrouter",
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_KEY",),
        (
            KnownModel(
                "anthropic/claude-opus-5.5",
                "strong",
                "openrouter/claude-opus-5.5",
                vision=True,
                json_mode=False,
                json_schema=False,
            ),
            KnownModel("openai/gpt-5-mini", "small", "openrouter/gpt-5-mini", vision=True),
        ),
    ),
    # DeepSeek documents `json_object` and no schemas.
    KnownProvider(
        "deepseek",
        "https://api.deepseek.com/v1",
        ("DEEPSEEK_API_KEY",),
        (KnownModel("deepseek-v4-pro", "strong", json_schema=False), KnownModel("deepseek-flash", "small", json_schema=False)),
    ),
    KnownProvider(
        "xai",
        "https://api.x.ai/v1",
        ("XAI_API_KEY",),
        (KnownModel("grok-4.7", "strong", vision=True), KnownModel("grok-4-1-fast-non-reasoning", "small")),
        prices="x-ai",
    ),
    KnownProvider(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        ("FIREWORKS_API_KEY",),
        (
            KnownModel("accounts/fireworks/models/glm-5p3", "strong", "fireworks/glm-5p3"),
            KnownModel("accounts/fireworks/models/gpt-oss-120b", "middle", "fireworks/gpt-oss-120b"),
        ),
    ),
    KnownProvider(
        "cerebras",
        "https://api.cerebras.ai/v1",
        ("CEREBRAS_API_KEY",),
        (
            KnownModel("gpt-oss-120b", "middle", "cerebras/gpt-oss-120b"),
            KnownModel("qwen-3.8-27b", "middle", "cerebras/qwen-3.8-27b", json_schema=False),
        ),
    ),
)

PROVIDERS: Final[Mapping[str, KnownProvider]] = MappingProxyType({provider.id: provider for provider in _ALL})


def auth_of(model: ModelConfig) -> str:
    """How calls to a model prove who calls: as it says, or as its cloud wants it where there is no key."""
    cloud = CLOUDS.get(model.provider)
    return model.auth if cloud is None or model.auth != "key" or model.api_key else cloud.auth


def base_url_of(model: ModelConfig) -> str:
    """Where a model is reached, of a provider that is known or with an address of its own."""
    if model.base_url:
        return model.base_url
    cloud = CLOUDS.get(model.provider)
    return PROVIDERS[model.provider].base_url if cloud is None else cloud.base_url.format(region=model.region.lower())


def catalogue_id(provider: str) -> str | None:
    """A provider's name in the price catalogue; `None` for one whose prices nobody knows.

    >>> catalogue_id("bedrock"), catalogue_id("openai-compatible")
    ('aws', None)
    """
    if (cloud := CLOUDS.get(provider)) is not None:
        return cloud.prices
    known = PROVIDERS.get(provider)
    return None if known is None else known.catalogue_id
