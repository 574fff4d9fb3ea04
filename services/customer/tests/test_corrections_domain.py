"""The rules of corrections: which sales are voided or attached, and what stays of them."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.customer.corrections.domain import (
    AttachTooLate,
    CustomerErased,
    CustomerMerged,
    Limits,
    PurchaseHasRefunds,
    Target,
    VoidApproverMissing,
    Voiding,
    attach,
    void,
)
from services.customer.customers.domain import (
    Buyer,
    CustomerAmbiguous,
    CustomerBlocked,
    CustomerUnknown,
    Known,
    Resolution,
    State,
    resolve,
)
from services.customer.ledger.domain import (
    Content,
    Correction,
    CustomerState,
    Entry,
    Line,
    Pending,
    Receipt,
    Record,
    SaleVoided,
    Void,
)

TODAY = date(2026, 3, 2)
LIMITS = Limits(void_days=1, attach_days=90)
KEYED_WRONG = Voiding("KEYED_WRONG", "", settled=False)
BEN = Target(Resolution("ben", CustomerState.RESOLVED), State.ACTIVE)
BLOCKED = Resolution("ben", CustomerState.RESOLVED, (CustomerBlocked(name="customers/ben"),))


def sale(age: int = 0, **more: object) -> Entry:
    """Make Anna's sale of so many days ago."""
    content = Content(Receipt("LEEDS", "T1", TODAY - timedelta(days=age), "R1"), 0, (Line(1, "GOODS", "TEA", 1, 9),), 9)
    made = Entry("sale", Record.SALE, "SALE", content, b"", "anna", CustomerState.RESOLVED, 0)
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def refund(**more: object) -> Entry:
    """Make a refund of it."""
    return dataclasses.replace(sale(), id="refund", record=Record.REFUND, original_id="sale", **more)  # type: ignore[arg-type]


VOIDED = Void(5, "KEYED_WRONG", "")


def test_a_voided_sale_says_so_and_nothing_else_changes() -> None:
    """The entry keeps all that the till told, and is marked with time, reason and approver; it counts for nobody."""
    given_sale = sale()
    correction = void(given_sale, (), Voiding("KEYED_WRONG", "M1", settled=False), LIMITS, 77, TODAY)
    expected = dataclasses.replace(given_sale, void=Void(77, "KEYED_WRONG", "M1"))
    assert correction == Correction(given_sale, expected)
    assert (given_sale.counts_for, correction.after.counts_for, correction.after.customer_id) == ("anna", None, "anna")


@given(
    age=st.integers(-2, 4),
    days=st.integers(0, 3),
    approver=st.sampled_from(["", "M1"]),
    settled=st.booleans(),
)
def test_an_old_sale_is_voided_with_an_approver_only(age: int, days: int, approver: str, settled: bool) -> None:  # noqa: FBT001
    """Beyond the days that the chain has set an approver is asked for, unless the till has voided it on its own."""
    voiding, limits = Voiding("KEYED_WRONG", approver, settled), Limits(days, 90)
    if age <= days or approver or settled:
        assert void(sale(age), (), voiding, limits, 1, TODAY).after.void
    else:
        with pytest.raises(VoidApproverMissing) as refused:
            void(sale(age), (), voiding, limits, 1, TODAY)
        assert refused.value.metadata == {"field": "approver", "days": str(days)}


@pytest.mark.parametrize("settled", [False, True])
def test_a_sale_with_refunds_is_not_voided(settled: bool) -> None:  # noqa: FBT001
    """What was given back in part was made, whatever the till says; a voided sale is not voided again."""
    voiding = Voiding("KEYED_WRONG", "M1", settled)
    with pytest.raises(PurchaseHasRefunds):
        void(sale(), (refund(),), voiding, LIMITS, 1, TODAY)
    with pytest.raises(SaleVoided):
        void(sale(void=VOIDED), (), voiding, LIMITS, 1, TODAY)


@pytest.mark.requirement("C-21")
def test_a_sale_is_attached_with_its_refunds() -> None:
    """All of them belong to the customer from then on, and what was told of a customer nobody found is forgotten."""
    lost = {"customer_id": None, "customer_state": CustomerState.PENDING, "pending": Pending("PHONE", b"1")}
    given_sale, given_refund = sale(0, **lost), refund(**lost)
    moved = attach(given_sale, (given_refund,), BEN, "CARD_FORGOTTEN", LIMITS, TODAY)
    belongs = {"customer_id": "ben", "customer_state": CustomerState.RESOLVED, "pending": None}
    assert moved == [
        Correction(given_sale, dataclasses.replace(given_sale, attach_reason="CARD_FORGOTTEN", **belongs)),  # type: ignore[arg-type]
        Correction(given_refund, dataclasses.replace(given_refund, **belongs)),  # type: ignore[arg-type]
    ]


def test_whoever_has_a_sale_keeps_it() -> None:
    """The same customer again changes nothing, whatever the age and whatever became of the customer."""
    for target in (BEN, Target(BLOCKED, State.BLOCKED), dataclasses.replace(BEN, state=State.ERASED)):
        assert attach(sale(365, customer_id="ben"), (), target, "AGAIN", LIMITS, TODAY) == []


TARGETS = {
    "merged": (dataclasses.replace(BEN, state=State.MERGED), CustomerMerged),
    "erased": (dataclasses.replace(BEN, state=State.ERASED), CustomerErased),
    "blocked": (Target(BLOCKED, State.BLOCKED), CustomerBlocked),
    "unknown": (Target(resolve(Buyer("ben"), Known(), ""), None), CustomerUnknown),
    "ambiguous": (Target(resolve(Buyer("ben"), Known(["ben", "carl"]), ""), None), CustomerAmbiguous),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_sale_is_attached_to_a_customer_only_with_whom_business_is_done(kind: str) -> None:
    """A merged, erased, blocked, unknown or ambiguous customer gets no sale, and the reason says which of these."""
    target, reason = TARGETS[kind]
    with pytest.raises(reason):
        attach(sale(), (), target, "CARD_FORGOTTEN", LIMITS, TODAY)


def test_a_sale_is_attached_within_the_days_that_are_set() -> None:
    """On the last day it moves, on the next it is too late; a voided sale moves never."""
    assert attach(sale(90), (), BEN, "LATE", LIMITS, TODAY)
    with pytest.raises(AttachTooLate) as refused:
        attach(sale(91), (), BEN, "LATE", LIMITS, TODAY)
    assert refused.value.metadata == {"name": "purchases/sale", "days": "90"}
    with pytest.raises(SaleVoided):
        attach(sale(void=VOIDED), (), BEN, "LATE", LIMITS, TODAY)
