"""The shipped list of models: what each costs and how long its context is, found by provider and by the name a client writes.

```python
from pointsman.catalogue.prices import load

listing = load().find("openai", "gpt-4o-mini-2024-07-18")
listing.model, listing.context_tokens, listing.price
```

The list is converted from genai-prices (`tools/build_catalogue.py`), and names are matched as genai-prices matches them.
Prices of audio, images, searches and pages are not in it: `Listing.also_bills` names what a model charges for besides tokens.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cache
from importlib import resources
from typing import Any

from pointsman.core.prices import Price, Tier
from pointsman.errors import ConfigError

FORMAT = 1  #: of the data file; another number is refused

Rule = str | list[Any]  # "gpt-4o" (equals), or ["starts_with", "gpt-4o"], ["or", [rule, rule]], ...

_COMPACT_DATE = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


@dataclass(frozen=True, slots=True)
class ScheduledPrice:
    """A price and when it holds: from a date on, or within a daily window of UTC minutes (which may pass midnight)."""

    price: Price
    start: date | None = None
    daily: tuple[int, int] | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether it applies at this moment; a moment without a time zone is UTC."""
        utc = moment.astimezone(UTC) if moment.tzinfo else moment
        if self.start and utc.date() < self.start:
            return False
        if self.daily is None:
            return True
        begin, end = self.daily
        minute = utc.hour * 60 + utc.minute
        return begin <= minute < end if begin <= end else minute >= begin or minute < end


@dataclass(frozen=True, slots=True)
class Listing:
    """One model as its provider lists it."""

    provider: str
    model: str  #: the list's own name of it
    context_tokens: int | None  #: `None`: unknown
    deprecated: bool
    price: Price  #: on the day asked for; where it changes by the hour, the dearest hour's
    matched_by: str  #: the rule that found it
    schedule: tuple[ScheduledPrice, ...]  #: every known price; the last one that holds applies
    also_bills: tuple[str, ...] = ()  #: units that are charged for but are not in `price`

    def price_at(self, moment: datetime) -> Price:
        """The price at one moment, hour included."""
        return _price_at(self.schedule, moment)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A price list: `source` and `as_of` say whose and of which day."""

    source: str
    as_of: date
    licence: str
    _providers: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the providers in the list."""
        return tuple(self._providers)

    def listings(self, provider: str, on: date | None = None) -> Iterator[Listing]:
        """All models of one provider; none if the list does not have it."""
        for entry in self._providers.get(provider, {}).get("models", ()):
            yield self._listing(provider, entry, "its own name", on)

    def find(self, provider: str | None, model: str, on: date | None = None) -> Listing | None:
        """The listing of a model as named in a request, with the price of day `on` (the list's own day if not given).

        `provider` is a provider's id or an alias such as `vertex`; without it the model's name must tell the provider.
        `None` if the list does not have the provider or the model: its price and context are then unknown.
        """
        reference = model.lower()
        if provider and provider.lower() == "litellm" and "/" in reference:
            prefix, rest = reference.split("/", 1)
            if prefix and self._provider(prefix):
                provider, reference = prefix, rest
        owner = self._provider(provider) if provider is not None else None
        if owner is None and (provider is None or provider.lower() == "litellm"):
            owner = self._provider_of_model(reference)
        if owner is None:
            return None
        # LiteLLM and OpenRouter write dates as in `gpt-5.2-20251211`; the list has `gpt-5.2-2025-12-11`.
        for name in dict.fromkeys((reference, _dashed_dates(reference))):
            if found := self._match(owner, name):
                entry, rule = found
                return self._listing(owner, entry, rule, on)
        return None

    def _provider(self, name: str) -> str | None:
        wanted = name.lower().strip()
        if wanted in self._providers:
            return wanted
        return next((id_ for id_, body in self._providers.items() if matches(body.get("aliases"), wanted)), None)

    def _provider_of_model(self, reference: str) -> str | None:
        return next((id_ for id_, body in self._providers.items() if matches(body.get("serves"), reference)), None)

    def _match(self, provider: str, reference: str) -> tuple[Mapping[str, Any], str] | None:
        for owner in (provider, *self._providers[provider].get("borrows_from", ())):
            for entry in self._providers.get(owner, {}).get("models", ()):
                if matches(entry["match"], reference):
                    words = _words(entry["match"], reference)
                    return entry, words if owner == provider else f"{owner}: {words}"
        return None

    def _listing(self, provider: str, entry: Mapping[str, Any], matched_by: str, on: date | None) -> Listing:
        schedule = tuple(self._scheduled(raw) for raw in entry["prices"])
        return Listing(
            provider=provider,
            model=entry["id"],
            context_tokens=entry.get("context"),
            deprecated=entry.get("deprecated", False),
            price=_dearest(schedule, on or self.as_of),
            matched_by=matched_by,
            schedule=schedule,
            also_bills=tuple(entry.get("also_bills", ())),
        )

    def _scheduled(self, raw: Mapping[str, Any]) -> ScheduledPrice:
        rates = {name: value for name, value in raw.items() if name not in ("from", "daily", "tiers")}
        tiers = tuple(Tier(**tier) for tier in raw.get("tiers", ()))
        start, daily = raw.get("from"), raw.get("daily")
        return ScheduledPrice(
            Price(**rates, tiers=tiers, source=self.source, as_of=self.as_of.isoformat()),
            start=date.fromisoformat(start) if start else None,
            daily=(daily[0], daily[1]) if daily else None,
        )


@cache
def load() -> Catalogue:
    """The shipped list, read once."""
    return parse(resources.files("pointsman.catalogue").joinpath("prices.json.gz").read_bytes())


def parse(gzipped: bytes) -> Catalogue:
    """A list from the bytes of its file; ConfigError if it is of another format."""
    document = json.loads(gzip.decompress(gzipped))
    if document.get("format") != FORMAT:
        raise ConfigError(f"price list has format `{document.get('format')}`, this version reads {FORMAT}: build it again")
    providers = {body["id"]: body for body in document["providers"]}
    return Catalogue(document["source"], date.fromisoformat(document["as_of"]), document["licence"], providers)


def matches(rule: Rule | None, text: str) -> bool:
    """Whether a rule accepts a name in lower case; a missing rule accepts none.

    >>> matches(["or", ["gpt-4o", ["starts_with", "gpt-4o-2024"]]], "gpt-4o-2024-05-13")
    True
    """
    if rule is None or isinstance(rule, str):
        return rule == text
    kind, argument = rule
    match kind:
        case "or":
            return any(matches(part, text) for part in argument)
        case "and":
            return all(matches(part, text) for part in argument)
        case "starts_with":
            return text.startswith(argument)
        case "ends_with":
            return text.endswith(argument)
        case "contains":
            return argument in text
        case "regex":
            return re.search(argument, text) is not None
    raise ConfigError(f"price list has a rule of unknown kind `{kind}`: build it again")


def _words(rule: Rule, text: str) -> str:
    """The part of a rule that accepted this name, in words."""
    if isinstance(rule, str):
        return f"equals `{rule}`"
    kind, argument = rule
    if kind == "or":
        return next(_words(part, text) for part in argument if matches(part, text))
    if kind == "and":
        return " and ".join(_words(part, text) for part in argument)
    return f"{kind.replace('_', ' ')} `{argument}`"


def _price_at(schedule: Sequence[ScheduledPrice], moment: datetime) -> Price:
    return next((scheduled.price for scheduled in reversed(schedule) if scheduled.holds(moment)), schedule[0].price)


def _dearest(schedule: Sequence[ScheduledPrice], day: date) -> Price:
    # Prices change only where a window begins or ends, so these minutes see them all.
    minutes = {0}.union(*(scheduled.daily for scheduled in schedule if scheduled.daily))
    moments = [datetime.combine(day, time(minute // 60 % 24, minute % 60), UTC) for minute in sorted(minutes)]
    prices = [_price_at(schedule, moment) for moment in moments]
    return max(prices, key=lambda price: (price.output or 0, price.input or 0))


def _dashed_dates(reference: str) -> str:
    def dashed(match: re.Match[str]) -> str:
        hyphen, year, month, day = match.groups()
        try:
            return f"{hyphen}{date(int(year), int(month), int(day)).isoformat()}"
        except ValueError:
            return match.group(0)

    return _COMPACT_DATE.sub(dashed, reference)
