"""What a customer tells stands nowhere in clear: not in a file, not in a column, not in a log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from google.type.postal_address_pb2 import PostalAddress

from chassis.contacts import phone
from services.customer.tests.builders import (
    NOBODY,
    Shop,
    alone,
    by_phone,
    line,
    mail,
    mobile,
    refund,
    refused,
    sale,
)
from services.customer.tests.consenting import Desk
from services.customer.tests.directing import Directory
from services.customer.tests.filing import Files
from services.customer.tests.interacting import CommunicationLog
from shuke.customer.v1 import customer_pb2
from shuke.customer.v1.consents_pb2 import Consent

# What is planted, each in a spelling that nothing else contains.
SECRETS = (
    "欧阳禾舟",
    "Ouyang",
    "7700900777",
    "07700 900777",
    "1144960777",
    "7700900888",
    "ouyang.h@planted.example",
    "planted.example",
    "wechat-planted",
    "Hidden Lane 77",
    "Plantedham",
    "PL4 7ED",
    "CARD-PLANTED",
    "web-planted",
    "label-planted",
    # What a desk changes it to.
    "上官稚禾",
    "Shangguan",
    "7700900666",
    "1983-05-01",
    "shangguan@changed.example",
    "changed.example",
    "Hidden Court 66",
    "Changedham",
    "CARD-CHANGED",
    "web-changed",
    # What is told of staff, and what it is changed to.
    "司徒兰",
    "situ.lan@",
    "staff-planted",
    "太史兰",
    "taishi.lan@",
    "staff-changed",
    # What was said in a contact.
    "悄悄话",
    "whispered-planted",
)


def plant(shop: Shop) -> str:
    """Enrol a customer, let everything happen that touches what she told, and answer her name."""
    told: dict[str, Any] = {
        "enrolment_ref": "E1",
        "contact_points": [
            customer_pb2.ContactPoint(
                kind=customer_pb2.ContactPoint.MOBILE, value="07700 900777", label="label-planted"
            ),
            customer_pb2.ContactPoint(kind=customer_pb2.ContactPoint.LANDLINE, value="+44 114 496 0777"),
            mail("ouyang.h@planted.example"),
            customer_pb2.ContactPoint(kind=customer_pb2.ContactPoint.WECHAT, value="wechat-planted"),
        ],
        "display_name": "欧阳禾舟 Ouyang",
        "address": PostalAddress(
            region_code="GB", postal_code="PL4 7ED", locality="Plantedham", address_lines=["Hidden Lane 77"]
        ),
        "member_code": "CARD-PLANTED",
        "external_ids": [customer_pb2.ExternalId(system="webshop", value="web-planted")],
    }
    name = shop.customer(**told)
    shop.enrol(**told)
    refused(shop.enrol, **{**told, "display_name": "Ouyang"})
    shop.enrol(contact_points=[mobile("+447700900888"), mail("ouyang.h@planted.example")])
    for lookup in (
        by_phone("07700 900777"),
        by_phone("+447700900888"),
        customer_pb2.CustomerLookup(email="ouyang.h@planted.example"),
        customer_pb2.CustomerLookup(member_code="CARD-PLANTED"),
        customer_pb2.CustomerLookup(external_id=customer_pb2.ExternalId(system="webshop", value="web-planted")),
    ):
        shop.look_up(lookup, desk=True)
        receipt_no = lookup.WhichOneof("key")
        shop.record(sale(f"{receipt_no}{len(lookup.phone)}", customer_lookup=lookup), settled=True)
    bought = shop.record(sale("R1", line(1, 5_00), customer=name)).purchase.name
    shop.refund(refund("F1", line(1, 1_00), original_purchase=bought))
    shop.refund(alone("F2", customer=name))
    shop.file(name)
    keep(shop, name)
    return name


def keep(shop: Shop, name: str) -> None:
    """Let a desk open, change and read files and others ask for contacts, each once more under the same request id."""
    files, desk = Files(shop), Desk(shop)
    changed: dict[str, Any] = {
        "display_name": "上官稚禾 Shangguan",
        "contact_points": [mobile("07700 900666"), mail("shangguan@changed.example")],
        "address": PostalAddress(region_code="GB", locality="Changedham", address_lines=["Hidden Court 66"]),
        "member_code": "CARD-CHANGED",
        "external_ids": [customer_pb2.ExternalId(system="webshop", value="web-changed")],
        "birthday": Date(year=1983, month=5, day=1),
    }
    for _ in range(2):
        files.update(name, **changed, request_id="change")
        files.create(**changed, more={"request_id": "open", "accept_duplicates": True})
    for refusal in (
        refused(files.update, name, "display_name", "Shangguan", **changed),
        refused(files.update, name, **changed, etag='"1"'),
        refused(files.create, **changed),
    ):
        assert refusal.reason
    files.batch(name, purpose="COMPLAINT")
    desk.contacts([name], Consent.SERVICE, Consent.SMS, Consent.EMAIL)
    assert desk.accesses(name).access_records
    talks = CommunicationLog(shop)
    for _ in range(2):
        talks.enter(name, summary="悄悄话 whispered-planted", request_id="talk")
    assert refused(talks.enter, name, summary="whispered-planted", request_id="talk").reason == "REQUEST_ID_REUSED"
    talks.page(name)
    directory = Directory(shop)
    for _ in range(2):
        directory.create_staff("S1", display_name="司徒兰", email="situ.lan@staff-planted.example", request_id="enter")
        directory.update_staff("S1", display_name="太史兰", email="taishi.lan@staff-changed.example", request_id="move")
    refused(directory.create_staff, "S1", display_name="太史兰", email="taishi.lan at staff-changed.example")
    directory.staff()


def cells(shop: Shop) -> Iterator[tuple[str, bytes]]:
    """Read every column of every table, as the bytes that stand there."""
    database = shop.running.database
    with database.read() as tx:
        inspector = sa.inspect(tx)
        for table in inspector.get_table_names():
            for row in tx.execute(sa.text(f'SELECT * FROM "{table}"')).mappings():  # noqa: S608  (our own tables)
                for column, value in row.items():
                    yield f"{table}.{column}", value if isinstance(value, bytes) else str(value).encode()


@pytest.mark.requirement("G-22")
def test_nothing_personal_stands_in_a_column(shop: Shop) -> None:
    """Names, telephones, e-mails, addresses, cards and foreign ids are in no column of any table in clear."""
    name = plant(shop)
    shop.feed()
    found = list(cells(shop))
    kept = {"accesses", "access_subjects", "customers", "customer_keys", "entries", "events", "requests"}
    assert {column.partition(".")[0] for column, _ in found} >= kept
    assert any(name.removeprefix("customers/").encode() == value for _, value in found)
    leaks = {(column, secret) for column, value in found for secret in SECRETS if secret.encode() in value}
    escaped = {(column, secret) for column, value in found for secret in SECRETS if _escaped(secret) in value}
    assert leaks | escaped == set()


def _escaped(secret: str) -> bytes:
    """Write a text as JSON does when it keeps to ASCII."""
    return secret.encode("ascii", "backslashreplace").lower()


@pytest.mark.requirement("G-22")
@pytest.mark.parametrize("engine", ["sqlite"])
def test_nothing_personal_stands_in_the_file(shop: Shop) -> None:
    """Neither the database file nor its log, nor a file beside them, holds any of it, before and after a checkpoint."""
    name = plant(shop)
    path = Path(str(shop.running.database.url.database))
    for statement in ("SELECT 1", "PRAGMA wal_checkpoint(TRUNCATE)"):
        with shop.running.database.read() as tx:
            tx.exec_driver_sql(statement)
        content = {file.name: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}
        assert any(name.removeprefix("customers/").encode() in held for held in content.values())
        for secret in SECRETS:
            for written in (secret.encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be")):
                assert not [file for file, held in content.items() if written in held], secret


@pytest.mark.requirement("G-22")
def test_a_stored_digest_cannot_be_guessed(shop: Shop) -> None:
    """A plain hash of a number, or of what an enrolment told, would be found by trying all numbers; none is stored."""
    shop.customer(contact_points=[mobile("07700 900777")], display_name="")
    told = phone("07700 900777", "GB")
    guesses = [guess.encode() for guess in (str(told), f'["", [["MOBILE", "{told}"]], "", []]', f"PHONE:{told}")]
    stored = {value for _, value in cells(shop)}
    for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
        hashed = {hash_of(algorithm, guess) for guess in guesses}
        assert not hashed & stored, algorithm


@pytest.mark.requirement("G-22")
def test_a_request_kept_for_a_retry_cannot_be_guessed(shop: Shop) -> None:
    """What is kept under a request id is neither the file nor a plain hash of what the request told."""
    files = Files(shop)
    name = shop.customer()
    told = customer_pb2.Customer(name=name, contact_points=[mobile("07700 900777")])
    request = customer_pb2.UpdateCustomerRequest(customer=told, request_id="r-1", update_mask=FieldMask())
    files.update(name, contact_points=[mobile("07700 900777")], request_id="r-1")
    kept = {column: value for column, value in cells(shop) if column.startswith("requests.")}
    assert kept["requests.response"] == customer_pb2.Customer(name=name).SerializeToString()
    for guess in (request, told):
        for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            hashed = hash_of(algorithm, guess.SerializeToString(deterministic=True))
            assert hashed != kept["requests.request_hash"], algorithm


@pytest.mark.requirement("G-22")
def test_no_event_tells_what_changed_it_to(shop: Shop) -> None:
    """Events name the fields that changed and hold nothing of what stands in them."""
    plant(shop)
    written = b"".join(event.SerializeToString() for event in shop.feed())
    assert b"contact_points" in written
    assert [secret for secret in SECRETS if secret.encode() in written] == []


def hash_of(algorithm: str, guess: bytes) -> bytes:
    """Hash without a key, as somebody would who holds a copy of the database."""
    return hashlib.new(algorithm, guess).digest()


@pytest.mark.requirement("G-21", "G-22")
def test_no_log_line_holds_personal_data(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    """What the service writes down of its calls names the caller and the method, and nobody else."""
    plant(shop)
    refused(shop.enrol, contact_points=[mobile("07700 900777 77777777"), mail("ouyang.h at planted.example")])
    refused(shop.file, NOBODY, purpose="Shangguan 7700900666")
    written = "".join(capfd.readouterr())
    assert "RecordPurchase" in written
    assert [secret for secret in SECRETS if secret in written] == []
