"""The storage of messages: who holds a row moves it, a stale move is not written, and values stay sealed."""

from __future__ import annotations

import dataclasses

import pytest

from chassis import names, wire
from chassis.calendar import SECOND
from services.notify.messages import repository
from services.notify.messages.domain import Attempt, State, move
from services.notify.tests.desk import Desk
from services.notify.tests.neighbours import ANNA

LATER = 3_600 * SECOND


def held(desk: Desk) -> str:
    """Send a message that no worker looks at yet; answer its id."""
    desk.template()
    return names.identity(desk.send(send_after=wire.timestamp(desk.running.clock.now + LATER)).name)


def test_a_stale_move_is_not_written(desk: Desk) -> None:
    """Of two moves of one version the first is written and the second is not."""
    message_id, now = held(desk), desk.running.clock.now
    with desk.running.database.write() as tx:
        message = repository.get(tx, message_id)
        assert repository.save(tx, move(message, State.CANCELLED, now))
        assert not repository.save(tx, move(message, State.EXPIRED, now))
    assert desk.get(message.name).state == desk.messages().messages[0].state


@pytest.mark.parametrize("engine", ["postgresql"])
def test_what_somebody_holds_is_left_alone(desk: Desk) -> None:
    """While one transaction holds a message, no worker takes it; afterwards it does."""
    message_id, due = held(desk), desk.running.clock.now + LATER
    with desk.running.database.write() as one:
        repository.get(one, message_id, lock=True)
        with desk.running.database.write() as other:
            assert repository.due(other, due, 10) == []
    with desk.running.database.write() as one:
        assert [message.id for message in repository.due(one, due, 10)] == [message_id]
        with desk.running.database.write() as other:
            assert repository.due(other, due, 10) == []


def test_a_message_is_shown_with_the_attempts_of_its_own_time(desk: Desk) -> None:
    """An attempt that begins while a message is being read stands with the state that it brings, and not before."""
    message_id, now = held(desk), desk.running.clock.now
    with desk.running.database.write() as tx:
        waiting = repository.get(tx, message_id)
        sending = dataclasses.replace(waiting, attempts=1)
        repository.add_attempt(tx, sending, Attempt(1, "EMAIL", now))
        assert repository.attempts(tx, waiting) == []
        assert [attempt.number for attempt in repository.attempts(tx, sending)] == [1]


@pytest.mark.requirement("N-15", "K-75")
def test_what_staff_must_know_waits_for_nobody(desk: Desk) -> None:
    """However many messages to customers have been due for longer, those to staff are taken up first."""
    message_id, due = held(desk), desk.running.clock.now + 2 * LATER
    messages = desk.running.service.workers[-1].messages  # type: ignore[attr-defined]
    with desk.running.database.write() as tx:
        waiting = repository.get(tx, message_id)
        new = dataclasses.replace(waiting, due_time=due, business_key=None)
        others = [dataclasses.replace(new, id=name, recipient=f"staff/{name}") for name in ("one", "two")]
        messages.add(tx, [(other, b"") for other in others])
    with desk.running.database.write() as tx:
        assert [message.id for message in repository.due(tx, due, 3)] == ["one", "two", message_id]
        assert [message.id for message in repository.due(tx, due, 1)] == ["one"]
        assert repository.due(tx, LATER, 3) == []


def test_a_customer_without_a_key_has_no_values(desk: Desk) -> None:
    """What fills a message opens for its own customer; once the key is destroyed, for nobody."""
    message_id = held(desk)
    messages = desk.running.service.workers[-1].messages  # type: ignore[attr-defined]
    with desk.running.database.write() as tx:
        message = repository.get(tx, message_id)
        assert messages.read(messages.contents(tx, [message])[message_id]) == {"code": "A1"}
        messages.vault.erase(tx, ANNA)
        assert messages.contents(tx, [message]) == {message_id: None}
    desk.person()
    desk.pass_time(3_600)
    assert desk.settled(message.name).reason == desk.get(message.name).CUSTOMER_ERASED
