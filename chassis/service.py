"""What every service is built on, and how its process runs: start, serve, drain."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import click
import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.descriptor import EnumDescriptor

from chassis import log
from chassis.access import AccessLog, Recorder
from chassis.calendar import EPOCH
from chassis.call import Call
from chassis.chain import ChainChangedError, remember
from chassis.client import Credentials
from chassis.clock import Clock, system_clock
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.errors import Unavailable
from chassis.events import EventLog
from chassis.ids import uuid7
from chassis.metrics import Metrics, MetricsPort, backlog
from chassis.migrations import UnmigratedError, check, upgrade
from chassis.paging import Pager
from chassis.principals import Principal
from chassis.server import Server
from chassis.settings import Chain, ServiceSettings, SettingError, Suite
from chassis.steps import Parts
from chassis.texts import Texts
from chassis.tokens import Signer, Verifier, read_trust

Authenticate = Callable[[Call], Principal]

# What an operator can mend; anything else is a fault of ours and keeps its trace.
SETUP_ERRORS = (SettingError, UnmigratedError, ChainChangedError, Unavailable, OSError, RuntimeError)


class Foundation:
    """The parts that every service is made of, built once from its settings.

    `claims` are the permissions that it claims where it calls other services.
    """

    def __init__(
        self,
        api: str,
        config: ServiceSettings,
        suite: Suite,
        chain: Chain,
        reasons: EnumDescriptor,
        clock: Clock,
        claims: tuple[str, ...] = ("events.read",),
        accesses: AccessLog | None = None,
    ) -> None:
        self.api = api
        self.config = config
        self.chain = chain
        self.clock = clock
        self.new_id = uuid7(clock)
        self.texts = Texts(api, reasons)
        self.database = Database(config.database_url.get_secret_value(), pool_size=config.pool_size)
        signing_key = config.signing_key.get_secret_value()
        self.credentials = Credentials(Signer(api, signing_key, clock), Principal(f"services/{api}", claims))
        self.pager = Pager(HKDF(SHA256(), 32, salt=None, info=b"page tokens").derive(signing_key.encode()))
        verifier = Verifier(api, read_trust(suite.trust), clock)
        self._authenticate: Authenticate = lambda call: verifier.verify(call.token)
        record = Recorder(accesses, self.database, clock, self.new_id).record if accesses else None
        self.metrics = Metrics()
        port = config.metrics_port
        self.metrics_port = None if port is None else MetricsPort(self.metrics, config.host, port)
        self.server = Server(
            Parts(self.texts, clock, self.authenticate, record, self.metrics),
            threads=config.threads,
            connection_seconds=config.connection_seconds,
        )

    def authenticate(self, call: Call) -> Principal:
        """Answer who calls, or raise."""
        return self._authenticate(call)

    def authenticate_with(self, authenticate: Authenticate) -> None:
        """Know callers in another way than by the suite's signed tokens."""
        self._authenticate = authenticate


class Background(Protocol):
    """Something that runs beside the gRPC server."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End at a safe point."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service ready to run. Fronts take calls from outside, so they stop before the server; workers stop after it.

    Workers stop in the reverse of the order in which they start. Consumers are what the commands for parked events ask.
    """

    foundation: Foundation
    workers: tuple[Background, ...]
    fronts: tuple[Background, ...] = ()
    consumers: tuple[Consumer, ...] = ()

    def start(self) -> int:
        """Listen and begin background work; answer the port."""
        config = self.foundation.config
        port = self.foundation.server.start(f"{config.host}:{config.port}")
        for part in (*self.workers, *self.fronts):
            part.start()
        if self.foundation.metrics_port:
            self.foundation.metrics_port.start()
        return port

    def stop(self) -> None:
        """Take no new calls, finish those in flight, end background work at a safe point, close the database."""
        self.foundation.server.serving(ready=False)
        for front in self.fronts:
            front.stop()
        self.foundation.server.drain(self.foundation.config.drain_seconds)
        for worker in reversed(self.workers):
            worker.stop()
        if self.foundation.metrics_port:
            self.foundation.metrics_port.stop()
        self.foundation.database.close()


@dataclass(frozen=True, slots=True)
class Program:
    """What `python -m services.<name>` needs to know of a service."""

    name: str
    settings: type[ServiceSettings]
    build: Callable[[Any, Suite, Chain, Clock], Service]
    metadata: sa.MetaData
    revisions: Path
    chain_table: sa.Table
    log: EventLog


def main(program: Program, group: click.Group | None = None) -> None:
    """Run a service's command line; an error of set-up is one clear line and exit code 2."""
    log.configure(program.name)
    try:
        (group or commands(program))(standalone_mode=False)
    except SETUP_ERRORS as error:
        because = f" ({error.__cause__})" if isinstance(error, Unavailable) else ""
        click.echo(f"{program.name}: {error}{because}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def commands(program: Program) -> click.Group:
    """Make the commands that every service has."""

    @click.group(help=f"The {program.name} service.")
    def group() -> None:
        pass

    @group.command("serve", help="Answer calls until a signal says stop.")
    @click.option("--migrate", is_flag=True, help="Bring the schema up to date first; for a suite on one machine.")
    def serve(*, migrate: bool) -> None:
        config, suite, chain = _settings(program)
        if migrate:
            _migrate(program, config)
        _serve(program, config, suite, chain)

    @group.command("migrate", help="Bring the schema of the database up to date.")
    def migrate_command() -> None:
        config, _, _ = _settings(program)
        _migrate(program, config)

    @group.command("check-config", help="Print the effective settings, secrets as stars.")
    def check_config() -> None:
        for settings in _settings(program):
            click.echo("\n".join(settings.lines()))

    @group.command("parked", help="List the subjects whose events wait, because the effect of the first one failed.")
    def parked() -> None:
        _list_parked(program)

    @group.command("replay", help="Apply a subject's parked events in order, up to the first that fails.")
    @click.argument("subject")
    def replay(subject: str) -> None:
        _replay(program, subject)

    return group


def prepare(service: Service, program: Program) -> None:
    """Do what comes before the first call: remember the chain's settings, begin the event log, tell what waits."""
    foundation = service.foundation
    remember(foundation.database, program.chain_table, foundation.chain)
    foundation.database.transact(lambda tx: program.log.begin(tx, foundation.new_id))
    foundation.metrics.watch(foundation.database, *backlog(program.log, service.consumers))


def _settings(program: Program) -> tuple[ServiceSettings, Suite, Chain]:
    config, suite, chain = program.settings.read(), Suite.read(), Chain.read()
    if suite.env == "production" and config.database_url.get_secret_value().startswith("sqlite"):
        raise SettingError(f"{config.prefix}DATABASE_URL: production needs PostgreSQL")
    return config, suite, chain


def _migrate(program: Program, config: ServiceSettings) -> None:
    database = Database(config.database_url.get_secret_value(), pool_size=1)
    upgrade(database, program.revisions, program.metadata)
    database.close()


def _serve(program: Program, config: ServiceSettings, suite: Suite, chain: Chain) -> None:
    service = program.build(config, suite, chain, system_clock)
    check(service.foundation.database, program.revisions)
    prepare(service, program)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    port = service.start()
    structlog.get_logger("service").info("serving", port=port, pid=os.getpid())
    stop.wait()
    service.stop()


@contextmanager
def _at_rest(program: Program) -> Iterator[Service]:
    """Build a service that does not run, for a command that works on its database beside the one that does."""
    service = program.build(*_settings(program), system_clock)
    try:
        check(service.foundation.database, program.revisions)
        yield service
    finally:
        service.foundation.database.close()


def _list_parked(program: Program) -> None:
    with _at_rest(program) as service, service.foundation.database.read() as tx:
        found = [each for consumer in service.consumers for each in consumer.parked.list(tx)]
    for each in found:
        since = (EPOCH + timedelta(microseconds=each.park_time)).isoformat(timespec="seconds")
        click.echo(
            f"{each.subject}: {each.events} waiting of {each.source} since {since}; the first is "
            f"{each.partition}/{each.position}, tries {each.tries}: {each.problem}"
        )
    click.echo(f"parked subjects: {len(found)}")


def _replay(program: Program, subject: str) -> None:
    done = 0
    with _at_rest(program) as service:
        for consumer in service.consumers:
            took_effect, problem = consumer.replay(subject)
            done += took_effect
            if problem:
                raise click.ClickException(f"took effect: {done}; the next one failed: {problem}")
    if not done:
        raise click.ClickException(f"no event of {subject} is parked")
    click.echo(f"took effect: {done}")
