"""The composition root of the notify service: the only file that knows every part."""

from __future__ import annotations

import secrets
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from chassis.calendar import SECOND, day_of
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
from services.notify.channels.file import FileChannel
from services.notify.channels.smtp import Server, SmtpChannel
from services.notify.clients import PERMISSIONS, ContactBook, event_feed
from services.notify.config import NotifySettings
from services.notify.consumers import STAFF, TICKET_FILTERS, Intake, TicketingEvents, TieringEvents, on_customer
from services.notify.delivery.domain import Channel, Patience
from services.notify.explanations.rpc import Explanations
from services.notify.messages.convert import values_of
from services.notify.messages.repository import Messages
from services.notify.messages.rpc import MessageService
from services.notify.policies.rpc import notice_rules
from services.notify.rules.convert import rule_of
from services.notify.rules.repository import Rules
from services.notify.schedule import Delivery
from services.notify.tables import CHAIN, CURSORS, LEASES, LOG, METADATA, RELAYED, REQUESTS, VAULT_KEYS
from services.notify.templates.convert import template_of
from services.notify.templates.repository import Templates
from services.notify.templates.rpc import TemplateService
from shuke.event.v1 import event_pb2
from shuke.notify.v1 import errors_pb2, messages_pb2, policies_pb2, templates_pb2

API = "notify"
PEOPLE_IN_PRODUCTION = 3
# Answers of the mail server to one message, and the line that it may have to open anew.
ANSWERS = 4


def build(config: NotifySettings, suite: Suite, chain: Chain, clock: Clock) -> Service:
    """Build the service from its settings; nothing runs yet."""
    production = suite.env == "production"
    if production and config.approval_people < PEOPLE_IN_PRODUCTION:
        raise SettingError(f"{config.prefix}APPROVAL_PEOPLE must be {PEOPLE_IN_PRODUCTION} in production")
    zone = chain.zone_info
    ways_out = channels(config, chain)
    base = Foundation(API, config, suite, chain, errors_pb2.ErrorReason.DESCRIPTOR, clock, PERMISSIONS)
    database, new_id, pager = base.database, base.new_id, base.pager
    leases = Leases(database, LEASES, elapsed, new_id())
    transport = Transport(base, suite, leases, LOG, RELAYED)
    vault = Vault(VAULT_KEYS, config.vault_keys, config.index_keys)
    calls = Calls(database, REQUESTS, clock, new_id, lambda content: vault.digest("REQUEST", content))
    messages = Messages(vault, partial(values_of, currency=chain.money, zone=zone))
    templates = Templates(partial(template_of, currency=chain.money, zone=zone))
    rules = Rules(rule_of, partial(day_of, zone=zone))

    intake = Intake(LOG, messages, templates)
    listeners = list[Listener]()
    for owner, address, effect, projection in (
        ("customer", config.customer_address, on_customer, STAFF),
        ("tiering", config.tiering_address, TieringEvents(intake, rules, zone), None),
        ("ticketing", config.ticketing_address, TicketingEvents(intake, rules), None),
    ):
        consumer = Consumer(database, CURSORS, f"{owner}.shuke", effect, clock=clock, new_id=new_id)
        feed = event_feed(owner, address, base.credentials)
        listeners.append(Listener(consumer, feed, projection))
    book = ContactBook(config.customer_address, base.credentials)
    patience = Patience(config.attempts, config.first_pause_seconds * SECOND, config.lease_seconds * SECOND)
    chance = secrets.SystemRandom().random
    delivery = Delivery(calls, messages, templates, LOG, book, ways_out, patience, chance)

    base.server.add(
        messages_pb2.DESCRIPTOR.services_by_name["MessageService"],
        MessageService(calls, database, messages, templates, chain, pager),
        Explanations(database),
    )
    base.server.add(
        templates_pb2.DESCRIPTOR.services_by_name["TemplateService"],
        TemplateService(calls, database, templates, chain, pager, config.approval_people, examples=not production),
    )
    base.server.add(
        policies_pb2.DESCRIPTOR.services_by_name["PolicyService"],
        PolicyService(
            policies_pb2,
            notice_rules(templates, TICKET_FILTERS),
            calls,
            database,
            pager,
            config.approval_people,
            examples=not production,
        ),
    )
    base.server.add(event_pb2.DESCRIPTOR.services_by_name["EventFeedService"], transport.feed)
    rewrapping = leases.worker("vault keys", Rewrapping(database, vault).step)
    pruning = leases.worker("old answers", Pruning(database, REQUESTS, clock, config.request_days).step)
    listening = map(transport.listening, listeners)
    workers = (leases, *transport.workers, *listening, rewrapping, pruning, delivery)
    return Service(base, workers, listeners=tuple(listeners))


def channels(config: NotifySettings, chain: Chain) -> dict[str, Channel]:
    """Make the channels that are switched on, or raise `SettingError` for settings that do not go together."""
    made: dict[str, Channel] = {}
    if config.smtp_address:
        made["EMAIL"] = SmtpChannel(_server(config))
    if config.file_dir:
        file = FileChannel(Path(config.file_dir), chain.zone_info)
        made |= {"SMS": file, "PHONE": file}
    return made


def _server(config: NotifySettings) -> Server:
    host, _, port = config.smtp_address.rpartition(":")
    if not config.smtp_sender:
        raise SettingError(f"{config.prefix}SMTP_SENDER is needed with {config.prefix}SMTP_ADDRESS")
    if config.smtp_tls == "none" and not _on_loopback(host):
        raise SettingError(f"{config.prefix}SMTP_TLS may be none only for a mail server on loopback")
    if config.lease_seconds <= ANSWERS * config.smtp_timeout_seconds:
        raise SettingError(f"{config.prefix}LEASE_SECONDS must be above {ANSWERS} times SMTP_TIMEOUT_SECONDS")
    return Server(
        host=host,
        port=int(port),
        sender=config.smtp_sender,
        tls=config.smtp_tls,
        user=config.smtp_user,
        password=config.smtp_password.get_secret_value(),
        timeout=config.smtp_timeout_seconds,
    )


def _on_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


PROGRAM = Program(API, NotifySettings, build, METADATA, Path(__file__).parent / "migrations", CHAIN, LOG)
