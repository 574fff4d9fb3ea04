"""The rules of the directory: when a store is open, and how an entry changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from chassis import names
from chassis.calendar import day_of
from chassis.errors import AlreadyExists, EtagMismatch, NotFound, Problems


class StoreNotFound(NotFound):
    """There is no such store."""

    reason = "STORE_NOT_FOUND"


class StoreExists(AlreadyExists):
    """A store has this code already."""

    reason = "STORE_EXISTS"


class State(StrEnum):
    """State of a store on a day."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


# All that people may change of a store.
STORE_FIELDS = frozenset({"display_name", "region", "time_zone", "opening_date", "closing_date"})


@dataclass(frozen=True, slots=True)
class Store:
    """A place where the chain does business: it is open from the opening to the closing date, both included.

    The region is a path of codes such as "EAST/SHANGHAI", the time zone empty for the chain's; times are microseconds
    UTC.
    """

    code: str
    display_name: str
    region: str
    time_zone: str
    opening_date: date
    closing_date: date | None
    create_time: int
    update_time: int
    version: int = 1

    @property
    def name(self) -> str:
        """The resource name."""
        return names.name("stores", self.code)

    @property
    def etag(self) -> str:
        """The etag of this version, quoted as HTTP does."""
        return f'"{self.version}"'

    def state(self, now: int, chain_zone: ZoneInfo) -> State:
        """Tell the state on the day that it is in the store's zone."""
        today = day_of(now, ZoneInfo(self.time_zone) if self.time_zone else chain_zone)
        return State.OPEN if self.opening_date <= today <= (self.closing_date or today) else State.CLOSED


def create_store(code: str, told: Mapping[str, Any], now: int) -> Store:
    """Enter a store, with a value for each of `STORE_FIELDS`; raise `Invalid` for dates that contradict each other."""
    return _dated(Store(code=code, **told, create_time=now, update_time=now))


def update_store(store: Store, changes: Mapping[str, Any], *, etag: str, now: int) -> Store:
    """Change fields of a store, each of `STORE_FIELDS` with its new value; one that changes nothing stays as it is.

    Raises `Invalid` for dates that contradict each other, and `EtagMismatch` for an etag that is not current.
    """
    if etag not in ("", store.etag):
        raise EtagMismatch(name=store.name)
    changed = _dated(replace(store, **changes))
    return store if changed == store else replace(changed, version=store.version + 1, update_time=now)


def changed_store_paths(before: Store | None, after: Store) -> list[str]:
    """Name the fields in which two versions of a store differ, in alphabetical order; all of them for a new one."""
    return [path for path in sorted(STORE_FIELDS) if before is None or getattr(before, path) != getattr(after, path)]


def _dated(store: Store) -> Store:
    problems = Problems()
    if store.closing_date and store.closing_date < store.opening_date:
        problems.add("store.closing_date", "CLOSING_BEFORE_OPENING")
    problems.refuse()
    return store
