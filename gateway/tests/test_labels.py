"""Labels as clients read them: all there are, by enum, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.tests.door import Door, opened, refusal
from gateway.tests.test_upstream import free_port
from shuke.gateway.v1 import labels_pb2, labels_pb2_grpc
from tests.contract.descriptors import enums
from tests.running import Clock, StartService

TICKET_STATE = "shuke.ticketing.v1.Ticket.State"
# What only services of the suite tell each other.
INTERNAL = {"shuke.customer.v1.Contact.Outcome", "shuke.customer.v1.Side", "shuke.customer.v1.StaffContact.Outcome"}


@pytest.fixture
def alone(start_service: StartService) -> Iterator[Door]:
    """Open the front door with nothing behind it."""
    with opened(start_service, Clock(), f"127.0.0.1:{free_port()}") as door:
        yield door


def labels(door: Door, token: str, query: str) -> tuple[list[dict[str, Any]], str]:
    """Read a page of labels and the token of the next one."""
    answer = door.get(f"/v1/labels{query}", token)
    assert answer.status_code == 200, answer.text
    return answer.json()["labels"], answer.json()["nextPageToken"]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_no_label_is_missing(alone: Door) -> None:
    """Page by page a till reads each value of each enum of the contracts, reasons too, in Chinese and in English."""
    public = [enum for enum in enums() if enum.full_name not in INTERNAL]
    token = alone.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    found, more = labels(alone, token, "?pageSize=7")
    while more:
        page, more = labels(alone, token, f"?pageSize=7&pageToken={more}")
        found += page
    assert [one["enumType"] for one in found] == sorted(enum.full_name for enum in public)
    told = {(one["enumType"], value["value"], value["number"]) for one in found for value in one["values"]}
    assert told == {(enum.full_name, value.name, value.number) for enum in public for value in enum.values}
    assert all(value["label"]["zh"] and value["label"]["en"] for one in found for value in one["values"])


@pytest.mark.parametrize("engine", ["sqlite"])
def test_one_enum_is_found_by_its_name(alone: Door) -> None:
    """A filter answers that enum alone, over HTTP and over gRPC, and a name that is none is told by its field."""
    token = alone.key(kind="STAFF", staff="F-1", roles=["finance"], stores=["*"])
    [states], more = labels(alone, token, f"?enumType={TICKET_STATE}")
    assert (states["enumType"], more) == (TICKET_STATE, "")
    assert {"value": "ACTIVE", "number": 1, "label": {"zh": "有效", "en": "Active"}} in labels(
        alone, token, "?enumType=shuke.gateway.v1.ApiKey.State"
    )[0][0]["values"]
    answer = alone.gateway.raw(
        labels_pb2_grpc.LabelServiceStub,
        "ListLabels",
        labels_pb2.ListLabelsRequest(enum_type="shuke.options.v1.ErrorReason"),
        (("authorization", f"Bearer {token}"),),
    )
    assert "TOKEN_INVALID" in [value.value for value in answer.labels[0].values]
    wrong = alone.get("/v1/labels?enumType=Ticket.State", token)
    assert refusal(wrong) == (400, "ENUM_UNKNOWN", {"enum_type": "ENUM_UNKNOWN"})
    assert refusal(alone.get("/v1/labels?pageToken=x", token))[2] == {"page_token": "PAGE_TOKEN_INVALID"}
    assert refusal(alone.get("/v1/labels", "shk_unknown"))[:2] == (401, "TOKEN_INVALID")
