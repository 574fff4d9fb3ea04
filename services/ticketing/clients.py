"""What the ticketing service asks of other services."""

from __future__ import annotations

from chassis import names
from chassis.client import Credentials, FeedClient, find, open_channel
from chassis.errors import FailedPrecondition, NotFound
from shuke.customer.v1 import customer_pb2, customer_pb2_grpc
from shuke.ticketing.v1 import tickets_pb2

# What the signed token of this service claims.
PERMISSIONS = ("events.read", "customer.customers.get", "customer.customers.lookup")


class CustomerUnknown(NotFound):
    """No customer has this name, or none matches the lookup."""

    reason = "TICKET_CUSTOMER_UNKNOWN"


class CustomerAmbiguous(FailedPrecondition):
    """Several customers match the lookup."""

    reason = "CUSTOMER_AMBIGUOUS"


def customer_feed(address: str, credentials: Credentials) -> FeedClient:
    """Connect to the customer service's event feed."""
    return FeedClient("customer", open_channel(address), credentials)


def tiering_feed(address: str, credentials: Credentials) -> FeedClient:
    """Connect to tiering's event feed."""
    return FeedClient("tiering", open_channel(address), credentials)


class CustomerBook:
    """Asks the customer service who a customer is. All raise `Unavailable` without an answer."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        self.credentials = credentials
        self.stub = customer_pb2_grpc.CustomerServiceStub(open_channel(address))

    def known(self, customer_id: str) -> str:
        """Answer the id of a customer that there is, or raise `CustomerUnknown`."""
        request = customer_pb2.BatchGetCustomersRequest(names=[names.name("customers", customer_id)])
        if find(self.stub.BatchGetCustomers, request, self.credentials.headers("customer")) is None:
            raise CustomerUnknown(field="customer")
        return customer_id

    def find(self, lookup: tickets_pb2.OpenTicketRequest.Lookup) -> str:
        """Answer the id of the one customer that matches; raise `CustomerUnknown` or `CustomerAmbiguous`."""
        wanted = customer_pb2.CustomerLookup()
        # Both messages call and number their keys alike, so that one reads as the other.
        wanted.MergeFromString(lookup.SerializeToString())
        request = customer_pb2.LookupCustomerRequest(lookup=wanted)
        answer = find(self.stub.LookupCustomer, request, self.credentials.headers("customer"))
        if answer is None or not answer.matches:
            raise CustomerUnknown(field="customer_lookup")
        if len(answer.matches) > 1:
            raise CustomerAmbiguous(field="customer_lookup", matches=str(len(answer.matches)))
        return names.identity(answer.matches[0].customer)
