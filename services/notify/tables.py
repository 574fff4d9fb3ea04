"""The tables of this database that the chassis works on; the nouns add their own to the same metadata."""

from __future__ import annotations

from chassis.calls import requests_table
from chassis.chain import chain_table
from chassis.consumer import cursors_table
from chassis.database import metadata
from chassis.documents import documents_tables
from chassis.events import EventLog
from chassis.leases import leases_table
from chassis.relay import relay_table
from chassis.vault import vault_table

METADATA = metadata()
LOG = EventLog(METADATA, "notify.shuke")
RELAYED = relay_table(METADATA)
LEASES = leases_table(METADATA)
REQUESTS = requests_table(METADATA)
CURSORS = cursors_table(METADATA)
CHAIN = chain_table(METADATA)
DOCUMENTS, STEPS = documents_tables(METADATA)
VAULT_KEYS = vault_table(METADATA)
