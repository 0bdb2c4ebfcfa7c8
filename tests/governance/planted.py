"""Twenty-odd configurations that look as if they kept their promise, and do not; each beside its mended twin.

A hole is written as what the twin says instead: the configuration with `wrong` in place of `right`.
"""

from __future__ import annotations

from dataclasses import dataclass

INSIDE = 'provider: openai-compatible, base_url: "http://127.0.0.1:9/v1", perimeter: on_prem, region: eu, approved: true, tags: [soc2]'
OUTSIDE = 'provider: openai-compatible, base_url: "http://127.0.0.1:9/v2", perimeter: external, region: us'
POOL = f"models:\n  - {{id: inside, {INSIDE}}}\n  - {{id: outside, {OUTSIDE}}}\n"
STAYS = "promises:\n  - {name: kept, labels: [pii], only: {perimeter: [on_prem]}}\n"
ALWAYS = "promises:\n  - {name: kept, only: {perimeter: [on_prem]}}\n"
POLICY = "policies:\n  - {name: stays, when: '\"pii\" in labels', require: {perimeter: [on_prem]}}\n"
AUTO = "routes: {auto: {}}\n"


@dataclass(frozen=True)
class Planted:
    """A hole. `said`: what `pointsman check --matrix` says of it, besides that the promise is broken or a policy is turned off."""

    name: str
    text: str
    right: str
    wrong: str
    said: str

    @property
    def hole(self) -> str:
        assert self.text.count(self.right) == 1, self.name
        return "version: 1\n" + self.text.replace(self.right, self.wrong)

    @property
    def mended(self) -> str:
        return "version: 1\n" + self.text


HOLES = [
    Planted(
        "a policy that a stricter label turns off",
        POOL + POLICY + AUTO,
        "'\"pii\" in labels'",
        '\'"pii" in labels && !("restricted" in labels)\'',
        "policy `stays` is turned off by more labels: it applies with pii, not once `restricted` is added",
    ),
    Planted(
        "a policy for one exact set of labels",
        POOL + POLICY + STAYS + AUTO,
        "'\"pii\" in labels'",
        "'labels == [\"pii\"]'",
        "policy `stays` is turned off by more labels: it applies with pii, not once `confidential` is added",
    ),
    Planted(
        "a policy that counts labels",
        POOL + POLICY + STAYS + AUTO,
        "'\"pii\" in labels'",
        "'\"pii\" in labels && size(labels) < 20'",
        "promise `kept` is broken on `auto` for anyone: `outside` is within reach",
    ),
    Planted(
        "a policy that a word of the client's turns off",
        POOL + POLICY + STAYS + AUTO,
        "'\"pii\" in labels'",
        '\'"pii" in labels && !labels.exists(l, l.startsWith("anonymised"))\'',
        "promise `kept` is broken on `auto` for anyone: `outside` is within reach",
    ),
    Planted(
        "a scope without the models that can be asked for by name",
        POOL + "policies:\n  - {name: stays, require: {perimeter: [on_prem]}, scope: {routes: [auto, inside, outside]}}\n" + ALWAYS + AUTO,
        "[auto, inside, outside]",
        "[auto]",
        "promise `kept` is broken on `(a model by name)` for anyone: `outside` is within reach",
    ),
    Planted(
        "a scope that misses a route",
        POOL
        + "policies:\n  - {name: stays, require: {perimeter: [on_prem]}, scope: {routes: [auto, batch]}}\n"
        + "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {routes: [auto, batch]}}\n"
        + "routes: {auto: {}, batch: {}}\n",
        "on_prem]}, scope: {routes: [auto, batch]}}\npromises",
        "on_prem]}, scope: {routes: [auto]}}\npromises",
        "promise `kept` is broken on `batch` for anyone",
    ),
    Planted(
        "a policy for a team, a promise for everybody",
        POOL + "policies:\n  - {name: stays, require: {perimeter: [on_prem]}, scope: {teams: [clinic]}}\n"
        "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {teams: [clinic]}}\n" + AUTO,
        "on_prem]}, scope: {teams: [clinic]}}\nroutes",
        "on_prem]}}\nroutes",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a policy for a team of one org, a promise for every team of that name",
        POOL + "policies:\n  - {name: stays, require: {perimeter: [on_prem]}, scope: {orgs: [acme], teams: [clinic]}}\n"
        "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {orgs: [acme], teams: [clinic]}}\n" + AUTO,
        "on_prem]}, scope: {orgs: [acme], teams: [clinic]}}\nroutes",
        "on_prem]}, scope: {teams: [clinic]}}\nroutes",
        "promise `kept` is broken on `auto` for team clinic",
    ),
    Planted(
        "a policy for keys without an org, which is not said of a team's keys",
        POOL + "policies:\n  - {name: stays, require: {perimeter: [on_prem]}, scope: {teams: [clinic]}}\n"
        "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {teams: [clinic]}}\n" + AUTO,
        "require: {perimeter: [on_prem]}, scope: {teams: [clinic]}",
        "require: {perimeter: [on_prem]}, scope: {teams: [clinic], orgs: ['']}",
        "promise `kept` is broken on `auto` for team clinic",
    ),
    Planted(
        "a condition that cannot be evaluated, and fails open",
        POOL + "policies:\n  - {name: stays, when: 'labels[0] != \"\"', require: {perimeter: [on_prem]}}\n"
        "  - {name: always, require: {perimeter: [on_prem]}}\n" + ALWAYS + AUTO,
        "  - {name: always, require: {perimeter: [on_prem]}}\n",
        "  - {name: open, when: 'labels[0] != \"\"', fail: open, require: {perimeter: [on_prem]}}\n",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a condition over metadata, which the client fills in",
        POOL + POLICY + STAYS + AUTO,
        "'\"pii\" in labels'",
        "'\"patient\" in metadata'",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a condition over the task, which the client declares",
        POOL + POLICY + STAYS + AUTO,
        "'\"pii\" in labels'",
        '\'"pii" in labels && task != "chat"\'',
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a condition over a word list: other words say the same",
        POOL
        + "keywords: {names: [bluebird]}\nrules:\n  - {name: marked, when: '\"names\" in signals.keywords', labels: [pii]}\n"
        + POLICY
        + STAYS
        + AUTO,
        "labels: [pii], only",
        "only",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a fallback that leads outside",
        POOL + "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {routes: [auto]}}\n"
        "routes: {auto: {models: [inside], fallback: [inside]}}\n",
        "fallback: [inside]",
        "fallback: [outside]",
        "promise `kept` is broken on `auto` for anyone: `outside` is within reach",
    ),
    Planted(
        "a chain for one class of failure that leads outside",
        POOL + "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {routes: [auto]}}\n"
        "routes: {auto: {models: [inside], fallback: [inside], fallback_on: {content_filter: [inside]}}}\n",
        "content_filter: [inside]",
        "content_filter: [outside]",
        "promise `kept` is broken on `auto` for anyone: `outside` is within reach",
    ),
    Planted(
        "a hedge that asks a second model outside",
        POOL + "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {routes: [auto]}}\n"
        "routes: {auto: {models: [inside], plan: hedge}}\n",
        "models: [inside]",
        "models: [inside, outside]",
        "promise `kept` is broken on `auto` for anyone: `outside` is within reach",
    ),
    Planted(
        "a rule's requirement taken for a policy",
        POOL + POLICY + STAYS + AUTO,
        "policies:\n  - {name: stays, when: '\"pii\" in labels', require: {perimeter: [on_prem]}}\n",
        "rules:\n  - {name: stays, when: '\"pii\" in labels', require: {perimeter: [on_prem]}}\n",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a provider forbidden, while another one is as far outside",
        POOL + f"  - {{id: other, {OUTSIDE.replace('openai-compatible', 'acme')}}}\n"
        "policies:\n  - {name: no acme, forbid: {provider: [acme]}}\n  - {name: stays, forbid: {perimeter: [external]}}\n" + ALWAYS + AUTO,
        "  - {name: stays, forbid: {perimeter: [external]}}\n",
        "",
        "promise `kept` is broken on `auto` for anyone: `outside` is within reach",
    ),
    Planted(
        "a model forbidden by name, while a copy of it has another",
        POOL + f"  - {{id: copy, model: outside, {OUTSIDE}}}\n"
        "policies:\n  - {name: stays, forbid: {model: [outside, copy]}}\n" + ALWAYS + AUTO,
        "[outside, copy]",
        "[outside]",
        "promise `kept` is broken on `auto` for anyone: `copy` is within reach",
    ),
    Planted(
        "a model that does not state its region, where only one region is forbidden",
        POOL.replace(", region: us", "") + "policies:\n  - {name: stays, require: {region: [eu]}}\n"
        "promises:\n  - {name: kept, only: {region: [eu]}}\n" + AUTO,
        "require: {region: [eu]}",
        "forbid: {region: [us]}",
        "region is not stated",
    ),
    Planted(
        "a tag that a model lacks, where only another tag is forbidden",
        POOL + "policies:\n  - {name: certified, require: {tags: [soc2]}}\npromises:\n  - {name: kept, only: {tags: [soc2]}}\n" + AUTO,
        "require: {tags: [soc2]}",
        "forbid: {tags: [trains_on_input]}",
        "lacks soc2",
    ),
    Planted(
        "a level that is taken to imply a kind",
        POOL + POLICY + STAYS + AUTO,
        "'\"pii\" in labels'",
        "'\"confidential\" in labels'",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a kind that is taken to imply another",
        POOL + POLICY.replace('"pii" in labels', 'labels.exists(l, l in ["pii", "phi"])') + STAYS.replace("[pii]", "[phi]") + AUTO,
        'labels.exists(l, l in ["pii", "phi"])',
        'labels.exists(l, l in ["pii"])',
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a label misspelt within a pattern, where no slip is found",
        POOL + POLICY + STAYS + AUTO,
        "'\"pii\" in labels'",
        "'labels.exists(l, l.startsWith(\"ppi\"))'",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a label of one's own that the condition forgets",
        POOL
        + "labels: [patient]\n"
        + POLICY.replace("'\"pii\" in labels'", '\'labels.exists(l, l == "pii" || l == "patient")\'')
        + STAYS.replace("[pii]", "[patient]")
        + AUTO,
        'labels.exists(l, l == "pii" || l == "patient")',
        '"pii" in labels',
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a model that was switched off, and is on again",
        POOL.replace("perimeter: external", "perimeter: external, disabled: under review") + ALWAYS + AUTO,
        ", disabled: under review",
        "",
        "promise `kept` is broken on `auto` for anyone: `outside` is within reach",
    ),
    Planted(
        "a model added later, to a pool whose routes take all of it",
        f"models:\n  - {{id: inside, {INSIDE}}}\n# here\n" + ALWAYS + AUTO,
        "# here\n",
        f"  - {{id: newcomer, {OUTSIDE}}}\n",
        "promise `kept` is broken on `auto` for anyone: `newcomer` is within reach",
    ),
    Planted(
        "a route that lacks its label",
        POOL
        + POLICY
        + "promises:\n  - {name: kept, only: {perimeter: [on_prem]}, scope: {routes: [clinic]}}\nroutes: {clinic: {labels: [pii]}}\n",
        "{labels: [pii]}",
        "{}",
        "promise `kept` is broken on `clinic` for anyone",
    ),
    Planted(
        "a key's own list of models taken for a policy",
        POOL + "policies:\n  - {name: stays, require: {model: [inside]}, scope: {keys: [k1]}}\n"
        "promises:\n  - {name: kept, only: {model: [inside]}, scope: {keys: [k1]}}\n" + AUTO,
        "policies:\n  - {name: stays, require: {model: [inside]}, scope: {keys: [k1]}}\n",
        "",
        "promise `kept` is broken on `auto` for key k1",
    ),
    Planted(
        "a policy for one key, a promise for two",
        POOL + "policies:\n  - {name: stays, require: {model: [inside]}, scope: {keys: [k1, k2]}}\n"
        "promises:\n  - {name: kept, only: {model: [inside]}, scope: {keys: [k1, k2]}}\n" + AUTO,
        "inside]}, scope: {keys: [k1, k2]}}\npromises",
        "inside]}, scope: {keys: [k1]}}\npromises",
        "promise `kept` is broken on `auto` for key k2",
    ),
    Planted(
        "a perimeter under another word",
        POOL.replace("perimeter: external", "perimeter: saas") + "policies:\n  - {name: stays, forbid: {perimeter: [external, saas]}}\n"
        "promises:\n  - {name: kept, never: {perimeter: [external, saas]}}\n" + AUTO,
        "forbid: {perimeter: [external, saas]}",
        "forbid: {perimeter: [external]}",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a model that is not approved",
        POOL + "policies:\n  - {name: approved, require: {approved: true}}\npromises:\n  - {name: kept, only: {approved: true}}\n" + AUTO,
        "  - {name: approved, require: {approved: true}}\n",
        "  - {name: approved, when: key.role == 'caller', require: {approved: true}}\n",
        "promise `kept` is broken on `auto` for anyone",
    ),
    Planted(
        "a route that no model may answer",
        POOL + "policies:\n  - {name: stays, require: {perimeter: [on_prem]}}\nroutes: {auto: {}, far: {models: [outside, inside]}}\n",
        "[outside, inside]",
        "[outside]",
        "route `far`: no model may ever answer it",
    ),
]

REFUSED = {
    "a label misspelt": (POOL + POLICY.replace("pii", "ppi") + AUTO, "`ppi` is not a known label; did you mean `pii`?"),
    "a promise about a label that nobody defined": (
        POOL + POLICY + STAYS.replace("[pii]", "[personal]") + AUTO,
        "promises[0].labels[0]: 8:27: unknown label `personal`",
    ),
    "a word list that does not exist": (
        POOL + "rules:\n  - {when: '\"nmaes\" in signals.keywords', labels: [pii]}\nkeywords: {names: [x]}\n" + AUTO,
        "unknown word list `nmaes`; did you mean `names`?",
    ),
    "a word list that does not exist, by index": (
        POOL + 'rules:\n  - {when: \'"nmaes" in signals["keywords"]\', labels: [pii]}\nkeywords: {names: [x]}\n' + AUTO,
        "unknown word list `nmaes`; did you mean `names`?",
    ),
    "a word list that does not exist, in a macro": (
        POOL + "rules:\n  - {when: 'signals.keywords.exists(k, k == \"typo\")', labels: [pii]}\n" + AUTO,
        "unknown word list `typo`: define it under `keywords`",
    ),
    "a role that does not exist": (
        POOL + "policies:\n  - {name: p, when: key.role == 'calller', require: {perimeter: [on_prem]}}\n" + AUTO,
        "unknown role `calller`; did you mean `caller`?",
    ),
    "a label misspelt beside something else": (
        POOL + POLICY.replace("'\"pii\" in labels'", "'\"ppi\" in labels && tokens.input > 9'") + AUTO,
        "unknown label `ppi`; did you mean `pii`?",
    ),
    "a signal that does not exist, in a policy that fails open": (
        POOL + 'policies:\n  - {name: p, fail: open, when: \'signals["taks"] == "x"\', require: {perimeter: [on_prem]}}\n' + AUTO,
        "unknown field `signals.taks`; did you mean `signals.task`?",
    ),
    "a scope for a route that does not exist": (
        POOL + "policies:\n  - {name: p, require: {perimeter: [on_prem]}, scope: {routes: [autp]}}\n" + AUTO,
        "no route or model `autp`; did you mean `auto`?",
    ),
    "a scope for nobody": (
        POOL + "policies:\n  - {name: p, require: {perimeter: [on_prem]}, scope: {teams: []}}\n" + AUTO,
        "is empty: nobody would be meant",
    ),
    "a scope that says nothing": (
        POOL + "policies:\n  - {name: p, require: {perimeter: [on_prem]}, scope: {}}\n" + AUTO,
        "policies[0].scope: 6:48: says nothing",
    ),
    "a promise that promises nothing": (
        POOL + "promises:\n  - {name: p, labels: [pii]}\n" + AUTO,
        "promises[0]: 6:5: has neither `only` nor `never`: it would promise nothing",
    ),
    "a policy that fails in another way": (
        POOL + "policies:\n  - {name: p, require: {perimeter: [on_prem]}, fail: opne}\n" + AUTO,
        "policies[0].fail: 6:54: expected `closed` or `open`, got `opne`",
    ),
}
"""What is no hole, because no such configuration is read at all: by name, its text and what is said."""
