"""The desk's work by the command: a complaint and a fault report led to their ends."""

from __future__ import annotations

import click
import pytest
from google.api import field_behavior_pb2

from cli.groups.ticket_verbs import VERBS
from cli.tests.running import Shell, Suite
from gateway.routes import RouteTable
from gateway.tests.contracts import services
from services.ticketing.tests.clerk import ALICE, EVA, MARY
from services.tiering.tests.clients import wait_for

# What the contract offers and a desk does otherwise: with money, or by looking only.
NOT_OFFERED = {"recordCompensation", "explainSla"}


@pytest.fixture
def desk(suite: Suite) -> Shell:
    """Type as a specialist of the desk."""
    return suite.shell.using(suite.key(ALICE, "specialist"))


@pytest.fixture
def manager(suite: Suite) -> Shell:
    """Type as the desk's manager."""
    return suite.shell.using(suite.key(MARY, "service_manager"))


@pytest.fixture(scope="module")
def anna(suite: Suite) -> str:
    """Enter a customer."""
    return suite.shop.customer()


def opened(desk: Shell, anna: str, kind: str = "complaint", *words: str) -> str:
    """Open a ticket; answer its number."""
    [_, row] = desk.rows("ticket", "open", kind, "Cracked pot", "--channel", "phone", "--customer", anna, *words)
    return row[0]


def state(desk: Shell, *words: str) -> str:
    """Act on a ticket; answer the state that it is in then."""
    return desk.rows("ticket", *words)[1][3]


@pytest.mark.requirement("K-18", "K-55")
def test_a_complaint_is_led_to_a_satisfied_customer(desk: Shell, anna: str) -> None:
    """Every verb of a complaint's way is a command, by the ticket's number, and the timeline tells them all."""
    number = opened(desk, anna, "complaint", "--description", "The crack is long.\nIt leaks.")
    said = ("--restatement", "It came cracked", "--apologised")
    assert state(desk, "acknowledge", number, *said) == "ACKNOWLEDGED"
    assert state(desk, "verify", number, "confirmed", "Seen on a photograph") == "IN_PROGRESS"
    desk.rows("ticket", "propose", number, "A voucher", "It was packed badly")
    desk.rows("ticket", "answer", number, "1", "--declined", "--remark", "I want my tea")
    desk.rows("ticket", "propose", number, "A new pot", "It was packed badly")
    desk.rows("ticket", "answer", number, "2", "--accepted")
    desk.rows("ticket", "promise", number, "2026-03-02 10:00")
    desk.rows("ticket", "progress", number, "It is on its way", "--next", "2026-03-02 20:00")
    assert state(desk, "solve", number, "A new pot went out", "--solution", "2") == "SOLVED"
    shown = {row[0]: row for row in desk.rows("ticket", "show", number)}
    assert shown["description"][1] == "The crack is long. It leaks."
    assert shown["2"][1:3] == ["CARRIED_OUT", "A new pot"]
    assert state(desk, "confirm", number, "--satisfied") == "CLOSED_SATISFIED"
    timeline = desk.rows("ticket", "timeline", number)
    assert [row[1] for row in timeline[1:]] == [
        "OPEN",
        "ACKNOWLEDGE",
        "VERIFY_FACTS",
        "PROPOSE_SOLUTION",
        "DECLINE_SOLUTION",
        "PROPOSE_SOLUTION",
        "ACCEPT_SOLUTION",
        "COMMIT_TIME",
        "REPORT_PROGRESS",
        "SOLVE",
        "CONFIRM_SATISFACTION",
    ]
    assert state(desk, "reopen", number, "It leaks again") == "IN_PROGRESS"


def test_a_fault_report_changes_hands(desk: Shell, manager: Shell, anna: str) -> None:
    """Work is given on, classified, noted, paused and closed; the owner stays until somebody else takes it over."""
    number = opened(desk, anna, "repair", "--severity", "high", "--reported", "2026-03-02 03:00")
    assert state(manager, "confirm-report", number, "2026-03-02 12:00", "--remark", "Fine") == "IN_PROGRESS"
    row = desk.rows("ticket", "assign", number, f"staff/{ALICE}", "--reason", "Skilled")[1]
    assert row[5:7] == [f"staff/{ALICE}", f"staff/{ALICE}"]
    assert desk.rows("ticket", "classify", number, "--severity", "low")[1][2] == "LOW"
    desk.rows("ticket", "note", number, "Nobody answered", "--not-reached")
    desk.rows("ticket", "note", number, "Called back")
    assert state(desk, "pause", number, "PARTS_ORDERED", "parts") == "WAITING"
    assert state(desk, "resume", number) == "IN_PROGRESS"
    assert desk.rows("ticket", "transfer", number, "queues/repairs", "The engineer's")[1][6] == f"staff/{EVA}"
    assert desk.rows("ticket", "escalate", number, "Stuck")[1][6] == f"staff/{MARY}"
    assert desk.rows("ticket", "own", number, f"staff/{MARY}", "I know them")[1][5] == f"staff/{MARY}"
    assert state(desk, "close", number, "cancelled", "--reason", "Bought a new one") == "CANCELLED"
    kinds = [row[1] for row in desk.rows("ticket", "timeline", number)]
    assert "NOTE_CONTACT_ATTEMPT" in kinds
    assert "ADD_NOTE" in kinds


@pytest.mark.requirement("K-35")
def test_an_inquiry_is_answered_on_the_spot(desk: Shell, anna: str) -> None:
    """With the answer and the customer's word one command opens and ends it."""
    words = ("open", "inquiry", "Opening hours", "--channel", "counter", "--customer", anna)
    assert state(desk, *words, "--answer", "Nine to six", "--satisfied") == "CLOSED_SATISFIED"


def test_the_list_is_mine_and_due_first(desk: Shell, manager: Shell, anna: str) -> None:
    """Without a choice the list holds one's own open tickets, the most pressing first; choices narrow another's."""
    later, sooner = opened(desk, anna, "suggestion"), opened(desk, anna, "repair")
    numbers = [row[0] for row in desk.rows("ticket", "list")[1:]]
    assert numbers.index(sooner) < numbers.index(later)
    assert later not in [row[0] for row in manager.rows("ticket", "list")]
    chosen = manager.rows("ticket", "list", "--owner", f"staff/{ALICE}", "--type", "suggestion", "--state", "new")
    assert later in [row[0] for row in chosen]
    assert {row[1] for row in chosen[1:]} == {"SUGGESTION"}
    desk.rows("ticket", "close", later, "cancelled", "--reason", "Twice")
    ended = desk.json("ticket", "list", "--state", "cancelled", "--state", "closed_satisfied")
    assert later in [one["number"] for one in ended["tickets"]]


def test_similar_open_tickets_are_told(desk: Shell, anna: str) -> None:
    """Opening a matter like one that is open names that one, on standard error."""
    first = desk.json("ticket", "open", "training", "How?", "--channel", "web", "--customer", anna)
    again = desk.type("ticket", "open", "training", "How?", "--channel", "web", "--customer", anna)
    assert first["name"] in again.stderr


def test_a_till_names_who_stands_at_it(suite: Suite, anna: str) -> None:
    """A till's key opens a ticket for the operator whom it names, who owns it."""
    till = suite.shell.using(suite.door.key(kind="TILL", roles=["till"], stores=["LEEDS"]))
    words = ("ticket", "open", "return", "Too large", "--channel", "pos", "--store", "LEEDS", "--customer", anna)
    wait_for(lambda: till.type(*words, "--operator", ALICE).exit_code == 0)
    assert till.rows(*words, "--operator", ALICE)[1][5] == f"staff/{ALICE}"
    assert "OPERATOR_UNKNOWN" in till.refused(1, *words, "--operator", "NOBODY")


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("show", "260302-9999"), 1, "260302-9999"),
        (("show", "tickets/01950000-0000-7000-8000-00000000ffff"), 1, "TICKET_NOT_FOUND"),
        (("note", "260302-9999", "Hm"), 1, "260302-9999"),
        (("confirm", "260302-9999"), 2, "--satisfied"),
        (("open", "complaint", "Pot", "--channel", "phone"), 1, "REPORTER_MISSING"),
        (("open", "complaint", "Pot"), 2, "--channel"),
        (("open", "quarrel", "Pot", "--channel", "phone"), 2, "quarrel"),
        (("promise", "260302-9999", "soon"), 2, "soon"),
    ],
)
def test_wrong_calls_are_refused(desk: Shell, words: tuple[str, ...], code: int, named: str) -> None:
    """What does not fit is refused with its reason, by the command or by the suite."""
    assert named in desk.refused(code, "ticket", *words)


def test_what_the_state_forbids_names_what_it_allows(desk: Shell, anna: str) -> None:
    """A verb that the ticket's state does not allow is exit code 1, with those that it does."""
    said = desk.refused(1, "ticket", "confirm", opened(desk, anna), "--satisfied")
    assert "TICKET_STATE_FORBIDS" in said
    assert "ACKNOWLEDGE" in said


def test_every_verb_of_the_contract_is_a_command_with_its_fields() -> None:
    """The verbs are the contract's; each tells fields that exist, and must be given what the contract asks for."""
    table = RouteTable.of(services())
    template = "/v1/{name=tickets/*}:"
    offered = {route.template.removeprefix(template): route for route in table.routes if template in route.template}
    assert {verb.path for verb in VERBS.values()} == set(offered) - NOT_OFFERED
    for verb in VERBS.values():
        fields = offered[verb.path].request.DESCRIPTOR.fields_by_name
        told = {param.name: param for param in verb.params}
        assert told.keys() <= set(fields) - {"name", "etag", "request_id"}, verb
        required = {name for name, field in fields.items() if _required(field) and name != "name"}
        assert required <= {name for name, param in told.items() if param.required}, verb
        choices = {name: param.type.choices for name, param in told.items() if isinstance(param.type, click.Choice)}
        for name, offers in choices.items():
            enum = fields[name].enum_type
            assert enum is not None
            assert list(offers) == [value.name for value in enum.values if value.number], (verb, name)


def _required(field: object) -> bool:
    options = field.GetOptions()  # type: ignore[attr-defined]
    return field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]
