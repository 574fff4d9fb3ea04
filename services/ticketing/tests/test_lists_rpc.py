"""Lists of tickets over the wire: whoever pages or polls sees each ticket, in order."""

from __future__ import annotations

from typing import Any

import pytest

from services.ticketing.tests.clerk import HOUR, LEEDS, Clerk
from services.ticketing.tests.neighbours import ANNA, BERT
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Ticket

SECOND = 1_000_000


def walked(clerk: Clerk, **fields: Any) -> list[Ticket]:  # noqa: ANN401
    """List all pages of a query."""
    found: list[Ticket] = []
    request = pb.ListTicketsRequest(**fields)
    while not found or request.page_token:
        page = clerk.call("tickets", "ListTickets", request)
        assert len(page.tickets) <= request.page_size
        found += page.tickets
        request.page_token = page.next_page_token
    return found


@pytest.mark.requirement("X-22")
def test_pages_show_each_ticket_once_and_in_order(clerk: Clerk) -> None:
    """However long the pages are, they hold all tickets, the most pressing first, and those alike by their names."""
    clerk.hold(BERT, "GOLD")
    severities = (Ticket.LOW, Ticket.NORMAL, Ticket.EMERGENCY)
    alike = [
        [clerk.open(customer=customer, severity=severity) for _ in range(2)]
        for severity in severities
        for customer in (ANNA, BERT)
    ]
    expected = [name for pair in reversed(alike) for name in sorted(ticket.name for ticket in pair)]
    for size in (1, 2, 5, 200):
        assert [ticket.name for ticket in walked(clerk, store=LEEDS, page_size=size)] == expected
    ended = clerk.act("tickets", "CloseTicket", alike[0][0], ending=pb.CloseTicketRequest.CANCELLED, reason="A slip.")
    for size in (1, 2):
        everything = [Ticket.NEW, Ticket.CANCELLED]
        assert len(walked(clerk, store=LEEDS, states=everything, page_size=size)) == len(expected)
        assert [one.name for one in walked(clerk, store=LEEDS, states=[Ticket.CANCELLED], page_size=size)] == [
            ended.name
        ]


@pytest.mark.requirement("X-17")
def test_a_desk_that_polls_misses_no_change(clerk: Clerk) -> None:
    """A desk that asks for what changed since the last change that it saw knows every ticket as it stands."""
    known: dict[str, Ticket] = {}
    since = clerk.at(0)

    def poll() -> None:
        nonlocal since
        changed = walked(clerk, changed_since=since, page_size=2)
        times = [ticket.update_time.ToMicroseconds() for ticket in changed]
        assert times == sorted(times)
        known.update({ticket.name: ticket for ticket in changed})
        since = changed[-1].update_time

    tickets = [clerk.open() for _ in range(3)]
    poll()
    for turn, ticket in enumerate(tickets):
        clerk.later(turn * SECOND)
        clerk.act("tickets", "AddNote", ticket, text="Hm.")
        poll()
        clerk.act("tickets", "AssignTicket", tickets[0], assignee="")
        poll()
    clerk.later(3 * HOUR)
    clerk.act("tickets", "CloseTicket", tickets[1], ending=pb.CloseTicketRequest.CANCELLED, reason="A slip.")
    clerk.open()
    poll()
    truth = walked(clerk, changed_since=tickets[0].create_time, page_size=200)
    assert len(truth) == 4
    assert {name: ticket.etag for name, ticket in known.items()} == {ticket.name: ticket.etag for ticket in truth}
