"""What tiering does when the customer service tells of a sale or a refund, of a correction of one, or of a profit.

It adds up what customers spend, gives the class of the first purchase at once, and takes back at once, where the policy
says so, what a refund has undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from google.type.date_pb2 import Date

from chassis import names, wire
from chassis.calendar import day_of
from chassis.database import Tx
from chassis.errors import Problems
from chassis.events import Change, EventLog
from chassis.ids import NewId
from chassis.rebuild import Projection
from chassis.settings import Chain
from services.tiering.benefits.domain import display_names
from services.tiering.benefits.repository import Catalogues
from services.tiering.grading.domain import NOTHING, Metrics, graded
from services.tiering.grading.repository import metrics
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.convert import membership_changed
from services.tiering.memberships.domain import Movement, on_refund, on_sale
from services.tiering.policies.domain import Ladder, OnRefund, PolicyVersion, covering, grace_days
from services.tiering.policies.repository import Policies
from services.tiering.spend import repository as spend
from services.tiering.spend.domain import Change as SpendChange
from services.tiering.spend.domain import Entry, FirstSale, Loss, Revaluation, Spender
from shuke.customer.v1 import events_pb2
from shuke.event.v1 import event_pb2

SOURCE = "customer.shuke"

# The owner's kinds of sale, which its other contracts declare. Not every field is an enum, says the stub.
KINDS = events_pb2.PurchaseRecorded.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number  # type: ignore[union-attr]

# What changes sides between customers, what tells whose entries it is about, and what tells one entry's amounts.
Moved = events_pb2.PurchaseAttached | events_pb2.RefundLinked
Told = Moved | events_pb2.PurchaseRecorded | events_pb2.PurchaseRefunded | events_pb2.PurchaseVoided
Amounts = Told | events_pb2.PurchaseAttached.RefundMoved


class CustomerEvents:
    """The effect of the customer service's events; a batch of them takes a few statements."""

    def __init__(self, log: EventLog, policies: Policies, catalogues: Catalogues, chain: Chain) -> None:
        self.log = log
        self.policies = policies
        self.catalogues = catalogues
        self.money = chain.money
        self.zone = chain.zone_info
        self.readers: dict[type[Any], Callable[[Any], Sequence[SpendChange]]] = {
            events_pb2.PurchaseRecorded: self._recorded,
            events_pb2.PurchaseRefunded: self._refunded,
            events_pb2.PurchaseVoided: self._voided,
            events_pb2.PurchaseAttached: self._attached,
            events_pb2.RefundLinked: self._linked,
            events_pb2.ProfitSet: self._revalued,
        }

    def __call__(self, tx: Tx, events: Sequence[event_pb2.Event], now: int, new_id: NewId) -> None:
        """Add what the events tell of; the first class begins with the first purchase, or with none when it is lost.

        Whoever has less in the end is graded anew where the policy reverses upgrades: events that come together are
        weighed together.
        """
        read = [changes for event in events if (changes := self._changes(event))]
        begun = spend.add(tx, [change for changes in read for change in changes])
        losing = {changes[0].customer for changes in read if changes[0].takes_away}
        for scheme, versions in self.policies.active(tx).items() if begun or losing else ():
            for moved, told in (
                self._first_classes(tx, scheme, versions, begun, now),
                self._reversals(tx, covering(versions, day_of(now, self.zone)), losing, now),
            ):
                memberships.add(tx, moved)
                self.log.add(tx, told, now, new_id)

    @property
    def projection(self) -> Projection:
        """The sums: whoever reads the customer service's events once more arrives at the same."""
        return Projection(spend.TWINS, self.add_beside)

    def add_beside(self, tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        """Add the same to the sums that are built anew; classes stay what they are."""
        spend.add(tx, [change for event in events for change in self._changes(event)], beside=True)

    def _changes(self, event: event_pb2.Event) -> Sequence[SpendChange]:
        """Read what an event does to its customer's sums; nothing without a customer, and for events of other kinds."""
        for kind, read in self.readers.items():
            told = kind()
            if event.data.Unpack(told):
                return read(told) if told.customer else ()
        return ()

    def _recorded(self, told: events_pb2.PurchaseRecorded | events_pb2.PurchaseVoided) -> Sequence[Entry]:
        return (self._entry(told, told, is_sale=True),)

    def _refunded(self, told: events_pb2.PurchaseRefunded | events_pb2.RefundLinked) -> Sequence[Entry]:
        sale_date = told.original_business_date if told.HasField("original_business_date") else None
        return (self._entry(told, told, is_sale=False, sale_date=sale_date),)

    def _voided(self, told: events_pb2.PurchaseVoided) -> Sequence[Loss]:
        return (self._loss(self._recorded(told), told.remaining),)

    def _linked(self, told: events_pb2.RefundLinked) -> Sequence[Entry | Loss]:
        return self._side(told, self._refunded(told))

    def _attached(self, told: events_pb2.PurchaseAttached) -> Sequence[Entry | Loss]:
        refunds = [self._entry(one, told, is_sale=False, sale_date=told.business_date) for one in told.refunds]
        return self._side(told, (self._entry(told, told, is_sale=True), *refunds))

    def _revalued(self, told: events_pb2.ProfitSet) -> Sequence[Revaluation]:
        problems = Problems()
        day = wire.read_date(problems, "business_date", told.business_date)
        before = self.money.read(problems, "old_profit", told.old_profit)
        since = self.money.read(problems, "profit", told.profit)
        problems.refuse()
        return (Revaluation(names.identity(told.customer), day, KINDS[told.kind].name, since - before),)

    def _side(self, told: Moved, entries: Sequence[Entry]) -> Sequence[Entry | Loss]:
        return entries if told.side == events_pb2.GAINED else (self._loss(entries, told.remaining),)

    @staticmethod
    def _loss(entries: Sequence[Entry], remaining: events_pb2.Beginning) -> Loss:
        """Read what a customer loses, and when the customer began by what remains."""
        if not remaining.HasField("first_entry_date"):
            return Loss(tuple(entries), None)
        problems, sale = Problems(), None
        if remaining.HasField("first_sale_time"):
            day = wire.read_date(problems, "first_sale_date", remaining.first_sale_date)
            sale = FirstSale(day, wire.instant(remaining.first_sale_time))
        spender = Spender(wire.read_date(problems, "first_entry_date", remaining.first_entry_date), sale)
        problems.refuse()
        return Loss(tuple(entries), spender)

    def _entry(self, amounts: Amounts, told: Told, *, is_sale: bool, sale_date: Date | None = None) -> Entry:
        """Read a sale or a refund; `amounts` tells of it, and `told` whose it is and of which kind."""
        problems = Problems()
        entry = Entry(
            customer=names.identity(told.customer),
            business_date=wire.read_date(problems, "business_date", amounts.business_date),
            business_time=wire.instant(amounts.business_time),
            is_sale=is_sale,
            kind=KINDS[told.kind].name,
            total=self.money.read(problems, "total", amounts.total),
            profit=self.money.read(problems, "profit", amounts.profit),
            sale_date=wire.read_date(problems, "original_business_date", sale_date) if sale_date else None,
        )
        problems.refuse()
        return entry

    def _first_classes(
        self, tx: Tx, scheme: str, versions: Sequence[PolicyVersion], begun: Mapping[str, FirstSale | None], now: int
    ) -> tuple[list[Movement], list[Change]]:
        """Give the first class of the policy that covers the first sale's business date, and tell of what is new.

        Where a run has graded the customer before, another first sale changes the past alone.
        """
        held = memberships.standings(tx, scheme, begun)
        newest = covering(versions, date.max)
        catalogue = self.catalogues.in_force(tx, day_of(now, self.zone)).catalogue
        benefits = {one.version: display_names(catalogue, scheme, one.rules) for one in versions}
        movements, told = [], []
        for customer, sale in begun.items():
            policy, standing = covering(versions, sale.business_date) if sale else None, held.get(customer)
            first_class = policy.rules.first_class if policy else None
            movement = on_sale(scheme, customer, first_class, standing, sale.business_time if sale else None, now)
            if movement and newest:
                movements.append(movement)
                if standing is None or not standing.graded:
                    told_by = policy or newest
                    told.append(membership_changed(movement, told_by.rules, benefits[told_by.version]))
        return movements, told

    def _reversals(
        self, tx: Tx, policy: PolicyVersion | None, losing: Iterable[str], now: int
    ) -> tuple[list[Movement], list[Change]]:
        """Grade anew, as of today, who was graded before and has less now; tell of who falls. A few reads for each."""
        match policy:
            case PolicyVersion(rules=Ladder(on_refund=OnRefund.REVERSE_UPGRADE) as ladder):
                scheme, today = policy.scheme, day_of(now, self.zone)
            case _:
                return [], []

        def figures(customer: str, day: date) -> Metrics:
            return metrics(tx, customer, ladder, day) or NOTHING

        movements = []
        for customer, standing in memberships.standings(tx, scheme, losing).items():
            if standing.graded:
                before = {day: figures(customer, day) for day in grace_days(ladder, today)}
                then = graded(ladder, figures(customer, today), today, standing.class_key, before)
                movement = on_refund(scheme, customer, standing, ladder, then, now)
                movements += [movement] if movement else []
        benefits = display_names(self.catalogues.in_force(tx, today).catalogue, scheme, ladder)
        return movements, [membership_changed(movement, ladder, benefits) for movement in movements]
