"""What `sensitivity` may get wrong: patterns that cannot be used, names that lead nowhere, settings without effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from pointsman.config.check_rules import warning
from pointsman.config.problem import Path, Problem, did_you_mean, short
from pointsman.config.schema import Config, MaskConfig, RecogniserConfig, SensitivityConfig
from pointsman.config.sensitivity import NAME, recognisers
from pointsman.core.labels import UNSEARCHED
from pointsman.errors import ConfigError

Problems = Iterator[Problem]

_HERE = "sensitivity"


def sensitivity_problems(config: Config) -> Problems:
    """Everything wrong with `sensitivity`; nothing third-party is imported where it has no recognisers of its own."""
    for at, label in enumerate(config.labels):
        if label == UNSEARCHED:
            yield Problem(("labels", at), f"`{UNSEARCHED}` is kept for texts that were not wholly searched: call the label something else")
    said = config.sensitivity
    if said == SensitivityConfig():
        return
    yield from _recognisers(said)
    yield from _off(said)
    yield from _mask(said.mask, config)
    if said.detect == "off":
        for name in ("recognisers", "off"):
            if getattr(said, name):
                yield warning((_HERE, name), "`detect` is `off`: it has no effect")


def _recognisers(said: SensitivityConfig) -> Problems:
    if not said.recognisers:
        return
    shipped = _shipped() - set(said.off)
    first: dict[str, int] = {}
    for at, one in enumerate(said.recognisers):
        path: Path = (_HERE, "recognisers", at)
        if (earlier := first.setdefault(one.name, at)) != at:
            yield Problem((*path, "name"), f"`{short(one.name)}` also names recognisers[{earlier}]")
        if one.name in shipped:
            yield Problem((*path, "name"), f"`{short(one.name)}` ships already: call it something else, or put that one into `off`")
        yield from _one(one, said, path)


def _one(one: RecogniserConfig, said: SensitivityConfig, path: Path) -> Problems:
    from pointsman.signals.sensitivity.checks import find_check
    from pointsman.signals.sensitivity.recogniser import Recogniser, compile_one

    if not NAME.fullmatch(one.kind):
        yield Problem((*path, "kind"), f"`{short(one.kind)}` is not a name: use letters, digits, `_`, `.` and `-`")
    elif one.kind == UNSEARCHED:
        yield Problem((*path, "kind"), f"`{UNSEARCHED}` is kept for texts that were not wholly searched: call it something else")
    try:
        if one.check is not None:
            find_check(one.check)
    except ConfigError as error:
        yield Problem((*path, "check"), str(error))
    for at, word in enumerate(one.context):
        if not word.strip():
            yield Problem((*path, "context", at), "is blank, and would stand near everything")
    if any(word.strip() for word in one.context) or not one.context:
        try:
            compile_one(replace(Recogniser(**asdict(one)), check=None))
        except ConfigError as error:
            yield Problem((*path, "pattern"), str(error))
    if one.alone and not one.context:
        yield warning((*path, "alone"), "is for recognisers with `context`: it has no effect")
    if max(one.confidence, one.alone) < said.least_confidence:
        yield warning((*path, "confidence"), f"is below `least_confidence` ({said.least_confidence:g}): it would never find anything")


def _off(said: SensitivityConfig) -> Problems:
    if not said.off:
        return
    shipped = _shipped()
    for at, name in enumerate(said.off):
        if name not in shipped:
            hint = did_you_mean(name, shipped) or ": docs/sensitivity.md names them"
            yield Problem((_HERE, "off", at), f"no recogniser `{short(name)}` ships{hint}")


def _mask(mask: MaskConfig, config: Config) -> Problems:
    path: Path = (_HERE, "mask")
    if not mask.kinds:
        if mask != MaskConfig():
            yield warning((*path, "perimeters"), "nothing is masked without `kinds`")
        return
    if config.sensitivity.detect == "off":
        yield Problem((*path, "kinds"), "`detect` is `off`: what is not found cannot be masked")
    if not mask.perimeters:
        yield Problem((*path, "perimeters"), "is empty: nothing would be masked")
    kinds = {one.kind for one in recognisers(config)}
    for at, kind in enumerate(mask.kinds):
        if kind not in kinds:
            hint = did_you_mean(kind, kinds) or f": there are {', '.join(sorted(kinds))}"
            yield Problem((*path, "kinds", at), f"no recogniser finds `{short(kind)}`{hint}")
    held = {model.perimeter for model in config.models}
    for at, perimeter in enumerate(mask.perimeters):
        if perimeter not in held and (hint := did_you_mean(perimeter, held)):
            yield warning((*path, "perimeters", at), f"no model has perimeter `{short(perimeter)}`{hint}")


def _shipped() -> set[str]:
    from pointsman.signals.sensitivity.known import KNOWN_RECOGNISERS

    return {one.name for one in KNOWN_RECOGNISERS}
