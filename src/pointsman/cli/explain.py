"""Show why a model is chosen: for a text, without calling anything, or for a recorded decision."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from pointsman.build.asking import asking, pressed
from pointsman.build.premium import tally_of
from pointsman.build.service import open_log
from pointsman.build.world import offline_world
from pointsman.cli.plan_text import plan_lines
from pointsman.cli.source import argument, source, tell
from pointsman.cli.table import table
from pointsman.config.problem import did_you_mean, short
from pointsman.config.schema import Config
from pointsman.core.decision import Decision
from pointsman.core.labels import KNOWN
from pointsman.core.prices import usd
from pointsman.core.role import STANDINGS
from pointsman.errors import ConfigError
from pointsman.gateway import Inquiry, World
from pointsman.gateway.reading import SUFFIX
from pointsman.gateway.understand import decide_understood, understand
from pointsman.stores.sqlite import SqliteLog
from pointsman.wire.explanation import explanation

_TERMS = ("quality", "cost", "latency", "security", "energy")
_NAMES = {"whole": "p95", "first_token": "p95 of the first token"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("text", nargs="?", help="a user message; `-` reads it from standard input")
    parser.add_argument("--route", default="auto", help="route or model to ask for (default: %(default)s)")
    parser.add_argument("--label", action="append", default=[], metavar="LABEL", help="data label the request carries; may be repeated")
    parser.add_argument("--task", help="task class of the request")
    parser.add_argument("--key", default="", metavar="ID", help="id of the key that asks, with the rights that the store has of it")
    parser.add_argument("--org", default="", metavar="ORG", help="org of whoever asks")
    parser.add_argument("--team", default="", metavar="TEAM", help="team of whoever asks, of that org")
    parser.add_argument("--role", choices=STANDINGS, help="role of whoever asks (default: the key's, else caller)")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="output limit of the request")
    parser.add_argument("--request", type=Path, metavar="FILE", help="a whole chat completion request as JSON, in place of a text")
    parser.add_argument("--decision", metavar="ID", help="explain a recorded decision, with its calls; the beginning of its id is enough")
    argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, everything included")


def run(given: argparse.Namespace) -> int:
    """Print the explanation; 1 if no model may answer."""
    asked = [given.text is not None, given.request is not None, given.decision is not None]
    if sum(asked) != 1:
        raise ConfigError("name one thing to explain: a text, --request FILE or --decision ID")
    found = source(given, secrets=False)
    tell(tuple(note for note in found.notes if note not in found.routes))
    shown = asyncio.run(_recorded(found.config, given.decision)) if given.decision is not None else _fresh(found.config, given)
    tell(tuple(note for note in found.notes if found.routes.get(note) == shown["route"]))
    print(json.dumps(shown, indent=2) if given.json else describe(shown))
    return 0 if shown["model"] else 1


def _fresh(config: Config, given: argparse.Namespace) -> dict[str, Any]:
    world = offline_world(config)
    headers = {"x-pointsman-labels": ",".join(given.label)} | ({"x-pointsman-task": given.task} if given.task else {})
    who = asking(config, given.key, given.org, given.team, given.role)
    tell(who.remarks)
    request, signals = understand(Inquiry(_body(given), who.caller, headers), world)
    tell(tuple(_unknown(request.labels, world)))
    _require_route(request.model, world)
    decision = decide_understood(request, replace(signals, budget=pressed(config, request, signals.task)), world)
    tell(tuple(_uncounted(config, decision, world)))
    return {**explanation(decision, world.snapshot), "id": None}  # nobody could look it up


def _unknown(labels: Sequence[str], world: World) -> Iterator[str]:
    known = KNOWN | world.snapshot.labels
    for label in labels:
        if label not in known:
            yield f"`{short(label)}` is not a known label and counts as all of them{did_you_mean(label, known)}"


def _uncounted(config: Config, decision: Decision, world: World) -> Iterator[str]:
    """The caps on premium models that could have changed the decision."""
    tally, asked = tally_of(config, world.snapshot), {candidate.model for candidate in decision.candidates}
    for share in () if tally is None else tally.shares(decision.request, world.snapshot):
        if asked.intersection(share.models):
            yield f"cap `{share.cap}` counts in the running gateway and is not looked at here: `POST /v1/explain` there knows how it stands"


def _require_route(name: str, world: World) -> None:
    if world.snapshot.route(name) is None:
        hint = did_you_mean(name, (*world.snapshot.routes, *world.snapshot.models)) or ": `pointsman models` lists both"
        raise ConfigError(f"no route or model `{short(name)}`{hint}")


def _body(given: argparse.Namespace) -> bytes:
    if given.request is not None:
        try:
            return Path(given.request).read_bytes()
        except OSError as error:
            raise ConfigError(f"{given.request}: {error.strerror}") from error
    text = sys.stdin.read() if given.text == "-" else given.text
    body: dict[str, Any] = {"model": given.route, "messages": [{"role": "user", "content": text}]}
    if given.max_tokens is not None:
        body["max_tokens"] = given.max_tokens
    return json.dumps(body).encode()


async def _recorded(config: Config, decision: str) -> dict[str, Any]:
    gateway, log = open_log(config)
    try:
        return await gateway.recorded(_whole(decision, log), None)
    finally:
        await log.close()


def _whole(decision: str, log: SqliteLog) -> str:
    """The id that begins so. Raises `ConfigError` where there are several."""
    query = "SELECT DISTINCT decision FROM log WHERE kind = 'decision' AND decision >= ? AND decision < ? ORDER BY 1 LIMIT 3"
    rows = [row[0] for row in log.reader().rows(query, (decision, f"{decision}\U0010ffff"))]
    # What was read for a request is meant by its whole id only.
    found = [one for one in rows if one == decision or not (one.endswith(SUFFIX) and one.removesuffix(SUFFIX) in rows)]
    if len(found) > 1 and decision not in found:
        raise ConfigError(f"several decisions begin with `{short(decision)}`, {found[0]} and {found[1]} among them: write more of the id")
    return found[0] if found else decision


def describe(shown: Mapping[str, Any]) -> str:
    """An explanation as text: what was asked, the ranking with its weighted terms, the refused with their reasons, the calls."""
    parts = [_head(shown), _ranking(shown)]
    if notes := [f"  {c['model']}: {note}" for c in shown["candidates"] for note in _notes(c)]:
        parts.append("in spite of\n" + "\n".join(notes))
    if refused := [candidate for candidate in shown["candidates"] if not candidate["eligible"]]:
        parts.append("refused\n" + "\n".join(f"  {c['model']}: {_reasons(c['verdicts'])}" for c in refused))
    if shown["calls"]:
        parts.append("calls\n" + "\n".join(_call(call) + _looks(call, shown) for call in shown["calls"]))
    if courses := shown.get("courses"):
        parts.append("answers\n" + "\n".join(_step(step) for course in courses for step in course["steps"]))
    if shown.get("reviews"):
        parts.append("\n".join(_review(review) for review in shown["reviews"]))
    elif not shown["calls"] and shown["plan"] and "at" in shown:
        parts.append("calls\n  no outcome is recorded: in progress, or the process ended before it was")
    return "\n\n".join(part for part in parts if part)


def _review(event: Mapping[str, Any]) -> str:
    """One event of a ticket's life."""
    who = f" by {event['by']}" if event.get("by") else ""
    whose = f", answer of call {event['call']}" if event.get("call") else ""
    edited = ", edited" if event.get("edited") else ""
    why = f": {event['reason']}" if event.get("reason") else ""
    return f"review  {event['id']}  {event['event']}{who}{whose}{edited}{why}"


def _step(step: Mapping[str, Any]) -> str:
    """What was thought of one answer, and what became of it."""
    sure = "" if step["confidence"] is None else f"  confidence {step['confidence']:.2f}"
    wanted = "" if step["threshold"] is None else f" of {step['threshold']:.2f}"
    votes = f"  {step['votes']} votes" if step["votes"] > 1 else ""
    graded = ", ".join(f"{grade['check']} {grade['value']:.2f}" for grade in step["grades"] if grade["value"] not in (None, 1))
    notes = "; ".join(part for part in (step["why"], graded) if part)
    return f"  {step['call']}. {step['model']}  {step['fate'].replace('_', ' ')}{sure}{wanted}{votes}{'  (' + notes + ')' if notes else ''}"


def _head(shown: Mapping[str, Any]) -> str:
    signals = shown["signals"]
    counted = ", ".join(f"{c['tokenizer']}{'' if c['exact'] else '~'} {c['tokens']:,}" for c in signals["tokens"]["counts"])
    recorded = f"{shown['id']}  {shown['at']}  " if "at" in shown else ""
    lines = [
        f"decision  {recorded}route {shown['route']}  ->  {shown['model'] or 'no model'}{_answered(shown)}",
        f"because   {shown['reason']}",
        *([] if shown["propensity"] == 1 else [f"lot       propensity {shown['propensity']:.4g}"]),
        *plan_lines(shown["plan"]),
        f"signals   task {shown['task']}, tokens in {counted}, out {signals['output_tokens']:,} ({signals['tokens']['output_source']})",
        f"labels    {', '.join(shown['labels']) or 'none'}",
    ]
    lines += [f"found     {one['kind']} by {one['recogniser']} at {one['where']} ({one['confidence']:.2f})" for one in signals["findings"]]
    lines += [f"{name:<8}  {', '.join(shown[name])}" for name in ("rules", "policies", "errors") if shown[name]]
    lines += _about(shown)
    if of := shown["request"].get("reads_for"):
        lines.append(f"reads     what {of} asks, and answers nobody")
    if asked := _asked(shown["service_level"]):
        lines.append(f"asked     {asked}")
    if signals.get("budget") is not None:
        lines.append(f"budget    {_pressure(signals['budget'])}")
    lines += [f"premium   {_premium(share)}" for share in signals.get("premium", ())]
    if shown["flags"]:
        lines.append(f"flags     {', '.join(shown['flags'])}")
    weights = ", ".join(f"{term} {shown['weights'][term]:g}" for term in _TERMS if shown["weights"][term])
    lines.append(f"weights   {weights} ({shown['form']})")
    return "\n".join(lines)


def _answered(shown: Mapping[str, Any]) -> str:
    """Whose answer was delivered, where it is not the chosen model's."""
    delivered = {course["delivered"] for course in shown.get("courses", ())}
    whole = [call["model"] for call in shown["calls"] if call["status"] == "ok" and (not delivered or call["attempt"] in delivered)]
    return f", answered by {whole[-1]}" if whole and whole[-1] != shown["model"] else ""


def _pressure(asked: Mapping[str, Any]) -> str:
    """What budgets ask, and what hard ones have left."""
    left = [] if asked["left_picousd"] is None else [f"{usd(asked['left_picousd'])} USD left"]
    left += [] if asked["left_tokens"] is None else [f"{asked['left_tokens']:,} tokens left"]
    return "; ".join([f"{asked['does']}, by {asked['budget']}" if asked["budget"] else "within its limits", *left])


def _premium(share: Mapping[str, Any]) -> str:
    """How a cap on premium models stood before the request."""
    return f"{share['used']:,} of {share['most']:,} in {share['over']:,} requests of {share['subject']}, by cap `{share['cap']}`"


def _about(shown: Mapping[str, Any]) -> Iterator[str]:
    """What was told from its words."""
    signals = shown["signals"]
    guessed = [f"task {signals['task']} by {signals['task_source']}"] if signals["task_source"] in ("intent", "classifier") else []
    if about := guessed + [f"{name} {signals[name]}" for name in ("intent", "domain", "difficulty") if signals[name]]:
        yield f"about     {', '.join(about)}"
    if signals.get("unread"):
        yield f"unread    {signals['unread']}"
    if signals["predicted"]:
        near = f"; nearest past queries {', '.join(signals['neighbours'])}" if signals["neighbours"] else ""
        yield f"learned   quality of {len(signals['predicted'])} models, bundle {shown['learned']['bundle']}{near}"


def _asked(level: Mapping[str, Any]) -> str:
    """Floor and SLAs, and what happens where nobody keeps them."""
    floor = [f"quality at least {level['quality_floor']:g}"] if level["quality_floor"] else []
    slas = [f"{_NAMES[sla['of']]} at most {sla['p95_ms']:g} ms ({sla['breach']})" for sla in level["sla"]]
    return "; ".join((*floor, *slas, f"on_none {level['on_none']}")) if floor or slas else ""


def _notes(candidate: Mapping[str, Any]) -> list[str]:
    """What speaks against a candidate that is no reason to refuse it."""
    late = [f"latency counts 0: {candidate['late']}"] if candidate["late"] else []
    return [_reasons([verdict]) for verdict in candidate["set_aside"]] + late


def _ranking(shown: Mapping[str, Any]) -> str:
    ranked = [candidate for candidate in shown["candidates"] if candidate["eligible"]]
    if not ranked:
        return ""
    terms = [term for term in _TERMS if shown["weights"][term]]
    head = ("", "model", "quality", "(n)", "cost $", "ttft ms", "p50 ms", "p95 ms", *(f"w*{term}" for term in terms), "total")
    rows = [_row(at, candidate, terms) for at, candidate in enumerate(ranked, 1)]
    return "\n".join((table([head, *rows], right=frozenset(range(2, len(head)))), *_legend(shown, ranked)))


def _legend(shown: Mapping[str, Any], ranked: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the table does not say of its figures."""
    exact = all(count["exact"] for count in shown["signals"]["tokens"]["counts"])
    yield f"(n): graded answers behind the quality; times are priors{'' if exact else '; ~: tokens are estimated'}"
    for candidate in ranked:
        if said := [f"{_NAMES[one['of']]} {one['p95_ms']:,.0f} ms ({one['samples']:,} calls)" for one in candidate["measured"]]:
            yield f"measured: {candidate['model']} {', '.join(said)}"


def _row(at: int, candidate: Mapping[str, Any], terms: Sequence[str]) -> tuple[str, ...]:
    estimate = candidate["estimate"]
    return (
        str(at),
        candidate["model"],
        f"{estimate['quality']:.3f}",
        str(estimate["evidence"]),
        estimate["cost_usd"] or "unknown",
        f"{estimate['ttft_ms']:,.0f}",
        f"{estimate['total_ms']:,.0f}",
        f"{estimate['p95_ms']:,.0f}",
        *(f"{candidate['weighted'][term]:.3f}" for term in terms),
        f"{candidate['total']:.4f}",
    )


def _looks(call: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
    """What a call was for that gave no answer of its own: a verifier is asked of the answer before it, a judge of several."""
    plan, answers = shown["plan"], [step["call"] for course in shown.get("courses", ()) for step in course["steps"]]
    before = max((answer for answer in answers if answer < call["attempt"]), default=0)
    if plan is None or call["model"] not in plan["helpers"] or call["attempt"] in answers or not before:
        return ""
    if call["status"] != "ok" and call["model"] in (*plan["models"], *plan["spares"], *chain.from_iterable(dict(plan["chains"]).values())):
        return ""  # it may have been asked for an answer of its own
    return "  looks at the answers" if plan["kind"] == "ensemble" else f"  looks at {before}"


def _reasons(verdicts: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"[{verdict['gate']}] {verdict['reason']}" for verdict in verdicts)


def _call(call: Mapping[str, Any]) -> str:
    usage = call["usage"] or {}
    tokens = f"{usage.get('input_tokens', '?')} in, {usage.get('output_tokens', '?')} out ({call['usage_source']})"
    ending = call["finish_reason"] or (f"{call['error']}: {call['check']}" if call["check"] else call["error"]) or "-"
    cost = f"${call['cost_usd']}" if call["cost_usd"] else "cost unknown"
    if not call["attempt"]:
        return f"  -  {call['model']}  not called ({ending})"
    masked = f"  masked values: {call['masked']}" if call["masked"] else ""
    masked += f"\n     dropped: {', '.join(call['dropped'])}" if call["dropped"] else ""
    return f"  {call['attempt']}. {call['model']}  {call['status']} ({ending})  {tokens}  {cost}  {call['total_ms']:,.0f} ms{masked}"
