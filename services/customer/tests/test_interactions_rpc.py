"""The communication log over the wire: every contact is entered once, by whoever held it, and stays."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.vault import Vault, read_keys
from services.customer.tables import ACCESSES, VAULT_KEYS
from services.customer.tests.builders import LEEDS, NOBODY, YORK, Shop, at, refused
from services.customer.tests.interacting import HOLDER, CommunicationLog
from shuke.customer.v1 import events_pb2
from shuke.customer.v1.interactions_pb2 import Interaction
from tests.running import SECRETS

MINUTE = 60_000_000
TICKET = "tickets/01980000-0000-7000-8000-000000000001"
# All that is told of a contact.
TOLD: dict[str, Any] = {
    "kind": Interaction.VISIT,
    "direction": Interaction.OUTBOUND,
    "occur_time": at("2026-03-01 09:30"),
    "store": LEEDS,
    "summary": "问及净水器滤芯更换",
    "ticket": TICKET,
}
# Whoever may work with the log, and not see what was said.
VEILED = {"permissions": ("customer.interactions.*",)}


@pytest.fixture
def talks(shop: Shop) -> CommunicationLog:
    """Make a client of the running service."""
    return CommunicationLog(shop)


@pytest.fixture
def anna(shop: Shop) -> str:
    """Enrol a customer."""
    return shop.customer()


@pytest.mark.requirement("C-15")
def test_a_contact_comes_back_as_it_was_told(shop: Shop, talks: CommunicationLog, anna: str) -> None:
    """Every field is kept, with who held the contact and when it was entered; the event tells all but the words."""
    entered = talks.enter(anna, **TOLD | {"summary": f" {TOLD['summary']} "}, source=Interaction.NOTIFY, staff="EVE")
    expected = Interaction(
        **TOLD,
        name=entered.name,
        customer=anna,
        staff=HOLDER,
        source=Interaction.STAFF,
        create_time=at("2026-03-02 04:00"),
    )
    assert entered == expected
    assert talks.entries(anna) == [expected]
    told = {name: value for name, value in TOLD.items() if name != "summary"}
    assert shop.told(entered.name) == events_pb2.InteractionLogged(
        **told, interaction=entered.name, customer=anna, staff=HOLDER, source=Interaction.STAFF
    )


@pytest.mark.requirement("C-15")
def test_every_kind_of_contact_is_kept(talks: CommunicationLog, anna: str) -> None:
    """Visit, call, message, e-mail, letter, chat or another one, to the customer or from the customer, on the spot."""
    entered = [
        talks.enter(anna, kind=kind, direction=direction)
        for kind in Interaction.Kind.values()[1:]
        for direction in Interaction.Direction.values()[1:]
    ]
    assert {entry.occur_time.seconds for entry in entered} == {at("2026-03-02 04:00").seconds}
    assert {(entry.kind, entry.direction) for entry in talks.entries(anna)} == {
        (entry.kind, entry.direction) for entry in entered
    }
    assert len(talks.entries(anna)) == 14


@pytest.mark.requirement("C-15")
def test_whoever_held_the_contact_is_named(talks: CommunicationLog, anna: str) -> None:
    """The operator whom a key names, else the member whose key it is; a key that names nobody is refused first."""
    assert talks.enter(anna, caller={"staff": "", "operator": "O7"}).staff == "O7"
    assert talks.enter(anna, caller={"staff": "S1", "operator": "O7"}).staff == "O7"
    for customer in (anna, NOBODY):
        refusal = refused(talks.enter, customer, caller={"staff": ""})
        assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "STAFF_UNNAMED")
    assert len(talks.entries(anna)) == 2


def test_a_repeat_gets_the_first_answer(shop: Shop, talks: CommunicationLog, anna: str) -> None:
    """The same request id and content enter one contact; other content under it is refused."""
    first = talks.enter(anna, **TOLD, request_id="r-1")
    shop.running.clock.now += MINUTE
    assert talks.enter(anna, **TOLD, request_id="r-1") == first
    assert refused(talks.enter, anna, request_id="r-1").reason == "REQUEST_ID_REUSED"
    assert talks.entries(anna) == [first]
    assert len(shop.all_told(first.name)) == 1


@pytest.mark.requirement("C-15")
def test_a_contact_has_taken_place(talks: CommunicationLog, anna: str) -> None:
    """A time in the past is taken as told, one that a clock ahead explains too, and a later one is refused."""
    assert talks.enter(anna, occur_time=at("2026-03-02 04:05")).occur_time == at("2026-03-02 04:05")
    assert talks.enter(anna, occur_time=at("1970-01-01 00:00")).occur_time == at("1970-01-01 00:00")
    refusal = refused(talks.enter, anna, occur_time=Timestamp(seconds=at("2026-03-02 04:05").seconds, nanos=1000))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TIME_IN_FUTURE")
    assert refusal.metadata == {"field": "interaction.occur_time"}


WRONG: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing": (
        {"kind": 0, "direction": 0},
        {"interaction.kind": "ENUM_NOT_IN", "interaction.direction": "ENUM_NOT_IN"},
    ),
    "a kind that there is not": ({"kind": 99}, {"interaction.kind": "ENUM_DEFINED_ONLY"}),
    "a time out of time": ({"occur_time": Timestamp(seconds=-1)}, {"interaction.occur_time": "TIMESTAMP_GTE_LT"}),
    "a time that no clock shows": (
        {"occur_time": Timestamp(seconds=1 << 60)},
        {"interaction.occur_time": "TIMESTAMP_GTE_LT"},
    ),
    "a store by name": ({"store": "stores/LEEDS"}, {"interaction.store": "STRING_PATTERN"}),
    "a ticket by number": ({"ticket": "T-1"}, {"interaction.ticket": "STRING_PATTERN"}),
    "too many words": ({"summary": "话" * 8001}, {"interaction.summary": "STRING_MAX_LEN"}),
}


@pytest.mark.parametrize("case", WRONG)
def test_impossible_contacts_are_refused_by_field(talks: CommunicationLog, anna: str, case: str) -> None:
    """Nothing is entered, and every field that is wrong is named."""
    told, fields = WRONG[case]
    refusal = refused(talks.enter, anna, **told)
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", fields)
    assert talks.entries(anna) == []


def test_the_most_words_are_kept(talks: CommunicationLog, anna: str) -> None:
    """A summary of 8,000 characters comes back whole."""
    words = "话" * 8000
    assert talks.enter(anna, summary=words).summary == words


def test_a_customer_must_be_there(talks: CommunicationLog) -> None:
    """Nothing is entered for, or listed of, a customer that there is not."""
    for refusal in (refused(talks.enter, NOBODY), refused(talks.page, NOBODY)):
        assert (refusal.code, refusal.reason, refusal.metadata) == ("NOT_FOUND", "CUSTOMER_NOT_FOUND", {"name": NOBODY})


def test_a_closed_file_keeps_its_log(shop: Shop, talks: CommunicationLog, anna: str) -> None:
    """Nothing is entered for a file that was merged or erased; what was said to an erased customer is gone."""
    entered = talks.enter(anna, **TOLD)
    database = shop.running.database
    with database.write() as tx:
        tx.execute(sa.text("UPDATE customers SET state = 'MERGED'"))
    refusal = refused(talks.enter, anna)
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "CUSTOMER_CLOSED")
    assert refusal.metadata == {"name": anna, "state": "MERGED"}
    with database.write() as tx:
        tx.execute(sa.text("UPDATE customers SET state = 'ACTIVE'"))
        Vault(VAULT_KEYS, read_keys(SECRETS["vault_key"]), read_keys(SECRETS["index_key"])).erase(tx, anna)
    assert refused(talks.enter, anna, summary="x").metadata == {"name": anna, "state": "ERASED"}
    entered.summary = ""
    assert talks.entries(anna) == [entered]


def test_a_stores_key_names_its_store(talks: CommunicationLog, anna: str) -> None:
    """A key of one store enters contacts of that store or of none, and of no other; the customer is the chain's."""
    york = {"stores": (YORK,)}
    refusal = refused(talks.enter, anna, store=LEEDS, caller=york)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("PERMISSION_DENIED", "STORE_FOREIGN", {"store": LEEDS})
    assert [talks.enter(anna, store=store, caller=york).store for store in (YORK, "")] == [YORK, ""]
    assert len(talks.entries(anna, caller=york)) == 2


def test_who_may_not_see_gets_no_words(talks: CommunicationLog, anna: str) -> None:
    """Without the permission every answer keeps the summary back, and says so."""
    entered = talks.enter(anna, **TOLD)
    veiled = Interaction()
    veiled.CopyFrom(entered)
    veiled.summary, veiled.masked = "", True
    assert talks.entries(anna, caller=VEILED) == [veiled]
    answer = talks.enter(anna, **TOLD, caller=VEILED)
    assert (answer.summary, answer.masked) == ("", True)
    assert [entry.summary for entry in talks.entries(anna)] == [TOLD["summary"]] * 2


def test_an_answer_that_holds_words_is_recorded(shop: Shop, talks: CommunicationLog, anna: str) -> None:
    """Who entered a contact has read its words in the answer, and that is kept, as for whoever lists them."""
    shop.running.clock.now += MINUTE
    talks.enter(anna, **TOLD)
    with shop.running.database.read() as tx:
        [last, *_] = ACCESSES.of(tx, anna, limit=10)
    assert (last.method.rpartition("/")[2], last.staff) == ("LogInteraction", HOLDER)


@pytest.mark.requirement("C-15")
def test_contacts_are_listed_by_kind_and_time(shop: Shop, talks: CommunicationLog, anna: str) -> None:
    """The last one stands first, whenever it was entered; the range begins with its start and ends before its end."""
    ben = shop.customer()
    talks.enter(ben)
    hours = {hour: at(f"2026-03-01 {hour:02}:00") for hour in (9, 10, 11, 12)}
    for hour in (10, 12, 9, 11):
        kind = Interaction.CALL if hour % 2 else Interaction.VISIT
        talks.enter(anna, kind=kind, occur_time=hours[hour])

    def found(**wanted: Any) -> list[int]:  # noqa: ANN401  (whatever the field takes)
        return [entry.occur_time.ToDatetime().hour for entry in talks.entries(anna, **wanted)]

    assert found() == [12, 11, 10, 9]
    assert found(kind=Interaction.CALL) == [11, 9]
    assert found(start_time=hours[10]) == [12, 11, 10]
    assert found(end_time=hours[11]) == [10, 9]
    assert found(kind=Interaction.VISIT, start_time=hours[10], end_time=hours[12]) == [10]
    assert found(start_time=hours[12], end_time=hours[9]) == []
    assert refused(talks.page, anna, kind=99, page_size=-1, end_time=Timestamp(seconds=-1)).fields == {
        "kind": "ENUM_DEFINED_ONLY",
        "page_size": "INT32_GTE",
        "end_time": "TIMESTAMP_GTE_LT",
    }


def test_pages_together_are_the_list(talks: CommunicationLog, anna: str) -> None:
    """Each contact stands on one page, those of one moment too; a page token serves its own query alone."""
    for minute in (1, 2, 2, 2, 3):
        talks.enter(anna, occur_time=at(f"2026-03-01 10:{minute:02}"))
    for size in (1, 2, 3):
        found: list[Interaction] = []
        token = ""
        while not found or token:
            page = talks.page(anna, page_size=size, page_token=token)
            found += page.interactions
            token = page.next_page_token
        assert found == talks.entries(anna)
        assert [entry.occur_time.ToDatetime().minute for entry in found] == [3, 2, 2, 2, 1]
    token = talks.page(anna, page_size=1).next_page_token
    assert refused(talks.page, anna, page_token=token, kind=Interaction.CALL).reason == "PAGE_TOKEN_INVALID"
