"""Leases: one process at a time does a piece of work, a dead one is replaced soon, and one that stops at once.

A process that is really killed stands in `test_operations`.
"""

from __future__ import annotations

from functools import partial
from threading import Event

import pytest
import sqlalchemy as sa

from chassis.calendar import SECOND
from chassis.clock import elapsed
from chassis.database import Database, metadata
from chassis.leases import LENGTH, LOOK, LeaseLost, Leases, leases_table
from chassis.tests.events import at_once, until
from chassis.tests.operating import pass_time
from tests.running import START, Clock

TABLES = metadata()
TABLE = leases_table(TABLES)
HOUR = 3600 * SECOND


@pytest.fixture
def clock() -> Clock:
    """Share the time that passes among the processes of a test."""
    return Clock()


@pytest.fixture
def one(database: Database, clock: Clock) -> Leases:
    """Make the leases of a process."""
    return Leases(database, TABLE, clock, "one")


@pytest.fixture
def two(database: Database, clock: Clock) -> Leases:
    """Make the leases of another process."""
    return Leases(database, TABLE, clock, "two")


def test_one_process_holds_a_lease(one: Leases, two: Leases) -> None:
    """Who asks first holds it and goes on holding it, nobody else does, and another lease is another matter."""
    assert (one.hold("work"), two.hold("work"), one.hold("work")) == (True, False, True)
    assert (two.hold("other"), one.hold("other")) == (True, False)


def test_of_many_that_ask_at_once_one_gets_it(database: Database, clock: Clock) -> None:
    """A lease that is free, and one that has run out, go to one of those who ask at the same moment."""
    for _ in range(5):
        processes = [Leases(database, TABLE, clock, f"process {number}") for number in range(6)]
        assert sorted(at_once(*(partial(each.hold, "work") for each in processes))) == [False] * 5 + [True]
        pass_time(database, TABLE, clock, LENGTH)


def test_a_dead_process_is_replaced_when_its_lease_is_over(one: Leases, two: Leases, clock: Clock) -> None:
    """A lease that nobody renews is free at its end, not before, and the one who lost it finds out."""
    assert one.hold("work")
    # What is left is long enough for PostgreSQL's clock, which goes on.
    pass_time(one.database, TABLE, clock, LENGTH // 2)
    assert not two.hold("work")
    pass_time(one.database, TABLE, clock, LENGTH - LENGTH // 2)
    assert two.hold("work")
    assert not one.hold("work")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("apart", [HOUR, -HOUR])
def test_processes_need_no_common_clock(database: Database, one: Leases, apart: int) -> None:
    """However far apart the time of two processes lies, neither takes what the other holds, and each takes over."""
    clock = Clock(START + apart)
    two = Leases(database, TABLE, clock, "two")
    assert (one.hold("work"), two.hold("work"), one.hold("work")) == (True, False, True)
    assert (two.hold("other"), one.hold("other")) == (True, False)
    one.renew()
    two.renew()
    assert (two.hold("work"), one.hold("other")) == (False, False)
    pass_time(database, TABLE, clock, LENGTH)
    assert (two.hold("work"), one.hold("other")) == (True, True)


def test_a_living_process_keeps_its_leases(one: Leases, two: Leases, clock: Clock) -> None:
    """Leases that are renewed at a third of their length are never free."""
    assert one.hold("work")
    for _ in range(10):
        pass_time(one.database, TABLE, clock, LENGTH // 3)
        one.renew()
        assert not two.hold("work")
    assert one.hold("work")


def test_waiting_costs_no_write(one: Leases, two: Leases, database: Database) -> None:
    """A process that asks for what another one holds only reads, however often it asks."""
    one.hold("work")
    written = []
    sa.event.listen(database.writer, "before_cursor_execute", lambda *args: written.append(args[2]))
    for _ in range(10):
        assert not two.hold("work")
    assert written == []


def test_holding_costs_no_statement(one: Leases, database: Database, clock: Clock) -> None:
    """Between two renewals neither a step nor the renewal itself asks the database."""
    one.hold("work")
    one.renew()
    sent = []
    for engine in (database.writer, database.reader):
        sa.event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    for _ in range(100):
        clock.now += LENGTH // 3 // 101
        assert one.hold("work")
        one.renew()
    assert sent == []


def test_a_process_that_slept_learns_what_it_lost(one: Leases, two: Leases, clock: Clock) -> None:
    """The renewal keeps what is still one's own, whatever its age, and forgets what others have taken."""
    assert one.hold("work")
    assert one.hold("other")
    pass_time(one.database, TABLE, clock, LENGTH)
    assert two.hold("work")
    one.renew()
    assert (one.hold("work"), one.hold("other")) == (False, True)
    assert not two.hold("other")


def test_what_is_committed_under_a_lost_lease_is_rolled_back(one: Leases, two: Leases, clock: Clock) -> None:
    """Neither a renewal nor an end inside a transaction passes, once another process has the lease."""
    assert one.hold("work")
    one.database.transact(lambda tx: one.keep(tx, "work"))
    pass_time(one.database, TABLE, clock, LENGTH)
    assert two.hold("work")
    for end in (one.keep, one.give_back):
        with pytest.raises(LeaseLost, match="work"):
            one.database.transact(partial(end, name="work"))
    assert two.hold("work")
    two.database.transact(lambda tx: two.give_back(tx, "work"))
    assert one.hold("work")


def test_a_process_that_stops_gives_all_back(one: Leases, two: Leases) -> None:
    """On shutdown the leases are free at once, others' leases excepted."""
    assert one.hold("work")
    assert two.hold("other")
    one.stop()
    assert two.hold("work")
    assert not one.hold("other")


def test_a_worker_steps_while_it_holds_its_lease(one: Leases, two: Leases) -> None:
    """Of two processes' workers one works; the other one begins when the first has stopped."""
    steps: list[str] = []

    def step(process: str) -> int:
        steps.append(process)
        return 0

    first, second = one.worker("work", partial(step, "one")), two.worker("work", partial(step, "two"))
    first.start()
    until(lambda: "one" in steps)
    second.start()
    for _ in range(5):
        second.wake()
        Event().wait(0.005)
    assert set(steps) == {"one"}
    first.stop()
    one.stop()
    until(lambda: "two" in steps)
    second.stop()


def divide(clock: Clock, *processes: Leases, parts: int = 16) -> list[frozenset[int]]:
    """Let processes that renew what they hold look who shares their work; answer which parts each has.

    Of three looks the first shows who is there, at the second they give back, at the third they take.
    """
    for _ in range(3):
        clock.now += LOOK
        for each in processes:
            each.renew()
            each.share("work", parts)
    return [each.share("work", parts) for each in processes]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 20])
def test_processes_share_work_evenly(database: Database, clock: Clock, count: int) -> None:
    """Each part is one process's, however many there are, and none has two more than another."""
    processes = [Leases(database, TABLE, clock, f"process {number:02}") for number in range(count)]
    held = divide(clock, *processes)
    assert sorted(part for each in held for part in each) == list(range(16))
    assert max(map(len, held)) - min(map(len, held)) <= 1
    assert divide(clock, *processes) == held


def test_shares_follow_who_comes_stops_and_dies(database: Database, clock: Clock) -> None:
    """Who comes gets a share; what one had that stops is the others' at once, and of one that died with its leases."""
    one, two, three = (Leases(database, TABLE, clock, name) for name in ("one", "two", "three"))
    whole = frozenset(range(16))
    assert divide(clock, one) == [whole]
    assert [len(each) for each in divide(clock, one, two)] == [8, 8]
    assert [len(each) for each in divide(clock, one, two, three)] == [6, 5, 5]
    three.stop()
    assert [len(each) for each in divide(clock, one, two)] == [8, 8]
    for _ in range(3):
        one.renew()
        pass_time(database, TABLE, clock, LENGTH // 3 + 1)
    assert divide(clock, one) == [whole]
    with database.read() as tx:
        assert set(tx.scalars(sa.select(TABLE.c.holder))) == {"one"}
    # It had only slept.
    assert two.share("work", 16) == frozenset()
    assert [len(each) for each in divide(clock, one, two)] == [8, 8]


def test_what_is_renewed_while_another_looks_stays(database: Database, clock: Clock, one: Leases, two: Leases) -> None:
    """Who finds leases run out, whose process comes back before they are cleared away, clears none of them away."""
    assert [len(each) for each in divide(clock, one, two)] == [8, 8]
    one.renew()
    pass_time(database, TABLE, clock, LENGTH - 1)
    one.renew()
    pass_time(database, TABLE, clock, 1)
    sa.event.listen(database.reader, "after_cursor_execute", lambda *_: two.renew(), once=True)
    assert len(one.share("work", 16)) == 8
    with database.read() as tx:
        assert len(tx.scalars(sa.select(TABLE.c.name).where(TABLE.c.holder == "two")).all()) == 8 + 1


def test_nobody_has_a_part_of_two_processes(database: Database, clock: Clock) -> None:
    """While processes look at the same moment, come and go, no part is leased to two of them."""
    for turn in range(4):
        processes = [Leases(database, TABLE, clock, f"process {turn} {number}") for number in range(4)]
        for _ in range(4):
            clock.now += LOOK
            held = at_once(*(partial(each.share, "work", 16) for each in processes))
            assert len([part for each in held for part in each]) == len(frozenset[int]().union(*held))
        assert [len(each) for each in held] == [4] * 4
        for each in processes:
            each.stop()


def test_another_work_is_shared_by_others(one: Leases, two: Leases, clock: Clock) -> None:
    """Who shares one piece of work takes nothing of another one, whose name may begin alike."""
    whole = frozenset(range(16))
    assert divide(clock, one) == [whole]
    assert two.share("working", 16) == whole
    assert divide(clock, one) == [whole]


def test_sharing_costs_a_look_now_and_then(database: Database, one: Leases, clock: Clock) -> None:
    """Between two looks a step asks the database nothing; a look where nobody came or went writes nothing."""
    one.share("work", 16)
    written, read = [], []
    sa.event.listen(database.writer, "before_cursor_execute", lambda *args: written.append(args[2]))
    sa.event.listen(database.reader, "before_cursor_execute", lambda *args: read.append(args[2]))
    for _ in range(100):
        clock.now += LOOK // 50
        assert len(one.share("work", 16)) == 16
    assert (len(read), written) == (2, [])


def test_a_lease_is_renewed_in_the_background(database: Database) -> None:
    """A process that does nothing but hold a lease renews it before its end."""
    leases = Leases(database, TABLE, elapsed, "one")
    leases.start()
    assert leases.hold("work")

    def left() -> int:
        """Answer how long the lease goes on, by the clock that decides."""
        with database.read() as tx:
            found: int = tx.execute(sa.select(TABLE.c.until - leases._now())).scalar_one()
        return found

    def end() -> int:
        with database.read() as tx:
            found: int = tx.execute(sa.select(TABLE.c.until)).scalar_one()
        return found

    first = end()
    until(lambda: end() > first)
    assert LENGTH // 2 < left() <= LENGTH
    leases.stop()
