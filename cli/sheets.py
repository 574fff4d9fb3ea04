"""What commands show: tables on a terminal, tab-separated lines elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

NANOS = 10**9
# Of the last column of a table on a terminal, and of what stands between two columns.
LEAST_WIDTH, BORDER = 20, 3

Cell = str | int | Decimal | dt.datetime


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows under headings; on a terminal also a title."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


def show(sheet: Sheet, console: Console | None = None) -> None:
    """Write a sheet, on standard output where no console is given."""
    console = console or Console()
    if not console.is_terminal:
        headings = (sheet.headings,) if any(sheet.headings) else ()
        for row in (*headings, *sheet.rows):
            console.file.write("\t".join(map(_plain, row)) + "\n")
        return
    console.print(Text(sheet.title, style="bold"))
    if _width(sheet) <= console.width or not any(sheet.headings):
        console.print(_table(sheet.headings, sheet.rows))
        return
    for row in sheet.rows:
        console.print(_table(("", ""), list(zip(sheet.headings, row, strict=True))))


def facts(title: str, told: Mapping[str, Cell]) -> Sheet:
    """Make a sheet of what is told of one thing, a line each; what is empty is left out."""
    return Sheet(title, ("", ""), [(name, cell) for name, cell in told.items() if cell != ""])


def amount(money: Mapping[str, Any]) -> Decimal:
    """Read an amount of an answer, in units of its currency."""
    return (Decimal(money.get("units", 0)) + Decimal(money.get("nanos", 0)) / NANOS).quantize(Decimal("0.01"))


def moment(time: str | None) -> Cell:
    """Read an instant of an answer; empty where there is none."""
    return dt.datetime.fromisoformat(time) if time else ""


def joined(items: Iterable[str]) -> str:
    """Write a list into one cell."""
    return ", ".join(items)


def harmless(text: str) -> str:
    """Write a text that somebody else chose so that it cannot steer a terminal, or make two cells or lines of one."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _table(headings: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]) -> Table:
    table = Table(show_header=any(headings))
    for place, heading in enumerate(headings, 1):
        # Only what stands last is ever broken, and nothing cut: a name is given to the next command.
        table.add_column(heading, overflow="fold", no_wrap=place < len(headings))
    for row in rows:
        table.add_row(*(Text(_readable(cell), justify=_justify(cell)) for cell in row))
    return table


def _width(sheet: Sheet) -> int:
    """Answer how wide a table has to be so that only its last cells, which hold free words, are broken."""
    cells = zip(sheet.headings, *sheet.rows, strict=True)
    *columns, last = (max(cell_len(_readable(cell)) for cell in column) for column in cells)
    return sum(columns) + min(last, LEAST_WIDTH) + BORDER * (len(columns) + 1) + 1


def _plain(cell: Cell) -> str:
    return cell.isoformat() if isinstance(cell, dt.datetime) else harmless(str(cell))


def _readable(cell: Cell) -> str:
    match cell:
        case dt.datetime():
            return cell.astimezone().strftime("%Y-%m-%d %H:%M")
        case str():
            return harmless(cell)
        case _:
            return f"{cell:,}"


def _justify(cell: Cell) -> Any:  # noqa: ANN401  (one of rich's words)
    return "right" if isinstance(cell, int | Decimal) else "left"
