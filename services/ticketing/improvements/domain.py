"""The rules of improvement actions: who does what until when, and what came of it (K-54)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from chassis import names
from chassis.errors import FailedPrecondition, NotFound, Problems, wrong
from services.ticketing.cases.domain import Actor, Case
from services.ticketing.people.domain import Member
from services.ticketing.states import domain as tickets
from services.ticketing.states.domain import TicketStateForbids, Verb
from services.ticketing.steps.domain import entered


class ImprovementActionNotFound(NotFound):
    """There is no such improvement action."""

    reason = "IMPROVEMENT_ACTION_NOT_FOUND"


class ImprovementActionEnded(FailedPrecondition):
    """The improvement action was done or dropped."""

    reason = "IMPROVEMENT_ACTION_ENDED"


class State(StrEnum):
    """Where an improvement action stands; the values are the contract's."""

    OPEN = "OPEN"
    DONE = "DONE"
    DROPPED = "DROPPED"


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be improved, by whom, as a bare code, and until when, in microseconds UTC."""

    description: str
    responsible: str
    due_time: int


@dataclass(frozen=True, slots=True)
class ImprovementAction:
    """What is done so that a matter does not come again. Times are microseconds UTC; ids and codes stand bare.

    `subject` names whose words the ticket holds, which the texts may repeat. `result` is what came of it, or why it was
    dropped, and `complete_time` when.
    """

    id: str
    ticket_id: str
    ticket_number: str
    subject: str
    description: str
    responsible: str
    due_time: int
    create_time: int
    state: State = State.OPEN
    result: str = ""
    complete_time: int | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return names.name("improvementActions", self.id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which improvement actions a list shows: of whom, of a ticket, in one of these states, due before; empty is any.

    `stores` are those that the caller may see, None for all; what is the caller's own, `seen_by`, is seen anyhow.
    """

    responsible: str
    ticket_id: str
    states: tuple[State, ...]
    due_before: int | None
    stores: tuple[str, ...] | None
    seen_by: str


def add(
    case: Case, draft: Draft, responsible: Member | None, actor: Actor, now: int, new_id: str
) -> tuple[Case, ImprovementAction]:
    """Take an improvement action on, and enter it into the timeline of the ticket that it comes from.

    A ticket that has ended takes one as well: what was learned often shows afterwards. Raises `TicketStateForbids` for
    one that was merged, where another one goes on, and `Invalid` (TEXT_MISSING, STAFF_UNKNOWN, TIME_IN_PAST).
    """
    ticket = case.ticket
    if ticket.state is tickets.State.MERGED:
        raise TicketStateForbids(
            name=ticket.name, type=ticket.type, state=ticket.state, verb=Verb.ADD_IMPROVEMENT, allowed="-"
        )
    problems = Problems()
    if not draft.description.strip():
        problems.add("description", "TEXT_MISSING")
    if responsible is None or not responsible.active:
        problems.add("responsible", "STAFF_UNKNOWN", name=names.name("staff", draft.responsible))
    if draft.due_time <= now:
        problems.add("due_time", "TIME_IN_PAST")
    problems.refuse()
    action = ImprovementAction(
        id=new_id,
        ticket_id=ticket.id,
        ticket_number=ticket.number,
        subject=ticket.subject_name,
        description=draft.description,
        responsible=draft.responsible,
        due_time=draft.due_time,
        create_time=now,
    )
    details = {"improvement_action": action.name, "responsible": action.responsible}
    case = entered(case, Verb.ADD_IMPROVEMENT, actor, now, ticket.state, text=action.description, details=details)
    return case, action


def end(
    case: Case, action: ImprovementAction, ending: State, result: str, actor: Actor, now: int
) -> tuple[Case, ImprovementAction]:
    """End an improvement action with what came of it, or why it is dropped, and enter that into the timeline.

    Raises `Invalid` (TEXT_MISSING) and `ImprovementActionEnded`.
    """
    if not result.strip():
        raise wrong("result", "TEXT_MISSING")
    if action.state is not State.OPEN:
        raise ImprovementActionEnded(name=action.name, state=action.state)
    ended = replace(action, state=ending, result=result, complete_time=now)
    details = {"improvement_action": action.name, "state": str(ending)}
    case = entered(case, Verb.END_IMPROVEMENT, actor, now, case.ticket.state, text=result, details=details)
    return case, ended
