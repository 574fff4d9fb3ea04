"""A client for customer files, with a method for what staff do at a desk."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from google.type.postal_address_pb2 import PostalAddress

from services.customer.tests.builders import CUSTOMERS, LEEDS, Shop, mail
from shuke.customer.v1 import customer_pb2 as pb
from shuke.customer.v1.consents_pb2 import Consent

ANNA = "+447700900123"
ADDRESS = PostalAddress(
    region_code="GB",
    postal_code="LS1 1AA",
    administrative_area="West Yorkshire",
    locality="Leeds",
    sublocality="Centre",
    address_lines=["1 Park Row", "Flat 2"],
)
# All that people may tell of a customer, in its normal form.
TOLD: dict[str, Any] = {
    "display_name": "林书禾",
    "party_type": pb.Customer.PERSON,
    "contact_points": [
        pb.ContactPoint(kind=pb.ContactPoint.MOBILE, value=ANNA, label="办公室", preferred=True),
        mail("anna@example.com"),
        pb.ContactPoint(kind=pb.ContactPoint.WECHAT, value="wx-anna"),
    ],
    "address": ADDRESS,
    "member_code": "M-0001",
    "external_ids": [pb.ExternalId(system="webshop", value="W17")],
    "language_code": "en",
    "preferred_channel": Consent.EMAIL,
    "time_zone": "Asia/Shanghai",
    "birthday": Date(year=1990, month=5, day=1),
}
# Whoever may read files, and not what is personal in them.
VEILED = {"permissions": ("customer.customers.*",)}


class Files:
    """Opens, changes and reads files of a running customer service."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.call = shop.running.call

    def create(self, *, caller: dict[str, Any] | None = None, more: dict[str, Any] | None = None, **told: Any) -> Any:
        """Open a file in Leeds; `more` are fields of the request."""
        customer = pb.Customer(**{"home_store": LEEDS, **told})
        request = pb.CreateCustomerRequest(customer=customer, **more or {})
        return self.call(CUSTOMERS, "CreateCustomer", request, **caller or {})

    def update(
        self,
        name: str,
        *paths: str,
        caller: dict[str, Any] | None = None,
        request_id: str = "",
        **told: Any,
    ) -> pb.Customer:
        """Change a file: what the paths name, or all that is told."""
        request = pb.UpdateCustomerRequest(
            customer=pb.Customer(name=name, **told), update_mask=FieldMask(paths=paths), request_id=request_id
        )
        answer: pb.Customer = self.call(CUSTOMERS, "UpdateCustomer", request, **caller or {})
        return answer

    def batch(self, *names: str, **caller: Any) -> Sequence[pb.Customer]:
        """Read many files."""
        request = pb.BatchGetCustomersRequest(names=names)
        answer: pb.BatchGetCustomersResponse = self.call(CUSTOMERS, "BatchGetCustomers", request, **caller)
        return answer.customers
