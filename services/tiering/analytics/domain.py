"""What figures about classes and value are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from chassis.errors import Problems
from chassis.money import half_up

USUAL_PERCENT = 20
USUAL_LARGEST = 5
WHOLE = 10_000  # basis points


@dataclass(frozen=True, slots=True)
class Concentration:
    """What the customers with the highest net spend bring (T-29); amounts are minor units."""

    customers: int = 0
    top_customers: int = 0
    top_net: int = 0
    net: int = 0
    top_profit: int = 0
    profit: int = 0
    largest: tuple[tuple[str, int], ...] = ()  # customers with their net spend


def check_not_future(problems: Problems, field: str, day: date, today: date) -> None:
    """Note a day that is still to come; `today` is the day in the chain's zone."""
    if day > today:
        problems.add(field, "DATE_IN_FUTURE", today=today.isoformat())


def check_window(problems: Problems, first: date, last: date, today: date) -> None:
    """Note days that are still to come, and an end before the start."""
    check_not_future(problems, "last_date", last, today)
    if last < first and not problems.found:
        problems.add("last_date", "RANGE_REVERSED", other="first_date")


def day_before(day: date) -> date:
    """Answer the day before; the calendar's first day, before which nothing was, for itself."""
    return day - timedelta(days=1) if day > date.min else day


def class_keys(own: Sequence[str], found: Iterable[str | None]) -> list[str]:
    """List a scheme's own classes and, behind them, those found that only another version of the policy knows."""
    return [*own, *sorted(key for key in set(found) if key is not None and key not in own)]


def basis_points(part: int, whole: int) -> int | None:
    """Answer a share in hundredths of a per cent, rounded half up; None where the whole is not above zero."""
    return half_up(Decimal(part) * WHOLE / whole) if whole > 0 else None
