"""What notify does when time passes: it takes up the messages that are due and brings each as far as it goes.

Consent and contact are asked outside of any transaction, for a batch at a time; the hand-over of each message stands
between two small transactions, so that a crash leaves at most one message per worker of which nobody knows whether it
went out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial

import structlog

from chassis.calls import Calls
from chassis.database import Tx
from chassis.errors import Refused
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.workers import Worker
from services.notify.clients import ContactBook
from services.notify.delivery.domain import (
    FRESH,
    Answer,
    Channel,
    ChannelDown,
    Contact,
    Letter,
    Patience,
    end,
    lease,
    overdue,
    queue,
    refuse,
    settle,
    start,
    usable,
)
from services.notify.messages import repository
from services.notify.messages.convert import told
from services.notify.messages.domain import Attempt, Message, Outcome, Reason, State, move
from services.notify.messages.repository import Messages
from services.notify.templates.domain import Purpose, Template
from services.notify.templates.repository import Templates

log = structlog.get_logger("delivery")

# Small, for consent is asked for a batch at a time and must be fresh at its end.
BATCH = 50


class Delivery(Worker):
    """The worker that sends; any number of them may run at once, for each locks what it takes.

    `chance` draws a number from 0 to below 1.
    """

    def __init__(
        self,
        calls: Calls,
        messages: Messages,
        templates: Templates,
        event_log: EventLog,
        book: ContactBook,
        channels: Mapping[str, Channel],
        patience: Patience,
        chance: Callable[[], float],
    ) -> None:
        super().__init__("delivery", self.deliver)
        self.calls = calls
        self.messages = messages
        self.templates = templates
        self.event_log = event_log
        self.book = book
        self.channels = channels
        self.patience = patience
        self.chance = chance

    def stop(self) -> None:
        """End after the current batch, and let go of the channels."""
        super().stop()
        for channel in self.channels.values():
            channel.close()

    def deliver(self) -> int:
        """Bring a batch of due messages as far as it goes; answer how many were due."""
        with self.calls.database.read() as tx:
            if not repository.any_due(tx, self.calls.clock()):
                return 0
        found, batch = self.calls.transact(self._take)
        asked = self.calls.clock()
        try:
            contacts = self._ask(batch)
        except Exception:
            self._put_back(lease(message, asked) for message in batch)
            raise
        self._hand_over(self.calls.transact(partial(self._address, batch, contacts)), asked)
        return found

    def _take(self, tx: Tx, now: int, new_id: NewId) -> tuple[int, list[Message]]:
        """End what must not be tried any more, and lease the rest."""
        ended, batch = [], []
        for message in repository.due(tx, now, BATCH):
            over = overdue(message, now)
            if over:
                ended.append(over)
            else:
                batch.append(lease(message, now + self.patience.lease))
        for message in (*ended, *batch):
            repository.save(tx, message)
        self.event_log.add(tx, told(ended), now, new_id)
        return len(ended) + len(batch), batch

    def _ask(self, batch: Sequence[Message]) -> dict[str, Contact]:
        """Ask how to address the recipients; no contact for a message whose channels are all switched off."""
        groups: dict[tuple[str, tuple[str, ...]], list[Message]] = {}
        for message in batch:
            groups.setdefault((message.purpose, usable(message, self.channels)), []).append(message)
        found: dict[str, Contact] = {}
        for (purpose, channels), group in groups.items():
            if channels:
                asked = sorted({message.recipient for message in group})
                # Whom a message of this purpose may go to is settled when it is taken in.
                staff = purpose == Purpose.WORK
                contacts = self.book.staff(asked) if staff else self.book.contacts(asked, purpose, channels)
                found |= {message.id: contacts[message.recipient] for message in group}
        return found

    def _address(
        self, batch: Sequence[Message], contacts: Mapping[str, Contact], tx: Tx, now: int, new_id: NewId
    ) -> list[tuple[Message, Letter]]:
        """Suppress what may not be sent, and write the letters of the rest."""
        contents = self.messages.contents(tx, batch)
        version = cache(lambda name: self.templates.version(tx, name))
        saved, letters = [], []
        for message in batch:
            template, content = version(message.template), contents[message.id]
            after, letter = self._decide(message, contacts.get(message.id), template, content, now)
            # Nobody else takes what is leased, but somebody may have cancelled it.
            if repository.save(tx, after):
                saved.append(after)
                if letter:
                    letters.append((after, letter))
        self.event_log.add(tx, told(saved), now, new_id)
        return letters

    def _decide(
        self, message: Message, contact: Contact | None, template: Template, content: bytes | None, now: int
    ) -> tuple[Message, Letter | None]:
        if contact is None:
            return move(message, State.SUPPRESSED, now, reason=Reason.CHANNEL_OFF), None
        if content is None:
            return move(message, State.SUPPRESSED, now, reason=Reason.CUSTOMER_ERASED), None
        refused = refuse(message, contact, now)
        if refused:
            return refused, None
        values, name = self.messages.read(content), contact.display_name
        try:
            rendered = template.render(contact.channel, contact.language, values, recipient_name=name)
        except Refused as unfit:
            log.warning("template unfit", message=message.name, template=message.template, problem=unfit.reason)
            return move(message, State.DEAD, now, reason=Reason.TEMPLATE_UNFIT), None
        queued = queue(message, contact, rendered.language, now, now + self.patience.lease)
        return queued, Letter(message.id, contact.channel, contact.value, rendered.subject, rendered.text, now)

    def _hand_over(self, letters: Sequence[tuple[Message, Letter]], asked: int) -> None:
        """Send letters while consent is fresh; what a channel cannot take at present waits, and so does the worker."""
        down: dict[str, ChannelDown] = {}
        left = []
        for message, letter in letters:
            if letter.channel in down:
                left.append(lease(message, asked + self.patience.first_pause))
            elif self.calls.clock() - asked > FRESH:
                left.append(lease(message, asked))
            else:
                try:
                    self._send(message, letter)
                except ChannelDown as error:
                    log.warning("channel down", channel=letter.channel, problem=error.metadata["problem"])
                    down[letter.channel] = error
                    left.append(lease(message, asked + self.patience.first_pause))
        self._put_back(left)
        if down:
            raise next(iter(down.values()))

    def _send(self, message: Message, letter: Letter) -> None:
        channel = self.channels[letter.channel]
        channel.ready()
        begun = self.calls.transact(partial(self._start, message))
        if begun:
            answer = channel.send(letter)
            self.calls.transact(partial(self._settle, *begun, answer, self.chance()))
            if answer.outcome is Outcome.CHANNEL_FAULT:
                raise ChannelDown(problem=answer.detail)

    def _start(self, message: Message, tx: Tx, now: int, _new_id: NewId) -> tuple[Message, Attempt] | None:
        sending, attempt = start(message, now, self.patience)
        if not repository.save(tx, sending):
            return None
        repository.add_attempt(tx, sending, attempt)
        return sending, attempt

    def _settle(
        self, sending: Message, attempt: Attempt, answer: Answer, chance: float, tx: Tx, now: int, new_id: NewId
    ) -> None:
        repository.end_attempt(tx, sending, end(attempt, answer, now))
        settled = settle(sending, answer, now, self.patience, chance)
        # Another worker may have given this one up for dead meanwhile; then it stays dead.
        if repository.save(tx, settled):
            self.event_log.add(tx, told([settled]), now, new_id)

    def _put_back(self, leased: Iterable[Message]) -> None:
        """Let messages be taken up again; what has moved meanwhile stays where it is."""
        released = list(leased)
        if released:
            self.calls.transact(lambda tx, _now, _new_id: [repository.save(tx, message) for message in released])
