"""The limit of a key's calls, as callers meet it at both doors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc

from chassis.calendar import SECOND
from gateway.server import HttpServer
from gateway.tests.door import ADMIN, Door, bearer, details_of, opened, refusal
from gateway.tests.scraping import scraped
from services.customer.server import PROGRAM as CUSTOMER
from shuke.customer.v1 import directory_pb2, directory_pb2_grpc
from shuke.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from tests.running import Clock, Refusal, StartService

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
LIMITED: tuple[int, str, dict[str, str]] = (429, "RATE_LIMITED", {})
BURST = 3


@pytest.fixture
def narrow(start_service: StartService) -> Iterator[Door]:
    """Open a front door at which a key may make three calls at once, and one a second."""
    clock = Clock()
    customer = start_service(CUSTOMER, clock).address
    with opened(start_service, clock, customer, rate_per_second="1", rate_burst=str(BURST)) as door:
        yield door


def over_grpc(door: Door, token: str) -> str:
    """Call a service through the door; answer OK or the reason of the refusal."""
    stub, request = directory_pb2_grpc.DirectoryServiceStub, directory_pb2.ListStoresRequest()
    try:
        door.gateway.raw(stub, "ListStores", request, (("authorization", f"Bearer {token}"),))
    except Refusal as refused:
        return refused.reason
    return "OK"


def test_both_doors_take_from_one_bucket(narrow: Door) -> None:
    """After the burst a key is refused over HTTP and over gRPC, told when to come back, and let in again then."""
    assert [narrow.get("/v1/stores").status_code, over_grpc(narrow, ADMIN)] == [200, "OK"]
    assert narrow.get("/v1/stores").status_code == 200
    refused = narrow.get("/v1/stores")
    assert refusal(refused) == LIMITED
    assert refused.headers["retry-after"] == "1"
    assert details_of(refused)["RetryInfo"]["retryDelay"] == "1s"
    assert refused.json()["error"]["message"].startswith("The calls come too fast: a key may make 1 a second")
    assert over_grpc(narrow, ADMIN) == "RATE_LIMITED"
    narrow.clock.now += SECOND
    assert [over_grpc(narrow, ADMIN), over_grpc(narrow, ADMIN)] == ["OK", "RATE_LIMITED"]
    assert scraped(narrow)["shuke_rate_limited_calls_total"] == 3


def test_a_call_of_the_gateways_own_counts_once(narrow: Door) -> None:
    """Over HTTP it comes in by one door and goes on through the other, and takes one call from the key."""
    assert [narrow.get("/v1/apiKeys").status_code for _ in range(BURST + 1)] == [200] * BURST + [429]
    assert refusal(narrow.get("/v1/apiKeys")) == LIMITED
    stub, request = gateway_pb2_grpc.ApiKeyServiceStub, gateway_pb2.ListApiKeysRequest()
    with pytest.raises(Refusal) as refused:
        narrow.gateway.raw(stub, "ListApiKeys", request, tuple(bearer(ADMIN).items()))
    assert (refused.value.code, refused.value.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")


def test_a_key_takes_nothing_from_another(narrow: Door) -> None:
    """Whoever has used up the own calls keeps nobody else from calling."""
    other = narrow.key(kind="SYSTEM", roles=["finance"], stores=["*"])
    while over_grpc(narrow, other) == "OK":
        pass
    assert narrow.get("/v1/stores").status_code == 200


def test_calls_that_fail_count_too(narrow: Door) -> None:
    """Whoever names operators that there are not, or asks for what is not there, does not do so for ever."""
    till = narrow.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    wrong = [refusal(narrow.sell(till, operator="E-9"))[1] for _ in range(BURST + 1)]
    assert wrong == ["OPERATOR_UNKNOWN"] * BURST + ["RATE_LIMITED"]
    stub, request = operations_pb2_grpc.OperationsStub, operations_pb2.GetOperationRequest(name="operations/1")
    with pytest.raises(Refusal) as refused:
        narrow.gateway.raw(stub, "GetOperation", request, (("authorization", f"Bearer {till}"),))
    assert refused.value.reason == "RATE_LIMITED"


def test_unknown_tokens_share_a_bucket_and_are_not_kept(narrow: Door) -> None:
    """Whoever tries tokens is slowed down, leaves nothing behind, and keeps no known key out."""
    assert narrow.get("/v1/stores").status_code == 200
    front = narrow.gateway.service.fronts[0]
    assert isinstance(front, HttpServer)
    # The administrator's key was unknown once, too.
    tried = [refusal(narrow.get("/v1/stores", f"shk_{number}"))[1] for number in range(BURST)]
    assert tried == ["TOKEN_INVALID"] * (BURST - 1) + ["RATE_LIMITED"]
    assert over_grpc(narrow, "shk_another") == "RATE_LIMITED"
    narrow.clock.now += 5 * SECOND
    assert {over_grpc(narrow, f"shk_{number}") for number in range(2 * BURST)} == {"TOKEN_INVALID", "RATE_LIMITED"}
    # What is known of it is no longer fresh, and is read again.
    assert narrow.get("/v1/stores").status_code == 200
    assert len(front.keyring._known) == 1
    assert len(front.keyring.buckets._buckets) == 2
    assert narrow.get("/v1/stores").status_code == 200
    assert refusal(narrow.http.get("/v1/stores"))[1] == "TOKEN_MISSING"


def test_what_asks_for_no_key_is_not_limited(narrow: Door) -> None:
    """Health, metrics and the description of the API are for anybody, however often."""
    for path in ("/healthz", "/metrics", "/openapi.json"):
        assert [narrow.http.get(path).status_code for _ in range(2 * BURST)] == [200] * 2 * BURST
