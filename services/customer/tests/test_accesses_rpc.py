"""Who read whose personal data: each way to them is recorded before the answer leaves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from services.customer.tables import ACCESSES
from services.customer.tests.builders import NOBODY, at, by_phone, mobile, refused
from services.customer.tests.consenting import Desk
from services.customer.tests.filing import ANNA, TOLD, VEILED, Files
from services.customer.tests.interacting import CommunicationLog
from shuke.customer.v1.consents_pb2 import Consent
from shuke.customer.v1.privacy_pb2 import AccessRecord

API = "/shuke.customer.v1."


@pytest.fixture
def anna(desk: Desk) -> str:
    """Open Anna's file at a desk that is not the one of the test."""
    name: str = Files(desk.shop).create(**TOLD, caller={"staff": "S0"}).name
    return name


# Each way to a customer's personal data, with the method and the purpose that are recorded.
Read = Callable[[Desk, str], Any]
READS: dict[str, tuple[Read, str]] = {
    "CustomerService/GetCustomer": (lambda desk, anna: desk.shop.file(anna), "UNSTATED"),
    "CustomerService/BatchGetCustomers": (lambda desk, anna: Files(desk.shop).batch(anna, anna), "UNSTATED"),
    "CustomerService/LookupCustomer": (lambda desk, _anna: desk.shop.look_up(by_phone(ANNA)), "UNSTATED"),
    "CustomerService/UpdateCustomer": (lambda desk, anna: Files(desk.shop).update(anna), "UNSTATED"),
    "CustomerService/EnrolCustomer": (lambda desk, _anna: desk.shop.enrol(contact_points=[mobile(ANNA)]), "UNSTATED"),
    "ConsentService/ListConsentRecords": (lambda desk, anna: desk.page(anna), "UNSTATED"),
    "InteractionService/ListInteractions": (lambda desk, anna: CommunicationLog(desk.shop).page(anna), "UNSTATED"),
    "ContactService/BatchGetContacts": (
        lambda desk, anna: desk.contacts([NOBODY, anna], Consent.SERVICE, Consent.SMS),
        "SERVICE",
    ),
}


@pytest.mark.requirement("C-37")
@pytest.mark.parametrize("method", READS)
def test_each_read_is_recorded(desk: Desk, anna: str, method: str) -> None:
    """Who read, by which method, for which purpose and when stands in the customer's list, newest first."""
    read, purpose = READS[method]
    desk.shop.running.clock.now += 60_000_000
    read(desk, anna)
    [latest, first] = desk.accesses(anna).access_records
    assert latest == AccessRecord(
        name=latest.name,
        customer=anna,
        caller="apiKeys/test",
        rpc_method=API + method,
        purpose=purpose,
        request_id=latest.request_id,
        access_time=at("2026-03-02 04:01"),
    )
    assert latest.name.startswith(f"{anna}/accessRecords/")
    assert len(latest.request_id) == 16
    assert (first.rpc_method, first.staff) == (f"{API}CustomerService/CreateCustomer", "S0")


@pytest.mark.requirement("C-37")
def test_a_read_tells_for_whom_and_why(desk: Desk, anna: str) -> None:
    """The operator or the member of staff is named; the header's purpose counts before the key's and the request's."""
    desk.shop.running.clock.now += 1_000_000
    desk.shop.file(anna, operator="O7", staff="S1", purpose="COMPLAINT", **VEILED)
    desk.shop.running.clock.now += 1_000_000
    desk.contacts([anna], Consent.SERVICE, Consent.SMS, staff="S1", purpose="TIER_NOTICE", key_purpose="DESK")
    desk.shop.running.clock.now += 1_000_000
    desk.contacts([anna], Consent.SERVICE, Consent.SMS, key_purpose="DESK")
    records = desk.accesses(anna).access_records[:3]
    assert [(record.staff, record.purpose) for record in records] == [
        ("", "DESK"),
        ("S1", "TIER_NOTICE"),
        ("O7", "COMPLAINT"),
    ]
    refusal = refused(desk.shop.file, anna, purpose="because Anna asked")
    assert refusal.fields == {"x-purpose": "PURPOSE_MALFORMED"}


def test_one_batch_is_one_access_to_all(desk: Desk, anna: str) -> None:
    """A batch that reads many stands in the list of each, under one id."""
    ben = desk.shop.customer()
    desk.shop.running.clock.now += 1_000_000
    desk.contacts([anna, ben], Consent.SERVICE, Consent.SMS)
    [access] = desk.accesses(ben).access_records
    assert access.name.rpartition("/")[2] == desk.accesses(anna).access_records[0].name.rpartition("/")[2]


def test_who_reads_nobody_is_not_recorded(desk: Desk, anna: str) -> None:
    """A lookup without a match and a read that is refused leave no record; nor does opening a file at a till."""
    assert not desk.shop.look_up(by_phone("+447700900999"))
    refused(desk.shop.file, NOBODY)
    refused(desk.shop.file, anna, permissions=())
    assert len(desk.accesses(anna).access_records) == 1
    assert not desk.accesses(desk.shop.customer()).access_records


def test_the_list_comes_in_pages(desk: Desk, anna: str) -> None:
    """A page begins where the last one ended, whatever was read meanwhile; an unknown customer is NOT_FOUND."""
    for _ in range(5):
        desk.shop.running.clock.now += 1_000_000
        desk.shop.file(anna)
    first = desk.accesses(anna, size=4)
    desk.shop.running.clock.now += 1_000_000
    desk.shop.file(anna)
    second = desk.accesses(anna, size=4, token=first.next_page_token)
    times = [record.access_time.seconds for page in (first, second) for record in page.access_records]
    assert times == sorted(set(times), reverse=True)
    assert (len(times), second.next_page_token) == (6, "")
    assert refused(desk.accesses, NOBODY).reason == "CUSTOMER_NOT_FOUND"
    assert refused(desk.accesses, anna, size=-1).fields == {"page_size": "INT32_GTE"}
    assert refused(desk.accesses, desk.shop.customer(), token=first.next_page_token).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.requirement("C-37")
def test_what_cannot_be_recorded_is_not_answered(desk: Desk, anna: str) -> None:
    """While accesses cannot be written, every read of personal data is UNAVAILABLE; what is not personal goes on."""
    with desk.shop.running.database.write() as tx:
        ACCESSES.subjects.drop(tx)
    for method in ("CustomerService/GetCustomer", "ContactService/BatchGetContacts"):
        refusal = refused(READS[method][0], desk, anna)
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "TEMPORARILY_UNAVAILABLE")
    assert desk.check(anna, Consent.SERVICE).allowed


def test_fifty_reads_share_transactions(desk: Desk, anna: str) -> None:
    """Fifty reads at once are all recorded, in fewer transactions than fifty."""
    statements: list[str] = []
    writer = desk.shop.running.database.writer
    sa.event.listen(writer, "before_cursor_execute", lambda *given: statements.append(given[2]))
    with ThreadPoolExecutor(25) as pool:
        list(pool.map(lambda _: desk.shop.file(anna), range(50)))
    assert len([statement for statement in statements if "INTO accesses" in statement]) < 40
    assert len(desk.accesses(anna, size=100).access_records) == 51
