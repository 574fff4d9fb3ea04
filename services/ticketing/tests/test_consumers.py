"""What the directory and tiering tell is known here: stores, members of staff, and the classes of customers."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import names
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.events import partition_of
from chassis.migrations import upgrade
from services.ticketing.consumers import CUSTOMER, TIERING, on_customer, on_tiering
from services.ticketing.followups import repository as followups
from services.ticketing.followups.domain import FollowUp
from services.ticketing.people import repository
from services.ticketing.people.domain import Member
from services.ticketing.server import PROGRAM
from services.ticketing.tables import CURSORS
from shuke.customer.v1.events_pb2 import ConsentChanged, StaffChanged, StoreChanged
from shuke.event.v1 import event_pb2
from shuke.tiering.v1.events_pb2 import EvaluationCompleted, MembershipChanged
from tests.databases import MakeDatabase

ANNA = str(uuid.UUID(int=1))
NADIA = Member("S-1", active=True, roles=("assistant",), stores=("LON-1", "LON-2"), chain_wide=False, superior="S-9")


class Listener:
    """The service's two consumers, and the owners' feeds, which number what they tell."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.heads: Counter[tuple[str, int]] = Counter()

    def told(self, *changes: Message) -> list[event_pb2.Event]:
        """Number events as their owner does."""
        return [self._event(change) for change in changes]

    def _event(self, change: Message) -> event_pb2.Event:
        source = f"{change.DESCRIPTOR.full_name.split('.')[1]}.shuke"
        key = next((value for _, value in change.ListFields() if isinstance(value, str)), "evaluations/1")
        partition = partition_of(key)
        self.heads[(source, partition)] += 1
        data = Any()
        data.Pack(change)
        position = self.heads[(source, partition)]
        return event_pb2.Event(source=source, partition_key=key, partition=partition, position=position, data=data)

    def deliver(self, *events: event_pb2.Event) -> int:
        """Deliver events of either owner; answer how many were dealt with."""
        return sum(
            Consumer(self.database, CURSORS, source, effect, clock=lambda: 0, new_id=lambda: "id").deliver(
                [event for event in events if event.source == source], f"epoch of {source}"
            )
            for source, effect in ((CUSTOMER, on_customer), (TIERING, on_tiering))
        )

    def hear(self, *changes: Message) -> int:
        """Deliver changes that are told now."""
        return self.deliver(*self.told(*changes))

    def staff(self, *codes: str) -> dict[str, Member]:
        """Read members of staff."""
        with self.database.read() as tx:
            return repository.staff(tx, codes)

    def knows(self, store: str) -> bool:
        """Tell whether a store is known."""
        with self.database.read() as tx:
            return repository.knows_store(tx, store)

    def classes(self, customer: str = ANNA) -> tuple[str, ...]:
        """Read a customer's classes."""
        with self.database.read() as tx:
            return repository.classes(tx, customer)


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, PROGRAM.metadata), PROGRAM.name)


@pytest.fixture
def listener(database: Database) -> Listener:
    """Listen to both owners, on each engine in turn."""
    return Listener(database)


def member(told: Member) -> StaffChanged:
    """Write that a member of staff was entered or changed."""
    return StaffChanged(
        staff=names.name("staff", told.code),
        active=told.active,
        roles=told.roles,
        stores=[names.name("stores", code) for code in told.stores],
        chain_wide=told.chain_wide,
        superior=names.name("staff", told.superior),
    )


def changed(to_class: str, scheme: str = "loyalty", customer: str = ANNA) -> MembershipChanged:
    """Write that a customer's class changed."""
    return MembershipChanged(customer=f"customers/{customer}", scheme=f"schemes/{scheme}", to_class=to_class)


def test_a_member_is_known_as_told_last(listener: Listener) -> None:
    """Whether a member is active, the roles, the stores and the superior are those that the directory told last."""
    boss = Member("S-9", active=True, roles=(), stores=(), chain_wide=True, superior="")
    assert listener.hear(member(NADIA), member(boss)) == 2
    assert listener.staff("S-1", "S-9", "S-1", "S-2") == {"S-1": NADIA, "S-9": boss}
    left = Member("S-1", active=False, roles=("assistant", "engineer"), stores=(), chain_wide=True, superior="")
    moved = Member("S-1", active=True, roles=(), stores=("LON-3",), chain_wide=False, superior="S-9")
    assert listener.hear(member(moved), member(left)) == 2
    assert listener.staff("S-1", "S-9") == {"S-1": left, "S-9": boss}
    assert listener.staff() == {}


@pytest.mark.requirement("K-20")
def test_the_superior_follows_up_for_who_left(listener: Listener) -> None:
    """Open follow-ups of a member who leaves go to the superior, also when the member comes back at once.

    Without a superior they stay, for others to find.
    """
    hers, his = FollowUp("a", "t", "1", ANNA, "", "S-1", 1, 10), FollowUp("b", "t", "1", ANNA, "", "S-2", 2, 10)
    with listener.database.write() as tx:
        followups.add(tx, [hers, his])
    alone = replace(NADIA, code="S-2", active=False, superior="")
    listener.hear(member(NADIA), member(replace(NADIA, active=False)), member(NADIA), member(alone))
    with listener.database.read() as tx:
        assert [followups.get(tx, one).owner for one in ("a", "b")] == ["S-9", "S-2"]


def test_a_store_is_known_once_it_was_told(listener: Listener) -> None:
    """A store is known from its first event on, also when it is told again; another is not."""
    assert not listener.knows("LON-1")
    london = StoreChanged(store="stores/LON-1")
    assert listener.hear(london, london) == 2
    assert listener.hear(london) == 1
    assert (listener.knows("LON-1"), listener.knows("LON-2")) == (True, False)


@pytest.mark.requirement("T-20")
def test_the_last_class_of_each_scheme_counts(listener: Listener) -> None:
    """A customer has one class per scheme, the one told last; none takes the class away, and from nobody else."""
    other = str(uuid.UUID(int=2))
    assert listener.classes() == ()
    assert listener.hear(changed("NEW"), changed("A", "value"), changed("GOLD"), changed("B", "value", other)) == 4
    assert listener.classes() == ("loyalty:GOLD", "value:A")
    assert listener.hear(changed("SILVER"), changed("", "value"), changed("", "never-had")) == 3
    assert listener.classes() == ("loyalty:SILVER",)
    assert listener.classes(other) == ("value:B",)


def test_classes_stand_in_alphabetical_order(listener: Listener) -> None:
    """The order is that of "scheme:CLASS" as a whole, the same on both engines."""
    listener.hear(changed("A", "value"), changed("B", "value-2"), changed("C", "Value"))
    assert listener.classes() == ("Value:C", "value-2:B", "value:A")


def test_an_event_takes_effect_once(listener: Listener) -> None:
    """What is delivered again is skipped, and what lies beyond a gap waits for it."""
    first, second, third = listener.told(changed("NEW"), changed("SILVER"), changed("GOLD"))
    assert listener.deliver(first) == 1
    assert listener.deliver(third) == 0
    assert listener.deliver(second, first) == 1
    assert listener.deliver(first) == 0
    assert listener.classes() == ("loyalty:SILVER",)
    assert listener.deliver(third) == 1
    assert listener.classes() == ("loyalty:GOLD",)


def test_each_owner_has_a_cursor_of_its_own(listener: Listener) -> None:
    """Events of both owners at the same place of the same partition take effect."""
    staff, tier = listener.told(member(NADIA), changed("GOLD"))
    tier.partition, tier.position = staff.partition, staff.position
    assert listener.deliver(staff, tier) == 2
    assert (list(listener.staff("S-1")), listener.classes()) == (["S-1"], ("loyalty:GOLD",))


def test_events_that_mean_nothing_here_are_passed_over(listener: Listener) -> None:
    """An event of another type moves the cursor and changes nothing."""
    consent = ConsentChanged(customer=f"customers/{ANNA}")
    assert listener.hear(consent, EvaluationCompleted(), changed("NEW"), StoreChanged(store="stores/LON-1")) == 4
    assert (listener.classes(), listener.knows("LON-1")) == (("loyalty:NEW",), True)


STORY = st.lists(st.tuples(st.sampled_from(["loyalty", "value"]), st.sampled_from(["", "A", "B"])), max_size=8)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORY, cuts=st.sets(st.integers(1, 7)))
def test_batches_make_no_difference(database: Database, story: Sequence[tuple[str, str]], cuts: set[int]) -> None:
    """However events fall into batches, what stands in the end is what was told last of each scheme."""
    customer = str(uuid.uuid4())
    events = Listener(database).told(*(changed(to_class, scheme, customer) for scheme, to_class in story))
    for start, end in pairwise([0, *sorted(cuts), 8]):
        with database.write() as tx:
            on_tiering(tx, events[start:end], 0, str)
    expected = tuple(f"{scheme}:{key}" for scheme, key in sorted(dict(story).items()) if key)
    with database.read() as tx:
        assert repository.classes(tx, customer) == expected
