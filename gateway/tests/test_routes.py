"""Paths lead to the right RPC, and contracts that cannot be served stop the start."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from chassis.errors import MethodUnknown
from gateway.errors import Malformed, VerbUnknown
from gateway.routes import OPERATIONS, RouteError, RouteTable
from gateway.tests.contracts import services
from gateway.tests.planted import plant_service
from shuke.options.v1 import options_pb2


def exposed(service: ServiceDescriptor, exposure: int) -> set[str]:
    """List the methods of a service that state an exposure, as gRPC names them."""
    return {
        f"/{service.full_name}/{method.name}"
        for method in service.methods
        if method.GetOptions().Extensions[options_pb2.access].exposure == exposure
    }


@pytest.mark.parametrize(
    ("verb", "path", "method", "values"),
    [
        ("GET", "/v1/customers/c1", "/shuke.customer.v1.CustomerService/GetCustomer", ("customers/c1",)),
        ("POST", "/v1/customers:lookup", "/shuke.customer.v1.CustomerService/LookupCustomer", ()),
        (
            "GET",
            "/v1/customers/c1:spendSummary",
            "/shuke.customer.v1.PurchaseService/GetSpendSummary",
            ("customers/c1",),
        ),
        ("POST", "/v1/purchases:batchRecord", "/shuke.customer.v1.PurchaseService/BatchRecordPurchases", ()),
        (
            "PATCH",
            "/v1/tiering/policies/loyalty/versions/2",
            "/shuke.tiering.v1.PolicyService/UpdateDraft",
            ("policies/loyalty/versions/2",),
        ),
        (
            "GET",
            "/v1/schemes/loyalty/members/m1/history",
            "/shuke.tiering.v1.MembershipService/ListHistory",
            ("schemes/loyalty/members/m1",),
        ),
        ("GET", "/v1/operations/tiering-1", f"/{OPERATIONS}/GetOperation", ("operations/tiering-1",)),
        ("DELETE", "/v1/operations/tiering-1", f"/{OPERATIONS}/DeleteOperation", ("operations/tiering-1",)),
        ("POST", "/v1/operations/tiering-1:cancel", f"/{OPERATIONS}/CancelOperation", ("operations/tiering-1",)),
        ("POST", "/v1/operations/tiering-1:wait", f"/{OPERATIONS}/WaitOperation", ("operations/tiering-1",)),
        ("GET", "/v1/customers/a%20%E5%BC%A0", "/shuke.customer.v1.CustomerService/GetCustomer", ("customers/a 张",)),
        ("HEAD", "/v1/customers/c1", "/shuke.customer.v1.CustomerService/GetCustomer", ("customers/c1",)),
    ],
)
def test_a_path_leads_to_its_method(
    table: RouteTable, verb: str, path: str, method: str, values: tuple[str, ...]
) -> None:
    """Verb and path give the method of the contract and the values of its path variables, decoded."""
    match = table.find(verb, path)
    assert (match.route.method, match.values) == (method, values)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/customers/",
        "/v1/customers/c1/",
        "/v1/customers/c1/more",
        "/v1/customers/c1:unknown",
        "/v1/customers//c1",
        "//v1/customers/c1",
        "/V1/customers/c1",
        "/v1/operations",
        "/v1/operations/",
    ],
)
def test_an_unknown_path_is_refused(table: RouteTable, path: str) -> None:
    """A path that no template describes exactly is no method, whatever the verb."""
    for verb in ("GET", "POST", "BREW"):
        with pytest.raises(MethodUnknown) as refusal:
            table.find(verb, path)
        assert not isinstance(refusal.value, VerbUnknown)
    assert table.allowed(path) == ()


def test_a_known_path_with_another_verb_names_the_verbs(table: RouteTable) -> None:
    """The refusal of a verb lists what the path may be called with."""
    with pytest.raises(VerbUnknown) as refusal:
        table.find("PUT", "/v1/purchases")
    assert set(refusal.value.allowed) == {"GET", "HEAD", "POST", "OPTIONS"}


def test_a_path_that_is_not_utf8_is_refused(table: RouteTable) -> None:
    """Percent-encoded bytes that are no text are the caller's mistake."""
    with pytest.raises(Malformed):
        table.find("GET", "/v1/customers/%FF")


def test_every_public_method_has_a_route_and_no_internal_one(table: RouteTable) -> None:
    """What the contracts offer to clients is reachable over HTTP, and nothing else is."""
    routed = {route.method for route in table.routes}
    public = set().union(*(exposed(service, options_pb2.EXPOSURE_PUBLIC) for service in services()))
    operations = {f"/{OPERATIONS}/{verb}Operation" for verb in ("Get", "Cancel", "Delete", "Wait")}
    assert public
    assert routed == public | operations


def test_a_route_knows_its_api(table: RouteTable) -> None:
    """The API is read from the package; an operation's is told by its name, later."""
    apis = {route.method.split("/")[1]: route.api for route in table.routes}
    assert apis["shuke.customer.v1.PurchaseService"] == "customer"
    assert apis["shuke.tiering.v1.EvaluationService"] == "tiering"
    assert apis[OPERATIONS] == ""


def test_additional_bindings_are_routes_too() -> None:
    """A method may be reached by several paths."""
    table = RouteTable.of([plant_service('get: "/v1/a" additional_bindings { post: "/v1/b/{this_one=c/**}" }')])
    assert table.find("GET", "/v1/a").route.method == table.find("POST", "/v1/b/c/d/e").route.method


def test_a_variable_without_pattern_is_one_segment() -> None:
    """`{x}` stands for `{x=*}`."""
    table = RouteTable.of([plant_service('get: "/v1/a/{this_one}/b/{inner.this_one}"')])
    assert table.find("GET", "/v1/a/x/b/y").values == ("x", "y")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('get: "/v1/{this_one=a/*}"', 'get: "/v1/{this_one=a/*}"'),
        ('get: "/v1/{this_one=a/*}"', 'get: "/v1/a/special"'),
        ('get: "/v1/{this_one=a/*}/b"', 'get: "/v1/a/{this_one=*/*}"'),
        ('get: "/v1/{this_one=a/**}"', 'get: "/v1/{this_one=a/*/b/*}"'),
        ('post: "/v1/{this_one=a/*}:do"', 'post: "/v1/{this_one=*/*}:do"'),
        ('get: "/v1/a"', 'post: "/v1/b" additional_bindings { get: "/v1/a" }'),
    ],
)
def test_templates_that_overlap_stop_the_start(one: str, other: str) -> None:
    """No path may stand for two methods."""
    with pytest.raises(RouteError, match="overlap"):
        RouteTable.of([plant_service(one, other)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('get: "/v1/{this_one=a/*}"', 'post: "/v1/{this_one=a/*}"'),
        ('get: "/v1/{this_one=a/*}"', 'get: "/v1/{this_one=a/*}:do"'),
        ('get: "/v1/{this_one=a/*}"', 'get: "/v1/{this_one=a/*}/b"'),
        ('get: "/v1/{this_one=a/**}"', 'get: "/v1/a"'),
        ('get: "/v1/{this_one=a/*}"', 'get: "/v1/{this_one=b/*}"'),
    ],
)
def test_templates_that_only_look_alike_are_served(one: str, other: str) -> None:
    """Verb, custom verb, length or a literal tells two templates apart."""
    assert len(RouteTable.of([plant_service(one, other)]).routes) == 2


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("", "has no google.api.http rule"),
        ('get: "/v1/{nothing=a/*}"', "no field nothing"),
        ('get: "/v1/{inner.nothing}"', "no field inner.nothing"),
        ('get: "/v1/{inners.this_one}"', "no field inners.this_one"),
        ('get: "/v1/{small}"', "must be one string"),
        ('get: "/v1/{names}"', "must be one string"),
        ('post: "/v1/a" body: "small"', "must be one message"),
        ('post: "/v1/a" body: "inners"', "must be one message"),
        ('post: "/v1/a" body: "nothing"', "no field nothing"),
        ('get: "/v1/{this_one=a/**}/b"', "no path template"),
        ('get: "/v1/a{this_one}"', "no path template"),
        ('get: "/v1/{this_one"', "no path template"),
        ('get: "v1/a"', "no path template"),
        ('custom { kind: "BREW" path: "/v1/a" }', "custom verb"),
        ('get: "/v1/a" response_body: "inner"', "response_body"),
    ],
)
def test_a_rule_that_cannot_be_served_stops_the_start(rule: str, said: str) -> None:
    """A mistake in a contract is found when the gateway starts, not when a client calls."""
    with pytest.raises(RouteError, match=said):
        RouteTable.of([plant_service(rule)])


def test_a_public_stream_stops_the_start() -> None:
    """HTTP/JSON has one answer per request."""
    with pytest.raises(RouteError, match="streams"):
        RouteTable.of([plant_service('get: "/v1/a"', more="server_streaming: true")])


def test_an_internal_method_has_no_route_though_it_has_a_rule() -> None:
    """Exposure decides, not the rule."""
    assert RouteTable.of([plant_service('get: "/v1/a"', exposure="EXPOSURE_INTERNAL")]).routes == ()
