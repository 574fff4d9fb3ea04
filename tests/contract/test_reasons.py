"""Reasons in code and reasons in the contract are the same, both ways, and their sentences can be filled."""

from __future__ import annotations

import importlib
import string
from pathlib import Path

import pytest
from google.protobuf.descriptor import EnumDescriptor

from chassis.texts import RULES, Texts
from shuke.options.v1 import errors_pb2
from tests.contract.descriptors import APIS
from tests.contract.sources import FOLDERS, read

UNSPECIFIED = "ERROR_REASON_UNSPECIFIED"
# Rules of shape that the chassis checks itself, where a message's own annotations cannot.
SHAPE = {"MESSAGE_MALFORMED": "message", "INT32_GTE": "int32.gte", "TIMESTAMP_GTE_LT": "timestamp.gte_lt"}
# A front door takes up reasons of the chassis that only it can find.
EVERYWHERE = tuple(FOLDERS.values())


def reasons(api: str) -> EnumDescriptor:
    """Find an API's reasons."""
    found: EnumDescriptor = importlib.import_module(f"shuke.{api}.v1.errors_pb2").ErrorReason.DESCRIPTOR
    return found


def names(enum: EnumDescriptor) -> set[str]:
    """List the values of an enum."""
    return {value.name for value in enum.values}


CHASSIS = errors_pb2.ErrorReason.DESCRIPTOR


def unknown(api: str, *folders: Path) -> dict[str, str]:
    """Answer the reasons that code gives and the contract does not have, with the place."""
    contract = names(CHASSIS) | (names(reasons(api)) if api != "chassis" else set())
    return {reason: where for reason, where in read(*folders).given.items() if reason not in contract}


def unfilled(texts: Texts, *folders: Path) -> list[str]:
    """Answer the places where a reason is given without something that its sentence names."""
    wrong = []
    for reason, where, metadata in read(*folders).raised:
        sentence = texts.of(reason)
        if sentence is not None:
            needed = {name for _, name, _, _ in string.Formatter().parse(sentence.en) if name}
            if not needed <= metadata:
                wrong.append(f"{where}: {reason} without {sorted(needed - metadata)}")
    return wrong


@pytest.mark.parametrize("api", ["chassis", *APIS])
def test_every_reason_of_the_code_stands_in_the_contract(api: str) -> None:
    """Clients can know each reason that they may get: it is in the API's enum or in the chassis's."""
    given = unknown(api, FOLDERS[api])
    assert given.keys() <= SHAPE.keys()


@pytest.mark.parametrize("api", ["chassis", *APIS])
def test_every_reason_of_the_contract_is_given_by_code(api: str) -> None:
    """A reason that is promised is given somewhere."""
    contract = names(CHASSIS if api == "chassis" else reasons(api)) - {UNSPECIFIED}
    words = read(*(EVERYWHERE if api == "chassis" else (FOLDERS[api],))).words
    assert contract - words == set()


def test_rules_of_shape_have_sentences() -> None:
    """What the chassis checks itself is told in words, as every other rule of shape."""
    assert set(SHAPE.values()) <= RULES.keys()


def test_every_refusal_is_raised() -> None:
    """A class of refusals that nothing raises promises what never happens."""
    found = read(*EVERYWHERE)
    assert found.classes.keys() - found.used == set()


@pytest.mark.parametrize("api", ["chassis", *APIS])
def test_sentences_can_be_filled(api: str) -> None:
    """Wherever a refusal is raised, it brings every part that its sentence names."""
    texts = Texts(api, None if api == "chassis" else reasons(api))
    assert unfilled(texts, FOLDERS[api]) == []


@pytest.mark.parametrize("api", APIS)
def test_no_api_names_a_reason_of_the_chassis_anew(api: str) -> None:
    """A reason means one thing, whoever gives it."""
    assert names(CHASSIS) & names(reasons(api)) == {UNSPECIFIED}


def test_the_scan_sees_what_is_planted(tmp_path: Path) -> None:
    """An unknown reason and a missing part of a sentence are found, in each way of giving a reason."""
    (tmp_path / "domain.py").write_text(
        "class Late(Aborted):\n    reason = 'LATE'\n"
        "class Gone(NotFound):\n    reason = 'OPERATION_NOT_FOUND'\n"
        "problems.add('x', 'MONEY_TOO_FINE', currency='GBP')\n"
        "Violation('x', 'WRONG', {})\n"
        "raise Gone(title='x')\n"
    )
    assert unknown("chassis", tmp_path).keys() == {"LATE", "WRONG"}
    missing = unfilled(Texts("chassis"), tmp_path)
    assert [line.partition(": ")[2] for line in missing] == [
        "MONEY_TOO_FINE without ['digits']",
        "OPERATION_NOT_FOUND without ['name']",
    ]
