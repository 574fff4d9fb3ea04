"""What sales and refunds do to tiering when they arrive: once each, in any order, the first purchase at once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import date

import pytest
import sqlalchemy as sa
from google.protobuf.message import Message

from chassis import wire
from chassis.consumer import Consumer
from chassis.database import Database
from services.tiering.benefits.domain import Catalogue
from services.tiering.benefits.repository import Catalogues
from services.tiering.consumers import SOURCE, CustomerEvents
from services.tiering.policies.domain import Ladder
from services.tiering.policies.repository import Policies
from services.tiering.spend.domain import Day
from services.tiering.spend.tables import DAYS
from services.tiering.tables import CURSORS, LOG
from services.tiering.tests.clients import EVALUATIONS, Tiering, policy_of, refused
from services.tiering.tests.ladders import FIRST_DAY, LOYALTY
from services.tiering.tests.owner import (
    ANNA,
    BERT,
    CARLA,
    DORA,
    EPOCH,
    Owner,
    at,
    beginning,
    customer,
    refund,
    sale,
    voided,
)
from shuke.customer.v1 import events_pb2 as customer_events
from shuke.event.v1 import event_pb2
from shuke.options.v1 import options_pb2
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

JANUARY, FEBRUARY, MARCH = date(2011, 1, 5), date(2011, 2, 5), date(2011, 3, 5)


def sums(database: Database) -> list[tuple[object, ...]]:
    """Read all days."""
    with database.read() as tx:
        return [tuple(row) for row in tx.execute(sa.select(DAYS).order_by(DAYS.c.customer_id, DAYS.c.business_date))]


def deliver(tiering: Tiering, events: Sequence[event_pb2.Event], ladder: Ladder = LOYALTY) -> int:
    """Hand events to a second consumer of the same cursors, as another transport would."""
    base = tiering.running.service.foundation
    effect = CustomerEvents(LOG, Policies(lambda _: ladder), Catalogues(lambda _: Catalogue()), base.chain)
    return Consumer(base.database, CURSORS, SOURCE, effect, clock=base.clock, new_id=base.new_id).deliver(events, EPOCH)


@pytest.mark.requirement("T-01", "X-09")
def test_the_first_purchase_gives_its_class_at_once(tiering: Tiering) -> None:
    """NEW holds from the sale's business time, also with a zero total, and the suite is told of it."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 0))
    member = tiering.member(ANNA)
    assert (member.effective_class, wire.instant(member.since_time)) == ("NEW", at(JANUARY))
    [told] = tiering.told()
    assert told == events_pb2.MembershipChanged(
        customer=f"customers/{ANNA}",
        scheme="schemes/loyalty",
        to_class="NEW",
        to_display_name=options_pb2.Text(zh="新客户", en="New"),
        cause=pb.Movement.FIRST_PURCHASE,
        effective_time=wire.timestamp(at(JANUARY)),
        to_rank=1,
    )
    tiering.tell(sale(ANNA, FEBRUARY, 10_00))
    assert len(tiering.history(ANNA)) == 1
    assert tiering.told() == []


@pytest.mark.requirement("X-08", "T-20")
def test_an_earlier_sale_that_arrives_late_corrects_the_first_class(tiering: Tiering) -> None:
    """The class then holds since the earlier sale, by a movement of its own, and a later sale changes nothing."""
    tiering.activate()
    tiering.tell(sale(ANNA, FEBRUARY, 10_00))
    tiering.told()
    tiering.tell(sale(ANNA, JANUARY, 10_00), sale(ANNA, MARCH, 10_00))
    causes = [(one.cause, wire.instant(one.effective_time)) for one in tiering.history(ANNA)]
    assert causes == [(pb.Movement.FIRST_PURCHASE, at(FEBRUARY)), (pb.Movement.CORRECTION, at(JANUARY))]
    assert wire.instant(tiering.member(ANNA).since_time) == at(JANUARY)
    [told] = tiering.told()
    assert isinstance(told, events_pb2.MembershipChanged)
    assert (told.cause, told.to_class) == (pb.Movement.CORRECTION, "NEW")


@pytest.mark.requirement("T-01")
def test_new_comes_with_the_sale_and_not_with_a_refund(tiering: Tiering) -> None:
    """A customer whose first entry is a refund has a place in the ledger and no class until the first sale."""
    tiering.activate()
    tiering.tell(refund(ANNA, JANUARY, 20_00))
    assert tiering.member(ANNA).effective_class == ""
    assert tiering.history(ANNA) == []
    tiering.tell(sale(ANNA, FEBRUARY, 50_00))
    assert [one.to_class for one in tiering.history(ANNA)] == ["NEW"]
    assert wire.instant(tiering.member(ANNA).since_time) == at(FEBRUARY)


def test_a_correction_after_a_run_changes_the_past_alone(tiering: Tiering) -> None:
    """Whoever was graded keeps the class; the earlier sale stands in the history, and nobody is told."""
    tiering.activate()
    tiering.tell(sale(ANNA, FEBRUARY, 600_00))
    tiering.evaluate(date(2011, 3, 31))
    before, _ = tiering.member(ANNA), tiering.told()
    tiering.tell(sale(ANNA, JANUARY, 1_00))
    after = tiering.member(ANNA)
    assert (after.effective_class, after.since_time) == ("REGULAR", before.since_time)
    assert tiering.history(ANNA)[-1].cause == pb.Movement.CORRECTION
    assert tiering.told() == []


@pytest.mark.requirement("X-08")
def test_events_may_come_in_any_batches_and_again_and_again(tiering: Tiering) -> None:
    """Batches out of order, with gaps and delivered twice add up to what one delivery in order does."""
    tiering.activate()
    tiering.owner.open = False
    days = (JANUARY, FEBRUARY, MARCH)
    changes: list[Message] = [
        (refund if number % 3 == 0 else sale)(customer(number % 7), days[number % 3], number * 100)
        for number in range(1, 60)
    ]
    events = tiering.owner.tell(*changes)
    dice = random.Random(7)
    while tiering.positions() != tiering.owner.heads:
        deliver(tiering, dice.choices(events, k=20))
    assert deliver(tiering, events) == 0
    expected: dict[tuple[str, date, str], Day] = {}
    for number in range(1, 60):
        key, amount = (customer(number % 7), days[number % 3], "SALE"), number * 100
        one = Day(refunds=amount, returns=amount) if number % 3 == 0 else Day(sales=amount, purchase_count=1)
        expected[key] = expected.get(key, Day()) + one
    assert sums(tiering.running.database) == [(*key, *astuple(day)) for key, day in sorted(expected.items())]


def test_what_has_no_customer_or_is_of_another_kind_is_skipped(tiering: Tiering) -> None:
    """Anonymous sales and events that tiering does not know move the cursor and nothing else."""
    tiering.activate()
    opened = customer_events.CustomerCreated(customer=f"customers/{ANNA}")
    tiering.tell(sale("", JANUARY, 5_00), refund("", JANUARY, 5_00), opened)
    assert sums(tiering.running.database) == []
    assert refused(lambda: tiering.member(ANNA)).reason == "MEMBERSHIP_NOT_FOUND"


def test_the_policy_of_the_first_purchases_day_gives_its_class(tiering: Tiering) -> None:
    """Each scheme gives its own first class, by the version that covers the day; before its first day it gives none."""
    tiering.activate(policy_of(LOYALTY, FEBRUARY))
    tiering.activate(policy_of(LOYALTY, JANUARY), scheme="value")
    tiering.tell(sale(ANNA, JANUARY, 1_00), sale(BERT, FEBRUARY, 1_00))
    assert [tiering.member(ANNA, scheme).effective_class for scheme in ("loyalty", "value")] == ["", "NEW"]
    assert [tiering.member(BERT, scheme).effective_class for scheme in ("loyalty", "value")] == ["NEW", "NEW"]


def test_a_sale_before_any_policy_waits_for_an_evaluation(tiering: Tiering) -> None:
    """Without a policy in force a sale gives no class; the first run gives NEW since the sale, and then grades."""
    tiering.tell(sale(ANNA, JANUARY, 600_00), sale(BERT, FEBRUARY, 1_00), refund(CARLA, JANUARY, 1_00))
    tiering.activate()
    assert tiering.member(ANNA).effective_class == ""
    evaluation = tiering.evaluate(date(2011, 3, 31))
    assert (evaluation.up_count, evaluation.none_count) == (1, 1)
    first, second = reversed(tiering.history(ANNA))
    assert (first.cause, first.to_class, wire.instant(first.effective_time)) == (
        *(pb.Movement.FIRST_PURCHASE, "NEW", at(JANUARY)),
    )
    assert (second.cause, second.from_class, second.to_class) == (pb.Movement.EVALUATION, "NEW", "REGULAR")
    assert [one.cause for one in tiering.history(BERT)] == [pb.Movement.FIRST_PURCHASE]
    told = [(one.customer, one.to_class) for one in tiering.told() if isinstance(one, events_pb2.MembershipChanged)]
    assert sorted(told) == sorted(
        [(f"customers/{ANNA}", "NEW"), (f"customers/{ANNA}", "REGULAR"), (f"customers/{BERT}", "NEW")]
    )
    assert [to_class for who, to_class in told if who == f"customers/{ANNA}"] == ["NEW", "REGULAR"]


def test_whoever_was_graded_is_not_told_to_be_new(tiering: Tiering) -> None:
    """When a later version brings the first class, it is given to the past of those whom a run had graded before."""
    tiering.activate(policy_of(replace(LOYALTY, classes=LOYALTY.classes[1:])))
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tiering.evaluate(date(2011, 3, 31))
    tiering.activate(policy_of(LOYALTY, date(2011, 4, 1)))
    tiering.running.clock.now += 1_000_000
    tiering.told()
    tiering.evaluate(date(2011, 6, 30))
    assert [(one.cause, one.to_class) for one in tiering.history(ANNA)] == [
        *[(pb.Movement.EVALUATION, "REGULAR"), (pb.Movement.CORRECTION, "NEW")]
    ]
    assert tiering.member(ANNA).effective_class == "REGULAR"
    assert {type(one) for one in tiering.told()} == {events_pb2.MembershipConfirmed, events_pb2.EvaluationCompleted}


def test_a_sale_dated_in_the_future_holds_when_its_time_comes(tiering: Tiering) -> None:
    """A till with a wrong clock gives a class that nobody sees before its time."""
    tiering.activate()
    tomorrow = tiering.running.clock.now + 86_400_000_000
    tiering.tell(sale(DORA, FIRST_DAY, 1_00, business_time=tomorrow))
    assert tiering.member(DORA).effective_class == ""
    tiering.running.clock.now = tomorrow
    assert tiering.member(DORA).effective_class == "NEW"


@pytest.mark.requirement("T-01", "X-08", "T-20")
def test_the_first_class_follows_a_first_sale_that_is_lost(tiering: Tiering) -> None:
    """It begins with the next sale, and never where none remains; each step is a movement, and is told."""
    tiering.activate()
    first, second = sale(ANNA, JANUARY, 10_00), sale(ANNA, FEBRUARY, 20_00)
    tiering.tell(first, second)
    tiering.told()
    tiering.tell(voided(first, beginning(FEBRUARY, FEBRUARY)))
    member = tiering.member(ANNA)
    assert (member.effective_class, wire.instant(member.since_time)) == ("NEW", at(FEBRUARY))
    tiering.tell(refund(ANNA, MARCH, 1_00), voided(second, beginning(MARCH)))
    member = tiering.member(ANNA)
    assert (member.effective_class, member.HasField("since_time")) == ("", False)
    told = [(one.cause, one.from_class, one.to_class) for one in tiering.told()]  # type: ignore[attr-defined]
    assert told == [(pb.Movement.CORRECTION, "", "NEW"), (pb.Movement.CORRECTION, "NEW", "")]
    moved = [(one.to_class, wire.instant(one.effective_time)) for one in tiering.history(ANNA)]
    assert moved == [("", at(FEBRUARY)), ("NEW", at(FEBRUARY)), ("NEW", at(JANUARY))]
    tiering.tell(sale(ANNA, MARCH, 5_00))
    assert tiering.history(ANNA)[0].cause == pb.Movement.FIRST_PURCHASE
    assert tiering.member(ANNA).effective_class == "NEW"


def test_a_customer_of_whom_nothing_remains_is_none(tiering: Tiering) -> None:
    """No place, no part in the denominator, and the class that a run gave is gone with the next run."""
    tiering.activate()
    lost = sale(ANNA, JANUARY, 600_00)
    tiering.tell(lost, sale(BERT, JANUARY, 600_00))
    tiering.evaluate(date(2011, 3, 31))
    tiering.tell(voided(lost, beginning()))
    assert refused(lambda: tiering.member(ANNA)).reason == "MEMBERSHIP_NOT_FOUND"
    tiering.told()
    evaluation = tiering.evaluate(date(2011, 4, 30))
    assert (evaluation.denominator, evaluation.none_count) == (1, 0)
    request = pb.ListMovementsRequest(parent=evaluation.name)
    [moved] = tiering.running.call(EVALUATIONS, "ListMovements", request).movements
    assert (moved.customer, moved.from_class, moved.to_class) == (f"customers/{ANNA}", "REGULAR", "")
    [told] = [one for one in tiering.told() if isinstance(one, events_pb2.MembershipChanged) and not one.to_class]
    assert (told.customer, told.from_class) == (f"customers/{ANNA}", "REGULAR")
    assert not tiering.running.call(
        EVALUATIONS, "ListMovements", pb.ListMovementsRequest(parent=tiering.evaluate(date(2011, 5, 31)).name)
    ).movements


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Note the statements that writers send."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    sa.event.listen(database.writer, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(database.writer, "before_cursor_execute", note)


def test_a_batch_takes_a_few_statements(tiering: Tiering) -> None:
    """Five hundred events of as many new customers cost no more statements than one, the cursors aside."""
    tiering.activate()
    tiering.owner.open = False
    events = tiering.owner.tell(*(sale(customer(number), JANUARY, 1_00) for number in range(500)))
    with statements(tiering.running.database) as sent:
        assert deliver(tiering, events) == 500
    work = [one for one in sent if "cursors" not in one and "outbox" not in one and "event" not in one]
    assert len(work) <= 10, work


def test_a_feed_that_is_away_is_waited_for(tiering: Tiering) -> None:
    """What the owner told while it could not be reached comes in afterwards."""
    tiering.activate()
    tiering.owner.open = False
    tiering.owner.tell(sale(ANNA, JANUARY, 1_00))
    assert isinstance(tiering.owner, Owner)
    tiering.owner.open = True
    tiering.settle()
    assert tiering.member(ANNA).effective_class == "NEW"
