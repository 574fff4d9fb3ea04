"""Handlers of `shuke.customer.v1.DirectoryService`."""

from __future__ import annotations

from chassis import names
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.customer.directory import convert, repository
from services.customer.directory.domain import Store, create_store, update_store
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
