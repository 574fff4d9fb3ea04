"""A mutation under a request id: done once, and whoever asks again gets the first answer."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from chassis.calendar import DAY, HOUR
from chassis.calls import PRUNED, Calls, Pruning, RequestIdReused, requests_table
from chassis.database import Database, Text, Tx, metadata
from chassis.errors import Aborted, Unavailable
from chassis.ids import NewId
from chassis.tests.events import at_once
from chassis.tests.serving import call_of
from shuke.tiering.v1.policies_pb2 import ActivatePolicyRequest, Policy, RetirePolicyRequest
from tests.running import Clock

TABLES = metadata()
REQUESTS = requests_table(TABLES)
DONE = sa.Table("done", TABLES, sa.Column("id", Text, primary_key=True))


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def calls(database: Database, clock: Clock) -> Calls:
    """Make what runs the work of calls, with ids that count."""
    numbers = iter(range(1, 1_000_000))
    return Calls(database, REQUESTS, clock, lambda: f"id-{next(numbers)}")


def asking(request_id: str = "r1", name: str = "policies/loyalty/versions/1") -> ActivatePolicyRequest:
    """Ask for something under a request id."""
    return ActivatePolicyRequest(name=name, request_id=request_id)


def work(tx: Tx, now: int, new_id: NewId) -> Policy:
    """Do something that shows how often it was done."""
    made = new_id()
    tx.execute(sa.insert(DONE).values(id=made))
    return Policy(name=f"{made} at {now}")


def done(database: Database) -> int | None:
    """Count how often the work was done."""
    with database.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(DONE))


def kept(database: Database) -> int | None:
    """Count the answers that are kept."""
    with database.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(REQUESTS))


def test_a_retry_gets_the_first_answer(calls: Calls, database: Database, clock: Clock) -> None:
    """The same id with the same content is answered as before, later and word by word, and nothing is done."""
    first = calls.once(call_of("a"), asking(), Policy, work)
    clock.now += 3600
    assert calls.once(call_of("a"), asking(), Policy, work) == first
    assert done(database) == 1


def test_a_retry_by_eight_threads_is_done_once(calls: Calls, database: Database) -> None:
    """However many send the same at the same moment, it is done once and all get that answer."""
    answers = at_once(*[lambda: calls.once(call_of("a"), asking(), Policy, work)] * 8)
    assert len({answer.name for answer in answers}) == 1
    assert (done(database), kept(database)) == (1, 1)


def test_other_content_is_refused(calls: Calls, database: Database) -> None:
    """A request id that comes back with other content is told, and nothing is done."""
    calls.once(call_of("a"), asking(), Policy, work)
    with pytest.raises(RequestIdReused) as refused:
        calls.once(call_of("a"), asking(name="policies/loyalty/versions/2"), Policy, work)
    assert refused.value.metadata == {"request_id": "r1"}
    assert done(database) == 1


def test_an_id_belongs_to_its_caller_and_method(calls: Calls, database: Database) -> None:
    """Two callers may hit on the same id, and one may use it for two methods."""
    name = "policies/loyalty/versions/1"
    answers = {
        calls.once(call_of("a"), asking(), Policy, work).name,
        calls.once(call_of("b"), asking(), Policy, work).name,
        calls.once(call_of("a"), RetirePolicyRequest(name=name, request_id="r1"), Policy, work).name,
    }
    assert len(answers) == done(database) == 3


def test_without_an_id_each_call_is_its_own(calls: Calls, database: Database) -> None:
    """Who gives no id gets no memory."""
    for _ in range(2):
        calls.once(call_of("a"), asking(""), Policy, work)
    assert (done(database), kept(database)) == (2, 0)


class Contended(Aborted):
    """A refusal of the work's rules."""

    reason = "OPERATION_RUNNING"


@pytest.mark.parametrize("error", [Contended, ZeroDivisionError])
def test_a_failure_keeps_nothing(calls: Calls, database: Database, error: type[Exception]) -> None:
    """After a refusal or a fault nothing is stored, and the same id may be tried again, with other content too."""

    def fail(tx: Tx, now: int, new_id: NewId) -> Policy:
        work(tx, now, new_id)
        raise error

    with pytest.raises(error):
        calls.once(call_of("a"), asking(), Policy, fail)
    assert (done(database), kept(database)) == (0, 0)
    calls.once(call_of("a"), asking(name="policies/loyalty/versions/2"), Policy, work)
    assert done(database) == 1


def test_contention_runs_the_work_again(calls: Calls, database: Database) -> None:
    """Work that another transaction got in the way of is done once in the end, and its last answer is kept."""
    tries = []

    def contended(tx: Tx, now: int, new_id: NewId) -> Policy:
        tries.append(1)
        answer = work(tx, now, new_id)
        if len(tries) < 3:
            work(tx, now, lambda: answer.name.partition(" ")[0])
        return answer

    first = calls.once(call_of("a"), asking(), Policy, contended)
    assert (len(tries), done(database), kept(database)) == (3, 1, 1)
    assert calls.once(call_of("a"), asking(), Policy, contended) == first


def test_contention_without_end_is_told(calls: Calls, database: Database) -> None:
    """Where another one is always in the way, the caller is told to come back and nothing is kept."""

    def contended(tx: Tx, now: int, _new_id: NewId) -> Policy:
        work(tx, now, lambda: "same")
        return work(tx, now, lambda: "same")

    with pytest.raises(Unavailable):
        calls.once(call_of("a"), asking(), Policy, contended)
    assert (done(database), kept(database)) == (0, 0)


def test_an_empty_answer_is_an_answer(calls: Calls, database: Database) -> None:
    """A method that answers nothing is not done twice for that."""

    def quiet(tx: Tx, now: int, new_id: NewId) -> Policy:
        work(tx, now, new_id)
        return Policy()

    for _ in range(2):
        assert calls.once(call_of("a"), asking(), Policy, quiet) == Policy()
    assert done(database) == 1


def test_natural_keys_need_no_memory(calls: Calls, database: Database, clock: Clock) -> None:
    """Work that is safe to repeat by itself is run in a transaction with time and ids, and nothing is kept."""
    assert calls.transact(work).name == f"id-1 at {clock.now}"
    assert (done(database), kept(database)) == (1, 0)


def test_answers_are_dropped_when_their_days_are_over(calls: Calls, database: Database, clock: Clock) -> None:
    """An answer is kept for its days, to the microsecond, and whoever asks after that is a new caller."""
    pruning = Pruning(database, REQUESTS, clock, days=2)
    first = calls.once(call_of("a"), asking(), Policy, work)
    clock.now += 2 * DAY
    calls.once(call_of("a"), asking("r2"), Policy, work)
    assert (pruning.step(), kept(database)) == (0, 2)
    clock.now += HOUR
    assert (pruning.step(), kept(database)) == (1, 1)
    assert calls.once(call_of("a"), asking(), Policy, work) != first


def test_old_answers_are_dropped_batch_by_batch(database: Database, clock: Clock) -> None:
    """However many there are, no transaction drops more than a batch, and what there is none of is not looked for."""
    old = {"caller": "a", "method": "m", "request_hash": b"", "response": b"", "create_time": 0}
    with database.write() as tx:
        tx.execute(sa.insert(REQUESTS), [{**old, "request_id": str(number)} for number in range(PRUNED + 5)])
    pruning = Pruning(database, REQUESTS, clock, days=1)
    assert [pruning.step() for _ in range(3)] == [PRUNED, 5, 0]
    with database.write() as tx:
        tx.execute(sa.insert(REQUESTS).values(**old, request_id="late"))
    clock.now += HOUR - 1
    assert pruning.step() == 0
    clock.now += 1
    assert pruning.step() == 1
