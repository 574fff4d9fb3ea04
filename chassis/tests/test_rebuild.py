"""Another epoch and rebuilds: what was built on a lost part of a log goes, and what was done is not done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chassis.consumer import ALL, EpochChanged, LogCut
from chassis.database import Database
from chassis.events import PARTITIONS
from chassis.rebuild import parting
from chassis.tests.rebuilding import (
    BESIDE,
    LOG,
    NOTHING_LEFT,
    OWNER,
    SUMS,
    Adder,
    Meanwhile,
    Owner,
    ask,
    epochs,
)
from shuke.event.v1 import event_pb2
from tests.databases import MakeDatabase

# Names of three partitions.
ANNA, BERT, CARL = "anna", "bert", "carl"


def test_what_was_built_on_a_lost_part_is_built_anew(adder: Adder) -> None:
    """The sums are those of the log as it is, and only what is new in it is told, once."""
    adder.owner.tell(anna=1, bert=2)
    adder.owner.tell(bert=20)
    adder.owner.tell(anna=10)
    adder.settle()
    adder.owner.restore(1)
    adder.owner.tell(anna=100)
    adder.told()
    adder.settle()
    assert adder.totals() == adder.owner.totals() == {ANNA: 101, BERT: 22}
    assert adder.told() == [(ANNA, 100)]
    assert (adder.rows(), epochs(adder)) == (NOTHING_LEFT, {adder.owner.ids[-2]})


def test_the_stale_projection_answers_until_the_switch(adder: Adder) -> None:
    """While the twin is filled the live rows stay what they were; an error tells of it once, and a line of the end."""
    adder.owner.tell(anna=1)
    adder.owner.tell(anna=10)
    adder.settle()
    adder.owner.restore(1)
    listener = adder.listener()
    with capture_logs() as logs:
        listener.step()
        with adder.database.read() as tx:
            found = listener.find(tx)
        assert found
        assert (found.done, found.events, found.left) == (0, 1, 1)
        assert adder.totals() == {ANNA: 11}
        adder.settle(listener)
    assert adder.totals() == {ANNA: 1}
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("projection stale", "error"),
        ("projection rebuilt", "info"),
    ]
    assert logs[1]["changed"] == 2


def test_who_is_behind_the_restored_owner_only_goes_on(adder: Adder) -> None:
    """Where nothing that was read is lost, nothing is built anew: the cursors go over to the new epoch."""
    adder.owner.tell(anna=1)
    adder.settle()
    adder.owner.tell(anna=10)
    adder.owner.restore()
    with capture_logs() as logs:
        adder.settle()
    assert adder.totals() == {ANNA: 11}
    assert adder.told() == [(ANNA, 1), (ANNA, 10)]
    assert [line["event"] for line in logs] == ["owner restored"]


def test_who_keeps_no_projection_goes_back_to_where_the_logs_part(adder: Adder) -> None:
    """What was done stays done; what is new in the log takes effect, also under positions that were read before."""
    listener = adder.listener(projects=False)
    adder.owner.tell(anna=1, bert=2)
    adder.owner.tell(anna=10)
    adder.settle(listener)
    adder.owner.restore(1)
    adder.owner.tell(anna=100)
    adder.told()
    adder.settle(listener)
    assert adder.told() == [(ANNA, 100)]
    assert adder.totals() == {ANNA: 111, BERT: 2}


def test_a_new_log_is_read_from_its_beginning(adder: Adder, make_database: MakeDatabase) -> None:
    """An owner that begins with an empty database shares nothing: all that it tells is new."""
    adder.owner.tell(anna=1)
    adder.settle()
    adder.owner = Owner(make_database(lambda new: OWNER.create_all(new.writer), "rebuilding owner"), ["another"])
    adder.owner.begin()
    adder.owner.tell(bert=2)
    adder.told()
    adder.settle()
    assert adder.totals() == {BERT: 2}
    assert adder.told() == [(BERT, 2)]


def test_what_another_way_delivers_is_decided_by_the_feed(adder: Adder) -> None:
    """Events of another epoch than the one that was read change nothing, whichever it is and whenever they come."""
    adder.owner.tell(anna=1)
    adder.owner.tell(anna=10)
    late = adder.owner.read_events(dict.fromkeys(range(PARTITIONS), 0), 10)
    adder.settle()
    adder.owner.restore(1)
    adder.owner.tell(anna=100)
    new = adder.owner.read_events(dict.fromkeys(range(PARTITIONS), 0), 10)
    listener = adder.listener()
    with pytest.raises(EpochChanged):
        listener.consumer.deliver(new.events, new.epoch)
    assert adder.totals() == {ANNA: 11}
    adder.settle(listener)
    with pytest.raises(EpochChanged):
        listener.consumer.deliver(late.events, late.epoch)
    assert adder.totals() == {ANNA: 101}
    assert adder.told() == [(ANNA, 1), (ANNA, 10), (ANNA, 100)]


def test_a_second_restore_begins_the_rebuild_anew(adder: Adder) -> None:
    """What was read beside in an epoch that is over is thrown away."""
    for amount in (1, 10, 100):
        adder.owner.tell(anna=amount, bert=amount)
    adder.settle()
    adder.owner.restore(1)
    listener = adder.listener()
    listener.step()
    listener.beside.poll(adder.owner)
    assert adder.totals(BESIDE) == {ANNA: 11, BERT: 11}
    adder.owner.restore(2)
    adder.owner.tell(anna=1000)
    adder.told()
    adder.settle(listener)
    assert adder.totals() == {ANNA: 1001, BERT: 1}
    assert adder.told() == [(ANNA, 1000)]
    assert adder.rows() == NOTHING_LEFT


def test_who_fills_the_twin_for_an_epoch_that_is_over_fails(adder: Adder) -> None:
    """A process that comes late with what it had read writes nothing, neither beside nor live."""
    adder.owner.tell(anna=1)
    adder.owner.tell(anna=10)
    adder.settle()
    read = adder.owner.read_events(dict.fromkeys(range(PARTITIONS), 0), 10)
    adder.owner.restore(1)
    late, listener = adder.listener(), adder.listener()
    listener.step()
    with pytest.raises(EpochChanged):
        late.beside.deliver(read.events, read.epoch)
    adder.settle(listener)
    with pytest.raises(EpochChanged):
        late.consumer.deliver(read.events, read.epoch)
    assert adder.totals() == {ANNA: 1}


def test_an_owner_that_says_nothing_of_its_restore_is_refused(adder: Adder) -> None:
    """A log that ends before what was read, in the same epoch, stops the listener with words that say what to do."""
    adder.owner.tell(anna=1)
    adder.settle()
    with adder.owner.database.write() as tx:
        tx.execute(sa.delete(LOG.events))
        tx.execute(sa.update(LOG.heads).values(position=0))
    with pytest.raises(LogCut, match=r"owner\.shuke was restored: run `restored` there"):
        adder.listener().step()
    assert adder.totals() == {ANNA: 1}


# ------------------------------------------------------------------------------------------------------------- by hand


def test_a_rebuild_by_hand_mends_what_is_wrong_and_tells_nobody(adder: Adder) -> None:
    """Rows that should not be there go, wrong and missing ones come back, and the live listener goes on meanwhile."""
    adder.owner.tell(anna=1, bert=2, carl=3)
    adder.owner.tell(anna=10)
    adder.settle()
    with adder.database.write() as tx:
        tx.execute(sa.update(SUMS).where(SUMS.c.key == ANNA).values(total=7))
        tx.execute(sa.delete(SUMS).where(SUMS.c.key == BERT))
        tx.execute(sa.insert(SUMS).values(key="nobody", total=5, events=1))
    adder.told()
    listener = adder.listener()
    ask(listener)
    ask(listener)
    with capture_logs() as logs:
        listener.step()
        adder.owner.tell(carl=30)
        adder.settle(listener)
    assert adder.totals() == adder.owner.totals() == {ANNA: 11, BERT: 2, CARL: 33}
    assert adder.told() == [(CARL, 30)]
    assert [(line["event"], line["changed"]) for line in logs] == [("projection rebuilt", 4)]
    assert adder.rows() == NOTHING_LEFT


def test_a_rebuild_has_never_read_more_than_there_is(adder: Adder) -> None:
    """Events that come while it is under way count among those that it reads, once it has read them."""
    adder.owner.tell(anna=1)
    adder.settle()
    listener = adder.listener()
    ask(listener)
    told = []

    def meanwhile() -> None:
        with adder.database.read() as tx:
            found = listener.find(tx)
        assert found
        told.append((found.done, found.events, found.left))
        adder.owner.tell(bert=2)
        adder.listener().consumer.poll(adder.owner)

    listener.feed = Meanwhile(adder.owner, [meanwhile] * 6)
    adder.settle(listener)
    # One event when it was asked for, two when it began.
    assert told == [(0, 1, 1), (0, 2, 2), (0, 2, 2), (3, 3, 0), (3, 3, 0), (5, 5, 0)]


def test_with_nothing_read_there_is_nothing_to_build(adder: Adder) -> None:
    """A listener that has read nothing takes no order, and comes to rest."""
    listener = adder.listener()
    ask(listener)
    adder.settle(listener)
    assert adder.rows() == NOTHING_LEFT


def test_parked_events_follow_the_projection(adder: Adder) -> None:
    """What the twin lacks is parked for it; what waited in the log that is lost, or is mended, waits no more."""
    adder.poison = {ANNA, BERT}
    with capture_logs():
        adder.owner.tell(anna=1, bert=2)
        adder.owner.tell(anna=10)
        adder.settle()
        adder.poison = {ANNA}
        adder.owner.restore(1)
        listener = adder.listener()
        adder.settle(listener)
    with adder.database.read() as tx:
        [parked] = listener.consumer.parked.list(tx)
        assert listener.beside.parked.list(tx) == []
    assert (parked.subject, parked.position, parked.events, parked.tries) == (ANNA, 1, 1, 3)
    assert adder.totals() == {BERT: 2}
    adder.poison = set()
    assert listener.consumer.replay(ANNA) == (1, "")
    assert adder.totals() == {ANNA: 1, BERT: 2}


def test_who_goes_back_forgets_what_waited_in_the_lost_part(adder: Adder) -> None:
    """Of parked events those stay that are in the log still."""
    listener = adder.listener(projects=False)
    adder.poison = {ANNA}
    with capture_logs():
        adder.owner.tell(anna=1)
        adder.owner.tell(anna=10)
        adder.settle(listener)
        adder.owner.restore(1)
        adder.settle(listener)
    with adder.database.read() as tx:
        [parked] = listener.consumer.parked.list(tx)
    assert (parked.position, parked.events) == (1, 1)


# -------------------------------------------------------------------------------------------------------------- faults


class CrashError(BaseException):
    """The process ends here."""


@contextmanager
def dying(database: Database, after: int) -> Iterator[None]:
    """End the process at the statement of writers that comes after so many."""
    seen = [0]

    def count(*_: object) -> None:
        seen[0] += 1
        if seen[0] > after:
            raise CrashError

    sa.event.listen(database.writer, "before_cursor_execute", count)
    try:
        yield
    finally:
        sa.event.remove(database.writer, "before_cursor_execute", count)


def test_a_rebuild_goes_on_wherever_it_was_cut_off(adder: Adder) -> None:
    """Killed before each statement in turn, and started again, it ends with the same sums and nobody told twice."""
    adder.owner.tell(anna=1, bert=2)
    adder.owner.tell(anna=10)
    adder.settle()
    adder.told()
    adder.owner.restore(1)
    adder.owner.tell(anna=100)
    crashes = 0
    while True:
        with dying(adder.database, crashes):
            try:
                adder.settle()
            except CrashError:
                crashes += 1
            else:
                break
    assert crashes > 20
    assert adder.totals() == adder.owner.totals() == {ANNA: 101, BERT: 2}
    assert adder.told() == [(ANNA, 100)]
    assert adder.rows() == NOTHING_LEFT


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("tell"), st.sampled_from((ANNA, BERT, CARL)), st.integers(1, 9)),
            st.tuples(st.just("restore"), st.integers(0, 3), st.just(0)),
            st.tuples(st.just("step"), st.integers(0, 1), st.integers(0, 1)),
            st.tuples(st.just("ask"), st.integers(0, 1), st.just(0)),
            st.tuples(st.just("crash"), st.integers(0, 1), st.integers(0, 30)),
        ),
        max_size=20,
    )
)
def test_whatever_happens_the_sums_are_those_of_the_log(adder: Adder, steps: list[tuple[str, str | int, int]]) -> None:
    """Through sales, restores, orders and crashes of two replicas, with all or half of the partitions, all adds up."""
    listeners = [adder.listener(), adder.listener()]
    with capture_logs():
        for kind, who, number in steps:
            match kind, who:
                case "tell", str():
                    adder.owner.tell(**{who: number})
                case "restore", int():
                    adder.owner.restore(min(who, len(adder.owner.copies)))
                case "step", int():
                    listeners[who].step(ALL if number else range(who, PARTITIONS, 2))
                case "ask", int():
                    ask(listeners[who])
                case "crash", int():
                    with dying(adder.database, number), suppress(CrashError):
                        listeners[who].step()
        adder.settle(listeners[0])
    assert adder.totals() == adder.owner.totals()
    assert adder.rows() == NOTHING_LEFT


# --------------------------------------------------------------------------------------------------------------- rules


def ended(epoch: str, *positions: int) -> event_pb2.PastEpoch:
    """Write an epoch that is over."""
    heads = [event_pb2.Cursor(partition=part, position=position) for part, position in enumerate(positions)]
    return event_pb2.PastEpoch(epoch=epoch, heads=heads)


def test_logs_part_where_the_epoch_that_was_read_ended() -> None:
    """A later restore of the same log does not bring back what an earlier one took away."""
    past = [ended("a", 5, 5), ended("b", 9, 9)]
    assert parting({0: 7, 1: 3}, "a", past) == {0: 5, 1: 3}
    assert parting({0: 7, 1: 3}, "b", past) == {0: 7, 1: 3}
    assert parting({0: 12, 1: 3}, "of another branch", past) == {0: 9, 1: 3}
    assert parting({0: 12, 1: 3}, "a", []) == {0: 0, 1: 0}
