"""What `sensitivity` may say, what it may not, and when it is on by itself."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from pointsman.build.snapshot import snapshot_body, snapshot_of
from pointsman.catalogue.prices import load as load_catalogue
from pointsman.config.load import load, warnings
from pointsman.config.schema import Config
from pointsman.config.sensitivity import detection, known_labels
from pointsman.errors import ConfigError
from pointsman.signals.sensitivity.known import KNOWN_RECOGNISERS

MODEL = {"id": "m", "provider": "p", "base_url": "http://h/v1"}
BADGE = {"name": "badge", "kind": "hr", "pattern": r"\bE-([0-9]{6})\b"}
INSIDE = {"require": {"perimeter": ["on_prem"]}}


def config(**fields: object) -> Config:
    return load(json.dumps({"version": 1, "models": [MODEL], "routes": {}, **fields}), "x", {})


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {"recognisers": [{**BADGE, "pattern": "("}]},
            "sensitivity.recognisers[0].pattern: .*recogniser `badge`: the pattern is not one of RE2",
        ),
        ({"recognisers": [{**BADGE, "pattern": r"(?<=a)b"}]}, "sensitivity.recognisers[0].pattern: .*not one of RE2"),
        ({"recognisers": [{**BADGE, "pattern": "x*"}]}, "sensitivity.recognisers[0].pattern: .*matches the empty text"),
        ({"recognisers": [{**BADGE, "check": "lunh"}]}, "sensitivity.recognisers[0].check: .*unknown check `lunh`"),
        ({"recognisers": [{**BADGE, "check": "stdnum:no.such"}]}, "unknown check `stdnum:no.such`"),
        ({"recognisers": [{**BADGE, "kind": "a b"}]}, "sensitivity.recognisers[0].kind: .*`a b` is not a name"),
        ({"recognisers": [{**BADGE, "kind": "unsearched"}]}, "is kept for texts that were not wholly searched"),
        ({"recognisers": [{**BADGE, "context": [" "]}]}, r"sensitivity.recognisers\[0\].context\[0\]: .*is blank"),
        ({"recognisers": [BADGE, BADGE]}, r"sensitivity.recognisers\[1\].name: .*`badge` also names recognisers\[0\]"),
        ({"recognisers": [{**BADGE, "name": "email"}]}, "`email` ships already"),
        ({"off": ["emial"]}, r"sensitivity.off\[0\]: .*no recogniser `emial` ships; did you mean `email`"),
        ({"mask": {"kinds": ["pij"]}}, r"sensitivity.mask.kinds\[0\]: .*no recogniser finds `pij`; did you mean `pii`"),
        ({"mask": {"kinds": ["pii"], "perimeters": []}}, "sensitivity.mask.perimeters: .*is empty"),
        ({"detect": "off", "mask": {"kinds": ["pii"]}}, "`detect` is `off`: what is not found cannot be masked"),
        ({"detect": "maybe"}, "sensitivity.detect: "),
        ({"most_chars": 0}, "sensitivity.most_chars: "),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(said, problem):
    with pytest.raises(ConfigError, match=problem.replace("[0].", r"\[0\].")):
        config(sensitivity=said)


@pytest.mark.parametrize(
    ("said", "warned"),
    [
        ({"recognisers": [{**BADGE, "alone": 0.6}]}, "sensitivity.recognisers[0].alone: is for recognisers with `context`"),
        ({"recognisers": [{**BADGE, "confidence": 0.2}]}, "sensitivity.recognisers[0].confidence: is below `least_confidence` (0.5)"),
        ({"detect": "off", "recognisers": [BADGE]}, "sensitivity.recognisers: `detect` is `off`"),
        ({"mask": {"perimeters": ["vpc"]}}, "sensitivity.mask.perimeters: nothing is masked without `kinds`"),
        ({"mask": {"kinds": ["pii"], "perimeters": ["extrenal"]}}, "sensitivity.mask.perimeters[0]: no model has perimeter `extrenal`"),
    ],
)
def test_what_has_no_effect_is_pointed_out(said, warned):
    assert any(str(problem).startswith(warned) for problem in warnings(config(sensitivity=said)))


def test_a_shipped_recogniser_can_be_replaced_by_ones_own():
    said = {"recognisers": [{**BADGE, "name": "email"}], "off": ["email"]}
    assert not [problem for problem in warnings(config(sensitivity=said)) if problem.path[0] == "sensitivity"]


def test_the_label_for_what_was_not_searched_cannot_be_made_harmless():
    with pytest.raises(ConfigError, match=r"labels\[0\]: .*`unsearched` is kept"):
        config(labels=["unsearched"])


def test_kinds_of_ones_own_are_labels_everywhere():
    made = config(
        sensitivity={"recognisers": [BADGE, {**BADGE, "name": "desk", "kind": "pii"}]},
        labels=["draft"],
        policies=[{"name": "p", "when": '"hr" in labels', **INSIDE}],
        promises=[{"name": "q", "labels": ["hr"], "only": {"perimeter": ["on_prem"]}}],
    )
    assert {"hr", "draft", "pii"} <= known_labels(made)
    snapshot = snapshot_of(snapshot_body(made, load_catalogue(), date(2026, 1, 31)))
    assert snapshot.labels == {"hr", "draft"}
    assert not [problem for problem in warnings(made) if problem.path[0] in ("policies", "promises")]


def policy(when: str) -> dict[str, object]:
    return {"policies": [{"name": "p", "when": when, **INSIDE}]}


@pytest.mark.parametrize(
    ("fields", "on", "why"),
    [
        ({}, False, "no condition and no promise reads a label"),
        (policy('"pii" in labels'), True, "policy `p` reads `pii` in the labels"),
        (policy("labels.exists(l, l in ['internal', 'phi'])"), True, "policy `p` reads `phi` in the labels"),
        (policy("size(labels) > 0"), True, "policy `p` reads the labels"),
        (policy("labels.exists(l, l.startsWith('fin'))"), True, "policy `p` reads `fin` in the labels"),
        (policy("labels.exists(l, l.matches('^(pii|x)$'))"), True, "policy `p` reads `^(pii|x)$` in the labels"),
        (policy('"restricted" in labels'), False, "no condition"),
        (policy('task == "x" && ("restricted" in labels || "confidential" in labels)'), False, "no condition"),
        (policy("labels.exists(l, l in ['internal', 'restricted'])"), True, "policy `p` reads the labels"),
        (policy("labels.exists(l, !(l in ['public', 'internal']))"), True, "policy `p` reads the labels"),
        (policy("labels.all(l, l == 'public')"), True, "policy `p` reads the labels"),
        (policy('!("internal" in labels)'), True, "policy `p` reads the labels"),
        (policy('("internal" in labels) == false'), True, "policy `p` reads the labels"),
        (policy('"internal" in labels ? false : true'), True, "policy `p` reads the labels"),
        (policy('(task == "x" && "internal" in labels) != true'), True, "policy `p` reads the labels"),
        (policy('"internal" in labels && size(labels) == 2'), True, "policy `p` reads the labels"),
        (policy('task == "pii"'), False, "no condition"),
        (policy('metadata.labels == "pii"'), False, "no condition"),
        ({"rules": [{"when": '"secret" in labels', "task": "t"}]}, True, "rule `rule 1` reads `secret`"),
        (
            {"routes": {"auto": {"rules": [{"name": "r", "when": '"secret" in labels', "task": "t"}]}}},
            True,
            "rule `r` of route `auto` reads",
        ),
        ({"promises": [{"name": "q", "labels": ["pii"], "never": {"perimeter": ["moon"]}}]}, True, "promise `q` is about `pii`"),
        ({"promises": [{"name": "q", "labels": ["internal"], "never": {"perimeter": ["moon"]}}]}, False, "no condition"),
        ({"sensitivity": {"mask": {"kinds": ["pii"]}}}, True, "`sensitivity.mask` asks for it"),
        ({"sensitivity": {"detect": "on"}}, True, "`sensitivity.detect` is `on`"),
        ({**policy('"pii" in labels'), "sensitivity": {"detect": "off"}}, False, "`sensitivity.detect` is `off`"),
        ({**policy('"hr" in labels'), "labels": ["hr"]}, False, "no condition"),
        ({**policy('"hr" in labels'), "sensitivity": {"recognisers": [BADGE]}}, True, "policy `p` reads `hr`"),
    ],
)
def test_detection_is_on_where_something_depends_on_it(fields, on, why):
    found = detection(config(**fields))
    assert found.on is on
    assert found.why.startswith(why)


def test_the_manual_names_every_recogniser_that_ships():
    page = (Path(__file__).parents[2] / "docs" / "sensitivity.md").read_text()
    section = page.split("### Those that ship\n")[1].split("\n### ")[0]
    documented = {kind: set(re.findall(r"`(\w+)`", names)) for kind, names in re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)}
    shipped: dict[str, set[str]] = {}
    for one in KNOWN_RECOGNISERS:
        shipped.setdefault(one.kind, set()).add(one.name)
    assert documented == shipped
