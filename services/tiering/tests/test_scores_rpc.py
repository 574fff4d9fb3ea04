"""The value scheme over the wire: everybody placed by weighted ranks, with ranges, movements and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.type.money_pb2 import Money

from chassis import wire
from services.tiering.policies.domain import Kind, Score, Weights
from services.tiering.tests.clients import ANALYTICS, AUTHOR, Tiering, counts, policy_of, refused
from services.tiering.tests.ladders import LOYALTY, NEW
from services.tiering.tests.owner import ANNA, BERT, CARLA, DORA, EMIL, customer, refund, sale
from services.tiering.tests.scores import VALUE, A, B, C, D
from shuke.customer.v1 import purchases_pb2
from shuke.tiering.v1 import events_pb2, policies_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

SCHEME = "schemes/value"
JANUARY, MARCH, MAY = date(2011, 1, 5), date(2011, 3, 5), date(2011, 5, 5)
Q1, Q2 = date(2011, 3, 31), date(2011, 6, 30)
# Of five customers one each is A, B and D, and two are C.
WIDE = replace(VALUE, classes=(replace(D, share=20), replace(C, share=40), replace(B, share=20), replace(A, share=20)))


def gbp(pence: int) -> Money:
    """Write an amount."""
    return Money(currency_code="GBP", units=pence // 100, nanos=pence % 100 * 10_000_000)


def value(tiering: Tiering, who: str) -> str:
    """Answer the class that a customer holds in the value scheme."""
    return tiering.member(who, "value").effective_class


def tell_of_five(tiering: Tiering) -> None:
    """Tell of five customers and of one who only gave something back; profits and amounts differ in order."""
    tiering.tell(
        sale(ANNA, JANUARY, 100_00, profit=30_00),
        sale(ANNA, JANUARY, 1_00),
        sale(BERT, JANUARY, 90_00, profit=40_00),
        sale(CARLA, JANUARY, 90_00, profit=10_00),
        sale(DORA, JANUARY, 20_00, profit=10_00),
        sale(EMIL, JANUARY, 30_00, profit=25_00),
        refund(EMIL, MARCH, 20_00, profit=20_00),
        refund(customer(9), MARCH, 5_00),
    )


@pytest.mark.requirement("T-20", "T-22", "T-23", "T-24", "T-25", "T-26", "T-27", "X-01", "X-04")
def test_a_run_places_everybody_with_a_sale(tiering: Tiering) -> None:
    """Ranks, scores and classes are those worked out by hand, and the run tells how far each class reached."""
    tiering.activate(policy_of(WIDE), "value")
    tell_of_five(tiering)
    run = tiering.evaluate(Q1, SCHEME)
    # Ranks by amount, profit and number: Anna 5 4 5, Bert 3 5 1, Carla 3 2 1, Dora 2 2 1, Emil 1 1 1.
    held = {who: value(tiering, who) for who in (ANNA, BERT, CARLA, DORA, EMIL, customer(9))}
    assert held == {ANNA: "A", BERT: "B", CARLA: "C", DORA: "C", EMIL: "D", customer(9): ""}
    assert (counts(run.classes), run.denominator, run.none_count) == ({"D": 1, "C": 2, "B": 1, "A": 1}, 6, 1)
    assert (run.up_count, run.down_count) == (0, 0)
    assert list(run.class_ranges) == [
        reached("D", "一般客户", (10_00, 10_00), (0, 0)),
        reached("C", "普通客户", (20_00, 90_00), (40 + 40, 80 + 40)),
        reached("B", "次重要客户", (90_00, 90_00), (80 + 160, 80 + 160)),
        reached("A", "重要客户", (101_00, 101_00), (160 + 120 + 80, 160 + 120 + 80)),
    ]
    moved = [one for one in tiering.told() if isinstance(one, events_pb2.MembershipChanged)]
    assert {one.customer: (one.from_class, one.to_class, one.evaluation) for one in moved} == {
        f"customers/{who}": ("", class_key, run.name) for who, class_key in held.items() if class_key
    }


def reached(class_key: str, name: str, amounts: tuple[int, int], scores: tuple[int, int]) -> pb.ClassRange:
    """Write how far a class reached."""
    return pb.ClassRange(
        class_key=class_key,
        display_name=name,
        least_amount=gbp(amounts[0]),
        greatest_amount=gbp(amounts[1]),
        least_score=scores[0],
        greatest_score=scores[1],
    )


@pytest.mark.requirement("T-13", "T-20", "X-04")
def test_every_run_places_everybody_anew(tiering: Tiering) -> None:
    """Whoever is overtaken moves down without a purchase or a refund of its own; each movement is told."""
    tiering.activate(policy_of(WIDE), "value")
    tell_of_five(tiering)
    tiering.evaluate(Q1, SCHEME)
    tiering.told()
    tiering.tell(*(sale(EMIL, MAY, 500_00, profit=100_00) for _ in range(3)))
    run = tiering.evaluate(Q2, SCHEME)
    assert (run.up_count, run.down_count) == (1, 3)
    told = {
        one.customer: (one.from_class, one.to_class)
        for one in tiering.told()
        if isinstance(one, events_pb2.MembershipChanged)
    }
    assert told == {
        f"customers/{EMIL}": ("D", "A"),
        f"customers/{ANNA}": ("A", "B"),
        f"customers/{BERT}": ("B", "C"),
        f"customers/{DORA}": ("C", "D"),
    }


@pytest.mark.requirement("T-14", "T-20", "X-04", "X-06")
def test_a_value_run_tells_everybody_and_is_taken_back(tiering: Tiering) -> None:
    """Who moved and who stayed hear of classes with ranks, the matrix counts both, and a revert restores the places."""
    tiering.activate(policy_of(WIDE), "value")
    tell_of_five(tiering)
    first = tiering.evaluate(Q1, SCHEME)
    before = {who: value(tiering, who) for who in (ANNA, BERT, CARLA, DORA, EMIL)}
    tiering.tell(*(sale(EMIL, MAY, 500_00, profit=100_00) for _ in range(3)))
    tiering.running.clock.now += 1_000_000
    tiering.told()
    run = tiering.evaluate(Q2, SCHEME)
    told = tiering.told()
    assert {
        one.customer: (one.from_rank, one.to_rank) for one in told if isinstance(one, events_pb2.MembershipChanged)
    } == {
        f"customers/{EMIL}": (1, 4),
        f"customers/{ANNA}": (4, 3),
        f"customers/{BERT}": (3, 2),
        f"customers/{DORA}": (2, 1),
    }
    stayed = [one for one in told if isinstance(one, events_pb2.MembershipConfirmed)]
    assert [(one.customer, one.class_key, one.rank, one.evaluation, one.display_name.zh) for one in stayed] == [
        (f"customers/{CARLA}", "C", 2, run.name, "普通客户")
    ]
    asked = pb.GetMovementMatrixRequest(scheme=SCHEME, first_date=wire.to_date(MAY), last_date=wire.to_date(Q2))
    matrix = tiering.running.call(ANALYTICS, "GetMovementMatrix", asked)
    moved = {(row.class_key, key) for row in matrix.rows for key, count in counts(row.counts).items() if count == 1}
    assert moved == {("", ""), ("D", "A"), ("C", "D"), ("C", "C"), ("B", "C"), ("A", "B")}
    assert matrix.denominator == len(moved)
    tiering.later("Revert", run.name)
    back = told_changes(tiering)
    assert {one.customer: (one.from_rank, one.to_rank, one.evaluation) for one in back} == {
        f"customers/{EMIL}": (4, 1, run.name),
        f"customers/{ANNA}": (3, 4, run.name),
        f"customers/{BERT}": (2, 3, run.name),
        f"customers/{DORA}": (1, 2, run.name),
    }
    assert {who: value(tiering, who) for who in before} == before
    tiering.later("Revert", first.name)
    assert {value(tiering, who) for who in before} == {""}


@pytest.mark.requirement("T-13", "X-04")
def test_a_tried_value_run_is_stale_when_others_have_the_places(tiering: Tiering) -> None:
    """Sales that leave each class as many customers but reach elsewhere are seen; without them the trial is applied."""
    tiering.activate(policy_of(WIDE), "value")
    tell_of_five(tiering)
    tried = tiering.evaluate(Q1, SCHEME, apply=False)
    assert value(tiering, ANNA) == ""
    tiering.tell(sale(ANNA, JANUARY, 100_00, profit=30_00))
    tiering.running.clock.now += 1_000_000
    error = tiering.finish(tiering.start_later("Apply", tried.name).name).error
    assert "no longer holds" in error.message
    again = tiering.evaluate(Q1, SCHEME, apply=False)
    assert counts(again.classes) == counts(tried.classes)
    applied = tiering.later("Apply", again.name)
    assert (applied.applied, list(applied.class_ranges)) == (True, list(again.class_ranges))
    assert value(tiering, ANNA) == "A"


@pytest.mark.requirement("X-04")
def test_a_first_purchase_waits_for_the_run(tiering: Tiering) -> None:
    """A score gives nothing at the till: place and class come with a run, and until then nothing is promised."""
    tiering.activate(policy_of(VALUE), "value")
    tiering.tell(sale(ANNA, JANUARY, 100_00))
    member = tiering.member(ANNA, "value")
    assert (member.effective_class, member.earned_class, member.next_class) == ("", "", "")
    assert not member.progress
    assert tiering.told() == []


@pytest.mark.requirement("X-04")
def test_only_the_kinds_that_the_policy_names_count(tiering: Tiering) -> None:
    """Counting contracts alone, a large sale over the counter stands behind a small contract, but has its place."""
    contracts = replace(WIDE, kinds=(Kind.CONTRACT,), weights=Weights(100, 0, 0))
    tiering.activate(policy_of(contracts), "value")
    contract = sale(BERT, JANUARY, 10_00)
    contract.kind = purchases_pb2.Purchase.CONTRACT
    tiering.tell(sale(ANNA, JANUARY, 900_00), contract)
    run = tiering.evaluate(Q1, SCHEME)
    assert [(one.class_key, one.least_amount) for one in run.class_ranges] == [("C", gbp(0)), ("B", gbp(10_00))]
    assert (value(tiering, BERT), value(tiering, ANNA)) == ("B", "C")


@pytest.mark.requirement("X-29")
@pytest.mark.parametrize(
    ("counts_at", "in_march", "in_june"), [("REFUND_TIME", "REGULAR", "NEW"), ("SALE_TIME", "NEW", "NEW")]
)
def test_a_refund_counts_on_the_day_that_the_policy_says(
    tiering: Tiering, counts_at: str, in_march: str, in_june: str
) -> None:
    """A sale of March given back in May costs its class from May on or, by the day of the sale, in March already."""
    policy = policy_of(LOYALTY)
    policy.ladder.refund_counts_at = policies_pb2.LadderPolicy.RefundCountsAt.Value(counts_at)
    tiering.activate(policy)
    tiering.tell(sale(ANNA, MARCH, 600_00), refund(ANNA, MAY, 200_00, sale_date=MARCH))
    for as_of, expected in ((Q1, in_march), (Q2, in_june)):
        run = tiering.evaluate(as_of)
        assert counts(run.classes) == dict.fromkeys(("NEW", "REGULAR", "SILVER", "GOLD", "DIAMOND"), 0) | {expected: 1}


@pytest.mark.requirement("X-29")
@pytest.mark.parametrize(("counts_at", "best"), [("REFUND_TIME", BERT), ("SALE_TIME", ANNA)])
def test_refunds_of_a_score_count_so_too(tiering: Tiering, counts_at: str, best: str) -> None:
    """In the second quarter alone, a refund of May of a sale of March weighs on its own day, or not at all."""
    policy = policy_of(replace(WIDE, weights=Weights(50, 50, 0)))
    policy.score.refund_counts_at = policies_pb2.LadderPolicy.RefundCountsAt.Value(counts_at)
    policy.score.window = policies_pb2.LadderPolicy.CALENDAR_QUARTER
    tiering.activate(policy, "value")
    tiering.tell(
        sale(ANNA, MARCH, 600_00, profit=200_00),
        refund(ANNA, MAY, 300_00, profit=100_00, sale_date=MARCH),
        sale(ANNA, MAY, 100_00, profit=10_00),
        sale(BERT, MAY, 90_00, profit=9_00),
    )
    run = tiering.evaluate(Q2, SCHEME)
    assert [who for who in (ANNA, BERT) if value(tiering, who) == run.class_ranges[-1].class_key] == [best]


@pytest.mark.requirement("X-01")
def test_a_scheme_may_change_from_a_ladder_to_a_score(tiering: Tiering) -> None:
    """The next version may be of another kind; who held a class that it does not know moves neither up nor down."""
    tiering.activate(policy_of(replace(LOYALTY, classes=(NEW,))), "value")
    tiering.tell(sale(ANNA, JANUARY, 10_00), sale(BERT, JANUARY, 20_00))
    tiering.evaluate(Q1, SCHEME)
    assert value(tiering, ANNA) == "NEW"
    tiering.activate(policy_of(VALUE, date(2011, 4, 1)), "value")
    run = tiering.evaluate(Q2, SCHEME)
    assert (counts(run.classes), run.up_count, run.down_count) == ({"D": 1, "C": 1, "B": 0, "A": 0}, 0, 0)
    assert (value(tiering, BERT), value(tiering, ANNA)) == ("C", "D")
    assert {one.from_class for one in told_changes(tiering) if one.evaluation == run.name} == {"NEW"}


def told_changes(tiering: Tiering) -> list[events_pb2.MembershipChanged]:
    """Read the changes told."""
    told: list[Message] = tiering.told()
    return [one for one in told if isinstance(one, events_pb2.MembershipChanged)]


WRONG = {
    "weights": (
        replace(VALUE, weights=Weights(40, 40, 30)),
        {"score.weights": "SUM_NOT_HUNDRED"},
        "add up to 110 per cent",
    ),
    "a weight that is missing": (
        replace(VALUE, weights=Weights(amount=60, profit=40)),
        {"score.weights.frequency": "POLICY_INCOMPLETE"},
        "the chain must choose",
    ),
    "shares": (
        replace(VALUE, classes=(C, B, A)),
        {"score.classes": "SUM_NOT_HUNDRED"},
        "must be 100 together",
    ),
    "a share of nothing": (
        replace(VALUE, classes=(replace(D, share=0), replace(C, share=80), B, A)),
        {"score.classes[3].share": "POLICY_INCOMPLETE"},
        "the chain must choose",
    ),
    "a class twice": (
        replace(VALUE, classes=(replace(D, class_key="C"), C, B, A)),
        {"score.classes[3].class_key": "CLASS_REPEATED"},
        "class C stands twice",
    ),
}


@pytest.mark.requirement("X-04", "X-05")
@pytest.mark.parametrize(("score", "fields", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_score_that_is_not_whole_is_not_submitted(
    tiering: Tiering, score: Score, fields: dict[str, str], words: str
) -> None:
    """Submitting says which field is wrong, what is wrong with it and what to do."""
    name = tiering.draft(policy_of(score), "value").name
    refusal = refused(lambda: tiering.step("Submit", name, AUTHOR))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", fields)
    assert words in refusal.message


def drafted(tiering: Tiering, **wrong: object) -> Mapping[str, str]:
    """Answer what is refused of a draft with something else in its score."""
    policy = policy_of(VALUE)
    json_format.ParseDict(wrong, policy.score)
    return refused(lambda: tiering.draft(policy, "value")).fields


@pytest.mark.requirement("X-04")
def test_a_score_is_drafted_in_the_contracts_shape(tiering: Tiering) -> None:
    """Kinds that do not exist, weights and shares out of bounds are refused at once, by path."""
    classes = [{"classKey": "E", "displayName": {"zh": "戊", "en": "E"}, "share": 101}]
    assert set(drafted(tiering, kinds=["KIND_UNSPECIFIED"], weights={"amount": 101}, classes=classes)) == {
        "policy.score.kinds[0]",
        "policy.score.weights.amount",
        "policy.score.classes[0].share",
    }
    assert set(drafted(tiering, kinds=[7])) == {"policy.score.kinds[0]"}
