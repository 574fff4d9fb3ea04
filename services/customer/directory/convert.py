"""The directory between the contract and the domain."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from chassis import names, wire
from chassis.contacts import email
from chassis.errors import Problems
from chassis.events import Change
from services.customer.customers.convert import is_zone, update_paths
from services.customer.directory.domain import (
    STAFF_FIELDS,
    STAFF_PERSONAL,
    STORE_FIELDS,
    Staff,
    Standing,
    Store,
    changed_paths,
    masked_staff,
)
from shuke.customer.v1 import directory_pb2 as pb
from shuke.customer.v1 import events_pb2


@dataclass(frozen=True, slots=True)
class Update:
    """What shall change in an entry: new values by path, and the etag that must be current, if any."""

    code: str
    changes: dict[str, Any]
    etag: str


def store_creation_from_proto(request: pb.CreateStoreRequest) -> dict[str, Any]:
    """Read what is told of a new store; raise `Invalid` for all that is missing or impossible."""
    problems = Problems()
    told = _store_told(problems, request.store, STORE_FIELDS)
    problems.refuse()
    return told


def store_update_from_proto(request: pb.UpdateStoreRequest) -> Update:
    """Read what shall change, by the update mask; raise `Invalid` for wrong paths and impossible values."""
    problems, given = Problems(), request.store
    if not given.name:
        problems.add("store.name", "NAME_MALFORMED", pattern="stores/{code}")
    changes = _store_told(problems, given, update_paths(problems, given, request.update_mask, STORE_FIELDS))
    problems.refuse()
    return Update(names.identity(given.name), changes, given.etag)


def _store_told(problems: Problems, given: pb.Store, paths: Iterable[str]) -> dict[str, Any]:
    """Read the fields that are named; note what is missing or impossible of them, and of no other."""
    told: dict[str, Any] = {}
    for path in paths:
        field = f"store.{path}"
        if path.endswith("_date"):
            told[path] = wire.read_date(problems, field, getattr(given, path)) if given.HasField(path) else None  # type: ignore[arg-type]
        else:
            told[path] = getattr(given, path).strip()
        if path in ("display_name", "opening_date") and not told[path]:
            problems.add(field, "ENTRY_FIELD_MISSING")
        if path == "time_zone" and told[path] and not is_zone(told[path]):
            problems.add(field, "TIME_ZONE_UNKNOWN")
    return told


def store_to_proto(store: Store, now: int, chain_zone: ZoneInfo) -> pb.Store:
    """Write a store, in the state that it has now."""
    return pb.Store(
        name=store.name,
        display_name=store.display_name,
        region=store.region,
        time_zone=store.time_zone,
        opening_date=wire.to_date(store.opening_date),
        closing_date=wire.to_date(store.closing_date),
        state=pb.Store.State.Value(store.state(now, chain_zone)),
        create_time=wire.timestamp(store.create_time),
        update_time=wire.timestamp(store.update_time),
        etag=store.etag,
    )


def store_changed(before: Store | None, after: Store, now: int, chain_zone: ZoneInfo) -> list[Change]:
    """Tell which fields of a store changed, if any did; of a new one, that it is there."""
    paths, state = changed_paths(before, after, STORE_FIELDS), pb.Store.State.Value(after.state(now, chain_zone))
    told = events_pb2.StoreChanged(
        store=after.name, state=state, paths=paths, region=after.region, time_zone=after.time_zone
    )
    return [Change(after.name, after.name, told)] if paths else []


def staff_creation_from_proto(request: pb.CreateStaffRequest) -> dict[str, Any]:
    """Read what is told of a new member of staff; raise `Invalid` for all that is missing or impossible."""
    problems = Problems()
    told = _staff_told(problems, request.staff)
    problems.refuse()
    return told


def staff_update_from_proto(request: pb.UpdateStaffRequest) -> Update:
    """Read what shall change, by the update mask; raise `Invalid` for wrong paths and impossible values."""
    problems, given = Problems(), request.staff
    if not given.name:
        problems.add("staff.name", "NAME_MALFORMED", pattern="staff/{code}")
    paths = update_paths(problems, given, request.update_mask, STAFF_FIELDS)
    if given.masked and STAFF_PERSONAL.intersection(paths):
        problems.add("staff.masked", "CUSTOMER_MASKED")
    changes = _staff_told(problems, given, paths)
    problems.refuse()
    return Update(names.identity(given.name), changes, given.etag)


def _staff_told(problems: Problems, given: pb.Staff, paths: Collection[str] = STAFF_FIELDS) -> dict[str, Any]:
    """Read the fields that are named; note what is missing or impossible of them, and of no other."""
    address = email(given.email) if given.email else ""
    if "email" in paths and address is None:
        problems.add("staff.email", "EMAIL_IMPOSSIBLE")
    told = {
        "display_name": given.display_name.strip(),
        "email": address,
        "roles": tuple(sorted(given.roles)),
        "stores": tuple(sorted(map(names.identity, given.stores))),
        "chain_wide": given.chain_wide,
        "superior": names.identity(given.superior),
        "active": given.active or not given.HasField("active"),
    }
    if "display_name" in paths and not told["display_name"]:
        problems.add("staff.display_name", "ENTRY_FIELD_MISSING")
    return {path: told[path] for path in paths}


def staff_to_proto(staff: Staff, *, veiled: bool) -> pb.Staff:
    """Write a member of staff; veiled, what is personal is masked."""
    shown = masked_staff(staff) if veiled else staff
    return pb.Staff(
        name=staff.name,
        display_name=shown.display_name,
        email=shown.email,
        roles=staff.roles,
        stores=[names.name("stores", code) for code in staff.stores],
        chain_wide=staff.chain_wide,
        superior=names.name("staff", staff.superior),
        active=staff.active,
        create_time=wire.timestamp(staff.create_time),
        update_time=wire.timestamp(staff.update_time),
        etag=staff.etag,
        masked=veiled,
    )


def standing_to_proto(standing: Standing | None) -> pb.CheckStaffResponse:
    """Write what may be known of a member everywhere; nobody is not known."""
    if standing is None:
        return pb.CheckStaffResponse()
    return pb.CheckStaffResponse(
        known=True,
        active=standing.active,
        chain_wide=standing.chain_wide,
        stores=[names.name("stores", code) for code in standing.stores],
        roles=standing.roles,
    )


def staff_changed(before: Staff | None, after: Staff) -> list[Change]:
    """Tell which fields of a member of staff changed, if any did; of a new one, that it is there."""
    paths = changed_paths(before, after, STAFF_FIELDS)
    told = events_pb2.StaffChanged(
        staff=after.name,
        active=after.active,
        paths=paths,
        roles=after.roles,
        stores=[names.name("stores", code) for code in after.stores],
        chain_wide=after.chain_wide,
        superior=names.name("staff", after.superior),
    )
    return [Change(after.name, after.name, told)] if paths else []
