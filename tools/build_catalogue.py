"""Convert the price list of the installed genai-prices into `src/pointsman/catalogue/prices.json.gz`.

    python tools/build_catalogue.py --as-of 2026-11-10

`--as-of` is the day on which that release of genai-prices came out. The same release and day give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers

from pointsman.catalogue.prices import FORMAT, Rule
from pointsman.core.prices import per_mtok

TARGET = Path(__file__).parent.parent / "src/pointsman/catalogue/prices.json.gz"

RATES = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
}
PER_REQUEST = "requests_kcount"


def main() -> None:
    """Write the file and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="day of the release, YYYY-MM-DD")
    arguments = parser.parse_args()
    document = catalogue(arguments.as_of)
    packed = gzip.compress(serialise(document), compresslevel=9, mtime=0)
    TARGET.write_bytes(packed)
    models = sum(len(provider["models"]) for provider in document["providers"])
    print(f"{TARGET.name}: {document['source']}, {len(document['providers'])} providers, {models} models, {len(packed)} bytes")


def serialise(document: Mapping[str, Any]) -> bytes:
    """Compact JSON with sorted keys. Lists keep their order: in them the first match wins."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def catalogue(as_of: date) -> dict[str, Any]:
    """The whole list as a JSON document."""
    return {
        "format": FORMAT,
        "source": f"genai-prices {version('genai-prices')}",
        "as_of": as_of.isoformat(),
        "licence": "MIT",
        "providers": [_provider(provider) for provider in providers],
    }


def _provider(provider: types.Provider) -> dict[str, Any]:
    return _stated(
        id=provider.id,
        aliases=_rule(provider.provider_match),
        serves=_rule(provider.model_match),
        borrows_from=provider.fallback_model_providers,
        models=[_model(model) for model in provider.models],
    )


def _model(model: types.ModelInfo) -> dict[str, Any]:
    priced = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    return _stated(
        id=model.id,
        match=_rule(model.match),
        context=model.context_window,
        deprecated=model.deprecated,
        prices=[_price(entry, model.id) for entry in priced],
        also_bills=sorted({unit for entry in priced for unit, _ in _items(entry.prices)} - {*RATES, PER_REQUEST}),
    )


def _price(entry: types.ConditionalPrice, model: str) -> dict[str, Any]:
    units = dict(_items(entry.prices))
    rates = {name: units[unit] for unit, name in RATES.items() if unit in units}
    # The list leaves out prices it does not know and those of free models alike; only a name tells them apart.
    base = {name: _rate(_base(value)) for name, value in rates.items()} if units else _free(model)
    if PER_REQUEST in units:
        base["per_request"] = _rate(_base(units[PER_REQUEST]) * 1000)
    starts = sorted({tier.start for value in rates.values() for tier in _tiers(value)})
    tiers = [{"above_input_tokens": start} | {n: _rate(_above(v, start)) for n, v in rates.items()} for start in starts]
    return base | _stated(tiers=tiers) | _condition(entry.constraint)


def _free(model: str) -> dict[str, int]:
    return {"input": 0, "output": 0} if model.endswith(":free") else {}


def _condition(constraint: types.StartDateConstraint | types.TimeOfDateConstraint | None) -> dict[str, Any]:
    match constraint:
        case None:
            return {}
        case types.StartDateConstraint(start_date):
            return {"from": start_date.isoformat()}
        case types.TimeOfDateConstraint(start_time, end_time):
            return {"daily": [_utc_minute(start_time), _utc_minute(end_time)]}


def _utc_minute(moment: time) -> int:
    utc = datetime.combine(date(2000, 1, 1), moment, moment.tzinfo or UTC).astimezone(UTC)
    if utc.second or utc.microsecond:
        raise SystemExit(f"a price changes at {moment}, between two minutes: teach `ScheduledPrice` about seconds")
    return utc.hour * 60 + utc.minute


def _items(prices: types.ModelPrice) -> Iterator[tuple[str, Decimal | types.TieredPrices]]:
    return ((unit, value) for unit, value in vars(prices).items() if value is not None)


def _base(value: Decimal | types.TieredPrices) -> Decimal:
    return value.base if isinstance(value, types.TieredPrices) else value


def _tiers(value: Decimal | types.TieredPrices) -> list[types.Tier]:
    return value.tiers if isinstance(value, types.TieredPrices) else []


def _above(value: Decimal | types.TieredPrices, start: int) -> Decimal:
    return next((tier.price for tier in reversed(_tiers(value)) if tier.start <= start), _base(value))


def _rate(usd_per_million: Decimal) -> int:
    # Some prices carry the noise of a float, as 0.13999999999999999; a picodollar per token is finer than any real one.
    return per_mtok(usd_per_million.quantize(Decimal("0.000001")))


def _rule(clause: Any) -> Rule | None:
    match clause:
        case None:
            return None
        case types.ClauseEquals(text):
            return str(text.lower())
        case types.ClauseStartsWith(text):
            return ["starts_with", text.lower()]
        case types.ClauseEndsWith(text):
            return ["ends_with", text.lower()]
        case types.ClauseContains(text):
            return ["contains", text.lower()]
        case types.ClauseRegex(text):
            return ["regex", text]
        case types.ClauseOr(parts):
            return ["or", [_rule(part) for part in parts]]
        case types.ClauseAnd(parts):
            return ["and", [_rule(part) for part in parts]]
    raise TypeError(f"genai-prices has a new kind of rule: {clause!r}")


def _stated(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, False, [])}


if __name__ == "__main__":
    main()
