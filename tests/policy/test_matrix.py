"""The table of what could be reached: a row for everybody whom policies tell apart, a column for every label."""

from __future__ import annotations

from pointsman.core.model import Model
from pointsman.core.rule import Policy, PolicyScope, Requirement
from pointsman.core.snapshot import Route
from pointsman.policy.matrix import ANY, ANYONE, BY_NAME, UNLABELLED, Cell, classes, grouped, matrix
from tests.worlds import snapshot

INSIDE, OUTSIDE = Model("inside", perimeter="on_prem"), Model("outside")
ON_PREM = Requirement(perimeter=("on_prem",))


def scoped(**scope: tuple[str, ...]) -> Policy:
    return Policy("p", None, ON_PREM, scope=PolicyScope(**scope))


def test_classes_are_those_that_scopes_name():
    world = snapshot([INSIDE], policies=(scoped(teams=("ml", "clinic"), orgs=("acme",)), scoped(keys=("k1",)), scoped(orgs=("acme", "b"))))
    alone = ["anyone", "org acme", "org b", "team clinic", "team ml", "key k1"]
    both = ["org acme and team ml", "org acme and team clinic"]
    assert [who.name for who in classes(world)] == [*alone, *both]
    promised = (None, PolicyScope(orgs=("b",), keys=("k1", "k2")), PolicyScope(routes=("auto",)))
    more = ["anyone", "org acme", "org b", "team clinic", "team ml", "key k1", "key k2", *both, "org b and key k1", "org b and key k2"]
    assert [who.name for who in classes(world, promised)] == more
    assert classes(snapshot([INSIDE])) == (ANYONE,)
    assert classes(snapshot([INSIDE], policies=(scoped(orgs=("",)),))) == (ANYONE,), "keys without an org: of the proof, whoever asks"


def test_whoever_a_scope_combines_has_a_row_of_his_own():
    world = snapshot([INSIDE, OUTSIDE], policies=(scoped(orgs=("acme",), teams=("clinic",)),))
    found = {cell.who: cell.models for cell in matrix(world, classes(world)) if (cell.route, cell.label) == ("auto", UNLABELLED)}
    both = ("inside", "outside")
    assert found == {"anyone": both, "org acme": both, "team clinic": both, "org acme and team clinic": ("inside",)}


def test_rows_that_say_the_same_stand_together():
    said = [("a", "x", "m"), ("a", "y", "m"), ("b", "x", "m"), ("b", "y", "m"), ("c", "x", "m"), ("c", "y", "n")]
    rows = grouped(Cell(route, label, who, (model,)) for route, label, model in said for who in ("p", "q"))
    assert rows == [
        (("a", "b"), (ANY,), ("p", "q"), ("m",)),
        (("c",), ("x",), ("p", "q"), ("m",)),
        (("c",), ("y",), ("p", "q"), ("n",)),
    ]


def test_every_route_and_every_label_has_its_cell():
    world = snapshot([INSIDE, OUTSIDE], Route("a", ("inside",)), Route("b", ("outside",)), labels=frozenset({"patient"}))
    cells = list(matrix(world, (ANYONE,)))
    labels = {UNLABELLED, "credential", "financial", "phi", "pii", "secret", "patient", "public", "internal", "confidential", "restricted"}
    assert {(cell.route, cell.label) for cell in cells} == {(route, label) for route in ("a", "b", BY_NAME) for label in labels}
    assert len(cells) == 3 * len(labels)


def test_whoever_a_policy_is_for_has_a_row_of_his_own():
    world = snapshot([INSIDE, OUTSIDE], policies=(scoped(teams=("clinic",)), scoped(routes=("auto",), keys=("k1",))))
    found = {(cell.route, cell.who): cell.models for cell in matrix(world, classes(world)) if cell.label == UNLABELLED}
    both = ("inside", "outside")
    assert found == {
        ("auto", "anyone"): both,
        ("auto", "team clinic"): ("inside",),
        ("auto", "key k1"): ("inside",),
        (BY_NAME, "anyone"): both,
        (BY_NAME, "team clinic"): ("inside",),
        (BY_NAME, "key k1"): both,
    }
