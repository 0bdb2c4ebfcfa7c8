"""The shipped price list says what genai-prices says, model by model and name by name."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from genai_prices import types
from genai_prices.data_snapshot import DataSnapshot, get_snapshot

from pointsman.catalogue.prices import Catalogue, Listing, ScheduledPrice, load, matches, parse
from pointsman.core.prices import Price, Usage, cost_picousd, per_mtok
from pointsman.errors import ConfigError

ROOT = Path(__file__).parents[2]

# In these the list has no price at all, and no word that the model is free: unknown to us, 0 to genai-prices.
NO_PRICE_KNOWN = {
    ("cerebras", "qwen-3-coder-480b"),
    ("github-copilot", "gpt-3.5-turbo"),
    ("github-copilot", "gpt-4.1"),
    ("github-copilot", "gpt-4o"),
    ("github-copilot", "gpt-4o-mini"),
    ("google", "gemma-3"),
    ("google", "gemma-3n"),
    ("google", "gemma-4-26b-a4b-it"),
    ("google", "gemma-4-31b-it"),
    ("huggingface_together", "ServiceNow-AI/Apriel-1.6-15b-Thinker"),
    ("huggingface_together", "prism-ml/Ternary-Bonsai-27B-AWQ-4bit"),
    ("huggingface_together", "prism-ml/Ternary-Bonsai-27B-gguf"),
    ("openai", "moderation"),
    ("openrouter", "gemini-2.5-pro-exp-03-25"),
    ("openrouter", "google/gemini-flash-1.5-8b-exp"),
    ("openrouter", "google/lyria-3-clip-preview"),
    ("openrouter", "google/lyria-3-pro-preview"),
    ("openrouter", "stealth/crouton-alpha"),
}
# Sold by the hour of audio, the page or the character: no token has a price.
NOT_SOLD_BY_THE_TOKEN = {
    *(("groq", f"canopylabs/orpheus-{name}") for name in ("arabic-saudi", "v1-english")),
    *(("groq", f"whisper-large-v3{name}") for name in ("", "-turbo")),
    *(("mistral", f"mistral-ocr-{name}") for name in ("2503", "2505", "2512", "4-0", "4-1", "latest")),
    *(("mistral", f"voxtral-mini-{name}") for name in ("2602", "transcribe-3-0", "transcribe-realtime-2602", "transcribe-realtime-3-0")),
    ("mistral", "voxtral-small-transcribe-3-0"),
    *(("openai", f"gpt-{name}") for name in ("live-1", "live-transcribe", "realtime-translate", "realtime-whisper", "transcribe")),
    *(("openai", name) for name in ("tts-1", "tts-1-hd", "whisper-1")),
    *(("x-ai", f"grok-voice-{name}") for name in ("latest", "think-fast-1.0", "think-fast-2.0")),
}
# Prices with the noise of a float, as 0.13999999999999999; ours are rounded to whole picodollars per token.
ROUNDED = {
    ("huggingface_together", "Qwen/Qwen3-VL-8B-Instruct"),
    ("huggingface_together", "deepseek-ai/DeepSeek-V4-Flash-0731"),
    ("huggingface_together", "meta-llama/Llama-3.3-70B-Instruct"),
    *(("openrouter", f"google/gemini-{name}") for name in ("2.5-flash", "2.5-flash-image", "2.5-flash-lite", "2.5-flash-lite:batch")),
    *(("openrouter", f"google/gemini-{name}") for name in ("2.5-flash:batch", "3-flash-preview", "3-flash-preview:batch")),
    *(("openrouter", f"google/gemini-{name}") for name in ("3.1-flash-lite", "3.1-flash-lite:batch", "3.5-flash", "3.5-flash:batch")),
    *(("openrouter", f"google/gemini-{name}") for name in ("3.5-flash-lite", "3.5-flash-lite:batch", "3.6-flash", "3.6-flash:batch")),
    *(("openrouter", f"google/gemini-{name}") for name in ("3.7-flash", "3.7-flash:batch", "3.8-flash", "3.8-flash:batch")),
    ("openrouter", "~google/gemini-flash-latest"),
}


@pytest.fixture(scope="module")
def ours() -> Catalogue:
    return load()


@pytest.fixture(scope="module")
def theirs() -> DataSnapshot:
    return get_snapshot()


def pairs(ours: Catalogue, theirs: DataSnapshot) -> Iterator[tuple[Listing, types.Provider, types.ModelInfo]]:
    for provider in theirs.providers:
        for listing, model in zip(ours.listings(provider.id), provider.models, strict=True):
            yield listing, provider, model


def random_usage(chance: random.Random, listing: Listing) -> Usage:
    starts = [tier.above_input_tokens for scheduled in listing.schedule for tier in scheduled.price.tiers]
    around = [start + step for start in starts for step in (0, 1)]
    input_tokens = chance.choice([*around, 0, 1, 200, chance.randrange(1_000_000)])
    output_tokens = chance.choice([0, 50, chance.randrange(100_000)])
    cached = chance.choice([0, chance.randint(0, input_tokens)])
    written = chance.choice([0, chance.randint(0, input_tokens - cached)])
    return Usage(input_tokens, output_tokens, cached, written, chance.randint(0, written), chance.randint(0, output_tokens))


def random_moment(chance: random.Random, listing: Listing) -> datetime:
    days = [scheduled.start for scheduled in listing.schedule if scheduled.start] or [date(2026, 11, 10)]
    day = chance.choice(days) + timedelta(days=chance.choice([-1, 0, 1]))
    return datetime(day.year, day.month, day.day, chance.randrange(24), chance.choice([0, 29, 30, 59]), tzinfo=UTC)


def their_cost(model: types.ModelInfo, provider: types.Provider, usage: Usage, moment: datetime) -> Decimal:
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_reasoning_tokens")
    counts = types.Usage(**dict(zip(names, astuple(usage), strict=True)))
    return model.calc_price(counts, provider, genai_request_timestamp=moment).total_price


def sold_by_token(model: types.ModelInfo, moment: datetime) -> set[str]:
    return {unit for unit, price in vars(model.get_prices(moment)).items() if price is not None and unit.endswith("put_mtok")}


def test_every_model_costs_what_genai_prices_says(ours: Catalogue, theirs: DataSnapshot) -> None:
    chance = random.Random(20261110)
    unknown: set[tuple[str, str]] = set()
    unsold: set[tuple[str, str]] = set()
    rounded: set[tuple[str, str]] = set()
    compared = 0
    for listing, provider, model in pairs(ours, theirs):
        for _ in range(6):
            usage, moment = random_usage(chance, listing), random_moment(chance, listing)
            cost = cost_picousd(listing.price_at(moment), usage)
            expected = their_cost(model, provider, usage, moment)
            sold = sold_by_token(model, moment)
            if cost is None:
                assert (usage.input_tokens and "input_mtok" not in sold) or (usage.output_tokens and "output_mtok" not in sold)
                if not sold:
                    (unsold if listing.also_bills else unknown).add((provider.id, model.id))
            elif Decimal(cost).scaleb(-12) == expected:
                compared += 1
            else:
                assert abs(Decimal(cost) - expected.scaleb(12)) <= usage.input_tokens + usage.output_tokens, model.id
                rounded.add((provider.id, model.id))
    assert unknown <= NO_PRICE_KNOWN
    assert unsold <= NOT_SOLD_BY_THE_TOKEN
    assert rounded <= ROUNDED
    assert compared > 12_500


def test_unknown_prices_are_the_ones_we_know_of(ours: Catalogue) -> None:
    listings = [listing for provider in ours.providers for listing in ours.listings(provider)]
    priceless = [listing for listing in listings if listing.price.input is None and listing.price.output is None]
    assert {(each.provider, each.model) for each in priceless if not each.also_bills} == NO_PRICE_KNOWN
    assert {(each.provider, each.model) for each in priceless if each.also_bills} == NOT_SOLD_BY_THE_TOKEN


def test_every_listing_has_its_context_and_its_source(ours: Catalogue, theirs: DataSnapshot) -> None:
    for listing, provider, model in pairs(ours, theirs):
        assert (listing.provider, listing.model) == (provider.id, model.id)
        assert (listing.context_tokens, listing.deprecated) == (model.context_window, bool(model.deprecated))
        assert (listing.price.source, listing.price.as_of) == (ours.source, ours.as_of.isoformat())


def spelt(chance: random.Random, name: str) -> str:
    return chance.choice([*[name] * 6, name.upper(), f"{name}-20251211", name.replace(".", "-"), f"x/{name}", name[: len(name) // 2]])


def texts(clause: object) -> Iterator[str]:
    for value in vars(clause).values():
        if isinstance(value, str):
            yield value
        else:
            for part in value:
                yield from texts(part)


def test_names_find_what_they_find_in_genai_prices(ours: Catalogue, theirs: DataSnapshot) -> None:
    chance = random.Random(3)
    names = [(provider.id, text) for provider in theirs.providers for model in provider.models for text in texts(model.match)]
    aliases = [None, "vertex", "anthropic-vertex", "litellm", "AZURE", " google ", "nobody", "mistral-eu", "xai"]
    found = 0
    for provider, name in chance.sample(names, 2_000):
        asked = chance.choice([*[provider] * 12, *aliases])
        reference = spelt(chance, f"{provider}/{name}" if asked == "litellm" else name)
        try:
            expected = tuple(each.id for each in theirs.find_provider_model(reference, None, asked, None))
        except LookupError:
            expected = None
        listing = ours.find(asked, reference)
        assert (listing and (listing.provider, listing.model)) == expected, (asked, reference)
        found += listing is not None
    assert found > 800


@pytest.mark.parametrize(
    ("provider", "name", "model", "matched_by"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini", "equals `gpt-4o-mini-2024-07-18`"),
        ("OpenAI", "GPT-4o-mini", "gpt-4o-mini", "equals `gpt-4o-mini`"),
        ("azure", "gpt-5.2", "gpt-5.2", "openai: equals `gpt-5.2`"),
        ("openai", "gpt-5.2-20251211", "gpt-5.2", "equals `gpt-5.2-2025-12-11`"),
        (None, "claude-opus-5-5", "claude-opus-5-5", "equals `claude-opus-5-5`"),
        ("litellm", "openai/gpt-5.2", "gpt-5.2", "equals `gpt-5.2`"),
        ("deepseek", "deepseek-v4-pro-0813", "deepseek-v4-pro", "starts with `deepseek-v4-pro`"),
    ],
)
def test_a_listing_says_which_rule_found_it(ours: Catalogue, provider: str | None, name: str, model: str, matched_by: str) -> None:
    listing = ours.find(provider, name)
    assert listing is not None
    assert (listing.model, listing.matched_by) == (model, matched_by)


@pytest.mark.parametrize(
    ("provider", "name"), [("openai", "no-such-model"), ("no-such-provider", "gpt-4o"), (None, "gpt4all"), ("openai", "")]
)
def test_what_the_list_does_not_have_is_unknown(ours: Catalogue, provider: str | None, name: str) -> None:
    assert ours.find(provider, name) is None


def test_a_free_model_costs_nothing_and_an_unpriced_one_is_unknown(ours: Catalogue) -> None:
    free, unpriced = ours.find("openrouter", "cohere/north-mini-code:free"), ours.find("cerebras", "qwen-3-coder-480b")
    assert free is not None
    assert unpriced is not None
    assert cost_picousd(free.price, Usage(1_000, 1_000)) == 0
    assert cost_picousd(unpriced.price, Usage(1_000, 1_000)) is None


def test_what_is_charged_besides_tokens_is_named(ours: Catalogue) -> None:
    listing = ours.find("anthropic", "claude-opus-5-5")
    assert listing is not None
    assert listing.also_bills == ("web_searches_kcount",)


def test_a_price_announced_for_a_day_holds_from_that_day(ours: Catalogue) -> None:
    before, after = (ours.find("google", "gemini-4-argon", on=day) for day in (date(2026, 11, 30), date(2026, 12, 1)))
    assert before is not None
    assert after is not None
    assert before.price != after.price
    assert before.price_at(datetime(2026, 12, 1, tzinfo=UTC)) == after.price


def test_the_dearest_hour_stands_for_a_day_whose_price_changes(ours: Catalogue) -> None:
    listing = ours.find("deepseek", "deepseek-v4-pro")
    assert listing is not None
    assert listing.price.input == per_mtok("1.32")
    by_hour = {hour: listing.price_at(datetime(2026, 11, 10, hour, tzinfo=UTC)).input for hour in (0, 3, 5, 9, 12)}
    assert by_hour == {0: 660_000, 3: 1_320_000, 5: 660_000, 9: 1_320_000, 12: 660_000}


@pytest.mark.parametrize(("minute", "holds"), [(22 * 60, True), (23 * 60 + 59, True), (0, True), (119, True), (120, False), (720, False)])
def test_a_daily_window_may_pass_midnight(minute: int, holds: bool) -> None:
    night = ScheduledPrice(Price(1, 1), daily=(22 * 60, 2 * 60))
    assert night.holds(datetime(2026, 1, 1, minute // 60, minute % 60, tzinfo=UTC)) is holds


def test_a_moment_without_a_time_zone_is_utc() -> None:
    assert ScheduledPrice(Price(1, 1), daily=(60, 120)).holds(datetime(2026, 1, 1, 1, 30))  # noqa: DTZ001 - what is tested


@pytest.mark.parametrize(
    ("rule", "accepted", "refused"),
    [
        ("gpt-4o", "gpt-4o", "gpt-4o-mini"),
        (["starts_with", "gpt-"], "gpt-4o", "chatgpt-4o"),
        (["ends_with", "-mini"], "gpt-4o-mini", "gpt-4o-mini-2"),
        (["contains", "claude"], "us.claude-3", "gemini"),
        (["regex", "^o[134]"], "o3-pro", "o2"),
        (["and", [["contains", "a"], ["contains", "b"]]], "ab", "a"),
        (["or", ["a", "b"]], "b", "c"),
        (None, "", "anything"),
    ],
)
def test_rules(rule: str | list[object] | None, accepted: str, refused: str) -> None:
    assert matches(rule, accepted) is (rule is not None)
    assert not matches(rule, refused)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [({"format": 99}, "has format `99`"), ({}, "has format `None`")],
)
def test_a_list_of_another_format_is_refused(document: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        parse(gzip.compress(json.dumps(document).encode()))


def test_a_rule_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown kind `sounds_like`"):
        matches(["sounds_like", "gpt"], "gpt")


def test_the_shipped_file_is_what_the_tool_makes_of_the_installed_genai_prices(ours: Catalogue) -> None:
    tool = tool_module("build_catalogue")
    shipped = (ROOT / "src/pointsman/catalogue/prices.json.gz").read_bytes()
    assert gzip.decompress(shipped) == tool.serialise(tool.catalogue(ours.as_of))


def tool_module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_is_read_when_it_is_asked_for() -> None:
    program = (
        "import sys, pointsman.catalogue.prices as p; assert not p.load.cache_info().currsize; assert 'genai_prices' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
