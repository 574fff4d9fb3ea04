"""One call on its way through the steps, and the method that it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status

from chassis.errors import Refused
from chassis.principals import Principal
from chassis.status import status_of
from chassis.texts import Texts
from shuke.options.v1 import options_pb2

NOBODY = Principal("", ())
BATCH = "requests"


class AccessMissing(Exception):
    """A method without an access rule must not be served."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service: its messages, its access rule and where its request names the store."""

    full_name: str
    request: type[Message]
    access: options_pb2.Access
    store_path: tuple[str, ...]
    per_item: bool
    # Whether the name is one of the contract, and not whatever a caller made up.
    known: bool = True

    @classmethod
    def of(cls, descriptor: MethodDescriptor) -> Method:
        """Read a method of ours, or one of a foreign service from the chassis's table."""
        service = descriptor.containing_service.full_name
        access = descriptor.GetOptions().Extensions[options_pb2.access]
        if not access.permission:
            access = FOREIGN.get(f"{service}/{descriptor.name}", access)
        if not access.permission or not access.exposure or not access.audit:
            raise AccessMissing(f"{service}/{descriptor.name} states no permission, exposure or audit class")
        path = tuple(filter(None, access.store_field.split(".")))
        return cls(
            full_name=f"/{service}/{descriptor.name}",
            request=GetMessageClass(descriptor.input_type),
            access=access,
            store_path=path[1:] if path[:1] == (BATCH,) else path,
            per_item=path[:1] == (BATCH,),
        )

    def store_of(self, request: Message) -> str:
        """Answer the store that a request, or an item of a batch, acts for."""
        value: Any = request
        for part in self.store_path:
            value = getattr(value, part)
        return str(value)


@dataclass(slots=True)
class Call:
    """What the steps learn of a call, and what a handler may want to know of it."""

    rpc: grpc.ServicerContext
    method: Method
    texts: Texts
    request_id: str = ""
    language: str = "zh-CN"
    token: str = ""
    purpose: str = ""
    principal: Principal = NOBODY
    # Whose personal data the answer holds; None until the handler has told.
    subjects: set[str] | None = None
    # Of whom that stands in the record of accesses already.
    recorded: AbstractSet[str] = frozenset()
    code: str = "OK"
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """Answer a header of the call; the empty string without it."""
        return str(dict(self.rpc.invocation_metadata()).get(name, ""))

    def read(self, names: Iterable[str], purpose: str = "") -> None:
        """Tell whose personal data the answer holds: it leaves once that is recorded.

        A purpose that the request itself states counts where the caller's header states none.
        """
        self.subjects = (self.subjects or set()).union(names)
        self.purpose = self.purpose or purpose

    @property
    def unrecorded(self) -> AbstractSet[str]:
        """Whose data were read without a record so far."""
        return (self.subjects or set()) - self.recorded

    def status(self, refused: Refused) -> Status:
        """Put a refusal into the contract's form, in the caller's language."""
        return status_of(refused, self.texts, self.language)


# What a step wraps: the outer steps see the request's bytes, a handler its message.
Inner = Callable[[Any, Call], Any]


# Stands for a method that does not exist.
UNKNOWN = Method("UNKNOWN", Empty, options_pb2.Access(), (), per_item=False, known=False)


def _foreign(permission: str, audit: options_pb2.Audit.ValueType) -> options_pb2.Access:
    return options_pb2.Access(permission=permission, exposure=options_pb2.EXPOSURE_PUBLIC, audit=audit)


# Permissions of services whose protos are not ours. Health and reflection speak of no customer and ask for none.
FOREIGN = {
    "google.longrunning.Operations/GetOperation": _foreign("operations.get", options_pb2.AUDIT_NONE),
    "google.longrunning.Operations/WaitOperation": _foreign("operations.get", options_pb2.AUDIT_NONE),
    "google.longrunning.Operations/ListOperations": _foreign("operations.list", options_pb2.AUDIT_NONE),
    "google.longrunning.Operations/CancelOperation": _foreign("operations.cancel", options_pb2.AUDIT_CHANGE),
    "google.longrunning.Operations/DeleteOperation": _foreign("operations.delete", options_pb2.AUDIT_CHANGE),
}
