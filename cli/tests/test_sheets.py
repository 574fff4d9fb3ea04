"""What commands show: the same rows for a person at a terminal and for a program behind a pipe."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.sheets import Cell, Sheet, amount, facts, harmless, show

MOMENT = dt.datetime(2026, 3, 2, 4, 0, tzinfo=dt.UTC)
SHEET = Sheet("Title", ("name", "count", "amount", "time"), [("a", 1234567, Decimal("1234.50"), MOMENT)])


def shown(sheet: Sheet, *, terminal: bool) -> str:
    """Show a sheet."""
    file = io.StringIO()
    show(sheet, Console(file=file, force_terminal=terminal, width=100, color_system=None))
    return file.getvalue()


def test_a_program_gets_exact_values_between_tabs() -> None:
    """Elsewhere than on a terminal a row is a line, numbers have no separators, and times are ISO 8601."""
    assert shown(SHEET, terminal=False) == (
        "name\tcount\tamount\ttime\na\t1234567\t1234.50\t2026-03-02T04:00:00+00:00\n"
    )


def test_a_person_gets_a_table() -> None:
    """On a terminal numbers are grouped, times are those of this machine's zone, and the title stands above."""
    text = shown(SHEET, terminal=True)
    assert "Title" in text
    assert "1,234,567" in text
    assert "1,234.50" in text
    assert MOMENT.astimezone().strftime("%Y-%m-%d %H:%M") in text


@pytest.mark.parametrize("terminal", [True, False])
def test_texts_of_others_are_shown_as_they_are(*, terminal: bool) -> None:
    """A text that looks like mark-up is no mark-up, and one with signs that steer a terminal steers nothing."""
    text = shown(Sheet("[red]T", ("h",), [("[bold]x[/bold]\x1b[2J\ty\nz",)]), terminal=terminal)
    assert "[bold]x[/bold] [2J y z" in text
    assert "\x1b[2J" not in text


@given(st.lists(st.one_of(st.text(), st.integers()), min_size=1, max_size=5))
def test_a_row_is_one_line_with_its_cells(cells: list[Cell]) -> None:
    """Whatever the cells hold, a row makes one line, and as many cells as it has."""
    text = shown(Sheet("", ("first",) * len(cells), [tuple(cells)]), terminal=False)
    assert [line.count("\t") for line in text.split("\n")] == [len(cells) - 1, len(cells) - 1, 0]
    assert text.endswith("\n")


def on_terminal(sheet: Sheet, width: int) -> str:
    """Show a sheet on a terminal of a width."""
    file = io.StringIO()
    show(sheet, Console(file=file, force_terminal=True, width=width, color_system=None))
    return file.getvalue()


NAME = "operations/tiering-01950000-0000-7000-8000-00000000ffff"


def test_a_name_is_shown_whole_on_a_narrow_terminal() -> None:
    """A name that is longer than the terminal is wide is broken, and nothing of it is lost."""
    text = on_terminal(Sheet("", ("name",), [(NAME,)]), 30)
    assert NAME in "".join(sign for sign in text if sign.isascii() and sign.isprintable() and sign != " ")


@pytest.mark.parametrize(("width", "together"), [(80, False), (120, True)])
def test_a_row_that_is_too_wide_is_shown_cell_by_cell(width: int, *, together: bool) -> None:
    """Where a table does not fit, each cell stands beside its heading; else only last cells are broken."""
    text = on_terminal(Sheet("", ("name", "time", "who", "why"), [(NAME, MOMENT, "staff/A-0001", "why " * 30)]), width)
    [line] = (line for line in text.splitlines() if NAME in line)
    assert ("staff/A-0001" in line) is together
    assert text.count("why") == 30 + 1


def test_facts_leave_out_what_is_empty() -> None:
    """Of one thing only what it has is told, a line each, without headings."""
    sheet = facts("x", {"name": "a", "nothing": "", "count": 0})
    assert shown(sheet, terminal=False) == "name\ta\ncount\t0\n"


@pytest.mark.parametrize(
    ("money", "read"),
    [
        ({"units": "12", "nanos": 340_000_000}, "12.34"),
        ({"units": "-12", "nanos": -340_000_000}, "-12.34"),
        ({"units": "0", "nanos": -10_000_000}, "-0.01"),
        ({}, "0.00"),
    ],
)
def test_amounts_are_exact(money: dict[str, object], read: str) -> None:
    """Units and nanos, of one sign, make one amount."""
    assert str(amount(money)) == read


@given(st.text())
def test_what_is_harmless_is_printable(text: str) -> None:
    """Every sign is one that a terminal prints, and none is lost."""
    assert harmless(text).isprintable()
    assert len(harmless(text)) == len(text)
