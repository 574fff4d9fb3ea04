"""What a run tells: whoever moved, and whoever stays, each once; and of the past nothing but the run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from google.protobuf.message import Message

from services.tiering.tests.clients import EVALUATIONS, LOYALTY, MEMBERSHIPS, Tiering
from services.tiering.tests.owner import ANNA, BERT, CARLA, DORA, customer, refund, sale
from shuke.options.v1 import options_pb2
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

JANUARY, MAY = date(2011, 1, 5), date(2011, 5, 5)
Q1, Q2 = date(2011, 3, 31), date(2011, 6, 30)

Changed, Confirmed, Completed = (
    events_pb2.MembershipChanged,
    events_pb2.MembershipConfirmed,
    events_pb2.EvaluationCompleted,
)


def of_customers(told: list[Message]) -> dict[str, tuple[type[Message], str]]:
    """Read what each customer is told: the kind of event and the class; nobody is told twice."""
    found: dict[str, tuple[type[Message], str]] = {}
    for one in told:
        if isinstance(one, Completed):
            continue
        assert isinstance(one, Changed | Confirmed)
        assert one.customer not in found
        class_key = one.to_class if isinstance(one, Changed) else one.class_key
        found[one.customer.rpartition("/")[2]] = (type(one), class_key)
    return found


@pytest.mark.requirement("T-14", "T-20", "X-06")
def test_whoever_moves_and_whoever_stays_is_told_and_then_the_run(tiering: Tiering) -> None:
    """Each movement names the run that made it and both ranks; who stays is told the class; the run comes last."""
    tiering.activate()
    tiering.tell(sale(BERT, JANUARY, 500_00), sale(ANNA, JANUARY, 1_00))
    tiering.told()
    evaluation = tiering.evaluate(Q1)
    told = tiering.told()
    [changed] = [one for one in told if isinstance(one, Changed)]
    [confirmed] = [one for one in told if isinstance(one, Confirmed)]
    [completed] = [one for one in told if isinstance(one, Completed)]
    assert changed == Changed(
        customer=f"customers/{BERT}",
        scheme=LOYALTY,
        from_class="NEW",
        to_class="REGULAR",
        to_display_name=options_pb2.Text(zh="普通客户", en="Regular"),
        cause=pb.Movement.EVALUATION,
        evaluation=evaluation.name,
        effective_time=evaluation.effective_time,
        from_rank=1,
        to_rank=2,
    )
    assert confirmed == Confirmed(
        customer=f"customers/{ANNA}",
        scheme=LOYALTY,
        class_key="NEW",
        display_name=options_pb2.Text(zh="新客户", en="New"),
        rank=1,
        evaluation=evaluation.name,
        effective_time=evaluation.effective_time,
    )
    assert completed == Completed(
        evaluation=evaluation.name, scheme=LOYALTY, as_of=evaluation.as_of, denominator=2, up_count=1
    )
    request = pb.ListMovementsRequest(parent=evaluation.name)
    [movement] = tiering.running.call(EVALUATIONS, "ListMovements", request).movements
    assert (movement.customer, movement.evaluation, movement.to_class) == (
        *(f"customers/{BERT}", evaluation.name, "REGULAR"),
    )


@pytest.mark.requirement("T-14")
def test_after_grading_every_customer_with_a_class_is_told_once(tiering: Tiering) -> None:
    """Up, down, out of the scheme or as before: one event for each; who stands as none before and after gets none."""
    tiering.activate()
    tiering.tell(
        *(sale(who, JANUARY, pence) for who, pence in ((ANNA, 1_00), (BERT, 600_00), (CARLA, 600_00))),
        refund(DORA, JANUARY, 1_00),
    )
    tiering.evaluate(Q1)
    tiering.running.clock.now += 1_000_000
    tiering.tell(sale(ANNA, MAY, 2_500_00), refund(BERT, MAY, 200_00), sale(customer(9), MAY, 1_00))
    tiering.told()
    tiering.evaluate(Q2)
    assert of_customers(tiering.told()) == {
        ANNA: (Changed, "SILVER"),
        BERT: (Changed, "NEW"),
        CARLA: (Confirmed, "REGULAR"),
        customer(9): (Confirmed, "NEW"),
    }
    tiering.running.clock.now += 1_000_000
    tiering.evaluate(Q2)
    again = of_customers(tiering.told())
    assert Counter(kind for kind, _ in again.values()) == {Confirmed: 4}


@pytest.mark.requirement("T-14")
def test_a_first_class_that_the_run_found_is_not_told_twice(tiering: Tiering) -> None:
    """Who bought before there was a policy hears of the first class by the movement, and of no confirmation."""
    tiering.tell(sale(ANNA, JANUARY, 1_00))
    tiering.activate()
    tiering.evaluate(Q1)
    assert of_customers(tiering.told()) == {ANNA: (Changed, "NEW")}


@pytest.mark.requirement("T-14", "T-20")
def test_a_run_of_the_past_confirms_nobody(tiering: Tiering) -> None:
    """A day graded after a later one says nothing of the present: neither to whom it moved nor to the others."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 700_00), sale(ANNA, MAY, 2_000_00), sale(BERT, JANUARY, 1_00))
    tiering.evaluate(Q2)
    tiering.running.clock.now += 1_000_000
    tiering.told()
    tiering.evaluate(Q1)
    assert [type(one) for one in tiering.told()] == [Completed]


@pytest.mark.requirement("T-14", "T-20", "X-06")
@pytest.mark.parametrize("seed", range(3))
def test_whoever_listens_knows_every_class(tiering: Tiering, seed: int) -> None:
    """Runs of any day, tried, applied and reverted between sales: the last event of each customer tells its class."""
    dice = random.Random(seed)
    held: dict[str, str] = {}
    tiering.activate()
    started: list[pb.Evaluation] = []
    for _ in range(7):
        tiering.running.clock.now += 1_000_000
        days = [date(2011, 1, 1) + timedelta(days=dice.randrange(250)) for _ in range(25)]
        kinds: list[Callable[[str, date, int], Message]] = [sale, sale, refund]
        tiering.tell(*(dice.choice(kinds)(customer(dice.randrange(20)), day, dice.randrange(3_000_00)) for day in days))
        if started and dice.random() < 0.4:
            tiering.later("Revert", started.pop().name)
        else:
            started.append(tiering.evaluate(dice.choice([Q1, Q2, date(2011, 9, 30)])))
        for one in tiering.told():
            if isinstance(one, Changed):
                held[one.customer] = one.to_class
            elif isinstance(one, Confirmed):
                assert held[one.customer] == one.class_key
        request = pb.ListMembersRequest(parent=LOYALTY, page_size=200)
        members = tiering.running.call(MEMBERSHIPS, "ListMembers", request).members
        assert {one.customer: one.effective_class for one in members} == {
            who: class_key for who, class_key in held.items() if class_key
        }
