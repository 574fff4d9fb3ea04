"""The composition root of the ticketing service: the only file that knows every part."""

from __future__ import annotations

from pathlib import Path

from chassis.calls import Calls, Pruning
from chassis.clock import Clock, elapsed
from chassis.consumer import Consumer
from chassis.documents.rpc import PolicyService
from chassis.leases import Leases
from chassis.metrics import Reading
from chassis.rebuild import Listener
from chassis.service import Foundation, Program, Service
from chassis.settings import Chain, SettingError, Suite
from chassis.transport import Transport
from chassis.vault import Rewrapping, Vault
from services.ticketing.cases.repository import Cases
from services.ticketing.clients import PERMISSIONS, CustomerBook, customer_feed, tiering_feed
from services.ticketing.clocks.repository import count_due
from services.ticketing.complaints.rpc import ComplaintService
from services.ticketing.config import TicketingSettings
from services.ticketing.consumers import CLASSES, CUSTOMER, DIRECTORY, TIERING, on_customer, on_tiering
from services.ticketing.desk.rpc import Desk
from services.ticketing.explanations.rpc import Explanations
from services.ticketing.followups.rpc import DueFollowUps, FollowUpService
from services.ticketing.improvements.repository import Improvements
from services.ticketing.improvements.rpc import ImprovementActions
from services.ticketing.limits.rpc import ClockService
from services.ticketing.policies.convert import rules_of
from services.ticketing.policies.repository import Policies
from services.ticketing.policies.rpc import PAYLOADS
from services.ticketing.schedule import Sweeper
from services.ticketing.tables import ACCESSES, CHAIN, CURSORS, LEASES, LOG, METADATA, RELAYED, REQUESTS, VAULT_KEYS
from services.ticketing.tickets.rpc import TicketService
from services.ticketing.timeline.repository import Timeline
from shuke.event.v1 import event_pb2
from shuke.ticketing.v1 import clocks_pb2, complaints_pb2, errors_pb2, followups_pb2, policies_pb2, tickets_pb2

API = "ticketing"
PEOPLE_IN_PRODUCTION = 3


def build(config: TicketingSettings, suite: Suite, chain: Chain, clock: Clock) -> Service:
    """Build the service from its settings; nothing runs yet."""
    production = suite.env == "production"
    if production and config.approval_people < PEOPLE_IN_PRODUCTION:
        raise SettingError(f"{config.prefix}APPROVAL_PEOPLE must be {PEOPLE_IN_PRODUCTION} in production")
    base = Foundation(
        API, config, suite, chain, errors_pb2.ErrorReason.DESCRIPTOR, clock, PERMISSIONS, accesses=ACCESSES
    )
    database, new_id, pager = base.database, base.new_id, base.pager
    leases = Leases(database, LEASES, elapsed, new_id())
    transport = Transport(base, suite, leases, LOG, RELAYED)
    vault = Vault(VAULT_KEYS, config.vault_keys, config.index_keys)
    calls = Calls(database, REQUESTS, clock, new_id, lambda content: vault.digest("REQUEST", content))
    cases, timeline = Cases(vault), Timeline(vault)
    desk = Desk(calls, database, cases, timeline, Policies(rules_of), LOG, chain)
    book = CustomerBook(config.customer_address, base.credentials)

    customer = customer_feed(config.customer_address, base.credentials)
    tiering = tiering_feed(config.tiering_address, base.credentials)
    directory = Consumer(database, CURSORS, CUSTOMER, on_customer, clock=clock, new_id=new_id)
    classes = Consumer(database, CURSORS, TIERING, on_tiering, clock=clock, new_id=new_id)

    base.server.add(tickets_pb2.DESCRIPTOR.services_by_name["TicketService"], TicketService(desk, book, pager))
    base.server.add(
        complaints_pb2.DESCRIPTOR.services_by_name["ComplaintService"],
        ComplaintService(desk),
        ImprovementActions(desk, Improvements(vault), pager),
    )
    base.server.add(clocks_pb2.DESCRIPTOR.services_by_name["ClockService"], ClockService(desk), Explanations(desk))
    base.server.add(followups_pb2.DESCRIPTOR.services_by_name["FollowUpService"], FollowUpService(desk, pager))
    base.server.add(
        policies_pb2.DESCRIPTOR.services_by_name["PolicyService"],
        PolicyService(policies_pb2, PAYLOADS, calls, database, pager, config.approval_people, examples=not production),
    )
    base.server.add(event_pb2.DESCRIPTOR.services_by_name["EventFeedService"], transport.feed)
    sweeper = leases.worker("clocks", Sweeper(calls, cases, timeline, LOG).sweep)
    falling_due = leases.worker("follow-ups", DueFollowUps(desk).step)
    rewrapping = leases.worker("vault keys", Rewrapping(database, vault).step)
    listeners = (Listener(directory, customer, DIRECTORY), Listener(classes, tiering, CLASSES))
    base.metrics.watch(
        database, Reading("shuke_clocks_due", "Clocks with an alert to be fired", lambda tx: count_due(tx, clock()))
    )
    pruning = leases.worker("old answers", Pruning(database, REQUESTS, clock, config.request_days).step)
    listening = map(transport.listening, listeners)
    workers = (leases, *transport.workers, *listening, sweeper, falling_due, rewrapping, pruning)
    return Service(base, workers, listeners=listeners)


PROGRAM = Program(API, TicketingSettings, build, METADATA, Path(__file__).parent / "migrations", CHAIN, LOG)
