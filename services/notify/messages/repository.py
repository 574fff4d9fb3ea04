"""The queries of messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from chassis.vault import Vault
from services.notify.messages.domain import Attempt, Message, MessageNotFound, Outcome, Reason, Source, State, Wanted
from services.notify.messages.tables import ATTEMPTS, MESSAGES
from services.notify.templates.domain import Value

CONTENT = "messages.content"

_FIELDS = [field.name for field in dataclasses.fields(Message) if field.name != "source"]
_SOURCE = [field.name for field in dataclasses.fields(Source)]
_COLUMNS = [MESSAGES.c[name] for name in (*_FIELDS, *_SOURCE)]
# What a move may change.
_MOVING = (
    *("state", "reason", "basis", "channel", "language", "attempts", "failures", "due_time", "update_time", "version"),
)

# Written down once: building an expression takes longer than running it.
IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
KEYS: sa.BindParameter[str] = sa.bindparam("keys", expanding=True)
SELECT = sa.select(*_COLUMNS)
BY_ID = SELECT.where(MESSAGES.c.id == sa.bindparam("id"))
BY_KEY = SELECT.where(MESSAGES.c.business_key.in_(KEYS))
RETRY_OF = SELECT.where(MESSAGES.c.retry_of == sa.bindparam("name"))
# What staff must know is urgent, and a whole grading may be waiting.
STAFF_FIRST = (True, False)
# Each worker takes rows that no other one holds.
DUE = (
    SELECT.where(MESSAGES.c.to_staff == sa.bindparam("to_staff"), MESSAGES.c.due_time <= sa.bindparam("now"))
    .order_by(MESSAGES.c.due_time, MESSAGES.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
ANY_DUE = (
    sa.select(MESSAGES.c.id)
    .where(MESSAGES.c.to_staff.in_(STAFF_FIRST), MESSAGES.c.due_time <= sa.bindparam("now"))
    .limit(1)
)
CONTENTS = sa.select(MESSAGES.c.id, MESSAGES.c.content).where(MESSAGES.c.id.in_(IDS))
SAVE = (
    sa.update(MESSAGES)
    .where(MESSAGES.c.id == sa.bindparam("the_id"), MESSAGES.c.version == sa.bindparam("the_version"))
    .values({name: sa.bindparam(name) for name in _MOVING})
)
# One that began after the message was read belongs to a later state than the one that is shown with it.
ATTEMPTS_OF = (
    sa.select(ATTEMPTS)
    .where(ATTEMPTS.c.message_id == sa.bindparam("id"), ATTEMPTS.c.number <= sa.bindparam("count"))
    .order_by(ATTEMPTS.c.number)
)


class Messages:
    """Messages, with what fills them sealed for the recipient; `read` turns that into the values of variables."""

    def __init__(self, vault: Vault, read: Callable[[bytes], Mapping[str, Value]]) -> None:
        self.vault = vault
        self.read = read

    def digest(self, content: bytes) -> bytes:
        """Answer a keyed digest of a message's content: a plain hash of personal values could be guessed."""
        return self.vault.digest("MESSAGE", content.hex())

    def add(self, tx: Tx, drafted: Sequence[tuple[Message, bytes]]) -> None:
        """Write new messages with their values; another one under a business key makes the work run again."""
        if drafted:
            items = [(message.recipient, content, CONTENT) for message, content in drafted]
            sealed = self.vault.seal_many(tx, items)
            rows = [
                {**_row(message), "content": content} for (message, _), content in zip(drafted, sealed, strict=True)
            ]
            tx.execute(sa.insert(MESSAGES), rows)

    def contents(self, tx: Tx, messages: Iterable[Message]) -> dict[str, bytes | None]:
        """Read what fills messages, by id; None for a recipient whose key is destroyed. By the primary key."""
        subjects = {message.id: message.recipient for message in messages}
        rows = tx.execute(CONTENTS, {"ids": sorted(subjects)}).all()
        opened = self.vault.open_many(tx, [(subjects[row.id], row.content, CONTENT) for row in rows])
        return {row.id: content for row, content in zip(rows, opened, strict=True)}


def get(tx: Tx, message_id: str, *, lock: bool = False) -> Message:
    """Read a message, or raise `MessageNotFound`; locked, nobody else moves it before this transaction ends."""
    row = tx.execute(BY_ID.with_for_update() if lock else BY_ID, {"id": message_id}).one_or_none()
    if row is None:
        raise MessageNotFound(name=f"messages/{message_id}")
    return _message(row)


def under(tx: Tx, keys: Iterable[str]) -> dict[str, Message]:
    """Find messages by business key. By `uq_messages_business_key`."""
    return {row.business_key: _message(row) for row in tx.execute(BY_KEY, {"keys": sorted(set(keys))})}


def retry_of(tx: Tx, message: Message) -> Message | None:
    """Find the message that sends another one's content again. By `uq_messages_retry_of`."""
    row = tx.execute(RETRY_OF, {"name": message.name}).one_or_none()
    return _message(row) if row else None


def any_due(tx: Tx, now: int) -> bool:
    """Tell whether a worker must look at any message. By `ix_messages_due`."""
    return tx.execute(ANY_DUE, {"now": now}).first() is not None


def due(tx: Tx, now: int, limit: int) -> list[Message]:
    """Lock messages that a worker must look at: those to staff first, then the longest due. By `ix_messages_due`."""
    found: list[Message] = []
    for to_staff in STAFF_FIRST:
        rows = tx.execute(DUE, {"to_staff": to_staff, "now": now, "limit": limit - len(found)})
        found += map(_message, rows)
    return found


def save(tx: Tx, message: Message) -> bool:
    """Write what one move changed; False when somebody else has moved the message since it was read."""
    values = {name: getattr(message, name) for name in _MOVING}
    found = tx.execute(SAVE, {**values, "the_id": message.id, "the_version": message.version - 1})
    return found.rowcount == 1


def list_messages(tx: Tx, wanted: Wanted, *, after: tuple[int, str] | None, limit: int) -> list[Message]:
    """List messages, the newest first, from behind a place on.

    By `ix_messages_recipient`, `ix_messages_state` or `ix_messages_time`.
    """
    column, query = MESSAGES.c, SELECT
    if wanted.recipient is not None:
        query = query.where(column.recipient == wanted.recipient)
    if wanted.state is not None:
        query = query.where(column.state == wanted.state)
    if wanted.start is not None:
        query = query.where(column.create_time >= wanted.start)
    if wanted.end is not None:
        query = query.where(column.create_time < wanted.end)
    if after is not None:
        query = query.where(sa.tuple_(column.create_time, column.id) < sa.tuple_(*after))
    rows = tx.execute(query.order_by(column.create_time.desc(), column.id.desc()).limit(limit))
    return [_message(row) for row in rows]


def add_attempt(tx: Tx, message: Message, attempt: Attempt) -> None:
    """Write that an attempt begins."""
    tx.execute(sa.insert(ATTEMPTS).values(message_id=message.id, **dataclasses.asdict(attempt)))


def end_attempt(tx: Tx, message: Message, attempt: Attempt) -> None:
    """Write what an attempt came to. By the primary key."""
    mine = sa.and_(ATTEMPTS.c.message_id == message.id, ATTEMPTS.c.number == attempt.number)
    tx.execute(sa.update(ATTEMPTS).where(mine).values(dataclasses.asdict(attempt)))


def attempts(tx: Tx, message: Message) -> list[Attempt]:
    """Read the attempts at a message, as it was read, the first one first. By the primary key."""
    return [
        Attempt(
            number=row.number,
            channel=row.channel,
            start_time=row.start_time,
            end_time=row.end_time,
            outcome=Outcome(row.outcome) if row.outcome else None,
            code=row.code,
            detail=row.detail,
        )
        for row in tx.execute(ATTEMPTS_OF, {"id": message.id, "count": message.attempts})
    ]


def _row(message: Message) -> dict[str, Any]:
    source = {name: getattr(message.source, name) for name in _SOURCE}
    plain = {name: getattr(message, name) for name in _FIELDS}
    return {
        **plain,
        **source,
        "to_staff": message.to_staff,
        "channels": ",".join(message.channels),
        "retry_of": message.source.retry_of or None,
    }


def _message(row: sa.Row[Any]) -> Message:
    plain = {name: getattr(row, name) for name in _FIELDS}
    source = Source(row.rule, row.event_id, row.caller, row.retry_of or "")
    return Message(
        **plain
        | {
            "source": source,
            "channels": tuple(row.channels.split(",")),
            "state": State(row.state),
            "reason": Reason(row.reason) if row.reason else None,
        }
    )
