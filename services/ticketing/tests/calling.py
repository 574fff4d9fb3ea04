"""A client for follow-ups: the calls on customers after tickets were closed."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from services.ticketing.tests.clerk import ALICE, Clerk
from shuke.ticketing.v1 import followups_pb2 as pb
from shuke.ticketing.v1 import followups_pb2_grpc
from shuke.ticketing.v1 import tickets_pb2 as tickets
from shuke.ticketing.v1.ticket_pb2 import Ticket

STUB = followups_pb2_grpc.FollowUpServiceStub
CALLER = ("staff", "stores", "operator", "permissions", "language")
DAY = 86_400_000_000
PATIENCE = 20.0

T = TypeVar("T")


class Caller:
    """Lists and makes follow-ups, as the desk where a test names nobody else."""

    def __init__(self, clerk: Clerk) -> None:
        self.clerk = clerk

    def closed(self, **fields: Any) -> Ticket:
        """Open a ticket and close it on the spot, to the customer's satisfaction."""
        return self.clerk.open(close_now=tickets.OpenTicketRequest.CloseNow(answer="Done", satisfied=True), **fields)

    def page(self, **fields: Any) -> pb.ListTasksResponse:
        """List one page of follow-ups."""
        caller = _caller(fields)
        answer: pb.ListTasksResponse = self.clerk.running.call(
            STUB, "ListTasks", pb.ListTasksRequest(**fields), **caller
        )
        return answer

    def tasks(self, **fields: Any) -> list[pb.FollowUp]:
        """List follow-ups."""
        return list(self.page(**fields).tasks)

    def complete(self, task: pb.FollowUp | str, outcome: pb.FollowUp.Outcome.ValueType, **fields: Any) -> pb.FollowUp:
        """Record what a follow-up came to."""
        caller, name = _caller(fields), task if isinstance(task, str) else task.name
        request = pb.CompleteFollowUpRequest(name=name, outcome=outcome, **fields)
        answer: pb.FollowUp = self.clerk.running.call(STUB, "CompleteFollowUp", request, **caller)
        return answer


def _caller(fields: dict[str, Any]) -> dict[str, Any]:
    caller = {name: fields.pop(name) for name in CALLER if name in fields}
    return caller if {"staff", "operator"} & caller.keys() else {"staff": ALICE, **caller}


def wait_for(look: Callable[[], T | None]) -> T:
    """Look again and again until there is something."""
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
    return found
