"""A client of the tiering service with a method for what tests do again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf import json_format
from google.protobuf.message import Message

from chassis import wire
from chassis.money import Currency
from services.tiering.policies.convert import ladder_to_proto
from services.tiering.policies.domain import Ladder, Score
from services.tiering.tests.ladders import FIRST_DAY
from services.tiering.tests.owner import Owner
from services.tiering.tests.scores import score_to_proto
from shuke.event.v1 import event_pb2, event_pb2_grpc
from shuke.tiering.v1 import benefits_pb2_grpc, events_pb2, policies_pb2_grpc, tiering_pb2_grpc
from shuke.tiering.v1 import policies_pb2 as policies
from shuke.tiering.v1 import tiering_pb2 as pb
from tests.running import Refusal, Running

POLICIES = policies_pb2_grpc.PolicyServiceStub
EVALUATIONS = tiering_pb2_grpc.EvaluationServiceStub
BENEFITS = benefits_pb2_grpc.BenefitServiceStub
MEMBERSHIPS = tiering_pb2_grpc.MembershipServiceStub
ANALYTICS = tiering_pb2_grpc.AnalyticsServiceStub
FEED = event_pb2_grpc.EventFeedServiceStub

AUTHOR, REVIEWER, APPROVER, MANAGER = "S-AUTHOR", "S-REVIEWER", "S-APPROVER", "S-MANAGER"
EXAMPLES = Path(__file__).parents[3] / "cli" / "example_policies"
LOYALTY = "schemes/loyalty"
PATIENCE = 20.0

M = TypeVar("M", bound=Message)


def example(kind: str = "loyalty") -> policies.Policy:
    """Read an example policy."""
    return json_format.Parse((EXAMPLES / f"{kind}.json").read_text(encoding="utf-8"), policies.Policy())


def policy_of(rules: Ladder | Score, effective_date: date = FIRST_DAY) -> policies.Policy:
    """Write a policy with rules of its own."""
    policy = policies.Policy(effective_date=wire.to_date(effective_date))
    match rules:
        case Ladder():
            policy.ladder.CopyFrom(ladder_to_proto(rules, Currency.of("GBP")))
        case Score():
            policy.score.CopyFrom(score_to_proto(rules))
    return policy


def refused(call: Callable[[], Any]) -> Refusal:
    """Answer why a call is refused."""
    with pytest.raises(Refusal) as refusal:
        call()
    return refusal.value


@dataclass
class Tiering:
    """The running service, and the owner of the events that it reads."""

    running: Running
    owner: Owner
    read: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(16), 0))

    # ------------------------------------------------------------------------------------------------------- policies

    def step(self, verb: str, version: str, staff: str, **fields: object) -> policies.Policy:
        """Take a step of a policy's life: Submit, Review, Approve, Activate or Retire."""
        request = getattr(policies, f"{verb}PolicyRequest")(name=version, **fields)
        answer: policies.Policy = self.running.call(POLICIES, f"{verb}Policy", request, staff=staff)
        return answer

    def draft(
        self, policy: policies.Policy | None = None, scheme: str = "loyalty", staff: str = AUTHOR, request_id: str = ""
    ) -> policies.Policy:
        """Draft a policy, the example where no other is given."""
        request = policies.DraftPolicyRequest(
            parent=f"policies/{scheme}", policy=policy or example(), request_id=request_id
        )
        answer: policies.Policy = self.running.call(POLICIES, "DraftPolicy", request, staff=staff)
        return answer

    def activate(self, policy: policies.Policy | None = None, scheme: str = "loyalty") -> policies.Policy:
        """Lead a policy into force."""
        name = self.draft(policy, scheme).name
        for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER), ("Approve", APPROVER)):
            self.step(verb, name, staff)
        return self.step("Activate", name, MANAGER)

    # --------------------------------------------------------------------------------------------------------- events

    def tell(self, *changes: Message) -> None:
        """Let the customer service tell of changes, and wait until they are in."""
        self.owner.tell(*changes)
        self.settle()

    def settle(self) -> None:
        """Wait until all events of the owner are in."""
        self.running.wake()
        wait_for(lambda: self.positions() == self.owner.heads)

    def positions(self) -> dict[int, int]:
        """Read the cursors."""
        with self.running.database.read() as tx:
            rows = tx.exec_driver_sql("SELECT partition, position FROM cursors WHERE source = 'customer.shuke'").all()
        return dict.fromkeys(range(16), 0) | dict(map(tuple, rows))

    def told(self) -> list[Message]:
        """Read what tiering has told since the last time, customer by customer."""
        cursors = [event_pb2.Cursor(partition=part, position=position) for part, position in self.read.items()]
        answer = self.running.call(FEED, "ReadEvents", event_pb2.ReadEventsRequest(cursors=cursors, limit=2000))
        self.read |= {head.partition: head.position for head in answer.heads}
        return [_opened(event) for event in answer.events]

    # ----------------------------------------------------------------------------------------------------- operations

    def start(
        self, as_of: date, scheme: str = LOYALTY, *, apply: bool | None = None, request_id: str = ""
    ) -> operations_pb2.Operation:
        """Start a run."""
        request = pb.RunEvaluationRequest(scheme=scheme, as_of=wire.to_date(as_of), apply=apply, request_id=request_id)
        answer: operations_pb2.Operation = self.running.call(EVALUATIONS, "RunEvaluation", request)
        return answer

    def start_later(self, verb: str, name: str, request_id: str = "") -> operations_pb2.Operation:
        """Start to Apply or Revert a run."""
        request = getattr(pb, f"{verb}EvaluationRequest")(name=name, request_id=request_id)
        answer: operations_pb2.Operation = self.running.call(EVALUATIONS, f"{verb}Evaluation", request)
        return answer

    def later(self, verb: str, name: str) -> pb.Evaluation:
        """Apply or Revert a run, a second after what was done before."""
        self.running.clock.now += 1_000_000
        evaluation = pb.Evaluation()
        operation = self.finish(self.start_later(verb, name).name)
        assert operation.response.Unpack(evaluation), operation
        return evaluation

    def operation(self, name: str) -> operations_pb2.Operation:
        """Look at an operation."""
        request = operations_pb2.GetOperationRequest(name=name)
        answer: operations_pb2.Operation = self.running.call(OperationsStub, "GetOperation", request)
        return answer

    def finish(self, name: str) -> operations_pb2.Operation:
        """Wait for the end of an operation."""
        self.running.wake()
        return wait_for(lambda: found if (found := self.operation(name)).done else None)

    def evaluate(self, as_of: date, scheme: str = LOYALTY, *, apply: bool | None = None) -> pb.Evaluation:
        """Run an evaluation to its end."""
        operation = self.finish(self.start(as_of, scheme, apply=apply).name)
        evaluation = pb.Evaluation()
        assert operation.response.Unpack(evaluation), operation
        return evaluation

    # ---------------------------------------------------------------------------------------------------- memberships

    def member(self, customer: str, scheme: str = "loyalty", **caller: object) -> pb.Membership:
        """Answer a customer's place."""
        request = pb.GetMembershipRequest(name=f"schemes/{scheme}/members/{customer}")
        answer: pb.Membership = self.running.call(MEMBERSHIPS, "GetMembership", request, **caller)
        return answer

    def history(self, customer: str) -> list[pb.Movement]:
        """List a customer's movements, the latest first."""
        request = pb.ListHistoryRequest(parent=f"{LOYALTY}/members/{customer}")
        return list(self.running.call(MEMBERSHIPS, "ListHistory", request).movements)

    def distribution(self, day: date | None = None, scheme: str = LOYALTY) -> pb.ClassDistribution:
        """Count the classes at the end of a day."""
        request = pb.GetClassDistributionRequest(scheme=scheme, date=wire.to_date(day))
        answer: pb.ClassDistribution = self.running.call(ANALYTICS, "GetClassDistribution", request)
        return answer


T = TypeVar("T")


def wait_for(look: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """Look again and again until there is something."""
    until = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
    return found


def counts(classes: Iterable[pb.ClassCount]) -> dict[str, int]:
    """Read customers per class."""
    return {one.class_key: one.count for one in classes}


def _opened(event: event_pb2.Event) -> Message:
    message: Message = getattr(events_pb2, event.type.rpartition(".")[2])()
    assert event.data.Unpack(message)
    return message
