"""Errors as clients see them: each detail once, both languages, and small enough to travel."""

from __future__ import annotations

from typing import TypeVar

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import (
    Aborted,
    Code,
    FailedPrecondition,
    Forbidden,
    Invalid,
    NotFound,
    Overloaded,
    Problems,
    Refused,
    Unavailable,
    Violation,
)
from chassis.status import status_of
from chassis.texts import Texts
from shuke.customer.v1 import errors_pb2

M = TypeVar("M", bound=Message)
TEXTS = Texts("customer", errors_pb2.ErrorReason.DESCRIPTOR)


class PurchaseNotFound(NotFound):
    """A refusal of an API."""

    reason = "PURCHASE_NOT_FOUND"


class CustomerUnknown(FailedPrecondition):
    """A refusal of a state."""

    reason = "CUSTOMER_UNKNOWN"


class StoreForeign(Forbidden):
    """A refusal of the chassis."""

    reason = "STORE_FOREIGN"


def detail(status: Status, kind: type[M]) -> M | None:
    """Find the one detail of a kind."""
    found = kind()
    matching = [packed for packed in status.details if packed.TypeName() == kind.DESCRIPTOR.full_name]
    assert len(matching) < 2
    return found if matching and matching[0].Unpack(found) else None


def test_a_refusal_names_reason_domain_and_parts() -> None:
    """Programs read reason and metadata in the domain of the API; people read a sentence in their language."""
    status = status_of(PurchaseNotFound(name="purchases/1"), TEXTS, "zh-CN")
    assert status.code == Code.NOT_FOUND.value
    assert status.message == "There is no purchase purchases/1."
    info = details.ErrorInfo(reason="PURCHASE_NOT_FOUND", domain="customer.shuke", metadata={"name": "purchases/1"})
    assert detail(status, details.ErrorInfo) == info
    said = detail(status, details.LocalizedMessage)
    assert said is not None
    assert said.locale == "zh-CN"
    assert "purchases/1" in said.message
    assert detail(status, details.ResourceInfo) == details.ResourceInfo(
        resource_type="purchases", resource_name="purchases/1"
    )


def test_the_chassis_has_a_domain_of_its_own() -> None:
    """A reason of the chassis is the suite's, whichever service gives it."""
    info = detail(status_of(StoreForeign(store="B"), TEXTS, "en"), details.ErrorInfo)
    assert info is not None
    assert (info.domain, info.reason, dict(info.metadata)) == ("shuke", "STORE_FOREIGN", {"store": "B"})


@pytest.mark.parametrize("error", [Overloaded(), Unavailable()])
def test_what_may_pass_says_when_to_come_back(error: Refused) -> None:
    """Too many calls, or a part that does not answer, come with a time to wait."""
    retry = detail(status_of(error, TEXTS, "en"), details.RetryInfo)
    assert retry is not None
    assert retry.retry_delay.seconds == 1


def test_others_do_not() -> None:
    """What will not pass by itself invites nobody to try again."""
    assert detail(status_of(StoreForeign(store="B"), TEXTS, "en"), details.RetryInfo) is None


def test_a_state_that_forbids_is_described() -> None:
    """A precondition that fails names its subject."""
    failure = detail(status_of(CustomerUnknown(field="purchase.customer"), TEXTS, "en"), details.PreconditionFailure)
    assert failure is not None
    [violation] = failure.violations
    assert (violation.type, violation.subject) == ("CUSTOMER_UNKNOWN", "purchase.customer")
    assert violation.description.startswith("purchase.customer leads to no customer.")


def invalid(*violations: tuple[str, str]) -> Invalid:
    """Collect problems."""
    problems = Problems()
    for field, reason in violations:
        problems.add(field, reason)
    with pytest.raises(Invalid) as refused:
        problems.refuse()
    return refused.value


def test_all_violations_are_told_at_once() -> None:
    """Each wrong field has its reason, its words and its words in the caller's language; the headline names all."""
    status = status_of(invalid(("a", "AMOUNT_NEGATIVE"), ("b", "QUANTITY_ZERO")), TEXTS, "zh-CN")
    wrong = detail(status, details.BadRequest)
    assert wrong is not None
    assert [(one.field, one.reason) for one in wrong.field_violations] == [
        ("a", "AMOUNT_NEGATIVE"),
        ("b", "QUANTITY_ZERO"),
    ]
    assert wrong.field_violations[1].description == "b must be above zero."
    assert wrong.field_violations[1].localized_message.message.startswith("b ")
    info = detail(status, details.ErrorInfo)
    assert info is not None
    assert (info.reason, info.metadata["fields"]) == ("FIELDS_INVALID", "a, b")


def test_one_reason_for_all_is_the_headline() -> None:
    """Where all that is wrong is one thing, that is the reason of the whole; a rule of shape never is."""
    info = detail(status_of(invalid(("a", "QUANTITY_ZERO"), ("b", "QUANTITY_ZERO")), TEXTS, "en"), details.ErrorInfo)
    assert info is not None
    assert (info.reason, info.domain) == ("QUANTITY_ZERO", "customer.shuke")
    shape = Invalid([Violation("a", "STRING_MAX_LEN", {"field": "a", "rule": "string.max_len", "value": "5"})])
    info = detail(status_of(shape, TEXTS, "en"), details.ErrorInfo)
    assert info is not None
    assert info.reason == "FIELDS_INVALID"


def test_no_problem_is_no_refusal() -> None:
    """Where nothing was noted nothing is raised."""
    Problems().refuse()


def test_many_fields_are_counted() -> None:
    """The sentence names the first wrong fields and counts the rest; a rule of the whole request has a name too."""
    error = Invalid([Violation(f"f{number}", "X") for number in range(7)])
    assert error.metadata == {"fields": "f0, f1, f2, f3, f4, and 2 more"}
    assert Invalid([Violation("", "X")]).metadata == {"fields": "(request)"}


@given(st.integers(1, 400), st.text(max_size=300), st.sampled_from(["zh-CN", "en"]))
def test_a_status_always_fits_into_trailers(count: int, quoted: str, language: str) -> None:
    """Whatever is wrong and whatever was sent, the status stays well below the 8 KiB that clients take."""
    problems = Problems()
    for number in range(count):
        problems.add(f"purchase.lines[{number}].{quoted}", "TOTAL_MISMATCH", total=quoted * 50, sum=quoted)
    errors: list[Refused] = [Invalid(problems.found), PurchaseNotFound(name=quoted * 50)]
    for error in [*errors, CustomerUnknown(field=quoted * 50)]:
        status = status_of(error, TEXTS, language)
        assert status.ByteSize() < 6600
        info = detail(status, details.ErrorInfo)
        assert info is not None
        assert info.reason


def test_a_reason_without_a_sentence_is_told_bare() -> None:
    """A reason that the contract lacks still reaches the caller."""

    class Odd(Aborted):
        reason = "ODD"

    status = status_of(Odd(), TEXTS, "en")
    assert status.message == "ODD"
    assert detail(status, details.LocalizedMessage) is None
