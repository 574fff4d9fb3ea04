"""The rules of the directory: when a store is open, who is above whom, and how an entry changes."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from chassis import names
from chassis.calendar import day_of
from chassis.errors import AlreadyExists, EtagMismatch, NotFound, Problems, listed
from services.customer.personal.domain import masked, masked_email

# How many names an error lists; there is room for no more in its metadata.
MOST_NAMES = 10


class StoreNotFound(NotFound):
    """There is no such store."""

    reason = "STORE_NOT_FOUND"


class StoreExists(AlreadyExists):
    """A store has this code already."""

    reason = "STORE_EXISTS"


class StaffNotFound(NotFound):
    """There is no such member of staff."""

    reason = "STAFF_NOT_FOUND"


class StaffExists(AlreadyExists):
    """A member of staff has this code already."""

    reason = "STAFF_EXISTS"


class State(StrEnum):
    """State of a store on a day."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


# All that people may change of a store and of a member of staff, and what of that is personal.
STORE_FIELDS = frozenset({"display_name", "region", "time_zone", "opening_date", "closing_date"})
STAFF_PERSONAL = frozenset({"display_name", "email"})
STAFF_FIELDS = STAFF_PERSONAL | {"roles", "stores", "chain_wide", "superior", "active"}


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


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff; roles and store codes stand in alphabetical order, the superior is a code or empty.

    Times are microseconds UTC.
    """

    code: str
    display_name: str
    email: str
    roles: tuple[str, ...]
    stores: tuple[str, ...]
    chain_wide: bool
    superior: str
    active: bool
    create_time: int
    update_time: int
    version: int = 1

    @property
    def name(self) -> str:
        """The resource name."""
        return names.name("staff", self.code)

    @property
    def etag(self) -> str:
        """The etag of this version, quoted as HTTP does."""
        return f'"{self.version}"'


@dataclass(frozen=True, slots=True)
class Standing:
    """What other services may know of a member of staff: nothing personal. The order is that of `Staff`."""

    active: bool
    chain_wide: bool
    stores: tuple[str, ...]
    roles: tuple[str, ...]


Entry = TypeVar("Entry", Store, Staff)


def create_store(code: str, told: Mapping[str, Any], now: int) -> Store:
    """Enter a store, with a value for each of `STORE_FIELDS`; raise `Invalid` for dates that contradict each other."""
    return _dated(Store(code=code, **told, create_time=now, update_time=now))


def update_store(store: Store, changes: Mapping[str, Any], *, etag: str, now: int) -> Store:
    """Change fields of a store, as `update` does; raise `Invalid` for dates that contradict each other."""
    return _dated(update(store, changes, etag=etag, now=now))


def update(entry: Entry, changes: Mapping[str, Any], *, etag: str, now: int) -> Entry:
    """Change fields of an entry, each with its new value; one that changes nothing stays as it is.

    Raises `EtagMismatch` where an etag is given that is not current.
    """
    if etag not in ("", entry.etag):
        raise EtagMismatch(name=entry.name)
    changed = replace(entry, **changes)
    return entry if changed == entry else replace(changed, version=entry.version + 1, update_time=now)


def changed_paths(before: Entry | None, after: Entry, fields: AbstractSet[str]) -> list[str]:
    """Name the fields in which two versions of an entry differ, in alphabetical order; all of them for a new one."""
    return [path for path in sorted(fields) if before is None or getattr(before, path) != getattr(after, path)]


def check_links(staff: Staff, known_stores: AbstractSet[str], superior_of: Mapping[str, str]) -> None:
    """Raise `Invalid` for stores and superiors that there are not, stores beside the chain, and circles of superiors.

    `superior_of` holds all who stand above the member as they stand now, each with the code of the superior.
    """
    problems = Problems()
    unknown = [names.name("stores", code) for code in staff.stores if code not in known_stores]
    if unknown:
        problems.add("staff.stores", "STORES_UNKNOWN", names=listed(unknown, MOST_NAMES))
    if staff.stores and staff.chain_wide:
        problems.add("staff.stores", "STORES_BESIDE_CHAIN")
    way = circle(staff.code, staff.superior, superior_of)
    if way:
        path = listed([names.name("staff", code) for code in way], MOST_NAMES)
        problems.add("staff.superior", "SUPERIOR_CIRCLE", path=path)
    elif staff.superior and staff.superior not in superior_of:
        problems.add("staff.superior", "SUPERIOR_UNKNOWN", name=names.name("staff", staff.superior))
    problems.refuse()


def circle(code: str, superior: str, superior_of: Mapping[str, str]) -> list[str]:
    """Answer the way from a member up to one who is met twice, each followed by the superior; empty without one."""
    way = [code]
    while superior and superior not in way:
        way.append(superior)
        superior = superior_of.get(superior, "")
    return [*way, superior] if superior else []


def masked_staff(staff: Staff) -> Staff:
    """Hide what a caller may not see who needs to recognise a member and no more."""
    return replace(staff, display_name=masked(staff.display_name), email=staff.email and masked_email(staff.email))


def _dated(store: Store) -> Store:
    problems = Problems()
    if store.closing_date and store.closing_date < store.opening_date:
        problems.add("store.closing_date", "CLOSING_BEFORE_OPENING")
    problems.refuse()
    return store
