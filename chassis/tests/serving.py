"""A tiny service behind the real server, for tests of what every call passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status
from joserfc.jwk import OKPKey

from buf.validate import validate_pb2
from chassis.call import UNKNOWN, Call
from chassis.client import open_channel
from chassis.principals import Principal
from chassis.server import CONNECTION_SECONDS, GRACE, THREADS, Server
from chassis.steps import Parts
from chassis.texts import Texts
from chassis.tokens import Issuer, Signer, Verifier, generate_key
from shuke.options.v1 import options_pb2
from tests.running import Clock, Refusal

PACKAGE = "test.tiny.v1"
PRIVATE, PUBLIC = generate_key()


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="test/tiny/v1/tiny.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(["buf/validate/validate.proto", "shuke/options/v1/options.proto"])
    _message(file, "Receipt", store=None)
    _message(file, "DoRequest", receipt="Receipt", text=None)
    _message(file, "BatchRequest", requests="[DoRequest]")
    _message(file, "Answer", said=None)
    text = file.message_type[1].field[1].options.Extensions[validate_pb2.field]
    text.string.max_len = 5
    file.message_type[2].field[0].options.Extensions[validate_pb2.field].ignore = validate_pb2.IGNORE_ALWAYS
    tiny = file.service.add(name="TinyService")
    for name, request, store, audit in (
        ("Do", "DoRequest", "receipt.store", options_pb2.AUDIT_NONE),
        ("Batch", "BatchRequest", "requests.receipt.store", options_pb2.AUDIT_NONE),
        ("Free", "DoRequest", "", options_pb2.AUDIT_NONE),
        ("Read", "DoRequest", "", options_pb2.AUDIT_PERSONAL_READ),
    ):
        method = tiny.method.add(name=name, input_type=f".{PACKAGE}.{request}", output_type=f".{PACKAGE}.Answer")
        method.options.Extensions[options_pb2.access].CopyFrom(
            options_pb2.Access(
                permission=f"tiny.things.{name.lower()}",
                exposure=options_pb2.EXPOSURE_PUBLIC,
                audit=audit,
                store_field=store,
            )
        )
    return file


def _message(file: FileDescriptorProto, name: str, **fields: str | None) -> None:
    message = file.message_type.add(name=name)
    for number, (field_name, kind) in enumerate(fields.items(), 1):
        added = message.field.add(name=field_name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        added.type = FieldDescriptorProto.TYPE_STRING if kind is None else FieldDescriptorProto.TYPE_MESSAGE
        if kind is not None:
            added.type_name = f".{PACKAGE}.{kind.strip('[]')}"
            if kind.startswith("["):
                added.label = FieldDescriptorProto.LABEL_REPEATED


POOL = descriptor_pool.Default()
POOL.AddSerializedFile(_file().SerializeToString())
SERVICE: ServiceDescriptor = POOL.FindServiceByName(f"{PACKAGE}.TinyService")


class Sent(Protocol):
    """What a handler of the tiny service reads of a request."""

    text: str
    requests: Sequence[Message]


def message(name: str, **values: object) -> Message:
    """Make a message of the tiny service."""
    kind = cast("Callable[..., Message]", GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}")))
    return kind(**values)


def do_request(text: str = "", store: str = "A") -> Message:
    """Make a request for a store."""
    return message("DoRequest", receipt=message("Receipt", store=store), text=text)


class Tiny:
    """The tiny service: a test says what it does."""

    def __init__(self) -> None:
        self.work: Callable[[Sent, Call], str] = lambda request, _call: request.text

    def Do(self, request: Sent, call: Call) -> Message:  # noqa: N802  (named as its method)
        """Do what the test says."""
        return message("Answer", said=self.work(request, call))

    Batch = Do
    Free = Do
    Read = Do


@dataclass
class Running:
    """A server that runs, and a caller of it."""

    server: Server
    channel: grpc.Channel
    clock: Clock
    tiny: Tiny

    def token(self, *permissions: str, stores: tuple[str, ...] = ("A",)) -> tuple[tuple[str, str], ...]:
        """Sign a caller in."""
        signer = Signer("gateway", PRIVATE, self.clock)
        return (("authorization", "Bearer " + signer.sign(Principal("apiKeys/7", permissions, stores), "tiny")),)

    def method(self, name: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        """Find a method that takes bytes and answers bytes, called so that headers can be seen as well."""
        path = name if name.startswith("/") else f"/{PACKAGE}.TinyService/{name}"
        return self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)

    def call(
        self, name: str, request: Message | bytes = b"", headers: tuple[tuple[str, str], ...] | None = None
    ) -> tuple[str, dict[str, str]]:
        """Call a method; answer what it said and the headers, or raise `Refusal`."""
        sent = request if isinstance(request, bytes) else request.SerializeToString()
        given = self.token("*", stores=("*",)) if headers is None else headers
        try:
            answer, call = self.method(name).with_call(sent, metadata=given, timeout=20)
        except grpc.RpcError as error:
            raise refusal_of(error) from error
        told = message("Answer")
        told.ParseFromString(answer)
        return cast("Any", told).said, {str(key): str(value) for key, value in call.trailing_metadata()}


def refusal_of(error: grpc.RpcError) -> Refusal:
    """Read an error of the contract's form; raise one of another form again."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    if status is None:
        raise error
    return Refusal.of(status)


@contextmanager
def serving(
    *more: tuple[ServiceDescriptor, object],
    threads: int = THREADS,
    record: Callable[[Call], None] | None = lambda _call: None,
    connection_seconds: float = CONNECTION_SECONDS,
    grace: float = GRACE,
) -> Iterator[Running]:
    """Run the tiny service, and more services beside it; `record` is told of every answer."""
    clock, tiny = Clock(), Tiny()
    verifier = Verifier("tiny", {"gateway": Issuer(OKPKey.import_key(json.loads(PUBLIC)), ("*",))}, clock)
    parts = Parts(Texts("tiny"), clock, lambda call: verifier.verify(call.token), record)
    server = Server(parts, threads=threads, connection_seconds=connection_seconds, grace=grace)
    server.add(SERVICE, tiny)
    for service, implementation in more:
        server.add(service, implementation)
    port = server.start("127.0.0.1:0")
    with ExitStack() as ended:
        ended.callback(server.drain, 5)
        channel = open_channel(f"127.0.0.1:{port}")
        ended.callback(channel.close)
        yield Running(server, channel, clock, tiny)


@dataclass
class NoTransport:
    """The transport's side of a call that a test makes without a transport: a time, and no headers."""

    time_left: float

    def time_remaining(self) -> float:
        """Answer how long the caller waits."""
        return self.time_left


def call_of(caller: str = "apiKeys/7", time_left: float = 10.0) -> Call:
    """Make the call of somebody who may do all."""
    rpc = cast("grpc.ServicerContext", NoTransport(time_left))
    return Call(rpc, UNKNOWN, Texts("tiny"), principal=Principal(caller, ("*",), ("*",)))
