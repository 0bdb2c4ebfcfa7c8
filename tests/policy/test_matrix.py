"""The table of what could be reached: a row for everybody whom policies tell apart, a column for every label."""

from __future__ import annotations

from pointsman.core.model import Model
from pointsman.core.rule import Policy, PolicyScope, Requirement
from pointsman.core.snapshot import Route
from pointsman.policy.matrix import ANYONE, BY_NAME, UNLABELLED, classes, matrix
from tests.worlds import snapshot

INSIDE, OUTSIDE = Model("inside", perimeter="on_prem"), Model("outside")
ON_PREM = Requirement(perimeter=("on_prem",))


def scoped(**scope: tuple[str, ...]) -> Policy:
    return Policy("p", None, ON_PREM, scope=PolicyScope(**scope))


def test_classes_are_those_that_scopes_name():
    world = snapshot([INSIDE], policies=(scoped(teams=("ml", "clinic"), orgs=("acme",)), scoped(keys=("k1",)), scoped(orgs=("acme", "b"))))
    assert [who.name for who in classes(world)] == ["anyone", "org acme", "org b", "team clinic", "team ml", "key k1"]
    assert classes(snapshot([INSIDE])) == (ANYONE,)


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
