"""Fields of the contracts: names that every language takes, comments, behaviour and resource names."""

from __future__ import annotations

import keyword
import re
from collections import defaultdict

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from buf.validate import validate_pb2
from tests.contract.descriptors import elements, fields, files, image, inputs, services, uncommented

JAVA = """abstract assert boolean break byte case catch char class const continue default do double else enum extends
final finally float for goto if implements import instanceof int interface long native new package private protected
public return short static strictfp super switch synchronized this throw throws transient try void volatile while true
false null"""
GO = """break case chan const continue default defer else fallthrough for func go goto if import interface map package
range return select struct switch type var"""
CSHARP = """abstract as base bool break byte case catch char checked class const continue decimal default delegate do
double else enum event explicit extern false finally fixed float for foreach goto if implicit in int interface internal
is lock long namespace new null object operator out override params private protected public readonly ref return sbyte
sealed short sizeof stackalloc static string struct switch this throw true try typeof uint ulong unchecked unsafe ushort
using virtual void volatile while"""
JAVASCRIPT = """arguments await break case catch class const continue debugger default delete do else enum eval export
extends false finally for function if implements import in instanceof interface let new null package private protected
public return static super switch this throw true try typeof var void while with yield"""
KEYWORDS = {*keyword.kwlist, *JAVA.split(), *GO.split(), *CSHARP.split(), *JAVASCRIPT.split()}
# The contract and CloudEvents name these so. C# and Go write a field with a capital, which is no keyword there.
EXCEPTED = {
    "shuke.customer.v1.Purchase.operator",
    "shuke.customer.v1.Refund.operator",
    "shuke.event.v1.Event.type",
    "shuke.ticketing.v1.ClassifyTicketRequest.type",
    "shuke.ticketing.v1.ListTicketsRequest.type",
    "shuke.ticketing.v1.OpenTicketRequest.type",
    "shuke.ticketing.v1.Ticket.type",
    "shuke.ticketing.v1.TicketFacts.type",
}
# Serves as an option first of all.
LABELS = {"shuke.options.v1.Text"}
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def test_no_field_is_a_keyword() -> None:
    """A client in Python, Java, Go, C# or JavaScript writes every field as it stands here."""
    wrong = {field.full_name for field in fields() if field.name in KEYWORDS}
    assert wrong == EXCEPTED


def test_everything_has_a_comment() -> None:
    """Every service, method, message, field, enum value and extension says what it is."""
    assert [name for file in image() for name in uncommented(file)] == []


def test_a_missing_comment_is_seen() -> None:
    """The search finds each comment that is taken away, of every kind of element."""
    for file in image():
        for path, name in elements(file):
            bare = FileDescriptorProto()
            bare.CopyFrom(file)
            del bare.source_code_info.location[:]
            kept = [place for place in file.source_code_info.location if tuple(place.path) != path]
            bare.source_code_info.location.extend(kept)
            assert uncommented(bare) == [name]


def behaviour(field: FieldDescriptor) -> list[int]:
    """Answer what a field says of its behaviour."""
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def test_fields_of_requests_state_their_behaviour() -> None:
    """Whatever a client can send says whether it must, may or cannot be set; a choice of a oneof speaks for itself."""
    silent = [
        field.full_name
        for message in inputs()
        for field in message.fields
        if not behaviour(field) and field.containing_oneof is None and message.full_name not in LABELS
    ]
    assert silent == []


def test_required_fields_are_checked() -> None:
    """What is called required is refused when it is missing; numbers and switches, whose zero is a value, aside."""
    scalar = (FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_ENUM, FieldDescriptor.CPPTYPE_MESSAGE)
    unchecked = [
        field.full_name
        for message in inputs()
        for field in message.fields
        if field_behavior_pb2.REQUIRED in behaviour(field)
        and field.cpp_type in scalar
        and not field.GetOptions().HasExtension(validate_pb2.field)
    ]
    assert unchecked == []


def patterns() -> dict[str, str]:
    """Collect the patterns of texts, by field; what an optional one adds for the empty text is taken off."""
    found = {}
    for field in fields():
        rules = field.GetOptions().Extensions[validate_pb2.field]
        pattern = rules.string.pattern or rules.repeated.items.string.pattern
        if pattern:
            found[field.full_name] = re.sub(r"^\^\((.*)\)\?\$$", r"^\1$", pattern)
    return found


def test_resource_names_of_a_kind_have_one_pattern() -> None:
    """A name of a kind is checked alike wherever it is asked for, and ids of ours are UUIDs."""
    kinds = defaultdict(set)
    for pattern in patterns().values():
        collections = "/".join(re.findall(r"([a-z][a-zA-Z]+)/", pattern))
        if collections:
            kinds[collections].add(pattern)
    assert {kind: found for kind, found in kinds.items() if len(found) > 1} == {}
    assert {"customers", "purchases", "refunds", "policies", "policies/versions", "schemes/members"} <= kinds.keys()
    for kind in ("customers", "purchases", "refunds", "evaluations"):
        assert kinds[kind] == {f"^{kind}/{UUID}$"}


def test_store_codes_have_one_pattern() -> None:
    """A store's code is checked alike in every API."""
    stores = {pattern for name, pattern in patterns().items() if name.rpartition(".")[2] == "store"}
    assert stores == {"^[A-Z0-9][A-Z0-9-]{0,31}$"}


def test_request_ids_are_alike() -> None:
    """A request id has at most 64 visible characters and may be left out, in every API."""
    found = {pattern for name, pattern in patterns().items() if name.endswith(".request_id")}
    assert found == {"^[!-~]{0,64}$"}


def test_texts_of_clients_are_bounded() -> None:
    """Whatever text or list a client can send has an upper bound, so that no row and no answer grows without limit."""
    unbounded = []
    for message in inputs():
        for field in message.fields:
            rules = field.GetOptions().Extensions[validate_pb2.field]
            text = rules.repeated.items.string if field.is_repeated else rules.string
            sent = field_behavior_pb2.OUTPUT_ONLY not in behaviour(field)
            if not sent or field_behavior_pb2.IDENTIFIER in behaviour(field) or message.full_name in LABELS:
                continue
            if field.is_repeated and not rules.repeated.max_items:
                unbounded.append(field.full_name)
            if field.type == FieldDescriptor.TYPE_STRING and not (
                text.max_len or getattr(text, "in") or text.pattern.endswith(("}$", ")?$", "})$", r"\*)$"))
            ):
                unbounded.append(field.full_name)
    assert unbounded == []


def shape(message: Descriptor, api: str) -> list[tuple[object, ...]]:
    """Describe a message without its API's name, for a comparison."""
    return [
        (
            field.number,
            field.name,
            field.type,
            field.is_repeated,
            kind.full_name.replace(f".{api}.", ".api.") if (kind := field.message_type or field.enum_type) else "",
            behaviour(field),
            field.GetOptions().Extensions[validate_pb2.field].SerializeToString(),
        )
        for field in message.fields
        # The payload is what an API's policies are about.
        if field.containing_oneof is None or field.containing_oneof.name != "payload"
    ]


def test_policy_services_are_equal_but_for_the_payload() -> None:
    """Every API's PolicyService has the same verbs, and the same requests and policies around the payload."""
    described = {}
    for service in services():
        if service.name == "PolicyService":
            api = service.full_name.split(".")[1]
            file = service.file
            messages = {
                method.name: (
                    shape(method.input_type, api),
                    method.output_type.name,
                    shape(method.output_type, api),
                )
                for method in service.methods
                if not method.name.startswith("Simulate")
            }
            described[api] = (messages, shape(file.message_types_by_name["Policy"], api))
    assert "tiering" in described
    for other in described.values():
        assert other == described["tiering"]


def test_the_image_is_of_this_code() -> None:
    """The comments that are checked are those of the contracts that are run."""
    assert {file.name for file in image()} == {file.name for file in files()}
