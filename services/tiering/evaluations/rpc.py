"""Handlers of `shuke.tiering.v1.EvaluationService`, and the job that a run is."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from typing import Protocol

from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis import names, wire
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.consumer import Consumer, Feed
from chassis.database import Database, Tx
from chassis.errors import Problems
from chassis.events import Change, EventLog
from chassis.ids import NewId
from chassis.operations import Cancelled, Operations, Running
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.tiering.benefits.domain import display_names
from services.tiering.benefits.repository import Catalogues
from services.tiering.evaluations import convert, repository
from services.tiering.evaluations.domain import (
    Evaluation,
    EvaluationNotFound,
    Outcome,
    Plan,
    Run,
    check_appliable,
    check_as_of,
    check_revertible,
    check_same,
    effective_time,
    figures,
)
from services.tiering.grading import repository as grading
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.convert import Benefits, membership_changed, movement_to_proto
from services.tiering.memberships.domain import Movement
from services.tiering.policies.domain import Ladder, Rules, Score
from services.tiering.policies.repository import Policies
from services.tiering.scoring import repository as scoring
from shuke.tiering.v1 import tiering_pb2 as pb

KIND = "evaluation"
PAUSE = 0.02
# An operation keeps one answer for all who ask, so its texts are in the suite's first language.
LANGUAGE = "zh-CN"

Metadata = pb.RunEvaluationMetadata
Changes = Generator[list[Change], None, None]


class Report(Protocol):
    """Tells how far a run has come; raises `Cancelled` when it is to end."""

    def __call__(self, stage: Metadata.Stage.ValueType, done: int = 0, total: int = 0) -> None:
        """Tell the stage, and how many of its units are done."""


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


def reporter(running: Running, scheme: str, as_of: date) -> Report:
    """Make what tells an operation's progress."""

    def report(stage: Metadata.Stage.ValueType, done: int = 0, total: int = 0) -> None:
        running.report(progress(scheme, as_of, stage, done, total))

    return report


def changed(movements: Generator[list[Movement], None, None], rules: Rules, benefits: Benefits) -> Changes:
    """Tell of movements, a chunk at a time."""
    with closing(movements) as chunks:
        for chunk in chunks:
            yield [membership_changed(movement, rules, benefits) for movement in chunk]


class EvaluationJob:
    """Carries out what was asked for: a run, or to apply or revert one.

    A run reads the events that came before it, grades everybody, and tells every customer.
    """

    def __init__(
        self,
        calls: Calls,
        database: Database,
        log: EventLog,
        policies: Policies,
        catalogues: Catalogues,
        chain: Chain,
        consumer: Consumer,
        feed: Feed,
    ) -> None:
        self.calls = calls
        self.database = database
        self.log = log
        self.policies = policies
        self.catalogues = catalogues
        self.zone = chain.zone_info
        self.money = chain.money
        self.consumer = consumer
        self.feed = feed

    def __call__(self, running: Running) -> pb.Evaluation:
        """Do what was asked for; work that was interrupted begins again, work that had committed answers what is."""
        request = Any.FromString(running.request)
        run, apply, revert = pb.RunEvaluationRequest(), pb.ApplyEvaluationRequest(), pb.RevertEvaluationRequest()
        if request.Unpack(run):
            return self._run(run, running)
        if request.Unpack(apply):
            return self._apply(apply, running)
        request.Unpack(revert)
        return self._revert(revert, running)

    def _run(self, request: pb.RunEvaluationRequest, running: Running) -> pb.Evaluation:
        scheme, as_of = names.identity(request.scheme), wire.read_date(Problems(), "as_of", request.as_of)
        report = reporter(running, scheme, as_of)
        # The run has the operation's own id, so that doing the operation again does not make a second run.
        evaluation_id = names.identity(running.name).partition("-")[2]

        def work(tx: Tx, now: int, new_id: NewId) -> Evaluation:
            policy = self.policies.in_force(tx, scheme, as_of)
            run = Run(evaluation_id, scheme, as_of, policy.version, effective_time(as_of, self.zone), now)
            applied = not request.HasField("apply") or request.apply
            evaluation = self._grade(tx, Plan(run, policy.rules, applied), new_id, report)
            repository.add(tx, evaluation)
            return evaluation

        with self.database.read() as tx:
            found = repository.find(tx, evaluation_id)
        if found is None:
            self._read_events(report)
            report(Metadata.GRADING)
            found = self.calls.transact(work)
        return self._done(found, report)

    def _apply(self, request: pb.ApplyEvaluationRequest, running: Running) -> pb.Evaluation:
        with self.database.read() as tx:
            found = existing(tx, request.name)
        report = reporter(running, found.run.scheme, found.run.as_of)

        def work(tx: Tx, now: int, new_id: NewId) -> Evaluation:
            run = found.run
            check_appliable(existing(tx, request.name), repository.newest(tx, run.scheme))
            policy = self.policies.in_force(tx, run.scheme, run.as_of)
            again = replace(run, policy_version=policy.version, record_time=now)
            evaluation = self._grade(tx, Plan(again, policy.rules, applied=True), new_id, report)
            check_same(found, evaluation)
            applied = replace(evaluation, run=run)
            repository.save(tx, applied)
            return applied

        if found.apply_time is None:
            self._read_events(report)
            report(Metadata.GRADING)
            found = self.calls.transact(work)
        return self._done(found, report)

    def _revert(self, request: pb.RevertEvaluationRequest, running: Running) -> pb.Evaluation:
        with self.database.read() as tx:
            found = existing(tx, request.name)
        report = reporter(running, found.run.scheme, found.run.as_of)

        def work(tx: Tx, now: int, new_id: NewId) -> Evaluation:
            run, now = found.run, found.behind(now)
            repository.hold_cursors(tx, self.consumer.source)
            check_revertible(existing(tx, request.name), repository.newest(tx, run.scheme))
            memberships.revert(tx, run.scheme, run.id, run.effective_time, now)
            # What holds at present rests on the run unless one of a later day is in effect.
            if repository.next_run(tx, run) is None:
                rules, back = self.policies.version(tx, run.scheme, run.policy_version).rules, memberships.back(run.id)
                told = changed(memberships.stream(tx, back), rules, self._benefits(tx, run, rules, now))
                self._tell(tx, told, repository.count(tx, back), now, new_id, report)
            reverted = replace(found, revert_time=now)
            repository.save(tx, reverted)
            return reverted

        if found.revert_time is None:
            report(Metadata.GRADING)
            found = self.calls.transact(work)
        return self._done(found, report)

    def _done(self, evaluation: Evaluation, report: Report) -> pb.Evaluation:
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

    def _grade(self, tx: Tx, plan: Plan, new_id: NewId, report: Report) -> Evaluation:
        """Grade and apply in one transaction, during which no event comes in."""
        run, rules = plan.run, plan.rules
        known_through = repository.hold_cursors(tx, self.consumer.source)
        with repository.workspace(tx):
            trial = tx.begin_nested()
            if rules.first_class:
                repository.find_first_moves(tx, run, rules.first_class)
                memberships.add_all(tx, repository.moves(None))
            counted = figures(rules, self._outcomes(tx, run, rules))
            apply_time = run.record_time if plan.applied else None
            evaluation = Evaluation(run, apply_time, None, known_through, counted, repository.class_ranges(tx))
            if plan.applied:
                current = self._move(tx, run)
                self._announce(tx, evaluation, rules, new_id, report, current=current)
                trial.commit()
            else:
                trial.rollback()
        return evaluation

    def _outcomes(self, tx: Tx, run: Run, rules: Ladder | Score) -> dict[Outcome, int]:
        """Grade everybody, each kind of rules in its own way."""
        held = memberships.held(run.scheme, run.effective_time)
        match rules:
            case Ladder():
                query = grading.grades(rules, run.as_of, held)
            case Score():
                placed = scoring.places(rules, run.as_of, grading.sums(rules, run.as_of))
                query = scoring.grades(placed, run.as_of, held)
        return repository.keep_grades(tx, query)

    def _move(self, tx: Tx, run: Run) -> bool:
        """Let everybody move; answer whether the run is of the present. An earlier day's changes the past alone."""
        later = repository.next_run(tx, run)
        if later is not None:
            repository.find_moves_back(tx, run, later, memberships.held(run.scheme, later))
        repository.find_moves(tx, run, current=later is None)
        memberships.add_all(tx, repository.moves(run, run.effective_time))
        if later is not None:
            memberships.add_all(tx, repository.moves(run, later))
        return later is None

    def _announce(
        self, tx: Tx, evaluation: Evaluation, rules: Rules, new_id: NewId, report: Report, *, current: bool
    ) -> None:
        """Tell whose class changed and, where the run is of the present, whose was confirmed; then of the run."""
        run = evaluation.run
        benefits = self._benefits(tx, run, rules, run.record_time)
        moved, confirmed = repository.current_moves(), repository.confirmed(run)
        total = repository.count(tx, moved) + (repository.count(tx, confirmed) if current else 0)

        def changes() -> Changes:
            yield from changed(memberships.stream(tx, moved), rules, benefits)
            if current:
                with closing(memberships.chunks(tx, confirmed)) as chunks:
                    for rows in chunks:
                        kept = ((row.customer_id, row.to_class) for row in rows)
                        yield [convert.membership_confirmed(run, who, key, rules, benefits) for who, key in kept]

        self._tell(tx, changes(), total, run.record_time, new_id, report)
        self.log.add(tx, [convert.evaluation_completed(evaluation)], run.record_time, new_id)

    def _benefits(self, tx: Tx, run: Run, rules: Rules, now: int) -> Benefits:
        return display_names(self.catalogues.in_force(tx, day_of(now, self.zone)).catalogue, run.scheme, rules)

    def _tell(self, tx: Tx, told: Changes, total: int, now: int, new_id: NewId, report: Report) -> None:
        done = 0
        with closing(told) as chunks:
            for changes in chunks:
                self.log.add(tx, changes, now, new_id)
                done += len(changes)
                # SQLite has one writer, and that is this transaction: nothing can be reported before its end.
                if not self.database.sqlite:
                    report(Metadata.ANNOUNCING, done, total)
