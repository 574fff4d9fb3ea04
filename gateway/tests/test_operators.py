"""Operators and staff keys at the front door: who may be named, who is turned away, and what holds in an outage."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from chassis.calendar import SECOND
from chassis.principals import Principal
from gateway import clients
from gateway.server import HttpServer
from gateway.tests.door import ADMIN, Door, bearer, details_of, opened, refusal
from gateway.tests.stub import refuse, serve
from gateway.tests.test_upstream import free_port
from shuke.customer.v1.directory_pb2 import CheckStaffResponse
from shuke.customer.v1.purchases_pb2 import RecordPurchaseResponse
from shuke.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from tests.running import Clock, Refusal, StartService

CHECK_STAFF = "/shuke.customer.v1.DirectoryService/CheckStaff"
WAIT = 30


@pytest.fixture
def chain(door: Door) -> Door:
    """Enter two stores and their people."""
    for code in ("LEEDS", "YORK"):
        door.store(code)
    door.member("E-7", stores=["stores/LEEDS"])
    door.member("E-8", stores=["stores/LEEDS"], active=False)
    door.member("E-9", stores=["stores/YORK"])
    door.member("C-1", chainWide=True)
    return door


@pytest.mark.requirement("G-03", "G-30")
def test_a_till_names_staff_of_its_own_store(chain: Door) -> None:
    """Nobody, somebody who left and somebody of another store are refused, each with its reason and what to do."""
    till = chain.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    for operator, reason, todo in (
        ("E-0", "OPERATOR_UNKNOWN", "enter the member"),
        ("E-8", "OPERATOR_INACTIVE", "code of somebody who is"),
        ("E-9", "OPERATOR_FOREIGN", "Name somebody who does"),
        ("E/7", "OPERATOR_INVALID", "may not act"),
    ):
        answer = chain.sell(till, operator)
        assert refusal(answer) == (403, reason, {})
        assert details_of(answer)["ErrorInfo"]["metadata"] == {"operator": operator}
        assert todo in answer.json()["error"]["message"]
    manager = chain.key(kind="STAFF", staff="S-1", roles=["store_manager"], stores=["LEEDS"])
    assert refusal(chain.sell(manager, "E-7")) == (403, "OPERATOR_INVALID", {})
    sold = chain.sell(till, "E-7").json()
    assert (sold["purchase"]["operator"], sold["replayed"]) == ("E-7", False)


@pytest.mark.requirement("G-03", "G-30")
def test_whoever_belongs_to_all_stores_is_nobody_s_stranger(chain: Door) -> None:
    """A member who works for the chain may be named by any till, and anybody by a key for all stores."""
    till = chain.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    assert chain.sell(till, "C-1").json()["purchase"]["operator"] == "C-1"
    office = chain.key(kind="SYSTEM", roles=["till"], stores=["*"])
    assert chain.sell(office, "E-9").status_code == 200
    assert refusal(chain.sell(office, "E-8"))[:2] == (403, "OPERATOR_INACTIVE")


@pytest.mark.requirement("G-03")
def test_who_leaves_is_turned_away_within_seconds(chain: Door) -> None:
    """An operator and a staff key work on until the answer is old, and then no more, over HTTP and over gRPC."""
    till = chain.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    chain.member("S-1", chainWide=True)
    admin = chain.key(kind="STAFF", staff="S-1", roles=["administrator"], stores=["*"])
    assert chain.sell(till, "E-7").status_code == chain.sell(admin).status_code == 200
    for code in ("E-7", "S-1"):
        chain.change(code, active=False)
    assert chain.sell(till, "E-7").status_code == chain.sell(admin).status_code == 200
    chain.clock.now += 5 * SECOND
    assert refusal(chain.sell(till, "E-7"))[:2] == (403, "OPERATOR_INACTIVE")
    answer = chain.sell(admin)
    assert refusal(answer)[:2] == (403, "STAFF_INACTIVE")
    assert details_of(answer)["ErrorInfo"] | {"@type": ""} == {
        "@type": "",
        "reason": "STAFF_INACTIVE",
        "domain": "gateway.shuke",
        "metadata": {"staff": "S-1"},
    }
    wanted = gateway_pb2.CreateApiKeyRequest(
        api_key=gateway_pb2.ApiKey(kind=gateway_pb2.ApiKey.TILL, roles=["till"], stores=["LEEDS"])
    )
    with pytest.raises(Refusal) as refused:
        chain.gateway.raw(
            gateway_pb2_grpc.ApiKeyServiceStub, "CreateApiKey", wanted, (("authorization", f"Bearer {admin}"),)
        )
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "STAFF_INACTIVE")
    assert chain.sell(till).status_code == 200


@pytest.mark.parametrize("engine", ["sqlite"])
def test_without_the_directory_keys_open_and_strangers_wait(start_service: StartService) -> None:
    """With the customer service down a staff key makes a key, and an operator not known yet is refused for now."""
    with opened(start_service, Clock(), f"127.0.0.1:{free_port()}") as door:
        till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
        answer = door.sell(till, "E-7")
    assert refusal(answer)[:2] == (503, "TEMPORARILY_UNAVAILABLE")
    assert details_of(answer)["RetryInfo"]["retryDelay"] == "1s"
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_till_goes_on_without_the_directory(start_service: StartService) -> None:
    """Whom the gateway has met stays who it was while the directory does not answer, for a shift and longer."""
    told = CheckStaffResponse(known=True, active=True, stores=["stores/LEEDS"])
    up = True

    def behave(_request: bytes, context: grpc.ServicerContext) -> bytes:
        if stub.calls[-1][0] != CHECK_STAFF:
            return RecordPurchaseResponse().SerializeToString()
        return told.SerializeToString() if up else refuse(context, Status(code=Code.UNAVAILABLE, message="later"))

    with serve() as stub, opened(start_service, Clock(), stub.address) as door:
        stub.behave = behave
        till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
        assert door.sell(till, "E-7").status_code == 200
        up = False
        door.clock.now += 10 * 3600 * SECOND
        assert door.sell(till, "E-7").status_code == 200
        assert refusal(door.sell(till, "E-8"))[:2] == (503, "TEMPORARILY_UNAVAILABLE")


@pytest.mark.parametrize("engine", ["sqlite"])
def test_nobody_waits_for_another_s_operator(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one call waits for the directory, the gateway answers the others."""
    monkeypatch.setattr(clients, "DEADLINE_SECONDS", WAIT)
    asked, go = threading.Event(), threading.Event()

    def behave(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        if stub.calls[-1][0] == CHECK_STAFF and not go.is_set():
            asked.set()
            assert go.wait(WAIT)
        return b""

    with serve() as stub, opened(start_service, Clock(), stub.address) as door, ThreadPoolExecutor(1) as pool:
        till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
        stub.behave = behave
        waiting = pool.submit(door.sell, till, "E-7")
        assert asked.wait(WAIT)
        assert door.http.get("/healthz").status_code == door.sell(till).status_code == 200
        assert not waiting.done()
        go.set()
        assert refusal(waiting.result(WAIT))[:2] == (403, "OPERATOR_UNKNOWN")
        assert door.http.post("/v1/apiKeys", json={}, headers=bearer(ADMIN)).status_code == 400


@pytest.mark.parametrize("engine", ["sqlite"])
def test_who_gives_up_waiting_takes_nothing_from_others(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two calls that wait for one answer the other gets it when one is broken off."""
    monkeypatch.setattr(clients, "DEADLINE_SECONDS", WAIT)
    asked, go = threading.Event(), threading.Event()

    def behave(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        asked.set()
        assert go.wait(WAIT)
        return CheckStaffResponse(known=True, active=True, chain_wide=True).SerializeToString()

    async def call(front: HttpServer, token: str) -> Principal:
        headers = bearer(token, **{"x-operator": "E-7"})
        gone, waiting = (asyncio.create_task(front.keyring.principal_of(headers)) for _ in range(2))
        await asyncio.to_thread(asked.wait, WAIT)
        gone.cancel()
        await asyncio.wait([gone])
        go.set()
        return await waiting

    with serve() as stub, opened(start_service, Clock(), stub.address) as door:
        till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
        # From here on the key is known, and nothing but the directory is waited for.
        assert door.sell(till).status_code == 200
        stub.behave = behave
        [front] = door.gateway.service.fronts
        assert isinstance(front, HttpServer)
        assert asyncio.run(call(front, till)).operator == "E-7"
