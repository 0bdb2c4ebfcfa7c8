"""From a configured model to a model of the pool: what the file leaves out is looked up, and what is unknown stays unknown."""

from __future__ import annotations

from datetime import date

from pointsman.catalogue.prices import Catalogue, Listing
from pointsman.config.models import EnergyConfig, ModelConfig, PriceConfig, PriorConfig
from pointsman.config.providers import CLOUDS, LOCAL, PACKAGED_CONTEXT, PROVIDERS, catalogue_id
from pointsman.core.apis import Api
from pointsman.core.model import Capabilities, Energy, Model, Prior, Speed
from pointsman.core.prices import Price, per_mtok, picousd
from pointsman.core.refusals import NOTHING, Refusals
from pointsman.signals.tokens import tokenizer_for
from pointsman.wire.known_refusals import known_refusals

_SECURITY = {"on_prem": 1.0, "vpc": 0.7}
_SECURITY_ELSEWHERE = 0.4
_CONTEXT_UNKNOWN = 8_192


def model_of(config: ModelConfig, catalogue: Catalogue, today: date) -> Model:
    """The model that decisions see."""
    name = config.model or config.id
    listing = _listing(config.provider, name, catalogue, today)
    return Model(
        id=config.id,
        provider=config.provider,
        name=name,
        apis=apis_of(config),
        perimeter=config.perimeter,
        region=config.region,
        approved=config.approved,
        disabled=config.disabled or None,
        tags=config.tags,
        capabilities=Capabilities(
            config.capabilities.tools,
            config.capabilities.json_mode,
            config.capabilities.json_schema,
            config.capabilities.vision,
            config.capabilities.parallel_tools,
            config.capabilities.strict_tools,
        ),
        refuses=refusals_of(config),
        context_tokens=config.context_tokens or (listing and listing.context_tokens) or _context(config),
        tokenizer=config.tokenizer or tokenizer_for(config.provider, config.weights or name),
        price=_price(config.price, listing),
        speed=Speed(
            config.speed.ttft_ms,
            config.speed.ms_per_input_ktok,
            config.speed.ms_per_output_token,
            config.speed.round_trip_ms,
            config.speed.p95_over_p50,
            config.speed.source,
        ),
        energy=_energy(config.energy),
        security=_SECURITY.get(config.perimeter, _SECURITY_ELSEWHERE) if config.security is None else config.security,
        quality={task: _prior(value) for task, value in config.quality.items()},
    )


def refusals_of(config: ModelConfig) -> Refusals:
    """The fields that a model refuses: stated, or known by its name."""
    if config.refuses is not None:
        return Refusals(config.refuses)
    return NOTHING if config.provider == LOCAL else known_refusals(config.model or config.id)


def _context(config: ModelConfig) -> int:
    return PACKAGED_CONTEXT.get(config.weights, _CONTEXT_UNKNOWN) if config.provider == LOCAL else _CONTEXT_UNKNOWN


def apis_of(config: ModelConfig) -> tuple[Api, ...]:
    """The APIs that a model speaks: stated, or the provider's usual ones."""
    if config.apis:
        return config.apis
    if config.provider in CLOUDS:
        return ("messages",)
    if "embed" in (config.model or config.id).lower():
        return ("embeddings",)
    known = PROVIDERS.get(config.provider)
    if known is None:
        return ("chat",)
    return known.apis[:1] if config.base_url else known.apis  # another server that is called the same may speak less


def _listing(provider: str, name: str, catalogue: Catalogue, today: date) -> Listing | None:
    # Only a provider's own price list counts: the same weights on another server cost something else.
    listed = catalogue_id(provider)
    return None if listed is None else catalogue.find(listed, name, today)


def _price(config: PriceConfig, listing: Listing | None) -> Price | None:
    if config.input is None and config.output is None and config.gpu_second is None:
        return None if listing is None else listing.price
    return Price(
        input=_per_mtok(config.input),
        output=_per_mtok(config.output),
        cached_input=_per_mtok(config.cached_input),
        reasoning=_per_mtok(config.reasoning),
        per_second=None if config.gpu_second is None else picousd(config.gpu_second),
        source=config.source,
        as_of=config.as_of,
    )


def _per_mtok(usd: float | None) -> int | None:
    return None if usd is None else per_mtok(usd)


def _energy(config: EnergyConfig | None) -> Energy | None:
    return None if config is None else Energy(config.wh_per_input_ktok, config.wh_per_output_ktok)


def _prior(value: float | PriorConfig) -> Prior:
    return Prior(value.mean, value.evidence, value.source) if isinstance(value, PriorConfig) else Prior(value)
