"""What tiering does when the customer service tells of a sale or a refund.

It adds up what customers spend, and gives the class of the first purchase at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chassis import names, wire
from chassis.database import Tx
from chassis.errors import Problems
from chassis.events import Change, EventLog
from chassis.ids import NewId
from chassis.money import Currency
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.convert import membership_changed
from services.tiering.memberships.domain import Movement, on_sale
from services.tiering.policies.domain import PolicyVersion, covering
from services.tiering.policies.repository import Policies
from services.tiering.spend import repository as spend
from services.tiering.spend.domain import Entry, FirstSale
from shuke.customer.v1 import events_pb2, purchases_pb2
from shuke.event.v1 import event_pb2

SOURCE = "customer.shuke"


class CustomerEvents:
    """The effect of the customer service's events; a batch of them takes a few statements."""

    def __init__(self, log: EventLog, policies: Policies, money: Currency) -> None:
        self.log = log
        self.policies = policies
        self.money = money

    def __call__(self, tx: Tx, events: Sequence[event_pb2.Event], now: int, new_id: NewId) -> None:
        """Add the entries that the events tell of; a first purchase, or an earlier one, gives its class."""
        begun = spend.add(tx, [entry for event in events if (entry := self._entry(event))])
        for scheme, versions in self.policies.active(tx).items() if begun else ():
            changes, told = self._first_classes(tx, scheme, versions, begun, now)
            memberships.add(tx, changes)
            self.log.add(tx, told, now, new_id)

    def _entry(self, event: event_pb2.Event) -> Entry | None:
        """Read a sale or a refund; None for one without a customer, and for events of other kinds."""
        sale, refund = events_pb2.PurchaseRecorded(), events_pb2.PurchaseRefunded()
        is_sale = event.data.Unpack(sale)
        told = sale if is_sale else refund
        if not (is_sale or event.data.Unpack(refund)) or not told.customer:
            return None
        problems = Problems()
        business_date = wire.read_date(problems, "business_date", told.business_date)
        sale_date = None
        if not is_sale and refund.HasField("original_business_date"):
            sale_date = wire.read_date(problems, "original_business_date", refund.original_business_date)
        entry = Entry(
            customer=names.identity(told.customer),
            business_date=business_date,
            business_time=wire.instant(told.business_time),
            is_sale=is_sale,
            kind=purchases_pb2.Purchase.Kind.Name(told.kind),
            total=self.money.read(problems, "total", told.total),
            profit=self.money.read(problems, "profit", told.profit),
            sale_date=sale_date,
        )
        problems.refuse()
        return entry

    def _first_classes(
        self, tx: Tx, scheme: str, versions: Sequence[PolicyVersion], begun: Mapping[str, FirstSale], now: int
    ) -> tuple[list[Movement], list[Change]]:
        """Give the first class of the policy that covers the first sale's business date, and tell of what is new.

        Where a run has graded the customer before, an earlier first sale changes the past alone.
        """
        held = memberships.standings(tx, scheme, begun)
        movements, told = [], []
        for customer, sale in begun.items():
            policy, standing = covering(versions, sale.business_date), held.get(customer)
            first_class = policy.rules.first_class if policy else None
            began = standing.began_time if standing else None
            movement = on_sale(scheme, customer, first_class, began, sale.business_time, now)
            if policy and movement:
                movements.append(movement)
                if standing is None or not standing.graded:
                    told.append(membership_changed(movement, policy.rules))
        return movements, told
