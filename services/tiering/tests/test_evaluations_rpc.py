"""Runs over the wire: every customer graded once, with the figures, the movements and the events that follow."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, timedelta
from functools import partial

import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf.message import Message

from chassis import wire
from chassis.calls import Calls
from chassis.consumer import Consumer
from chassis.operations import Running
from services.tiering.consumers import SOURCE, CustomerEvents
from services.tiering.evaluations.rpc import EvaluationJob
from services.tiering.policies.convert import rules_of
from services.tiering.policies.repository import Policies
from services.tiering.tables import CURSORS, LOG, REQUESTS
from services.tiering.tests.clients import (
    EVALUATIONS,
    LOYALTY,
    Tiering,
    counts,
    example,
    policy_of,
    refused,
    wait_for,
)
from services.tiering.tests.ladders import LOYALTY as LADDER
from services.tiering.tests.owner import ANNA, BERT, CARLA, DORA, EMIL, Owner, at, customer, refund, sale
from shuke.options.v1 import options_pb2
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

DECEMBER, JANUARY, MAY = date(2010, 12, 5), date(2011, 1, 5), date(2011, 5, 5)
Q1, Q2, Q3 = date(2011, 3, 31), date(2011, 6, 30), date(2011, 9, 30)


def a_shop(owner: Owner) -> None:
    """Tell of a few customers, each of another fate."""
    owner.tell(
        sale(ANNA, JANUARY, 499_99),
        sale(BERT, JANUARY, 500_00),
        sale(CARLA, JANUARY, 25_000_00),  # 85 days by the end of the quarter
        sale(DORA, DECEMBER, 20_000_00),  # 116 days
        refund(EMIL, JANUARY, 10_00),
        sale(customer(9), MAY, 600_00),  # not in the ledger before
        sale(EMIL, MAY, 2_100_00),
        sale(ANNA, MAY, 1),
        refund(BERT, MAY, 1),
    )


@pytest.mark.requirement("T-01", "T-02", "T-04", "T-05", "T-13", "T-20", "X-29")
def test_a_run_grades_everybody_as_of_its_day(tiering: Tiering) -> None:
    """What was bought by the day counts, and nothing later; up and down are counted against the class held then."""
    tiering.activate()
    a_shop(tiering.owner)
    first = tiering.evaluate(Q1)
    assert counts(first.classes) == {"NEW": 1, "REGULAR": 1, "SILVER": 0, "GOLD": 1, "DIAMOND": 1}
    assert (first.denominator, first.none_count, first.up_count, first.down_count) == (5, 1, 3, 0)
    assert (first.applied, first.policy, first.as_of) == (True, "policies/loyalty/versions/1", wire.to_date(Q1))
    # The chain is in London, an hour ahead of UTC by the end of March.
    assert wire.instant(first.effective_time) == at(Q1, 23) - 1
    assert {one.partition: one.position for one in first.known_through} == {
        partition: head for partition, head in tiering.owner.heads.items() if head
    }
    second = tiering.evaluate(Q2)
    assert counts(second.classes) == {"NEW": 1, "REGULAR": 2, "SILVER": 1, "GOLD": 0, "DIAMOND": 2}
    assert (second.denominator, second.none_count, second.up_count, second.down_count) == (6, 0, 4, 1)
    held = {who: tiering.member(who).effective_class for who in (ANNA, BERT, CARLA, DORA, EMIL)}
    assert held == {ANNA: "REGULAR", BERT: "NEW", CARLA: "DIAMOND", DORA: "DIAMOND", EMIL: "SILVER"}


@pytest.mark.requirement("T-14", "T-20", "X-06")
def test_every_movement_is_told_and_then_the_run(tiering: Tiering) -> None:
    """Each movement names the run that made it, and its event says from which class to which."""
    tiering.activate()
    tiering.tell(sale(BERT, JANUARY, 500_00), sale(ANNA, JANUARY, 1_00))
    tiering.told()
    evaluation = tiering.evaluate(Q1)
    told = tiering.told()
    [changed] = [one for one in told if isinstance(one, events_pb2.MembershipChanged)]
    [completed] = [one for one in told if isinstance(one, events_pb2.EvaluationCompleted)]
    assert changed == events_pb2.MembershipChanged(
        customer=f"customers/{BERT}",
        scheme=LOYALTY,
        from_class="NEW",
        to_class="REGULAR",
        to_display_name=options_pb2.Text(zh="普通客户", en="Regular"),
        cause=pb.Movement.EVALUATION,
        evaluation=evaluation.name,
        effective_time=evaluation.effective_time,
    )
    assert completed == events_pb2.EvaluationCompleted(
        evaluation=evaluation.name, scheme=LOYALTY, as_of=evaluation.as_of, denominator=2, up_count=1
    )
    [movement] = tiering.running.call(
        EVALUATIONS, "ListMovements", pb.ListMovementsRequest(parent=evaluation.name)
    ).movements
    assert (movement.customer, movement.evaluation, movement.to_class) == (
        *(f"customers/{BERT}", evaluation.name, "REGULAR"),
    )


def test_a_run_reads_what_was_told_before_it(tiering: Tiering) -> None:
    """Sales that the owner had recorded when the run began are in, though nobody had fetched them; progress tells."""
    tiering.activate()
    tiering.owner.open = False
    tiering.owner.tell(*(sale(customer(number), JANUARY, 600_00) for number in range(700)))
    name = tiering.start(Q1).name
    tiering.owner.open = True
    assert tiering.finish(name).done
    progress = pb.RunEvaluationMetadata()
    tiering.operation(name).metadata.Unpack(progress)
    assert progress == pb.RunEvaluationMetadata(
        scheme=LOYALTY, as_of=wire.to_date(Q1), stage=pb.RunEvaluationMetadata.DONE, done=700, total=700
    )
    evaluation = pb.Evaluation()
    tiering.operation(name).response.Unpack(evaluation)
    assert counts(evaluation.classes)["REGULAR"] == 700
    assert len([one for one in tiering.told() if isinstance(one, events_pb2.EvaluationCompleted)]) == 1


def test_a_run_that_is_not_applied_moves_nobody(tiering: Tiering) -> None:
    """It records the same figures as one that is, and leaves classes, history and listeners alone."""
    a_shop(tiering.owner)
    tiering.settle()
    tiering.activate()
    tried = tiering.evaluate(Q1, apply=False)
    assert not tried.applied
    assert tiering.history(BERT) == []
    assert tiering.told() == []
    assert tiering.member(BERT).effective_class == ""
    applied = tiering.evaluate(Q1)
    for evaluation in (tried, applied):
        for field in ("name", "applied"):
            evaluation.ClearField(field)
    assert tried == applied
    assert tiering.member(BERT).effective_class == "REGULAR"


# -------------------------------------------------------------------------------------------------- days out of order


@pytest.mark.requirement("T-20")
def test_a_run_of_the_past_leaves_the_present_alone(tiering: Tiering) -> None:
    """A day graded after a later one changes the time between them; what the later run said holds, moved or not."""
    tiering.activate()
    # Bert earns Regular by the end of March, and no longer by the end of June; Anna rises in both.
    tiering.tell(
        sale(BERT, JANUARY, 500_00), refund(BERT, MAY, 1_00), sale(ANNA, JANUARY, 700_00), sale(ANNA, MAY, 2_000_00)
    )
    later = tiering.evaluate(Q2)
    tiering.running.clock.now += 1_000_000
    tiering.told()
    before = {who: tiering.member(who).effective_class for who in (ANNA, BERT)}
    assert before == {ANNA: "SILVER", BERT: "NEW"}
    earlier = tiering.evaluate(Q1)
    assert counts(earlier.classes)["REGULAR"] == 2
    assert {who: tiering.member(who).effective_class for who in (ANNA, BERT)} == before
    assert [type(one) for one in tiering.told()] == [events_pb2.EvaluationCompleted]
    path = [(one.from_class, one.to_class, one.evaluation) for one in reversed(tiering.history(BERT))]
    assert path == [("", "NEW", ""), ("NEW", "REGULAR", earlier.name), ("REGULAR", "NEW", earlier.name)]
    path = [(one.from_class, one.to_class, one.evaluation) for one in reversed(tiering.history(ANNA))]
    assert path == [("", "NEW", ""), ("NEW", "REGULAR", earlier.name), ("NEW", "SILVER", later.name)]
    assert counts(tiering.distribution(Q1).classes) == counts(earlier.classes)
    assert counts(tiering.distribution(Q2).classes) == counts(later.classes)


@pytest.mark.requirement("T-20")
@pytest.mark.parametrize("seed", range(3))
def test_runs_in_any_order_are_remembered_as_they_were(tiering: Tiering, seed: int) -> None:
    """However the days are mixed, classes at the end of each day stay what the last run of that day counted."""
    dice = random.Random(seed)
    days = [date(2011, 1, 1) + timedelta(days=dice.randrange(300)) for _ in range(200)]
    kinds: list[Callable[[str, date, int], Message]] = [sale, sale, refund]
    changes = [dice.choice(kinds)(customer(dice.randrange(40)), day, dice.randrange(3_000_00)) for day in days]
    tiering.owner.tell(*changes[:150])
    if seed:
        tiering.settle()
    tiering.activate()
    counted: dict[date, pb.Evaluation] = {}
    for number in range(6):
        as_of = dice.choice([Q1, Q2, Q3, date(2011, 2, 14)])
        tiering.running.clock.now += 1_000_000
        present = counts(tiering.distribution().classes)
        past = any(as_of < other for other in counted)
        counted[as_of] = tiering.evaluate(as_of)
        if past and number > 1:
            assert counts(tiering.distribution().classes) == present
        for day, evaluation in counted.items():
            found = tiering.distribution(day)
            assert (counts(found.classes), found.none_count) == (counts(evaluation.classes), evaluation.none_count)


def test_a_day_graded_again_counts_what_arrived_late(tiering: Tiering) -> None:
    """A second run of a day starts from the class that the first one gave, and decides from then on."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tiering.evaluate(Q1)
    tiering.running.clock.now += 1_000_000
    tiering.tell(refund(ANNA, JANUARY, 200_00))
    again = tiering.evaluate(Q1)
    assert (again.up_count, again.down_count) == (0, 1)
    assert tiering.member(ANNA).effective_class == "NEW"
    listed = tiering.running.call(
        EVALUATIONS, "ListEvaluations", pb.ListEvaluationsRequest(parent=LOYALTY, page_size=1)
    )
    assert [one.name for one in listed.evaluations] == [again.name]
    more = pb.ListEvaluationsRequest(parent=LOYALTY, page_size=1, page_token=listed.next_page_token)
    answer = tiering.running.call(EVALUATIONS, "ListEvaluations", more)
    assert (len(answer.evaluations), answer.next_page_token) == (1, "")


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(("days_ahead", "reason"), [(0, "AS_OF_NOT_PAST"), (400, "AS_OF_NOT_PAST")])
def test_a_day_that_is_not_over_is_refused(tiering: Tiering, days_ahead: int, reason: str) -> None:
    """Today and later cannot be graded; the answer says what today is."""
    tiering.activate()
    today = date(2026, 3, 2)
    refusal = refused(lambda: tiering.start(today + timedelta(days=days_ahead)))
    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", reason, {"as_of": reason})
    assert "2026-03-02" in refusal.message
    assert tiering.start(today - timedelta(days=1)).name


def test_a_day_without_a_policy_is_refused(tiering: Tiering) -> None:
    """Neither a scheme that nobody knows, nor a draft, nor the day before the first version's can be graded."""
    for prepare in (lambda: None, tiering.draft, lambda: tiering.activate(policy_of(LADDER, JANUARY))):
        prepare()
        refusal = refused(lambda: tiering.start(JANUARY - timedelta(days=1)))
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "POLICY_MISSING")
        assert refusal.metadata == {"scheme": "loyalty", "as_of": "2011-01-04"}


def test_two_runs_of_a_scheme_never_run_at_once(tiering: Tiering) -> None:
    """The second one is told of the first; another scheme may run, and a repeated call answers the first."""
    tiering.activate()
    tiering.activate(example(), scheme="value")
    tiering.owner.open = False
    first = tiering.start(Q1, request_id="r-1")
    refusal = refused(lambda: tiering.start(Q2))
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ABORTED", "OPERATION_RUNNING", {"name": first.name})
    assert tiering.start(Q1, request_id="r-1").name == first.name
    other = tiering.start(Q1, "schemes/value")
    tiering.owner.open = True
    assert tiering.finish(first.name).HasField("response")
    assert tiering.finish(other.name).HasField("response")
    assert tiering.start(Q2).name != first.name


def test_a_run_that_is_not_there_is_not_found(tiering: Tiering) -> None:
    """Reading a run or its movements names what is missing."""
    name = f"evaluations/{ANNA}"
    for call in (
        lambda: tiering.running.call(EVALUATIONS, "GetEvaluation", pb.GetEvaluationRequest(name=name)),
        lambda: tiering.running.call(EVALUATIONS, "ListMovements", pb.ListMovementsRequest(parent=name)),
    ):
        refusal = refused(call)
        assert (refusal.code, refusal.reason, refusal.metadata) == (
            *("NOT_FOUND", "EVALUATION_NOT_FOUND", {"name": name}),
        )
    unknown = refused(
        lambda: tiering.running.call(EVALUATIONS, "ListEvaluations", pb.ListEvaluationsRequest(parent=LOYALTY))
    )
    assert (unknown.code, unknown.reason, unknown.metadata) == ("NOT_FOUND", "SCHEME_UNKNOWN", {"name": LOYALTY})


def test_movements_come_in_pages(tiering: Tiering) -> None:
    """Pages follow each other in the order of the customers, and a token fits its own run alone."""
    tiering.activate()
    tiering.owner.tell(*(sale(customer(number), JANUARY, 600_00 + number) for number in range(5)))
    evaluation = tiering.evaluate(Q1)

    def page(parent: str, token: str = "") -> pb.ListMovementsResponse:
        request = pb.ListMovementsRequest(parent=parent, page_size=2, page_token=token)
        answer: pb.ListMovementsResponse = tiering.running.call(EVALUATIONS, "ListMovements", request)
        return answer

    found, token = [], ""
    while True:
        answer = page(evaluation.name, token)
        found += [one.customer for one in answer.movements]
        token = answer.next_page_token
        if not token:
            break
    assert found == [f"customers/{customer(number)}" for number in range(5)]
    other = tiering.evaluate(Q2)
    token = page(evaluation.name).next_page_token
    assert refused(lambda: page(other.name, token)).fields == {"page_token": "PAGE_TOKEN_INVALID"}


def test_names_of_classes_follow_the_caller(tiering: Tiering) -> None:
    """A run that is read in Chinese or English names its classes so."""
    tiering.activate()
    name = tiering.evaluate(Q1).name
    for language, expected in (("zh-CN", "银卡客户"), ("en", "Silver")):
        request = pb.GetEvaluationRequest(name=name)
        evaluation = tiering.running.call(EVALUATIONS, "GetEvaluation", request, language=language)
        assert evaluation.classes[2].display_name == expected


# ------------------------------------------------------------------------------------------- interruptions of the work


class Killed(BaseException):
    """The process ends here."""


def job_of(tiering: Tiering) -> EvaluationJob:
    """Make the job that carries runs out, as another process beside this one has it."""
    base = tiering.running.service.foundation
    calls = Calls(base.database, REQUESTS, base.clock, base.new_id)
    policies = Policies(partial(rules_of, currency=base.chain.money))
    effect = CustomerEvents(LOG, policies, base.chain.money)
    consumer = Consumer(base.database, CURSORS, SOURCE, effect, clock=base.clock, new_id=base.new_id)
    return EvaluationJob(calls, base.database, LOG, policies, base.chain, consumer, tiering.owner)


def work(name: str, as_of: date, kill_at: pb.RunEvaluationMetadata.Stage.ValueType | None = None) -> Running:
    """Write an operation as the runner hands it over; it may end with the process at some stage."""

    def report(progress: Message) -> None:
        assert isinstance(progress, pb.RunEvaluationMetadata)
        if progress.stage == kill_at:
            raise Killed

    request = pb.RunEvaluationRequest(scheme=LOYALTY, as_of=wire.to_date(as_of))
    return Running(name, request.SerializeToString(), report)


@contextmanager
def dies() -> Iterator[None]:
    """Expect the process to end."""
    with pytest.raises(Killed):
        yield


@pytest.mark.parametrize("stage", ["READING_EVENTS", "GRADING", "ANNOUNCING", "DONE"])
def test_a_run_that_was_killed_is_done_once(tiering: Tiering, stage: str) -> None:
    """Whenever the process ends, doing the operation again makes one whole run: movements, events and figures."""
    # SQLite has one writer, the run itself, so that nothing is reported at that stage and the run goes through.
    reported = stage != "ANNOUNCING" or not tiering.running.database.sqlite
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), sale(BERT, JANUARY, 2_000_00))
    tiering.told()
    job, name = job_of(tiering), f"operations/tiering-{customer(77)}"
    with dies() if reported else nullcontext():
        job(work(name, Q1, pb.RunEvaluationMetadata.Stage.Value(stage)))
    assert bool(tiering.told()) == (stage == "DONE" or not reported)
    evaluation = job(work(name, Q1))
    assert evaluation.name == f"evaluations/{customer(77)}"
    assert (evaluation.up_count, len(tiering.history(ANNA))) == (2, 2)
    assert job(work(name, Q1)) == evaluation
    tiering.read = dict.fromkeys(range(16), 0)
    told = [type(one).__name__ for one in tiering.told()]
    assert sorted(told) == ["EvaluationCompleted", *["MembershipChanged"] * 4]


def test_a_run_waits_for_an_owner_that_is_away(tiering: Tiering) -> None:
    """While the customer service cannot be reached the operation is not done; afterwards it is."""
    tiering.activate()
    tiering.owner.open = False
    tiering.owner.tell(sale(ANNA, JANUARY, 600_00))
    name = tiering.start(Q1).name

    def waits() -> bool:
        progress = pb.RunEvaluationMetadata()
        tiering.operation(name).metadata.Unpack(progress)
        return progress.stage == pb.RunEvaluationMetadata.READING_EVENTS

    assert wait_for(waits)
    assert not tiering.operation(name).done
    tiering.owner.open = True
    assert tiering.finish(name).HasField("response")


def test_a_run_that_waits_can_be_cancelled(tiering: Tiering) -> None:
    """A cancelled run ends with CANCELLED, moves nobody, and makes room for the next one."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tiering.owner.open = False
    name = tiering.start(Q1).name
    tiering.running.call(OperationsStub, "CancelOperation", operations_pb2.CancelOperationRequest(name=name))
    assert tiering.finish(name).error.code == 1
    assert tiering.member(ANNA).effective_class == "NEW"
    tiering.owner.open = True
    assert tiering.evaluate(Q1).up_count == 1
