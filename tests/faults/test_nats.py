"""NATS stops, forgets, repeats and mixes up: every sale counts once with its listener, and nothing stays behind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from nats.js.api import StreamConfig
from nats.js.client import JetStreamContext

from chassis.events import PARTITIONS
from cli.suite import free_port
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tables import LEASES, LOG, RELAYED
from services.customer.tests.builders import Shop, line, pence, sale
from services.tiering.server import PROGRAM as TIERING
from services.tiering.spend.tables import DAYS
from services.tiering.tests.clients import wait_for
from shuke.event.v1 import event_pb2
from tests.faults.telling import Tell
from tests.running import Running, StartService
from tests.streams import NatsServer, Streams

STREAM = "faults-customer-shuke"
CUSTOMERS = 7
PATIENCE = 60.0
# How far a relay that comes back begins before its place, as one does that was killed before the place moved.
BEFORE = 10


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Run a server that the test may end."""
    made = NatsServer(tmp_path_factory.mktemp("nats"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def transport(server: NatsServer) -> dict[str, str]:
    """Let events go over that server."""
    return Streams(server.url, "faults").settings


@dataclass
class World:
    """A customer service, tiering behind it, NATS between them, and what sales were acknowledged to whom."""

    server: NatsServer
    shop: Shop
    tiering: Running
    chance: random.Random
    customers: list[str] = field(default_factory=list)
    sold: Counter[str] = field(default_factory=Counter)
    sales: int = 0
    away: bool = False

    @property
    def customer(self) -> Running:
        """The customer service."""
        return self.shop.running

    @property
    def streams(self) -> Streams:
        """The streams between them."""
        return Streams(self.server.url, "faults")

    def sell(self) -> None:
        """Record a sale, which must be acknowledged whatever becomes of NATS."""
        self.sales += 1
        who, amount = self.chance.choice(self.customers), self.chance.randrange(1, 100_00)
        self.shop.record(sale(f"R{self.sales}", line(1, amount), customer=who))
        self.sold[who] += amount

    def told(self) -> list[event_pb2.Event]:
        """Read the customer service's log."""
        with self.customer.database.read() as tx:
            heads = LOG.positions(tx, range(PARTITIONS))
            return LOG.read(tx, dict.fromkeys(range(PARTITIONS), 0), heads, 1_000_000)

    def published(self) -> list[event_pb2.Event]:
        """Read what the stream holds."""
        return self.streams.events(LOG.source)

    def settled(self) -> bool:
        """Tell whether tiering has dealt with all, and nothing waits for the stream."""
        with self.customer.database.read() as tx:
            heads = LOG.positions(tx, range(PARTITIONS))
            waiting = LOG.waiting(tx)
        [listener] = self.tiering.service.consumers
        with self.tiering.database.read() as tx:
            level = listener.positions(tx) == heads and listener.lag(tx) == 0
        read = self.customer.service.foundation.metrics.registry.get_sample_value
        relayed = (read("shuke_relay_backlog_events"), read("shuke_nats_connected")) == (0, 1)
        return waiting == 0 and level and relayed

    def counted(self) -> Counter[str]:
        """Read what tiering has added up."""
        with self.tiering.database.read() as tx:
            rows = tx.execute(sa.select(DAYS.c.customer_id, sa.func.sum(DAYS.c.sales)).group_by(DAYS.c.customer_id))
            return Counter({f"customers/{row[0]}": row[1] for row in rows})


def stop(world: World) -> None:
    """End NATS at once, or start it again."""
    if world.away:
        world.server.start()
    else:
        world.server.kill()
    world.away = not world.away


def pause(world: World) -> None:
    """Take the relay's lease away, or give it back to a relay that has forgotten how far it was."""
    with world.customer.database.write() as tx:
        relay = LEASES.c.name == "relay"
        if world.away:
            back = sa.case((RELAYED.c.position > BEFORE, RELAYED.c.position - BEFORE), else_=0)
            tx.execute(sa.update(RELAYED).values(position=back))
            tx.execute(sa.delete(LEASES).where(relay))
        else:
            tx.execute(sa.update(LEASES).where(relay).values(holder="nobody", until=2**62))
    world.away = not world.away


def delete(world: World) -> None:
    """Delete the streams with all that they hold."""
    world.streams.delete()


def mix(world: World) -> None:
    """Forget what is in the stream, and publish some of the log's events in any order, and twice."""
    events = world.told()
    some = world.chance.sample(events, len(events) // 2)

    async def work(stream: JetStreamContext) -> None:
        await stream.purge_stream(STREAM)
        for event in [*some, *world.chance.sample(some, len(some))]:
            subject = f"{world.streams.prefix}.{LOG.source}.{event.partition}"
            await stream.publish(subject, event.SerializeToString())

    world.streams.ask(work)


WHOLE = pytest.mark.whole
# Each fault, how often it comes among how many sales.
FORMS = [
    pytest.param(fault, faults, sales, marks=marks, id=f"{fault.__name__}-{sales}")
    for fault in (stop, pause, delete, mix)
    for faults, sales, marks in ((4, 60, ()), (30, 2000, (WHOLE, pytest.mark.timeout(600))))
]


@pytest.mark.parametrize(("fault", "faults", "sales"), FORMS)
def test_nats_loses_and_doubles_nothing(
    start_service: StartService,
    server: NatsServer,
    tell: Tell,
    fault: Callable[[World], None],
    faults: int,
    sales: int,
) -> None:
    """Whatever NATS does, sales are acknowledged, tiering's sums are exact to the penny, and its lag goes to none."""
    # The server forgets ids so soon that a relay that comes back brings the same events again.
    short = StreamConfig(STREAM, subjects=[f"faults.{LOG.source}.*"], duplicate_window=0.1)
    Streams(server.url, "faults").ask(lambda stream: stream.add_stream(short))
    port = free_port()
    shop = Shop(start_service(CUSTOMER, tiering_address=f"127.0.0.1:{port}"))
    tiering = start_service(TIERING, port=str(port), customer_address=shop.running.address)
    world = World(server, shop, tiering, random.Random(f"{fault.__name__} {sales}"))
    world.customers = [shop.customer() for _ in range(CUSTOMERS)]
    due = set(world.chance.sample(range(1, sales), faults))
    for number in range(sales):
        if number in due:
            fault(world)
        world.sell()
    if world.away:
        fault(world)
    wait_for(world.settled, PATIENCE)

    events, published = world.told(), world.published()
    recorded = sum(event.type.endswith(".PurchaseRecorded") for event in events)
    doubles = len(published) - len({event.id for event in published})
    if fault in (pause, mix):
        assert doubles > 0
    assert recorded == sales == world.sales
    assert world.counted() == world.sold
    assert {who: pence(shop.spend(who).net) for who in world.sold} == world.sold
    tell(
        injected=f"{faults} times: {(fault.__doc__ or '').rstrip('.')}",
        acknowledged=f"{sales} sales",
        found=f"{recorded} events, {len(published)} in the stream of which {doubles} again, sums equal, no lag",
    )
