"""The rules of profits that become known after the sale (C-24)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import Problems
from chassis.money import LARGEST
from services.customer.ledger.domain import Correction, Entry, Receipt, SaleVoided


@dataclass(frozen=True, slots=True)
class LineProfit:
    """The profit of a line in minor units; None when it is not known."""

    line_no: int
    profit: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """The profits of some lines of a sale, which is named by its id or by its receipt."""

    sale: str | Receipt
    lines: tuple[LineProfit, ...]


def set_profit(sale: Entry, lines: Sequence[LineProfit]) -> Entry:
    """Give lines of a sale their profits; the others keep theirs.

    Raises `Refused` for a voided sale, for lines that it does not have, and for a sum that no ledger can hold.
    """
    if sale.void:
        raise SaleVoided(name=f"purchases/{sale.id}")
    profits = {line.line_no: line.profit for line in sale.content.lines}
    problems, seen = Problems(), set[int]()
    for index, line in enumerate(lines):
        if line.line_no not in profits:
            problems.add(f"lines[{index}].line_no", "LINE_UNKNOWN", line_no=str(line.line_no))
        if line.line_no in seen:
            problems.add(f"lines[{index}].line_no", "LINE_NUMBER_REPEATED", line_no=str(line.line_no))
        seen.add(line.line_no)
    profits |= {line.line_no: line.profit for line in lines}
    if abs(sum(profit or 0 for profit in profits.values())) >= LARGEST:
        problems.add("lines", "MONEY_MALFORMED")
    problems.refuse()
    told = tuple(dataclasses.replace(line, profit=profits[line.line_no]) for line in sale.content.lines)
    return dataclasses.replace(sale, content=dataclasses.replace(sale.content, lines=told))


def revalued(corrections: Sequence[Correction]) -> list[Correction]:
    """Pick the sales that now bring another profit, or of which it is now known or not: what concerns others."""
    return [one for one in corrections if _profit(one.before) != _profit(one.after)]


def _profit(sale: Entry) -> tuple[int, bool]:
    return sale.content.profit, sale.content.profit_known
