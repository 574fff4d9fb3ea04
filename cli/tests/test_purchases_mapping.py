"""A mapping says which column is what; what is wrong with it is told before anything is read."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cli.purchases_mapping import (
    CustomerSources,
    FileForm,
    ImportMapping,
    LineSources,
    MappingError,
    OriginalSources,
    ReceiptSources,
    read_mapping,
)
from cli.tests.purchases import EXAMPLES, ROOT

SECTIONS: dict[str, type[BaseModel]] = {
    "file": FileForm,
    "receipt": ReceiptSources,
    "customer": CustomerSources,
    "line": LineSources,
    "original": OriginalSources,
}
DOCUMENT = ROOT / "docs" / "importing.md"
LEAST: dict[str, Any] = {
    "version": 1,
    "file": {"zone": "Europe/London"},
    "receipt": {"store": "shop", "receipt_no": "no", "business_time": "time", "currency": {"constant": "GBP"}},
    "line": {"sku": "article", "quantity": "number", "amount": "sum"},
}


def refused(folder: Path, section: str = "", **keys: object) -> str:
    """Read the least mapping with keys changed in a section; answer what is said against it."""
    told = json.loads(json.dumps(LEAST))
    (told.setdefault(section, {}) if section else told).update(keys)
    path = folder / "m.json"
    path.write_text(json.dumps(told))
    with pytest.raises(MappingError) as raised:
        read_mapping(path)
    return str(raised.value)


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_can_be_read(path: Path) -> None:
    """What is shown to people works."""
    assert read_mapping(path).version == 1


def test_a_mapping_may_be_written_as_toml_or_json(tmp_path: Path) -> None:
    """Both forms say the same."""
    example = EXAMPLES / "receipt_lines.toml"
    path = tmp_path / "m.json"
    path.write_text(json.dumps(tomllib.loads(example.read_text())))
    assert read_mapping(path) == read_mapping(example)


@pytest.mark.parametrize(
    ("section", "keys", "said"),
    [
        ("", {"lines": {}}, "lines: unknown key; known are version, file, receipt, customer, line, original"),
        ("", {"version": 2}, "version: Input should be 1"),
        ("file", {"zones": ""}, "file.zones: unknown key; known are encoding, delimiter, columns, sort,"),
        ("original", {"no": "x"}, "original.no: unknown key; known are store, terminal, business_date, receipt_no"),
        (
            "receipt",
            {"store": {"colum": "x"}},
            "receipt.store.colum: unknown key; known are column, constant, pattern, values",
        ),
        ("receipt", {"store": {"column": "x", "constant": "y"}}, "receipt.store: give a column or a constant"),
        ("receipt", {"store": {}}, "receipt.store: give a column or a constant"),
        (
            "receipt",
            {"store": {"column": "x", "pattern": "("}},
            "receipt.store.pattern: Input should be a valid regular",
        ),
        ("receipt", {"store": {"column": "x", "pattern": "x"}}, "receipt.store: the pattern must have one group"),
        ("receipt", {"tender": {"column": "x", "values": {"1": "GOLD"}}}, "mapping: receipt.tender: GOLD is not among"),
        (
            "receipt",
            {"record": {"constant": "RETURN"}},
            "mapping: receipt.record: RETURN is not among SALE, REFUND, VOID",
        ),
        ("receipt", {"business_time": None}, "mapping: receipt needs business_date, business_time or both"),
        ("receipt", {"negative": "IGNORE"}, "receipt.negative: Input should be 'REFUSE', 'REFUND' or 'LEAVE_OUT'"),
        ("line", {"unit_price": "price"}, "line: give amount or unit_price, and not both"),
        ("line", {"amount": None}, "line: give amount or unit_price, and not both"),
        ("customer", {"external_id": "x"}, "customer: external_id needs external_system beside it"),
        ("file", {"zone": "Leeds"}, "file.zone: no such time zone"),
        ("file", {"zone": "../leeds"}, "file.zone: no such time zone"),
        ("file", {"encoding": "latin-1"}, "file.encoding: Input should be 'utf-8' or 'gb18030'"),
        ("file", {"date_format": "%Q"}, "file.date_format: '"),
        ("file", {"delimiter": ";;"}, "file.delimiter: String should have at most 1 character"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, section: str, keys: dict[str, object], said: str) -> None:
    """A key that does nothing is a mistake that nobody would notice."""
    assert f"m.json: {said}" in refused(tmp_path, section, **keys)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Nobody mends a mapping key by key."""
    assert refused(tmp_path, "line", colour="c", taste="t").count("unknown key") == 2


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    """The line is told by the parser."""
    path = tmp_path / "m.toml"
    path.write_text("version = one")
    with pytest.raises(MappingError, match=r"m\.toml: .*line 1"):
        read_mapping(path)


def keys() -> Iterator[str]:
    """Write the rows of the document's table: every key with what it is."""
    for section, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            needed = "yes" if field.is_required() else ""
            yield f"| `{section}.{name}` | {needed} | {field.description} |"


def test_the_document_lists_every_key_and_no_other() -> None:
    """What `docs/importing.md` says of a key is what the key says of itself."""
    starts = tuple(f"| `{section}." for section in SECTIONS)
    assert [line for line in DOCUMENT.read_text().splitlines() if line.startswith(starts)] == list(keys())
    assert ImportMapping.model_fields.keys() == {"version", *SECTIONS}


def test_the_document_shows_the_example_that_is_there() -> None:
    """The example in the document is the file that is tested."""
    assert (EXAMPLES / "receipt_lines.toml").read_text() in DOCUMENT.read_text()
