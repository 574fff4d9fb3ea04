"""Work that calls share: each gets its own outcome, whatever becomes of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from chassis.errors import DeadlinePassed, FailedPrecondition, Refused, Unavailable
from chassis.gathering import Gathering
from chassis.tests.events import until
from chassis.tests.serving import call_of

POISON = 13


class Odd(FailedPrecondition):
    """The number is odd."""

    reason = "ODD"


def halve(numbers: Sequence[int]) -> Sequence[int | Refused]:
    """Halve even numbers, refuse odd ones, fail at one."""
    if POISON in numbers:
        raise LookupError(POISON)
    return [Odd() if number % 2 else number // 2 for number in numbers]


class Shared:
    """Calls of which the first works until the others wait for it."""

    def __init__(self, work: Callable[[Sequence[int]], Sequence[int | Refused]] = halve) -> None:
        self.groups: list[list[int]] = []
        self._work = work
        self._begun, self._go = threading.Event(), threading.Event()
        self._gathering = Gathering(self._group)

    def _group(self, numbers: Sequence[int]) -> Sequence[int | Refused]:
        self.groups.append(list(numbers))
        self._begun.set()
        assert self._go.wait(10)
        return self._work(numbers)

    def run(self, first: int, *others: int, late: int | None = None) -> list[int | BaseException | None]:
        """Answer what each call got, the first one's first; nobody waits for the answer to `late` any more."""
        with ThreadPoolExecutor(1 + len(others)) as pool:
            running: list[Future[int]] = [pool.submit(self._gathering.run, call_of(), first)]
            assert self._begun.wait(10)
            for place, number in enumerate(others, 1):
                call = call_of(time_left=0.0 if number == late else 10.0)
                running.append(pool.submit(self._gathering.run, call, number))
                until(lambda place=place: len(self._gathering._queue) == place)  # type: ignore[misc]
            self._go.set()
            return [each.exception(10) or each.result() for each in running]


def test_those_that_come_meanwhile_are_done_together() -> None:
    """While one call is worked for, others gather; all of them are one piece of work, and each gets its own answer."""
    shared = Shared()
    assert shared.run(2, 4, 6, 8, 10) == [1, 2, 3, 4, 5]
    assert shared.groups == [[2], [4, 6, 8, 10]]


def test_the_first_waits_as_long_as_others_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that arrive one behind the other are one piece of work; the first pause in which none comes begins it."""
    groups, coming = list[list[int]](), [4, 6]

    def work(numbers: Sequence[int]) -> Sequence[int | Refused]:
        groups.append(list(numbers))
        return halve(numbers)

    gathering = Gathering(work)
    with ThreadPoolExecutor(2) as pool:
        running: list[Future[int]] = []

        def pause(_seconds: float) -> None:
            if coming:
                running.append(pool.submit(gathering.run, call_of(), coming.pop(0)))
                until(lambda: len(gathering._queue) == len(running))

        monkeypatch.setattr("chassis.gathering.time", SimpleNamespace(sleep=pause))
        assert gathering.run(call_of(), 2) == 1
        assert [each.result(10) for each in running] == [2, 3]
    assert groups == [[2, 4, 6]]


def test_a_refusal_is_its_own_call_s() -> None:
    """A refusal stays in its place; who came before and after it has an answer."""
    shared = Shared()
    outcomes = shared.run(2, 4, 5, 6, 7)
    assert [type(each) for each in outcomes] == [int, int, Odd, int, Odd]
    assert (outcomes[1], outcomes[3]) == (2, 3)


def test_a_fault_harms_no_other_call() -> None:
    """Where the whole fails each is tried alone: the fault is raised where it belongs, and is told in the log."""
    shared = Shared()
    with capture_logs() as logs:
        outcomes = shared.run(2, 4, POISON, 5, 6)
    assert [type(each) for each in outcomes] == [int, int, LookupError, Odd, int]
    assert sorted(shared.groups[2:]) == [[4], [5], [6], [POISON]]
    [line] = [line for line in logs if line["event"] == "work is done one by one"]
    assert (line["count"], line["problem"]) == (4, "LookupError")


def test_a_fault_alone_is_tried_once() -> None:
    """A call that fails alone fails at once, and the next one works."""
    shared = Shared()
    [fault] = shared.run(POISON)
    assert isinstance(fault, LookupError)
    assert shared.groups == [[POISON]]
    assert shared.run(2) == [1]


def test_what_is_away_is_asked_once_for_all() -> None:
    """When the database does not answer all are told so, without each waiting for it in turn."""

    def away(numbers: Sequence[int]) -> Sequence[int]:
        if len(numbers) > 1:
            raise Unavailable
        return numbers

    shared = Shared(away)
    assert [type(each) for each in shared.run(2, 4, 6, 8)] == [int, Unavailable, Unavailable, Unavailable]
    assert shared.groups == [[2], [4, 6, 8]]


def test_nothing_is_done_for_whom_nobody_waits() -> None:
    """A call whose time ran out while it waited is not started; the others are, also where it was to lead them."""
    for late in (4, 6):
        shared = Shared()
        outcomes = shared.run(2, 4, 6, 8, late=late)
        assert [type(each) for each in outcomes if not isinstance(each, int)] == [DeadlinePassed]
        assert shared.groups == [[2], [number for number in (4, 6, 8) if number != late]]
    shared = Shared()
    assert [type(each) for each in shared.run(2, 4, late=4)] == [int, DeadlinePassed]
    assert shared.groups == [[2]]


def test_a_thread_that_ends_leaves_nobody_waiting() -> None:
    """Whatever ends the thread that works for others, these go on by themselves, and so do later calls."""

    def end(numbers: Sequence[int]) -> Sequence[int]:
        if len(numbers) > 1:
            raise SystemExit
        return numbers

    shared = Shared(end)
    assert [type(each) for each in shared.run(2, 4, 6, 8)] == [int, SystemExit, int, int]
    assert shared.run(10) == [10]


def test_one_piece_of_work_at_a_time() -> None:
    """A call that comes while somebody who waited works waits too, and leads the next piece."""
    steps = {number: (threading.Event(), threading.Event()) for number in (1, 2, 3)}

    def work(numbers: Sequence[int]) -> Sequence[int]:
        for number in numbers:
            begun, go = steps[number]
            begun.set()
            assert go.wait(10)
        return numbers

    gathering = Gathering(work)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(gathering.run, call_of(), 1)]
        assert steps[1][0].wait(10)
        for number in (2, 3):
            running.append(pool.submit(gathering.run, call_of(), number))
            until(lambda: len(gathering._queue) == 1)
            steps[number - 1][1].set()
            assert steps[number][0].wait(10)
            assert not running[number - 1].done()
        steps[3][1].set()
        assert [each.result(10) for each in running] == [1, 2, 3]


def test_everybody_gets_the_own_answer() -> None:
    """However many call at once, all that they ask for is done once, and nobody gets another's answer."""
    done: list[int] = []

    def work(numbers: Sequence[int]) -> Sequence[int]:
        done.extend(numbers)
        return [number * 2 for number in numbers]

    gathering = Gathering(work)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: gathering.run(call_of(), number), range(2000)))
    assert answers == [number * 2 for number in range(2000)]
    assert sorted(done) == list(range(2000))
