"""The composition root of the customer service: the only file that knows every part."""

from __future__ import annotations

from pathlib import Path

from chassis.access import Recorder
from chassis.calendar import SECOND
from chassis.calls import Calls, Pruning
from chassis.clock import Clock, elapsed
from chassis.consumer import Consumer
from chassis.documents.rpc import PolicyService
from chassis.leases import Leases
from chassis.rebuild import Listener
from chassis.service import Foundation, Program, Service
from chassis.settings import Chain, SettingError, Suite
from chassis.transport import Transport
from chassis.vault import Rewrapping, Vault
from services.customer.clients import feed_of
from services.customer.config import CustomerSettings
from services.customer.consents.rpc import ConsentService
from services.customer.consumers import CLASSES, NOTIFY, TIERING, NotifyEvents, on_tiering
from services.customer.contacts.rpc import ContactService
from services.customer.corrections.domain import Limits
from services.customer.corrections.rpc import Corrections
from services.customer.customers.domain import FilePolicy
from services.customer.customers.repository import Customers, require
from services.customer.customers.rpc import CustomerService
from services.customer.directory.repository import StaffEntries
from services.customer.directory.rpc import StaffDirectory, Stores
from services.customer.exchanges.rpc import Exchanges
from services.customer.interactions.repository import Interactions
from services.customer.interactions.rpc import InteractionService
from services.customer.policies.convert import notice_of
from services.customer.policies.repository import Notices
from services.customer.policies.rpc import NOTICES
from services.customer.privacy.rpc import PrivacyService
from services.customer.profits.rpc import Profits
from services.customer.purchases.rpc import Purchases
from services.customer.refunds.rpc import Refunds
from services.customer.spend.rpc import SpendSummaries
from services.customer.store_days.rpc import StoreDays
from services.customer.tables import ACCESSES, CHAIN, CURSORS, LEASES, LOG, METADATA, RELAYED, REQUESTS, VAULT_KEYS
from shuke.customer.v1 import (
    consents_pb2,
    contacts_pb2,
    customer_pb2,
    directory_pb2,
    errors_pb2,
    interactions_pb2,
    policies_pb2,
    privacy_pb2,
    purchases_pb2,
)
from shuke.event.v1 import event_pb2

API = "customer"
PEOPLE_IN_PRODUCTION = 3


def build(config: CustomerSettings, suite: Suite, chain: Chain, clock: Clock) -> Service:
    """Build the service from its settings; nothing runs yet."""
    production = suite.env == "production"
    if production and config.approval_people < PEOPLE_IN_PRODUCTION:
        raise SettingError(f"{config.prefix}APPROVAL_PEOPLE must be {PEOPLE_IN_PRODUCTION} in production")
    base = Foundation(API, config, suite, chain, errors_pb2.ErrorReason.DESCRIPTOR, clock, accesses=ACCESSES)
    database, new_id = base.database, base.new_id
    leases = Leases(database, LEASES, elapsed, new_id())
    transport = Transport(base, suite, leases, LOG, RELAYED)
    vault = Vault(VAULT_KEYS, config.vault_keys, config.index_keys)
    calls = Calls(database, REQUESTS, clock, new_id, lambda content: vault.digest("REQUEST", content))
    customers, entries = Customers(vault), StaffEntries(vault)
    interactions = Interactions(vault)
    notices = Notices(notice_of)
    recorder = Recorder(ACCESSES, database, clock, new_id)
    policy = FilePolicy(tuple(config.mandatory_fields.split(",")), config.completion_days)
    tolerance = config.clock_tolerance_seconds * SECOND

    refunds = Refunds(calls, database, customers, LOG, chain, base.pager, tolerance)
    purchases = Purchases(calls, database, customers, LOG, chain, base.pager, tolerance, refunds.link)

    tiering = feed_of("tiering", config.tiering_address, base.credentials)
    classes = Consumer(database, CURSORS, TIERING, on_tiering, clock=clock, new_id=new_id)
    notify = feed_of("notify", config.notify_address, base.credentials)
    messages = Consumer(database, CURSORS, NOTIFY, NotifyEvents(LOG, interactions), clock=clock, new_id=new_id)

    base.server.add(
        customer_pb2.DESCRIPTOR.services_by_name["CustomerService"],
        CustomerService(calls, database, customers, notices, LOG, chain, policy, recorder.record_all),
    )
    base.server.add(
        consents_pb2.DESCRIPTOR.services_by_name["ConsentService"],
        ConsentService(calls, database, notices, require, LOG, chain, base.pager, config),
    )
    base.server.add(
        contacts_pb2.DESCRIPTOR.services_by_name["ContactService"],
        ContactService(database, customers, entries, chain.zone, service_opt_in=config.service_opt_in),
    )
    base.server.add(
        interactions_pb2.DESCRIPTOR.services_by_name["InteractionService"],
        InteractionService(calls, database, customers, interactions, LOG, base.pager, tolerance),
    )
    base.server.add(
        privacy_pb2.DESCRIPTOR.services_by_name["PrivacyService"],
        PrivacyService(database, ACCESSES, require, base.pager),
    )
    base.server.add(
        directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
        Stores(calls, database, LOG, chain, base.pager),
        StaffDirectory(calls, database, entries, LOG, base.pager),
    )
    base.server.add(
        policies_pb2.DESCRIPTOR.services_by_name["PolicyService"],
        PolicyService(
            policies_pb2, NOTICES, calls, database, base.pager, config.approval_people, examples=not production
        ),
    )
    base.server.add(
        purchases_pb2.DESCRIPTOR.services_by_name["PurchaseService"],
        purchases,
        refunds,
        Exchanges(calls, refunds, purchases, chain),
        Corrections(calls, customers, LOG, chain, Limits(config.void_days, config.attach_days)),
        Profits(calls, LOG, chain.money),
        SpendSummaries(database, require, chain.money),
        StoreDays(calls, database, chain, base.pager),
    )
    base.server.add(event_pb2.DESCRIPTOR.services_by_name["EventFeedService"], transport.feed)
    listeners = (Listener(classes, tiering, CLASSES), Listener(messages, notify))
    rewrapping = leases.worker("vault keys", Rewrapping(database, vault).step)
    pruning = leases.worker("old answers", Pruning(database, REQUESTS, clock, config.request_days).step)
    listening = map(transport.listening, listeners)
    return Service(base, (leases, *transport.workers, *listening, rewrapping, pruning), listeners=listeners)


PROGRAM = Program(API, CustomerSettings, build, METADATA, Path(__file__).parent / "migrations", CHAIN, LOG)
