"""Long work: started once, shown while it runs, ended well, badly or on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread

import pytest
from google.longrunning import operations_pb2 as pb
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from structlog.testing import capture_logs

from chassis.database import Contention
from chassis.errors import Invalid, NotFound, Unavailable
from chassis.operations import (
    OperationNotFound,
    OperationRunning,
    Operations,
    Running,
)
from chassis.tests.events import at_once
from chassis.tests.operating import CALL, get, runner, start, unpacked
from chassis.tests.serving import serving
from tests.running import Clock, Refusal


def test_an_operation_from_start_to_end(operations: Operations) -> None:
    """It has a name of its API and the first progress at once, shows how far it came, and ends with its answer."""
    name = start(operations)
    assert name.startswith("operations/tiny-")
    seen = []

    def job(running: Running) -> Message:
        assert (running.name, Date.FromString(running.request)) == (name, Date(year=2011))
        for units in (1, 2):
            running.report(Money(units=units))
            shown = get(operations, name)
            seen.append((shown.done, unpacked(shown.metadata, Money)))
        return Date(year=7)

    begun = get(operations, name)
    assert (begun.done, unpacked(begun.metadata, Money)) == (False, Money())
    assert runner(operations, job).step() == 1
    assert seen == [(False, Money(units=1)), (False, Money(units=2))]
    ended = get(operations, name)
    assert (ended.done, ended.WhichOneof("result")) == (True, "response")
    assert unpacked(ended.response, Date) == Date(year=7)
    assert unpacked(ended.metadata, Money) == Money(units=2)
    assert runner(operations, job).step() == 0


def test_only_one_of_a_kind_runs(operations: Operations) -> None:
    """A second operation for the same thing is refused with the first one's name; others may start."""
    name = start(operations)
    with pytest.raises(OperationRunning) as refused:
        start(operations)
    assert refused.value.metadata == {"name": name}
    start(operations, key="value")
    start(operations, kind="import")
    with suppress(OperationRunning):
        while runner(operations, lambda _: Date()).step():
            pass
    start(operations)


def test_of_two_starts_at_once_one_wins(operations: Operations) -> None:
    """However close together the starts are, one operation begins and every other caller hears its name."""

    def try_start() -> str:
        try:
            return start(operations)
        except OperationRunning as refused:
            return f"refused for {refused.metadata['name']}"

    outcomes = at_once(*[try_start] * 6)
    [name] = [outcome for outcome in outcomes if outcome.startswith("operations/")]
    assert sorted(outcomes) == sorted([name] + [f"refused for {name}"] * 5)


def test_a_refusal_is_the_operation_s_error(operations: Operations) -> None:
    """What a rule refuses stands in the operation as it would in an answer."""
    name = start(operations)

    def job(_running: Running) -> Message:
        raise OperationNotFound(name="operations/other")

    assert runner(operations, job).step() == 1
    told = Refusal.of(get(operations, name).error)
    assert (told.code, told.reason) == ("NOT_FOUND", "OPERATION_NOT_FOUND")
    assert told.metadata == {"name": "operations/other"}


def test_a_fault_is_hidden(operations: Operations) -> None:
    """What goes wrong in a job is logged once with the operation's name and told without its text."""
    name = start(operations)

    def job(_running: Running) -> Message:
        raise RuntimeError("secret")

    with capture_logs() as logs:
        assert runner(operations, job).step() == 1
    ended = get(operations, name)
    assert ended.done
    assert "secret" not in str(ended)
    told = Refusal.of(ended.error)
    assert (told.code, told.reason, told.metadata) == ("INTERNAL", "INTERNAL_FAULT", {"request_id": name})
    assert [(line["event"], line["operation"]) for line in logs] == [("operation failed", name)]


def test_a_kind_without_a_job_is_a_fault(operations: Operations) -> None:
    """An operation that this release knows no job for ends, and does not block the others."""
    name = start(operations, kind="forgotten")
    with capture_logs():
        assert runner(operations, lambda _: Date()).step() == 1
    assert Refusal.of(get(operations, name).error).reason == "INTERNAL_FAULT"


def test_a_job_ends_at_a_safe_point_when_asked_to(operations: Operations) -> None:
    """Cancelling lets a job go on until it tells its progress; then it ends, with nothing behind that point done."""
    name = start(operations)
    begun, go, steps = Event(), Event(), []

    def job(running: Running) -> Message:
        running.report(Money(units=1))
        steps.append("one")
        begun.set()
        go.wait(10)
        steps.append("two")
        running.report(Money(units=2))
        steps.append("three")
        return Date()

    worker = Thread(target=runner(operations, job).step)
    worker.start()
    begun.wait(10)
    operations.CancelOperation(pb.CancelOperationRequest(name=name), CALL)
    assert not get(operations, name).done
    go.set()
    worker.join(10)
    ended = get(operations, name)
    assert steps == ["one", "two"]
    assert (ended.done, ended.error.code, ended.error.message) == (True, 1, "cancelled")
    start(operations)


def test_cancelling_what_has_ended_changes_nothing(operations: Operations) -> None:
    """An operation that has ended keeps its answer."""
    name = start(operations)
    runner(operations, lambda _: Date(year=7)).step()
    before = get(operations, name)
    operations.CancelOperation(pb.CancelOperationRequest(name=name), CALL)
    assert get(operations, name) == before


@pytest.mark.parametrize("problem", [Unavailable, Contention])
def test_what_may_pass_is_tried_again(operations: Operations, problem: type[Exception]) -> None:
    """A part that does not answer at present does not end an operation."""
    name = start(operations)
    problems = [problem()]

    def job(_running: Running) -> Message:
        if problems:
            raise problems.pop()
        return Date()

    worker = runner(operations, job)
    with pytest.raises(problem):
        worker.step()
    assert not get(operations, name).done
    assert worker.step() == 1


def test_the_oldest_is_carried_out_first(operations: Operations) -> None:
    """Operations are taken in the order in which they were started."""
    clock, order = Clock(), []
    names = []
    for key in ("a", "b", "c"):
        names.append(start(operations, key, clock=clock))
        clock.now += 1000

    def job(running: Running) -> Message:
        order.append(running.name)
        return Date()

    worker = runner(operations, job)
    while worker.step():
        pass
    assert order == names


def test_deleting(operations: Operations) -> None:
    """A finished operation can be forgotten, an unfinished one cannot, and a forgotten one is not found."""
    name = start(operations)
    delete = pb.DeleteOperationRequest(name=name)
    with pytest.raises(OperationRunning):
        operations.DeleteOperation(delete, CALL)
    runner(operations, lambda _: Date()).step()
    operations.DeleteOperation(delete, CALL)
    for gone in (
        lambda: get(operations, name),
        lambda: operations.DeleteOperation(delete, CALL),
        lambda: operations.CancelOperation(pb.CancelOperationRequest(name=name), CALL),
        lambda: operations.WaitOperation(pb.WaitOperationRequest(name=name), CALL),
    ):
        with pytest.raises(NotFound) as refused:
            gone()
        assert refused.value.metadata == {"name": name}


def pages(operations: Operations, size: int) -> Iterator[list[str]]:
    """Follow the pages of a list."""
    token = ""
    while True:
        request = pb.ListOperationsRequest(name="operations", page_size=size, page_token=token)
        answer = operations.ListOperations(request, CALL)
        yield [operation.name for operation in answer.operations]
        token = answer.next_page_token
        if not token:
            return


def test_listing(operations: Operations) -> None:
    """All operations are listed once, the newest first, in pages of the size asked for."""
    clock = Clock()
    names = []
    for number in range(7):
        clock.now += 1000
        names.append(start(operations, str(number), clock=clock))
    for size, lengths in ((3, [3, 3, 1]), (7, [7]), (0, [7])):
        found = list(pages(operations, size))
        assert [len(page) for page in found] == lengths
        assert [name for page in found for name in page] == names[::-1]


def test_a_negative_page_is_refused(operations: Operations) -> None:
    """A page size below zero is the caller's mistake, with operations and without."""
    for _ in range(2):
        with pytest.raises(Invalid) as refused:
            operations.ListOperations(pb.ListOperationsRequest(page_size=-1), CALL)
        assert [violation.field for violation in refused.value.violations] == ["page_size"]
        start(operations, str(_))


def test_operations_are_served(operations: Operations) -> None:
    """The standard service answers over the wire, each method under a permission of its own."""
    name = start(operations)
    requests: dict[str, tuple[str, Message]] = {
        "GetOperation": ("operations.get", pb.GetOperationRequest(name=name)),
        "WaitOperation": ("operations.get", pb.WaitOperationRequest(name=name)),
        "ListOperations": ("operations.list", pb.ListOperationsRequest()),
        "CancelOperation": ("operations.cancel", pb.CancelOperationRequest(name=name)),
        "DeleteOperation": ("operations.delete", pb.DeleteOperationRequest(name=name)),
    }
    service = pb.DESCRIPTOR.services_by_name["Operations"]
    assert {method.name for method in service.methods} == requests.keys()
    with serving((service, operations)) as running:
        call: Callable[..., object] = running.call
        for method, (permission, request) in requests.items():
            path = f"/google.longrunning.Operations/{method}"
            with pytest.raises(Refusal) as refused:
                call(path, request, running.token("customer.*"))
            assert refused.value.metadata == {"permission": permission}
            if method != "DeleteOperation":
                running.method(path)(request.SerializeToString(), metadata=running.token(permission), timeout=10)
            else:
                with pytest.raises(Refusal) as refused:
                    call(path, request, running.token(permission))
                assert (refused.value.code, refused.value.reason) == ("ABORTED", "OPERATION_RUNNING")
