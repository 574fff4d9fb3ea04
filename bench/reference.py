"""The reference: a bare gRPC server whose handlers do just the two inserts, or the one indexed select.

No tokens, no checks, no log, nothing that is shared with our services but the contract. It commits as durably as ours:
PostgreSQL by its defaults, SQLite with a write-ahead log that is synchronized by checkpoints.

`python -m bench.reference DATABASE_URL PORT CUSTOMERS`
"""

from __future__ import annotations

import sqlite3
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import grpc
import sqlalchemy as sa
from google.protobuf.any_pb2 import Any as AnyMessage

from bench.requests import LISTED, name_of, phone_of
from shuke.customer.v1 import customer_pb2, events_pb2, purchases_pb2
from shuke.event.v1 import event_pb2

THREADS = 16
PARTITIONS = 16
PURCHASE_RECORDED = events_pb2.PurchaseRecorded.DESCRIPTOR.full_name

METADATA = sa.MetaData()
PURCHASES = sa.Table(
    "purchases",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("store", sa.Text, nullable=False),
    sa.Column("terminal", sa.Text, nullable=False),
    sa.Column("business_date", sa.Date, nullable=False),
    sa.Column("receipt_no", sa.Text, nullable=False),
    sa.Column("business_time", sa.BigInteger, nullable=False),
    sa.Column("customer", sa.Text, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("store", "business_date", "terminal", "receipt_no"),
)
OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
)
CUSTOMERS = sa.Table(
    "customers",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("phone", sa.Text, nullable=False, unique=True),
    sa.Column("masked_name", sa.Text, nullable=False),
    sa.Column("state", sa.Integer, nullable=False),
)
INSERT_PURCHASE = sa.insert(PURCHASES)
INSERT_EVENT = sa.insert(OUTBOX)
BY_PHONE = sa.select(CUSTOMERS).where(CUSTOMERS.c.phone == sa.bindparam("wanted"))
FROM_ID = sa.select(OUTBOX).where(OUTBOX.c.id > sa.bindparam("last")).order_by(OUTBOX.c.id).limit(LISTED)


class Reference:
    """The handlers, on one database; selects need no transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.reader = engine.execution_options(isolation_level="AUTOCOMMIT")

    def record_purchase(
        self, request: purchases_pb2.RecordPurchaseRequest, _context: grpc.ServicerContext
    ) -> purchases_pb2.RecordPurchaseResponse:
        """Write a sale and its event."""
        purchase, receipt = request.purchase, request.purchase.receipt
        day, now, purchase_id = receipt.business_date, time.time_ns(), str(uuid.uuid4())
        name = f"purchases/{purchase_id}"
        event = events_pb2.PurchaseRecorded(
            purchase=name,
            customer=purchase.customer,
            kind=purchases_pb2.Purchase.SALE,
            store=receipt.store,
            business_date=day,
            business_time=purchase.business_time,
            total=purchase.total,
        )
        with self.engine.begin() as connection:
            connection.execute(
                INSERT_PURCHASE,
                {
                    "id": purchase_id,
                    "store": receipt.store,
                    "terminal": receipt.terminal,
                    "business_date": date(day.year, day.month, day.day),
                    "receipt_no": receipt.receipt_no,
                    "business_time": purchase.business_time.seconds,
                    "customer": purchase.customer,
                    "total": purchase.total.units * 100 + purchase.total.nanos // 10_000_000,
                    "body": purchase.SerializeToString(),
                    "create_time": now // 1000,
                },
            )
            connection.execute(
                INSERT_EVENT,
                {
                    "event_id": str(uuid.uuid4()),
                    "subject": name,
                    "key": purchase.customer,
                    "type": PURCHASE_RECORDED,
                    "time": now // 1000,
                    "data": event.SerializeToString(),
                    "partition": hash(purchase.customer) % PARTITIONS,
                },
            )
        answer = purchases_pb2.RecordPurchaseResponse(purchase=purchase)
        answer.purchase.name = name
        answer.purchase.create_time.FromNanoseconds(now)
        return answer

    def look_up_customer(
        self, request: customer_pb2.LookupCustomerRequest, _context: grpc.ServicerContext
    ) -> customer_pb2.LookupCustomerResponse:
        """Find who has a telephone number."""
        with self.reader.connect() as connection:
            rows = connection.execute(BY_PHONE, {"wanted": request.lookup.phone}).all()
        matches = [
            customer_pb2.CustomerMatch(customer=row.name, masked_name=row.masked_name, state=row.state) for row in rows
        ]
        return customer_pb2.LookupCustomerResponse(matches=matches)

    def read_events(
        self, request: event_pb2.ReadEventsRequest, _context: grpc.ServicerContext
    ) -> event_pb2.ReadEventsResponse:
        """List what comes after the first cursor."""
        with self.reader.connect() as connection:
            rows = connection.execute(FROM_ID, {"last": request.cursors[0].position}).all()
        return event_pb2.ReadEventsResponse(events=map(_event, rows))


def _event(row: sa.Row[Any]) -> event_pb2.Event:
    event = event_pb2.Event(
        id=row.event_id,
        source="reference",
        type=row.type,
        subject=row.subject,
        partition_key=row.key,
        data=AnyMessage(type_url=f"type.googleapis.com/{row.type}", value=row.data),
        partition=row.partition,
        position=row.id,
    )
    event.time.FromMicroseconds(row.time)
    return event


def open_engine(url: str) -> sa.Engine:
    """Open the database, with what makes SQLite as durable as ours."""
    engine = sa.create_engine(sa.make_url(url).set(drivername=_driver(url)), pool_size=THREADS)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
                connection.execute(f"PRAGMA {pragma}")

    return engine


def _driver(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql+psycopg"


def main(url: str, port: str, customers: str) -> None:
    """Make the tables, enter customers and serve until the process is ended."""
    engine = open_engine(url)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        state = customer_pb2.Customer.PROVISIONAL
        rows = [
            {"name": name_of(number), "phone": phone_of(number), "masked_name": "C*", "state": state}
            for number in range(int(customers))
        ]
        connection.execute(sa.insert(CUSTOMERS), rows)
    reference, server = Reference(engine), grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "shuke.customer.v1.PurchaseService",
                {
                    "RecordPurchase": grpc.unary_unary_rpc_method_handler(
                        reference.record_purchase,
                        purchases_pb2.RecordPurchaseRequest.FromString,
                        purchases_pb2.RecordPurchaseResponse.SerializeToString,
                    )
                },
            ),
            grpc.method_handlers_generic_handler(
                "shuke.customer.v1.CustomerService",
                {
                    "LookupCustomer": grpc.unary_unary_rpc_method_handler(
                        reference.look_up_customer,
                        customer_pb2.LookupCustomerRequest.FromString,
                        customer_pb2.LookupCustomerResponse.SerializeToString,
                    )
                },
            ),
            grpc.method_handlers_generic_handler(
                "shuke.event.v1.EventFeedService",
                {
                    "ReadEvents": grpc.unary_unary_rpc_method_handler(
                        reference.read_events,
                        event_pb2.ReadEventsRequest.FromString,
                        event_pb2.ReadEventsResponse.SerializeToString,
                    )
                },
            ),
        )
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
