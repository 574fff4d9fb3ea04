"""Days as the API writes them: in JSON, and as parameters of a query."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any


def date_of(day: dt.date) -> dict[str, int]:
    """Write a day as JSON has it."""
    return {"year": day.year, "month": day.month, "day": day.day}


def asked(name: str, day: dt.date) -> dict[str, str]:
    """Write a day as query parameters."""
    return {f"{name}.{part}": str(value) for part, value in date_of(day).items()}


def text_of(day: Mapping[str, Any]) -> str:
    """Write a day of an answer as ISO 8601 does."""
    return dt.date(day["year"], day["month"], day["day"]).isoformat()
