"""Paths, queries and bodies become request messages; answers and statuses become JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from google.longrunning.operations_pb2 import Operation
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from chassis.status import reason_of
from gateway.errors import Malformed
from gateway.routes import RouteTable
from gateway.tests.planted import plant_service
from gateway.transcode import answer_json, error_json, http_code_of, request_message, retry_after
from shuke.customer.v1 import purchases_pb2
from shuke.tiering.v1 import policies_pb2, tiering_pb2

PLANTED = RouteTable.of(
    [
        plant_service(
            'get: "/v1/everything"',
            'post: "/v1/everything" body: "*"',
            'post: "/v1/{this_one=things/*}:change" body: "*"',
            'patch: "/v1/{inner.this_one=things/*}" body: "inner"',
        )
    ]
)


def read(table: RouteTable, asked: str, body: bytes = b"", key: str = "") -> Message:
    """Build the message of a request such as `GET /v1/things?small=1`."""
    verb, _, target = asked.partition(" ")
    path, _, query = target.partition("?")
    return request_message(table.find(verb, path), query, body, key)


def planted(asked: str, body: bytes = b"", key: str = "") -> Any:  # noqa: ANN401 (planted messages have no type)
    """Build a message of the planted service."""
    return read(PLANTED, asked, body, key)


def problem_of(asked: str, body: bytes = b"", key: str = "") -> str:
    """Answer the problem that a bad request of the planted service gives."""
    with pytest.raises(Malformed) as refusal:
        planted(asked, body, key)
    return refusal.value.metadata["problem"]


def packed(message: Message) -> any_pb2.Any:
    """Pack a detail of a status."""
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


def test_a_list_is_asked_for_by_query(table: RouteTable) -> None:
    """Nested fields are named with dots, under either form of their names."""
    asked = "GET /v1/purchases?store=S001&first_date.year=2026&firstDate.month=11&first_date.day=1&pageSize=20"
    assert read(table, asked) == purchases_pb2.ListPurchasesRequest(
        store="S001", first_date=Date(year=2026, month=11, day=1), page_size=20
    )


def test_a_path_gives_its_variable(table: RouteTable) -> None:
    """What stands in the path stands in the request."""
    asked = "GET /v1/customers/c1:spendSummary?last_date.year=2026"
    expected = purchases_pb2.GetSpendSummaryRequest(customer="customers/c1", last_date=Date(year=2026))
    assert read(table, asked) == expected


def test_a_resource_is_changed_by_path_query_and_body(table: RouteTable) -> None:
    """The path gives a nested name, the body one field, the query what is left."""
    asked = "PATCH /v1/tiering/policies/loyalty/versions/2?requestId=r1"
    policy = policies_pb2.Policy(name="policies/loyalty/versions/2", description="d")
    assert read(table, asked, b'{"description": "d"}') == policies_pb2.UpdateDraftRequest(
        policy=policy, request_id="r1"
    )


@given(
    st.builds(
        purchases_pb2.ListPurchasesRequest,
        customer=st.text(max_size=10),
        store=st.text(max_size=10),
        first_date=st.none() | st.builds(Date, year=st.integers(1, 9999), month=st.integers(1, 12)),
        page_size=st.integers(-(2**31), 2**31 - 1),
    )
)
def test_a_query_holds_whatever_a_message_holds(message: purchases_pb2.ListPurchasesRequest) -> None:
    """Any text survives the way through a query string."""
    flat: dict[str, object] = {"customer": message.customer, "store": message.store, "pageSize": message.page_size}
    if message.HasField("first_date"):
        flat |= {"firstDate.year": message.first_date.year, "firstDate.month": message.first_date.month}
    table = RouteTable.of([purchases_pb2.DESCRIPTOR.services_by_name["PurchaseService"]])
    assert read(table, f"GET /v1/purchases?{urlencode(flat)}") == message


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in (".", "..")))
def test_a_path_holds_any_text(text: str) -> None:
    """Any identifier survives the way through a path, percent-encoded."""
    assert planted(f"POST /v1/things/{quote(text, safe='')}:change").this_one == f"things/{text}"


def test_a_query_gives_every_kind_of_field() -> None:
    """Repeated fields, enums by name or number, truth, bytes, times and masks may stand in a query."""
    asked = (
        "GET /v1/everything?flag=true&flags=true&flags=false&color=RED&inner.color=1&small=-1&big=5&rate=1.5&raw=AA"
        "&names=a&names=&names=%E5%BC%A0&at_time=2026-11-22T01:02:03Z&mask=a,bC&this_one=a+b"
    )
    message = planted(asked)
    assert (message.flag, list(message.flags), message.color, message.inner.color) == (True, [True, False], 1, 1)
    assert (message.small, message.big, message.rate, message.raw) == (-1, 5, 1.5, b"\0")
    assert (list(message.names), message.this_one) == (["a", "", "张"], "a b")
    assert (message.at_time.ToJsonString(), list(message.mask.paths)) == ("2026-11-22T01:02:03Z", ["a", "b_c"])


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("GET /v1/everything?nothing=1", 'query: no parameter "nothing"'),
        ("GET /v1/everything?inner.nothing=1", 'query: no parameter "inner.nothing"'),
        ("GET /v1/everything?small.x=1", 'query: no parameter "small.x"'),
        ("GET /v1/everything?at_time.seconds=1", 'query: no parameter "at_time.seconds"'),
        ("GET /v1/everything?inners.small=1", 'query: no parameter "inners.small"'),
        ("GET /v1/everything?labels.a=1", 'query: no parameter "labels.a"'),
        ("GET /v1/everything?13800138000=1", "query: no parameter of that name"),
        ("GET /v1/everything?=1", "query: no parameter of that name"),
        ("GET /v1/everything?inner=1", 'query: "inner" is no single value; name a field of it'),
        ("GET /v1/everything?inners=1", 'query: "inners" is no single value; name a field of it'),
        ("GET /v1/everything?labels=1", 'query: "labels" is no single value; name a field of it'),
        ("GET /v1/everything?small=1&small=1", 'query: "small" is given twice'),
        ("GET /v1/everything?request_id=1&requestId=1", 'query: "requestId" is given twice'),
        ("GET /v1/everything?this_one=1&that_one=1", "query.that_one: choice is given twice"),
        ("GET /v1/everything?small=13800138000", "query.small: not an int32"),
        ("GET /v1/everything?small=", "query.small: not an int32"),
        ("GET /v1/everything?flag=yes", "query.flag: not true or false"),
        ("GET /v1/everything?flag=", "query.flag: not true or false"),
        (
            "GET /v1/everything?at_time=today",
            'query.at_time: not a google.protobuf.Timestamp such as "2026-03-01T10:00:00+08:00"',
        ),
        ("GET /v1/everything?any=x", "query.any: not a google.protobuf.Any"),
        ("GET /v1/everything?small", "query: not pairs of name=value in UTF-8, or too many"),
        ("GET /v1/everything?names=%FF", "query: not pairs of name=value in UTF-8, or too many"),
        (
            "GET /v1/everything?names=a" + "&names=a" * 1000,
            "query: not pairs of name=value in UTF-8, or too many",
        ),
        ("POST /v1/everything?small=1", "query: this method takes all fields in its body"),
        ("PATCH /v1/things/a?inner.small=1", "query.inner: belongs into the body"),
    ],
)
def test_a_bad_query_is_told_by_its_parameter(asked: str, problem: str) -> None:
    """The problem names the parameter and what is wanted, and nothing of what stood there."""
    assert problem_of(asked) == problem


def test_an_enum_in_a_query_is_a_name_or_a_number() -> None:
    """Another word is refused with the type's name."""
    assert problem_of("GET /v1/everything?color=BLUE").startswith("query.color: not one of ")


def test_an_empty_body_is_an_empty_message() -> None:
    """A method that takes all its fields in the body may be called without any."""
    assert planted("POST /v1/everything") == planted("POST /v1/everything", b"{}")


def test_a_method_without_body_refuses_one() -> None:
    """What would be ignored is refused instead."""
    assert problem_of("GET /v1/everything", b"{}") == "the body: this method takes none"


def test_a_body_may_repeat_the_path_but_not_contradict_it() -> None:
    """A resource is often sent back whole, with its name."""
    assert planted("PATCH /v1/things/a", b'{"thisOne": "things/a", "small": 1}').inner.small == 1
    said = "inner.this_one: not what the path says"
    assert problem_of("PATCH /v1/things/a", b'{"thisOne": "things/b"}') == said
    assert problem_of("POST /v1/things/a:change", b'{"thisOne": "b"}') == "this_one: not what the path says"


def test_the_body_of_one_field_is_told_with_the_field() -> None:
    """Paths of problems start at the request, as those of the services do."""
    assert problem_of("PATCH /v1/things/a", b'{"small": "x"}') == "inner.small: not an int32"


def test_the_idempotency_key_fills_the_request_id() -> None:
    """The header stands for the field, and may repeat but not contradict it."""
    assert planted("POST /v1/everything", b"{}", "k1").request_id == "k1"
    assert planted("POST /v1/everything", b'{"requestId": "k1"}', "k1").request_id == "k1"
    said = "request_id: not what the header idempotency-key says"
    assert problem_of("POST /v1/everything", b'{"requestId": "k2"}', "k1") == said


def test_the_idempotency_key_is_ignored_where_the_receipt_is_the_key(table: RouteTable) -> None:
    """A sale has no request id; a client that always sends the header is served."""
    message = read(table, "POST /v1/purchases", b'{"settled": true}', "k1")
    assert message == purchases_pb2.RecordPurchaseRequest(settled=True)


def test_an_answer_is_written_whole(table: RouteTable) -> None:
    """Camel case, int64 as text, and what is false, empty or zero stands there too."""
    route = table.find("POST", "/v1/purchases").route
    answer = purchases_pb2.RecordPurchaseResponse()
    answer.purchase.name = "purchases/1"
    answer.purchase.total.units = 12
    written = json.loads(answer_json(route, answer.SerializeToString()))
    assert written["replayed"] is False
    assert written["purchase"]["total"] == {"currencyCode": "", "units": "12", "nanos": 0}
    assert (written["purchase"]["lines"], written["purchase"]["kind"]) == ([], "KIND_UNSPECIFIED")
    assert "receipt" not in written["purchase"]


def test_an_answer_keeps_its_text_readable(table: RouteTable) -> None:
    """Chinese text is written in UTF-8, not as escapes."""
    route = table.find("GET", "/v1/purchases/1").route
    answer = purchases_pb2.Purchase(lines=[purchases_pb2.Line(product_name="乌龙茶")])
    assert "乌龙茶".encode() in answer_json(route, answer.SerializeToString())


def test_an_operation_is_written_with_its_result(table: RouteTable) -> None:
    """What an operation carries is written by its type."""
    result = packed(tiering_pb2.Evaluation(name="evaluations/1"))
    answer = Operation(name="operations/tiering-1", done=True, response=result)
    route = table.find("GET", "/v1/operations/tiering-1").route
    written = json.loads(answer_json(route, answer.SerializeToString()))
    assert (written["done"], written["response"]["name"]) == (True, "evaluations/1")
    assert written["response"]["@type"].endswith("shuke.tiering.v1.Evaluation")


def test_an_error_has_the_form_of_aip_193() -> None:
    """Code, sentence, status and every detail with its type stand in the answer."""
    info = details.ErrorInfo(reason="RECEIPT_CONFLICT", domain="customer.shuke", metadata={"name": "n"})
    status = Status(code=Code.ALREADY_EXISTS, message="It exists.", details=[packed(info)])
    assert json.loads(error_json(status, http_code_of(status))) == {
        "error": {
            "code": 409,
            "message": "It exists.",
            "status": "ALREADY_EXISTS",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RECEIPT_CONFLICT",
                    "domain": "customer.shuke",
                    "metadata": {"name": "n"},
                }
            ],
        }
    }
    assert reason_of(status) == "RECEIPT_CONFLICT"


def test_a_detail_of_a_later_release_is_named() -> None:
    """A detail whose type is not known here does not hide the others."""
    status = Status(code=Code.ABORTED, details=[any_pb2.Any(type_url="type.googleapis.com/shuke.later.v1.Detail")])
    written = json.loads(error_json(status, http_code_of(status)))
    assert written["error"]["details"] == [{"@type": "type.googleapis.com/shuke.later.v1.Detail"}]
    assert reason_of(status) == ""


@pytest.mark.parametrize(
    ("code", "http_code"),
    [
        (Code.CANCELLED, 499),
        (Code.UNKNOWN, 500),
        (Code.INVALID_ARGUMENT, 400),
        (Code.DEADLINE_EXCEEDED, 504),
        (Code.NOT_FOUND, 404),
        (Code.ALREADY_EXISTS, 409),
        (Code.PERMISSION_DENIED, 403),
        (Code.UNAUTHENTICATED, 401),
        (Code.RESOURCE_EXHAUSTED, 429),
        (Code.FAILED_PRECONDITION, 400),
        (Code.ABORTED, 409),
        (Code.OUT_OF_RANGE, 400),
        (Code.UNIMPLEMENTED, 501),
        (Code.INTERNAL, 500),
        (Code.UNAVAILABLE, 503),
        (Code.DATA_LOSS, 500),
        (99, 500),
    ],
)
def test_each_code_has_its_http_code(code: int, http_code: int) -> None:
    """The codes of gRPC lead to those of HTTP as google.rpc.Code says."""
    status = Status(code=code)
    assert http_code_of(status) == http_code
    assert json.loads(error_json(status, http_code))["error"]["code"] == http_code


@pytest.mark.parametrize(("reason", "http_code"), [("BODY_TOO_LARGE", 413), ("METHOD_UNKNOWN", 404)])
def test_some_reasons_have_a_code_of_their_own(reason: str, http_code: int) -> None:
    """HTTP has words of its own for a body that is too large and for a path that is not there."""
    status = Status(code=Code.INVALID_ARGUMENT, details=[packed(details.ErrorInfo(reason=reason))])
    assert http_code_of(status) == http_code


@pytest.mark.parametrize(
    ("delay", "expected"), [((0, 0), 1), ((0, 1), 1), ((2, 0), 2), ((2, 1), 3)], ids=["none", "some", "two", "more"]
)
def test_retry_after_is_whole_seconds(delay: tuple[int, int], expected: int) -> None:
    """A delay is rounded up, so that nobody comes too early."""
    info = details.RetryInfo(retry_delay=Duration(seconds=delay[0], nanos=delay[1]))
    assert retry_after(Status(code=Code.UNAVAILABLE, details=[packed(info)])) == expected


def test_a_status_without_a_delay_says_none() -> None:
    """Not every refusal passes by itself."""
    assert retry_after(Status(code=Code.UNAVAILABLE)) is None
