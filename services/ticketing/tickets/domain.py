"""The verbs of a ticket from intake to its end (K-18 to K-22, K-31, K-46, K-55, X-17, X-19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chassis.calendar import DAY
from chassis.errors import FailedPrecondition, Problems, wrong
from services.ticketing.cases.domain import Actor, Case, Offer, Product, Promise, Ticket, Told
from services.ticketing.clocks import domain as clocks
from services.ticketing.clocks.domain import Kind
from services.ticketing.complaints.domain import numbered, require_accepted, require_facts, settled, warned
from services.ticketing.policies.domain import ClosingPolicy, Rules, needed
from services.ticketing.priorities.domain import Priority
from services.ticketing.queues.domain import Queue, QueueCatalogue, route
from services.ticketing.sla.domain import SlaPolicy, rule_for
from services.ticketing.states.domain import COMPLAINTS, ON_THE_SPOT, State, Verb
from services.ticketing.steps.domain import answered, counted, drop, entered, meet, promised, signalled, step

# What came by letter, or was noted while the line was down, is registered later; older than this is a slip.
OLDEST_DAYS = 30


class QueueMissing(FailedPrecondition):
    """No queue of the catalogue takes such a ticket."""

    reason = "QUEUE_MISSING"


class OwnerMissing(FailedPrecondition):
    """Nobody can own the ticket."""

    reason = "OWNER_MISSING"


class SuperiorMissing(FailedPrecondition):
    """The directory names no superior who is active."""

    reason = "SUPERIOR_MISSING"


class AttemptsMissing(FailedPrecondition):
    """The customer was not tried often enough (X-19)."""

    reason = "ATTEMPTS_MISSING"


@dataclass(frozen=True, slots=True)
class Draft:
    """A matter as it is brought. An empty queue stands for the one that the catalogue leads to.

    `answer` is what was answered on the spot, None for nothing, and `satisfied` what the customer said to that.
    """

    type: str
    channel: str
    severity: str
    customer_id: str
    reporter: str
    store: str
    queue: str
    subject: str
    description: str
    category: str
    cause_code: str
    product: Product | None
    report_time: int | None
    answer: str | None
    satisfied: bool


def open_case(
    draft: Draft,
    rules: Rules,
    queue: Queue | None,
    classes: tuple[str, ...],
    actor: Actor,
    now: int,
    identity: str,
    number: str,
) -> Case:
    """Register a matter: its owner is who received it, its clocks count from the report (K-18, K-29, X-14).

    `queue` is the one that the caller names, None for the one that the catalogue leads to. Raises `Invalid`,
    `QueueMissing` and `OwnerMissing`.
    """
    reported = now if draft.report_time is None else draft.report_time
    _check(draft, reported, now)
    queue = queue or _routed(needed(rules.queues, "queues"), draft.type, draft.severity, draft.store, classes)
    owner = actor.staff or queue.lead
    if not owner:
        raise OwnerMissing(queue=f"queues/{queue.code}")
    ticket = Ticket(
        id=identity,
        number=number,
        type=draft.type,
        channel=draft.channel,
        severity=draft.severity,
        customer_id=draft.customer_id,
        reporter=draft.reporter,
        store=draft.store,
        queue=queue.code,
        subject=draft.subject,
        description=draft.description,
        category=draft.category,
        cause_code=draft.cause_code,
        product=draft.product,
        report_time=reported,
        owner=owner,
        assignee=queue.lead or owner,
        state=State.NEW,
        priority=Priority(draft.severity, None, 0, "", reported, ""),
        classes=classes,
        create_time=now,
        update_time=now,
    )
    case = entered(Case(ticket), Verb.OPEN, actor, now, None, details={"queue": queue.code, "owner": owner})
    case = _limited(signalled(case, Told.OPENED), needed(rules.sla, "sla"), rules.sla_name, actor, now)
    return case if draft.answer is None else _on_the_spot(case, draft, actor, now)


def acknowledge(case: Case, restatement: str, actor: Actor, now: int, *, apologised: bool) -> Case:
    """Record that the customer knows; a complaint is repeated to the customer, with an apology (K-31, K-41, X-20)."""
    before = case.ticket.type
    case = step(case, Verb.ACKNOWLEDGE, actor, now, text=restatement)
    problems = Problems()
    if before in COMPLAINTS:
        if not restatement.strip():
            problems.add("restatement", "TEXT_MISSING")
        if not apologised:
            problems.add("apologised", "APOLOGY_MISSING")
    problems.refuse()
    return signalled(meet(case, (Kind.ACKNOWLEDGE,), now, Verb.ACKNOWLEDGE, actor), Told.ACKNOWLEDGED)


def classify(
    case: Case, told: Mapping[str, str], rules: Rules, classes: tuple[str, ...], actor: Actor, now: int
) -> Case:
    """Change what a ticket is: `told` holds those of type, severity, category and cause_code that change (K-13, K-44).

    Clocks follow and keep what they have counted; a queue that another classification leads to takes over.
    """
    before, catalogue = case.ticket, needed(rules.queues, "queues")
    case = step(case, Verb.CLASSIFY, actor, now, details=told, classes=classes, **told)
    after, store = case.ticket, before.store
    old = route(catalogue, type_=before.type, severity=before.severity, store=store, classes=before.classes)
    new = route(catalogue, type_=after.type, severity=after.severity, store=store, classes=after.classes)
    # Whoever was given the ticket by hand keeps it unless the catalogue itself leads elsewhere now.
    if new and new != old and new.code != before.queue:
        moved = replace(case.ticket, queue=new.code, assignee=new.lead or before.assignee)
        case = _handed_over(replace(case, ticket=moved), before)
    return _limited(case, needed(rules.sla, "sla"), rules.sla_name, actor, now)


def assign(case: Case, assignee: str, reason: str, actor: Actor, now: int) -> Case:
    """Give the work to somebody, or to nobody; the owner stays (X-17, K-43)."""
    before, details = case.ticket, {"assignee": assignee or "-"}
    case = step(case, Verb.ASSIGN, actor, now, text=reason, details=details, assignee=assignee)
    return _handed_over(case, before)


def transfer(case: Case, queue: Queue, assignee: str, reason: str, actor: Actor, now: int) -> Case:
    """Pass the work to another queue; the owner goes on to answer for it (K-19, K-26)."""
    before, assignee = case.ticket, assignee or queue.lead
    details = {"queue": queue.code, "assignee": assignee or "-"}
    case = step(case, Verb.TRANSFER, actor, now, text=reason, details=details, queue=queue.code, assignee=assignee)
    return _handed_over(case, before)


def change_owner(case: Case, owner: str, reason: str, actor: Actor, now: int) -> Case:
    """Make somebody else answer for the ticket (X-17)."""
    before = case.ticket
    case = step(case, Verb.CHANGE_OWNER, actor, now, text=reason, details={"owner": owner}, owner=owner)
    return _handed_over(case, before)


def escalate(case: Case, superior: str, reason: str, actor: Actor, now: int) -> Case:
    """Hand the work to the superior of whoever is responsible; an empty code is none (K-21, K-22)."""
    before = case.ticket
    details = {"assignee": superior}
    case = step(case, Verb.ESCALATE, actor, now, text=reason, details=details, assignee=superior)
    if not superior:
        raise SuperiorMissing(staff=f"staff/{before.responsible}")
    return _handed_over(case, before, escalated=True)


def note(case: Case, text: str, actor: Actor, now: int, *, attempt: bool) -> Case:
    """Add a note, or an attempt to reach the customer that failed (X-19)."""
    if attempt:
        return step(case, Verb.NOTE_CONTACT_ATTEMPT, actor, now, text=text, attempts=case.ticket.attempts + 1)
    return step(case, Verb.ADD_NOTE, actor, now, text=text)


def solve(case: Case, result: str, number: int, actor: Actor, now: int) -> Case:
    """Record that the matter is solved; of a complaint, by carrying out what the customer accepted (K-38).

    The customer is told, so that an open commitment is answered. Raises `FactsNotVerified`, `SolutionNotAccepted` and
    `Invalid` (SOLUTION_UNKNOWN).
    """
    details = {"solution": str(number)} if number else {}
    case = step(case, Verb.SOLVE, actor, now, text=result, details=details)
    if case.ticket.type in COMPLAINTS:
        require_facts(case)
        solution = numbered(case, number)
        require_accepted(solution)
        case = settled(case, replace(solution, state=Offer.CARRIED_OUT))
    elif number:
        raise wrong("solution", "SOLUTION_UNKNOWN", number=str(number))
    case = answered(case, now, actor)
    kinds = (Kind.ACKNOWLEDGE, Kind.CONFIRM, Kind.RESPOND, Kind.RESOLVE)
    return signalled(meet(case, kinds, now, Verb.SOLVE, actor), Told.SOLVED)


def confirm(case: Case, remark: str, actor: Actor, now: int, *, satisfied: bool) -> Case:
    """Record the customer's word: it ends the case, or the work goes on with its clock (K-18, K-55)."""
    if satisfied:
        return _closed(case, Verb.CONFIRM_SATISFACTION, remark, actor, now)
    return _again(step(case, Verb.OBJECT, actor, now, text=remark), actor, now)


def close_unsatisfied(case: Case, reason: str, actor: Actor, now: int) -> Case:
    """End a ticket although the customer is not satisfied (X-19)."""
    return _closed(case, Verb.CLOSE_UNSATISFIED, reason, actor, now)


def close_no_contact(case: Case, policy: ClosingPolicy, reason: str, actor: Actor, now: int) -> Case:
    """End a ticket because the customer could not be reached often enough (X-19). Raises `AttemptsMissing`."""
    made = case.ticket.attempts
    case = _closed(case, Verb.CLOSE_NO_CONTACT, reason, actor, now)
    if made < policy.contact_attempts:
        raise AttemptsMissing(made=str(made), needed=str(policy.contact_attempts))
    return case


def cancel(case: Case, reason: str, actor: Actor, now: int) -> Case:
    """End a ticket that was withdrawn, or opened by mistake."""
    return _closed(case, Verb.CANCEL, reason, actor, now)


def reopen(case: Case, reason: str, actor: Actor, now: int) -> Case:
    """Take a ticket up again: who owned it still does, and the time to solve it counts on."""
    return _again(step(case, Verb.REOPEN, actor, now, text=reason, close_time=None, attempts=0), actor, now)


def update(case: Case, changes: Mapping[str, Any], actor: Actor, now: int) -> Case:
    """Change fields that hold no rule."""
    details = {"fields": ", ".join(sorted(changes))}
    return step(case, Verb.UPDATE, actor, now, details=details, **changes)


def _check(draft: Draft, reported: int, now: int) -> None:
    problems = Problems()
    if reported > now:
        problems.add("report_time", "TIME_IN_FUTURE")
    if reported < now - OLDEST_DAYS * DAY:
        problems.add("report_time", "TIME_TOO_OLD", days=str(OLDEST_DAYS))
    if draft.answer is not None and draft.type not in ON_THE_SPOT:
        problems.add("close_now", "TYPE_NOT_ON_THE_SPOT", type=draft.type)
    problems.refuse()


def _routed(catalogue: QueueCatalogue, type_: str, severity: str, store: str, classes: tuple[str, ...]) -> Queue:
    queue = route(catalogue, type_=type_, severity=severity, store=store, classes=classes)
    if queue is None:
        raise QueueMissing(type=type_, severity=severity)
    return queue


def _limited(case: Case, policy: SlaPolicy, policy_name: str, actor: Actor, now: int) -> Case:
    """Give a ticket the limits of the rule that covers it: new clocks count from the report, old ones keep theirs."""
    ticket = case.ticket
    rule = rule_for(policy, ticket.type, ticket.severity, ticket.classes)
    limits = rule.limits if rule else {}
    cause = f"{policy_name}#{rule.code}" if rule else policy_name
    gone = [clock for clock in case.clocks if clock.kind not in (*limits, Kind.COMMITMENT)]
    case = drop(case, gone, now, cause, actor)
    for kind, limit in limits.items():
        clock, warning = case.clock(kind), warned(limit, policy)
        if clock is None and kind is Kind.ACKNOWLEDGE and ticket.state is not State.NEW:
            # The customer knows already.
            continue
        if clock is None:
            started = clocks.start(
                kind, 0, limit=limit, warning=warning, time=ticket.report_time, now=now, cause=cause, actor=actor.staff
            )
            case = counted(case, started)
        elif clock.state is not clocks.State.MET:
            changed = clocks.limit(clock, limit=limit, warning=warning, now=now, cause=cause, actor=actor.staff)
            case = counted(case, changed)
            clock = case.clock(kind)
            if clock and clock.state is clocks.State.DROPPED:
                case = counted(case, clocks.resume(clock, time=now, actor=actor.staff))
    return case


def _on_the_spot(case: Case, draft: Draft, actor: Actor, now: int) -> Case:
    """Answer at once: a satisfied customer ends the case, for another one the work begins (K-35)."""
    case = step(case, Verb.ACKNOWLEDGE, actor, now, text=draft.answer or "")
    case = meet(case, (Kind.ACKNOWLEDGE, Kind.RESPOND), now, Verb.ACKNOWLEDGE, actor)
    if not draft.satisfied:
        return signalled(case, Told.ACKNOWLEDGED)
    case = meet(step(case, Verb.SOLVE, actor, now), (Kind.CONFIRM, Kind.RESOLVE), now, Verb.SOLVE, actor)
    return _closed(case, Verb.CONFIRM_SATISFACTION, "", actor, now)


def _closed(case: Case, verb: Verb, text: str, actor: Actor, now: int) -> Case:
    """End a ticket: nothing counts any more, and what was promised is dropped."""
    case = step(case, verb, actor, now, text=text, close_time=now)
    if case.promise:
        case = promised(case, replace(case.promise, state=Promise.DROPPED))
    return signalled(drop(case, case.clocks, now, verb, actor), Told.CLOSED)


def _again(case: Case, actor: Actor, now: int) -> Case:
    resolve = case.clock(Kind.RESOLVE)
    if resolve:
        case = counted(case, clocks.resume(resolve, time=now, actor=actor.staff))
    return signalled(case, Told.REOPENED)


def _handed_over(case: Case, before: Ticket, *, escalated: bool = False) -> Case:
    after = case.ticket
    if (before.queue, before.assignee, before.owner) == (after.queue, after.assignee, after.owner):
        return case
    return signalled(
        case,
        Told.TRANSFERRED,
        from_queue=before.queue,
        from_assignee=before.assignee,
        from_owner=before.owner,
        escalated=escalated,
    )
