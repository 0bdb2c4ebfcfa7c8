"""What a route may get wrong about how its choices are carried out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.config.check_rules import name_problems, warning
from pointsman.config.kinds import HUMAN
from pointsman.config.plans import CascadeConfig, CheckConfig, EnsembleConfig, ReviewConfig
from pointsman.config.problem import Path, Problem, did_you_mean, short
from pointsman.config.routes import RouteConfig
from pointsman.config.schema import Config
from pointsman.core.plan import LOOKING
from pointsman.core.rule import PlanKind
from pointsman.errors import ConditionSyntaxError, ConfigError
from pointsman.plans.checks import CHECKS, COMPARED, Check
from pointsman.plans.checks.own import cel, offered, pattern
from pointsman.policy.cel import compile_answer_condition

Problems = Iterator[Problem]
_LONGEST_REVIEW_S = 10 * 365 * 86_400


def plan_problems(route: RouteConfig, config: Config, path: Path) -> Problems:
    ids = {model.id for model in config.models}
    plans = {route.plan, *(rule.plan for rule in (*route.rules, *config.rules))}
    yield from _chains(route, ids, path)
    yield from _helpers(route, ids, path)
    yield from check_names(route.checks, config, (*path, "checks"))
    yield from check_names(route.cascade.accept.checks, config, (*path, "cascade", "accept", "checks"), further=COMPARED)
    yield from _review(route, config, path)
    yield from _without_use(route, plans, path)
    if route.plan == "hedge" and len(set(route.models or ids) | (set(route.fallback) - {HUMAN})) < 2:
        yield warning((*path, "plan"), "`hedge` needs a second model")
    if "ensemble" in plans:
        yield from _ensemble(route, ids, path)
    if {"escalate", "cascade"} & plans:
        yield from _cascade(route, config, path)
    for name in ("escalate", "cascade"):
        if name == route.plan and len(set(route.cascade.tiers or route.models or ids)) < 2:
            yield warning((*path, "plan"), f"`{name}` needs a second model")


def check_problems(config: Config) -> Problems:
    """Checks of the user's own."""
    named = [{*route.checks, *route.cascade.accept.checks} for route in config.routes.values()]
    for name, check in config.checks.items():
        path: Path = ("checks", name)
        if name in CHECKS or name in COMPARED:
            yield Problem(path, f"`{name}` is there already: call yours something else")
        if bool(check.when) == bool(check.pattern):
            yield Problem(path, "needs `when` or `pattern`, and not both")
        if check.absent and not check.pattern:
            yield Problem((*path, "absent"), "is said of a `pattern`: write the condition the other way round")
        if not any(name in asked for asked in named):
            yield warning(path, "is named by no route's `checks` or `accept.checks`: it has no effect")
        try:
            own_check(name, check)
        except ConditionSyntaxError as error:
            yield Problem((*path, "when"), f"is not a condition: {error}")
        except ConfigError as error:
            yield Problem((*path, "pattern"), str(error))


def own_check(name: str, check: CheckConfig) -> Check:
    """The check that is configured. Raises `ConfigError`, of which `ConditionSyntaxError` is one."""
    return pattern(name, check.pattern, absent=check.absent) if check.pattern else cel(name, compile_answer_condition(check.when))


def check_names(names: tuple[str, ...], config: Config, path: Path, further: tuple[str, ...] = ()) -> Problems:
    """Names of checks."""
    known = {*CHECKS, *config.checks, *further, *offered()}
    for at, name in enumerate(names):
        if name in COMPARED and not further:
            yield Problem((*path, at), f"`{name}` takes further calls: only `accept.checks` of a plan that looks at answers can ask for it")
        elif name not in known:
            hint = did_you_mean(name, known) or f"; there are {', '.join(sorted(known))}"
            yield Problem((*path, at), f"unknown check `{short(name)}`{hint}")


def named_by(route: RouteConfig) -> set[str]:
    """Models that a route may ask beside its `models`."""
    chains = {name for chain in (route.fallback, *route.fallback_on.values()) for name in chain} - {HUMAN}
    helpers = {name for name in (route.cascade.accept.verifier, route.ensemble.judge) if name is not None}
    return chains | helpers | {*route.cascade.tiers, *route.ensemble.members}


def _chains(route: RouteConfig, ids: set[str], path: Path) -> Problems:
    """Models that are asked after others, and a person at the end."""
    if HUMAN in route.fallback[:-1]:
        yield Problem((*path, "fallback", route.fallback.index(HUMAN)), f"`{HUMAN}` ends a chain: nothing can come after it")
    yield from name_problems(tuple(name for name in route.fallback if name != HUMAN), ids, (*path, "fallback"))
    for fault, chain in route.fallback_on.items():
        yield from name_problems(chain, ids, (*path, "fallback_on", fault))
    if (set(route.fallback) - {HUMAN} or any(route.fallback_on.values())) and route.plan == "single":
        yield warning((*path, "plan"), "`single` asks one model only: the chain has no effect")


def _helpers(route: RouteConfig, ids: set[str], path: Path) -> Problems:
    yield from name_problems(route.cascade.tiers, ids, (*path, "cascade", "tiers"))
    yield from name_problems(route.ensemble.members, ids, (*path, "ensemble", "members"))
    for name, where in ((route.cascade.accept.verifier, ("cascade", "accept", "verifier")), (route.ensemble.judge, ("ensemble", "judge"))):
        if name is not None and name not in ids:
            yield Problem((*path, *where), f"unknown model `{short(name)}`{did_you_mean(name, ids)}")
    for names, place in ((route.cascade.tiers, ("cascade", "tiers")), (route.ensemble.members, ("ensemble", "members"))):
        for at, name in enumerate(names):
            if name in names[:at]:
                yield Problem((*path, *place, at), f"`{short(name)}` is named twice")


def _cascade(route: RouteConfig, config: Config, path: Path) -> Problems:
    if route.most_calls == 1:
        yield warning((*path, "most_calls"), "allows one call: nothing is ever asked after the first answer")
    if route.cascade.worth_usd is not None and (config.learned is None or not config.learned.confidence):
        sentence = "without `learned.confidence` what no check objects to counts as surely right: no further call is worth its price"
        yield warning((*path, "cascade", "worth_usd"), sentence)


def _ensemble(route: RouteConfig, ids: set[str], path: Path) -> Problems:
    ensemble = route.ensemble
    if ensemble.vote == "judge" and ensemble.judge is None:
        yield Problem((*path, "ensemble", "judge"), "is missing: `vote: judge` needs the model that decides")
    if ensemble.vote != "judge" and ensemble.judge is not None:
        yield warning((*path, "ensemble", "judge"), f"with `vote: {ensemble.vote}` nobody judges: it has no effect")
    members = len(ensemble.members) or min(ensemble.size, len(route.models or ids))
    if members * ensemble.samples < 2:
        yield warning((*path, "ensemble"), "asks for one answer only: there is nothing to vote on")
    if members * ensemble.samples > route.most_calls:
        yield Problem((*path, "most_calls"), f"is {route.most_calls}, but the ensemble makes {members * ensemble.samples} calls")
    if len(ensemble.forms) > ensemble.samples - 1:
        yield warning((*path, "ensemble", "forms"), f"has {len(ensemble.forms)}, but there are {ensemble.samples - 1} further samples")


def _review(route: RouteConfig, config: Config, path: Path) -> Problems:
    """What is asked of people."""
    review, path = route.review, (*path, "review")
    for name, length_s in (("deadline_s", review.deadline_s), ("wait_s", review.wait_s)):
        if length_s > _LONGEST_REVIEW_S:
            yield Problem((*path, name), f"is {length_s:g} s: at most {_LONGEST_REVIEW_S:,} s, which is 10 years")
    if review.contract == "holding" and not review.holding_answer.strip():
        yield Problem((*path, "holding_answer"), "is blank: say what the client gets meanwhile")
    if review.approval and review.on_expiry == "release":
        yield Problem((*path, "on_expiry"), "`release` would give what nobody approved: with `approval` it is `deny` or `escalate`")
    asks = HUMAN in route.fallback or route.on_none == "human" or any(task.on_none == "human" for task in config.tasks.values())
    if review != ReviewConfig() and not (asks or review.approval or review.sample):
        yield warning(path, f"nothing leads to a person: end `fallback` with `{HUMAN}`, or ask for `approval` or a `sample`")


def _without_use(route: RouteConfig, plans: set[PlanKind | None], path: Path) -> Problems:
    """Settings of plans that no rule and no route asks for."""
    if route.cascade != CascadeConfig() and not {"escalate", "cascade"} & plans:
        yield warning((*path, "cascade"), "neither the route nor a rule has `plan: escalate` or `plan: cascade`: it has no effect")
    if route.ensemble != EnsembleConfig() and "ensemble" not in plans:
        yield warning((*path, "ensemble"), "neither the route nor a rule has `plan: ensemble`: it has no effect")
    if route.cascade.worth_usd is not None and route.cascade.accept.confidence != CascadeConfig().accept.confidence:
        yield warning((*path, "cascade", "accept", "confidence"), "stands beside `worth_usd`, which decides: it has no effect")
    if route.first_token_s is not None and plans & LOOKING == plans - {None} and route.plan in LOOKING:
        yield warning((*path, "first_token_s"), f"`{route.plan}` waits for whole answers: it has no effect")
