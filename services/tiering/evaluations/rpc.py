"""Handlers of `shuke.tiering.v1.EvaluationService`, and the job that a run is."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from typing import Protocol

from google.longrunning import operations_pb2

from chassis import names, wire
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.consumer import Consumer, Feed
from chassis.database import Database, Tx
from chassis.errors import Problems
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.operations import Cancelled, Operations, Running
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.tiering.evaluations import convert, repository
from services.tiering.evaluations.domain import (
    Evaluation,
    EvaluationNotFound,
    Outcome,
    Plan,
    Run,
    check_as_of,
    effective_time,
    figures,
)
from services.tiering.grading import repository as grading
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.convert import membership_changed, movement_to_proto
from services.tiering.policies.domain import Ladder, Rules, Score
from services.tiering.policies.repository import Policies
from services.tiering.scoring import repository as scoring
from shuke.tiering.v1 import tiering_pb2 as pb

KIND = "evaluation"
PAUSE = 0.02
# An operation keeps one answer for all who ask, so its texts are in the suite's first language.
LANGUAGE = "zh-CN"

Metadata = pb.RunEvaluationMetadata


class Report(Protocol):
    """Tells how far a run has come; raises `Cancelled` when it is to end."""

    def __call__(self, stage: Metadata.Stage.ValueType, done: int = 0, total: int = 0) -> None:
        """Tell the stage, and how many of its units are done."""


class EvaluationService:
    """Starts runs and answers what they found."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        operations: Operations,
        policies: Policies,
        chain: Chain,
        pager: Pager,
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
            progress = Metadata(scheme=request.scheme, as_of=request.as_of, stage=Metadata.WAITING)
            return self.operations.start(tx, KIND, scheme, request, progress, now, new_id)

        return self.calls.once(call, request, operations_pb2.Operation, work)

    def GetEvaluation(self, request: pb.GetEvaluationRequest, call: Call) -> pb.Evaluation:
        """Answer one run."""
        with self.database.read() as tx:
            return self._to_proto(tx, self._find(tx, request.name), call)

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
        after = (str(cursor[0]), int(cursor[1])) if cursor else None
        with self.database.read() as tx:
            evaluation = self._find(tx, request.parent)
            found = memberships.list_of_run(tx, evaluation.run.id, after=after, limit=size + 1)
        page, more = self.pager.page(
            request, found, size, lambda movement: [movement.customer, movement.effective_time]
        )
        return pb.ListMovementsResponse(movements=map(movement_to_proto, page), next_page_token=more)

    def _find(self, tx: Tx, name: str) -> Evaluation:
        evaluation = repository.find(tx, names.identity(name))
        if evaluation is None:
            raise EvaluationNotFound(name=name)
        return evaluation

    def _to_proto(self, tx: Tx, evaluation: Evaluation, call: Call) -> pb.Evaluation:
        policy = self.policies.version(tx, evaluation.run.scheme, evaluation.run.policy_version)
        return convert.evaluation_to_proto(evaluation, policy.rules, self.money, call.language)


class EvaluationJob:
    """Carries a run out: reads the events that came before it, grades everybody, and tells who moved."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        log: EventLog,
        policies: Policies,
        chain: Chain,
        consumer: Consumer,
        feed: Feed,
    ) -> None:
        self.calls = calls
        self.database = database
        self.log = log
        self.policies = policies
        self.zone = chain.zone_info
        self.money = chain.money
        self.consumer = consumer
        self.feed = feed

    def __call__(self, running: Running) -> pb.Evaluation:
        """Do the run; one that was interrupted begins again, one that had committed answers what it found."""
        request = pb.RunEvaluationRequest.FromString(running.request)
        # The run has the operation's own id, so that doing the operation again does not make a second run.
        evaluation_id = names.identity(running.name).partition("-")[2]

        def report(stage: Metadata.Stage.ValueType, done: int = 0, total: int = 0) -> None:
            running.report(Metadata(scheme=request.scheme, as_of=request.as_of, stage=stage, done=done, total=total))

        with self.database.read() as tx:
            evaluation = repository.find(tx, evaluation_id)
        if evaluation is None:
            self._read_events(report)
            report(Metadata.GRADING)
            evaluation = self.calls.transact(
                lambda tx, now, new_id: self._run(tx, self._plan(tx, evaluation_id, request, now), new_id, report)
            )
        run, handled = evaluation.run, evaluation.figures.denominator
        # It has taken effect, so that it is too late to cancel it.
        with suppress(Cancelled):
            report(Metadata.DONE, handled, handled)
        with self.database.read() as tx:
            policy = self.policies.version(tx, run.scheme, run.policy_version)
        return convert.evaluation_to_proto(evaluation, policy.rules, self.money, LANGUAGE)

    def _read_events(self, report: Report) -> None:
        """Wait until all that the owner had recorded when the job began is in; help the consumer along."""
        report(Metadata.READING_EVENTS)
        with self.database.read() as tx:
            start = self.consumer.positions(tx)
        answer = self.feed.read_events(start, 1)
        heads = {head.partition: head.position for head in answer.heads}
        total = sum(max(head - start[partition], 0) for partition, head in heads.items())
        while True:
            with self.database.read() as tx:
                positions = self.consumer.positions(tx, answer.epoch)
            missing = sum(max(head - positions[partition], 0) for partition, head in heads.items())
            report(Metadata.READING_EVENTS, total - missing, total)
            if not missing:
                return
            if not self.consumer.poll(self.feed):
                time.sleep(PAUSE)

    def _plan(self, tx: Tx, evaluation_id: str, request: pb.RunEvaluationRequest, now: int) -> Plan:
        as_of = wire.read_date(Problems(), "as_of", request.as_of)
        policy = self.policies.in_force(tx, names.identity(request.scheme), as_of)
        run = Run(evaluation_id, policy.scheme, as_of, policy.version, effective_time(as_of, self.zone), now)
        return Plan(run, policy.rules, applied=not request.HasField("apply") or request.apply)

    def _run(self, tx: Tx, plan: Plan, new_id: NewId, report: Report) -> Evaluation:
        """Grade and apply in one transaction, during which no event comes in."""
        run, rules = plan.run, plan.rules
        known_through = repository.hold_cursors(tx, self.consumer.source)
        with repository.workspace(tx):
            trial = tx.begin_nested()
            if rules.first_class:
                repository.find_first_moves(tx, run, rules.first_class)
                memberships.add_all(tx, repository.moves(None))
            counted = figures(rules, self._grade(tx, run, rules))
            evaluation = Evaluation(run, plan.applied, known_through, counted, repository.class_ranges(tx))
            if plan.applied:
                self._move(tx, run)
                self._announce(tx, evaluation, rules, new_id, report)
                trial.commit()
            else:
                trial.rollback()
        repository.add(tx, evaluation)
        return evaluation

    def _grade(self, tx: Tx, run: Run, rules: Ladder | Score) -> dict[Outcome, int]:
        """Grade everybody, each kind of rules in its own way."""
        held = memberships.held(run.scheme, run.effective_time)
        match rules:
            case Ladder():
                query = grading.grades(rules, run.as_of, held)
            case Score():
                placed = scoring.places(rules, run.as_of, grading.sums(rules, run.as_of))
                query = scoring.grades(placed, run.as_of, held)
        return repository.keep_grades(tx, query)

    def _move(self, tx: Tx, run: Run) -> None:
        """Let everybody move. A run of an earlier day than the last one's changes the past, and nothing at present."""
        later = repository.next_run(tx, run)
        if later is not None:
            repository.find_moves_back(tx, run, later, memberships.held(run.scheme, later))
        else:
            repository.find_leavers(tx, run)
        repository.find_moves(tx, run, current=later is None)
        memberships.add_all(tx, repository.moves(run, run.effective_time))
        if later is not None:
            memberships.add_all(tx, repository.moves(run, later))

    def _announce(self, tx: Tx, evaluation: Evaluation, rules: Rules, new_id: NewId, report: Report) -> None:
        """Tell of every change of what holds at present, and then of the run."""
        now, done, total = evaluation.run.record_time, 0, repository.count_current(tx)
        with closing(memberships.stream(tx, repository.current_moves())) as chunks:
            for movements in chunks:
                self.log.add(tx, [membership_changed(movement, rules) for movement in movements], now, new_id)
                done += len(movements)
                # SQLite has one writer, and that is this transaction: nothing can be reported before its end.
                if not self.database.sqlite:
                    report(Metadata.ANNOUNCING, done, total)
        self.log.add(tx, [convert.evaluation_completed(evaluation)], now, new_id)
