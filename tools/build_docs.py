"""Write every generated part of the manual: settings, commands, layers, gates, faults, APIs, scripts, records, the README's figures.

python tools/build_docs.py           # write them
python tools/build_docs.py --check   # name those that are not current; exit status 1 if there are any
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # so that this runs as a script, too

from pointsman import cli, native  # noqa: E402
from pointsman.build.snapshot import snapshot_body, snapshot_of  # noqa: E402
from pointsman.build.world import signal_settings  # noqa: E402
from pointsman.catalogue.prices import load as load_catalogue  # noqa: E402
from pointsman.cli.serve import KEY_VARIABLE  # noqa: E402
from pointsman.config import schema_json  # noqa: E402
from pointsman.config.load import load  # noqa: E402
from pointsman.config.providers import PROVIDERS  # noqa: E402
from pointsman.core import fault as faults  # noqa: E402
from pointsman.core.budget import Pressure  # noqa: E402
from pointsman.core.codec import to_builtins  # noqa: E402
from pointsman.core.decide import decide  # noqa: E402
from pointsman.core.decision import Decision  # noqa: E402
from pointsman.core.gate import Verdict  # noqa: E402
from pointsman.core.latency import Latencies, Measured, Sized, Sla  # noqa: E402
from pointsman.core.model import Capabilities, Model, Prior  # noqa: E402
from pointsman.core.outcome import Outcome  # noqa: E402
from pointsman.core.premium import PremiumShare  # noqa: E402
from pointsman.core.prices import Price, Usage, cost_picousd, per_mtok  # noqa: E402
from pointsman.core.record import record  # noqa: E402
from pointsman.core.refusals import Refusals  # noqa: E402
from pointsman.core.request import Caller, Request  # noqa: E402
from pointsman.core.rule import Effects, Policy, Requirement, Rule  # noqa: E402
from pointsman.core.signals import Needs, Signals, TokenCount, Tokens  # noqa: E402
from pointsman.core.snapshot import Route, Snapshot  # noqa: E402
from pointsman.estimators.prior import PriorEstimator  # noqa: E402
from pointsman.policy.cel import compile_condition  # noqa: E402
from pointsman.policy.gates import GATES  # noqa: E402
from pointsman.signals.extract import extract  # noqa: E402
from pointsman.testing import scripts  # noqa: E402
from pointsman.testing.voices import VOICES  # noqa: E402
from pointsman.upstream import health  # noqa: E402
from pointsman.wire import destinations  # noqa: E402
from pointsman.wire.explanation import explanation  # noqa: E402
from pointsman.wire.request import parse_request  # noqa: E402
from tools import build_api_docs, build_benchmarks, build_config_docs, build_figures, build_readme  # noqa: E402

DOCS = ROOT / "docs"
BY = "written by tools/build_docs.py"
BUILD_TOOLS = {"setuptools"}
"""What `pip install .` needs, and the gateway does not."""


def parts() -> dict[Path, Callable[[], str]]:
    """Every file with a generated part, and what gives its text as it should be."""
    return {
        DOCS / "configuration.md": lambda: build_config_docs.documented(_read(DOCS / "configuration.md")),
        build_config_docs.SCHEMA: schema_json.schema_text,
        DOCS / "cli.md": lambda: command_line(cli.parser()),
        DOCS / "architecture.md": lambda: _with("architecture.md", {"layers": layers()}),
        DOCS / "dependencies.md": lambda: _with("dependencies.md", {"counts": counts()}),
        DOCS / "http-api.md": lambda: _with("http-api.md", {"destinations": refused_fields()}),
        DOCS / "gates.md": lambda: _with("gates.md", {"sentences": gate_rows()}),
        DOCS / "execution.md": lambda: _with("execution.md", {"faults": fault_rows()}),
        DOCS / "apis.md": lambda: _with("apis.md", {"passing": build_api_docs.passing(), "losses": build_api_docs.losses()}),
        DOCS / "performance.md": lambda: _with(
            "performance.md",
            {
                "bounds": build_figures.bounds(),
                "profile": build_figures.profile(),
                "transports": build_figures.transports(),
                "overload": build_figures.overload(),
            },
        ),
        DOCS / "estimators.md": lambda: _with("estimators.md", {"decision": build_figures.learned_decision()}),
        DOCS / "benchmarks.md": lambda: _with("benchmarks.md", build_benchmarks.parts()),
        DOCS / "testing.md": lambda: _with("testing.md", {"scripts": script_rows()}),
        DOCS / "decision-record.md": lambda: _with("decision-record.md", {"example": record_example(_read(DOCS / "decision-record.md"))}),
        ROOT / "README.md": build_readme.readme_text,
    }


def is_current(path: Path) -> bool:
    """Whether a file is as it should be."""
    return path.exists() and _read(path) == parts()[path]()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _with(name: str, parts: Mapping[str, Iterable[str]]) -> str:
    """A page with parts of it made new."""
    page = _read(DOCS / name)
    for part, lines in parts.items():
        begin, end = f"<!-- {part}: {BY} -->", f"<!-- end of {part} -->"
        before, rest = page.split(begin)
        _, after = rest.split(end)
        body = "\n".join(lines).strip("\n")
        page = f"{before}{begin}\n\n{body}\n\n{end}{after}"
    return page


# The command line


def command_line(parser: argparse.ArgumentParser) -> str:
    """`docs/cli.md`. Not argparse's own text, which differs from one Python to the next."""
    (verbs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    purposes = {action.dest: action.help for action in verbs._choices_actions}
    lines = [*_head(), "| command | |", "|---|---|"]
    lines += [f"| [`{name}`](#pointsman-{name}) | {purpose} |" for name, purpose in purposes.items()]
    for name, sub in verbs.choices.items():
        lines += ["", *_verb(name, sub)]
    return "\n".join((*lines, "", *_variables(), ""))


def _head() -> Iterator[str]:
    yield "# Command line"
    yield ""
    yield f"<!-- {BY} from `pointsman.cli.parser()` -->"
    yield ""
    yield "```sh"
    yield "pointsman check                            # is the configuration right, and what could each route reach"
    yield 'pointsman explain "my text" --label pii    # which model would answer, and why, without calling any'
    yield "pointsman serve                            # start the gateway"
    yield "```"
    yield ""
    yield "Exit status: 0 well, 1 a finding, 2 a mistake in what was asked or configured, which is said on standard error."
    yield "`--json` prints what a program can read. `python -m pointsman` does the same as `pointsman`."
    yield ""


def _verb(name: str, parser: argparse.ArgumentParser, heading: str = "##") -> Iterator[str]:
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS]
    yield f"{heading} pointsman {name}"
    yield ""
    yield (parser.description or "").strip().replace("; 1 if ", "; exit status 1 if ")
    does = parser.get_default("run")
    if does is not None and "; 1 if " in does.__doc__:
        yield does.__doc__.replace("; 1 if ", "; exit status 1 if ")
    yield ""
    nested = next((action for action in actions if isinstance(action, argparse._SubParsersAction)), None)
    if nested is not None:
        yield from _nested(name, nested, f"{heading}#")
        return
    yield f"    {' '.join(('pointsman', name, *map(_usage, actions)))}"
    yield ""
    yield "| argument | |"
    yield "|---|---|"
    for action in actions:
        yield f"| `{_spelt(action)}` | {parser._get_formatter()._expand_help(action).replace('|', '/')} |"


def _nested(name: str, verbs: argparse._SubParsersAction[argparse.ArgumentParser], heading: str) -> Iterator[str]:
    """The commands of a command, each with its own arguments."""
    yield "| command | |"
    yield "|---|---|"
    for action in verbs._choices_actions:
        yield f"| [`{name} {action.dest}`](#pointsman-{name}-{action.dest}) | {action.help} |"
    for verb, parser in verbs.choices.items():
        yield ""
        yield from _verb(f"{name} {verb}", parser, heading)


def _usage(action: argparse.Action) -> str:
    return _spelt(action) if action.required and action.nargs != "*" else f"[{_spelt(action)}]"


def _spelt(action: argparse.Action) -> str:
    value = str(action.metavar or action.dest)
    if action.choices:
        value = f"{{{','.join(action.choices)}}}"
    elif action.option_strings and not action.metavar:
        value = value.upper()
    return " ".join((*action.option_strings[-1:], *(() if action.nargs == 0 else (value,))))


def _variables() -> Iterator[str]:
    providers = ", ".join(" or ".join(f"`{name}`" for name in provider.key_variables) for provider in PROVIDERS.values())
    own = "`serve`: a key of your own choice that is [root](keys.md#roles): it may do everything, so it is none for clients. "
    own += "Beyond loopback a weak one is refused"
    values = "[values from the environment](configuration.md#values-from-the-environment)"
    yield "## Environment"
    yield ""
    yield "| variable | |"
    yield "|---|---|"
    yield f"| `{KEY_VARIABLE}` | {own} |"
    yield f"| {providers} | `init`, and every command without a configuration file: adds models of that provider to the pool |"
    yield f"| `{native.VARIABLE}` | `0`: do without [the compiled core](architecture.md#the-compiled-core) |"
    yield f"| any other | as `${{NAME}}` in the configuration, see {values} |"


# Layers


def layers() -> Iterator[str]:
    """The import rule as import-linter checks it, and what each package says of itself."""
    (rule,) = (contract for contract in _contracts() if contract["type"] == "layers")
    yield "    " + " > ".join(layer for layer in rule["layers"] if layer != "__main__")
    yield ""
    yield "| package | | third-party imports |"
    yield "|---|---|---|"
    for name in (name.strip() for layer in rule["layers"] for name in layer.split("|")):
        trees = [ast.parse(_read(path)) for path in _files(name)]
        foreign = sorted({module for tree in trees for module in _imports(tree)} - sys.stdlib_module_names - {"pointsman"})
        if name != "__main__":
            yield f"| `{name}` | {(ast.get_docstring(trees[0]) or '').splitlines()[0]} | {', '.join(foreign) or 'none'} |"


def _contracts() -> list[dict[str, Any]]:
    contracts: list[dict[str, Any]] = tomllib.loads(_read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    return contracts


def _files(package: str) -> list[Path]:
    folder = ROOT / "src" / "pointsman" / package
    return [folder / "__init__.py", *sorted(folder.rglob("[!_]*.py"))] if folder.is_dir() else [folder.with_suffix(".py")]


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


# Dependencies


def counts() -> Iterator[str]:
    """How many distributions a user installs."""
    project = tomllib.loads(_read(ROOT / "pyproject.toml"))
    installed = set(re.findall(r"^([\w-]+)==", _read(ROOT / "requirements" / "run.txt"), re.MULTILINE))
    local = _names(project["project"]["optional-dependencies"]["local"]) | _names(project["dependency-groups"]["weights"])
    every = installed - BUILD_TOOLS
    yield f"{len(every - local)} distributions are installed for the gateway, {len(every)} with a local model."
    yield "`requirements/run.txt` names each with version and hash; beside them it holds"
    yield f"what builds the package: {_listed(sorted(installed & BUILD_TOOLS))}."


def _names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[^\w.-]", text)[0] for text in requirements}


# What clients may not say


def refused_fields() -> Iterator[str]:
    """Fields by which a body could choose where it goes."""
    yield "| where | names that are refused |"
    yield "|---|---|"
    yield f"| everywhere, also in `metadata` | {_listed(destinations.ADDRESSES)} |"
    yield f"| everywhere, but in `metadata` | {_listed(destinations.DESTINATIONS - destinations.ADDRESSES)} |"
    yield f"| everywhere, but in `metadata` | all that begin with {_listed(destinations._FAMILIES)} |"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


# What gates say


def gate_rows() -> Iterator[str]:
    """A row a gate: its kind, and a sentence that it really said."""
    said = {verdict.gate: verdict for verdict in (*_of_a_hopeless_model(), *_of_a_weak_model())}
    yield "| gate | kind | it says, for example |"
    yield "|---|---|---|"
    for name in gate_names():
        if name not in said:
            raise SystemExit(f"gate `{name}` said nothing: make the request or the model of `_of_a_hopeless_model` fail it as well")
        yield f"| [`{name}`](#{name}) | {said[name].kind} | {said[name].reason} |"


def gate_names() -> list[str]:
    """Every gate in the order in which it is asked; `health` is the snapshot's own."""
    return [*(gate.name for gate in GATES.standing), "health", *(gate.name for gate in (*GATES.request, *GATES.estimate))]


def _of_a_hopeless_model() -> tuple[Verdict, ...]:
    """What one model hears that fails every gate but those that need an estimate."""
    model = Model(
        "frontier",
        provider="acme",
        region="us",
        disabled="contract ended",
        tags=("trains_on_input",),
        capabilities=Capabilities(tools=False, json_mode=False, json_schema=False, parallel_tools=False, strict_tools=False),
        tokenizer="o200k",
        apis=("messages",),
        refuses=Refusals(("logprobs",)),
    )
    request = Request(
        "example",
        "auto",
        caller=Caller("team-a", models=("local-fast",), allowed_labels=("internal",)),
        images=2,
        tools=("search", "book", "pay"),
        response_format="json_schema",
        labels=("pii",),
        features=("audio", "logprobs"),
    )
    needs = Needs(tools=True, json_schema=True, vision=True, parallel_tools=True, strict_tools=True)
    dear = PremiumShare("few are hard", "key `team-a`", ("frontier",), used=80, most=80, over=200)
    signals = Signals(tokens=Tokens((TokenCount("o200k", 9_000, True),), 1_000), needs=needs, premium=(dear,))
    policies = (
        Policy("approved in production", require=Requirement(approved=True)),
        Policy("contracts", require=Requirement(provider=("openai", "mistral"))),
        Policy("withdrawn", forbid=Requirement(model=("frontier",))),
        Policy("regulated data stays inside", compile_condition('"pii" in labels'), Requirement(perimeter=("on_prem",))),
        Policy("stays in europe", require=Requirement(region=("eu", "ch"))),
        Policy("nobody trains on our prompts", forbid=Requirement(tags=("trains_on_input",))),
    )
    night = Rule("night shift", compile_condition("true"), Effects(exclude=("frontier",)))
    return _verdicts(model, request, signals, Route("auto", ("frontier",), (night,), unknown_price="refuse"), policies)


def _of_a_weak_model() -> tuple[Verdict, ...]:
    model = Model("frontier", quality={"general": Prior(0.8, evidence=50)}, price=Price(per_mtok(2), per_mtok(10)))
    route = Route("auto", ("frontier",), quality_floor=0.75, sla=Sla(500))
    return _verdicts(model, Request("example", "auto"), Signals(budget=Pressure(left_picousd=10**9)), route)


def _verdicts(model: Model, request: Request, signals: Signals, route: Route, policies: tuple[Policy, ...] = ()) -> tuple[Verdict, ...]:
    health = {"frontier": "5 of its last 6 calls failed"} if policies else {}
    took: Latencies = {("frontier", "whole", "general"): Measured(300, 950.0, (Sized(4_000, 143, 812.0),))}
    snapshot = Snapshot(
        "example", {model.id: model}, {"auto": route}, GATES, PriorEstimator([model]), policies, health=health, latencies=took
    )
    return decide(request, signals, snapshot, route, 0).candidates[0].verdicts


# What follows a failure


def fault_rows() -> Iterator[str]:
    """A row a class of failure: what it means, and what is done about it."""
    yield "| fault | what happened | the same model again | other models | counts against its health |"
    yield "|---|---|---|---|---|"
    for fault, meaning in re.findall(r"^\| `(\w+)` \| (.*) \|$", faults.__doc__ or "", re.MULTILINE):
        again = "after a wait" if fault in faults.RETRIED else "no"
        yield f"| `{fault}` | {meaning} | {again} | {_others(fault)} | {_against(fault)} |"


def _others(fault: str) -> str:
    if fault == "context_length":
        return "those of the chain with a larger context"
    return "only with a [chain of its own](#chains-for-single-faults)" if fault in faults.FINAL else "the rest of the chain"


def _against(fault: str) -> str:
    special = {
        "quota": "out of service at once",
        "rate_limit": "out until the time that was named, if one was",
        "unavailable": "no: nothing was asked",
    }
    counts = "yes" if fault in health.FAILURES else "no: the model works" if fault in health.SOUND else ""
    return special.get(fault) or counts


# What the fake upstream does


def script_rows() -> Iterator[str]:
    """A row a script, as the fake upstream lists them itself, and where it stands in a pair."""
    yield "| model | in a pair | what it does |"
    yield "|---|---|---|"
    for example, does in scripts.table():
        yield f"| `{example}` | {_in_a_pair(re.sub(r'-[0-9]+$', '', example))} | {does} |"


def _in_a_pair(name: str) -> str:
    return "first" if name in VOICES else "" if name in scripts.FAILURES or name == "error-html" else "second"


# A decision and what is kept of it

_ID = "dec_019aa9f2c1e07c5b1d0f7a3e64b29c85"
_ASKED = {
    "model": "auto",
    "messages": [{"role": "user", "content": "Summarise the letter of Mrs Jones in two sentences."}],
    "max_tokens": 120,
    "metadata": {"pointsman_labels": "phi"},
}


def record_example(page: str) -> Iterator[str]:
    """What the page's own configuration makes of one request: the records, and the explanation worked out from them."""
    decision, snapshot = _decided(re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0])
    outcome = _answered(decision, snapshot)
    yield "The record of kind `decision`:"
    yield from _json_block(to_builtins(record(decision)))
    yield "The record of kind `outcome`, one for each call:"
    yield from _json_block(to_builtins(outcome))
    yield "And the explanation that is worked out from them, here without `request`, `signals` and `calls`, which are as above:"
    explained = explanation(decision, snapshot, [outcome])
    yield from _json_block({name: value for name, value in explained.items() if name not in {"request", "signals", "calls"}})


def _decided(config_text: str) -> tuple[Decision, Snapshot]:
    config = load(config_text, "docs/decision-record.md", {})
    snapshot = snapshot_of(snapshot_body(config, load_catalogue(), date(2026, 11, 22)))
    request = parse_request(json.dumps(_ASKED).encode(), _ID, Caller("k3v7qd2maxwe"), {})
    return decide(
        request, extract(request, signal_settings(config, snapshot)), snapshot, snapshot.routes["auto"], 5_712_034_518_203_117
    ), snapshot


def _answered(decision: Decision, snapshot: Snapshot) -> Outcome:
    model = snapshot.models[str(decision.chosen)]
    usage = Usage(input_tokens=18, output_tokens=64)
    asked = Outcome(decision.request.id, 1, model.id, "ok", task=decision.ruling.task, http_status=200, finish_reason="stop")
    cost = cost_picousd(model.price, usage, 1.9) if model.price else None
    digest = hashlib.sha256(b"the answer").hexdigest()
    told = replace(asked, usage=usage, usage_source="reported", cost_picousd=cost, total_ms=1900.0)
    return replace(told, started_at_ns=1_763_793_160_123_456_789, answer_digest=digest)


def _json_block(value: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "```json"
    yield from _lines(value, "", 140)
    yield "```"
    yield ""


def _lines(value: Any, indent: str, width: int, name: str = "") -> Iterator[str]:
    """JSON in which whatever fits stands on one line."""
    whole = f"{indent}{name}{json.dumps(value, ensure_ascii=False)}"
    if not isinstance(value, (dict, list)) or (indent and len(whole) <= width):
        yield whole
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    items = list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]
    yield f"{indent}{name}{opening}"
    for at, (key, item) in enumerate(items, 1):
        *first, last = _lines(item, indent + "  ", width, "" if key is None else f"{json.dumps(key)}: ")
        yield from first
        yield last + ("," if at < len(items) else "")
    yield indent + closing


def main() -> int:
    """Write the files, or with `--check` name those that are not current."""
    if "--check" in sys.argv:
        found = [path for path in parts() if not is_current(path)]
        for path in found:
            print(f"{path.relative_to(ROOT)}: not current: run `python tools/build_docs.py`")
        return 1 if found else 0
    for path, text in parts().items():
        if not is_current(path):
            path.write_text(text(), encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
