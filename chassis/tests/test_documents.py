"""Documents: nothing comes into force but by the hands of as many people as the chain asks for."""

from __future__ import annotations

import itertools
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import documents
from chassis.database import Database, Tx, metadata
from chassis.documents import Document, State, Step, Taken
from chassis.errors import EtagMismatch, Refused
from chassis.principals import StaffRequired
from chassis.tests.documents import (
    ADMIN,
    ALLOWED,
    APPROVER,
    AUTHOR,
    DEEDS,
    KEY,
    KIND,
    NEW_YEAR,
    NOW,
    REVIEWER,
    Deed,
    a_draft,
    activated,
    approved,
    content,
    in_state,
)

TABLES = metadata()
DOCUMENTS, STEPS = documents.documents_tables(TABLES)

# ------------------------------------------------------------------------------------------------------ the life cycle


@pytest.mark.requirement("T-17")
def test_a_version_carries_its_people_and_its_day() -> None:
    """A version in force names author, reviewer and approver and the day from which it holds."""
    version = activated(a_draft())
    assert (version.author, version.reviewer, version.approver) == (AUTHOR, REVIEWER, APPROVER)
    assert version.content.effective_date == NEW_YEAR
    assert (version.state, version.name) == (State.ACTIVE, "policies/loyalty/versions/1")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.step.value)
def test_a_state_allows_its_steps_and_no_other(state: State, deed: Deed) -> None:
    """A step that the state does not allow is refused with what it does allow; one that it allows is taken."""
    version = in_state(state)
    people = 1
    if deed.step.value in ALLOWED[state].split(", "):
        taken = deed.do(version, None, ADMIN, people, "")
        assert (taken.step, taken.step_staff, taken.update_time) == (deed.step, ADMIN, NOW)
        assert taken.row_version == version.row_version + 1
        return
    with pytest.raises(documents.DocumentStateForbids) as refused:
        deed.do(version, None, ADMIN, people, "")
    assert refused.value.metadata == {"name": version.name, "state": state.value, "allowed": ALLOWED[state]}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.step.value)
def test_a_stale_etag_and_a_missing_person_come_first(state: State, deed: Deed) -> None:
    """Whatever the state, no step is taken by nobody, and none on a version that has changed since."""
    version = in_state(state)
    with pytest.raises(StaffRequired):
        deed.do(version, None, "", 3, version.etag)
    with pytest.raises(EtagMismatch) as refused:
        deed.do(version, None, ADMIN, 3, '"77"')
    assert refused.value.metadata == {"name": version.name}


def test_nobody_drafts_without_a_name() -> None:
    """A version is opened by a member of staff."""
    with pytest.raises(StaffRequired):
        documents.draft(KIND, KEY, 1, content(), "", NOW)


def test_the_current_etag_is_taken() -> None:
    """A step with the etag that was read goes through, and changes the etag."""
    version = a_draft()
    assert documents.submit(version, AUTHOR, NOW, etag=version.etag).etag != version.etag


@pytest.mark.parametrize(
    ("people", "reviewer", "approver", "refused"),
    [
        (3, AUTHOR, APPROVER, AUTHOR),
        (3, REVIEWER, AUTHOR, AUTHOR),
        (3, REVIEWER, REVIEWER, REVIEWER),
        (3, REVIEWER, APPROVER, None),
        (2, AUTHOR, APPROVER, AUTHOR),
        (2, REVIEWER, AUTHOR, AUTHOR),
        (2, REVIEWER, REVIEWER, None),
        (2, REVIEWER, APPROVER, None),
        (1, AUTHOR, AUTHOR, None),
    ],
)
@pytest.mark.parametrize("reject", [False, True])
def test_the_setting_says_how_many_people(
    people: int, reviewer: str, approver: str, refused: str | None, *, reject: bool
) -> None:
    """With three all are distinct, with two the author is neither of the others, with one anyone does it all."""

    def chain() -> Document:
        submitted = documents.submit(a_draft(), AUTHOR, NOW)
        reviewed = documents.review(submitted, reviewer, NOW, people)
        return documents.approve(reviewed, approver, NOW, people, reject=reject)

    if refused is None:
        assert chain().state is (State.DRAFT if reject else State.APPROVED)
        return
    with pytest.raises(documents.SamePerson) as told:
        chain()
    assert told.value.metadata == {"staff": refused}


def test_who_changes_a_draft_becomes_its_author() -> None:
    """Author is who changed a draft last; whoever wrote at all, or submitted, neither reviews nor approves."""
    other, third = "S-OTHER", "S-THIRD"
    version = documents.update(a_draft(), content(b"better"), other, NOW)
    assert (version.author, version.content.payload) == (other, b"better")
    version = documents.submit(version, third, NOW)
    assert version.author == other
    for writer in (AUTHOR, other, third):
        with pytest.raises(documents.SamePerson):
            documents.review(version, writer, NOW, 2)
        with pytest.raises(documents.SamePerson):
            documents.approve(documents.review(version, REVIEWER, NOW, 2), writer, NOW, 2)


@pytest.mark.parametrize("at_approval", [False, True])
def test_a_rejected_version_starts_again(*, at_approval: bool) -> None:
    """Rejecting makes a draft without reviewer and approver, and who rejected it may judge it again."""
    submitted = documents.submit(a_draft(), AUTHOR, NOW)
    if at_approval:
        rejected = documents.approve(documents.review(submitted, REVIEWER, NOW, 3), APPROVER, NOW, 3, reject=True)
    else:
        rejected = documents.review(submitted, REVIEWER, NOW, 3, reject=True)
    assert (rejected.state, rejected.author, rejected.reviewer, rejected.approver) == (State.DRAFT, AUTHOR, "", "")
    again = documents.submit(documents.update(rejected, content(b"better"), AUTHOR, NOW), AUTHOR, NOW)
    assert documents.approve(documents.review(again, REVIEWER, NOW, 3), APPROVER, NOW, 3).state is State.APPROVED


def test_a_stricter_setting_holds_for_what_was_approved_before() -> None:
    """What one person approved while one was enough does not come into force once the chain asks for three."""
    submitted = documents.submit(a_draft(), AUTHOR, NOW)
    lax = documents.approve(documents.review(submitted, AUTHOR, NOW, 1), AUTHOR, NOW, 1)
    with pytest.raises(documents.SamePerson):
        documents.activate(lax, None, ADMIN, NOW, 3)
    assert documents.activate(lax, None, ADMIN, NOW, 1).state is State.ACTIVE


def test_two_active_versions_may_not_begin_on_one_day() -> None:
    """The second version is refused, and the answer names the first and the day."""
    with pytest.raises(documents.DocumentOverlaps) as refused:
        documents.activate(approved(a_draft(version=2)), activated(a_draft()), ADMIN, NOW, 3)
    assert refused.value.metadata == {"name": "policies/loyalty/versions/1", "effective_date": "2026-01-01"}


def test_who_may_decide() -> None:
    """What waits for a decision is shown to those whose decision would be taken, and drafts to nobody."""
    submitted = documents.submit(a_draft(), AUTHOR, NOW)
    reviewed = documents.review(submitted, REVIEWER, NOW, 3)
    everyone = (AUTHOR, REVIEWER, APPROVER)
    assert [who for who in everyone if documents.may_decide(submitted, who, 3)] == [REVIEWER, APPROVER]
    assert [who for who in everyone if documents.may_decide(reviewed, who, 3)] == [APPROVER]
    assert [who for who in everyone if documents.may_decide(reviewed, who, 2)] == [REVIEWER, APPROVER]
    assert [who for who in everyone if documents.may_decide(reviewed, who, 1)] == list(everyone)
    assert [who for who in everyone if documents.may_decide(approved(a_draft()), who, 3)] == list(everyone)
    assert not any(documents.may_decide(in_state(state), APPROVER, 3) for state in (State.DRAFT, State.ACTIVE))


# ---------------------------------------------------------------------------------------------------------- any walk

STAFF = ("S-1", "S-2", "S-3", "S-4")
DAYS = (NEW_YEAR, date(2026, 7, 1))
# What leads a version on; without a preference for it, hardly any walk would get as far as an active version.
ONWARD = {
    State.DRAFT: Step.SUBMIT,
    State.SUBMITTED: Step.REVIEW,
    State.REVIEWED: Step.APPROVE,
    State.APPROVED: Step.ACTIVATE,
}
Move = tuple[int, Step | None, str, date]
# Which version, what is done to it (None: what leads on), by whom. A version that is not there is opened for the day.
MOVES: st.SearchStrategy[list[Move]] = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.one_of(st.none(), st.none(), st.sampled_from([deed.step for deed in DEEDS])),
        st.sampled_from(STAFF),
        st.sampled_from(DAYS),
    ),
    min_size=20,
    max_size=60,
)


WALKS = itertools.count()


def tried(version: Document, step: Step | None) -> Deed:
    """Answer what a move does to a version."""
    wanted = step or ONWARD.get(version.state, Step.RETIRE)
    return next(deed for deed in DEEDS if deed.step is wanted)


def judge(found: list[Document], histories: dict[int, list[Taken]], people: int) -> None:
    """Check what must hold at any time, against the steps that were really taken."""
    active = [version for version in found if version.state is State.ACTIVE]
    days = [version.content.effective_date for version in active]
    assert len(days) == len(set(days))
    for version in found:
        history = histories[version.version]
        writers = {taken.staff for taken in history if taken.step in (Step.DRAFT, Step.UPDATE, Step.SUBMIT)}
        judges = [name for name in (version.reviewer, version.approver) if name]
        if version.state in (State.APPROVED, State.ACTIVE):
            assert len(judges) == 2
        if version.state is State.ACTIVE:
            last = [(taken.step, taken.staff) for taken in history[-4:-1]]
            assert [step for step, _ in last] == [Step.SUBMIT, Step.REVIEW, Step.APPROVE]
            assert judges == [staff for _, staff in last[1:]]
        if people > 1:
            assert not writers & set(judges)
        if people > 2:
            assert len(set(judges)) == len(judges)


@pytest.mark.requirement("G-31")
@settings(max_examples=150, deadline=None)
@given(moves=MOVES, people=st.integers(1, 3))
def test_no_walk_breaks_the_rules(moves: list[Move], people: int) -> None:
    """Whoever does what, in any order: nothing is in force unapproved, by one person twice, or twice for one day."""
    shelf: dict[int, Document] = {}
    histories: dict[int, list[Taken]] = {}
    for number, step, who, day in moves:
        if number not in shelf:
            shelf[number] = documents.draft(KIND, KEY, number, content(day=day), who, NOW)
            histories[number] = [Taken(Step.DRAFT, who, NOW)]
            continue
        version = shelf[number]
        same_day = [other for other in shelf.values() if other.content.effective_date == version.content.effective_date]
        rival = next((other for other in same_day if other.state is State.ACTIVE), None)
        try:
            shelf[number] = tried(version, step).do(version, rival, who, people, "")
        except Refused:
            continue
        histories[number].append(Taken(shelf[number].step, who, NOW))
        judge(list(shelf.values()), histories, people)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES, people=st.integers(1, 3))
def test_no_walk_through_storage_breaks_the_rules(database: Database, moves: list[Move], people: int) -> None:
    """The same holds through the tables, and the history tells every step that was taken."""
    key = f"walk-{next(WALKS)}"
    histories: dict[int, list[Taken]] = {}

    def move(tx: Tx, number: int, step: Step | None, who: str, day: date) -> Document:
        found = documents.find(tx, KIND, key, number)
        if found is None:
            drafted = documents.draft(KIND, key, number, content(day=day), who, NOW)
            documents.add(tx, drafted)
            return drafted
        taken = tried(found, step).do(found, documents.rival_of(tx, found), who, people, "")
        documents.save(tx, taken)
        return taken

    for number, step, who, day in moves:
        try:
            with database.write() as tx:
                version = move(tx, number, step, who, day)
        except Refused:
            continue
        histories.setdefault(number, []).append(Taken(version.step, who, NOW))
        with database.read() as tx:
            assert version == documents.get(tx, KIND, key, number)
            judge(documents.versions(tx, KIND, key, limit=10), histories, people)
            assert histories[number] == documents.history(tx, version)
