"""What rules, policies and promises may get wrong: names that lead nowhere, conditions that never hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields

from pointsman.config.check_names import named_problems
from pointsman.config.models import ModelConfig
from pointsman.config.policies import ForbidConfig, PolicyConfig, PolicyTestConfig, PolicyTests, RequireConfig, ScopeConfig
from pointsman.config.problem import Path, Problem, did_you_mean, short
from pointsman.config.routes import RouteConfig, RuleConfig, WeightsConfig
from pointsman.config.schema import Config
from pointsman.config.sensitivity import known_labels
from pointsman.core.labels import close
from pointsman.errors import ConditionError, ConditionSyntaxError
from pointsman.policy.cel import CelCondition, compile_condition

Problems = Iterator[Problem]

_QUOTED = re.compile(r"\"([^\"\\]*)\"|'([^'\\]*)'")
# A word compared as a whole: `"x" in labels`, `l == "x"`, `l in ["x", "y"]`. What is searched for within a label may be a part of one.
_COMPARED = re.compile(r"(?:\"([^\"\\]*)\"|'([^'\\]*)')(?=\s+in\s|\s*==|\s*,|\s*\])|(?:==\s*)(?:\"([^\"\\]*)\"|'([^'\\]*)')")
_DECLARED = re.compile(r"signals\.(?:domain|difficulty)\b")  # clients are believed before classifiers
_TOLERANCE = 1e-6  # of a sum of weights: what people write has two or three decimals
_NO_EFFECTS = ("when", "name")  # fields of a rule that do nothing by themselves


def rule_problems(rule: RuleConfig, config: Config, pool: set[str], path: Path) -> Problems:
    ids = {model.id for model in config.models}
    yield from _condition(rule.when, config, (*path, "when"))
    yield from label_problems(rule.labels, config, (*path, "labels"))
    yield from _attributes(rule.require, config, (*path, "require"))
    yield from _excluded(rule.exclude, ids, (*path, "exclude"), pool)
    yield from name_problems(rule.prefer, ids, (*path, "prefer"), pool)
    yield from weight_problems(rule, path)
    if all(getattr(rule, f.name) == f.default for f in fields(rule) if f.name not in _NO_EFFECTS):
        yield warning(path, "has no effect: give it a task, labels, require, exclude, prefer, plan, weights, dial or quality_floor")


def policy_problems(config: Config) -> Problems:
    first: dict[str, int] = {}
    for at, policy in enumerate(config.policies):
        path: Path = ("policies", at)
        if (earlier := first.setdefault(policy.name, at)) != at:
            yield warning((*path, "name"), f"`{short(policy.name)}` also names policies[{earlier}]: refusals could not tell them apart")
        yield from _policy(policy, config, path)


def _policy(policy: PolicyConfig, config: Config, path: Path) -> Problems:
    yield from scope_problems(policy.scope, config, (*path, "scope"))
    if policy.fail == "open" and policy.when:
        yield warning((*path, "fail"), "`open`: where its condition cannot be evaluated, the policy does not hold")
    if policy.require is None and policy.forbid is None:
        yield Problem(path, "has neither `require` nor `forbid`: it would do nothing")
    if policy.when:
        yield from _condition(policy.when, config, (*path, "when"))
        if said := sorted(set(_DECLARED.findall(policy.when))):
            names = " and ".join(f"`{name}`" for name in said)
            yield warning((*path, "when"), f"reads {names}, which a client may declare to be something else: a label says what must hold")
    yield from _attributes(policy.require, config, (*path, "require"))
    yield from _attributes(policy.forbid, config, (*path, "forbid"))


def promise_problems(config: Config) -> Problems:
    """Promises that say nothing, or of what is not there."""
    for at, promise in enumerate(config.promises):
        path: Path = ("promises", at)
        if promise.only is None and promise.never is None:
            yield Problem(path, "has neither `only` nor `never`: it would promise nothing")
        yield from label_problems(promise.labels, config, (*path, "labels"))
        yield from scope_problems(promise.scope, config, (*path, "scope"))
        yield from _attributes(promise.only, config, (*path, "only"))
        yield from _never(promise.never, config, (*path, "never"))


def test_problems(tests: PolicyTests, config: Config) -> list[Problem]:
    """What is wrong with policy tests for this configuration."""
    if not tests.tests:
        return [Problem(("tests",), "is empty: nothing would be tested")]
    return [problem for at, test in enumerate(tests.tests) for problem in _test(test, config, ("tests", at))]


def _test(test: PolicyTestConfig, config: Config, path: Path) -> Problems:
    names = _askable(config)
    if test.only is None and test.never is None and not test.reaches and not test.refused:
        yield Problem(path, "tests nothing: give `only`, `never`, `reaches` or `refused`")
    if test.route and test.route not in names:
        yield Problem((*path, "route"), f"no route or model `{short(test.route)}`{did_you_mean(test.route, names)}")
    if test.reaches and not test.route:
        yield Problem((*path, "reaches"), "needs a `route`: it is tried with one request")
    if test.reaches and test.refused:
        yield Problem((*path, "refused"), "stands beside `reaches`: give one of them")
    yield from label_problems(test.labels, config, (*path, "labels"))
    yield from name_problems(test.reaches, {model.id for model in config.models}, (*path, "reaches"))
    yield from _attributes(test.only, config, (*path, "only"))
    yield from _never(test.never, config, (*path, "never"))


def _askable(config: Config) -> set[str]:
    return {*config.routes, *(model.id for model in config.models)}


def scope_problems(scope: ScopeConfig | None, config: Config, path: Path) -> Problems:
    """A scope that means nobody, or names what is not there."""
    given = {} if scope is None else {f.name: getattr(scope, f.name) for f in fields(scope) if getattr(scope, f.name) is not None}
    if scope is not None and not given:
        yield Problem(path, "says nothing: give one of routes, orgs, teams, keys, or leave it out")
    for name, values in given.items():
        if not values:
            yield Problem((*path, name), "is empty: nobody would be meant")
    for at, name in enumerate(given.get("routes", ())):
        if name not in _askable(config):
            yield Problem((*path, "routes", at), f"no route or model `{short(name)}`{did_you_mean(name, _askable(config))}")


def _attributes(wanted: RequireConfig | ForbidConfig | None, config: Config, path: Path) -> Problems:
    """`require` and `forbid`: each field given must mean something."""
    if wanted is None:
        return
    given = {f.name: value for f in fields(wanted) if (value := getattr(wanted, f.name)) is not None}
    if not given:
        yield Problem(path, f"says nothing: give one of {', '.join(f.name for f in fields(wanted))}")
    for name, values in given.items():
        if values == ():
            yield Problem((*path, name), "is empty: name at least one value")
        elif name == "model":
            yield from name_problems(values, {model.id for model in config.models}, (*path, name))
        elif name != "approved":
            yield from _of_no_model(name, values, config, (*path, name))


def _never(never: ForbidConfig | None, config: Config, path: Path) -> Problems:
    yield from _attributes(never, config, path)
    values = {f.name: set(value) for f in fields(never) if (value := getattr(never, f.name))} if never is not None else {}
    if values and not any(values[name].intersection(_HELD[name](model)) for name in values for model in config.models):
        yield warning(path, "fits no model of the pool: nothing here could break it")


_HELD: Mapping[str, Callable[[ModelConfig], Iterable[str]]] = {
    "perimeter": lambda model: (model.perimeter,),
    "region": lambda model: (model.region,),
    "provider": lambda model: (model.provider,),
    "tags": lambda model: model.tags,
    "model": lambda model: (model.id,),
}


def _of_no_model(name: str, values: Iterable[str], config: Config, path: Path) -> Problems:
    """A value that only resembles what models have is a slip; one that no model has yet may be on purpose."""
    held = {value for model in config.models for value in _HELD[name](model)}
    for at, value in enumerate(values):
        if value not in held and (hint := did_you_mean(value, held)):
            yield warning((*path, at), f"no model has {name} `{short(value)}`{hint}")


def _condition(source: str, config: Config, path: Path) -> Problems:
    try:
        condition = compile_condition(source)
    except ConditionSyntaxError as error:
        yield Problem(path, f"does not compile: line {error.line}, column {error.column} of the expression: {error}")
        return
    yield from named_problems(source, config, path, labels_only=condition.labels_only)
    if condition.labels_only:
        yield from _about_labels(condition, config, path)


def _about_labels(condition: CelCondition, config: Config, path: Path) -> Problems:
    """A misspelt label in a condition would silently never match."""
    known = known_labels(config)
    words = {double or single for double, single in _QUOTED.findall(condition.source)}
    compared = {word for found in _COMPARED.findall(condition.source) for word in found if word}
    for word in sorted(words - known):
        sentence = f"`{short(word)}` is not a known label{did_you_mean(word, known) or ': define it under `labels`'}"
        yield Problem(path, sentence) if word in compared else warning(path, sentence)
    sets = [(), tuple(sorted(known)), *((label,) for label in sorted(known))]
    if words <= known and not any(_holds(condition, close(labels, known)) for labels in sets):
        yield warning(path, "holds for none of the known labels: is it meant so?")


def _holds(condition: CelCondition, labels: tuple[str, ...]) -> bool:
    try:
        return condition({"labels": list(labels)})
    except ConditionError:
        return True  # as in a decision: a condition that cannot be evaluated applies


def name_problems(names: Iterable[str], ids: set[str], path: Path, pool: set[str] | None = None) -> Problems:
    """Names of models: they must exist, and lie within the route's `pool` if one is given."""
    for at, name in enumerate(names):
        if name not in ids:
            yield Problem((*path, at), f"unknown model `{short(name)}`{did_you_mean(name, ids)}")
        elif pool is not None and name not in pool:
            yield Problem((*path, at), f"`{short(name)}` is not among the route's `models`: it would never be used")


def _excluded(names: Iterable[str], ids: set[str], path: Path, pool: set[str]) -> Problems:
    yield from name_problems(names, ids, path)
    for at, name in enumerate(names):
        if name in ids - pool:
            yield warning((*path, at), f"`{short(name)}` is not among the route's `models`: there is nothing to exclude")


def label_problems(labels: Iterable[str], config: Config, path: Path) -> Problems:
    known = known_labels(config)
    for at, label in enumerate(labels):
        if label not in known:
            hint = did_you_mean(label, known) or ": define it under `labels`"
            yield Problem((*path, at), f"unknown label `{short(label)}`{hint}")


def weight_problems(owner: RouteConfig | RuleConfig, path: Path) -> Problems:
    if owner.dial is not None and owner.weights is not None:
        yield Problem((*path, "dial"), "stands beside `weights`: give one of them")
    if owner.weights is not None:
        yield from share_problems(owner.weights, (*path, "weights"))


def share_problems(weights: WeightsConfig, path: Path) -> Problems:
    total = sum(getattr(weights, field.name) for field in fields(weights))
    if total == 0:
        yield Problem(path, "are all zero: give at least one of quality, cost, latency, security, energy")
    elif total == float("inf"):
        yield Problem(path, "are too large to be added up")
    elif abs(total - 1) > _TOLERANCE:
        yield warning(path, f"add up to {total:g}, not 1: each is divided by {total:g}")


def warning(path: Path, sentence: str) -> Problem:
    return Problem(path, sentence, "warning")
