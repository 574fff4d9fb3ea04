"""Where customers moved, and how much of the value comes from how few: figures with their denominators."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from google.type.date_pb2 import Date
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import wire
from chassis.calendar import end_of_day
from chassis.database import Database
from chassis.migrations import upgrade
from services.tiering.analytics.domain import Concentration, basis_points
from services.tiering.analytics.repository import concentration
from services.tiering.memberships.domain import class_at
from services.tiering.memberships.repository import movements
from services.tiering.server import PROGRAM
from services.tiering.spend import repository as spend
from services.tiering.spend.domain import Entry
from services.tiering.tests.clients import ANALYTICS, LOYALTY, Tiering, counts, policy_of, refused
from services.tiering.tests.ladders import LOYALTY as LADDER
from services.tiering.tests.owner import ANNA, BERT, CARLA, DORA, GBP, at, customer, refund, sale
from shuke.tiering.v1 import tiering_pb2 as pb
from tests.databases import MakeDatabase

JANUARY, FEBRUARY, MAY = date(2011, 1, 5), date(2011, 2, 5), date(2011, 5, 5)
Q1, Q2 = date(2011, 3, 31), date(2011, 6, 30)
TODAY = date(2026, 3, 2)
REAL = Path(__file__).parents[3] / "data" / "online_retail" / "expected_customers_2011-12-09.csv"


def matrix(tiering: Tiering, first: date, last: date, scheme: str = LOYALTY, language: str = "en") -> pb.MovementMatrix:
    """Ask how customers moved within some days."""
    request = pb.GetMovementMatrixRequest(scheme=scheme, first_date=wire.to_date(first), last_date=wire.to_date(last))
    answer: pb.MovementMatrix = tiering.running.call(ANALYTICS, "GetMovementMatrix", request, language=language)
    return answer


def cells(found: pb.MovementMatrix) -> dict[tuple[str, str], int]:
    """Read the cells that are not empty; all totals must be right, and the columns those of the rows."""
    keys = [row.class_key for row in found.rows]
    assert keys[0] == ""
    for row in found.rows:
        assert [one.class_key for one in row.counts] == keys
        assert row.total == sum(one.count for one in row.counts)
    assert counts(found.totals) == {
        key: sum(row.counts[index].count for row in found.rows) for index, key in enumerate(keys)
    }
    assert found.denominator == sum(row.total for row in found.rows)
    return {(row.class_key, one.class_key): one.count for row in found.rows for one in row.counts if one.count}


def value(
    tiering: Tiering, as_of: date | None = None, percent: int = 0, largest: int = 0, **caller: object
) -> pb.ValueConcentration:
    """Ask how concentrated the value is."""
    request = pb.GetValueConcentrationRequest(as_of=wire.to_date(as_of), top_percent=percent, largest_count=largest)
    answer: pb.ValueConcentration = tiering.running.call(ANALYTICS, "GetValueConcentration", request, **caller)
    return answer


# --------------------------------------------------------------------------------------------------------------- matrix


@pytest.mark.requirement("T-20")
def test_the_matrix_counts_who_went_from_which_class_to_which(tiering: Tiering) -> None:
    """Rows are the classes before the first day; who first bought within the days comes from none; all add up."""
    tiering.activate()
    tiering.tell(
        *(sale(who, JANUARY, pence) for who, pence in ((ANNA, 600_00), (BERT, 600_00), (CARLA, 1_00))),
        refund(DORA, JANUARY, 1_00),
    )
    tiering.evaluate(Q1)
    tiering.running.clock.now += 1_000_000
    tiering.tell(sale(ANNA, MAY, 2_000_00), refund(BERT, MAY, 200_00), sale(customer(9), MAY, 700_00))
    tiering.evaluate(Q2)
    tiering.tell(sale(customer(10), date(2011, 7, 1), 1_00))
    quarter = matrix(tiering, Q1 + timedelta(days=1), Q2)
    assert cells(quarter) == {
        ("REGULAR", "SILVER"): 1,
        ("REGULAR", "NEW"): 1,
        ("NEW", "NEW"): 1,
        ("", ""): 1,
        ("", "REGULAR"): 1,
    }
    assert [row.class_key for row in quarter.rows] == ["", "NEW", "REGULAR", "SILVER", "GOLD", "DIAMOND"]
    assert (quarter.rows[0].display_name, quarter.rows[2].display_name) == ("", "Regular")
    assert matrix(tiering, Q1, Q2, language="zh-CN").rows[2].display_name == "普通客户"
    # At the end of the quarter's last day the run of that day has taken effect; the day before it has not.
    assert cells(matrix(tiering, Q1, Q1)) == {("NEW", "REGULAR"): 2, ("NEW", "NEW"): 1, ("", ""): 1}
    assert cells(matrix(tiering, date.min, JANUARY)) == {("", "NEW"): 3, ("", ""): 1}


def test_the_matrix_lists_classes_that_only_an_older_policy_knows(tiering: Tiering) -> None:
    """They stand behind the policy's own, by their keys, so that nobody is lost."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tiering.evaluate(Q1)
    tiering.activate(policy_of(replace(LADDER, classes=LADDER.classes[:1]), Q2))
    tiering.running.clock.now += 1_000_000
    tiering.evaluate(Q2)
    found = matrix(tiering, Q2, Q2)
    assert cells(found) == {("REGULAR", "NEW"): 1}
    assert [(row.class_key, row.display_name) for row in found.rows] == [
        ("", ""),
        ("NEW", "New"),
        ("REGULAR", "REGULAR"),
    ]


@pytest.mark.requirement("T-20")
def test_the_matrix_is_what_each_customers_movements_say(tiering: Tiering) -> None:
    """For random shops and days it counts the classes that the rule finds for each customer by itself."""
    tiering.activate()
    days = [date(2011, 1, 1) + timedelta(days=number * 37 % 200) for number in range(90)]
    tiering.tell(*(sale(customer(number * 7 % 30), day, number * 731_00 % 3_000_00) for number, day in enumerate(days)))
    for as_of in (Q1, Q2):
        tiering.running.clock.now += 1_000_000
        tiering.evaluate(as_of)
    zone = tiering.running.service.foundation.chain.zone_info
    for first, last in ((date(2011, 1, 20), date(2011, 3, 1)), (FEBRUARY, Q1), (Q1, Q2), (JANUARY, TODAY)):
        expected: Counter[tuple[str, str]] = Counter()
        with tiering.running.database.read() as tx:
            for number in range(30):
                began = spend.spenders(tx, [customer(number)])
                if began and began[customer(number)].first_entry_date <= last:
                    moved = movements(tx, "loyalty", customer(number))
                    ends = (end_of_day(first - timedelta(days=1), zone), end_of_day(last, zone))
                    before, after = (class_at(moved, end) or "" for end in ends)
                    expected[before, after] += 1
        assert cells(matrix(tiering, first, last)) == dict(expected)


def test_days_that_make_no_window_are_refused(tiering: Tiering) -> None:
    """An end before the start, a day to come, no day of the calendar and a scheme that is not known, by field."""
    tiering.activate()
    refusal = refused(partial(matrix, tiering, Q2, Q1))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", {"last_date": "RANGE_REVERSED"})
    refusal = refused(partial(matrix, tiering, Q2, TODAY + timedelta(days=1)))
    assert refusal.fields == {"last_date": "DATE_IN_FUTURE"}
    assert "2026-03-02" in refusal.message
    assert matrix(tiering, TODAY, TODAY).denominator == 0
    no_day = Date(year=2011, month=2, day=30)
    request = pb.GetMovementMatrixRequest(scheme=LOYALTY, first_date=no_day, last_date=no_day)
    refusal = refused(partial(tiering.running.call, ANALYTICS, "GetMovementMatrix", request))
    assert refusal.fields == {"first_date": "DATE_MALFORMED", "last_date": "DATE_MALFORMED"}
    request = pb.GetMovementMatrixRequest(scheme=LOYALTY)
    refusal = refused(partial(tiering.running.call, ANALYTICS, "GetMovementMatrix", request))
    assert list(refusal.fields) == ["first_date", "last_date"]
    assert refused(partial(matrix, tiering, Q1, Q2, "schemes/none")).reason == "SCHEME_UNKNOWN"
    assert refused(partial(matrix, tiering, date(2010, 1, 1), date(2010, 2, 1))).reason == "POLICY_MISSING"


# ---------------------------------------------------------------------------------------------------------------- value


@pytest.mark.requirement("T-29")
def test_a_year_of_a_real_shop_is_concentrated_as_counted_independently(tiering: Tiering) -> None:
    """Of 4,372 customers the first 874 hold 73.82 per cent of net; the largest is 14646 with 279,489.02."""
    last = date(2011, 12, 9)
    with REAL.open(encoding="utf-8") as file:
        nets = {customer(int(row["customer_id"])): int(Decimal(row["net_spend"]) * 100) for row in csv.DictReader(file)}
    with tiering.running.database.write() as tx:
        spend.add(
            tx, [Entry(who, last, at(last), is_sale=net >= 0, total=abs(net), profit=0) for who, net in nets.items()]
        )
    found = value(tiering, last)
    assert (found.denominator, found.numerator, found.top_percent) == (4_372, 874, 20)
    assert found.net_spend.share_basis_points == 73_82
    ordered = sorted(nets.items(), key=lambda one: (-one[1], one[0]))
    assert found.net_spend.top_amount == wire.to_money(sum(net for _, net in ordered[:874]), GBP)
    assert found.net_spend.total_amount == wire.to_money(sum(nets.values()), GBP)
    assert [(one.customer, one.net_spend) for one in found.largest] == [
        (f"customers/{who}", wire.to_money(net, GBP)) for who, net in ordered[:5]
    ]
    assert found.largest[0] == pb.LargestCustomer(
        customer=f"customers/{customer(14646)}", net_spend=wire.to_money(279_489_02, GBP)
    )
    # No profit is known, so that nobody has a share in it.
    assert not found.profit.HasField("share_basis_points")


@pytest.mark.requirement("T-29")
def test_the_share_is_of_net_and_of_known_profit(tiering: Tiering) -> None:
    """Refunds are taken off, the day counts, equal customers come by name, and who only gave back is counted too."""
    tiering.tell(
        sale(ANNA, JANUARY, 100_00, profit=10_00),
        sale(BERT, JANUARY, 90_00, profit=50_00),
        sale(CARLA, JANUARY, 60_00),
        refund(BERT, FEBRUARY, 30_00, profit=10_00),
        refund(DORA, FEBRUARY, 20_00),
        sale(DORA, MAY, 9_000_00),
    )
    found = value(tiering, Q1, percent=50, largest=3)
    assert (found.denominator, found.numerator) == (4, 2)
    assert (found.net_spend.top_amount.units, found.net_spend.total_amount.units) == (160, 200)
    assert found.net_spend.share_basis_points == 80_00
    assert (found.profit.top_amount.units, found.profit.total_amount.units) == (50, 50)
    assert found.profit.share_basis_points == 100_00
    assert [one.customer.rpartition("/")[2] for one in found.largest] == [ANNA, BERT, CARLA]
    january = value(tiering, JANUARY)
    assert (january.denominator, january.numerator, january.net_spend.share_basis_points) == (3, 1, 40_00)
    assert value(tiering).as_of == wire.to_date(TODAY)


def test_of_nobody_there_is_no_share(tiering: Tiering) -> None:
    """Before anything is in the ledger all is zero; a total below zero has no share."""
    nothing = value(tiering)
    assert (nothing.denominator, nothing.numerator, len(nothing.largest)) == (0, 0, 0)
    assert not nothing.net_spend.HasField("share_basis_points")
    tiering.tell(refund(ANNA, JANUARY, 5_00))
    below = value(tiering, percent=100)
    assert (below.numerator, below.net_spend.total_amount.units) == (1, -5)
    assert not below.net_spend.HasField("share_basis_points")


def test_wrong_questions_about_value_are_refused(tiering: Tiering) -> None:
    """A day to come, no day of the calendar, a share above all and a caller who may not, by field."""
    assert refused(partial(value, tiering, TODAY + timedelta(days=1))).fields == {"as_of": "DATE_IN_FUTURE"}
    request = pb.GetValueConcentrationRequest(as_of=Date(year=2011, month=13, day=1))
    refusal = refused(partial(tiering.running.call, ANALYTICS, "GetValueConcentration", request))
    assert refusal.fields == {"as_of": "DATE_MALFORMED"}
    assert list(refused(partial(value, tiering, Q1, 101, 101)).fields) == ["top_percent", "largest_count"]
    refusal = refused(partial(value, tiering, permissions=("tiering.members.*",)))
    assert refusal.metadata == {"permission": "tiering.analytics.get"}


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, PROGRAM.metadata), PROGRAM.name)


ENTRIES = st.builds(
    lambda number, age, **rest: Entry(customer(number), Q1 + timedelta(days=age), at(Q1), **rest),
    number=st.integers(0, 7),
    age=st.integers(-2, 1),
    is_sale=st.booleans(),
    total=st.integers(0, 3),
    profit=st.integers(0, 2),
)


@pytest.mark.requirement("T-29")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(ENTRIES, max_size=20), percent=st.integers(1, 100), largest=st.integers(1, 9))
def test_the_top_is_what_a_sorted_list_says(
    database: Database, entries: list[Entry], percent: int, largest: int
) -> None:
    """For any entries, with ties and tiny populations, any share and any day: sort, cut, add."""
    counted = [one for one in entries if one.business_date <= Q1]
    nets, profits = Counter[str](), Counter[str]()
    for one in counted:
        sign = 1 if one.is_sale else -1
        nets[one.customer] += sign * one.total
        profits[one.customer] += sign * one.profit
    ordered = sorted(nets, key=lambda who: (-nets[who], who))
    top = ordered[: (2 * len(ordered) * percent + 100) // 200]
    with database.writer.connect() as tx:
        transaction = tx.begin()
        spend.add(tx, entries)
        found = concentration(tx, Q1, percent, largest)
        transaction.rollback()
    assert found == Concentration(
        customers=len(ordered),
        top_customers=len(top),
        top_net=sum(nets[who] for who in top),
        net=nets.total(),
        top_profit=sum(profits[who] for who in top),
        profit=profits.total(),
        largest=tuple((who, nets[who]) for who in ordered[:largest]),
    )


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [(1, 3, 33_33), (2, 3, 66_67), (1, 80_000, 0), (1, 20_000, 1), (5, 4, 125_00), (-1, 4, -25_00), (1, 0, None)],
)
def test_shares_are_rounded_half_up(part: int, whole: int, share: int | None) -> None:
    """To a hundredth of a per cent; there is none of nothing."""
    assert basis_points(part, whole) == share
