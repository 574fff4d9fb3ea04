"""The front door of a running suite, as tests use it: its keys, its staff, and how it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from chassis.calendar import SECOND, day_of
from chassis.database import Tx
from gateway.apikeys import repository
from gateway.apikeys.domain import Draft, Kind, issue
from gateway.roles.repository import start_roles
from gateway.server import PROGRAM, HttpServer
from tests.running import Clock, Running, StartService

ROLES = Path(__file__).parent.parent / "starter" / "roles.json"
ADMIN = "shk_the-first-administrator"
ADMIN_ID = "01950000-0000-7000-8000-000000000000"
DAY = 86_400 * SECOND
SALE = {
    "purchase": {
        "receipt": {"store": "LEEDS", "businessDate": {"year": 2026, "month": 3, "day": 1}, "receiptNo": "1"},
        "businessTime": "2026-03-01T10:00:00Z",
        "lines": [
            {"lineNo": 1, "sku": "A", "quantity": "1", "amount": {"currencyCode": "GBP", "units": "5"}},
        ],
        "total": {"currencyCode": "GBP", "units": "5"},
    }
}


@dataclass
class Door:
    """The front door, behind which only the customer service answers."""

    gateway: Running
    http: httpx2.Client

    @property
    def clock(self) -> Clock:
        """The clock of the gateway, and of the customer service where that is the real one."""
        return self.gateway.clock

    def key(self, **wanted: object) -> str:
        """Make a key as the first administrator; answer its token."""
        return self.made(**wanted)[1]

    def made(self, **wanted: object) -> tuple[dict[str, Any], str]:
        """Make a key as the first administrator; answer the key and its token."""
        told = self._done("POST", "/v1/apiKeys", {"apiKey": wanted})
        return told["apiKey"], told["token"]

    def get(self, path: str, token: str = ADMIN) -> httpx2.Response:
        """Read something."""
        return self.http.get(path, headers=bearer(token))

    def revoke(self, name: str, token: str = ADMIN, **headers: str) -> httpx2.Response:
        """Take a key away."""
        return self.http.post(f"/v1/{name}:revoke", headers=bearer(token, **headers))

    def refused(self, **wanted: object) -> tuple[int, str, dict[str, str]]:
        """Ask for a key that is refused; answer the HTTP code, the reason and the reason of each field."""
        return refusal(self.http.post("/v1/apiKeys", json={"apiKey": wanted}, headers=bearer(ADMIN)))

    def store(self, code: str) -> None:
        """Enter a store."""
        told = {"displayName": code, "openingDate": {"year": 2020, "month": 1, "day": 1}}
        self._done("POST", "/v1/stores", {"storeId": code, "store": told})

    def member(self, code: str, **told: object) -> None:
        """Enter a member of staff."""
        self._done("POST", "/v1/staff", {"staffId": code, "staff": {"displayName": code, **told}})

    def change(self, code: str, **told: object) -> None:
        """Change fields of a member of staff."""
        self._done("PATCH", f"/v1/staff/{code}?updateMask={','.join(told)}", told)

    def sell(self, token: str, operator: str = "") -> httpx2.Response:
        """Record the sale, in an operator's name where one is given."""
        headers = {"x-operator": operator} if operator else {}
        return self.http.post("/v1/purchases", json=SALE, headers=bearer(token, **headers))

    def _done(self, verb: str, path: str, body: object) -> dict[str, Any]:
        answer = self.http.request(verb, path, json=body, headers=bearer(ADMIN))
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@contextmanager
def opened(start_service: StartService, clock: Clock, customer_address: str, **settings: str) -> Iterator[Door]:
    """Open the front door before a customer service, with the starting roles and the first administrator's key."""
    gateway = start_service(PROGRAM, clock, http_port="0", customer_address=customer_address, **settings)
    front = gateway.service.fronts[0]
    assert isinstance(front, HttpServer)

    def begin(tx: Tx) -> None:
        start_roles(tx, ROLES.read_bytes(), "first", day_of(0, gateway.service.foundation.chain.zone_info), clock.now)
        draft = Draft(Kind.STAFF, "", ("administrator",), ("*",), "A-1", None)
        repository.add(tx, issue(draft, ADMIN, now=clock.now, new_id=ADMIN_ID))

    gateway.database.transact(begin)
    with httpx2.Client(base_url=f"http://127.0.0.1:{front.port}", timeout=30) as http:
        yield Door(gateway, http)


def bearer(token: str, **headers: str) -> dict[str, str]:
    """Write the headers of a caller."""
    return {"authorization": f"Bearer {token}", "accept-language": "en", **headers}


def refusal(answer: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    """Read a refusal: the HTTP code, the reason, and the reason of each field."""
    details = details_of(answer)
    fields = details.get("BadRequest", {}).get("fieldViolations", ())
    return (
        answer.status_code,
        details["ErrorInfo"]["reason"],
        {violation["field"]: violation["reason"] for violation in fields},
    )


def details_of(answer: httpx2.Response) -> dict[str, dict[str, Any]]:
    """Read the details of a refusal by their types."""
    return {detail["@type"].rpartition(".")[2]: detail for detail in answer.json()["error"]["details"]}
