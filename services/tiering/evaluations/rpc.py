"""Handlers of `shuke.tiering.v1.EvaluationService`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis import names, wire
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems
from chassis.ids import NewId
from chassis.operations import Operations
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.tiering.evaluations import convert, repository
from services.tiering.evaluations.domain import (
    Evaluation,
    EvaluationNotFound,
    check_appliable,
    check_as_of,
    check_revertible,
)
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.convert import movement_to_proto
from services.tiering.policies.repository import Policies
from shuke.tiering.v1 import tiering_pb2 as pb

KIND = "evaluation"
Metadata = pb.RunEvaluationMetadata


def existing(tx: Tx, name: str) -> Evaluation:
    """Read a run, or raise `EvaluationNotFound`."""
    evaluation = repository.find(tx, names.identity(name))
    if evaluation is None:
        raise EvaluationNotFound(name=name)
    return evaluation


class EvaluationService:
    """Starts runs and answers what they found."""

    def __init__(
        self, calls: Calls, database: Database, operations: Operations, policies: Policies, chain: Chain, pager: Pager
    ) -> None:
        self.calls = calls
        self.database = database
        self.operations = operations
        self.policies = policies
        self.zone = chain.zone_info
        self.money = chain.money
        self.pager = pager

    def RunEvaluation(self, request: pb.RunEvaluationRequest, call: Call) -> operations_pb2.Operation:
        """Start a run; two of one scheme never run at once."""
        problems, scheme = Problems(), names.identity(request.scheme)
        as_of = wire.read_date(problems, "as_of", request.as_of)
        problems.refuse()

        def work(tx: Tx, now: int, new_id: NewId) -> operations_pb2.Operation:
            check_as_of(problems, as_of, day_of(now, self.zone))
            problems.refuse()
            self.policies.in_force(tx, scheme, as_of)
            return self._start(tx, scheme, as_of, request, now, new_id)

        return self.calls.once(call, request, operations_pb2.Operation, work)

    def ApplyEvaluation(self, request: pb.ApplyEvaluationRequest, call: Call) -> operations_pb2.Operation:
        """Start to let a run take effect that was not applied."""
        return self._later(request, call, check_appliable)

    def RevertEvaluation(self, request: pb.RevertEvaluationRequest, call: Call) -> operations_pb2.Operation:
        """Start to take back the run that was applied last."""
        return self._later(request, call, check_revertible)

    def GetEvaluation(self, request: pb.GetEvaluationRequest, call: Call) -> pb.Evaluation:
        """Answer one run."""
        with self.database.read() as tx:
            return self._to_proto(tx, existing(tx, request.name), call)

    def ListEvaluations(self, request: pb.ListEvaluationsRequest, call: Call) -> pb.ListEvaluationsResponse:
        """List the runs of a scheme, the newest first."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        scheme, before = names.identity(request.parent), str(cursor[0]) if cursor else None
        with self.database.read() as tx:
            self.policies.require(tx, scheme)
            found = repository.list_runs(tx, scheme, before=before, limit=size + 1)
            page, more = self.pager.page(request, found, size, lambda evaluation: [evaluation.run.id])
            evaluations = [self._to_proto(tx, evaluation, call) for evaluation in page]
        return pb.ListEvaluationsResponse(evaluations=evaluations, next_page_token=more)

    def ListMovements(self, request: pb.ListMovementsRequest, call: Call) -> pb.ListMovementsResponse:
        """List the movements that a run made."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        after = (str(cursor[0]), int(cursor[1]), int(cursor[2])) if cursor else None
        with self.database.read() as tx:
            evaluation = existing(tx, request.parent)
            found = memberships.list_of_run(tx, evaluation.run.id, after=after, limit=size + 1)
        page, more = self.pager.page(
            request, found, size, lambda one: [one.customer, one.effective_time, one.record_time]
        )
        return pb.ListMovementsResponse(movements=map(movement_to_proto, page), next_page_token=more)

    def _later(
        self,
        request: pb.ApplyEvaluationRequest | pb.RevertEvaluationRequest,
        call: Call,
        check: Callable[[Evaluation, Evaluation | None], None],
    ) -> operations_pb2.Operation:
        """Start what is to be done with a run; the job checks once more, when nothing comes in between."""

        def work(tx: Tx, now: int, new_id: NewId) -> operations_pb2.Operation:
            evaluation = existing(tx, request.name)
            run = evaluation.run
            check(evaluation, repository.newest(tx, run.scheme))
            return self._start(tx, run.scheme, run.as_of, request, now, new_id)

        return self.calls.once(call, request, operations_pb2.Operation, work)

    def _start(
        self, tx: Tx, scheme: str, as_of: date, request: Message, now: int, new_id: NewId
    ) -> operations_pb2.Operation:
        # What is asked for is kept with its type: of one scheme no two operations of any of the types go on at once.
        asked = Any()
        asked.Pack(request)
        waiting = progress(scheme, as_of, Metadata.WAITING)
        return self.operations.start(tx, KIND, scheme, asked, waiting, now, new_id)

    def _to_proto(self, tx: Tx, evaluation: Evaluation, call: Call) -> pb.Evaluation:
        policy = self.policies.version(tx, evaluation.run.scheme, evaluation.run.policy_version)
        return convert.evaluation_to_proto(evaluation, policy.rules, self.money, call.language)


def progress(scheme: str, as_of: date, stage: Metadata.Stage.ValueType, done: int = 0, total: int = 0) -> Metadata:
    """Write how far a run has come."""
    return Metadata(
        scheme=names.name("schemes", scheme), as_of=wire.to_date(as_of), stage=stage, done=done, total=total
    )
