"""The ledger on both engines: what is written is read again, and running sums are the sums of what was written."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database import Database, Tx
from chassis.errors import Refused
from chassis.migrations import upgrade
from services.customer.customers.domain import Buyer, Known, resolve
from services.customer.ledger import repository as ledger
from services.customer.ledger.domain import (
    CHAIN_SCOPE,
    Anomaly,
    Content,
    CustomerState,
    Entry,
    Line,
    Link,
    Moment,
    Pending,
    Query,
    Receipt,
    Record,
    Spend,
    Void,
    tally,
)
from services.customer.purchases.domain import Draft, record
from services.customer.server import PROGRAM
from services.customer.spend import repository as spend
from services.customer.tables import METADATA
from services.customer.tests.strategies import contents, receipts, words
from tests.databases import MakeDatabase

DAYS = [date(2026, 3, 1) + timedelta(days=number) for number in range(4)]
STORES = ("LEEDS", "YORK")
MOMENT = Moment(10**15, date(2030, 1, 1), 0)

# One database serves all examples of a test: each has customers and receipts of its own.
examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make the service's database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, METADATA), PROGRAM.name)


def new_id() -> str:
    """Make an id."""
    return str(uuid.uuid4())


# ------------------------------------------------------------------------------------------------------- there and back

entries = st.builds(
    Entry,
    id=st.uuids().map(str),
    record=st.sampled_from(Record),
    kind=st.sampled_from(("SALE", "CONTRACT")),
    content=contents,
    payload_hash=st.binary(min_size=33, max_size=33),
    customer_id=st.none() | st.uuids().map(str),
    customer_state=st.sampled_from(CustomerState),
    create_time=st.integers(0, 10**16),
    anomalies=st.lists(st.sampled_from(Anomaly), unique=True).map(tuple),
    pending=st.none() | st.builds(Pending, st.sampled_from(("PHONE", "NAME")), st.binary(max_size=32)),
    sales_staff=words,
    group_order=words,
    original=st.none() | receipts,
    original_id=st.none() | st.uuids().map(str),
    link=st.none() | st.sampled_from(Link),
    reason=words,
    approver=words,
    void=st.none() | st.builds(Void, st.integers(0, 10**16), words, words),
    attach_reason=words,
)


@examples
@given(given_entries=st.lists(entries, max_size=4))
def test_an_entry_is_read_as_it_was_written(database: Database, given_entries: list[Entry]) -> None:
    """Every field of an entry, set or not, survives both engines; it is found as its own kind of record only."""
    fresh = [_with_store(dataclasses.replace(entry, id=new_id())) for entry in given_entries]
    database.transact(lambda tx: ledger.add(tx, fresh))
    with database.read() as tx:
        for kind in Record:
            found = ledger.find(tx, kind, [entry.id for entry in fresh])
            assert found == {entry.id: entry for entry in fresh if entry.record is kind}
        for entry in fresh:
            known = ledger.known_receipts(tx, entry.record, [entry.content.receipt])
            assert known == {entry.content.receipt: (entry.id, entry.payload_hash)}


def _with_store(entry: Entry) -> Entry:
    """Give an entry's receipt a store of its own, so that no two examples share a key."""
    receipt = dataclasses.replace(entry.content.receipt, store=new_id())
    return dataclasses.replace(entry, content=dataclasses.replace(entry.content, receipt=receipt))


# ---------------------------------------------------------------------------------------------------------- sums


@dataclass(frozen=True)
class Step:
    """One record that a till sends, in short; the same number is the same receipt."""

    kind: Record
    number: int
    customer: int
    store: str
    day: date
    time: int
    amount: int
    profit: int | None


steps = st.builds(
    Step,
    kind=st.sampled_from((Record.SALE, Record.SALE, Record.REFUND)),
    number=st.integers(0, 9),
    customer=st.integers(0, 2),
    store=st.sampled_from(STORES),
    day=st.sampled_from(DAYS),
    time=st.integers(0, 5),
    amount=st.integers(0, 20_00),
    profit=st.none() | st.integers(-5_00, 5_00),
)
batches = st.lists(st.lists(steps, min_size=1, max_size=5), min_size=1, max_size=6)


def send(tx: Tx, batch: Sequence[Step], people: Sequence[str], run: str) -> list[ledger.Recorded | Refused]:
    """Record a batch as the handlers do: the sales of it, then the refunds."""

    def draft(step: Step) -> Draft:
        line = Line(1, "GOODS", "TEA", 1000, step.amount, profit=step.profit)
        receipt = Receipt(step.store, run, step.day, str(step.number))
        return Draft(
            Content(receipt, step.time, (line,), step.amount), "SALE", Buyer(people[step.customer]), settled=True
        )

    def rule(kind: Record) -> Callable[[Draft], Entry]:
        def one(given_draft: Draft) -> Entry:
            known = Known([given_draft.buyer.customer_id])
            entry = record(given_draft, resolve(given_draft.buyer, known, "purchase"), MOMENT, new_id())
            return dataclasses.replace(entry, record=kind)

        return one

    outcomes: list[ledger.Recorded | Refused] = []
    for kind in Record:
        drafts = [draft(step) for step in batch if step.kind is kind]
        if drafts:
            recorded = ledger.record(tx, kind, drafts, rule(kind))
            spend.add(tx, ledger.fresh(recorded))
            outcomes += recorded
    return outcomes


@pytest.mark.requirement("C-23")
@examples
@given(sent=batches, again=st.lists(st.integers(0, 5), max_size=3))
def test_running_sums_are_the_ledgers_own_sums(database: Database, sent: list[list[Step]], again: list[int]) -> None:
    """After any mixture of sales and refunds, some sent twice, each customer's sums are those of the entries."""
    people, run = [new_id() for _ in range(3)], new_id()[:8]
    order = [*sent, *(sent[number] for number in again if number < len(sent))]
    fresh: list[Entry] = []
    for batch in order:
        outcomes = database.transact(lambda tx, batch=batch: send(tx, batch, people, run))  # type: ignore[misc]
        fresh += [each.entry for each in outcomes if isinstance(each, ledger.Recorded) and not each.replayed]
    expected = tally(fresh)
    with database.read() as tx:
        assert spend.spends(tx, people, STORES) == expected
        for person in people:
            mine = [entry for entry in fresh if entry.customer_id == person]
            for first, last in ((None, None), (DAYS[1], DAYS[2]), (DAYS[3], None), (None, DAYS[0])):
                window = [entry for entry in mine if _within(entry.content.receipt.business_date, first, last)]
                told = tally(window).get((person, CHAIN_SCOPE), Spend())
                assert _nameless(spend.spend_between(tx, person, first, last)) == _nameless(told)


def _within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or day >= first) and (last is None or day <= last)


def _nameless(sums: Spend) -> Spend:
    """Leave out which sale was first: a window tells only its time."""
    return dataclasses.replace(sums, first=dataclasses.replace(sums.first, id="") if sums.first else None)


@pytest.mark.requirement("C-22", "X-08")
@examples
@given(times=st.permutations([3, 1, 4, 1, 5]), together=st.booleans())
def test_the_first_sale_does_not_depend_on_the_order_of_arrival(
    database: Database,
    times: list[int],
    together: bool,  # noqa: FBT001  (hypothesis draws it)
) -> None:
    """In whatever order sales arrive, one by one or in one batch, the earliest is first and the latest last."""
    person, run = new_id(), new_id()[:8]
    sales = [Step(Record.SALE, number, 0, "LEEDS", DAYS[0], time, 1, None) for number, time in enumerate(times)]
    for batch in [sales] if together else [[sale] for sale in sales]:
        database.transact(lambda tx, batch=batch: send(tx, batch, [person], run))  # type: ignore[misc]
    with database.read() as tx:
        sums = spend.spends(tx, [person])[person, CHAIN_SCOPE]
        entries_of = ledger.list_entries(tx, Record.SALE, Query(person, "", None, None, None, 9))
    first = min(entries_of, key=lambda entry: (entry.content.business_time, entry.id))
    assert sums.first is not None
    assert (sums.first.business_time, sums.first.id, sums.last_time) == (1, first.id, 5)


# ------------------------------------------------------------------------------------------------------ whole or not


def test_a_batch_is_written_as_a_whole_or_not_at_all(database: Database) -> None:
    """When the transaction fails in the end, neither keys nor entries nor sums of it remain."""
    person = new_id()
    step = Step(Record.SALE, 1, 0, "LEEDS", DAYS[0], 1, 5_00, None)

    def fail(tx: Tx) -> None:
        send(tx, [step], [person], "run")
        raise RuntimeError("the end is not reached")

    with pytest.raises(RuntimeError, match="the end"):
        database.transact(fail)
    with database.read() as tx:
        assert spend.spends(tx, [person], STORES) == {}
        assert ledger.known_receipts(tx, Record.SALE, [Receipt("LEEDS", "run", DAYS[0], "1")]) == {}
    [outcome] = database.transact(lambda tx: send(tx, [step], [person], "run"))
    assert isinstance(outcome, ledger.Recorded)
    assert not outcome.replayed
