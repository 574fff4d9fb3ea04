"""Methods of the contracts: who may call them, from where, over which path, and what makes a retry safe."""

from __future__ import annotations

from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from shuke.options.v1 import options_pb2
from tests.contract.descriptors import access, leaf, methods

MUTATING = (options_pb2.AUDIT_CHANGE, options_pb2.AUDIT_APPROVAL)
# What money has done at a till, and who was enrolled there, is told apart by keys of the till's own.
NATURAL_KEYS = {
    "shuke.customer.v1.EnrolCustomerRequest": ("enrolment_ref",),
    "shuke.customer.v1.RecordPurchaseRequest": ("purchase.receipt",),
    "shuke.customer.v1.BatchRecordPurchasesRequest": ("requests.purchase.receipt",),
    "shuke.customer.v1.RecordRefundRequest": ("refund.receipt",),
    "shuke.customer.v1.BatchRecordRefundsRequest": ("requests.refund.receipt",),
    "shuke.customer.v1.BatchSetProfitRequest": ("requests.purchase", "requests.receipt"),
    "shuke.customer.v1.RecordExchangeRequest": ("refund.receipt", "purchase.receipt"),
}

# The answer holds a secret, which must not be kept for a retry; a key whose answer was lost is revoked.
NOT_REPEATABLE = {"shuke.gateway.v1.CreateApiKeyRequest"}


def http_path(method: MethodDescriptor) -> str:
    """Answer the HTTP path of a method; the empty string without one."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return str(getattr(rule, verb)) if verb else ""


def test_there_are_methods() -> None:
    """The walk finds the contracts; an empty one would prove nothing."""
    assert len(methods()) > 20


def test_every_method_states_its_access() -> None:
    """A method names its permission, from where it may be called and what is kept about calls."""
    silent = [
        method.full_name
        for method in methods()
        if not (access(method).permission and access(method).exposure and access(method).audit)
    ]
    assert silent == []


def test_permissions_name_their_api() -> None:
    """A permission begins with its API, so that a role can cover an API as a whole; the feed is the chassis's."""
    wrong = [
        f"{method.full_name}: {access(method).permission}"
        for method in methods()
        if access(method).permission != "events.read"
        and access(method).permission.split(".")[0] != method.full_name.split(".")[1]
    ]
    assert wrong == []


def test_store_fields_lead_to_a_text() -> None:
    """Where a method is bound to a store, the path leads to one text, per item exactly in a batch."""
    for method in methods():
        path = access(method).store_field
        if not path:
            continue
        field = leaf(method.input_type, path)
        assert field is not None, f"{method.full_name}: {path} leads nowhere"
        assert field.type == FieldDescriptor.TYPE_STRING
        assert not field.is_repeated, method.full_name
        assert (path.split(".")[0] == "requests") == ("requests" in method.input_type.fields_by_name), method.full_name


def test_a_path_that_leads_nowhere_is_seen() -> None:
    """The walk along a path tells a field from none."""
    request = next(method for method in methods() if method.name == "RecordPurchase").input_type
    assert leaf(request, "purchase.receipt.store") is not None
    assert leaf(request, "purchase.receipt.shop") is None
    assert leaf(request, "purchase.receipt.store.code") is None


def test_public_methods_have_a_path() -> None:
    """What clients may call has an HTTP path under /v1/; what they may not call has none."""
    for method in methods():
        public = access(method).exposure == options_pb2.EXPOSURE_PUBLIC
        assert http_path(method).startswith("/v1/") == public, method.full_name


def test_paths_bind_only_fields_of_the_request() -> None:
    """A variable of a path is a field of the request, and no lookup key that may be personal stands there."""
    for method in methods():
        for variable in http_path(method).split("{")[1:]:
            name = variable.partition("=")[0].partition("}")[0]
            assert leaf(method.input_type, name) is not None, f"{method.full_name}: {name}"
            assert name.rpartition(".")[2] in {"name", "parent", "customer", "scheme"}, f"{method.full_name}: {name}"


def test_reads_are_gets() -> None:
    """A GET changes nothing, and what is called Get or List is a GET, so that it may be repeated and cached."""
    for method in methods():
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        reads = method.name.startswith(("Get", "List"))
        assert (rule.WhichOneof("pattern") == "get") == (reads and bool(http_path(method))), method.full_name
        if reads:
            assert access(method).audit not in MUTATING, method.full_name


def test_a_retry_of_a_change_is_safe() -> None:
    """Whoever changes something can send it again: under a request id, or by a key of its own."""
    for method in methods():
        if access(method).audit not in MUTATING or method.input_type.full_name in NOT_REPEATABLE:
            continue
        request = method.input_type
        keys = NATURAL_KEYS.get(request.full_name, ())
        if keys:
            assert all(leaf(request, key) is not None for key in keys), request.full_name
        else:
            assert "request_id" in request.fields_by_name, f"{request.full_name} has no request_id and no natural key"


def test_the_list_of_natural_keys_is_current() -> None:
    """No request stands in the list that is not there, or that has a request id as well."""
    requests = {method.input_type.full_name: method.input_type for method in methods()}
    for name in NATURAL_KEYS:
        assert "request_id" not in requests[name].fields_by_name, name


def test_services_end_on_service() -> None:
    """One way of naming holds for all services, and requests are named after their method."""
    for method in methods():
        assert method.containing_service.name.endswith("Service")
        assert method.input_type.name == f"{method.name}Request", method.full_name
