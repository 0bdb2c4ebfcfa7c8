"""What a well-formed configuration may still get wrong: names that lead nowhere, contradictions, promises that hold nothing.

Pure. `load` raises the errors, with line and column; warnings are for the command line to print.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import date
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from pointsman.config.check_budgets import budget_problems
from pointsman.config.check_clouds import cloud_problems, signing_problems
from pointsman.config.check_plans import check_problems, named_by, plan_problems
from pointsman.config.check_premium import premium_problems
from pointsman.config.check_rules import (
    label_problems,
    name_problems,
    policy_problems,
    promise_problems,
    rule_problems,
    share_problems,
    warning,
    weight_problems,
)
from pointsman.config.check_sensitivity import sensitivity_problems
from pointsman.config.check_signals import signal_problems
from pointsman.config.hosts import is_loopback, is_plain
from pointsman.config.kinds import HUMAN
from pointsman.config.models import ModelConfig, PriceConfig
from pointsman.config.problem import Path, Problem, did_you_mean, short
from pointsman.config.providers import CLOUDS, LOCAL, OPENAI_COMPATIBLE, PROVIDERS, TOKENS, auth_of
from pointsman.config.routes import BoundsConfig, RouteConfig, TaskConfig
from pointsman.config.schema import AuditConfig, Config
from pointsman.core.prices import per_mtok, picousd
from pointsman.signals.keywords import plain
from pointsman.signals.tokens import CHARS, VOCABULARIES

Problems = Iterator[Problem]

TOKENIZERS = (*VOCABULARIES, CHARS)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def problems(config: Config) -> list[Problem]:
    """Everything wrong with a configuration, in the order of the file's settings."""
    return [
        *_models(config),
        *_routes(config),
        *_rules(config),
        *policy_problems(config),
        *promise_problems(config),
        *check_problems(config),
        *_tasks(config),
        *_keywords(config),
        *signal_problems(config),
        *budget_problems(config),
        *premium_problems(config),
        *sensitivity_problems(config),
        *_audit(config),
        *_workers(config),
    ]


def _models(config: Config) -> Problems:
    if not config.models:
        yield Problem(("models",), "the pool is empty: give at least one model")
    elif all(model.disabled for model in config.models):
        yield warning(("models",), "every model is switched off: no request can be answered")
    first: dict[str, int] = {}
    for at, model in enumerate(config.models):
        path: Path = ("models", at)
        if model.id == HUMAN:
            yield Problem((*path, "id"), f"`{HUMAN}` means a person in chains: call the model something else")
        if (earlier := first.setdefault(model.id, at)) != at:
            yield Problem((*path, "id"), f"model id `{short(model.id)}` is used twice, first by models[{earlier}]")
        yield from _endpoint(model, path)
        yield from _price(model.price, (*path, "price"))
        if model.tokenizer and model.tokenizer not in TOKENIZERS:
            hint = did_you_mean(model.tokenizer, TOKENIZERS) or f"; known: {', '.join(TOKENIZERS)}"
            yield Problem((*path, "tokenizer"), f"unknown tokenizer `{short(model.tokenizer)}`{hint}")


def _endpoint(model: ModelConfig, path: Path) -> Problems:
    """Where a model is reached."""
    if model.provider == LOCAL:
        yield from _local(model, path)
        return
    if model.weights:
        yield warning((*path, "weights"), f"only models of provider `{LOCAL}` have weights: it has no effect")
    if model.tries != 1:
        yield warning((*path, "tries"), f"only models of provider `{LOCAL}` try more than once: it has no effect")
    wrong = list(_base_url(model, (*path, "base_url"))) if model.base_url else []
    yield from wrong
    if not any(problem.severity == "error" for problem in wrong):
        yield from (cloud_problems if model.provider in CLOUDS else signing_problems)(model, path)
    if not model.base_url and model.provider not in PROVIDERS and model.provider not in CLOUDS:
        known = (LOCAL, OPENAI_COMPATIBLE, *PROVIDERS, *CLOUDS)
        what = "needs" if model.provider == OPENAI_COMPATIBLE else "is not a known one and needs"
        hint = "" if model.provider == OPENAI_COMPATIBLE else did_you_mean(model.provider, known)
        yield Problem(path, f"provider `{short(model.provider)}` {what} a `base_url`{hint}")
    if any(c.isspace() or not c.isprintable() for c in model.api_key):
        yield Problem((*path, "api_key"), "has a space, line break or control character in it: look at the variable it comes from")
    if not model.api_key and not model.base_url and (provider := PROVIDERS.get(model.provider)):
        yield warning(path, f"has no `api_key`, or an empty one: `{provider.id}` wants a key, such as `${{{provider.key_variables[0]}}}`")


def _local(model: ModelConfig, path: Path) -> Problems:
    if not model.weights:
        yield Problem(path, f"provider `{LOCAL}` needs `weights`: a packaged name such as `smollm2-135m`, or a path to a GGUF file")
    for name in ("base_url", "api_key"):
        if getattr(model, name):
            yield warning((*path, name), f"provider `{LOCAL}` runs in this process: it has no effect")


def _base_url(model: ModelConfig, path: Path) -> Problems:
    """Never repeats the URL: it may hold a password."""
    try:
        url = urlsplit(model.base_url)
        host, _ = url.hostname, url.port
    except ValueError as error:
        yield Problem(path, f"is not a URL: {error}")
        return
    if url.username is not None or url.password is not None:
        yield Problem(path, "has a user name or password in it: a key belongs into `api_key`")
    elif url.scheme not in ("http", "https") or not host:
        like = CLOUDS[model.provider].like if model.provider in CLOUDS else "https://host/v1"
        yield Problem(path, f"is not a URL with scheme and host: write it like `{like}`")
    elif "<" in model.base_url or ">" in model.base_url:
        yield Problem(path, "has a `<` or `>` in it: put your own words in their place, such as `eu-central-1` for `<region>`")
    elif url.query or url.fragment:
        yield Problem(path, "has a `?` or `#` part, which calls would lose: leave it out")
    elif any(c.isspace() or not c.isprintable() for c in model.base_url):
        yield Problem(path, "has a space or control character in it")
    elif not is_plain(host):
        yield Problem(path, "has a host that is no address and no plain name: write `xn--bcher-kva.example` for `bücher.example`")
    elif url.scheme == "http" and not is_loopback(host) and (proof := _proof(model)):
        yield warning(path, f"sends {proof} unencrypted to another host: use `https`")


def _proof(model: ModelConfig) -> str:
    """What a call carries that others could use."""
    return "the `api_key`" if model.api_key else TOKENS.get(auth_of(model), "")


def _price(price: PriceConfig, path: Path) -> Problems:
    rates = {name: getattr(price, name) for name in ("input", "output", "cached_input", "reasoning")}
    yield from _amounts(rates, per_mtok, path)
    yield from _amounts({"gpu_second": price.gpu_second}, picousd, path)
    missing = [name for name in ("input", "output") if rates[name] is None]
    if missing and price.gpu_second is None and any(amount is not None for amount in rates.values()):
        yield Problem(path, f"does not give {' and '.join(f'`{n}`' for n in missing)}: give both `input` and `output`, or neither")
    if price.as_of and not _is_day(price.as_of):
        yield Problem((*path, "as_of"), f"`{short(price.as_of)}` is not a day: write it as YYYY-MM-DD")


def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _routes(config: Config) -> Problems:
    ids = {model.id for model in config.models}
    for name, route in config.routes.items():
        path: Path = ("routes", name)
        if not name.strip():
            yield Problem(path, "a route needs a name")
        if name in ids:
            yield Problem(path, f"`{short(name)}` is also a model's id: clients could not say which they mean, rename one")
        pool = (set(route.models) or ids) | ({config.embedding.model} & ids)
        yield from name_problems(route.models, ids, (*path, "models"))
        yield from _twice(route.models, (*path, "models"))
        yield from plan_problems(route, config, path)
        yield from label_problems(route.labels, config, (*path, "labels"))
        yield from weight_problems(route, path)
        yield from _bounds(route.bounds, (*path, "bounds"))
        yield from _service_level(route, config, path)
        for at, rule in enumerate(route.rules):
            yield from rule_problems(rule, config, pool | named_by(route), (*path, "rules", at))


def _twice(names: tuple[str, ...], path: Path) -> Problems:
    for at, name in enumerate(names):
        if name in names[:at]:
            yield Problem((*path, at), f"`{short(name)}` is named twice")


def _bounds(bounds: BoundsConfig | None, path: Path) -> Problems:
    for field in fields(bounds) if bounds is not None else ():
        best, worst = getattr(bounds, field.name)
        if best >= worst:
            yield Problem((*path, field.name), f"[{best:g}, {worst:g}] does not rise: the best value stands first, the worst second")
        elif field.name == "cost_usd":
            yield from _amounts({0: best, 1: worst}, picousd, (*path, field.name))


def _amounts(amounts: Mapping[Any, float | None], convert: Callable[[float], int], path: Path) -> Problems:
    """Money must come out even in picodollars."""
    for name, amount in amounts.items():
        try:
            if amount is not None:
                convert(amount)
        except ValueError as error:
            yield Problem((*path, name), str(error))


def _rules(config: Config) -> Problems:
    for at, rule in enumerate(config.rules):
        yield from rule_problems(rule, config, {model.id for model in config.models}, ("rules", at))


def _tasks(config: Config) -> Problems:
    for name, task in config.tasks.items():
        if task.weights is not None:
            yield from share_problems(task.weights, ("tasks", name, "weights"))
        yield from _service_level(task, config, ("tasks", name))


def _service_level(owner: RouteConfig | TaskConfig, config: Config, path: Path) -> Problems:
    """What is to happen where every candidate misses what nobody asks of it."""
    if owner.on_none is not None and not _asks(config):
        yield warning((*path, "on_none"), "nothing has a `quality_floor`, or an `sla` that excludes: it has no effect")
    dialled = isinstance(owner, RouteConfig) and owner.dial is not None
    if owner.sla is not None and owner.sla.breach == "penalise" and (dialled or (owner.weights is not None and not owner.weights.latency)):
        yield warning((*path, "sla", "breach"), "latency has no weight here: `penalise` takes nothing away, unless other weights apply")


def _asks(config: Config) -> bool:
    owners: tuple[RouteConfig | TaskConfig, ...] = (*config.routes.values(), *config.tasks.values())
    rules = (*config.rules, *(rule for route in config.routes.values() for rule in route.rules))
    floors = (each.quality_floor for each in (*owners, *rules))
    return any(floors) or any(owner.sla is not None and owner.sla.breach == "exclude" for owner in owners)


def _keywords(config: Config) -> Problems:
    for name, words in config.keywords.items():
        path: Path = ("keywords", name)
        if not words:
            yield Problem(path, "is empty: it could never be found")
        for at, word in enumerate(words):
            if not plain(word):
                yield Problem((*path, at), "is blank, and would be found in every text")


def _audit(config: Config) -> Problems:
    audit, store = config.audit, PurePath(config.store.path)
    taken = {store: "store.path"}
    for name in ("key", "checkpoints", "content_keys"):
        if not (given := getattr(audit, name)):
            continue
        if (other := taken.setdefault(PurePath(given), f"audit.{name}")) != f"audit.{name}":
            yield Problem(("audit", name), f"is the same file as `{other}`: give each one of its own")
    if not audit.key:
        defaults = AuditConfig()
        for name in ("checkpoint_every", "interval_s"):
            if getattr(audit, name) != getattr(defaults, name):
                yield warning(("audit", name), "without `audit.key` the gateway signs nothing: it has no effect")


def _workers(config: Config) -> Problems:
    store = config.store
    if config.server.workers > 1 and not store.seals_responses and store.responses_ttl_s:
        cure = "write `store.responses: sealed` or `store.content: true`, or `store.responses_ttl_s: 0` to keep none"
        what = "each keeps answers of the Responses API in its own memory: going on from one works by chance only"
        yield warning(("server", "workers"), f"{what}: {cure}")
