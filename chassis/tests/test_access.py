"""Accesses to personal data: nothing leaves unrecorded, and many reads cost one transaction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa

from chassis.access import Access, AccessLog, Recorder
from chassis.call import Call
from chassis.database import Database, metadata
from chassis.errors import Unavailable
from chassis.ids import uuid7
from chassis.principals import Principal
from chassis.steps import UnrecordedRead
from chassis.tests.events import until
from chassis.tests.serving import call_of, do_request, serving
from tests.databases import text_of
from tests.running import START, Clock, Refusal

TABLES = metadata()
LOG = AccessLog(TABLES)
ANNA, BEN = "customers/anna", "customers/ben"


def reading(*subjects: str, caller: str = "apiKeys/7") -> Call:
    """Make a call that read of subjects."""
    call = call_of(caller)
    call.read(subjects)
    return call


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands still."""
    return Clock()


@pytest.fixture
def recorder(database: Database, clock: Clock) -> Recorder:
    """Make a recorder on an empty database."""
    return Recorder(LOG, database, clock, uuid7(clock))


def accesses(database: Database, subject: str, limit: int = 100, before: str | None = None) -> list[Access]:
    """Read who read a subject's data."""
    with database.read() as tx:
        return LOG.of(tx, subject, limit=limit, before=before)


def test_an_access_tells_who_what_why_and_when(recorder: Recorder, database: Database) -> None:
    """The caller, the person behind it, the method, the purpose, the request and the time stand in the record."""
    call = reading(ANNA)
    call.principal = Principal("apiKeys/7", ("*",), staff="S1", operator="O7")
    call.purpose, call.request_id = "COMPLAINT", "r-1"
    recorder.record(call)
    [access] = accesses(database, ANNA)
    assert access == Access(access.id, START, "apiKeys/7", "O7", call.method.full_name, "COMPLAINT", "r-1")
    call = reading(BEN)
    call.principal = Principal("apiKeys/7", ("*",), staff="S1")
    recorder.record(call)
    assert [(access.staff, access.purpose) for access in accesses(database, BEN)] == [("S1", "UNSTATED")]


def test_a_stated_purpose_counts_before_the_request_s_own() -> None:
    """What the caller's header says is kept; a request that states its purpose needs no header."""
    call = call_of()
    call.read([ANNA], "OFFERS")
    assert call.purpose == "OFFERS"
    call.purpose = "COMPLAINT"
    call.read([BEN], "OFFERS")
    assert (call.purpose, call.subjects) == ("COMPLAINT", {ANNA, BEN})


def test_accesses_come_newest_first_in_pages(recorder: Recorder, database: Database, clock: Clock) -> None:
    """Each subject has a list of its own; one access to many stands in each of theirs."""
    for number in range(5):
        clock.now += 1_000_000
        recorder.record(reading(ANNA, *[BEN] * (number == 2)))
    recorder.record(reading())
    times = [access.time for access in accesses(database, ANNA)]
    assert times == sorted(times, reverse=True)
    first = accesses(database, ANNA, limit=2)
    rest = accesses(database, ANNA, before=first[-1].id)
    assert [access.time for access in first + rest] == times
    assert accesses(database, BEN) == [rest[0]]


def test_fifty_reads_at_once_share_a_transaction(recorder: Recorder, database: Database) -> None:
    """All that come while one is written are written together; none of them answers before that."""
    begun: list[object] = []
    first, go = Event(), Event()

    def hold(connection: object) -> None:
        begun.append(connection)
        first.set()
        assert go.wait(10)

    sa.event.listen(database.writer, "begin", hold)
    with ThreadPoolExecutor(51) as pool:
        calls = [pool.submit(recorder.record, reading("customers/0"))]
        assert first.wait(10)
        calls += [pool.submit(recorder.record, reading(f"customers/{number}")) for number in range(1, 51)]
        until(lambda: len(recorder._gathering._queue) == 50)
        assert not [call for call in calls if call.done()]
        go.set()
        for call in calls:
            call.result(10)
    assert len(begun) == 2
    assert all(len(accesses(database, f"customers/{number}")) == 1 for number in range(51))


def test_reads_without_a_pause_between_share_transactions(recorder: Recorder, database: Database) -> None:
    """Of fifty threads that read as they come, far fewer than fifty transactions are made."""
    begun: list[object] = []
    sa.event.listen(database.writer, "begin", begun.append)
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(recorder.record, [reading(ANNA) for _ in range(50)]))
    assert len(begun) < 25
    assert len(accesses(database, ANNA)) == 50


def test_what_was_recorded_together_is_not_recorded_again(recorder: Recorder, database: Database) -> None:
    """Calls that share their work share the record; what one of them reads afterwards is recorded as well."""
    calls = [reading(ANNA), reading(BEN), reading()]
    recorder.record_all(calls)
    for call in calls:
        recorder.record(call)
    assert [len(accesses(database, subject)) for subject in (ANNA, BEN)] == [1, 1]
    calls[0].read([ANNA, BEN])
    recorder.record(calls[0])
    assert [len(accesses(database, subject)) for subject in (ANNA, BEN)] == [1, 2]


def test_what_cannot_be_recorded_is_not_read(recorder: Recorder, database: Database) -> None:
    """When the write fails every call of the group fails, and later ones go on when it works again."""
    with database.write() as tx:
        LOG.subjects.drop(tx)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(recorder.record, reading(ANNA)) for _ in range(8)]
        assert all(isinstance(call.exception(10), Unavailable) for call in calls)
    with database.write() as tx:
        LOG.subjects.create(tx)
    recorder.record(reading(ANNA))
    assert len(accesses(database, ANNA)) == 1


READER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from chassis.database import Database
from chassis.ids import uuid7
from chassis.tests.test_access import LOG, Recorder, reading
from tests.running import Clock

clock = Clock()
recorder = Recorder(LOG, Database(sys.argv[1]), clock, uuid7(clock))

def read(number):
    recorder.record(reading(f"customers/{number}"))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()

with ThreadPoolExecutor(8) as pool:
    list(pool.map(read, range(100_000)))
"""


def test_whoever_answered_had_recorded(database: Database) -> None:
    """A process that is killed in the middle leaves a record for each read that it answered."""
    command = [sys.executable, "-c", READER, text_of(database.url)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline().strip() for _ in range(200)]
        process.kill()
        answered += [line.strip() for line in process.stdout if line.endswith("\n")]
    with database.read() as tx:
        recorded = set(tx.scalars(sa.select(LOG.subjects.c.subject)))
    assert len(answered) >= 200
    assert {f"customers/{number}" for number in answered} - recorded == set()


# ------------------------------------------------------------------------------------------------------------- the step


def reader(*subjects: str) -> Callable[[object, Call], str]:
    """Make the work of a handler that reads of subjects."""

    def work(_request: object, call: Call) -> str:
        call.read(subjects)
        return "personal"

    return work


def test_an_answer_leaves_after_its_record() -> None:
    """The step records before the caller has the answer, and a record that fails refuses it."""
    recorded: list[set[str] | None] = []
    with serving(record=lambda call: recorded.append(call.subjects)) as running:
        running.tiny.work = reader(ANNA)
        assert running.call("Read", do_request())[0] == "personal"
        assert recorded == [{ANNA}]

    def fail(_call: Call) -> None:
        raise Unavailable

    with serving(record=fail) as running:
        running.tiny.work = reader(ANNA)
        with pytest.raises(Refusal) as refused:
            running.call("Read", do_request())
        assert (refused.value.code, refused.value.reason) == ("UNAVAILABLE", "TEMPORARILY_UNAVAILABLE")


def test_a_read_that_does_not_tell_whose_is_a_fault() -> None:
    """A handler that forgets to tell answers nothing; one that read of nobody says so."""
    with serving() as running:
        with pytest.raises(Refusal) as refused:
            running.call("Read", do_request())
        assert refused.value.reason == "INTERNAL_FAULT"
        running.tiny.work = reader()
        assert running.call("Read", do_request())[0] == "personal"


def test_a_service_that_reads_must_record() -> None:
    """A service with a method that reads personal data and nowhere to record it does not start."""
    with pytest.raises(UnrecordedRead), serving(record=None):
        pass
