"""The rules of delivery: who is at fault, what is tried again and when, and whom a message may reach."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import SECOND
from services.notify.delivery.domain import (
    SUPPRESSES,
    SUPPRESSES_STAFF,
    Answer,
    Contact,
    Patience,
    outcome_of,
    overdue,
    pause,
    queue,
    refuse,
    settle,
    usable,
)
from services.notify.messages.domain import Message, Outcome, Reason, Source, State

NOW = 1_000 * SECOND
PATIENCE = Patience(attempts=6, first_pause=60 * SECOND, lease=30 * SECOND)
QUEUED = Message(
    id="m1",
    recipient="customers/c1",
    template="templates/plain/versions/1",
    purpose="SERVICE",
    channels=("EMAIL", "SMS"),
    source=Source(caller="apiKeys/1"),
    state=State.QUEUED,
    due_time=NOW,
    create_time=NOW,
    update_time=NOW,
)
SENDING = dataclasses.replace(QUEUED, state=State.SENDING, attempts=1, channel="EMAIL")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (250, Outcome.ACCEPTED),
        (251, Outcome.ACCEPTED),
        (354, Outcome.REFUSED_TEMPORARILY),
        (421, Outcome.REFUSED_TEMPORARILY),
        (450, Outcome.REFUSED_TEMPORARILY),
        (452, Outcome.REFUSED_TEMPORARILY),
        (550, Outcome.REFUSED),
        (552, Outcome.REFUSED),
        (554, Outcome.REFUSED),
        (530, Outcome.CHANNEL_FAULT),
        (534, Outcome.CHANNEL_FAULT),
        (535, Outcome.CHANNEL_FAULT),
        (538, Outcome.CHANNEL_FAULT),
        (-1, Outcome.REFUSED_TEMPORARILY),
    ],
)
def test_codes_tell_whose_fault_it_is(code: int, outcome: Outcome) -> None:
    """2xx is taken, 4xx comes again, 5xx is for good, and what speaks of our own sign-in is no message's fault."""
    assert outcome_of(code) is outcome


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "failures"),
    [
        (Outcome.ACCEPTED, State.SENT, None, 0),
        (Outcome.REFUSED, State.FAILED_PERMANENT, Reason.RECIPIENT_REFUSED, 0),
        (Outcome.UNKNOWN, State.DEAD, Reason.ACCEPTANCE_UNKNOWN, 0),
        (Outcome.REFUSED_TEMPORARILY, State.FAILED_TEMPORARY, None, 1),
        (Outcome.CHANNEL_FAULT, State.FAILED_TEMPORARY, None, 0),
    ],
)
def test_an_answer_decides(outcome: Outcome, state: State, reason: Reason | None, failures: int) -> None:
    """Each outcome leads to its state; only a message's own failure counts against it."""
    settled = settle(SENDING, Answer(outcome), NOW, PATIENCE, 0.0)
    assert (settled.state, settled.reason, settled.failures) == (state, reason, failures)
    assert settled.due_time == (NOW + 60 * SECOND if state is State.FAILED_TEMPORARY else None)


def test_the_pauses_grow_and_end() -> None:
    """After 60 s, 240 s, 960 s, 3,840 s and 15,360 s the sixth failure is the last one."""
    message, waits = SENDING, []
    for _ in range(PATIENCE.attempts):
        message = settle(message, Answer(Outcome.REFUSED_TEMPORARILY), NOW, PATIENCE, 0.0)
        if message.due_time is not None:
            waits.append((message.due_time - NOW) // SECOND)
            message = dataclasses.replace(message, state=State.SENDING)
    assert waits == [60, 240, 960, 3_840, 15_360]
    assert (message.state, message.reason) == (State.DEAD, Reason.ATTEMPTS_EXHAUSTED)


@given(st.integers(1, 6), st.floats(0, 1, exclude_max=True))
def test_chance_lengthens_a_pause_by_less_than_a_quarter(failures: int, chance: float) -> None:
    """Chance spreads what failed together, and never makes a pause shorter than it must be."""
    least = pause(failures, PATIENCE, 0.0)
    assert least <= pause(failures, PATIENCE, chance) < least * 5 // 4 + 1


def test_what_a_dead_worker_left_is_never_sent_again() -> None:
    """A message found in SENDING is dead, for nobody knows whether it went out, even when it has expired too."""
    for expire_time in (None, NOW):
        over = overdue(dataclasses.replace(SENDING, expire_time=expire_time), NOW)
        assert over is not None
        assert (over.state, over.reason) == (State.DEAD, Reason.ACCEPTANCE_UNKNOWN)


@pytest.mark.parametrize("state", [State.ACCEPTED, State.HELD, State.QUEUED, State.FAILED_TEMPORARY])
def test_a_message_expires_on_time(state: State) -> None:
    """From its expiry on a message is not tried any more; before, it is."""
    message = dataclasses.replace(QUEUED, state=state, expire_time=NOW)
    expired = overdue(message, NOW)
    assert expired is not None
    assert (expired.state, expired.due_time) == (State.EXPIRED, None)
    assert overdue(message, NOW - 1) is None
    assert overdue(dataclasses.replace(message, expire_time=None), NOW) is None


@pytest.mark.requirement("N-07")
@pytest.mark.parametrize("outcome", SUPPRESSES)
def test_who_may_not_be_addressed_is_not(outcome: str) -> None:
    """Without consent, contact, file or business with the customer, the message is suppressed and keeps the basis."""
    refused = refuse(QUEUED, Contact(outcome, "WITHDRAWN"), NOW)
    assert refused is not None
    assert (refused.state, refused.basis, refused.due_time) == (State.SUPPRESSED, "WITHDRAWN", None)
    assert refused.reason is SUPPRESSES[outcome]
    assert refuse(QUEUED, Contact("ALLOWED", "GRANTED"), NOW) is None


@pytest.mark.parametrize("outcome", SUPPRESSES_STAFF)
def test_staff_who_are_not_reached_are_not_addressed(outcome: str) -> None:
    """Without an address, or when unknown or inactive, a member of staff is sent nothing; an address is enough."""
    to_staff = dataclasses.replace(QUEUED, recipient="staff/E1")
    refused = refuse(to_staff, Contact(outcome), NOW)
    assert refused is not None
    assert (refused.state, refused.reason, refused.basis) == (State.SUPPRESSED, SUPPRESSES_STAFF[outcome], "")
    assert refuse(to_staff, Contact("ALLOWED"), NOW) is None


@pytest.mark.requirement("N-03")
def test_the_chosen_channel_is_written_down() -> None:
    """A queued message keeps the channel and language that were chosen; one that has failed keeps its state."""
    contact = Contact("ALLOWED", "GRANTED", "SMS", "+447700900101", "Anna", "zh-CN")
    queued = queue(dataclasses.replace(QUEUED, state=State.ACCEPTED), contact, "zh-CN", NOW, NOW + 5)
    assert (queued.state, queued.channel, queued.language, queued.due_time) == (State.QUEUED, "SMS", "zh-CN", NOW + 5)
    failed = queue(dataclasses.replace(QUEUED, state=State.FAILED_TEMPORARY), contact, "en", NOW, NOW + 5)
    assert (failed.state, failed.language, failed.version) == (State.FAILED_TEMPORARY, "en", 2)


def test_only_channels_that_are_on_are_used() -> None:
    """The message's own order is kept among the channels that are switched on."""
    assert usable(QUEUED, {"PHONE", "SMS", "EMAIL"}) == ("EMAIL", "SMS")
    assert usable(QUEUED, {"SMS"}) == ("SMS",)
    assert usable(QUEUED, ()) == ()
