"""The day close on both engines: SQL adds up as the rules do, and closes are only added."""

from __future__ import annotations

import dataclasses
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database import Database, Tx
from chassis.migrations import upgrade
from services.customer.ledger import repository as ledger
from services.customer.ledger.domain import Anomaly, Content, CustomerState, Entry, Line, Query, Receipt, Record, Void
from services.customer.server import PROGRAM
from services.customer.store_days import repository
from services.customer.store_days.domain import Close, Figures, Sums, side_of, sum_up
from services.customer.tables import METADATA
from services.customer.tests.builders import Shop
from services.customer.tests.closing import Office, told
from tests.databases import MakeDatabase

FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make the service's database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, METADATA), PROGRAM.name)


def entry(record: Record, day: date, total: int, *, voided: bool, odd: bool) -> Entry:
    """Write an entry of the ledger."""
    new_id = str(uuid.uuid4())
    content = Content(Receipt("LEEDS", "T1", day, new_id), 0, (Line(1, "GOODS", "TEA", 1000, total),), total)
    return Entry(
        id=new_id,
        record=record,
        kind="SALE",
        content=content,
        payload_hash=b"",
        customer_id=None,
        customer_state=CustomerState.ANONYMOUS,
        create_time=0,
        anomalies=(Anomaly.TIME_IN_FUTURE, Anomaly.CUSTOMER_UNKNOWN) if odd else (),
        void=Void(1, "KEYED_WRONG", "") if voided else None,
    )


entries = st.builds(
    entry,
    st.sampled_from(Record),
    st.sampled_from(DAYS),
    st.integers(0, 10**11),
    voided=st.booleans(),
    odd=st.booleans(),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_entries=st.lists(entries, max_size=8))
def test_days_add_up_in_sql_as_by_the_rule(database: Database, given_entries: list[Entry]) -> None:
    """The sums of days, the records of each day and the list of odd ones are those of the entries that were written."""
    store = str(uuid.uuid4())
    mine = [_in_store(one, store) for one in given_entries]
    database.transact(lambda tx: ledger.add(tx, mine))
    with database.read() as tx:
        found = repository.sums_by_day(tx, store, DAYS[0], DAYS[1])
        by_day = {day: repository.held(tx, store, day) for day in DAYS[:2]}
        query = Query("", store, None, None, None, 50, odd=True)
        listed = {one.id for record in Record for one in ledger.list_entries(tx, record, query)}
    assert found == {day: sum_up(side_of(held, receipts=False)) for day, held in by_day.items() if held}
    for day, held in by_day.items():
        counting = [one for one in mine if one.content.receipt.business_date == day and not one.void]
        written = sorted(
            (one.record, one.content.receipt.receipt_no, one.content.total, one.anomalies) for one in counting
        )
        assert sorted((one.record, one.receipt_no, one.total, one.anomalies) for one in held) == written
    assert listed == {one.id for one in mine if one.anomalies}


def _in_store(one: Entry, store: str) -> Entry:
    receipt = dataclasses.replace(one.content.receipt, store=store)
    return dataclasses.replace(one, content=dataclasses.replace(one.content, receipt=receipt))


def test_the_last_close_of_each_day_is_read_as_it_was_written(database: Database) -> None:
    """Every figure of a close survives; of a day's attempts the last one is answered, of other stores none."""
    journal = Sums(Figures(1, 2), Figures(3, 4))
    held = Sums(Figures(5, 6), Figures(7, 8))
    first = Close(
        "LEEDS", FIRST, 1, balanced=False, journal=journal, held=held, closed_by="A", api_key="k", close_time=9
    )
    second = dataclasses.replace(first, attempt=2, balanced=True, close_time=10)
    foreign = dataclasses.replace(first, store="YORK", attempt=3)
    later = dataclasses.replace(first, business_date=DAYS[1], closed_by="")

    def work(tx: Tx) -> None:
        for each in (second, first, foreign, later):
            repository.add(tx, each)

    database.transact(work)
    with database.read() as tx:
        assert repository.last_closes(tx, "LEEDS", FIRST, DAYS[1]) == {FIRST: second, DAYS[1]: later}
        assert repository.last_closes(tx, "LEEDS", DAYS[1], DAYS[2]) == {DAYS[1]: later}


def test_closes_at_the_same_time_are_attempts_one_after_the_other(shop: Shop) -> None:
    """However many close a day at once, each becomes an attempt of its own, and none is lost."""
    office = Office(shop)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: office.close(told(f"R{number}")), range(8)))
    assert sorted(answer.close.attempt for answer in answers) == list(range(1, 9))
