"""The rules of messages: every state that can be reached lies ahead, and what comes again is told apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import SECOND
from chassis.errors import Invalid
from services.notify.delivery.domain import (
    Answer,
    Contact,
    Patience,
    end,
    lease,
    overdue,
    queue,
    refuse,
    settle,
    start,
)
from services.notify.messages.domain import (
    MOVES,
    BusinessKeyReused,
    Draft,
    Message,
    MessageRetried,
    MessageStateForbids,
    Outcome,
    Reason,
    Source,
    State,
    accept,
    begin,
    begin_dead,
    move,
    require_same,
    retry,
    template_code,
)
from services.notify.templates.domain import (
    Body,
    Channel,
    ChannelMissing,
    Kind,
    Purpose,
    Template,
    TemplateMisdirected,
    Variable,
)

NOW = 1_000 * SECOND
PATIENCE = Patience(attempts=3, first_pause=60 * SECOND, lease=30 * SECOND)
ALLOWED = Contact("ALLOWED", "GRANTED", "EMAIL", "anna@home.example", "Anna", "en")
TEMPLATE = Template(
    name="templates/plain/versions/2",
    display_name="Plain",
    purpose=Purpose.OFFERS,
    variables=(Variable("code", Kind.TEXT, "A1", required=True),),
    bodies=tuple(Body(Channel.SMS, language, "{code}") for language in ("zh-CN", "en")),
)
# How far each state lies from the beginning, within one attempt.
RANK = {
    State.ACCEPTED: 0,
    State.HELD: 0,
    State.QUEUED: 1,
    State.SENDING: 2,
    State.FAILED_TEMPORARY: 3,
    State.SENT: 4,
    State.FAILED_PERMANENT: 4,
    State.EXPIRED: 4,
    State.CANCELLED: 4,
    State.SUPPRESSED: 4,
    State.DEAD: 4,
    State.DELIVERED: 5,
}


def draft(**fields: object) -> Draft:
    """Write what a caller wants."""
    return dataclasses.replace(Draft("customers/c1", (), Source(caller="apiKeys/1")), **fields)  # type: ignore[arg-type]


def message(state: State = State.ACCEPTED, **fields: object) -> Message:
    """Write a message in a state."""
    begun = begin(draft(channels=("SMS",)), TEMPLATE, NOW, "m1")
    return dataclasses.replace(begun, state=state, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_a_message_moves_only_as_the_table_says(old: State, new: State) -> None:
    """A move that the table has counts the version up; any other is refused, naming the message and its state."""
    if new in MOVES[old]:
        moved = move(message(old), new, NOW)
        assert (moved.state, moved.version) == (new, 2)
    else:
        with pytest.raises(MessageStateForbids) as refused:
            move(message(old), new, NOW)
        assert refused.value.metadata == {"name": "messages/m1", "state": old}


def test_every_move_leads_on() -> None:
    """No move leads to a state that lies behind, but for the next attempt after a failed one."""
    assert set(MOVES) == set(State)
    back = {(old, new) for old, moves in MOVES.items() for new in moves if RANK[new] <= RANK[old]}
    assert back == {(State.FAILED_TEMPORARY, State.SENDING)}


steps = st.sampled_from(["overdue", "queue", "refuse", "start", "cancel", *Outcome])


@given(st.lists(st.tuples(steps, st.integers(-100, 10_000)), max_size=40), st.booleans())
def test_a_walk_never_goes_backwards(walk: list[tuple[str, int]], held: bool) -> None:  # noqa: FBT001  (an example)
    """Whatever happens to a message, in any order and on any clock: attempts and state only go on, and time too."""
    now = NOW
    held_until = NOW + 60 * SECOND if held else None
    current = begin(draft(send_after=held_until, expire_time=NOW + 5_000 * SECOND), TEMPLATE, now, "m1")
    for step, seconds in walk:
        now += seconds * SECOND
        try:
            after = taken(current, step, now)
        except MessageStateForbids:
            continue
        if after.state is not current.state or after.attempts != current.attempts:
            assert (after.attempts, RANK[after.state]) > (current.attempts, RANK[current.state])
        assert after.version == current.version + 1
        assert after.update_time >= current.update_time
        assert current.failures <= after.failures <= PATIENCE.attempts
        assert (after.due_time is None) == (not MOVES[after.state] or after.state is State.SENT)
        current = after


# What a worker does with a message that is due, and what comes from outside at any time.
BY_WORKERS: dict[str, Callable[[Message, int], Message]] = {
    "overdue": lambda current, now: overdue(current, now) or lease(current, now + PATIENCE.lease),
    "queue": lambda current, now: queue(current, ALLOWED, "en", now, now + PATIENCE.lease),
    "refuse": lambda current, now: refuse(current, Contact("NO_CONSENT", "WITHDRAWN"), now) or current,
    "start": lambda current, now: start(current, now, PATIENCE)[0],
}


def taken(current: Message, step: str, now: int) -> Message:
    """Take a step, as the schedule or a caller does."""
    if step in BY_WORKERS:
        if current.due_time is None or (step == "queue" and current.state is State.SENDING):
            raise MessageStateForbids
        return BY_WORKERS[step](current, now)
    if step == "cancel":
        return move(current, State.CANCELLED, now)
    return settle(current, Answer(Outcome(step)), now, PATIENCE, 0.5)


def test_a_message_waits_for_its_time() -> None:
    """One for later is held until then; one for now, or for a time that has passed, is due at once."""
    later = begin(draft(send_after=NOW + 1), TEMPLATE, NOW, "m1")
    assert (later.state, later.due_time) == (State.HELD, NOW + 1)
    for moment in (None, NOW, NOW - 5):
        due = begin(draft(send_after=moment), TEMPLATE, NOW, "m1")
        assert (due.state, due.due_time) == (State.ACCEPTED, NOW)
    assert (due.template, due.purpose, due.version) == (TEMPLATE.name, "OFFERS", 1)


@pytest.mark.parametrize(("send_after", "expire_time"), [(None, NOW), (None, NOW - 1), (NOW + 9, NOW + 9)])
def test_an_expiry_must_leave_time(send_after: int | None, expire_time: int) -> None:
    """A message that would expire before it may be sent is refused, naming the field."""
    with pytest.raises(Invalid) as refused:
        accept(draft(send_after=send_after, expire_time=expire_time), TEMPLATE, {"code": "A"}, NOW, "m1")
    assert [(wrong.field, wrong.reason) for wrong in refused.value.violations] == [("expire_time", "EXPIRY_TOO_EARLY")]


def test_what_cannot_be_rendered_is_not_accepted() -> None:
    """A missing value and a channel without a body are refused at once; no channels stand for the template's."""
    assert accept(draft(), TEMPLATE, {"code": "A"}, NOW, "m1").channels == ("SMS",)
    with pytest.raises(Invalid):
        accept(draft(), TEMPLATE, {}, NOW, "m1")
    with pytest.raises(ChannelMissing):
        accept(draft(channels=("SMS", "EMAIL")), TEMPLATE, {"code": "A"}, NOW, "m1")


@pytest.mark.requirement("N-07")
@pytest.mark.parametrize(("recipient", "purpose"), [("customers/c1", Purpose.WORK), ("staff/E1", Purpose.SERVICE)])
def test_a_template_reaches_those_whom_it_is_for(recipient: str, purpose: Purpose) -> None:
    """Work goes to staff and everything else to customers: a caller is refused, and what a rule asks for is dead."""
    wanted, template = draft(recipient=recipient, channels=("SMS",)), dataclasses.replace(TEMPLATE, purpose=purpose)
    with pytest.raises(TemplateMisdirected) as refused:
        accept(wanted, template, {"code": "A"}, NOW, "m1")
    assert refused.value.metadata == {"template": template.name, "purpose": purpose}
    dead = begin(wanted, template, NOW, "m1")
    assert (dead.state, dead.reason, dead.due_time) == (State.DEAD, Reason.TEMPLATE_UNFIT, None)
    other = "staff/E1" if purpose is Purpose.WORK else "customers/c1"
    assert accept(dataclasses.replace(wanted, recipient=other), template, {"code": "A"}, NOW, "m1").recipient == other


def test_a_rule_without_a_template_leaves_something_to_retry() -> None:
    """What a rule wanted to tell without an approved template is dead for that, and names the template by its code."""
    dead = begin_dead(draft(channels=("SMS",)), "tier-notice", NOW, "m1")
    assert (dead.state, dead.reason, dead.due_time) == (State.DEAD, Reason.TEMPLATE_UNFIT, None)
    assert (dead.template, template_code(dead)) == ("templates/tier-notice", "tier-notice")


@pytest.mark.parametrize("state", State)
def test_only_what_was_not_sent_is_retried(state: State) -> None:
    """A retry drafts the content of a message that failed, died or was suppressed, without its times and key."""
    old = message(state, business_key="k", send_after=NOW, expire_time=NOW)
    if state in (State.FAILED_PERMANENT, State.DEAD, State.SUPPRESSED):
        again = retry(old, None, "apiKeys/2")
        assert again == Draft("customers/c1", ("SMS",), Source(caller="apiKeys/2", retry_of="messages/m1"))
        with pytest.raises(MessageRetried):
            retry(old, message(), "apiKeys/2")
    else:
        with pytest.raises(MessageStateForbids):
            retry(old, None, "apiKeys/2")


def test_a_business_key_stands_for_one_content() -> None:
    """The same content under a key is a repeat, another one is refused."""
    known = message(digest=b"a")
    require_same(known, b"a")
    with pytest.raises(BusinessKeyReused):
        require_same(known, b"b")


def test_an_attempt_ends_no_earlier_than_it_began() -> None:
    """A clock that runs behind does not write an attempt that ends before its start."""
    _, attempt = start(message(State.QUEUED, channel="SMS"), NOW, PATIENCE)
    ended = end(attempt, Answer(Outcome.REFUSED, 550, "RCPT 5.1.1"), NOW - 5)
    assert (ended.start_time, ended.end_time, ended.outcome, ended.code) == (NOW, NOW, Outcome.REFUSED, 550)
