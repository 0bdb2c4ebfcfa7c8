"""What `intents`, `classifiers` and `learned` may get wrong, as far as it shows without reading their files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pointsman.config.check_rules import warning
from pointsman.config.embedding import EmbeddingConfig
from pointsman.config.problem import Path, Problem, did_you_mean, short
from pointsman.config.schema import ClassifiersConfig, Config

Problems = Iterator[Problem]

_KEEP = "intents_keep"
# Of fields that are not there while it is decided whether a request may be read. A condition that reads their values fails, and restricts.
_WHETHER_THERE = re.compile(
    r"has\(\s*(?:signals\.(?!keywords\b)\w+|tokens\.\w+|request\.(?:stream|response_format))\s*\)|\bin\s+(?:signals|tokens|request)\b(?!\.)"
)


def signal_problems(config: Config) -> Problems:
    """Everything wrong with what tells what a request is about."""
    yield from _intents(config)
    yield from _learned(config)
    yield from _embedding(config)


def _intents(config: Config) -> Problems:
    owner: dict[str, str] = {}
    for name, examples in config.intents.items():
        if not name.strip():
            yield Problem(("intents", name), "an intent needs a name")
        if len({example.strip() for example in examples}) < 2:
            yield Problem(("intents", name), "has fewer than two examples: give at least two, about ten are good")
        for at, example in enumerate(examples):
            if not example.strip():
                yield Problem(("intents", name, at), "is blank: give an example of what is asked")
            elif (other := owner.setdefault(example.strip().casefold(), name)) != name:
                yield warning(("intents", name, at), f"is an example of `{short(other)}`, too: it tells them apart from nothing")
    if not config.intents and config.intents_keep != Config.__dataclass_fields__[_KEEP].default:
        yield warning((_KEEP,), "there are no `intents`: it has no effect")


def _embedding(config: Config) -> Problems:
    said, bundle = config.embedding, config.learned is not None and config.learned.bundle
    used = bool(config.intents or config.classifiers != ClassifiersConfig() or bundle)
    if said.kind == "remote":
        yield from _remote(config)
    elif said != EmbeddingConfig(kind=said.kind, path=said.path):
        yield Problem(("embedding",), "`model`, `dims` and `timeout_ms` are of `kind: remote`: write that, or remove them")
    if said.kind == "dense" and not said.path:
        yield Problem(("embedding",), "names no encoder: give `path`, a folder with `model.onnx` and `tokenizer.json`")
    elif said.kind != "dense" and said.path:
        owner = "the shipped table" if said.kind == "shipped" else "a remote encoder"
        yield Problem(("embedding", "path"), f"{owner} needs none: write `kind: dense`, or remove it")
    elif said.kind != "shipped" and not used:
        yield warning(("embedding",), "there are no `intents`, no `classifiers` and no `learned.bundle`: it has no effect")


def _remote(config: Config) -> Problems:
    """A model of the pool that reads what is asked."""
    said, models = config.embedding, {model.id: model for model in config.models}
    if not said.model or said.dims is None:
        yield Problem(
            ("embedding",), "`kind: remote` needs `model`, the id of one that speaks `embeddings`, and `dims`, the numbers in its vectors"
        )
    elif (model := models.get(said.model)) is None:
        yield Problem(("embedding", "model"), f"unknown model `{short(said.model)}`{did_you_mean(said.model, models)}")
    elif "embeddings" not in model.apis and (model.apis or "embed" not in (model.model or model.id).lower()):
        yield Problem(("embedding", "model"), f"`{short(said.model)}` is not said to speak embeddings: give it `apis: [embeddings]`")
    for path, when in _conditions(config):
        if found := _WHETHER_THERE.search(when):
            sentence = f"`{found[0]}` is false before a request was read, and would let its words pass: ask for the value alone"
            yield Problem((*path, "when"), sentence)
    if config.intents:
        sentence = "a remote encoder cannot read their examples when the gateway starts: train a classifier (`pointsman train`)"
        yield Problem(("intents",), sentence)


def _conditions(config: Config) -> Iterator[tuple[Path, str]]:
    """Those of policies and rules, with their places."""
    yield from ((("policies", at), policy.when) for at, policy in enumerate(config.policies) if policy.when)
    yield from ((("rules", at), rule.when) for at, rule in enumerate(config.rules))
    for name, route in config.routes.items():
        yield from ((("routes", name, "rules", at), rule.when) for at, rule in enumerate(route.rules))


def _learned(config: Config) -> Problems:
    if config.learned is None:
        return
    if not config.learned.bundle and not config.learned.confidence:
        yield Problem(("learned",), "names no file: give `bundle`, `confidence` or both")
    ids = {model.id for model in config.models}
    for name in config.learned.models:
        if name not in ids:
            yield Problem(("learned", "models", name), f"unknown model `{short(name)}`{did_you_mean(name, ids)}")
