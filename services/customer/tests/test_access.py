"""Who may call: nobody without a good token, nobody without the permission, no store for another one."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from chassis.principals import Principal
from chassis.tokens import LIFETIME_SECONDS, Signer, generate_key
from services.customer.tests.builders import (
    CUSTOMERS,
    LEEDS,
    NOBODY,
    NOTHING,
    PURCHASES,
    YORK,
    Shop,
    alone,
    by_phone,
    refused,
    sale,
)
from services.customer.tests.consenting import CONSENTS, CONTACTS, POLICIES, PRIVACY
from services.customer.tests.directing import DIRECTORY
from services.customer.tests.interacting import INTERACTIONS
from shuke.customer.v1 import (
    consents_pb2,
    contacts_pb2,
    customer_pb2,
    directory_pb2,
    interactions_pb2,
    policies_pb2,
    privacy_pb2,
)
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Running

# Every method with its permission, and a request that is wrong in itself: who may not call does not hear of that.
METHODS: dict[str, tuple[Any, str, Message]] = {
    "EnrolCustomer": (CUSTOMERS, "customer.customers.enrol", customer_pb2.EnrolCustomerRequest()),
    "CreateCustomer": (CUSTOMERS, "customer.customers.create", customer_pb2.CreateCustomerRequest()),
    "UpdateCustomer": (CUSTOMERS, "customer.customers.update", customer_pb2.UpdateCustomerRequest()),
    "BatchGetCustomers": (CUSTOMERS, "customer.customers.get", customer_pb2.BatchGetCustomersRequest()),
    "GetCustomer": (CUSTOMERS, "customer.customers.get", customer_pb2.GetCustomerRequest()),
    "LookupCustomer": (CUSTOMERS, "customer.customers.lookup", customer_pb2.LookupCustomerRequest()),
    "RecordPurchase": (PURCHASES, "customer.purchases.record", pb.RecordPurchaseRequest()),
    "BatchRecordPurchases": (PURCHASES, "customer.purchases.record", pb.BatchRecordPurchasesRequest()),
    "RecordRefund": (PURCHASES, "customer.refunds.record", pb.RecordRefundRequest()),
    "BatchRecordRefunds": (PURCHASES, "customer.refunds.record", pb.BatchRecordRefundsRequest()),
    "GetPurchase": (PURCHASES, "customer.purchases.get", pb.GetPurchaseRequest()),
    "GetRefund": (PURCHASES, "customer.refunds.get", pb.GetRefundRequest()),
    "LookupPurchase": (PURCHASES, "customer.purchases.lookup", pb.LookupPurchaseRequest()),
    "ListPurchases": (PURCHASES, "customer.purchases.list", pb.ListPurchasesRequest()),
    "RecordExchange": (PURCHASES, "customer.purchases.exchange", pb.RecordExchangeRequest()),
    "VoidPurchase": (PURCHASES, "customer.purchases.void", pb.VoidPurchaseRequest()),
    "AttachPurchase": (PURCHASES, "customer.purchases.attach", pb.AttachPurchaseRequest()),
    "BatchSetProfit": (PURCHASES, "customer.purchases.set_profit", pb.BatchSetProfitRequest()),
    "ListRefunds": (PURCHASES, "customer.refunds.list", pb.ListRefundsRequest()),
    "GetSpendSummary": (PURCHASES, "customer.spend.get", pb.GetSpendSummaryRequest()),
    "ReconcileStoreDay": (PURCHASES, "customer.store_days.reconcile", pb.ReconcileStoreDayRequest()),
    "ListStoreDays": (PURCHASES, "customer.store_days.list", pb.ListStoreDaysRequest()),
    "GetNotice": (CONSENTS, "customer.notices.get", consents_pb2.GetNoticeRequest()),
    "GrantConsent": (CONSENTS, "customer.consents.grant", consents_pb2.GrantConsentRequest()),
    "WithdrawConsent": (CONSENTS, "customer.consents.withdraw", consents_pb2.WithdrawConsentRequest()),
    "CheckConsent": (CONSENTS, "customer.consents.check", consents_pb2.CheckConsentRequest()),
    "ListConsentRecords": (CONSENTS, "customer.consents.list", consents_pb2.ListConsentRecordsRequest()),
    "BatchGetContacts": (CONTACTS, "customer.contacts.get", contacts_pb2.BatchGetContactsRequest()),
    "BatchGetStaffContacts": (CONTACTS, "customer.contacts.get", contacts_pb2.BatchGetStaffContactsRequest()),
    "LogInteraction": (INTERACTIONS, "customer.interactions.log", interactions_pb2.LogInteractionRequest()),
    "ListInteractions": (INTERACTIONS, "customer.interactions.list", interactions_pb2.ListInteractionsRequest()),
    "ListAccessRecords": (PRIVACY, "customer.access.list", privacy_pb2.ListAccessRecordsRequest()),
    "CreateStore": (DIRECTORY, "customer.stores.create", directory_pb2.CreateStoreRequest()),
    "GetStore": (DIRECTORY, "customer.stores.get", directory_pb2.GetStoreRequest()),
    "ListStores": (DIRECTORY, "customer.stores.list", directory_pb2.ListStoresRequest(page_size=-1)),
    "UpdateStore": (DIRECTORY, "customer.stores.update", directory_pb2.UpdateStoreRequest()),
    "CreateStaff": (DIRECTORY, "customer.staff.create", directory_pb2.CreateStaffRequest()),
    "GetStaff": (DIRECTORY, "customer.staff.get", directory_pb2.GetStaffRequest()),
    "ListStaff": (DIRECTORY, "customer.staff.list", directory_pb2.ListStaffRequest(page_size=-1)),
    "UpdateStaff": (DIRECTORY, "customer.staff.update", directory_pb2.UpdateStaffRequest()),
    "CheckStaff": (DIRECTORY, "customer.operators.check", directory_pb2.CheckStaffRequest()),
    "DraftPolicy": (POLICIES, "customer.policies.draft", policies_pb2.DraftPolicyRequest()),
    "UpdateDraft": (POLICIES, "customer.policies.draft", policies_pb2.UpdateDraftRequest()),
    "SubmitPolicy": (POLICIES, "customer.policies.draft", policies_pb2.SubmitPolicyRequest()),
    "ReviewPolicy": (POLICIES, "customer.policies.review", policies_pb2.ReviewPolicyRequest()),
    "ApprovePolicy": (POLICIES, "customer.policies.approve", policies_pb2.ApprovePolicyRequest()),
    "ActivatePolicy": (POLICIES, "customer.policies.activate", policies_pb2.ActivatePolicyRequest()),
    "RetirePolicy": (POLICIES, "customer.policies.activate", policies_pb2.RetirePolicyRequest()),
    "GetPolicy": (POLICIES, "customer.policies.get", policies_pb2.GetPolicyRequest()),
    "ListPolicies": (POLICIES, "customer.policies.list", policies_pb2.ListPoliciesRequest()),
    "ListApprovals": (POLICIES, "customer.policies.list", policies_pb2.ListApprovalsRequest(page_size=-1)),
}


def test_every_method_stands_in_the_table() -> None:
    """A method that is added to the contract must be added here."""
    files = (
        *(customer_pb2, consents_pb2, contacts_pb2, directory_pb2, interactions_pb2, policies_pb2, privacy_pb2),
        pb,
    )
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    assert {method.name for service in services for method in service.methods} == set(METHODS)


@pytest.mark.requirement("G-21")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("engine", ["sqlite"])
def test_each_method_asks_for_its_permission(shop: Shop, method: str) -> None:
    """Without the permission a method is denied before its request is looked at; with it, the request is judged."""
    stub, permission, request = METHODS[method]
    for permissions in ((), ("customer.other.*", "tiering.*", permission + ".more")):
        refusal = refused(shop.running.call, stub, method, request, permissions=permissions)
        assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "PERMISSION_MISSING")
        assert refusal.metadata == {"permission": permission}
    for pattern in (permission, permission.rpartition(".")[0] + ".*"):
        refusal = refused(shop.running.call, stub, method, request, permissions=(pattern,))
        # A request without fields cannot be wrong; no notice is in force yet.
        assert refusal.code == ("FAILED_PRECONDITION" if method == "GetNotice" else "INVALID_ARGUMENT")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_stranger_learns_nothing(customer: Running, method: str) -> None:
    """Without a token every method answers the same, in the caller's language."""
    stub, _, request = METHODS[method]
    refusal = refused(customer.raw, stub, method, request, headers=(("accept-language", "en-GB"),))
    assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    assert refusal.localized == "The call carries no token. Send one in the authorization header, as Bearer."
    refusal = refused(customer.raw, stub, method, request, headers=())
    assert refusal.localized == "缺少访问凭证。请在 authorization 头中携带 Bearer 凭证。"


def forged(running: Running) -> dict[str, str]:
    """Make tokens that must not be believed, each for another reason."""
    clock, anybody = running.clock, Principal("apiKeys/test", ("*",), ("*",))
    good = running.signer.sign(anybody, "customer")
    header, claims, signature = good.split(".")
    other_claims = running.signer.sign(Principal("apiKeys/root", ("*",), ("*",)), "customer").split(".")[1]
    private, _ = generate_key()
    return {
        "nonsense": "熟客".encode().hex(),
        "cut": good[:-8],
        "another's claims": f"{header}.{other_claims}.{signature}",
        "no signature": f"{header}.{claims}.",
        "a key of its own": Signer("gateway", private, clock).sign(anybody, "customer"),
        "an unknown issuer": Signer("stranger", private, clock).sign(anybody, "customer"),
        "for another service": running.signer.sign(anybody, "tiering"),
    }


def test_a_forged_token_is_not_believed(customer: Running) -> None:
    """Nonsense, a changed or unsigned token, a foreign key and a token for another service are all refused alike."""
    request = pb.GetPurchaseRequest(name=NOTHING)
    for kind, token in forged(customer).items():
        headers = (("authorization", f"Bearer {token}"), ("accept-language", "en"))
        refusal = refused(customer.raw, PURCHASES, "GetPurchase", request, headers=headers)
        assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID"), kind
        assert refusal.localized == ("The token is not valid. Check that the key is complete and has not been revoked.")


def test_a_token_grows_old(customer: Running) -> None:
    """A token serves for a minute, with a few seconds for clocks that differ, and then no longer, known or not."""
    request = pb.GetPurchaseRequest(name=NOTHING)
    headers = customer.headers()
    unused = customer.headers(staff="S1")
    for seconds, known in ((0, True), (LIFETIME_SECONDS, True), (6, False)):
        customer.clock.now += seconds * 1_000_000
        expected = "PURCHASE_NOT_FOUND" if known else "TOKEN_EXPIRED"
        assert refused(customer.raw, PURCHASES, "GetPurchase", request, headers=headers).reason == expected
    refusal = refused(customer.raw, PURCHASES, "GetPurchase", request, headers=unused)
    assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "TOKEN_EXPIRED")
    assert refusal.localized == "The token has expired. Get a new one and call again."


def test_a_stores_key_acts_for_its_store(shop: Shop) -> None:
    """What writes for a store, or reads a store's record, is refused to another store's key, whatever else is wrong."""
    anna = shop.customer()
    purchase = shop.record(sale("R1", customer=anna)).purchase.name
    refund = shop.refund(alone("F1")).refund.name
    york = {"stores": (YORK,)}
    for refusal in (
        refused(shop.record, sale("R2", customer=NOBODY), **york),
        refused(shop.refund, alone("F2"), **york),
        refused(shop.enrol, contact_points=[], caller=york),
        refused(shop.purchase, purchase, **york),
        refused(shop.refunded, refund, **york),
        refused(shop.purchases, pb.ListPurchasesRequest(store=LEEDS), **york),
    ):
        assert (refusal.code, refusal.reason, refusal.metadata) == (
            "PERMISSION_DENIED",
            "STORE_FOREIGN",
            {"store": LEEDS},
        )
    assert refused(shop.purchases, pb.ListPurchasesRequest(customer=anna), **york).reason == "STORE_FOREIGN"
    assert refused(shop.record, sale("R2"), stores=()).reason == "STORE_FOREIGN"


def test_customers_belong_to_the_chain(shop: Shop) -> None:
    """Looking up and summing up work in any store: a customer is the chain's, not a store's."""
    anna = shop.enrol().customer
    phone = by_phone(anna.contact_points[0].value)
    assert [match.customer for match in shop.look_up(phone, stores=(YORK,))] == [anna.name]
    assert shop.spend(anna.name, stores=(YORK,)).customer == anna.name
    assert shop.file(anna.name, stores=(YORK,)) == anna
