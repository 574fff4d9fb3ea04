"""Keys that are listed and taken away, as administrators and those who held them meet it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chassis.calendar import SECOND
from gateway.keyring import FRESH_SECONDS
from gateway.tests.door import ADMIN, ADMIN_ID, DAY, Door, refusal
from shuke.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from tests.running import Refusal

FIRST = f"apiKeys/{ADMIN_ID}"
NOBODY = "apiKeys/01950000-0000-7000-8000-00000000000f"


def till(door: Door, store: str = "LEEDS", **more: object) -> tuple[dict[str, Any], str]:
    """Make a till's key."""
    return door.made(kind="TILL", roles=["till"], stores=[store], **more)


def listed(door: Door, query: str = "") -> list[str]:
    """List the names of keys."""
    answer = door.get(f"/v1/apiKeys{query}")
    assert answer.status_code == 200, answer.text
    return [key["name"] for key in answer.json()["apiKeys"]]


@pytest.mark.requirement("G-15", "G-22")
def test_keys_are_listed_without_their_tokens(door: Door) -> None:
    """An administrator sees every key by kind and state, page by page, and nothing that opens anything."""
    short, token = till(door, expireTime="2026-03-02T12:00:00Z")
    door.clock.now += SECOND
    gone, _ = till(door, displayName="Till 2")
    door.clock.now += SECOND
    office, _ = door.made(kind="SYSTEM", roles=["finance"], stores=["*"])
    assert door.revoke(gone["name"]).status_code == 200
    assert listed(door, "?kind=TILL") == [short["name"], gone["name"]]
    assert listed(door, "?state=REVOKED&kind=TILL") == [gone["name"]]
    assert listed(door, "?state=ACTIVE") == [FIRST, short["name"], office["name"]]
    door.clock.now += DAY
    assert listed(door, "?state=EXPIRED") == [short["name"]]
    assert listed(door, "?state=ACTIVE") == [FIRST, office["name"]]
    answer = door.get("/v1/apiKeys?pageSize=3")
    assert [key["state"] for key in answer.json()["apiKeys"]] == ["ACTIVE", "EXPIRED", "REVOKED"]
    assert token not in answer.text
    more = answer.json()["nextPageToken"]
    assert listed(door, f"?pageSize=3&pageToken={more}") == [office["name"]]
    foreign = door.get(f"/v1/apiKeys?kind=TILL&pageToken={more}")
    assert refusal(foreign)[2] == {"page_token": "PAGE_TOKEN_INVALID"}
    assert refusal(door.get("/v1/apiKeys?kind=ROBOT"))[:2] == (400, "JSON_MALFORMED")


@pytest.mark.requirement("G-15")
def test_a_revoked_key_stops_within_five_seconds(door: Door) -> None:
    """A key that was in use opens no longer than the gateway keeps what it knows, over HTTP and over gRPC."""
    key, token = till(door)
    assert door.sell(token).status_code == 200
    revoked = door.revoke(key["name"]).json()
    assert (revoked["name"], revoked["state"]) == (key["name"], "REVOKED")
    assert revoked["revokeTime"] == "2026-03-02T04:00:00Z"
    assert door.sell(token).status_code == 200
    assert FRESH_SECONDS < 5
    door.clock.now += FRESH_SECONDS * SECOND + 1
    assert refusal(door.sell(token))[:2] == (401, "TOKEN_INVALID")
    with pytest.raises(Refusal) as refused:
        door.gateway.raw(
            gateway_pb2_grpc.ApiKeyServiceStub,
            "ListApiKeys",
            gateway_pb2.ListApiKeysRequest(),
            (("authorization", f"Bearer {token}"),),
        )
    assert (refused.value.code, refused.value.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


def test_a_key_is_revoked_once(door: Door) -> None:
    """Whoever asks again gets the key as it was revoked; a request id is good for one key."""
    key, _ = till(door)
    other, _ = till(door)
    first = door.revoke(key["name"], **{"idempotency-key": "r-1"})
    door.clock.now += DAY
    for answer in (door.revoke(key["name"], **{"idempotency-key": "r-1"}), door.revoke(key["name"])):
        assert (answer.status_code, answer.json()) == (200, first.json())
    reused = door.revoke(other["name"], **{"idempotency-key": "r-1"})
    assert refusal(reused)[:2] == (409, "REQUEST_ID_REUSED")
    assert listed(door, "?state=REVOKED") == [key["name"]]


@pytest.mark.requirement("G-15")
def test_the_last_key_that_makes_keys_stays(door: Door) -> None:
    """An administrator cannot lock everybody out: neither an expired nor a revoked key counts as another one."""
    till(door)
    refused = door.revoke(FIRST)
    assert refusal(refused)[:2] == (400, "LAST_KEY_MAKER")
    assert "Make another administrator's key first" in refused.json()["error"]["message"]
    administrator = {"kind": "STAFF", "staff": "A-2", "roles": ["administrator"], "stores": ["*"]}
    door.made(**administrator, expireTime="2026-03-02T12:00:00Z")
    gone, _ = door.made(**administrator)
    assert door.revoke(gone["name"]).status_code == 200
    door.clock.now += DAY
    assert refusal(door.revoke(FIRST))[:2] == (400, "LAST_KEY_MAKER")
    _, token = door.made(**administrator)
    assert door.revoke(FIRST).json()["state"] == "REVOKED"
    door.clock.now += 5 * SECOND
    assert refusal(door.get("/v1/apiKeys"))[:2] == (401, "TOKEN_INVALID")
    assert door.get("/v1/apiKeys", token).status_code == 200


@pytest.mark.requirement("G-15")
def test_of_all_keys_that_are_revoked_at_once_one_remains(door: Door) -> None:
    """Administrators who revoke each other's keys in the same moment do not lock everybody out."""
    administrator = {"kind": "STAFF", "roles": ["administrator"], "stores": ["*"]}
    others = [door.made(**administrator, staff=f"A-{number}")[0]["name"] for number in range(2, 6)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(door.revoke, [FIRST, *others]))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [400]
    [kept] = [answer for answer in answers if answer.status_code == 400]
    assert refusal(kept)[1] == "LAST_KEY_MAKER"


@pytest.mark.requirement("G-15")
def test_keys_are_the_administrator_s_business(door: Door) -> None:
    """A till neither lists nor revokes keys, and an administrator of one store takes no key of another."""
    key, token = till(door, "YORK")
    for answer in (door.get("/v1/apiKeys", token), door.revoke(key["name"], token)):
        assert refusal(answer)[:2] == (403, "PERMISSION_MISSING")
    local = door.key(kind="STAFF", staff="A-2", roles=["administrator"], stores=["LEEDS"])
    for name in (key["name"], FIRST):
        assert refusal(door.revoke(name, local))[:2] == (403, "STORE_FOREIGN")
    own, _ = till(door)
    assert door.revoke(own["name"], local).status_code == 200


def test_a_key_that_is_not_there_is_told(door: Door) -> None:
    """An unknown name is not found, a misspelt one is told by its field, and a stranger learns neither."""
    missing = door.revoke(NOBODY)
    assert refusal(missing)[:2] == (404, "API_KEY_NOT_FOUND")
    assert NOBODY in missing.json()["error"]["message"]
    assert refusal(door.revoke("apiKeys/till-1"))[2] == {"name": "STRING_PATTERN"}
    assert refusal(door.revoke(NOBODY, "shk_unknown"))[:2] == (401, "TOKEN_INVALID")
    assert door.get("/v1/apiKeys", ADMIN).status_code == 200
