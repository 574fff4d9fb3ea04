"""What every service is built on, and how its process runs: start, serve, drain."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from chassis.database import Database, Occupied, Tx
from chassis.errors import Unavailable
from chassis.events import EventLog
from chassis.ids import uuid7
from chassis.leases import DATABASE_TIME
from chassis.metrics import Metrics, MetricsPort, backlog
from chassis.migrations import UnmigratedError, check, upgrade
from chassis.paging import Pager
from chassis.principals import Principal
from chassis.rebuild import Listener
from chassis.server import Server
from chassis.settings import Chain, ServiceSettings, SettingError, Suite
from chassis.steps import Parts
from chassis.texts import Texts
from chassis.tokens import Signer, Verifier, read_trust
from chassis.workers import Worker

Authenticate = Callable[[Call], Principal]

# After how many new objects the collector of garbage looks at the youngest, and how many of its looks go to a look at
# the older ones and at all: a batch of a thousand sales makes some hundred thousand.
COLLECTIONS = (50_000, 20, 100)
# What an operator can mend; anything else is a fault of ours and keeps its trace.
SETUP_ERRORS = (SettingError, UnmigratedError, ChainChangedError, Occupied, Unavailable, OSError, RuntimeError)


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
        self.database = Database(
            config.database_url.get_secret_value(),
            pool_size=config.pool_size,
            statement_seconds=config.statement_seconds,
            lock_seconds=config.lock_seconds,
        )
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
        self.metrics.gauge("shuke_database_up", "Whether the database answers and has room", lambda: self._up)
        self._up = 1
        self.watch = Worker("database", self._look)

    def _look(self) -> int:
        """Tell health what becomes of the database."""
        try:
            self.database.ping()
        except Unavailable:
            self._up = 0
        else:
            self._up = 1
        self.server.able(able=self._up == 1)
        return 0

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

    Workers stop in the reverse of the order in which they start. Listeners are what the commands for parked events and
    rebuilds ask.
    """

    foundation: Foundation
    workers: tuple[Background, ...]
    fronts: tuple[Background, ...] = ()
    listeners: tuple[Listener, ...] = ()
    answers: bool = True

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """What applies other services' events."""
        return tuple(each.consumer for each in self.listeners)

    def answering(self) -> Service:
        """Take calls only: the background work is another process's."""
        return replace(self, workers=())

    def working(self) -> Service:
        """Do the background work only: calls are for other processes."""
        return replace(self, fronts=(), answers=False)

    def start(self) -> int:
        """Listen and begin background work; answer the port, which is 0 where no calls are taken."""
        config = self.foundation.config
        port = self.foundation.server.start(f"{config.host}:{config.port}") if self.answers else 0
        background = (self.foundation.watch, *self.workers)
        for part in (*background, *self.fronts):
            part.start()
        self.foundation.metrics.follow(part for part in background if isinstance(part, Worker))
        if self.foundation.metrics_port:
            self.foundation.metrics_port.start()
        return port

    def stop(self) -> None:
        """Take no new calls, finish those in flight, end background work at a safe point, close the database."""
        self.foundation.server.serving(ready=False)
        for front in self.fronts:
            front.stop()
        if self.answers:
            self.foundation.server.drain(self.foundation.config.drain_seconds)
        for worker in reversed((self.foundation.watch, *self.workers)):
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

    @group.command("serve", help="Answer calls, and work in the background, until a signal says stop.")
    @click.option("--migrate", is_flag=True, help="Bring the schema up to date first; for a suite on one machine.")
    @click.option("--no-work", is_flag=True, help="Answer calls only; `work` runs as a process of its own.")
    def serve(*, migrate: bool, no_work: bool) -> None:
        service = program.build(*_settings(program), system_clock)
        _run(program, service.answering() if no_work else service, migrate=migrate)

    @group.command("work", help="Work in the background only, beside processes that run `serve --no-work`.")
    def work() -> None:
        _run(program, program.build(*_settings(program), system_clock).working())

    @group.command("migrate", help="Bring the schema of the database up to date.")
    def migrate_command() -> None:
        config, _, _ = _settings(program)
        database = Database(config.database_url.get_secret_value(), pool_size=1)
        upgrade(database, program.revisions, program.metadata)
        database.close()

    @group.command("check-config", help="Print the effective settings, secrets as stars.")
    def check_config() -> None:
        for settings in _settings(program):
            click.echo("\n".join(settings.lines()))

    _mending(group, program)
    return group


def _mending(group: click.Group, program: Program) -> None:
    """Add the commands for what does not mend itself."""

    @group.command("parked", help="List the subjects whose events wait, because the effect of the first one failed.")
    def parked() -> None:
        _list_parked(program)

    @group.command("replay", help="Apply a subject's parked events in order, up to the first that fails.")
    @click.argument("subject")
    def replay(subject: str) -> None:
        _replay(program, subject)

    @group.command("rebuild", help="Build anew what events of other services add up to; the service that runs does it.")
    @click.option("--source", help="Only of events of this service, such as customer.shuke.")
    def rebuild(source: str | None) -> None:
        _rebuild(program, source)

    @group.command("restored", help="After a restore, before the next start: tell listeners that events were lost.")
    def restored() -> None:
        _restored(program)


def prepare(service: Service, program: Program) -> None:
    """Do what comes before the first call: remember the chain's settings, begin the event log, tell what waits."""
    foundation = service.foundation
    remember(foundation.database, program.chain_table, foundation.chain)
    foundation.database.transact(lambda tx: program.log.begin(tx, foundation.new_id))
    foundation.metrics.watch(foundation.database, *backlog(program.log, service.listeners))


def _settings(program: Program) -> tuple[ServiceSettings, Suite, Chain]:
    config, suite, chain = program.settings.read(), Suite.read(), Chain.read()
    if suite.env == "production" and config.database_url.get_secret_value().startswith("sqlite"):
        raise SettingError(f"{config.prefix}DATABASE_URL: production needs PostgreSQL")
    return config, suite, chain


def collect_less() -> None:
    """Let the collector of garbage leave alone what was made at the start, and look less often at what calls make.

    Most of that is gone with its last reference; the collector is there for the little that is not.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def hear_signals() -> int:
    """Hear from here on when the process shall end: what is answered can be read then.

    Nobody but the system does anything when the signal comes. A handler that sets an event would run in the very thread
    that waits for it, and if that is about to begin, stand before the event's lock, which the thread holds, for ever.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return reading


def _run(program: Program, service: Service, *, migrate: bool = False) -> None:
    database = service.foundation.database
    database.occupy()
    if migrate:
        upgrade(database, program.revisions, program.metadata)
    check(database, program.revisions)
    prepare(service, program)
    collect_less()
    # What ends a process at once, kill -ABRT among it, tells first what each thread was doing.
    faulthandler.enable()
    ending = hear_signals()
    port = service.start()
    log_line = structlog.get_logger("service")
    if service.answers:
        log_line.info("serving", port=port, pid=os.getpid())
    else:
        log_line.info("working", pid=os.getpid())
    os.read(ending, 1)
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


def _rebuild(program: Program, source: str | None) -> None:
    with _at_rest(program) as service:
        wanted = [each for each in service.listeners if each.projects and source in (None, each.consumer.source)]
        if not wanted:
            raise click.ClickException(f"nothing is built of events of {source or 'others'}")
        for listener in wanted:
            listener.database.transact(listener.ask)
        for listener in wanted:
            for found in listener.follow():
                so_far = f"{found.done} of {found.events} events" if found.epoch else "waits for the service to begin"
                click.echo(f"{listener.consumer.source}: {so_far}")
            click.echo(f"{listener.consumer.source}: built anew")


def _restored(program: Program) -> None:
    with _at_rest(program) as service:
        foundation = service.foundation
        database, leases = foundation.database, program.metadata.tables["leases"]

        def work(tx: Tx) -> None:
            if not database.sqlite and tx.execute(sa.select(leases).where(leases.c.until > DATABASE_TIME)).first():
                raise Occupied(f"{program.name} runs, or ran five seconds ago: stop it, and say this again")
            program.log.begin(tx, foundation.new_id)
            program.log.restored(tx, foundation.new_id)

        database.occupy()
        database.transact(work)
        with foundation.database.read() as tx:
            epoch = program.log.epoch(tx)
    click.echo(f"epoch {epoch} begins: listeners learn of it when {program.name} serves again")
