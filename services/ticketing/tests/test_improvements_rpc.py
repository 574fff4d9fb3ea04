"""Improvement actions over the channel: who shall do what until when, what came of it, and who may not know."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import sqlalchemy as sa

from chassis import wire
from services.ticketing.consumers import on_customer
from services.ticketing.tables import ACCESSES, METADATA
from services.ticketing.tests.clerk import ALICE, CALLER, EVA, GONE, HOUR, LEEDS, MARY, YORK, Clerk
from services.ticketing.tests.neighbours import ANNA, BERT
from shuke.customer.v1.events_pb2 import StaffChanged
from shuke.event.v1 import event_pb2
from shuke.ticketing.v1 import complaints_pb2 as pb
from shuke.ticketing.v1 import tickets_pb2 as tickets
from shuke.ticketing.v1.ticket_pb2 import Ticket
from tests.running import Refusal

NOWHERE = "0190a8f0-0000-7000-8000-000000000000"
WORDS = "欧阳 scalded a hand: check every lid before it leaves the shop"
OPEN, DONE, DROPPED = pb.ImprovementAction.OPEN, pb.ImprovementAction.DONE, pb.ImprovementAction.DROPPED


class Improver:
    """Adds, ends and lists improvement actions, as the desk where a test names nobody else."""

    def __init__(self, clerk: Clerk) -> None:
        self.clerk = clerk

    def add(self, ticket: Ticket | str, **fields: Any) -> pb.ImprovementAction:
        """Ask the engineer for an improvement within a day, where nothing else is said."""
        usual = {"description": WORDS, "responsible": f"staff/{EVA}", "due_time": self.clerk.at(24 * HOUR)}
        name = ticket if isinstance(ticket, str) else ticket.name
        added: pb.ImprovementAction = self._call("AddImprovementAction", parent=name, **usual | fields)
        return added

    def end(
        self, action: pb.ImprovementAction | str, ending: pb.ImprovementAction.State.ValueType = DONE, **fields: Any
    ) -> pb.ImprovementAction:
        """End an improvement action."""
        name = action if isinstance(action, str) else action.name
        usual = {"name": name, "ending": ending, "result": "All lids are tight"}
        ended: pb.ImprovementAction = self._call("EndImprovementAction", **usual | fields)
        return ended

    def page(self, **fields: Any) -> pb.ListImprovementActionsResponse:
        """List one page of improvement actions."""
        page: pb.ListImprovementActionsResponse = self._call("ListImprovementActions", **fields)
        return page

    def listed(self, **fields: Any) -> list[pb.ImprovementAction]:
        """List improvement actions."""
        return list(self.page(**fields).improvement_actions)

    def refused(self, method: str, *names: str, **fields: Any) -> Refusal:
        """Answer why a call is refused."""
        with pytest.raises(Refusal) as refusal:
            getattr(self, method)(*names, **fields)
        return refusal.value

    def _call(self, method: str, **fields: Any) -> Any:
        caller = {name: fields.pop(name) for name in CALLER if name in fields}
        return self.clerk.call("complaints", method, getattr(pb, f"{method}Request")(**fields), **caller)


@pytest.fixture
def improver(clerk: Clerk) -> Improver:
    """Make a client for improvement actions, beside that for tickets."""
    return Improver(clerk)


@pytest.mark.requirement("K-54")
def test_a_complaint_leads_to_an_improvement_that_is_tracked_until_done(improver: Improver) -> None:
    """After the complaint was closed an action is added; the engineer finds and ends it; the ticket tells of both."""
    clerk = improver.clerk
    ticket = clerk.open(close_now=tickets.OpenTicketRequest.CloseNow(answer="Sorry", satisfied=True))
    added = improver.add(ticket)
    assert added == pb.ImprovementAction(
        name=added.name,
        ticket=ticket.name,
        ticket_number=ticket.number,
        description=WORDS,
        responsible=f"staff/{EVA}",
        due_time=clerk.at(24 * HOUR),
        state=OPEN,
        create_time=clerk.at(0),
    )
    assert (improver.listed(staff=EVA), improver.listed()) == ([added], [])
    clerk.later(HOUR)
    done = improver.end(added, staff=EVA)
    assert (done.state, done.result, wire.instant(done.complete_time)) == (DONE, "All lids are tight", clerk.clock())
    assert (improver.listed(staff=EVA), improver.listed(ticket=ticket.name, states=[DONE])) == ([], [done])
    first, second = clerk.timeline(ticket)[-2:]
    assert (first.verb, first.actor, first.text) == (tickets.ADD_IMPROVEMENT, f"staff/{ALICE}", WORDS)
    assert dict(first.details) == {"improvement_action": added.name, "responsible": EVA}
    assert (second.verb, second.actor, second.text) == (tickets.END_IMPROVEMENT, f"staff/{EVA}", done.result)
    assert dict(second.details) == {"improvement_action": added.name, "state": "DONE"}
    after = clerk.get(ticket)
    assert (after.state, after.etag) == (Ticket.CLOSED_SATISFIED, ticket.etag)


@pytest.mark.requirement("K-54")
def test_what_is_dropped_says_why(improver: Improver) -> None:
    """An action that is not done after all keeps the reason, and does not end a second time."""
    action = improver.add(improver.clerk.open(type=Ticket.SUGGESTION))
    dropped = improver.end(action, DROPPED, result="The kettle is sold no more")
    assert (dropped.state, dropped.result) == (DROPPED, "The kettle is sold no more")
    again = improver.refused("end", action.name)
    assert (again.code, again.reason) == ("FAILED_PRECONDITION", "IMPROVEMENT_ACTION_ENDED")
    assert again.metadata == {"name": action.name, "state": "DROPPED"}
    assert improver.listed(states=[DROPPED, DONE]) == [dropped]


def test_lists_show_what_is_asked_for(improver: Improver) -> None:
    """Without a filter the caller's own open ones, else those of somebody, of a ticket, in a state, or due before."""
    anna, bert = improver.clerk.open(), improver.clerk.open(customer=BERT)
    late = improver.add(anna, due_time=improver.clerk.at(3 * HOUR))
    hers = improver.add(anna, responsible=f"staff/{ALICE}", due_time=improver.clerk.at(2 * HOUR))
    soon = improver.add(bert, due_time=improver.clerk.at(HOUR))
    assert improver.listed() == [hers]
    assert improver.listed(responsible=f"staff/{EVA}") == [soon, late]
    assert improver.listed(ticket=anna.name) == [hers, late]
    assert improver.listed(due_before=improver.clerk.at(2 * HOUR)) == [soon]
    assert improver.listed(states=[OPEN]) == [soon, hers, late]


def test_pages_follow_each_other(improver: Improver) -> None:
    """Each action stands on one page, in order, and a token fits its own query alone."""
    ticket = improver.clerk.open()
    added = [improver.add(ticket, due_time=improver.clerk.at(hour * HOUR)) for hour in (1, 2, 3)]
    first = improver.page(page_size=2, staff=EVA)
    rest = improver.page(page_size=2, staff=EVA, page_token=first.next_page_token)
    assert [*first.improvement_actions, *rest.improvement_actions] == added
    assert rest.next_page_token == ""
    foreign = improver.refused("page", page_token=first.next_page_token, responsible=f"staff/{EVA}")
    assert foreign.fields == {"page_token": "PAGE_TOKEN_INVALID"}


@pytest.mark.requirement("G-22")
def test_the_words_stand_nowhere_in_clear_and_reading_them_is_recorded(improver: Improver) -> None:
    """What an action repeats of a customer is in no column as it was said; whose words were read is written down."""
    action = improver.add(improver.clerk.open(), request_id="add-1")
    improver.end(action, result="All was done as 欧阳 scalded a hand", request_id="end-1")
    improver.listed(states=[DONE])
    with improver.clerk.running.database.read() as tx:
        for table in METADATA.sorted_tables:
            for cell in chain.from_iterable(tx.execute(sa.select(table))):
                kept = cell if isinstance(cell, bytes) else str(cell).encode()
                # JSON writes the characters before these in another way.
                assert b"scalded a hand" not in kept, table.name
        read = [access.method.rpartition("/")[2] for access in ACCESSES.of(tx, ANNA, limit=9)]
    assert {"AddImprovementAction", "EndImprovementAction", "ListImprovementActions"} <= set(read)


def test_a_repeat_answers_the_first_result(improver: Improver) -> None:
    """A request that comes again adds nothing and ends nothing twice; the same id with other content is refused."""
    ticket, due = improver.clerk.open(), improver.clerk.at(HOUR)
    added = [improver.add(ticket, due_time=due, request_id="add-1") for _ in range(2)]
    assert added[0] == added[1]
    ended = [improver.end(added[0], request_id="end-1") for _ in range(2)]
    assert ended[0] == ended[1]
    assert improver.clerk.verbs(ticket)[1:] == ["ADD_IMPROVEMENT", "END_IMPROVEMENT"]
    other = improver.refused("add", ticket.name, due_time=due, request_id="add-1", description="Other")
    assert other.reason == "REQUEST_ID_REUSED"


def test_wrong_calls_are_refused(improver: Improver) -> None:
    """Each refusal names all that is wrong, and nothing is written."""
    ticket = improver.clerk.open()
    bad = {"description": " ", "responsible": f"staff/{GONE}", "due_time": improver.clerk.at(0)}
    wrong = improver.refused("add", ticket.name, **bad)
    assert wrong.code == "INVALID_ARGUMENT"
    assert wrong.fields == {"description": "TEXT_MISSING", "responsible": "STAFF_UNKNOWN", "due_time": "TIME_IN_PAST"}
    assert improver.refused("add", ticket.name, responsible="staff/X9").fields == {"responsible": "STAFF_UNKNOWN"}
    shape = improver.refused("add", "tickets/1", description="x" * 10_001, responsible="Eva", due_time=None)
    assert shape.fields.keys() == {"parent", "description", "responsible", "due_time"}
    unknown = improver.refused("add", f"tickets/{NOWHERE}")
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "TICKET_NOT_FOUND")
    nobody = improver.refused("add", ticket.name, staff="")
    assert (nobody.code, nobody.reason) == ("PERMISSION_DENIED", "ACTOR_MISSING")
    assert improver.clerk.verbs(ticket) == ["OPEN"]

    action = improver.add(ticket)
    missing = improver.refused("end", f"improvementActions/{NOWHERE}")
    assert (missing.code, missing.reason) == ("NOT_FOUND", "IMPROVEMENT_ACTION_NOT_FOUND")
    shape = improver.refused("end", "improvementActions/1", ending=OPEN, result="")
    assert shape.fields == {"name": "STRING_PATTERN", "ending": "ENUM_NOT_IN", "result": "STRING_MIN_LEN"}
    assert improver.refused("end", action.name, result="\t").fields == {"result": "TEXT_MISSING"}
    assert improver.refused("page", states=[0], responsible="Eva").fields.keys() == {"states[0]", "responsible"}
    assert improver.listed(staff=EVA) == [action]


def test_each_method_has_its_own_permission(improver: Improver) -> None:
    """Who may add and list may not end, and the other way round."""
    ticket = improver.clerk.open()
    action = improver.add(ticket, permissions=("ticketing.improvements.add",))
    ending = ("ticketing.improvements.end",)
    for method, names in (("add", [ticket.name]), ("page", [])):
        assert improver.refused(method, *names, permissions=ending).code == "PERMISSION_DENIED"
    adding = ("ticketing.improvements.add", "ticketing.improvements.list")
    assert improver.refused("end", action.name, permissions=adding).code == "PERMISSION_DENIED"
    assert improver.end(action, permissions=ending).state == DONE


def test_a_foreign_stores_improvements_are_out_of_reach(improver: Improver) -> None:
    """Whoever belongs to another store neither adds, sees nor ends them; who is responsible does, wherever it is."""
    ticket = improver.clerk.open(store=LEEDS)
    foreign = improver.refused("add", ticket.name, stores=(YORK,), staff=MARY)
    assert (foreign.code, foreign.reason) == ("PERMISSION_DENIED", "STORE_FOREIGN")
    action = improver.add(ticket)
    assert improver.listed(ticket=ticket.name, stores=(YORK,), staff=MARY) == []
    assert improver.refused("end", action.name, stores=(YORK,), staff=MARY).reason == "STORE_FOREIGN"
    assert improver.listed(stores=(YORK,), staff=EVA) == [action]
    assert improver.end(action, stores=(YORK,), staff=EVA).state == DONE


@pytest.mark.requirement("K-54")
def test_who_leaves_hands_over_what_is_open(improver: Improver) -> None:
    """When the responsible member leaves, the superior finds the action among the own ones."""
    action = improver.add(improver.clerk.open())
    left = event_pb2.Event()
    left.data.Pack(StaffChanged(staff=f"staff/{EVA}", active=False, superior=f"staff/{MARY}"))
    with improver.clerk.running.database.write() as tx:
        on_customer(tx, [left], improver.clerk.clock(), str)
    [handed] = improver.listed(staff=MARY)
    assert (handed.name, handed.responsible) == (action.name, f"staff/{MARY}")
