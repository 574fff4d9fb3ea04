"""API keys and the front door as callers meet them: real HTTP, a real gateway, a real customer service behind it."""

from __future__ import annotations

import json

import pytest

from chassis.calendar import SECOND
from gateway.apikeys.tables import API_KEYS
from gateway.tests.door import DAY, ROLES, SALE, Door, bearer, refusal


@pytest.mark.requirement("G-01", "G-16")
def test_a_till_records_a_sale_through_the_front_door(door: Door) -> None:
    """A till's key records a sale of its store over HTTP, and sending it again answers that it was there."""
    door.store("LEEDS")
    door.member("E-7", stores=["stores/LEEDS"])
    till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    first = door.http.post("/v1/purchases", json=SALE, headers=bearer(till, **{"x-operator": "E-7"}))
    assert (first.status_code, first.json()["replayed"]) == (200, False)
    assert first.json()["purchase"]["operator"] == "E-7"
    again = door.http.post("/v1/purchases", json=SALE, headers=bearer(till, **{"x-operator": "E-7"}))
    assert again.json() == {**first.json(), "replayed": True}
    read = door.http.get(f"/v1/{first.json()['purchase']['name']}", headers=bearer(till))
    assert read.json() == first.json()["purchase"]


@pytest.mark.requirement("G-03", "G-15")
def test_a_key_opens_only_what_its_roles_and_stores_cover(door: Door) -> None:
    """A foreign store and a missing permission are refused, each with its reason."""
    till = door.key(kind="TILL", roles=["till"], stores=["YORK"])
    assert refusal(door.http.post("/v1/purchases", json=SALE, headers=bearer(till)))[:2] == (403, "STORE_FOREIGN")
    engineer = door.key(kind="STAFF", staff="E-1", roles=["engineer"], stores=["*"])
    refused = refusal(door.http.post("/v1/purchases", json=SALE, headers=bearer(engineer)))
    assert refused[:2] == (403, "PERMISSION_MISSING")


@pytest.mark.parametrize(
    ("token", "reason"), [("", "TOKEN_MISSING"), ("shk_unknown", "TOKEN_INVALID"), ("a b", "TOKEN_INVALID")]
)
def test_strangers_are_refused_before_their_request_is_read(door: Door, token: str, reason: str) -> None:
    """Without a key that is known nothing is told, not even that the body is no JSON."""
    answer = door.http.post("/v1/purchases", content=b"{", headers=bearer(token) if token else {})
    assert refusal(answer)[:2] == (401, reason)


@pytest.mark.requirement("C-37")
def test_a_desk_keeps_a_file_through_the_front_door(door: Door) -> None:
    """Staff open, change and read a file over HTTP; others get masks; each read tells its key's purpose."""
    manager = door.key(kind="STAFF", staff="S-1", roles=["service_manager"], stores=["*"], purpose="SERVICE_DESK")
    account = door.key(kind="STAFF", staff="S-2", roles=["account_manager"], stores=["*"])
    auditor = door.key(kind="STAFF", staff="S-3", roles=["auditor"], stores=["*"])
    points = [{"kind": "MOBILE", "value": "07700 900123"}]
    told = {"customer": {"homeStore": "LEEDS", "displayName": "Anna Lin", "contactPoints": points}}
    key = {"idempotency-key": "open-1"}
    created = door.http.post("/v1/customers", json=told, headers=bearer(manager, **key)).json()
    assert (created["displayName"], created["masked"]) == ("Anna Lin", False)
    assert door.http.post("/v1/customers", json=told, headers=bearer(manager, **key)).json() == created
    path = f"/v1/{created['name']}"
    mask = "?updateMask=displayName,timeZone"
    changed = door.http.patch(path + mask, json={"displayName": "Ann", "timeZone": "UTC"}, headers=bearer(manager))
    assert (changed.json()["displayName"], changed.json()["contactPoints"]) == ("Ann", created["contactPoints"])
    door.clock.now += SECOND
    named = {"names": [created["name"]]}
    [veiled] = door.http.post("/v1/customers:batchGet", json=named, headers=bearer(account)).json()["customers"]
    assert (veiled["displayName"], veiled["contactPoints"][0]["value"], veiled["masked"]) == (
        *("A**", "+4477****0123"),
        True,
    )
    door.clock.now += SECOND
    desk = bearer(account, **{"x-purpose": "COMPLAINT"})
    assert door.http.get(path, headers=desk).json() == veiled
    records = door.http.get(f"{path}/accessRecords?pageSize=3", headers=bearer(auditor)).json()["accessRecords"]
    assert [(record["staff"], record["purpose"]) for record in records] == [
        ("S-2", "COMPLAINT"),
        ("S-2", "UNSTATED"),
        ("S-1", "SERVICE_DESK"),
    ]
    assert door.refused(kind="TILL", roles=["till"], stores=["LEEDS"], purpose="for fun")[1:] == (
        "FIELDS_INVALID",
        {"api_key.purpose": "STRING_PATTERN"},
    )


def test_a_key_ends_when_it_expires_and_soon_after_it_is_gone(door: Door) -> None:
    """An expired key is refused at once; one that was taken away, when the cache has forgotten it."""
    expiry = "2026-03-03T00:00:00Z"
    till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"], expireTime=expiry)
    assert door.http.post("/v1/purchases", json=SALE, headers=bearer(till)).status_code == 200
    door.clock.now += DAY
    assert refusal(door.http.post("/v1/purchases", json=SALE, headers=bearer(till)))[:2] == (401, "TOKEN_EXPIRED")
    other = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    assert door.http.post("/v1/purchases", json=SALE, headers=bearer(other)).status_code == 200
    door.gateway.database.transact(lambda tx: tx.execute(API_KEYS.delete().where(API_KEYS.c.roles == "till")))
    door.clock.now += 5 * SECOND
    assert refusal(door.http.post("/v1/purchases", json=SALE, headers=bearer(other)))[:2] == (401, "TOKEN_INVALID")


def test_a_key_that_is_gone_stays_gone_when_the_clock_is_set_back(door: Door) -> None:
    """What the gateway remembers from an hour ahead is looked up and signed anew: keys open, or end, as ever."""
    kept, gone = (
        door.key(kind="TILL", roles=["till"], stores=["LEEDS"], displayName=name) for name in ("kept", "gone")
    )
    for till in (kept, gone):
        assert door.http.post("/v1/purchases", json=SALE, headers=bearer(till)).status_code == 200
    door.gateway.database.transact(lambda tx: tx.execute(API_KEYS.delete().where(API_KEYS.c.display_name == "gone")))
    door.clock.now -= 3600 * SECOND
    assert door.http.post("/v1/purchases", json=SALE, headers=bearer(kept)).status_code == 200
    assert refusal(door.http.post("/v1/purchases", json=SALE, headers=bearer(gone)))[:2] == (401, "TOKEN_INVALID")


def test_everything_that_is_wrong_with_a_key_is_told_at_once(door: Door) -> None:
    """Unknown roles, a till without stores or with a member of staff, and an expiry in the past: one answer."""
    wrong = door.refused(kind="TILL", roles=["till", "wizard"], staff="E-1", expireTime="2020-01-01T00:00:00Z")
    assert wrong == (
        400,
        "FIELDS_INVALID",
        {
            "api_key.roles[1]": "ROLE_UNKNOWN",
            "api_key.staff": "STAFF_NOT_ALLOWED",
            "api_key.stores": "STORES_MISSING",
            "api_key.expire_time": "EXPIRY_PAST",
        },
    )
    assert door.refused(kind="STAFF", roles=["till"])[1:] == ("STAFF_MISSING", {"api_key.staff": "STAFF_MISSING"})
    for stores in (["*"], ["*", "LEEDS"]):
        assert door.refused(kind="TILL", roles=["till"], stores=stores)[1] == "STORES_MISSING"


def test_nobody_gives_what_he_does_not_have(door: Door) -> None:
    """A key made by a lesser administrator covers neither other roles nor other stores."""
    roles = json.loads(ROLES.read_text())
    assert "gateway.api_keys.create" not in roles["store_manager"]
    manager = door.key(kind="STAFF", staff="S-1", roles=["store_manager"], stores=["LEEDS"])
    answer = door.http.post(
        "/v1/apiKeys", json={"apiKey": {"kind": "STAFF", "roles": ["till"]}}, headers=bearer(manager)
    )
    assert refusal(answer)[:2] == (403, "PERMISSION_MISSING")


@pytest.mark.requirement("G-22")
def test_a_token_is_stored_nowhere(door: Door) -> None:
    """Only the hash of a token is kept."""
    token = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
    with door.gateway.database.read() as tx:
        rows = [tuple(row) for row in tx.execute(API_KEYS.select())]
    assert len(rows) == 2
    assert token not in repr(rows)


def test_health_and_readiness_follow_the_services(door: Door) -> None:
    """The gateway is alive by itself, and ready only when the services behind it serve."""
    assert door.http.get("/healthz").status_code == 200
    # Tiering does not run in this test.
    assert door.http.get("/readyz").status_code == 503
