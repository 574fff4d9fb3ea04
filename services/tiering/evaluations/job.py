"""The job that a run is: to grade everybody as of a day, or to apply or revert what a run found."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Protocol

from google.protobuf.any_pb2 import Any

from chassis import names, wire
from chassis.calendar import day_of
from chassis.calls import Calls
from chassis.database import Tx
from chassis.errors import Problems
from chassis.events import Change, EventLog
from chassis.ids import NewId
from chassis.operations import Cancelled, Running
from chassis.rebuild import Listener
from chassis.settings import Chain
from services.tiering.benefits.domain import display_names
from services.tiering.benefits.repository import Catalogues
from services.tiering.config import TieringSettings
from services.tiering.evaluations import convert, repository
from services.tiering.evaluations.domain import (
    ANYBODY,
    Evaluation,
    Outcome,
    Plan,
    Run,
    check_appliable,
    check_revertible,
    check_same,
    effective_time,
    figures,
)
from services.tiering.evaluations.rpc import existing, progress
from services.tiering.grading import repository as grading
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.convert import Benefits, membership_changed
from services.tiering.memberships.domain import Movement
from services.tiering.policies.domain import Ladder, Rules, Score
from services.tiering.policies.repository import Policies
from services.tiering.scoring import repository as scoring
from shuke.tiering.v1 import tiering_pb2 as pb

# An operation keeps one answer for all who ask, so its texts are in the suite's first language.
LANGUAGE = "zh-CN"

Metadata = pb.RunEvaluationMetadata
Changes = Generator[list[Change], None, None]


class Report(Protocol):
    """Tells how far a run has come; raises `Cancelled` when it is to end."""

    def __call__(self, stage: Metadata.Stage.ValueType, done: int = 0, total: int = 0) -> None:
        """Tell the stage, and how many of its units are done."""


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
        config: TieringSettings,
        log: EventLog,
        policies: Policies,
        catalogues: Catalogues,
        chain: Chain,
        listener: Listener,
    ) -> None:
        self.calls = calls
        self.database = calls.database
        self.config = config
        self.log = log
        self.policies = policies
        self.catalogues = catalogues
        self.zone = chain.zone_info
        self.money = chain.money
        self.listener = listener

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
            self._hold(tx)
            check_revertible(existing(tx, request.name), repository.newest(tx, run.scheme))
            memberships.revert(tx, run.scheme, run.id, run.effective_time, now)
            # What holds at present rests on the run unless one of a later day is in effect.
            if repository.next_run(tx, run) is None:
                rules, back = self.policies.version(tx, run.scheme, run.policy_version).rules, memberships.back(run.id)
                told = changed(memberships.stream(tx, back), rules, self._benefits(tx, run, rules, now))
                self._tell(tx, told, now, new_id, self._announcing(report, repository.count(tx, back)))
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
        """Wait until all that the owner had recorded when the job began is in."""
        report(Metadata.READING_EVENTS)
        self.listener.catch_up(partial(report, Metadata.READING_EVENTS))

    def _hold(self, tx: Tx) -> dict[int, int]:
        """Let no event come in until the transaction ends, and take the time and the memory that everybody needs."""
        repository.take_time(tx, self.config.evaluation_work_mem, self.config.evaluation_seconds)
        return repository.hold_cursors(tx, self.listener.consumer.source)

    def _grade(self, tx: Tx, plan: Plan, new_id: NewId, report: Report) -> Evaluation:
        """Grade and apply in one transaction, during which no event comes in."""
        run, rules = plan.run, plan.rules
        known_through = self._hold(tx)
        with repository.workspace(tx):
            trial = tx.begin_nested()
            if rules.first_class:
                repository.find_first_moves(tx, run, rules.first_class)
                memberships.add_all(tx, repository.first_moves())
            outcomes = self._outcomes(tx, run, rules)
            counted = figures(rules, outcomes)
            apply_time = run.record_time if plan.applied else None
            evaluation = Evaluation(run, apply_time, None, known_through, counted, repository.class_ranges(tx))
            if plan.applied:
                current = self._move(tx, run)
                self._announce(tx, evaluation, rules, outcomes, new_id, report, current=current)
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
        if later is None:
            repository.find_leavers(tx, run)
        else:
            repository.find_moves_back(tx, run, later, memberships.held(run.scheme, later))
        memberships.add_all(tx, repository.regraded(run))
        memberships.add_all(tx, repository.moves(run))
        return later is None

    def _announce(
        self,
        tx: Tx,
        evaluation: Evaluation,
        rules: Rules,
        outcomes: Mapping[Outcome, int],
        new_id: NewId,
        report: Report,
        *,
        current: bool,
    ) -> None:
        """Tell whose class changed and, where the run is of the present, whose was confirmed; then of the run.

        What is told of many alike is written by one statement: a run may be about millions.
        """
        run = evaluation.run
        now, benefits = run.record_time, self._benefits(tx, run, rules, run.record_time)
        first = repository.current_first_moves()
        moved = repository.count_told(tx, run) if current else {}
        kept = {one.to_class: count for one, count in outcomes.items() if one.from_class == one.to_class is not None}
        alike = [
            (count, repository.told(run, outcome), membership_changed(run.movement(outcome), rules, benefits))
            for outcome, count in moved.items()
        ]
        if current:
            alike += [
                (
                    count,
                    repository.confirmed(run, key),
                    convert.membership_confirmed(run, ANYBODY, key, rules, benefits),
                )
                for key, count in kept.items()
            ]
        advance = self._announcing(report, repository.count(tx, first) + sum(count for count, _, _ in alike))
        self._tell(tx, changed(memberships.stream(tx, first), rules, benefits), now, new_id, advance)
        for count, customers, change in alike:
            self.log.add_for_each(tx, change, ANYBODY, customers, now, new_id)
            advance(count)
        self.log.add(tx, [convert.evaluation_completed(evaluation)], now, new_id)

    def _benefits(self, tx: Tx, run: Run, rules: Rules, now: int) -> Benefits:
        return display_names(self.catalogues.in_force(tx, day_of(now, self.zone)).catalogue, run.scheme, rules)

    def _announcing(self, report: Report, total: int) -> Callable[[int], None]:
        """Make what tells that more of so many customers have been told of."""
        done = 0

        def advance(number: int) -> None:
            nonlocal done
            done += number
            # SQLite has one writer, and that is this transaction: nothing can be reported before its end.
            if not self.database.sqlite:
                report(Metadata.ANNOUNCING, done, total)

        return advance

    def _tell(self, tx: Tx, told: Changes, now: int, new_id: NewId, advance: Callable[[int], None]) -> None:
        with closing(told) as chunks:
            for changes in chunks:
                self.log.add(tx, changes, now, new_id)
                advance(len(changes))
