"""Accesses between the chassis and the contract."""

from __future__ import annotations

from chassis import wire
from chassis.access import Access
from shuke.customer.v1 import privacy_pb2 as pb


def access_to_proto(access: Access, customer: str) -> pb.AccessRecord:
    """Write an access to a customer's data."""
    return pb.AccessRecord(
        name=f"{customer}/accessRecords/{access.id}",
        customer=customer,
        caller=access.caller,
        staff=access.staff,
        rpc_method=access.method,
        purpose=access.purpose,
        request_id=access.request_id,
        access_time=wire.timestamp(access.time),
    )
