"""What all services know of a customer, in one call: everything there, and what cannot be had is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from chassis import names, wire
from chassis.calendar import SECOND
from gateway.tests.door import ADMIN, DAY, Door, bearer, details_of, opened, refusal
from gateway.tests.test_upstream import free_port
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import NOBODY, YORK, Shop, mobile, sale
from services.customer.tests.interacting import CommunicationLog
from services.notify.server import PROGRAM as NOTIFY
from services.notify.tests.desk import MESSAGES, plain
from services.notify.tests.studio import Studio, named
from services.ticketing.server import PROGRAM as TICKETING
from services.ticketing.tests.clerk import Clerk
from services.tiering.server import PROGRAM as TIERING
from services.tiering.tests.clients import Tiering, example, wait_for
from services.tiering.tests.owner import Owner
from shuke.gateway.v1 import customers_pb2, customers_pb2_grpc
from shuke.notify.v1.messages_pb2 import SendMessageRequest
from shuke.ticketing.v1.tickets_pb2 import CloseTicketRequest
from tests.contract.house import quiet
from tests.running import Clock, Running, StartService

PHONE = "+447700900123"
PARTS = ("PROFILE", "MEMBERSHIPS", "ENTITLEMENTS", "PURCHASES", "INTERACTIONS", "TICKETS", "MESSAGES")
AWAY = "TEMPORARILY_UNAVAILABLE"


@dataclass
class Suite:
    """The front door with all services behind it, and a customer whom each of them knows."""

    door: Door
    shop: Shop
    anna: str


def known(shop: Shop, tiering: Running, ticketing: Running, notify: Running) -> str:
    """Let every service know something of a customer; answer her name."""
    grading = Tiering(tiering, Owner())
    grading.activate()
    grading.activate(example("benefits"), "benefits")
    anna = shop.customer(contact_points=[mobile(PHONE)], display_name="Anna")
    shop.record(sale("R1", customer=anna))
    shop.record(sale("R2", store=YORK, customer=anna))
    CommunicationLog(shop).enter(anna)
    Clerk(ticketing).open(customer=anna)
    studio = Studio(notify)
    studio.approve(studio.create(plain(), "plain").name)
    tomorrow = wire.timestamp(notify.clock.now + DAY)
    message = SendMessageRequest(
        customer=anna, template="templates/plain", values=[named("code", text="A1")], send_after=tomorrow
    )
    notify.call(MESSAGES, "SendMessage", message)
    wait_for(lambda: len(shop.file(anna).classes) > 0)
    return anna


@pytest.fixture
def suite(start_service: StartService) -> Iterator[Suite]:
    """Start all services behind the front door, on each engine in turn."""
    clock, port = Clock(), free_port()
    customer = start_service(CUSTOMER, clock, tiering_address=f"127.0.0.1:{port}")
    tiering = start_service(TIERING, clock, port=str(port), customer_address=customer.address)
    beside = {"customer_address": customer.address, "tiering_address": tiering.address}
    ticketing = start_service(TICKETING, clock, **beside)
    notify = start_service(NOTIFY, clock, **beside, ticketing_address=ticketing.address)
    shop = Shop(customer)
    anna = known(shop, tiering, ticketing, notify)
    with opened(
        start_service,
        clock,
        customer.address,
        tiering_address=tiering.address,
        ticketing_address=ticketing.address,
        notify_address=notify.address,
    ) as door:
        yield Suite(door, shop, anna)


def view(door: Door, name: str, token: str = ADMIN, **headers: str) -> dict[str, Any]:
    """Ask what is known of a customer."""
    answer = door.http.get(f"/v1/{name}:view", headers=bearer(token, **headers))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def look_up(door: Door, phone: str, token: str = ADMIN) -> httpx2.Response:
    """Ask what is known of whoever has a telephone number."""
    return door.http.post("/v1/customers:viewByLookup", json={"lookup": {"phone": phone}}, headers=bearer(token))


def missing(told: dict[str, Any]) -> dict[str, str]:
    """Read the reasons of what is missing, by part; such a part is not shown."""
    reasons = {one["part"]: one["reason"] for one in told["missing"]}
    assert not [part for part in reasons if told.get(part.lower())]
    return reasons


@pytest.mark.requirement("K-01", "T-13")
def test_all_that_is_known_stands_in_one_answer(suite: Suite) -> None:
    """Every part is what its service answers to the same caller, by the customer's name and by a telephone number."""
    door, anna = suite.door, suite.anna
    told = view(door, anna)
    assert told["missing"] == []
    assert (told["customer"], told["profile"]["displayName"]) == (anna, "Anna")
    [held] = told["profile"]["classes"]
    [member] = told["memberships"]
    assert (member["effectiveClass"], held["classKey"], member["progress"] != []) == ("NEW", "NEW", True)
    uuid = names.identity(anna)
    paths = {
        "profile": anna,
        "entitlements": f"{anna}/entitlements?pageSize=200",
        "purchases": f"purchases?customer={anna}&pageSize=10",
        "interactions": f"{anna}/interactions?pageSize=10",
        "messages": f"messages?customer={anna}&pageSize=10",
        "tickets": f"tickets?customer={anna}",
    }
    assert member == door.get(f"/v1/schemes/loyalty/members/{uuid}").json()
    assert {part: told[part] for part in paths} == {
        part: door.get(f"/v1/{path}").json() for part, path in paths.items()
    }
    counts = {part: len(told[part][part]) for part in ("purchases", "interactions", "messages", "tickets")}
    assert counts == {"purchases": 2, "interactions": 1, "messages": 1, "tickets": 1}
    new = view(door, suite.shop.customer())
    assert (new["memberships"], new["missing"], len(new["entitlements"]["entitlements"]) > 0) == ([], [], True)
    assert look_up(door, PHONE).json() == told
    request = customers_pb2.GetCustomerViewRequest(name=anna)
    headers = tuple(bearer(ADMIN).items())
    over = door.gateway.raw(customers_pb2_grpc.CustomerViewServiceStub, "GetCustomerView", request, headers)
    assert (over.profile.display_name, len(over.purchases.purchases)) == ("Anna", 2)


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.requirement("G-03")
def test_the_caller_s_own_rights_decide(suite: Suite) -> None:
    """The services are asked in the caller's name: what a role does not cover is named, and so is another store's."""
    door, anna = suite.door, suite.anna
    assistant = door.key(kind="STAFF", staff="A-7", roles=["assistant"], stores=["*"])
    told = view(door, anna, assistant)
    assert missing(told) == dict.fromkeys(("MEMBERSHIPS", "PURCHASES", "MESSAGES"), "PERMISSION_MISSING")
    assert (told["profile"]["masked"], len(told["tickets"]["tickets"])) == (True, 1)
    manager = door.key(kind="STAFF", staff="M-7", roles=["store_manager"], stores=["YORK"])
    told = view(door, anna, manager)
    assert missing(told) == {}
    assert [one["receipt"]["store"] for one in told["purchases"]["purchases"]] == ["YORK"]
    assert told["tickets"]["tickets"] == []
    both = door.key(kind="STAFF", staff="M-8", roles=["store_manager"], stores=["LEEDS", "YORK"])
    assert missing(view(door, anna, both)) == {"PURCHASES": "STORE_FOREIGN"}
    till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    for answer in (door.get(f"/v1/{anna}:view", till), look_up(door, PHONE, till)):
        assert refusal(answer)[:2] == (403, "PERMISSION_MISSING")


@pytest.fixture
def customer(start_service: StartService) -> Running:
    """Start the customer service alone, without its background work."""
    return start_service(quiet(CUSTOMER))


@pytest.fixture
def alone(customer: Running, start_service: StartService) -> Iterator[Door]:
    """Open the front door before the customer service, with nothing answering for the others."""
    away = {f"{api}_address": f"127.0.0.1:{free_port()}" for api in ("tiering", "ticketing", "notify")}
    with opened(start_service, customer.clock, customer.address, **away) as door:
        yield door


@pytest.mark.parametrize("engine", ["sqlite"])
def test_what_is_down_is_named_and_the_rest_is_shown(customer: Running, alone: Door) -> None:
    """Services that do not answer cost their parts only, whichever they are."""
    shop = Shop(customer)
    anna = shop.customer(contact_points=[mobile(PHONE)])
    shop.record(sale("R1", customer=anna))
    told = view(alone, anna)
    assert missing(told) == dict.fromkeys(("ENTITLEMENTS", "TICKETS", "MESSAGES"), AWAY)
    assert (told["profile"]["name"], len(told["purchases"]["purchases"])) == (anna, 1)
    customer.service.stop()
    told = view(alone, anna)
    assert (told["customer"], missing(told)) == (anna, dict.fromkeys(PARTS, AWAY))
    assert refusal(look_up(alone, PHONE))[:2] == (503, AWAY)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_services_record_who_read_and_why(customer: Running, alone: Door) -> None:
    """Each read of personal data is recorded where the data are, with the purpose that the caller states."""
    anna = Shop(customer).customer()
    view(alone, anna, **{"x-purpose": "COMPLAINT"})
    recorded = alone.get(f"/v1/{anna}/accessRecords").json()["accessRecords"]
    assert {one["rpcMethod"].rpartition("/")[2] for one in recorded if one["purpose"] == "COMPLAINT"} == {
        "GetCustomer",
        "ListInteractions",
    }


@pytest.mark.parametrize("engine", ["sqlite"])
def test_exactly_one_customer_is_shown(customer: Running, alone: Door) -> None:
    """Whoever is not known is not found, and a key that leads to several tells how many; nothing else is said."""
    shop = Shop(customer)
    for answer in (alone.get(f"/v1/{NOBODY}:view"), look_up(alone, PHONE)):
        assert answer.json().keys() == {"error"}
    assert refusal(alone.get(f"/v1/{NOBODY}:view"))[:2] == (404, "CUSTOMER_NOT_FOUND")
    assert refusal(look_up(alone, PHONE))[:2] == (404, "CUSTOMER_UNMATCHED")
    assert refusal(look_up(alone, "12"))[0] == 400
    assert refusal(look_up(alone, ""))[2] == {"lookup.phone": "STRING_MIN_LEN"}
    for _ in range(2):
        shop.customer(contact_points=[mobile(PHONE)], accept_duplicates=True)
    several = look_up(alone, PHONE)
    assert refusal(several)[:2] == (400, "CUSTOMER_AMBIGUOUS")
    assert details_of(several)["ErrorInfo"]["metadata"] == {"field": "lookup", "matches": "2"}


@pytest.mark.parametrize("engine", ["sqlite"])
def test_tickets_of_a_year_are_shown(customer: Running, start_service: StartService) -> None:
    """A ticket that nobody touched for more than a year is left out; one that ended within it stays."""
    shop = Shop(customer)
    ticketing = start_service(quiet(TICKETING), customer.clock, customer_address=customer.address)
    clerk, anna = Clerk(ticketing), shop.customer()
    clerk.open(customer=anna)
    away = {f"{api}_address": f"127.0.0.1:{free_port()}" for api in ("tiering", "notify")}
    with opened(start_service, customer.clock, customer.address, ticketing_address=ticketing.address, **away) as door:
        customer.clock.now += 100 * DAY
        token = door.key(kind="STAFF", staff="A-2", roles=["administrator"], stores=["*"])
        recent = clerk.open(customer=anna)
        clerk.act("tickets", "CloseTicket", recent, ending=CloseTicketRequest.CANCELLED, reason="Mistaken")
        customer.clock.now += 265 * DAY
        assert len(view(door, anna, token)["tickets"]["tickets"]) == 2
        customer.clock.now += SECOND
        [shown] = view(door, anna, token)["tickets"]["tickets"]
        assert (shown["name"], shown["state"]) == (recent.name, "CANCELLED")
