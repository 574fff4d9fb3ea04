"""JSON becomes a message, or a problem that names the field and nothing of what the caller wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.json_reader import fields_of, fill, load
from gateway.tests.planted import EVERYTHING, plant_file
from shuke.customer.v1 import customer_pb2, purchases_pb2

Everything = GetMessageClass(plant_file(EVERYTHING).message_types_by_name["Everything"])
SECRET = "13800138000"


def read(text: str | bytes, message: type[Message] = Everything) -> Any:  # noqa: ANN401 (planted messages have no type)
    """Read a body into a new message."""
    made = message()
    fill(made, load(text if isinstance(text, bytes) else text.encode()))
    return made


def problem_of(text: str | bytes, message: type[Message] = Everything) -> str:
    """Answer the problem that a bad body gives."""
    with pytest.raises(Malformed) as refusal:
        read(text, message)
    return refusal.value.metadata["problem"]


SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=20),
    FieldDescriptor.TYPE_STRING: st.text(max_size=20),
}
# Well-known types by what their JSON is read from.
KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "google.protobuf.Timestamp": st.builds(
        dict, seconds=st.integers(-62135596800, 253402300799), nanos=st.integers(0, 999_999_999)
    ),
    "google.protobuf.FieldMask": st.builds(dict, paths=st.lists(st.sampled_from(["a", "b_c", "d.e_f"]), max_size=3)),
    "google.protobuf.Any": st.just({}),
}


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Draw what one field, or one item of it, may hold."""
    if field.message_type is not None:
        if field.message_type.full_name in KNOWN:
            return KNOWN[field.message_type.full_name]
        return contents(GetMessageClass(field.message_type), depth - 1)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return SCALARS[field.type]


def contents(message: type[Message], depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """Draw keyword arguments for a message, a few levels deep."""
    drawn: dict[str, st.SearchStrategy[Any]] = {}
    taken = set()
    for field in (known.descriptor for known in fields_of(message.DESCRIPTOR).values()):
        oneof = field.containing_oneof.name if field.containing_oneof else field.name
        if oneof in taken or (depth == 0 and field.message_type is not None):
            continue
        taken.add(oneof)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            drawn[field.name] = st.dictionaries(st.text(max_size=5), SCALARS[FieldDescriptor.TYPE_INT32], max_size=2)
        elif field.is_repeated:
            drawn[field.name] = st.lists(values(field, depth), max_size=2)
        else:
            drawn[field.name] = values(field, depth)
    return st.fixed_dictionaries({}, optional=drawn)


@given(contents(Everything), st.booleans(), st.booleans())
def test_a_message_survives_the_way_through_json(kept: dict[str, Any], snake: bool, defaults: bool) -> None:  # noqa: FBT001
    """Whatever a message holds is read back from its JSON, under either form of the names."""
    message = Everything(**kept)
    text = json_format.MessageToJson(
        message, preserving_proto_field_name=snake, always_print_fields_with_no_presence=defaults
    )
    assert read(text) == message


@given(contents(purchases_pb2.RecordPurchaseRequest))
def test_a_purchase_survives_the_way_through_json(kept: dict[str, Any]) -> None:
    """The call that carries most of the suite's use is read as the library reads it."""
    message = purchases_pb2.RecordPurchaseRequest(**kept)
    text = json_format.MessageToJson(message)
    assert read(text, purchases_pb2.RecordPurchaseRequest) == json_format.Parse(text, type(message)())


words = st.text(max_size=5) | st.sampled_from(["1", "RED", "AAA=", "2026-11-22T01:02:03Z"])
keys = st.sampled_from([field.name for field in Everything.DESCRIPTOR.fields]) | st.text(max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_no_json_is_a_fault_of_ours(value: object) -> None:
    """Any JSON is read as the library reads it, or refused as malformed; the library takes no less than we do."""
    text = json.dumps(value)
    try:
        message = read(text)
    except Malformed:
        return
    assert message == json_format.Parse(text, Everything())


@given(st.binary(max_size=30))
def test_no_body_is_a_fault_of_ours(body: bytes) -> None:
    """Any bytes are read or refused as malformed."""
    try:
        load(body)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value at line 1, column 1"),
        ("{", "Expecting property name enclosed in double quotes at line 1, column 2"),
        ('{"small": 1}}', "Extra data at line 1, column 13"),
        (b'{"thisOne": "\xff"}', "not UTF-8 at byte 13"),
        ('{"small": 1}'.encode("utf-16"), "not UTF-8 at byte 0"),
        ('{"small": NaN}', "NaN and Infinity are not JSON"),
        ('{"rate": -Infinity}', "NaN and Infinity are not JSON"),
        ('{"small": 1' + "0" * 5000 + "}", "a number has too many digits"),
        ('{"small": 1, "small": 1}', 'a key "small" is given twice in one object'),
        ('{"inner": {"x": {"y": 1, "y": 1}}}', 'a key "y" is given twice in one object'),
        ('{"thisOne": "a", "this_one": "a"}', "this_one: choice is given twice"),
        ('{"atTime": null, "small": 1, "small": 2}', 'a key "small" is given twice in one object'),
        ('{"requestId": "a", "request_id": "a"}', "request_id: request_id is given twice"),
        ('{"thisOne": "a", "thatOne": "b"}', "that_one: choice is given twice"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + "[]," * 1_600_000, "too many values"),
        ('{"inner":' * 101 + "{}" + "}" * 101, "nested too deeply"),
        ("[]", "the body: not an object"),
        ('""', "the body: not an object"),
        ("null", "the body: not an object"),
        ('{"inner": []}', "inner: not an object"),
        ('{"inner": "13800138000"}', "inner: not an object"),
        ('{"inners": {}}', "inners: not an array"),
        ('{"inners": [{}, null]}', "inners[1]: not an object"),
        ('{"inners": [{}, {"inner": {"small": "13800138000"}}]}', "inners[1].inner.small: not an int32"),
        ('{"small": 2147483648}', "small: not an int32"),
        ('{"small": 1.5}', "small: not an int32"),
        ('{"small": true}', "small: not an int32"),
        ('{"small": "1_0"}', "small: not an int32"),
        ('{"small": " 1"}', "small: not an int32"),
        ('{"small": ""}', "small: not an int32"),
        ('{"small": 1e400}', "small: not an int32"),
        ('{"big": -1}', "big: not a uint64"),
        ('{"big": "18446744073709551616"}', "big: not a uint64"),
        ('{"rate": "NaN"}', "rate: not a double"),
        ('{"rate": 1e400}', "rate: not a double"),
        ('{"rate": ' + "9" * 400 + "}", "rate: not a double"),
        ('{"flag": "true"}', "flag: not true or false"),
        ('{"flag": 1}', "flag: not true or false"),
        ('{"flags": [true, null]}', "flags[1]: not true or false"),
        ('{"raw": "!!"}', "raw: not base64"),
        ('{"raw": 1}', "raw: not base64"),
        ('{"names": "a"}', "names: not an array"),
        ('{"names": ["a", 1]}', "names[1]: not a string"),
        ('{"thisOne": "\\ud800"}', "this_one: not a string"),
        ('{"atTime": "13800138000"}', 'at_time: not a google.protobuf.Timestamp such as "2026-03-01T10:00:00+08:00"'),
        ('{"atTime": 13800138000}', 'at_time: not a google.protobuf.Timestamp such as "2026-03-01T10:00:00+08:00"'),
        ('{"atTime": {"seconds": 1}}', 'at_time: not a google.protobuf.Timestamp such as "2026-03-01T10:00:00+08:00"'),
        ('{"mask": 1}', 'mask: not a google.protobuf.FieldMask such as "displayName,address"'),
        ('{"labels": {"13800138000": "x"}}', "labels: not a map of the contract's types"),
        ('{"labels": []}', "labels: not a map of the contract's types"),
        ('{"any": {"@type": "13800138000"}}', "any: not a google.protobuf.Any"),
        ('{"any": {"@type": 1}}', "any: not a google.protobuf.Any"),
        ('{"any": {"x": 1}}', "any: not a google.protobuf.Any"),
        ('{"inner": {"notAField": 1}}', 'inner: no field "notAField"'),
        ('{"13800138000": 1}', "the body: no field of that name"),
        ('{"": 1}', "the body: no field of that name"),
    ],
)
def test_bad_json_is_told_by_its_place(text: str | bytes, problem: str) -> None:
    """The problem says where and what is wanted, and nothing of what stood there."""
    assert problem_of(text) == problem
    assert SECRET not in problem_of(text)


def test_an_unknown_enum_name_is_told_with_the_type() -> None:
    """The caller learns which list of values to look up."""
    text = '{"purchase": {"lines": [{}, {"kind": "13800138000"}]}}'
    said = problem_of(text, purchases_pb2.RecordPurchaseRequest)
    assert said == "purchase.lines[1].kind: not one of GOODS, SERVICE, GIFT_CARD, DEPOSIT, FREIGHT"


def test_a_wrong_amount_is_told_with_its_path() -> None:
    """A till's programmer finds the field without asking us."""
    text = '{"purchase": {"lines": [{"amount": {"units": "12,5"}}]}}'
    said = problem_of(text, purchases_pb2.RecordPurchaseRequest)
    assert said == "purchase.lines[0].amount.units: not an int64"


def test_null_is_not_given() -> None:
    """A field that is null is left alone, in a oneof too."""
    read_one = read('{"small": null, "inner": null, "names": null, "thisOne": null, "thatOne": "b", "mask": null}')
    assert read_one == Everything(that_one="b")


def test_whole_numbers_may_be_written_in_any_way_of_json() -> None:
    """proto3 JSON lets an int64 be a string, and any whole number a float."""
    assert read('{"small": 1e3, "big": "18446744073709551615"}') == Everything(small=1000, big=2**64 - 1)


def test_bytes_are_read_in_both_alphabets() -> None:
    """base64 may be the standard one or the one for URLs, padded or not."""
    assert read('{"raw": "-_8"}').raw == read('{"raw": "+/8="}').raw == b"\xfb\xff"


def test_an_empty_object_is_present() -> None:
    """A message that is given empty is given."""
    assert read('{"inner": {}}').HasField("inner")


def test_nesting_up_to_the_limit_is_read() -> None:
    """A hundred levels are taken, as everywhere in protobuf."""
    assert read('{"inner":' * 99 + "{}" + "}" * 99).HasField("inner")


def test_a_lookup_by_phone_that_is_misspelt_does_not_repeat_the_phone() -> None:
    """Personal data in a bad request is not answered back."""
    said = problem_of(f'{{"phone": ["{SECRET}"]}}', customer_pb2.LookupCustomerRequest)
    assert SECRET not in said
