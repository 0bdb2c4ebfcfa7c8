"""Whether a configuration wants sensitive data to be found, and with which recognisers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from pointsman.config.problem import short
from pointsman.config.schema import Config
from pointsman.core.labels import KNOWN

if TYPE_CHECKING:
    from pointsman.signals.sensitivity.recogniser import Recogniser

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a label may be called."""

_STRING = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"")
_ASKED = re.compile(rf"(?<![\w'\"])(?:{_STRING.pattern})\s+in\s+labels\b(?!\s*[.\[])")
_PART = re.compile(r"(?<![\w.])\(\s*@(?:\s*(?:&&|\|\|)\s*@)*\s*\)")
_SIDES = re.compile(r"&&|\|\|")
_READS_LABELS = re.compile(r"(?<![\w.])labels\b")


class Detection(NamedTuple):
    """Whether sensitive data is looked for, and why, as the end of a sentence."""

    on: bool
    why: str


def known_labels(config: Config) -> frozenset[str]:
    """Every label that the configuration defines, the built-in ones included."""
    return KNOWN.union(config.labels, (one.kind for one in config.sensitivity.recognisers))


def own_labels(config: Config) -> tuple[str, ...]:
    """Those beside the built-in ones: its `labels`, then the kinds of its recognisers."""
    kinds = (one.kind for one in config.sensitivity.recognisers if one.kind not in KNOWN)
    return tuple(dict.fromkeys((*config.labels, *kinds)))


def recognisers(config: Config) -> tuple[Recogniser, ...]:
    """Those that ship and are not switched off, then the configuration's own."""
    from pointsman.signals.sensitivity.known import KNOWN_RECOGNISERS
    from pointsman.signals.sensitivity.recogniser import Recogniser

    said = config.sensitivity
    own = (Recogniser(**asdict(one)) for one in said.recognisers)
    return (*(one for one in KNOWN_RECOGNISERS if one.name not in said.off), *own)


def detection(config: Config) -> Detection:
    """Whether sensitive data is looked for: `auto` means, where something depends on what could be found."""
    said = config.sensitivity
    if said.detect != "auto":
        return Detection(said.detect == "on", f"`sensitivity.detect` is `{said.detect}`")
    if said.mask.kinds:
        return Detection(True, "`sensitivity.mask` asks for it")
    reader = next(_readers(config), None)
    if reader is None:
        return Detection(False, "no condition and no promise reads a label that it could raise")
    return Detection(True, reader)


def _readers(config: Config) -> Iterator[str]:
    """What reads labels that recognisers can give."""
    kinds, defined = {one.kind for one in recognisers(config)}, known_labels(config)
    for who, condition in _conditions(config):
        if (what := _read(condition, kinds, defined)) is not None:
            yield f"{who} reads {what}"
    for promise in config.promises:
        if found := sorted(kinds.intersection(promise.labels)):
            yield f"promise `{short(promise.name)}` is about `{found[0]}`"


def _conditions(config: Config) -> Iterator[tuple[str, str]]:
    for policy in config.policies:
        yield f"policy `{short(policy.name)}`", policy.when
    for at, rule in enumerate(config.rules, 1):
        yield f"rule `{short(rule.name or f'rule {at}')}`", rule.when
    for route, said in config.routes.items():
        for at, rule in enumerate(said.rules, 1):
            yield f"rule `{short(rule.name or f'rule {at}')}` of route `{short(route)}`", rule.when


def _read(condition: str, kinds: Set[str], defined: Set[str]) -> str | None:
    """What of the labels a condition reads, as far as recognisers can give it. In doubt it reads them."""
    if not _READS_LABELS.search(_STRING.sub("", condition)) or _asks_only(condition, defined - kinds):
        return None
    words = [single or double for single, double in _STRING.findall(condition)]
    # A piece of a kind may be looked for with `startsWith`, and what is no name may be an expression for `matches`.
    found = next((word for word in words if any(word in kind for kind in kinds) or not NAME.fullmatch(word)), None)
    return "the labels" if found is None else f"`{short(found)}` in the labels"


def _asks_only(condition: str, others: Set[str]) -> bool:
    """Whether all that a condition asks of the labels is that one of `others` is there, so that more labels cannot change the answer.

    >>> _asks_only("task == 'x' && ('a' in labels || 'b' in labels)", {"a", "b"}), _asks_only("!('a' in labels)", {"a"})
    (True, False)
    """
    rest = _STRING.sub("''", _ASKED.sub(lambda found: "@" if (found[1] or found[2]) in others else found[0], condition))
    while (less := _PART.sub("@", rest)) != rest:
        rest = less
    if "?" in rest or _READS_LABELS.search(rest):
        return False
    sides = _SIDES.split(rest)
    return all("@" not in side or side.strip() == "@" for side in sides) and not _nested(rest)


def _nested(condition: str) -> bool:
    depth = 0
    for character in condition:
        depth += (character in "([{") - (character in ")]}")
        if character == "@" and depth:
            return True
    return False
