"""A client for the directory of the chain."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from services.customer.tests.builders import Shop, day
from services.customer.tests.consenting import CONTACTS
from shuke.customer.v1 import contacts_pb2, directory_pb2_grpc
from shuke.customer.v1 import directory_pb2 as pb

DIRECTORY = directory_pb2_grpc.DirectoryServiceStub
# All that people may tell of a store.
STORE: dict[str, Any] = {
    "display_name": "Leeds Kirkgate",
    "region": "NORTH/LEEDS",
    "time_zone": "Asia/Shanghai",
    "opening_date": day("2020-01-01"),
    "closing_date": day("2030-12-31"),
}
# All that people may tell of a member of staff, without a superior.
MEMBER: dict[str, Any] = {
    "display_name": "司徒兰",
    "email": "situ.lan@planted.example",
    "roles": ["cashier", "store_manager"],
    "stores": ["stores/LEEDS", "stores/YORK"],
    "active": True,
}
# Whoever may work with entries of staff, and not see what is personal in them.
VEILED = {"permissions": ("customer.staff.*",)}


class Directory:
    """Keeps stores and staff of a running customer service."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.call = shop.running.call

    def create_store(
        self, code: str, *, request_id: str = "", caller: dict[str, Any] | None = None, **told: Any
    ) -> pb.Store:
        """Enter a store; without more it is in the chain's zone, and opened in 2020."""
        store = pb.Store(**{"display_name": code, "opening_date": day("2020-01-01"), **told})
        request = pb.CreateStoreRequest(store_id=code, store=store, request_id=request_id)
        answer: pb.Store = self.call(DIRECTORY, "CreateStore", request, **caller or {})
        return answer

    def update_store(
        self, code: str, *paths: str, request_id: str = "", caller: dict[str, Any] | None = None, **told: Any
    ) -> pb.Store:
        """Change a store: what the paths name, or all that is told."""
        request = pb.UpdateStoreRequest(
            store=pb.Store(name=f"stores/{code}" if code else "", **told),
            update_mask=FieldMask(paths=paths),
            request_id=request_id,
        )
        answer: pb.Store = self.call(DIRECTORY, "UpdateStore", request, **caller or {})
        return answer

    def store(self, name: str) -> pb.Store:
        """Read a store."""
        answer: pb.Store = self.call(DIRECTORY, "GetStore", pb.GetStoreRequest(name=name))
        return answer

    def stores(self, region: str = "", size: int = 0, token: str = "") -> pb.ListStoresResponse:
        """Read a page of stores."""
        request = pb.ListStoresRequest(region=region, page_size=size, page_token=token)
        answer: pb.ListStoresResponse = self.call(DIRECTORY, "ListStores", request)
        return answer

    def create_staff(
        self, code: str, *, request_id: str = "", caller: dict[str, Any] | None = None, **told: Any
    ) -> pb.Staff:
        """Enter a member of staff; without more it works for no store."""
        staff = pb.Staff(**{"display_name": code, **told})
        request = pb.CreateStaffRequest(staff_id=code, staff=staff, request_id=request_id)
        answer: pb.Staff = self.call(DIRECTORY, "CreateStaff", request, **caller or {})
        return answer

    def update_staff(
        self, code: str, *paths: str, request_id: str = "", caller: dict[str, Any] | None = None, **told: Any
    ) -> pb.Staff:
        """Change a member of staff: what the paths name, or all that is told."""
        request = pb.UpdateStaffRequest(
            staff=pb.Staff(name=f"staff/{code}" if code else "", **told),
            update_mask=FieldMask(paths=paths),
            request_id=request_id,
        )
        answer: pb.Staff = self.call(DIRECTORY, "UpdateStaff", request, **caller or {})
        return answer

    def member(self, name: str, **caller: Any) -> pb.Staff:
        """Read a member of staff."""
        answer: pb.Staff = self.call(DIRECTORY, "GetStaff", pb.GetStaffRequest(name=name), **caller)
        return answer

    def staff(self, caller: dict[str, Any] | None = None, **wanted: Any) -> pb.ListStaffResponse:
        """Read a page of staff."""
        answer: pb.ListStaffResponse = self.call(DIRECTORY, "ListStaff", pb.ListStaffRequest(**wanted), **caller or {})
        return answer

    def contacts(self, *staff: str, **caller: Any) -> Sequence[contacts_pb2.StaffContact]:
        """Ask where members of staff are reached, as another service of the suite does."""
        request = contacts_pb2.BatchGetStaffContactsRequest(staff=staff)
        answer: contacts_pb2.BatchGetStaffContactsResponse = self.call(
            CONTACTS, "BatchGetStaffContacts", request, **caller
        )
        return answer.contacts

    def check(self, name: str, permissions: tuple[str, ...] = ("customer.operators.check",)) -> pb.CheckStaffResponse:
        """Ask who a staff code stands for, as the gateway does."""
        request = pb.CheckStaffRequest(name=name)
        answer: pb.CheckStaffResponse = self.call(DIRECTORY, "CheckStaff", request, permissions=permissions)
        return answer
