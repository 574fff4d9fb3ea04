"""The mapping of an import: which column of a chain's old sales file tells which field of the contract.

A mapping is a small TOML or JSON file. Its keys, with what they mean, are the fields of the models below;
`docs/importing.md` shows the same list.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from shuke.customer.v1 import purchases_pb2 as pb

SALE, REFUND, VOID = "SALE", "REFUND", "VOID"
Negative = Literal["REFUSE", "REFUND", "LEAVE_OUT"]
Difference = Literal["DISCOUNT", "ROUNDING", "OTHER"]
# Any moment: a format that cannot write it and read it back is no format.
SOME_TIME = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
# Fields that hold words of the contract.
WORDS: Mapping[str, Sequence[str]] = {
    "receipt.record": (SALE, REFUND, VOID),
    "receipt.tender": pb.Tender.Kind.keys()[1:],
    "line.kind": pb.Line.Kind.keys()[1:],
}
Text = Callable[[Sequence[str]], str]


class MappingError(Exception):
    """The mapping is no use; the text says which key is wrong, and what is known."""


class CellError(Exception):
    """A cell does not say what the mapping expects of it."""


class Part(BaseModel):
    """A part of a mapping: no key but its own, and no change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Source(Part):
    """Where a field comes from: columns, joined by a blank, or a constant; then a pattern, then a translation."""

    column: str | tuple[str, ...] = ()
    constant: str | None = None
    pattern: re.Pattern[str] | None = None
    values: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.column) == (self.constant is not None):
            raise ValueError("give a column or a constant, and not both")
        if self.pattern is not None and self.pattern.groups != 1:
            raise ValueError("the pattern must have one group: what is in it is the value")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns that are read."""
        return (self.column,) if isinstance(self.column, str) else self.column

    @property
    def words(self) -> Iterable[str]:
        """List what the field can only be, where the mapping says so."""
        return self.values.values() if self.values is not None else filter(None, (self.constant,))

    def reader(self, places: Mapping[str, int]) -> Text:
        """Make the function that reads the field from the cells of a row; it may raise `CellError`."""
        if self.constant is not None:
            constant = self.constant
            return lambda _cells: constant
        indexes = [places[column] for column in self.columns]
        if self.pattern is None and self.values is None and len(indexes) == 1:
            [index] = indexes
            return lambda cells: cells[index].strip()

        def read(cells: Sequence[str]) -> str:
            text = " ".join(filter(None, (cells[index].strip() for index in indexes)))
            if self.pattern is not None:
                found = self.pattern.search(text)
                if found is None:
                    raise CellError("does not match the pattern")
                text = (found[1] or "").strip()
            if self.values is None or (not text and "" not in self.values):
                return text
            if text not in self.values:
                raise CellError("is not among the values of the mapping")
            return self.values[text]

        return read


def _written_short(given: object) -> object:
    """A column alone may stand in a source's place."""
    return {"column": given} if isinstance(given, str | list) else given


Given = Annotated[Source, BeforeValidator(_written_short)]


class FileForm(Part):
    """How the file is written."""

    encoding: Literal["utf-8", "gb18030"] = Field(
        default="utf-8", description='"utf-8", with or without a mark, or "gb18030".'
    )
    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description='What separates cells; "," when left out.'
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Names of the columns, of a file without a row of headings."
    )
    sort: bool = Field(
        default=False, description="`true` where rows of a receipt stand apart: the file is sorted first."
    )
    decimal_comma: bool = Field(default=False, description="`true` where numbers are written 12,50.")
    date_format: str = Field(default="%Y-%m-%d", description='How dates are written, as for strptime; "%Y-%m-%d".')
    time_format: str = Field(default="%Y-%m-%d %H:%M:%S", description='How times are written; "%Y-%m-%d %H:%M:%S".')
    zone: str = Field(description='Time zone of the times, such as "Europe/London".')

    @field_validator("date_format", "time_format")
    @classmethod
    def _readable(cls, form: str) -> str:
        datetime.strptime(SOME_TIME.strftime(form), form)  # noqa: DTZ007  (whether it can be read, not when it is)
        return form

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such time zone") from error
        return zone


class ReceiptSources(Part):
    """What all rows of a receipt say alike."""

    store: Given = Field(description="Code of the store.")
    terminal: Given | None = Field(default=None, description="Terminal within the store.")
    business_date: Given | None = Field(
        default=None, description="Business date; the day of `business_time` when left out."
    )
    receipt_no: Given = Field(description="Number of the receipt. Store, terminal, date and number are its key.")
    business_time: Given | None = Field(
        default=None, description="Time of the sale, the earliest of the rows; noon of `business_date` when left out."
    )
    currency: Given = Field(description="Currency code.")
    record: Given | None = Field(
        default=None, description="SALE, REFUND or VOID (the row is left out); SALE when left out."
    )
    negative: Negative = Field(
        default="REFUSE",
        description='What a negative quantity in a sale is: "REFUSE", "REFUND" (a refund under the same number) or '
        '"LEAVE_OUT".',
    )
    total: Given | None = Field(
        default=None, description="Total, to hold the lines against; what they add up to when left out."
    )
    difference: Difference | None = Field(
        default=None,
        description='What total less lines is: "DISCOUNT", "ROUNDING" or "OTHER"; it must be zero when left out.',
    )
    tender: Given | None = Field(
        default=None, description="How all of it was paid: CASH, CARD, and so on, as in the contract."
    )
    operator: Given | None = Field(default=None, description="Staff code of whoever stood at the till.")
    sales_staff: Given | None = Field(default=None, description="Staff code of whoever made the sale.")
    reason: Given | None = Field(
        default=None, description="Reason of a refund without an original; IMPORTED when left out."
    )


class CustomerSources(Part):
    """Who bought: the first of these that is not empty. Without any the receipt is anonymous."""

    name: Given | None = Field(default=None, description="Name of the customer's file in Shuke, `customers/...`.")
    member_code: Given | None = Field(default=None, description="Member code.")
    external_id: Given | None = Field(default=None, description="Number in another system.")
    external_system: str = Field(default="", description="That system, as the customer's file names it.")
    phone: Given | None = Field(default=None, description="Telephone number.")
    email: Given | None = Field(default=None, description="E-mail address.")

    @model_validator(mode="after")
    def _system_named(self) -> Self:
        if self.external_id is not None and not self.external_system:
            raise ValueError("external_id needs external_system beside it")
        return self


class LineSources(Part):
    """What one row says of what was sold."""

    line_no: Given | None = Field(default=None, description="Number of the line; counted from 1 when left out.")
    sku: Given = Field(description="Stock-keeping code.")
    kind: Given | None = Field(
        default=None, description="GOODS, SERVICE, and so on, as in the contract; GOODS when left out."
    )
    product_name: Given | None = Field(default=None, description="Name of the product.")
    category: Given | None = Field(default=None, description="Category code.")
    model: Given | None = Field(default=None, description="Model.")
    specification: Given | None = Field(default=None, description="Specification.")
    serial_no: Given | None = Field(default=None, description="Serial number.")
    quantity: Given = Field(description="Quantity, up to three decimal places.")
    amount: Given | None = Field(default=None, description="Amount of the line, tax included.")
    unit_price: Given | None = Field(
        default=None, description="In place of `amount`: multiplied by the quantity and rounded half up."
    )
    list_amount: Given | None = Field(default=None, description="What the line would cost by the price list.")
    tax: Given | None = Field(default=None, description="Tax contained in the amount.")
    profit: Given | None = Field(default=None, description="Profit contribution; unknown where the cell is empty.")
    original_line_no: Given | None = Field(default=None, description="Of a refund: the line of the original sale.")

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.amount is None) == (self.unit_price is None):
            raise ValueError("give amount or unit_price, and not both")
        return self


class OriginalSources(Part):
    """The sale that a refund gives back; none where the number is empty. The refund then takes that sale's customer."""

    store: Given | None = Field(default=None, description="Its store; the refund's own when left out.")
    terminal: Given | None = Field(default=None, description="Its terminal; the refund's own when left out.")
    business_date: Given = Field(description="Its business date.")
    receipt_no: Given = Field(description="Its number.")


class ImportMapping(Part):
    """A whole mapping."""

    version: Literal[1] = Field(description="Version of this form: 1.")
    file: FileForm
    receipt: ReceiptSources
    customer: CustomerSources = CustomerSources()
    line: LineSources
    original: OriginalSources | None = None

    @model_validator(mode="after")
    def _day_and_words(self) -> Self:
        if self.receipt.business_date is None and self.receipt.business_time is None:
            raise ValueError("receipt needs business_date, business_time or both")
        sources = self.sources
        for name, known in WORDS.items():
            wrong = [word for word in (sources[name].words if name in sources else ()) if word not in known]
            if wrong:
                raise ValueError(f"{name}: {', '.join(wrong)} is not among {', '.join(known)}")
        return self

    @property
    def sources(self) -> dict[str, Source]:
        """Every source of the mapping, by section and key."""
        sections = {name: getattr(self, name) for name in ("receipt", "customer", "line", "original")}
        return {
            f"{name}.{key}": source
            for name, section in sections.items()
            for key, source in section or ()
            if isinstance(source, Source)
        }

    def readers(self, header: Sequence[str]) -> dict[str, Text]:
        """Bind every source to the columns of a file; raise `MappingError` for columns that it lacks."""
        places = {name.strip(): index for index, name in enumerate(header)}
        if len(places) < len(header):
            raise MappingError("the file has two columns of one name; name them all in file.columns")
        lacking = {f"{key} ({name})" for key, one in self.sources.items() for name in one.columns if name not in places}
        if lacking:
            raise MappingError(f"no such column: {', '.join(sorted(lacking))}; the file has {', '.join(places)}")
        return {name: source.reader(places) for name, source in self.sources.items()}


def read_mapping(path: Path) -> ImportMapping:
    """Read a mapping; raise `MappingError` with all that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        given = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return ImportMapping.model_validate(given)
    except ValidationError as error:
        raise MappingError("\n".join(f"{path.name}: {line}" for line in _told(error))) from error
    except ValueError as error:
        raise MappingError(f"{path.name}: {error}") from error


def _told(error: ValidationError) -> Iterator[str]:
    for each in error.errors():
        where = ".".join(str(part) for part in each["loc"]) or "mapping"
        if each["type"] == "extra_forbidden":
            known = ", ".join(_keys(each["loc"][:-1]))
            yield f"{where}: unknown key; known are {known}"
        else:
            yield f"{where}: {each['msg'].removeprefix('Value error, ')}"


def _keys(path: Sequence[str | int]) -> Iterable[str]:
    """List the keys that are known in a part of the mapping: it itself, a section, or a source in one."""
    part: type[BaseModel] = ImportMapping
    if path:
        annotation: Any = ImportMapping.model_fields[str(path[0])].annotation
        sections = (FileForm, ReceiptSources, CustomerSources, LineSources, OriginalSources)
        part = next(one for one in sections if one in (annotation, *getattr(annotation, "__args__", ())))
    return (part if len(path) <= 1 else Source).model_fields
