"""What callers of tickets get wrong: each is told which field, what was wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.ticketing.tests.clerk import ALICE, GONE, HOUR, LEEDS, MARY, YORK, Clerk
from services.ticketing.tests.neighbours import ANNA, STRANGER, Neighbours
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Ticket
from tests.running import Refusal

LOOKUP = pb.OpenTicketRequest.Lookup
NOWHERE = "tickets/00000000-0000-7000-8000-000000000000"


@pytest.mark.requirement("K-11")
def test_customers_that_are_none(clerk: Clerk) -> None:
    """A ticket is not opened for a customer whom the customer service does not know, or not for sure."""
    asked: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"customer": STRANGER}, "NOT_FOUND", "TICKET_CUSTOMER_UNKNOWN"),
        ({"customer_lookup": LOOKUP(phone="+447700900199")}, "NOT_FOUND", "TICKET_CUSTOMER_UNKNOWN"),
        ({"customer_lookup": LOOKUP(phone="seven")}, "NOT_FOUND", "TICKET_CUSTOMER_UNKNOWN"),
        ({"customer_lookup": LOOKUP(phone="+447700900102")}, "FAILED_PRECONDITION", "CUSTOMER_AMBIGUOUS"),
    )
    for fields, code, reason in asked:
        with pytest.raises(Refusal) as refused:
            clerk.open(**fields)
        assert (refused.value.code, refused.value.reason) == (code, reason)
    assert clerk.listed(store=LEEDS) == []
    assert clerk.open(customer_lookup=LOOKUP(phone="+447700900101")).customer == ANNA


WRONG: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
    ({"store": "PARIS"}, {"store": "STORE_UNKNOWN"}),
    ({"queue": "queues/nobody"}, {"queue": "QUEUE_UNKNOWN"}),
    ({"staff_reporter": "staff/NOBODY"}, {"staff_reporter": "STAFF_UNKNOWN"}),
    ({"staff_reporter": f"staff/{GONE}"}, {"staff_reporter": "STAFF_UNKNOWN"}),
    ({"customer": "Anna"}, {"customer": "STRING_PATTERN"}),
    ({"subject": " "}, {"subject": "TEXT_MISSING"}),
    ({"subject": "x" * 201}, {"subject": "STRING_MAX_LEN"}),
    ({"description": "x" * 1_000_000}, {"description": "STRING_MAX_LEN"}),
    ({"type": Ticket.TYPE_UNSPECIFIED}, {"type": "ENUM_NOT_IN"}),
    (
        {"close_now": pb.OpenTicketRequest.CloseNow(answer="x"), "type": Ticket.REPAIR},
        {"close_now": "TYPE_NOT_ON_THE_SPOT"},
    ),
)


def test_fields_that_are_wrong(clerk: Clerk) -> None:
    """Each wrong field of a new ticket is named with what is wrong about it, and nothing is written."""
    for fields, wrong in WRONG:
        with pytest.raises(Refusal) as refused:
            clerk.open(**fields)
        assert (refused.value.code, refused.value.fields) == ("INVALID_ARGUMENT", wrong)
    assert clerk.listed(store=LEEDS) == []


@pytest.mark.requirement("K-09")
def test_a_reporter_who_is_neither_customer_nor_staff(clerk: Clerk) -> None:
    """A ticket without a reporter is refused; one of a member of staff is theirs (K-04)."""
    request = pb.OpenTicketRequest(type=Ticket.SUGGESTION, channel=Ticket.INTERNAL, store=LEEDS, subject="Shelves")
    with pytest.raises(Refusal) as refused:
        clerk.call("tickets", "OpenTicket", request)
    assert refused.value.fields == {"customer": "REPORTER_MISSING"}
    request.staff_reporter = f"staff/{ALICE}"
    assert clerk.call("tickets", "OpenTicket", request).reporter == f"staff/{ALICE}"


def test_times_of_reports(clerk: Clerk) -> None:
    """A report lies in the past, and not too far in it."""
    for offset, reason in ((1, "TIME_IN_FUTURE"), (-31 * 24 * HOUR, "TIME_TOO_OLD")):
        with pytest.raises(Refusal) as refused:
            clerk.open(report_time=clerk.at(offset))
        assert refused.value.fields == {"report_time": reason}


def test_a_customer_service_that_is_away(clerk: Clerk, beside: Neighbours) -> None:
    """Who the customer is cannot be told while the customer service is away: the caller may try again."""
    beside.open = False
    with pytest.raises(Refusal) as refused:
        clerk.open()
    assert refused.value.code == "UNAVAILABLE"


@pytest.mark.requirement("G-03", "G-15")
def test_tickets_of_foreign_stores(clerk: Clerk) -> None:
    """A key of one store neither sees nor touches the tickets of another, but for one's own."""
    ticket = clerk.open(store=YORK)
    for call in (
        lambda: clerk.get(ticket, stores=(LEEDS,), staff=MARY),
        lambda: clerk.act("tickets", "AssignTicket", ticket, stores=(LEEDS,), staff=MARY),
        lambda: clerk.open(store=YORK, stores=(LEEDS,)),
        lambda: clerk.listed(store=YORK, stores=(LEEDS,)),
    ):
        with pytest.raises(Refusal) as refused:
            call()
        assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "STORE_FOREIGN")
    assert clerk.get(ticket, stores=(LEEDS,)).name == ticket.name
    assert clerk.listed(stores=(LEEDS,)) == [ticket.name]
    assert clerk.listed(queue="queues/complaints", stores=(LEEDS,), staff=MARY) == []
    assert clerk.open(store="", stores=(LEEDS,)).store == LEEDS


def test_nobody_acts(clerk: Clerk) -> None:
    """A verb needs a member of staff; a system's ticket is owned by the lead of its queue, or refused without one."""
    with pytest.raises(Refusal) as refused:
        clerk.open(staff="")
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "OWNER_MISSING")
    ticket = clerk.open(type=Ticket.REPAIR, channel=Ticket.WEB, staff="")
    assert ticket.owner == "staff/E01"
    with pytest.raises(Refusal) as refused:
        clerk.act("tickets", "AcknowledgeTicket", ticket, staff="")
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "ACTOR_MISSING")
    assert clerk.act("tickets", "AcknowledgeTicket", ticket, operator=ALICE).state == Ticket.ACKNOWLEDGED


def test_tickets_that_are_none(clerk: Clerk) -> None:
    """A ticket that there is not is NOT_FOUND for every verb and read."""
    for call in (
        lambda: clerk.get(NOWHERE),
        lambda: clerk.timeline(NOWHERE),
        lambda: clerk.act("tickets", "EscalateTicket", NOWHERE, reason="So."),
    ):
        with pytest.raises(Refusal) as refused:
            call()
        assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "TICKET_NOT_FOUND")


def test_updates(clerk: Clerk) -> None:
    """An update names the fields that it changes; others, and none, are refused."""
    ticket = clerk.open()

    def update(*paths: str, **fields: Any) -> Ticket:  # noqa: ANN401
        request = pb.UpdateTicketRequest(ticket=Ticket(name=ticket.name, **fields), update_mask=FieldMask(paths=paths))
        answer: Ticket = clerk.call("tickets", "UpdateTicket", request)
        return answer

    changed = update("subject", "product", subject="Jug", product=Ticket.Product(model="J1"))
    assert (changed.subject, changed.product.model) == ("Jug", "J1")
    assert update("product").HasField("product") is False
    calls: tuple[tuple[Callable[[], Ticket], dict[str, str]], ...] = (
        (lambda: update(subject="x"), {"update_mask": "UPDATE_PATH_WRONG"}),
        (lambda: update("owner"), {"update_mask": "UPDATE_PATH_WRONG"}),
        (lambda: update("subject"), {"ticket.subject": "TEXT_MISSING"}),
        (lambda: update("store", store="PARIS"), {"ticket.store": "STORE_UNKNOWN"}),
        (lambda: update("description", description="x" * 1_000_000), {"ticket.description": "STRING_MAX_LEN"}),
    )
    for call, wrong in calls:
        with pytest.raises(Refusal) as refused:
            call()
        assert refused.value.fields == wrong


@pytest.mark.requirement("X-17")
def test_two_desks_on_one_ticket(clerk: Clerk) -> None:
    """Of two who act on what they saw one wins; the other is told how the ticket stands now."""
    ticket = clerk.open()
    clerk.act("tickets", "AcknowledgeTicket", ticket, restatement="Yes.", apologised=True, etag=ticket.etag)
    with pytest.raises(Refusal) as refused:
        clerk.act("tickets", "EscalateTicket", ticket, reason="So.", etag=ticket.etag, staff=MARY)
    assert (refused.value.code, refused.value.reason) == ("ABORTED", "TICKET_CHANGED")
    assert refused.value.metadata["state"] == "ACKNOWLEDGED"
    assert refused.value.metadata["etag"] == clerk.get(ticket).etag


def test_a_repeated_call_acts_once(clerk: Clerk) -> None:
    """A verb under a request id that comes again changes nothing more, and answers the ticket."""
    ticket = clerk.open(request_id="open-1")
    assert clerk.open(request_id="open-1").name == ticket.name
    for _ in range(2):
        clerk.act("tickets", "AddNote", ticket, text="Hm.", request_id="note-1")
    assert clerk.verbs(ticket) == ["OPEN", "ADD_NOTE"]
    with pytest.raises(Refusal) as refused:
        clerk.act("tickets", "AddNote", ticket, text="Ah.", request_id="note-1")
    assert refused.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.requirement("G-15")
def test_who_names_no_staff_owns_no_ticket(clerk: Clerk) -> None:
    """A key of another store that names no member of staff sees no ticket, least of all one that nobody works on."""
    ticket = clerk.open(store=YORK)
    clerk.act("tickets", "AssignTicket", ticket, assignee="")
    with pytest.raises(Refusal) as refused:
        clerk.get(ticket, stores=(LEEDS,), staff="")
    assert refused.value.reason == "STORE_FOREIGN"
    assert clerk.listed(queue="queues/complaints", stores=(LEEDS,), staff="") == []
