"""The tiering service as a whole: what production refuses, and the year of a real shop graded at four dates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest
import structlog

from chassis.calendar import to_micros
from chassis.service import Service
from chassis.settings import Chain, SettingError, Suite
from cli.online_retail_file import Kind, read_invoices
from services.tiering.config import TieringSettings
from services.tiering.server import PROGRAM, build
from services.tiering.tests.clients import (
    APPROVER,
    AUTHOR,
    MANAGER,
    REVIEWER,
    Tiering,
    counts,
    refused,
    wait_for,
)
from services.tiering.tests.owner import Owner, customer, refund, sale
from shuke.customer.v1 import events_pb2
from tests.running import CHAIN, Clock, StartService


def test_production_takes_three_people(tmp_path: Path) -> None:
    """Fewer distinct people stop the start, by the name of the setting."""
    config = TieringSettings.read(
        {
            "SHUKE_TIERING_DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite",
            "SHUKE_TIERING_SIGNING_KEY": "{}",
            "SHUKE_TIERING_APPROVAL_PEOPLE": "2",
        }
    )
    with pytest.raises(SettingError, match="SHUKE_TIERING_APPROVAL_PEOPLE must be 3"):
        build(config, Suite.read({"SHUKE_ENV": "production"}), Chain.read(CHAIN), Clock())


def test_production_puts_no_example_in_force(start_service: StartService) -> None:
    """An example can be written and approved, and is refused at activation with what to do."""

    def produced(config: TieringSettings, suite: Suite, chain: Chain, clock: Callable[[], int]) -> Service:
        return build(config, suite.model_copy(update={"env": "production"}), chain, clock, customer=Owner())

    tiering = Tiering(start_service(replace(PROGRAM, build=produced)), Owner())
    name = tiering.draft().name
    for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER), ("Approve", APPROVER)):
        tiering.step(verb, name, staff)
    refusal = refused(lambda: tiering.step("Activate", name, MANAGER))
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        *("FAILED_PRECONDITION", "EXAMPLE_FORBIDDEN", {"name": name}),
    )


# --------------------------------------------------------------------------------------------------- a year of a shop

# Customers by the day with net spend from each bound on, and without a sale yet; computed apart from this project.
EXPECTED = {
    date(2011, 3, 31): (894, 176, 42, 55),
    date(2011, 6, 30): (1_445, 364, 98, 42),
    date(2011, 9, 30): (1_972, 604, 169, 42),
    date(2011, 12, 9): (2_540, 876, 263, 33),
}


@pytest.fixture(scope="module")
def year() -> list[events_pb2.PurchaseRecorded | events_pb2.PurchaseRefunded]:
    """Write what the customer service tells of the Online Retail file's receipts that have a customer."""
    return [
        sale(
            customer(int(invoice.customer)),
            invoice.time.date(),
            sum(line.amount for line in invoice.lines),
            business_time=to_micros(invoice.time),
        )
        if invoice.kind is Kind.SALE
        else refund(customer(int(invoice.customer)), invoice.time.date(), sum(line.amount for line in invoice.lines))
        for invoice in read_invoices()
        if invoice.customer and invoice.kind in (Kind.SALE, Kind.REFUND)
    ]


@pytest.fixture
def quiet() -> Iterator[None]:
    """Log no calls."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)


@pytest.mark.requirement("T-01", "T-02", "T-03", "T-04", "T-13")
@pytest.mark.usefixtures("quiet")
@pytest.mark.timeout(300)
def test_a_year_of_a_real_shop(
    start_service: StartService, year: list[events_pb2.PurchaseRecorded | events_pb2.PurchaseRefunded]
) -> None:
    """At each of the four dates as many customers stand on each step as were counted independently."""
    owner = Owner()
    tiering = Tiering(start_service(replace(PROGRAM, build=partial(build, customer=owner))), owner)
    tiering.activate()
    owner.tell(*year)
    wait_for(lambda: tiering.positions() == owner.heads, patience=120)
    found = {}
    for as_of in EXPECTED:
        tiering.running.clock.now += 1_000_000
        evaluation = tiering.evaluate(as_of)
        held = counts(evaluation.classes)
        silver, gold = held["SILVER"], held["GOLD"] + held["DIAMOND"]
        found[as_of] = (held["REGULAR"] + silver + gold, silver + gold, gold, evaluation.none_count)
        # Exactly 500.00 from the end of June on.
        if as_of > date(2011, 4, 1):
            member = tiering.history(customer(15389))[0]
            assert member.to_class == "REGULAR"
    assert found == EXPECTED
    assert evaluation.denominator == 4_372
