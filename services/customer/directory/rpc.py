"""Handlers of `shuke.customer.v1.DirectoryService`."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import names
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.customer.directory import convert, repository
from services.customer.directory.domain import Staff, Store, check_links, create_store, update, update_store
from services.customer.directory.repository import StaffEntries
from services.customer.personal.domain import SEE_PERSONAL
from shuke.customer.v1 import directory_pb2 as pb


class Stores:
    """Enters, changes and reads stores."""

    def __init__(self, calls: Calls, database: Database, log: EventLog, chain: Chain, pager: Pager) -> None:
        self.calls = calls
        self.database = database
        self.log = log
        self.zone = chain.zone_info
        self.pager = pager

    def CreateStore(self, request: pb.CreateStoreRequest, call: Call) -> pb.Store:
        """Enter a store."""
        told = convert.store_creation_from_proto(request)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Store:
            store = create_store(request.store_id, told, now)
            repository.add_store(tx, store)
            return self._told(tx, None, store, now, new_id)

        return self.calls.once(call, request, pb.Store, work)

    def GetStore(self, request: pb.GetStoreRequest, _call: Call) -> pb.Store:
        """Answer one store."""
        with self.database.read() as tx:
            store = repository.get_store(tx, names.identity(request.name))
        return convert.store_to_proto(store, self.calls.clock(), self.zone)

    def ListStores(self, request: pb.ListStoresRequest, _call: Call) -> pb.ListStoresResponse:
        """List stores in the order of their codes."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        with self.database.read() as tx:
            after = str(cursor[0]) if cursor else ""
            found = repository.list_stores(tx, request.region, limit=size + 1, after=after)
        page, more = self.pager.page(request, found, size, lambda store: [store.code])
        now = self.calls.clock()
        stores = [convert.store_to_proto(store, now, self.zone) for store in page]
        return pb.ListStoresResponse(stores=stores, next_page_token=more)

    def UpdateStore(self, request: pb.UpdateStoreRequest, call: Call) -> pb.Store:
        """Change fields of a store."""
        told = convert.store_update_from_proto(request)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Store:
            before = repository.get_store(tx, told.code)
            after = update_store(before, told.changes, etag=told.etag, now=now)
            repository.save_store(tx, before, after)
            return self._told(tx, before, after, now, new_id)

        return self.calls.once(call, request, pb.Store, work)

    def _told(self, tx: Tx, before: Store | None, after: Store, now: int, new_id: NewId) -> pb.Store:
        """Tell of a change, and answer the store since."""
        self.log.add(tx, convert.store_changed(before, after, now, self.zone), now, new_id)
        return convert.store_to_proto(after, now, self.zone)


class StaffDirectory:
    """Enters, changes and reads members of staff."""

    def __init__(self, calls: Calls, database: Database, entries: StaffEntries, log: EventLog, pager: Pager) -> None:
        self.calls = calls
        self.database = database
        self.entries = entries
        self.log = log
        self.pager = pager

    def CreateStaff(self, request: pb.CreateStaffRequest, call: Call) -> pb.Staff:
        """Enter a member of staff."""
        told = convert.staff_creation_from_proto(request)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Staff:
            staff = Staff(code=request.staff_id, **told, create_time=now, update_time=now)
            self._check(tx, staff)
            self.entries.add(tx, staff)
            self.log.add(tx, convert.staff_changed(None, staff), now, new_id)
            return pb.Staff(name=staff.name)

        # What is kept under the request id is a name; the entry is read anew, so that nothing personal stands there.
        return self._entry(self.calls.once(call, request, pb.Staff, work).name, call)

    def GetStaff(self, request: pb.GetStaffRequest, call: Call) -> pb.Staff:
        """Answer one member of staff."""
        return self._entry(request.name, call)

    def ListStaff(self, request: pb.ListStaffRequest, call: Call) -> pb.ListStaffResponse:
        """List members of staff in the order of their codes."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        after = str(cursor[0]) if cursor else ""
        active = request.active if request.HasField("active") else None
        with self.database.read() as tx:
            found = self.entries.find(
                tx, store=request.store, role=request.role, active=active, limit=size + 1, after=after
            )
        page, more = self.pager.page(request, found, size, lambda staff: [staff.code])
        return pb.ListStaffResponse(staff=_shown(page, call), next_page_token=more)

    def UpdateStaff(self, request: pb.UpdateStaffRequest, call: Call) -> pb.Staff:
        """Change fields of a member of staff."""
        told = convert.staff_update_from_proto(request)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Staff:
            before = self.entries.get(tx, told.code)
            after = update(before, told.changes, etag=told.etag, now=now)
            self._check(tx, after)
            self.entries.save(tx, before, after)
            self.log.add(tx, convert.staff_changed(before, after), now, new_id)
            return pb.Staff(name=after.name)

        return self._entry(self.calls.once(call, request, pb.Staff, work).name, call)

    def CheckStaff(self, request: pb.CheckStaffRequest, _call: Call) -> pb.CheckStaffResponse:
        """Tell another service who a staff code stands for."""
        with self.database.read() as tx:
            found = repository.standing(tx, names.identity(request.name))
        return convert.standing_to_proto(found)

    def _check(self, tx: Tx, staff: Staff) -> None:
        stores = repository.known_stores(tx, staff.stores)
        check_links(staff, stores, repository.superiors(tx, staff.superior))

    def _entry(self, name: str, call: Call) -> pb.Staff:
        with self.database.read() as tx:
            staff = self.entries.get(tx, names.identity(name))
        return _shown([staff], call)[0]


def _shown(entries: Sequence[Staff], call: Call) -> list[pb.Staff]:
    call.read(staff.name for staff in entries)
    veiled = not call.principal.may(SEE_PERSONAL)
    return [convert.staff_to_proto(staff, veiled=veiled) for staff in entries]
