"""Draws the table of states and verbs into the service's README: `python -m services.ticketing.tests.drawing`."""

from __future__ import annotations

from pathlib import Path

from services.ticketing.states.domain import ENDED, OPEN, TABLE, Row

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- states -->\n", "<!-- end of states -->\n"


def drawn() -> str:
    """Draw the table as Markdown."""
    lines = ["| verb | from | to | who | what must be given |", "|---|---|---|---|---|"]
    lines += [f"| {row.verb} | {_from(row)} | {row.to or 'stays'} | {row.who} | {_filled(row)} |" for row in TABLE]
    return "\n".join(lines) + "\n"


def shown() -> str:
    """Answer the table that stands in the README."""
    return README.read_text().partition(BEGIN)[2].partition(END)[0]


def _from(row: Row) -> str:
    """Name the states of a row, those that make up all open or all ended ones by one word."""
    groups = {"any open": OPEN, "any ended": ENDED}
    whole = {name: group for name, group in groups.items() if set(group) <= set(row.states)}
    single = [state for state in row.states if not any(state in group for group in whole.values())]
    return ", ".join([*whole, *single])


def _filled(row: Row) -> str:
    only = f"only {', '.join(sorted(row.types))}" if row.types else ""
    return "; ".join(filter(None, (row.filled, only)))


if __name__ == "__main__":
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(before + BEGIN + drawn() + END + rest.partition(END)[2])
