"""An owner that can be restored, and a listener that adds up what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from google.type.date_pb2 import Date

from chassis.consumer import Consumer, Feed, cursors_table
from chassis.database import Database, Text, Tx, metadata, twin, upsert
from chassis.events import PARTITIONS, Change, EventLog
from chassis.feed import sequence
from chassis.ids import NewId
from chassis.rebuild import Listener, Projection
from chassis.tests.events import number_of
from shuke.event.v1 import event_pb2

OWNER = metadata()
LOG = EventLog(OWNER, "owner.shuke")
TABLES = metadata()
CURSORS = cursors_table(TABLES)
SUMS = sa.Table(
    "sums",
    TABLES,
    sa.Column("key", Text, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
)
BESIDE = twin(SUMS)
TOLD = sa.Table(
    "told",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
)
SOURCE = LOG.source


@dataclass
class Owner:
    """A log in a database, and its feed; ids count on."""

    database: Database
    ids: list[str] = field(default_factory=list)
    copies: list[dict[sa.Table, list[dict[str, object]]]] = field(default_factory=list)

    def begin(self) -> None:
        """Begin the log."""
        self.database.transact(lambda tx: LOG.begin(tx, self.new_id))

    def new_id(self) -> str:
        """Make an id."""
        self.ids.append(f"id-{len(self.ids)}")
        return self.ids[-1]

    def tell(self, **amounts: int) -> None:
        """Tell of an amount for each key, and number it; a copy is kept of how it was before."""
        self.copies.append(self._copy())
        told = [Change(key, key, Date(year=amount)) for key, amount in amounts.items()]
        self.database.transact(lambda tx: LOG.add(tx, told, 0, self.new_id))
        sequence(self.database, LOG)

    def restore(self, back: int = 0) -> None:
        """Put back the database as it was so many times of telling ago, and begin another epoch."""

        def work(tx: Tx) -> None:
            if back:
                for table, rows in self.copies[-back].items():
                    tx.execute(sa.delete(table))
                    if rows:
                        tx.execute(sa.insert(table), rows)
            LOG.restored(tx, self.new_id)

        self.database.transact(work)

    def _copy(self) -> dict[sa.Table, list[dict[str, object]]]:
        with self.database.read() as tx:
            return {
                table: [dict(row) for row in tx.execute(sa.select(table)).mappings()] for table in OWNER.sorted_tables
            }

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events as the feed answers them."""
        with self.database.read() as tx:
            heads = LOG.positions(tx, list(cursors))
            return event_pb2.ReadEventsResponse(
                events=LOG.read(tx, dict(cursors), heads, limit),
                heads=[event_pb2.Cursor(partition=part, position=position) for part, position in heads.items()],
                epoch=LOG.epoch(tx),
                past=LOG.past(tx),
            )

    def totals(self) -> dict[str, int]:
        """Add up, slowly and obviously, what the log holds."""
        totals: dict[str, int] = {}
        for event in self.read_events(dict.fromkeys(range(PARTITIONS), 0), 10_000).events:
            totals[event.partition_key] = totals.get(event.partition_key, 0) + number_of(event)
        return totals


@dataclass
class Meanwhile:
    """A feed beside which something happens after each of its first answers."""

    feed: Feed
    acts: list[Callable[[], object]]

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events behind cursors."""
        answer = self.feed.read_events(cursors, limit)
        if self.acts:
            self.acts.pop(0)()
        return answer


@dataclass
class Adder:
    """A service that adds up amounts by key, and tells somebody of each event that takes effect.

    `poison` names keys whose events fail.
    """

    database: Database
    owner: Owner
    poison: set[str] = field(default_factory=set)

    def listener(self, *, projects: bool = True) -> Listener:
        """Make the listener; a process that starts again makes it anew."""
        consumer = Consumer(self.database, CURSORS, SOURCE, self.effect, clock=lambda: 0, new_id=lambda: "id")
        projection = Projection({SUMS: BESIDE}, self.beside) if projects else None
        return Listener(consumer, self.owner, projection)

    def effect(self, tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        """Add amounts, and tell of them."""
        self.add(tx, events, SUMS)
        tx.execute(sa.insert(TOLD), [{"key": each.partition_key, "amount": number_of(each)} for each in events])

    def beside(self, tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        """Add amounts beside."""
        self.add(tx, events, BESIDE)

    def add(self, tx: Tx, events: Sequence[event_pb2.Event], table: sa.Table) -> None:
        """Add amounts in a table."""
        for event in events:
            if event.partition_key in self.poison:
                raise ValueError
            new = {"key": event.partition_key, "total": number_of(event), "events": 1}
            added = {"total": table.c.total + new["total"], "events": table.c.events + 1}
            tx.execute(upsert(tx, table).values(new).on_conflict_do_update(index_elements=["key"], set_=added))

    def totals(self, table: sa.Table = SUMS) -> dict[str, int]:
        """Read the sums."""
        with self.database.read() as tx:
            return {row.key: row.total for row in tx.execute(sa.select(table))}

    def told(self) -> list[tuple[str, int]]:
        """Read what was told since the last time."""
        with self.database.write() as tx:
            told = [(row.key, row.amount) for row in tx.execute(sa.select(TOLD).order_by(TOLD.c.id))]
            tx.execute(sa.delete(TOLD))
        return told

    def settle(self, listener: Listener | None = None) -> None:
        """Let the listener step until nothing is left to do."""
        listener = listener or self.listener()
        for _ in range(200):
            if not listener.step():
                return
        raise AssertionError("the listener never comes to rest")

    def rows(self) -> dict[str, int]:
        """Count what a rebuild leaves behind."""
        beside = f"{SOURCE} beside"
        with self.database.read() as tx:
            return {
                "rebuilds": tx.execute(sa.select(sa.func.count()).select_from(TABLES.tables["rebuilds"])).scalar_one(),
                "twins": tx.execute(sa.select(sa.func.count()).select_from(BESIDE)).scalar_one(),
                "cursors": tx.execute(
                    sa.select(sa.func.count()).select_from(CURSORS).where(CURSORS.c.source == beside)
                ).scalar_one(),
            }


NOTHING_LEFT = {"rebuilds": 0, "twins": 0, "cursors": 0}


def epochs(adder: Adder) -> set[str]:
    """Read the epochs in which the cursors stand."""
    with adder.database.read() as tx:
        return set(tx.scalars(sa.select(CURSORS.c.epoch).where(CURSORS.c.source == SOURCE)))


def ask(listener: Listener) -> None:
    """Ask for a rebuild, as the command does."""
    listener.database.transact(listener.ask)
