"""The composition root of the tiering service: the only file that knows every part."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from google.longrunning import operations_pb2

from chassis.calls import Calls, Pruning
from chassis.clock import Clock, elapsed
from chassis.consumer import Consumer, Feed
from chassis.documents.rpc import PolicyService
from chassis.leases import Leases
from chassis.operations import Operations, Runner
from chassis.rebuild import Listener
from chassis.service import Foundation, Program, Service
from chassis.settings import Chain, SettingError, Suite
from chassis.transport import Transport
from chassis.workers import Worker
from services.tiering.analytics.rpc import AnalyticsService
from services.tiering.benefits.convert import catalogue_of
from services.tiering.benefits.repository import Catalogues
from services.tiering.benefits.rpc import BenefitService, catalogue_beside
from services.tiering.clients import customer_feed
from services.tiering.config import TieringSettings
from services.tiering.consumers import SOURCE, CustomerEvents
from services.tiering.evaluations.job import EvaluationJob
from services.tiering.evaluations.rpc import KIND, EvaluationService
from services.tiering.explanations.rpc import Explanations
from services.tiering.memberships.rpc import MembershipService
from services.tiering.policies.convert import rules_of
from services.tiering.policies.repository import Policies
from services.tiering.policies.rpc import rules
from services.tiering.tables import CHAIN, CURSORS, LEASES, LOG, METADATA, OPERATIONS, RELAYED, REQUESTS
from shuke.event.v1 import event_pb2
from shuke.tiering.v1 import benefits_pb2, errors_pb2, policies_pb2, tiering_pb2

API = "tiering"
PEOPLE_IN_PRODUCTION = 3


def build(config: TieringSettings, suite: Suite, chain: Chain, clock: Clock, customer: Feed | None = None) -> Service:
    """Build the service from its settings; nothing runs yet. `customer` takes the place of the customer service."""
    production = suite.env == "production"
    if production and config.approval_people < PEOPLE_IN_PRODUCTION:
        raise SettingError(f"{config.prefix}APPROVAL_PEOPLE must be {PEOPLE_IN_PRODUCTION} in production")
    base = Foundation(API, config, suite, chain, errors_pb2.ErrorReason.DESCRIPTOR, clock)
    database, new_id, pager = base.database, base.new_id, base.pager
    calls = Calls(database, REQUESTS, clock, new_id)
    leases = Leases(database, LEASES, elapsed, new_id())
    transport = Transport(base, suite, leases, LOG, RELAYED)
    policies = Policies(partial(rules_of, currency=chain.money))
    catalogues = Catalogues(partial(catalogue_of, currency=chain.money))
    operations = Operations(API, database, OPERATIONS, pager)

    feed = customer or customer_feed(config.customer_address, base.credentials)
    events = CustomerEvents(LOG, policies, catalogues, chain)
    consumer = Consumer(database, CURSORS, SOURCE, events, clock=clock, new_id=new_id)
    listener = Listener(consumer, feed, events.projection)
    run = EvaluationJob(calls, config, LOG, policies, catalogues, chain, listener)
    runner = Runner(operations, {KIND: run}, base.texts, leases)

    ours = tiering_pb2.DESCRIPTOR.services_by_name
    payloads = catalogue_beside(rules(chain.money), chain.money)
    base.server.add(
        policies_pb2.DESCRIPTOR.services_by_name["PolicyService"],
        PolicyService(policies_pb2, payloads, calls, database, pager, config.approval_people, examples=not production),
    )
    base.server.add(
        benefits_pb2.DESCRIPTOR.services_by_name["BenefitService"],
        BenefitService(database, catalogues, policies, chain, pager, clock),
    )
    base.server.add(ours["EvaluationService"], EvaluationService(calls, database, operations, policies, chain, pager))
    base.server.add(
        ours["MembershipService"],
        MembershipService(database, policies, chain, pager, clock),
        Explanations(database, policies, chain, clock),
    )
    base.server.add(ours["AnalyticsService"], AnalyticsService(database, policies, chain, clock))
    base.server.add(operations_pb2.DESCRIPTOR.services_by_name["Operations"], operations)
    base.server.add(event_pb2.DESCRIPTOR.services_by_name["EventFeedService"], transport.feed)
    pruning = leases.worker("old answers", Pruning(database, REQUESTS, clock, config.request_days).step)
    listening = transport.listening(listener)
    workers = (leases, *transport.workers, listening, Worker("operations", runner.step), pruning)
    return Service(base, workers, listeners=(listener,))


PROGRAM = Program(API, TieringSettings, build, METADATA, Path(__file__).parent / "migrations", CHAIN, LOG)
