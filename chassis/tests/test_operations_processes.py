"""Long work and processes: taken up after a crash, and carried out once by however many."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from threading import Event, Thread

import pytest
import sqlalchemy as sa
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from structlog.testing import capture_logs

from chassis.calendar import SECOND
from chassis.clock import elapsed
from chassis.leases import LENGTH, Leases
from chassis.operations import (
    Operations,
    Runner,
    Running,
)
from chassis.paging import Pager
from chassis.tests.events import at_once, until
from chassis.tests.operating import LEASES, TABLE, TEXTS, get, pass_time, runner, start, unpacked
from tests.databases import text_of
from tests.running import START, Clock

# A process that takes up an operation and does not come to its end.
PROCESS = """
import sys, time
from chassis.clock import elapsed
from chassis.database import Database
from chassis.leases import Leases
from chassis.operations import Operations, Runner
from chassis.paging import Pager
from chassis.tests.operating import LEASES, TABLE, TEXTS

def job(running):
    print(running.name, flush=True)
    time.sleep(60)

database = Database(sys.argv[1])
leases = Leases(database, LEASES, elapsed, "killed")
leases.start()
Runner(Operations("tiny", database, TABLE, Pager(bytes(32))), {"count": job}, TEXTS, leases).step()
"""


class PowerCutError(BaseException):
    """The process ends here."""


def cut(running: Running) -> Message:
    """Begin the work of an operation, in a process that ends in the middle of it."""
    running.report(Money(units=1))
    raise PowerCutError


def test_after_a_restart_the_work_is_taken_up(operations: Operations) -> None:
    """An operation whose process ended is carried out by another one, from its request, once its lease is over."""
    name, clock = start(operations), Clock()
    with pytest.raises(PowerCutError):
        runner(operations, cut, clock=clock).step()
    assert not get(operations, name).done
    again = Operations("tiny", operations.database, TABLE, Pager(bytes(32)))
    next_one = runner(again, lambda _: Date(year=8), "two", clock)
    assert next_one.step() == 0
    pass_time(operations.database, LEASES, clock, LENGTH)
    assert next_one.step() == 1
    assert unpacked(get(again, name).response, Date) == Date(year=8)


@pytest.mark.timeout(60)
def test_the_work_of_a_killed_process_is_taken_up(operations: Operations) -> None:
    """After kill -9 an operation lies idle for no longer than a lease; on SQLite, with its one process, not at all."""
    database = operations.database
    name = start(operations)
    leases = Leases(database, LEASES, elapsed, "other")
    other = Runner(operations, {"count": lambda _: Date(year=8)}, TEXTS, leases)
    command = [sys.executable, "-c", PROCESS, text_of(database.url)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == name
        assert other.step() == 0
        process.kill()
    killed = elapsed()
    leases.start()
    assert other.step() == (1 if database.sqlite else 0)
    until(lambda: other.step() == 1 or get(operations, name).done)
    assert elapsed() - killed < LENGTH + SECOND
    assert unpacked(get(operations, name).response, Date) == Date(year=8)
    leases.stop()


def test_two_processes_carry_two_out_at_once_and_none_twice(operations: Operations) -> None:
    """While a process works on the oldest, another takes the next, and then finds nothing left to do."""
    begun, go, done = Event(), Event(), []

    def slow(running: Running) -> Message:
        begun.set()
        go.wait(10)
        done.append(running.name)
        return Date()

    def quick(running: Running) -> Message:
        done.append(running.name)
        return Date()

    names = [start(operations, key, clock=Clock(START + number * SECOND)) for number, key in enumerate("ab")]
    worker = Thread(target=runner(operations, slow).step)
    worker.start()
    begun.wait(10)
    other = runner(operations, quick, "two")
    assert (other.step(), other.step()) == (1, 0)
    go.set()
    worker.join(10)
    assert done == names[::-1]
    assert all(get(operations, name).done for name in names)


def test_many_processes_end_each_operation_once(operations: Operations) -> None:
    """However many processes look at the same list at the same moment, each operation is carried out by one of them."""
    names = [start(operations, str(number)) for number in range(12)]
    done: list[str] = []

    def job(running: Running) -> Message:
        done.append(running.name)
        running.report(Money(units=1))
        return Date()

    def work(process: str) -> None:
        mine = runner(operations, job, process)
        while mine.step():
            pass

    at_once(*(partial(work, f"process {number}") for number in range(4)))
    while runner(operations, job, "last").step():
        pass
    assert sorted(done) == sorted(names)
    with operations.database.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(LEASES)) == 0


@pytest.mark.parametrize("where", ["at a report", "at the end"])
def test_a_runner_that_was_overtaken_ends_nothing(operations: Operations, where: str) -> None:
    """A process that stood still for too long stops at its next report, and its answer does not count."""
    name, clock, steps = start(operations), Clock(), []
    other = runner(operations, lambda _: Date(year=8), "two", clock)

    def job(running: Running) -> Message:
        pass_time(operations.database, LEASES, clock, LENGTH)
        assert other.step() == 1
        if where == "at a report":
            running.report(Money(units=9))
            steps.append("after the report")
        return Date(year=7)

    with capture_logs() as logs:
        assert runner(operations, job, clock=clock).step() == 1
    assert steps == []
    assert [line["event"] for line in logs] == ["operation was taken up by another process"]
    ended = get(operations, name)
    assert unpacked(ended.response, Date) == Date(year=8)
    assert unpacked(ended.metadata, Money) == Money()


def test_a_report_keeps_a_long_job(operations: Operations) -> None:
    """A job that tells its progress in time is not taken up by another process, however long it takes."""
    name, clock = start(operations), Clock()
    other = runner(operations, lambda _: Date(year=8), "two", clock)

    def job(running: Running) -> Message:
        for units in range(5):
            pass_time(operations.database, LEASES, clock, LENGTH // 2)
            assert other.step() == 0
            running.report(Money(units=units))
        return Date(year=7)

    assert runner(operations, job, clock=clock).step() == 1
    assert unpacked(get(operations, name).response, Date) == Date(year=7)
