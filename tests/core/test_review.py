"""What may be done with a ticket, by whom, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.answer import Answer
from pointsman.core.codec import from_json, to_json
from pointsman.core.request import Caller, ToolCall
from pointsman.core.review import (
    ENDED,
    REVIEWS,
    STATES,
    TIMEKEEPER,
    Action,
    Contents,
    Proposal,
    Resolution,
    Ticket,
    act,
    may_see,
    require_sight,
    resolve,
)
from pointsman.core.role import STANDINGS
from pointsman.errors import Failure, Forbidden, NotFound, PointsmanError, ReviewConflict
from tests.tickets import ADMIN, ANSWER, CONTENTS, DUE_NS, NOW_NS, OTHER, REVIEWER, ticket
from tests.worlds import LABELS, ORGS, TEAMS, subset

DEEDS = ("claim", "release", "answer", "approve", "edit", "reject", "expire")
CALL = ToolCall("c1", "refund", "{}")


BARRED = replace(CONTENTS, proposals=tuple(replace(each, barred="refusal") for each in CONTENTS.proposals))


def action(deed: str) -> Action:
    return Action(deed, text="words" if deed in ("answer", "edit") else "")  # type: ignore[arg-type]


TABLE = {
    # (state, whose) -> what each deed makes of it; None: a conflict
    ("open", ""): {
        "claim": "claimed", "release": "open", "answer": "answered", "approve": "approved", "edit": "approved", "reject": "rejected",
    },
    ("claimed", REVIEWER.key): {
        "claim": "claimed", "release": "open", "answer": "answered", "approve": "approved", "edit": "approved", "reject": "rejected",
    },
    ("claimed", OTHER.key): dict.fromkeys(("claim", "answer", "approve", "edit", "reject")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("stands", "deed", "then"), [(stands, deed, then) for stands, deeds in TABLE.items() for deed, then in deeds.items()]
)
def test_each_deed_makes_of_each_state_what_the_table_says(stands, deed, then):
    before = ticket(state=stands[0], assignee=stands[1])
    if then is None:
        with pytest.raises(ReviewConflict, match=f"claimed by `{OTHER.key}`"):
            act(before, action(deed), REVIEWER, NOW_NS)
        return
    after = act(before, action(deed), REVIEWER, NOW_NS)
    assert after.state == then
    assert after.version == before.version + (after != before)
    assert after.assignee == ("" if then == "open" else REVIEWER.key)


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize("deed", DEEDS)
def test_what_has_ended_stays_so(state, deed):
    for now_ns in (NOW_NS, DUE_NS):
        with pytest.raises(ReviewConflict, match=f"it is {state}"):
            act(ticket(state=state), action(deed), ADMIN, now_ns)


@pytest.mark.parametrize("deed", DEEDS)
def test_up_to_the_deadline_people_decide_and_from_then_on_nobody(deed):
    before = ticket()
    people = deed != "expire"
    allowed, refused = (DUE_NS - 1, DUE_NS) if people else (DUE_NS, DUE_NS - 1)
    act(before, action(deed), ADMIN, allowed)
    with pytest.raises(ReviewConflict, match="its time was over" if people else "not due yet"):
        act(before, action(deed), ADMIN, refused)


def test_a_claim_is_given_up_by_who_has_it_or_an_admin():
    claimed = act(ticket(), Action("claim"), REVIEWER, NOW_NS)
    with pytest.raises(Forbidden, match="an admin, may release it"):
        act(claimed, Action("release"), OTHER, NOW_NS)
    for by in (REVIEWER, ADMIN):
        assert act(claimed, Action("release"), by, NOW_NS).assignee == ""


@pytest.mark.parametrize(
    ("before", "given", "says"),
    [
        (ticket(), Action("answer", text=" \n"), "wants the answer"),
        (ticket(), Action("edit"), "wants the answer"),
        (ticket(offered=()), Action("approve"), "has no answer to approve"),
        (ticket(offered=()), Action("edit", text="x"), "has no answer to edit"),
        (ticket(), Action("approve", call=3), "no answer of call 3"),
    ],
)
def test_who_decides_has_to_say_what(before, given, says):
    with pytest.raises(ReviewConflict, match=says):
        act(before, given, REVIEWER, NOW_NS)


@pytest.mark.parametrize("role", sorted(REVIEWS))
@pytest.mark.parametrize("deed", [deed for deed in DEEDS if deed != "expire"])
def test_who_asked_does_not_decide_unless_it_runs_the_gateway(role, deed):
    asker = Caller("k_1", role=role)
    if role == "root":
        act(ticket(key="k_1"), action(deed), asker, NOW_NS)
        return
    with pytest.raises(Forbidden, match="somebody else has to decide it"):
        act(ticket(key="k_1"), action(deed), asker, NOW_NS)
    act(ticket(key="k_2"), action(deed), asker, NOW_NS)


@pytest.mark.parametrize(("preferred", "best"), [(0, 2), (1, 1), (2, 2), (9, 2)])
def test_the_best_answer_is_the_one_that_the_plan_would_give_and_else_the_likeliest(preferred, best):
    assert ticket(preferred=preferred).best == best
    assert ticket(preferred=preferred, offered=()).best == 0


@pytest.mark.parametrize(("given", "now_ns"), [(Action("reject"), NOW_NS + 5), (Action("expire"), DUE_NS + 5)])
def test_a_ticket_tells_when_it_ended(given, now_ns):
    assert act(ticket(), given, TIMEKEEPER, now_ns).ended_at_ns == now_ns
    assert act(ticket(), Action("claim"), REVIEWER, NOW_NS).ended_at_ns == 0


def test_calls_of_tools_are_an_answer():
    done = act(ticket(offered=()), given := Action("answer", tool_calls=(CALL,)), REVIEWER, NOW_NS)
    assert resolve(done, given, None, REVIEWER) == Resolution("answered", tool_calls=(CALL,), by="rita")


# What comes of it


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Action("approve"), Resolution("approved", ANSWER, by="rita", call=2, model="large")),
        (Action("approve", call=1), Resolution("approved", "perhaps a cold, Quagmire", by="rita", call=1, model="small")),
        (Action("edit", text="flu"), Resolution("approved", "flu", by="rita", edited=True, call=2, model="large")),
        (Action("edit", text=ANSWER), Resolution("approved", ANSWER, by="rita", call=2, model="large")),
        (Action("answer", text="flu", note="called them"), Resolution("answered", "flu", by="rita", note="called them")),
        (Action("reject", note="no"), Resolution("rejected", by="rita", call=2, model="large", note="no")),
    ],
)
def test_the_resolution_says_whose_words_the_client_gets(given, expected):
    done = act(ticket(), given, REVIEWER, NOW_NS)
    found = resolve(done, given, CONTENTS, REVIEWER)
    assert found == expected
    assert found.released is (given.deed != "reject")


def test_a_refusal_is_an_answer_that_can_be_approved_and_edited():
    refused = Contents({}, proposals=(Proposal(2, "large", Answer(refusal="I will not.", finish_reason="stop")),))
    done = act(ticket(), Action("approve"), REVIEWER, NOW_NS)
    found = resolve(done, Action("approve"), refused, REVIEWER)
    assert (found.refusal, found.text, found.finish_reason, found.released) == ("I will not.", "", "stop", True)
    edited = resolve(done, given := Action("edit", text="Of course."), refused, REVIEWER)
    assert (edited.refusal, edited.text, edited.edited, edited.released, given.deed) == ("", "Of course.", True, True, "edit")
    late = act(ticket(on_expiry="release"), Action("expire"), TIMEKEEPER, DUE_NS)
    assert resolve(late, Action("expire"), refused, TIMEKEEPER).refusal == "I will not."


@pytest.mark.parametrize("deed", ["approve", "edit"])
def test_an_answer_that_was_erased_cannot_be_approved(deed):
    done = act(ticket(), action(deed), REVIEWER, NOW_NS)
    with pytest.raises(ReviewConflict, match="were erased"):
        resolve(done, action(deed), None, REVIEWER)


@pytest.mark.parametrize(
    ("before", "contents", "text"),
    [
        (ticket(), CONTENTS, ""),
        (ticket(on_expiry="release"), CONTENTS, ANSWER),
        (ticket(on_expiry="release"), None, ""),
        (ticket(on_expiry="release", offered=()), Contents({}), ""),
        (ticket(on_expiry="release", approval=True), CONTENTS, ""),
        (ticket(on_expiry="release"), BARRED, ""),
    ],
    ids=["denied", "released", "erased", "nothing to release", "approval required", "barred by a check"],
)
def test_what_nobody_decided_is_denied_unless_the_route_says_otherwise(before, contents, text):
    done = act(before, Action("expire"), TIMEKEEPER, DUE_NS)
    found = resolve(done, Action("expire"), contents, TIMEKEEPER)
    assert (done.state, found.text, found.released) == ("expired", text, bool(text))


def test_what_escalates_gets_as_long_again_once():
    claimed = act(ticket(on_expiry="escalate", priority=3), Action("claim"), REVIEWER, NOW_NS)
    again = act(claimed, Action("expire"), TIMEKEEPER, DUE_NS)
    assert (again.state, again.assignee, again.priority, again.deadline_at_ns - DUE_NS) == ("open", "", 4, DUE_NS - NOW_NS)
    assert act(again, Action("expire"), TIMEKEEPER, again.deadline_at_ns).state == "expired"


# Who may


@pytest.mark.parametrize("role", STANDINGS)
def test_roles_that_do_not_review_are_refused(role):
    if role in REVIEWS:
        require_sight(Caller("k", role=role), ticket())
    else:
        with pytest.raises(Forbidden, match=f"has the role `{role}`"):
            act(ticket(), Action("claim"), Caller("k", role=role), NOW_NS)


@pytest.mark.parametrize(
    ("place", "seen"), [(("", ""), True), (("acme", ""), True), (("acme", "ml"), True), (("acme", "ops"), False), (("rival", "ml"), False)]
)
def test_a_ticket_elsewhere_is_as_one_that_does_not_exist(place, seen):
    who = Caller("k", org=place[0], team=place[1], role="reviewer")
    found = ticket(org="acme", team="ml")
    assert may_see(who, found) is seen
    if not seen:
        with pytest.raises(NotFound, match="there is no review `rev_1`"):
            act(found, Action("claim"), who, NOW_NS)


@pytest.mark.parametrize(
    ("allowed", "carried", "seen"),
    [
        (None, ("restricted", "phi"), True),
        ((), (), True),
        ((), ("public",), False),
        (("confidential",), ("internal",), True),
        (("confidential",), ("restricted",), False),
        (("restricted",), ("pii",), False),
        (("pii",), ("pii",), True),
        (("restricted", "pii"), ("made-up",), False),
    ],
)
def test_labels_that_a_key_may_not_carry_it_may_not_see(allowed, carried, seen):
    who = Caller("k", role="reviewer", allowed_labels=allowed)
    assert may_see(who, ticket(labels=carried)) is seen
    if not seen:
        with pytest.raises(Forbidden, match="carries the label"):
            require_sight(who, ticket(labels=carried))


# Whatever is done


reviewers = st.builds(
    Caller,
    st.sampled_from(("rita", "omar")),
    role=st.sampled_from(STANDINGS),
    org=st.sampled_from(ORGS),
    team=st.sampled_from(TEAMS),
    allowed_labels=st.none() | subset(LABELS),
)
actions = st.builds(Action, st.sampled_from(DEEDS), text=st.sampled_from(("", "words")), call=st.integers(0, 3))
tickets = st.builds(
    ticket,
    on_expiry=st.sampled_from(("deny", "release", "escalate")),
    approval=st.booleans(),
    offered=st.sampled_from(((), ticket().offered)),
    labels=subset(LABELS),
    org=st.sampled_from(ORGS),
)
steps = st.lists(st.tuples(reviewers | st.sampled_from((REVIEWER, OTHER, ADMIN, TIMEKEEPER)), actions, st.integers(-2, 6_000)), max_size=12)


@given(tickets, steps)
def test_a_ticket_ends_once_and_by_those_who_may(opened: Ticket, taken):
    stands, ends = opened, 0
    for who, given_action, after_s in taken:
        now_ns = NOW_NS + after_s * 10**9
        try:
            after = act(stands, given_action, who, now_ns)
        except PointsmanError:
            continue
        assert may_see(who, stands)
        assert not stands.ended
        assert after.version == stands.version + (after != stands)
        if after.ended:
            ends += 1
            resolution = resolve(after, given_action, CONTENTS, who)
            assert resolution.verdict == after.state
            assert after.state in ("expired", "rejected") or resolution.released
            if resolution.released and opened.approval:
                assert given_action.deed in ("answer", "approve", "edit"), "released without a person's word"
        stands = after
    assert ends == stands.ended
    assert stands.state in STATES


@given(tickets)
def test_a_ticket_survives_being_written_down(opened: Ticket):
    kept = replace(opened, failures=(Failure("small", "timeout", 504, 1),))
    assert from_json(Ticket, to_json(kept)) == kept


def test_whose_words_they_are_is_not_written_down():
    assert "zeb" not in to_json(ticket(subject="k_1/zeb"))


def test_contents_survive_being_written_down():
    assert from_json(Contents, to_json(CONTENTS)) == CONTENTS
    resolution = Resolution("answered", tool_calls=(CALL,))
    assert from_json(Resolution, to_json(resolution)) == resolution
