"""What a till learns at its start: everything in one call, and what cannot be had is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from gateway.tests.door import ADMIN, DAY, Door, bearer, opened, refusal
from gateway.tests.test_upstream import free_port
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop
from services.customer.tests.consenting import FIRST, Desk, notice
from services.tiering.server import PROGRAM as TIERING
from services.tiering.server import build
from services.tiering.tests.clients import Tiering, example
from services.tiering.tests.owner import Owner
from shuke.customer.v1.consents_pb2 import Consent
from shuke.gateway.v1 import tills_pb2, tills_pb2_grpc
from tests.running import Clock, StartService

BENEFITS = "policies/benefits/versions/1"
# A till of a chain with roles of its own may know its start and nothing else.
LEAST = ("gateway.till_bootstrap.get",)


@dataclass
class Chain:
    """The front door with the two services that a till's start asks."""

    door: Door
    desk: Desk
    tiering: Tiering

    def begin(self) -> None:
        """Put a notice and a catalogue of benefits in force."""
        self.desk.activate(notice(Consent.SERVICE))
        self.tiering.activate(example("benefits"), "benefits")


@pytest.fixture
def chain(start_service: StartService) -> Iterator[Chain]:
    """Start the suite as far as tills need it at their start, on each engine in turn."""
    clock, owner = Clock(), Owner()
    customer = start_service(CUSTOMER, clock)
    tiering = start_service(replace(TIERING, build=partial(build, customer=owner)), clock)
    with opened(start_service, clock, customer.address, tiering_address=tiering.address) as door:
        yield Chain(door, Desk(Shop(customer)), Tiering(tiering, owner))


def start(door: Door, token: str, **headers: str) -> dict[str, Any]:
    """Ask what a till needs."""
    answer = door.http.get("/v1/tillBootstrap", headers=bearer(token, **headers))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.requirement("G-01", "T-06")
def test_a_till_learns_all_it_needs_in_one_call(chain: Chain) -> None:
    """Who it is, what it may do, the time, the chain's settings, the notice and the benefits in force."""
    chain.begin()
    key, token = chain.door.made(kind="TILL", roles=["till"], stores=["LEEDS"], displayName="Till 1")
    told = start(chain.door, token)
    assert told["apiKey"] == key
    assert (key["kind"], key["stores"], key["expireTime"]) == ("TILL", ["LEEDS"], "2027-03-03T04:00:00Z")
    assert {"customer.purchases.record", "operator.assert"} <= set(told["permissions"])
    assert told["serverTime"] == "2026-03-02T04:00:00Z"
    assert (told["timeZone"], told["currencyCode"], told["regionCode"]) == ("Europe/London", "GBP", "GB")
    assert (told["notice"]["noticeVersion"], told["notice"]["body"]) == (FIRST, {"zh": "告知", "en": "Notice"})
    assert told["benefits"] == chain.door.get("/v1/benefits?pageSize=200", token).json()
    assert (told["benefits"]["policy"], told["missing"]) == (BENEFITS, [])


@pytest.mark.requirement("G-01")
def test_grpc_tells_the_same(chain: Chain) -> None:
    """Whoever calls over gRPC gets the same answer, the display names in the language that it asks for."""
    chain.begin()
    chain.tiering.activate()
    token = chain.door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    for language, named in (("en", "New"), ("zh", "新客户")):
        headers = (("authorization", f"Bearer {token}"), ("accept-language", language))
        told = chain.door.gateway.raw(
            tills_pb2_grpc.TillServiceStub, "GetTillBootstrap", tills_pb2.GetTillBootstrapRequest(), headers
        )
        assert told.notice.notice_version == FIRST
        assert named in {origin.display_name for one in told.benefits.benefits for origin in one.origins}


@pytest.mark.requirement("G-03", "G-15")
def test_what_is_not_there_is_named_with_its_reason(chain: Chain) -> None:
    """A chain without a notice says so, and the catalogue is empty; an operator's own right to be named is checked."""
    token = chain.door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    told = start(chain.door, token)
    assert told["missing"] == [{"part": "NOTICE", "reason": "NOTICE_MISSING"}]
    assert "notice" not in told
    assert (told["benefits"]["benefits"], told["benefits"]["policy"]) == ([], "")
    stranger = chain.door.http.get("/v1/tillBootstrap", headers=bearer(token, **{"x-operator": "E-0"}))
    assert refusal(stranger)[:2] == (403, "OPERATOR_UNKNOWN")


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_till_s_own_rights_decide(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services are asked in the name of the till: what its roles do not cover is not told."""
    chain.begin()
    token = chain.door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    monkeypatch.setattr("gateway.keyring.roles_on", lambda _tx, _day: {"till": LEAST})
    told = start(chain.door, token)
    assert told["permissions"] == list(LEAST)
    assert told["missing"] == [
        {"part": "NOTICE", "reason": "PERMISSION_MISSING"},
        {"part": "BENEFITS", "reason": "PERMISSION_MISSING"},
    ]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_till_starts_while_services_are_down(start_service: StartService) -> None:
    """Nothing behind the gateway answers: the till learns the rest, and that it is worth asking again."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    with opened(start_service, Clock(), addresses[0], tiering_address=addresses[1]) as door:
        token = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
        told = start(door, token)
        assert (told["apiKey"]["stores"], told["currencyCode"]) == (["LEEDS"], "GBP")
        assert told["missing"] == [
            {"part": "NOTICE", "reason": "TEMPORARILY_UNAVAILABLE"},
            {"part": "BENEFITS", "reason": "TEMPORARILY_UNAVAILABLE"},
        ]
        assert start(door, ADMIN)["apiKey"]["kind"] == "STAFF"
        finance = door.key(kind="STAFF", staff="F-1", roles=["finance"], stores=["*"])
        assert refusal(door.get("/v1/tillBootstrap", finance))[:2] == (403, "PERMISSION_MISSING")
        assert refusal(door.get("/v1/tillBootstrap", "shk_unknown"))[:2] == (401, "TOKEN_INVALID")
        door.clock.now += 400 * DAY
        assert refusal(door.get("/v1/tillBootstrap", token))[:2] == (401, "TOKEN_EXPIRED")
