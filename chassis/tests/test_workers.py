"""Background work: at once while there is some, seldom while there is none, and ended at a safe point."""

from __future__ import annotations

from threading import Event

from structlog.testing import capture_logs

from chassis.errors import Overloaded, Unavailable
from chassis.tests.events import until
from chassis.workers import Worker


def test_work_goes_on_while_there_is_some() -> None:
    """A worker that had something to do looks again at once."""
    left, done = list(range(500)), Event()

    def step() -> int:
        if not left:
            done.set()
            return 0
        return left.pop() + 1

    worker = Worker("test", step)
    worker.start()
    assert done.wait(10)
    worker.stop()
    assert left == []


def test_less_than_a_batch_is_followed_by_a_rest() -> None:
    """A worker goes on at once after a full batch only, so that what trickles in is taken in batches."""
    answers, seen = iter([3, 3, 2]), list[int]()
    partial = Event()

    def step() -> int:
        seen.append(next(answers, 0))
        if seen[-1] < 3:
            partial.set()
        return seen[-1]

    worker = Worker("test", step, batch=3, rest=1000)
    worker.start()
    assert partial.wait(10)
    worker.stop()
    assert seen == [3, 3, 2]


def test_a_worker_that_had_work_looks_for_more_soon() -> None:
    """However long a worker was idle, after work it begins with the short pause again."""
    pauses, ended = list[float](), Event()
    answers = iter([0, 0, 0, 1, 0])

    def step() -> int:
        answer = next(answers, None)
        if answer is None:
            ended.set()
        return answer or 0

    worker = Worker("test", step, rest=0.001)
    rest = worker._wake.wait

    def wait(pause: float) -> bool:
        pauses.append(pause)
        return rest(0)

    worker._wake.wait = wait  # type: ignore[assignment,method-assign]
    worker.start()
    assert ended.wait(10)
    worker.stop()
    assert pauses[:4] == [0.002, 0.004, 0.008, 0.002]


def test_a_worker_stops_between_two_steps() -> None:
    """Stopping waits for the step that is under way, and no other begins."""
    begun, go, ended = Event(), Event(), []

    def step() -> int:
        begun.set()
        go.wait(10)
        ended.append(1)
        return 1

    worker = Worker("test", step)
    worker.start()
    begun.wait(10)
    worker._stop.set()
    assert ended == []
    go.set()
    worker.stop()
    assert ended == [1]
    assert not worker._thread.is_alive()


def test_a_worker_can_be_woken() -> None:
    """Work that has come is looked for at once, not after the pause; waking while a step runs is not lost."""
    seen, rested = Event(), Event()
    work: list[int] = []

    def step() -> int:
        if work:
            seen.set()
            return work.pop()
        rested.set()
        return 0

    worker = Worker("test", step)
    worker.start()
    for _ in range(20):
        assert rested.wait(10)
        rested.clear()
        work.append(1)
        worker.wake()
        assert seen.wait(10)
        seen.clear()
    worker.stop()


def test_a_fault_does_not_end_the_worker() -> None:
    """A step that raises is logged with its trace, and the next one comes when it is woken."""
    again = Event()
    faults = [ValueError("first")]

    def step() -> int:
        if faults:
            raise faults.pop()
        again.set()
        return 0

    worker = Worker("test", step)
    with capture_logs() as logs:
        worker.start()
        until(lambda: bool(logs))
        worker.wake()
        assert again.wait(10)
        worker.stop()
    assert [(line["event"], line["worker"], line["problem"]) for line in logs] == [
        ("step failed", "test", "ValueError")
    ]


def test_a_refusal_is_told_when_it_begins_and_when_it_has_passed() -> None:
    """While a peer or the database is away a worker tries again and again, and says so once."""
    answers = iter([Unavailable(), Unavailable(), Unavailable(), Overloaded(), 0, 0, Unavailable()])
    ended = Event()

    def step() -> int:
        answer = next(answers, None)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            ended.set()
        return 0

    worker = Worker("test", step)
    with capture_logs() as logs:
        worker.start()
        while not ended.is_set():
            worker.wake()
        worker.stop()
    assert [(line["event"], line.get("problem", "")) for line in logs] == [
        ("step failed", "Unavailable"),
        ("step failed", "Overloaded"),
        ("step works again", ""),
        ("step failed", "Unavailable"),
        ("step works again", ""),
    ]


def test_a_worker_that_never_began_can_be_stopped() -> None:
    """A start that failed half-way can be undone."""
    Worker("test", int).stop()
