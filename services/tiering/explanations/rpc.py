"""The handler of `shuke.tiering.v1.MembershipService` that explains."""

from __future__ import annotations

from datetime import date

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database, Tx
from chassis.settings import Chain
from services.tiering.evaluations import repository as evaluations
from services.tiering.explanations.convert import explanation_to_proto
from services.tiering.explanations.domain import (
    Assessment,
    Decision,
    Explanation,
    assess_by_ladder,
    assess_by_score,
)
from services.tiering.grading import repository as grading
from services.tiering.grading.domain import Metrics
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.convert import member_name
from services.tiering.memberships.domain import Cause, MembershipNotFound, Movement, deciding
from services.tiering.policies.domain import Ladder, PolicyVersion, Score, grace_days
from services.tiering.policies.repository import Policies
from services.tiering.scoring import repository as scoring
from shuke.tiering.v1 import tiering_pb2 as pb


class Explanations:
    """Tells why a customer holds its class."""

    def __init__(self, database: Database, policies: Policies, chain: Chain, clock: Clock) -> None:
        self.database = database
        self.policies = policies
        self.money = chain.money
        self.zone = chain.zone_info
        self.clock = clock

    def ExplainMembership(self, request: pb.ExplainMembershipRequest, call: Call) -> pb.MembershipExplanation:
        """Explain by the run, the refund or the first purchase that decides, and by the figures of today."""
        scheme, customer = names.parts(request.name)
        now = self.clock()
        today = day_of(now, self.zone)
        with self.database.read() as tx:
            policy = self.policies.known(tx, scheme, today)
            movement = deciding(memberships.movements(tx, scheme, customer), now)
            assessed = self._assess(tx, customer, policy, today, movement.to_class if movement else None)
            decision = self._decision(tx, movement, assessed.metrics.first_date) if movement else None
        explanation = Explanation(scheme, customer, decision, assessed)
        return explanation_to_proto(explanation, self.money, call.language)

    def _decision(self, tx: Tx, movement: Movement, first_date: date | None) -> Decision:
        if movement.cause is Cause.REFUND:
            day = day_of(movement.effective_time, self.zone)
            policy = self.policies.find(tx, movement.scheme, day)
            refunded = self._assess(tx, movement.customer, policy, day, movement.from_class) if policy else None
            return Decision(movement, policy, {}, refunded)
        evaluation = evaluations.behind(tx, movement)
        if evaluation is None:
            policy = self.policies.find(tx, movement.scheme, first_date) if first_date else None
            return Decision(movement, policy, {}, None)
        run = evaluation.run
        graded_by = self.policies.version(tx, run.scheme, run.policy_version)
        basis = self._assess(tx, movement.customer, graded_by, run.as_of, movement.from_class)
        return Decision(movement, graded_by, evaluation.known_through, basis)

    def _assess(self, tx: Tx, customer: str, policy: PolicyVersion, as_of: date, current: str | None) -> Assessment:
        rules = policy.rules

        def figures(day: date) -> Metrics:
            found = grading.metrics(tx, customer, rules, day)
            if found is None:
                raise MembershipNotFound(name=member_name(policy.scheme, customer))
            return found

        metrics = figures(as_of)
        match rules:
            case Ladder():
                before = {day: figures(day) for day in grace_days(rules, as_of)}
                return assess_by_ladder(policy, rules, metrics, as_of, current, before)
            case Score():
                placed = scoring.places(rules, as_of, grading.sums(rules, as_of))
                return assess_by_score(policy, metrics, as_of, scoring.place(tx, customer, placed))
