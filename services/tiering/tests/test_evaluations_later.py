"""A run that was only tried can take effect, and the run that was applied last can be taken back."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2

from services.tiering.tests.clients import EVALUATIONS, LOYALTY, MEMBERSHIPS, Tiering, counts, policy_of, refused
from services.tiering.tests.jobs import dies, job_of, work
from services.tiering.tests.ladders import LOYALTY as LADDER
from services.tiering.tests.owner import ANNA, BERT, CARLA, at, customer, refund, sale
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

JANUARY, MAY = date(2011, 1, 5), date(2011, 5, 5)
Q1, Q2, Q3 = date(2011, 3, 31), date(2011, 6, 30), date(2011, 9, 30)
SECOND = 1_000_000


def told(tiering: Tiering) -> dict[str, tuple[str, str, str]]:
    """Read which changes were told since the last time: by customer from, to and cause; nobody is told twice."""
    found = [one for one in tiering.told() if isinstance(one, events_pb2.MembershipChanged)]
    by_customer = {
        one.customer.rpartition("/")[2]: (one.from_class, one.to_class, pb.Movement.Cause.Name(one.cause))
        for one in found
    }
    assert len(by_customer) == len(found)
    return by_customer


def evaluation(tiering: Tiering, name: str) -> pb.Evaluation:
    """Read a run."""
    answer: pb.Evaluation = tiering.running.call(EVALUATIONS, "GetEvaluation", pb.GetEvaluationRequest(name=name))
    return answer


# ---------------------------------------------------------------------------------------------------------------- apply


@pytest.mark.requirement("T-13", "T-14")
def test_a_tried_run_takes_effect_as_if_it_had_been_applied(tiering: Tiering) -> None:
    """It keeps its name and its figures; everybody moves and is told, and the run says when it took effect."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), sale(BERT, JANUARY, 1_00))
    tried = tiering.evaluate(Q1, apply=False)
    tiering.told()
    applied = tiering.later("Apply", tried.name)
    assert (applied.name, applied.applied, applied.create_time) == (tried.name, True, tried.create_time)
    assert applied.apply_time.seconds == tried.create_time.seconds + 1
    assert (counts(applied.classes), applied.up_count) == (counts(tried.classes), tried.up_count)
    assert tiering.member(ANNA).effective_class == "REGULAR"
    events = tiering.told()
    assert {type(one).__name__ for one in events} == {"MembershipChanged", "MembershipConfirmed", "EvaluationCompleted"}
    assert [one.evaluation for one in tiering.history(ANNA)] == [tried.name, ""]


def test_a_run_is_applied_once(tiering: Tiering) -> None:
    """A run that took effect, whether then reverted or not, is refused; the same request answers the same operation."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tried = tiering.evaluate(Q1, apply=False)
    first = tiering.start_later("Apply", tried.name, request_id="r-1")
    tiering.finish(first.name)
    assert tiering.start_later("Apply", tried.name, request_id="r-1").name == first.name
    refusal = refused(lambda: tiering.start_later("Apply", tried.name))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "EVALUATION_APPLIED")
    tiering.later("Revert", tried.name)
    assert refused(lambda: tiering.start_later("Apply", tried.name)).metadata == {"name": tried.name}


def test_a_run_that_another_one_has_overtaken_is_not_applied(tiering: Tiering) -> None:
    """After another run of the scheme was applied the trial is stale, and no longer when that one is reverted."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), sale(ANNA, MAY, 2_000_00))
    tried = tiering.evaluate(Q1, apply=False)
    tiering.running.clock.now += SECOND
    other = tiering.evaluate(Q2)
    refusal = refused(lambda: tiering.start_later("Apply", tried.name))
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        *("FAILED_PRECONDITION", "EVALUATION_STALE", {"name": tried.name}),
    )
    tiering.later("Revert", other.name)
    assert tiering.later("Apply", tried.name).up_count == 1


@pytest.mark.parametrize("change", ["data", "policy"])
def test_a_run_that_would_find_something_else_is_not_applied(tiering: Tiering, change: str) -> None:
    """Late sales or another policy for the day fail the operation as stale, and nobody has moved or heard of it."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tried = tiering.evaluate(Q1, apply=False)
    if change == "data":
        tiering.tell(sale(ANNA, JANUARY, 2_000_00))
    else:
        tiering.activate(policy_of(replace(LADDER, classes=LADDER.classes[:3]), JANUARY))
    before = tiering.history(ANNA)
    tiering.told()
    tiering.running.clock.now += SECOND
    error = tiering.finish(tiering.start_later("Apply", tried.name).name).error
    assert error.code == code_pb2.FAILED_PRECONDITION
    assert "no longer holds" in error.message
    assert (tiering.told(), tiering.history(ANNA)) == ([], before)
    assert not evaluation(tiering, tried.name).applied
    # Sales of a later day change nothing that the run found.
    fresh = tiering.evaluate(Q1, apply=False)
    tiering.tell(sale(ANNA, MAY, 9_000_00))
    assert tiering.later("Apply", fresh.name).applied


# --------------------------------------------------------------------------------------------------------------- revert


@pytest.mark.requirement("T-20", "X-06")
def test_the_last_run_is_taken_back_by_movements(tiering: Tiering) -> None:
    """Everybody whom it moved is back, by a movement that is told with its cause; the run says when."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), sale(BERT, JANUARY, 1_00), sale(CARLA, JANUARY, 700_00))
    first = tiering.evaluate(Q1)
    tiering.running.clock.now += SECOND
    tiering.tell(sale(ANNA, MAY, 2_000_00), refund(CARLA, MAY, 500_00))
    second = tiering.evaluate(Q2)
    tiering.told()
    reverted = tiering.later("Revert", second.name)
    assert (reverted.applied, reverted.revert_time.seconds) == (True, second.create_time.seconds + 1)
    assert told(tiering) == {ANNA: ("SILVER", "REGULAR", "REVERT"), CARLA: ("NEW", "REGULAR", "REVERT")}
    member = tiering.member(ANNA)
    assert (member.effective_class, member.since_time) == ("REGULAR", first.effective_time)
    assert counts(tiering.distribution(Q2).classes) == counts(first.classes)
    path = [(one.from_class, one.to_class, one.cause, one.evaluation) for one in tiering.history(ANNA)]
    assert path == [
        ("SILVER", "REGULAR", pb.Movement.REVERT, second.name),
        ("REGULAR", "SILVER", pb.Movement.EVALUATION, second.name),
        ("NEW", "REGULAR", pb.Movement.EVALUATION, first.name),
        ("", "NEW", pb.Movement.FIRST_PURCHASE, ""),
    ]
    found, token = [], ""
    while True:
        request = pb.ListMovementsRequest(parent=second.name, page_size=1, page_token=token)
        answer = tiering.running.call(EVALUATIONS, "ListMovements", request)
        found += [(one.customer.rpartition("/")[2], one.to_class) for one in answer.movements]
        token = answer.next_page_token
        if not token:
            break
    assert found == [(ANNA, "SILVER"), (ANNA, "REGULAR"), (CARLA, "NEW"), (CARLA, "REGULAR")]
    # The run before it is the newest now, and the day can be graded again.
    assert tiering.later("Revert", first.name).HasField("revert_time")
    assert {who: tiering.member(who).effective_class for who in (ANNA, CARLA)} == dict.fromkeys((ANNA, CARLA), "NEW")
    tiering.running.clock.now += SECOND
    assert counts(tiering.evaluate(Q2).classes) == counts(second.classes)


def test_a_run_is_taken_back_after_it_took_effect_whatever_the_clock_says(tiering: Tiering) -> None:
    """A clock that was set back meanwhile, or that of another process, does not put the cart before the horse."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    run = tiering.evaluate(Q1)
    assert tiering.member(ANNA).effective_class == "REGULAR"
    for back in (1, 2):
        tiering.running.clock.now -= back * SECOND
        reverted = tiering.later("Revert", run.name)
        assert reverted.revert_time.ToMicroseconds() == reverted.apply_time.ToMicroseconds() + 1
        assert tiering.member(ANNA).effective_class == "NEW"
        run = tiering.evaluate(Q1)


@pytest.mark.requirement("T-20")
def test_a_reverted_run_of_the_past_leaves_the_present_alone(tiering: Tiering) -> None:
    """What holds now rests on a later run, so that nobody is told; the days between are as they were before."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), refund(ANNA, MAY, 200_00), sale(BERT, JANUARY, 600_00))
    tiering.evaluate(Q2)
    before = [counts(tiering.distribution(day).classes) for day in (Q1, Q2, Q3)]
    tiering.running.clock.now += SECOND
    past = tiering.evaluate(Q1)
    assert [counts(tiering.distribution(day).classes) for day in (Q1, Q2, Q3)] != before
    tiering.told()
    tiering.later("Revert", past.name)
    assert tiering.told() == []
    assert [counts(tiering.distribution(day).classes) for day in (Q1, Q2, Q3)] == before


def test_only_the_run_that_was_applied_last_is_reverted(tiering: Tiering) -> None:
    """An earlier one names the newest, a tried or reverted one is not in effect, one that is not there is not found."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    later_day = tiering.evaluate(Q2)
    tiering.running.clock.now += SECOND
    newest = tiering.evaluate(Q1)
    refusal = refused(lambda: tiering.start_later("Revert", later_day.name))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "EVALUATION_NOT_NEWEST")
    assert refusal.metadata == {"name": later_day.name, "newest": newest.name}
    tried = tiering.evaluate(Q3, apply=False)
    tiering.later("Revert", newest.name)
    for name in (tried.name, newest.name):
        refusal = refused(partial(tiering.start_later, "Revert", name))
        assert (refusal.code, refusal.reason, refusal.metadata) == (
            *("FAILED_PRECONDITION", "EVALUATION_NOT_APPLIED", {"name": name}),
        )
    for verb in ("Apply", "Revert"):
        unknown = refused(partial(tiering.start_later, verb, f"evaluations/{ANNA}"))
        assert (unknown.code, unknown.reason) == ("NOT_FOUND", "EVALUATION_NOT_FOUND")
        wrong = refused(partial(tiering.start_later, verb, "evaluations/last"))
        assert (wrong.code, list(wrong.fields)) == ("INVALID_ARGUMENT", ["name"])


def test_nothing_else_goes_on_with_a_scheme_meanwhile(tiering: Tiering) -> None:
    """While a run has not ended no other is applied or reverted, and each of the two asks for its own permission."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    applied, tried = tiering.evaluate(Q1), tiering.evaluate(Q2, apply=False)
    tiering.owner.open = False
    going = tiering.start(Q3)
    for verb, name in (("Revert", applied.name), ("Apply", tried.name)):
        refusal = refused(partial(tiering.start_later, verb, name))
        assert (refusal.reason, refusal.metadata) == ("OPERATION_RUNNING", {"name": going.name})
    tiering.owner.open = True
    tiering.finish(going.name)
    request = pb.RevertEvaluationRequest(name=applied.name)
    refusal = refused(
        lambda: tiering.running.call(
            EVALUATIONS, "RevertEvaluation", request, permissions=("tiering.evaluations.apply",)
        )
    )
    assert refusal.metadata == {"permission": "tiering.evaluations.revert"}


@pytest.mark.parametrize("stage", ["GRADING", "ANNOUNCING", "DONE"])
@pytest.mark.parametrize("verb", ["Apply", "Revert"])
def test_what_was_killed_is_done_once(tiering: Tiering, verb: str, stage: str) -> None:
    """Whenever the process ends, doing the operation again applies or reverts once: one movement, one event."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    run = tiering.evaluate(Q1, apply=verb == "Revert")
    tiering.running.clock.now += SECOND
    tiering.told()
    job, name = job_of(tiering), f"operations/tiering-{customer(77)}"
    request = getattr(pb, f"{verb}EvaluationRequest")(name=run.name)
    # SQLite has one writer, so that nothing is reported while events are written, and the work goes through.
    reported = stage != "ANNOUNCING" or not tiering.running.database.sqlite
    with dies() if reported else nullcontext():
        job(work(name, request, pb.RunEvaluationMetadata.Stage.Value(stage)))
    assert job(work(name, request)) == job(work(name, request))
    assert len(tiering.history(ANNA)) == (2 if verb == "Apply" else 3)
    assert set(told(tiering)) == {ANNA}


@pytest.mark.requirement("X-06", "X-08")
def test_after_a_revert_the_first_purchase_decides_again(tiering: Tiering) -> None:
    """Whom no other run graded stands where sales put the customer, also by one that arrives after the revert."""
    tiering.activate()
    # After midnight in London, and still of the business date before: graded, though the class begins after the run.
    night = at(Q1, 23) + 1_800 * SECOND
    tiering.tell(sale(ANNA, Q1, 600_00, business_time=night))
    run = tiering.evaluate(Q1)
    assert tiering.member(ANNA).effective_class == "REGULAR"
    tiering.told()
    tiering.later("Revert", run.name)
    assert told(tiering) == {ANNA: ("REGULAR", "NEW", "REVERT")}
    assert tiering.member(ANNA).effective_class == "NEW"
    tiering.tell(sale(ANNA, JANUARY, 1_00))
    assert told(tiering) == {ANNA: ("", "NEW", "CORRECTION")}
    member = tiering.member(ANNA)
    assert (member.effective_class, member.since_time.seconds * SECOND) == ("NEW", at(JANUARY))


@pytest.mark.requirement("T-20", "X-06")
@pytest.mark.parametrize("seed", range(2))
def test_reverting_runs_one_by_one_goes_back_through_all_that_was(tiering: Tiering, seed: int) -> None:
    """However the days were mixed, after each revert every customer and every day is as before the run was applied."""
    dice = random.Random(seed)
    days = [date(2011, 1, 1) + timedelta(days=dice.randrange(300)) for _ in range(120)]
    kinds: list[Callable[[str, date, int], Message]] = [sale, sale, refund]
    changes = [dice.choice(kinds)(customer(dice.randrange(25)), day, dice.randrange(3_000_00)) for day in days]
    # First classes are facts and stay, whatever run finds them; here the sales give them.
    tiering.activate()
    tiering.tell(*changes)

    def all_that_holds() -> list[object]:
        spread = [tiering.distribution(day) for day in (date(2011, 2, 14), Q1, Q2, Q3, None)]
        members = tiering.running.call(MEMBERSHIPS, "ListMembers", pb.ListMembersRequest(parent=LOYALTY, page_size=200))
        return [members, *spread]

    kept, runs = [], []
    for number in range(5):
        tiering.running.clock.now += SECOND
        kept.append(all_that_holds())
        as_of = dice.choice([Q1, Q2, Q3, date(2011, 2, 14)])
        if number % 2:
            tried = tiering.evaluate(as_of, apply=False)
            runs.append(tiering.later("Apply", tried.name))
        else:
            runs.append(tiering.evaluate(as_of))
    for run, before in zip(reversed(runs), reversed(kept), strict=True):
        tiering.later("Revert", run.name)
        assert all_that_holds() == before
