"""Entries of a few customers, and what they add up to slowly: what the tests of SQL against rules share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from chassis.database import Database, Tx
from services.tiering.grading.domain import Metrics
from services.tiering.policies.domain import Kind, RefundCountsAt, Rules, window_start
from services.tiering.spend.domain import Entry
from services.tiering.tests.ladders import AS_OF
from services.tiering.tests.owner import at, customer

EVERYBODY = [customer(number) for number in range(4)]
examples = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@contextmanager
def tried(database: Database) -> Iterator[Tx]:
    """Open a transaction that leaves nothing behind."""
    with database.writer.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


# Days before the day graded, at and around the ends of every window; two lie behind it.
AGES = [0, 1, 29, 30, 31, 59, 60, 89, 90, 91, 120, 182, 274, 364, 365, 366, 800, -1, -30]


def entries_of(bounds: list[int]) -> st.SearchStrategy[Entry]:
    """Draw entries whose amounts and ages often meet a bound, or miss it by one; refunds may know their sale's day."""
    near = [number for bound in bounds for number in (bound - 1, bound, bound + 1)]
    amounts = st.sampled_from(near) | st.integers(0, 40)
    return st.builds(
        lambda who, age, **rest: Entry(who, AS_OF - timedelta(days=age), at(AS_OF - timedelta(days=age)), **rest),
        who=st.sampled_from(EVERYBODY),
        age=st.sampled_from(near) | st.sampled_from(AGES),
        is_sale=st.sampled_from([True, True, True, False]),
        total=amounts,
        profit=amounts,
        kind=st.sampled_from(Kind),
        sale_date=st.none() | st.sampled_from(AGES).map(lambda age: AS_OF - timedelta(days=age)),
    )


ENTRIES = entries_of([0, 30])


def counts_on(rules: Rules, entry: Entry) -> date:
    """Answer the day on which an entry counts."""
    at_sale = rules.refund_counts_at is RefundCountsAt.SALE_TIME and not entry.is_sale
    return (at_sale and entry.sale_date) or entry.business_date


def figures_of(rules: Rules, entries: list[Entry], who: str, as_of: date = AS_OF) -> Metrics:
    """Add a customer's entries up as a person would."""
    start = window_start(rules, as_of)
    mine = [entry for entry in entries if entry.customer == who]
    counted = [
        (entry, 1 if entry.is_sale else -1)
        for entry in mine
        if start <= counts_on(rules, entry) <= as_of and entry.kind in (rules.kinds or tuple(Kind))
    ]
    return Metrics(
        net_spend=sum(sign * entry.total for entry, sign in counted),
        profit=sum(sign * entry.profit for entry, sign in counted),
        purchase_count=sum(entry.is_sale for entry, _ in counted),
        active_days=len({entry.business_date for entry, _ in counted if entry.is_sale}),
        first_date=min(
            (entry.business_date for entry in mine if entry.is_sale and entry.business_date <= as_of), default=None
        ),
    )
