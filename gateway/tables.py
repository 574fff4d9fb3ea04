"""The tables of the gateway's own database that the chassis works on."""

from __future__ import annotations

from chassis.calls import requests_table
from chassis.chain import chain_table
from chassis.database import metadata
from chassis.documents import documents_tables
from chassis.events import EventLog

METADATA = metadata()
LOG = EventLog(METADATA, "gateway.shuke")
REQUESTS = requests_table(METADATA)
CHAIN = chain_table(METADATA)
documents_tables(METADATA)
