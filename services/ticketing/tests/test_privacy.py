"""What customers say stands sealed, is read under their name, and is gone with their key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from buf.validate import validate_pb2
from chassis.vault import Vault
from services.ticketing.tables import ACCESSES, VAULT_KEYS
from services.ticketing.tests.clerk import ALICE, EVA, HOUR, LEEDS, MARY, MODULES, Clerk
from services.ticketing.tests.neighbours import ANNA, BERT
from services.ticketing.tests.test_improvements_rpc import Improver
from services.ticketing.tests.test_tickets_rpc import gbp
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.complaints_pb2 import ImprovementAction
from shuke.ticketing.v1.followups_pb2 import CompleteFollowUpRequest, FollowUp, ListTasksRequest
from shuke.ticketing.v1.ticket_pb2 import Ticket
from tests.running import Refusal, Running

PLANTED = "悄悄话 planted"
# As they stand in text, and in JSON that keeps to ASCII.
FORMS = (b"planted", "悄悄话".encode(), rb"\u6084\u6084")
# What callers write beside words: names of versions and of pages.
NO_WORDS = {"etag", "page_token"}


class Witness(Clerk):
    """A clerk who remembers where words were planted, and which calls were answered."""

    def __init__(self, running: Running) -> None:
        self.planted: set[str] = set()
        self.answered: Counter[str] = Counter()
        super().__init__(running)

    def call(self, service: str, method: str, request: Message, **caller: Any) -> Any:  # noqa: ANN401
        """Call a method."""
        self.planted |= set(planted(request))
        answer = super().call(service, method, request, **caller)
        api = MODULES[service].DESCRIPTOR.services_by_name
        full_name = next(name for name in api if method in api[name].methods_by_name)
        self.answered[f"/{MODULES[service].DESCRIPTOR.package}.{full_name}/{method}"] += 1
        return answer

    def refused(self, method: str, ticket: Ticket, **fields: Any) -> str:  # noqa: ANN401
        """Act in vain; answer the reason."""
        with pytest.raises(Refusal) as refusal:
            self.act("tickets", method, ticket, **fields)
        assert "planted" not in str(vars(refusal.value))
        return refusal.value.reason


@pytest.fixture
def witness(ticketing: Running) -> Witness:
    """Make a client for tickets that remembers."""
    return Witness(ticketing)


def planted(message: Message) -> Iterator[str]:
    """Name the fields of a message in which the words stand."""
    for field, value in message.ListFields():
        if isinstance(value, Message):
            yield from planted(value)
        elif PLANTED in str(value):
            yield field.full_name


def free_texts(message: Descriptor) -> Iterator[str]:
    """Name the fields of a request that take whatever a caller writes."""
    for field in message.fields:
        if field.message_type and field.message_type.file.package == "shuke.ticketing.v1":
            yield from free_texts(field.message_type)
        text = field.GetOptions().Extensions[validate_pb2.field].string
        if text.max_len and not text.pattern and field.name not in NO_WORDS:
            yield field.full_name


def plant(clerk: Witness) -> Ticket:
    """Lead a complaint through everything that takes words, each call twice under its request id; answer it."""
    words: dict[str, Any] = {"subject": PLANTED, "description": PLANTED}
    product = Ticket.Product(
        sku=PLANTED, model=PLANTED, specification=PLANTED, serial_no=PLANTED, purchase_place=PLANTED
    )

    def act(service: str, method: str, *texts: str, **fields: Any) -> None:  # noqa: ANN401
        told = dict.fromkeys(texts, PLANTED) | {"request_id": f"{len(clerk.answered)}"} | fields
        for _ in range(2):
            clerk.act(service, method, ticket, **told)

    for _ in range(2):
        ticket = clerk.open(**words, product=product, request_id="open")
    lookup = pb.OpenTicketRequest.Lookup
    for key in ("phone", "email", "member_code"):
        with pytest.raises(Refusal):
            clerk.open(customer_lookup=lookup(**{key: PLANTED}))
    clerk.open(close_now=pb.OpenTicketRequest.CloseNow(answer=PLANTED))
    changed = Ticket(name=ticket.name, product=product, **words)
    mask = FieldMask(paths=["subject", "description", "product"])
    clerk.call("tickets", "UpdateTicket", pb.UpdateTicketRequest(ticket=changed, update_mask=mask, request_id="update"))
    assert clerk.refused("AddNote", ticket, text=PLANTED, etag='"99"') == "TICKET_CHANGED"
    assert clerk.refused("AddNote", ticket, text=PLANTED * 9999) == "FIELDS_INVALID"
    assert clerk.refused("SolveTicket", ticket, result=PLANTED) == "TICKET_STATE_FORBIDS"
    act("tickets", "AcknowledgeTicket", "restatement", apologised=True)
    assert clerk.refused("AcknowledgeTicket", ticket, restatement=PLANTED, request_id="open") == "TICKET_STATE_FORBIDS"
    act("tickets", "AddNote", "text")
    act("tickets", "ClassifyTicket", severity=Ticket.LOW)
    act("tickets", "AssignTicket", "reason", assignee=f"staff/{EVA}")
    act("tickets", "TransferTicket", "reason", queue="queues/service-desk", assignee=f"staff/{ALICE}")
    act("tickets", "EscalateTicket", "reason")
    act("tickets", "ChangeOwner", "reason", owner=f"staff/{ALICE}")
    act("complaints", "VerifyFacts", "report", finding=Ticket.CONFIRMED)
    act("complaints", "ProposeSolution", "description", "explanation", compensation=gbp(500))
    act("complaints", "AnswerSolution", "remark", solution=1, accepted=True)
    act("complaints", "CommitTime", "remark", promised_time=clerk.at(HOUR))
    act("complaints", "ReportProgress", "progress", next_time=clerk.at(2 * HOUR))
    act("complaints", "RecordCompensation", "remark", solution=1, amount=gbp(500))
    act("clocks", "PauseClock", "remark", reason="PARTS_ORDERED", waiting_for=Ticket.PARTS)
    act("clocks", "ResumeClock", "remark")
    act("tickets", "SolveTicket", "result", solution=1)
    act("tickets", "ConfirmSatisfaction", "remark", satisfied=False)
    act("tickets", "CloseTicket", "reason", ending=pb.CloseTicketRequest.UNSATISFIED, staff=MARY)
    task = clerk.call("followups", "ListTasks", ListTasksRequest(ticket=ticket.name)).tasks[0]
    tried = CompleteFollowUpRequest(name=task.name, outcome=FollowUp.NO_ANSWER, remark=PLANTED, request_id="call")
    clerk.call("followups", "CompleteFollowUp", tried)
    act("tickets", "ReopenTicket", "reason")
    improver = Improver(clerk)
    for _ in range(2):
        action = improver.add(ticket, description=PLANTED, request_id="add")
        improver.end(action, result=PLANTED, request_id="end")
    improver.page(ticket=ticket.name, states=[ImprovementAction.DONE])
    repair = clerk.open(type=Ticket.REPAIR, **words)
    clerk.act("clocks", "ConfirmReport", repair, agreed_time=clerk.at(HOUR), remark=PLANTED)
    assert clerk.get(ticket).subject == clerk.get(repair).subject == PLANTED
    assert PLANTED in {entry.text for entry in clerk.timeline(ticket)}
    assert len(clerk.listed(customer=ANNA)) == 3
    assert [event for event in clerk.told() if "planted" in str(event)] == []
    return ticket


def cells(running: Running) -> Iterator[tuple[str, bytes]]:
    """Read every column of every table, as the bytes that stand there."""
    with running.database.read() as tx:
        for table in sa.inspect(tx).get_table_names():
            for row in tx.execute(sa.text(f'SELECT * FROM "{table}"')).mappings():  # noqa: S608  (our own tables)
                for column, value in row.items():
                    yield f"{table}.{column}", value if isinstance(value, bytes) else str(value).encode()


@pytest.mark.requirement("G-22", "K-48")
def test_no_word_stands_in_a_column(witness: Witness) -> None:
    """Whatever a caller may write in words stands in no column in clear, nor in an event or a kept answer."""
    plant(witness)
    asked = {
        name
        for module in MODULES.values()
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        for name in free_texts(method.input_type)
    }
    assert witness.planted == asked
    found = list(cells(witness.running))
    tables = {column.partition(".")[0] for column, _ in found}
    assert tables >= {"tickets", "ticket_entries", "follow_ups", "clock_events", "events", "requests", "accesses"}
    assert [column for column, value in found for form in FORMS if form in value.lower()] == []


@pytest.mark.requirement("G-21", "G-22")
@pytest.mark.parametrize("engine", ["sqlite"])
def test_no_word_stands_in_a_file_or_a_log(witness: Witness, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the database's files nor the lines that the service logs hold any of it."""
    plant(witness)
    path = Path(str(witness.running.database.url.database))
    content = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    written = "".join(capfd.readouterr())
    assert ANNA.removeprefix("customers/").encode() in content
    assert "ProposeSolution" in written
    assert [form for form in FORMS for held in (content, written.encode()) if form in held] == []


@pytest.mark.requirement("G-21")
@pytest.mark.parametrize("engine", ["sqlite"])
def test_whoever_reads_words_is_recorded(witness: Witness) -> None:
    """Each answer that holds a ticket or its timeline is recorded under the customer: who read it, by which method."""
    plant(witness)
    reading = {method for method in witness.answered if not method.endswith(("ListTasks", "CompleteFollowUp"))}
    witness.open(customer="", staff_reporter=f"staff/{ALICE}")
    with witness.running.database.read() as tx:
        of_anna, of_alice = (ACCESSES.of(tx, subject, limit=999) for subject in (ANNA, f"staff/{ALICE}"))
    found = Counter(access.method for access in of_anna)
    assert set(found) == reading
    opening = "/shuke.ticketing.v1.TicketService/OpenTicket"
    assert found + Counter([opening]) == Counter({method: witness.answered[method] for method in reading})
    assert {access.staff for access in of_anna} == {ALICE, MARY}
    assert [access.method for access in of_alice] == [opening]


@pytest.mark.requirement("G-22")
def test_words_are_gone_with_the_customer_s_key(witness: Witness) -> None:
    """When a customer's key is destroyed, tickets and timelines are still there, and what was said reads as empty."""
    ticket = plant(witness)
    other = witness.open(customer=BERT, subject="Jug")
    entries = witness.timeline(ticket)
    config: Any = witness.running.service.foundation.config
    vault = Vault(VAULT_KEYS, config.vault_keys, config.index_keys)
    witness.running.database.transact(lambda tx: vault.erase(tx, ANNA))
    empty = witness.get(ticket)
    assert (empty.subject, empty.description, empty.HasField("product"), list(empty.solutions)) == ("", "", False, [])
    assert (empty.state, empty.customer, empty.clocks) == (Ticket.IN_PROGRESS, ANNA, witness.get(ticket).clocks)
    after = witness.timeline(ticket)
    assert {entry.text for entry in after} == {""}
    assert [(entry.number, entry.verb) for entry in after] == [(entry.number, entry.verb) for entry in entries]
    shown = witness.call("tickets", "ListTickets", pb.ListTicketsRequest(store=LEEDS)).tickets
    assert {one.name: one.subject for one in shown if one.subject} == {other.name: "Jug"}
    assert len(shown) == 4
