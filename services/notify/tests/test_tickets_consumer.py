"""What happens to tickets is told: to the customer step by step, to whoever is responsible, and to management."""

from __future__ import annotations

from functools import partial

import pytest
from structlog.testing import capture_logs

from chassis import wire
from chassis.calendar import SECOND
from services.notify.tests.desk import ADDRESS, Desk, wait_for
from services.notify.tests.neighbours import ANNA, BERT
from services.notify.tests.studio import MANAGER as ACTIVATOR
from services.notify.tests.studio import refused
from services.notify.tests.ticketing import (
    ASSIGNEE,
    DIRECTOR,
    HOUR,
    MANAGER,
    OWNER,
    TICKET,
    clocked,
    every_kind,
    example_templates,
    example_ticket_rule,
    happened,
    member,
    notice,
    prepare,
    promised,
)
from shuke.customer.v1.events_pb2 import StoreChanged
from shuke.notify.v1.events_pb2 import MessageDelivered, MessageSuppressed
from shuke.notify.v1.messages_pb2 import Message
from shuke.notify.v1.policies_pb2 import TicketNotice
from shuke.notify.v1.templates_pb2 import Template
from shuke.ticketing.v1.events_pb2 import TicketOpened
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket
from tests.running import START

BOSS = "boss@shop.example"
DAY = 24 * HOUR
# What a customer is told.
TOLD = notice(
    occasion=TicketNotice.ACKNOWLEDGED,
    recipient=TicketNotice.CUSTOMER,
    template="templates/ticket-acknowledged",
    channels=[Template.EMAIL, Template.SMS],
)


def staff_of(desk: Desk, *members: str) -> None:
    """Let the directory tell of service managers of all stores, each with an e-mail address."""
    for who in members:
        desk.beside.staff[who] = f"{who.partition('/')[2].lower()}@shop.example"
        desk.beside.customer.tell(member(who, "service_manager"))
    desk.settle()


def told(desk: Desk) -> list[tuple[str, str]]:
    """List whom messages are for, and by which template."""
    return sorted(
        (each.customer or each.staff, each.template_version.split("/")[1]) for each in desk.messages().messages
    )


@pytest.mark.requirement("N-13", "K-40")
def test_a_customer_hears_of_each_step(desk: Desk) -> None:
    """Taken in hand, promised, solved and closed: each step is told before the customer asks, in the own language."""
    prepare(desk)
    desk.person(name="李贝", language="zh-CN", points={"EMAIL": ADDRESS})
    steps = [
        happened("TicketAcknowledged"),
        promised(),
        happened("TicketSolved"),
        happened("TicketClosed", state=Ticket.CLOSED_SATISFIED),
    ]
    for step in steps:
        desk.beside.ticketing.tell(step)
        desk.settle()
    assert desk.mail.subjects() == [
        "【示例】您的投诉已受理（260302-0007）",
        "【示例】我们将在2026年3月2日 05:00前答复您（260302-0007）",
        "【示例】您的投诉已解决（260302-0007）",
        "【示例】您的投诉已结案（260302-0007）",
    ]
    texts = [letter.get_content() for letter in desk.mail.taken]
    assert texts[0].startswith("尊敬的李贝：")
    assert "您于2026年3月2日 03:00提出的投诉" in texts[0]
    assert "已结案：客户满意结案" in texts[3]
    assert {message.purpose for message in desk.messages().messages} == {Template.SERVICE}


@pytest.mark.requirement("N-14", "K-36")
def test_whoever_is_responsible_is_reminded_of_a_promise(desk: Desk) -> None:
    """Before the promised time assignee and owner get an e-mail, one each; other clocks remind nobody."""
    prepare(desk)
    desk.beside.staff |= {OWNER: "owner@shop.example", ASSIGNEE: "assignee@shop.example"}
    desk.beside.ticketing.tell(
        clocked("ClockAtRisk", Clock.RESPOND), clocked("ClockAtRisk", Clock.COMMITMENT, customer=BERT)
    )
    desk.settle()
    assert told(desk) == [(ASSIGNEE, "ticket-promise-due"), (OWNER, "ticket-promise-due")]
    assert sorted(str(letter["To"]) for letter in desk.mail.taken) == ["assignee@shop.example", "owner@shop.example"]
    text = desk.mail.taken[0].get_content()
    assert "Mia Manager" in text
    assert "2026年3月2日 05:00" in text
    second = {"clock": Clock.COMMITMENT, "number": 2, "due_time": wire.timestamp(START + HOUR)}
    desk.beside.ticketing.tell(happened("ClockAtRisk", second, assignee=OWNER))
    desk.settle()
    assert len(desk.mail.to("owner@shop.example")) == 2


@pytest.mark.requirement("N-15", "K-46", "K-47", "K-75")
def test_management_learns_of_complaints_emergencies_and_passed_limits(desk: Desk) -> None:
    """Service managers of the store and of the chain are told at once and once; those of other stores are not."""
    prepare(desk)
    desk.beside.customer.tell(
        member(DIRECTOR, "service_manager"),
        member(MANAGER, "engineer", "service_manager", stores=("S01",)),
        member("staff/ELSEWHERE", "service_manager", stores=("S02",)),
        member("staff/ENGINEER", "engineer"),
        member("staff/LEFT", "service_manager", active=False),
        StoreChanged(store="stores/S01"),
    )
    desk.beside.staff |= dict.fromkeys((DIRECTOR, MANAGER, "staff/ELSEWHERE", "staff/ENGINEER", "staff/LEFT"), BOSS)
    desk.settle()
    both = [(DIRECTOR, "ticket-reported"), (MANAGER, "ticket-reported")]
    desk.beside.ticketing.tell(happened("TicketOpened", severity=Ticket.EMERGENCY))
    desk.settle()
    assert told(desk) == both
    assert len(desk.mail.taken) == 2
    assert desk.mail.taken[0]["Subject"] == "【示例】投诉（紧急）：260302-0007"
    desk.beside.ticketing.tell(
        happened("TicketOpened", type=Ticket.REPAIR),
        clocked("ClockBreached", Clock.RESOLVE, type=Ticket.REPAIR, store=""),
    )
    desk.settle()
    assert told(desk) == sorted([*both, (DIRECTOR, "ticket-breached")])
    assert "时限“解决”已于2026年3月2日 05:00超过" in desk.mail.taken[2].get_content()
    sent = [each for each in desk.messages().messages if each.staff == MANAGER]
    assert [(each.customer, each.purpose, each.channel, each.state) for each in sent] == [
        ("", Template.WORK, Template.EMAIL, Message.SENT)
    ]
    delivered = [each for each in desk.told() if isinstance(each, MessageDelivered)]
    assert {(each.staff, each.customer) for each in delivered} == {(DIRECTOR, ""), (MANAGER, "")}


@pytest.mark.requirement("N-15")
def test_an_event_is_told_once(desk: Desk) -> None:
    """An event that comes again, also under another id, and a log that is read anew, tell nobody twice."""
    prepare(desk, notice())
    staff_of(desk, MANAGER)
    desk.beside.ticketing.tell(happened("TicketOpened"), happened("TicketOpened"), event_id="e-1")
    desk.settle()
    assert told(desk) == [(MANAGER, "ticket-reported")]
    with desk.running.database.write() as tx:
        tx.exec_driver_sql("DELETE FROM cursors WHERE source = 'ticketing.shuke'")
    desk.settle()
    desk.beside.ticketing.tell(happened("TicketOpened"), event_id="e-2")
    desk.beside.ticketing.tell(happened("TicketOpened", name="tickets/another"), event_id="e-3")
    desk.settle()
    keys = sorted(message.business_key for message in desk.messages().messages)
    assert keys == [f"ticket/OPENED/{ticket}/once/{MANAGER}" for ticket in (TICKET.partition("/")[2], "another")]
    assert len(desk.mail.taken) == 2


def test_a_rule_tells_what_happens_from_its_day_on(desk: Desk) -> None:
    """A new rule tells nothing again; what happened before its day was told by the one before, or by none."""
    prepare(desk, notice())
    staff_of(desk, MANAGER)
    first, later = happened("TicketOpened"), happened("TicketReopened")
    desk.beside.ticketing.tell(first, time=START - DAY, event_id="e-1")
    desk.settle()
    policy = example_ticket_rule(notice(), notice(occasion=TicketNotice.REOPENED))
    policy.effective_date.year, policy.effective_date.month, policy.effective_date.day = 2026, 3, 2
    desk.studio.activate(policy, "tickets")
    with desk.running.database.write() as tx:
        tx.exec_driver_sql("DELETE FROM cursors WHERE source = 'ticketing.shuke'")
    desk.beside.ticketing.tell(later, time=START - DAY, event_id="e-2")
    desk.beside.ticketing.tell(later, event_id="e-3")
    desk.settle()
    rules = {message.source.event_id: message.source.rule for message in desk.messages().messages}
    assert rules == {"e-1": "policies/tickets/versions/1", "e-3": "policies/tickets/versions/2"}


def test_every_kind_of_event_can_be_told(desk: Desk) -> None:
    """Each event of ticketing is an occasion of its own; a transfer may be an escalation, a follow-up has an owner."""
    occasions = list(TicketNotice.Occasion.values())[1:]
    prepare(desk, *(notice(occasion=each, recipient=TicketNotice.OWNER) for each in occasions))
    desk.beside.staff[OWNER] = desk.beside.staff["staff/CALLER"] = BOSS
    desk.beside.ticketing.tell(
        *every_kind()[:-1],
        happened("TicketTransferred", {"escalated": True}),
        happened("FollowUpDue", {"owner": "staff/CALLER"}),
    )
    desk.settle()
    found = desk.messages().messages
    assert {message.business_key.split("/")[1] for message in found} == set(TicketNotice.Occasion.keys()[1:])
    assert [message.staff for message in found if "FOLLOW_UP" in message.business_key] == ["staff/CALLER"]


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.requirement("N-15")
def test_a_role_that_nobody_has_tells_nobody(desk: Desk) -> None:
    """Without a member in the role nothing is sent, and a line of the log says so."""
    prepare(desk, notice())
    with capture_logs() as lines:
        desk.beside.ticketing.tell(happened("TicketOpened"))
        desk.settle()
    assert told(desk) == []
    [line] = [line for line in lines if line["event"] == "nobody in role"]
    assert (line["role"], line["store"], line["ticket"]) == ("service_manager", "S01", "260302-0007")


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_ticket_of_staff_has_no_customer_to_tell(desk: Desk) -> None:
    """What is for the customer is told to nobody when a member of staff reported."""
    prepare(desk, TOLD)
    desk.beside.ticketing.tell(happened("TicketAcknowledged", customer=""))
    desk.settle()
    assert told(desk) == []


def test_an_event_that_cannot_be_read_holds_up_its_subject_alone(desk: Desk) -> None:
    """A kind of ticket of a later release parks its customer's events; the others go on, and nothing is told of it."""
    prepare(desk, notice())
    staff_of(desk, MANAGER)
    desk.beside.ticketing.tell(TicketOpened(ticket={"customer": ANNA, "type": 99}), happened("TicketOpened"))  # type: ignore[arg-type]
    desk.beside.ticketing.tell(happened("TicketOpened", customer=BERT), event_id="e-bert")
    desk.settle()
    assert [message.source.event_id for message in desk.messages().messages] == ["e-bert"]
    with desk.running.database.read() as tx:
        parked = tx.exec_driver_sql("SELECT subject, problem FROM parked_events ORDER BY position").all()
    assert [row.subject for row in parked] == [ANNA, ANNA]
    assert parked[0].problem == "KeyError"


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(
    ("address", "reason"),
    [("", Message.NO_CONTACT), (None, Message.STAFF_INACTIVE), ("nobody", Message.STAFF_UNKNOWN)],
)
def test_staff_who_are_not_reached_get_nothing(
    desk: Desk, address: str | None, reason: Message.Reason.ValueType
) -> None:
    """Without an address, inactive or unknown: the message is suppressed with the reason, and this is told of staff."""
    prepare(desk, notice())
    desk.beside.staff |= {} if address == "nobody" else {MANAGER: address}
    desk.beside.customer.tell(member(MANAGER, "service_manager"))
    desk.settle()
    desk.beside.ticketing.tell(happened("TicketOpened"))
    desk.settle()
    [message] = desk.messages().messages
    assert (message.state, message.reason) == (Message.SUPPRESSED, reason)
    assert desk.told() == [MessageSuppressed(message=message.name, staff=MANAGER, reason=reason)]
    assert (desk.mail.taken, desk.beside.asked) == ([], [])


def test_a_message_to_staff_is_tried_again_like_any_other(desk: Desk) -> None:
    """Refused for now, it comes again; refused for good, it can be retried; and its explanation calls it work."""
    prepare(desk, notice())
    staff_of(desk, MANAGER)
    desk.mail.at_recipient = lambda _to: "450 busy"
    desk.beside.ticketing.tell(happened("TicketOpened"))
    desk.settle()
    [message] = desk.messages().messages
    assert message.state == Message.FAILED_TEMPORARY
    desk.mail.at_recipient = lambda _to: "550 no"
    desk.pass_time(100)
    wait_for(partial(desk.tried, message.name, 2))
    assert desk.get(message.name).state == Message.FAILED_PERMANENT
    desk.mail.at_recipient = lambda _to: "250 fine"
    again = desk.settled(desk.retry(message.name).name)
    assert (again.state, again.staff) == (Message.SENT, MANAGER)
    assert "It is work for staff, for which no consent is asked." in desk.explain(again.name).findings


@pytest.mark.requirement("N-07")
def test_work_never_goes_to_customers(desk: Desk) -> None:
    """A caller cannot send a customer what is for staff; and a template that turned into one ends notices as dead."""
    prepare(desk, TOLD, notice())
    desk.person()
    values = {"template": "templates/ticket-reported", "values": []}
    refusal = refused(desk.send, **values)
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TEMPLATE_MISDIRECTED")
    assert refusal.metadata == {"template": "templates/ticket-reported/versions/1", "purpose": "WORK"}
    turned = example_templates()["ticket-acknowledged"]
    turned.purpose = Template.WORK
    for body in turned.bodies:
        body.text = body.text.replace("customer_name", "staff_name")
    desk.studio.approve(desk.studio.update(turned, "templates/ticket-acknowledged/versions/1").name)
    desk.beside.ticketing.tell(happened("TicketAcknowledged"))
    desk.settle()
    [dead] = desk.messages().messages
    assert (dead.state, dead.reason, dead.customer) == (Message.DEAD, Message.TEMPLATE_UNFIT, ANNA)
    assert (refused(desk.retry, dead.name).reason, desk.mail.taken) == ("TEMPLATE_MISDIRECTED", [])


@pytest.mark.parametrize("engine", ["sqlite"])
def test_what_a_template_needs_and_an_event_lacks_is_found(desk: Desk) -> None:
    """A notice whose template asks for a time that the event does not tell is dead, and the next one goes out."""
    prepare(desk, notice(template="templates/ticket-breached"), notice(occasion=TicketNotice.CLOCK_BREACHED))
    staff_of(desk, MANAGER)
    desk.beside.ticketing.tell(happened("TicketOpened"), clocked("ClockBreached", Clock.RESOLVE))
    desk.settle()
    states = {message.business_key.split("/")[1]: message.state for message in desk.messages().messages}
    assert states == {"OPENED": Message.DEAD, "CLOCK_BREACHED": Message.SENT}


@pytest.mark.parametrize("engine", ["sqlite"])
def test_nothing_is_told_without_a_rule(desk: Desk) -> None:
    """Before a rule is in force, and once it is retired, tickets are told to nobody."""
    desk.beside.ticketing.tell(happened("TicketAcknowledged"))
    desk.settle()
    prepare(desk, TOLD)
    desk.studio.step("Retire", "policies/tickets/versions/1", ACTIVATOR)
    desk.beside.ticketing.tell(happened("TicketAcknowledged"))
    desk.settle()
    assert told(desk) == []


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_reminder_that_failed_waits_its_time(desk: Desk) -> None:
    """While the customer service is away, what is for staff waits, and goes out once it answers."""
    prepare(desk, notice())
    staff_of(desk, MANAGER)
    desk.beside.open = False
    desk.beside.ticketing.tell(happened("TicketOpened"))
    wait_for(lambda: desk.messages().messages)
    assert desk.messages().messages[0].state == Message.ACCEPTED
    desk.beside.open = True
    desk.settle()
    assert wire.instant(desk.messages().messages[0].create_time) < START + SECOND
    assert len(desk.mail.taken) == 1
