"""The gateway's public HTTP API, as the command line calls it: JSON in, JSON out, errors with their reason."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx2

TIMEOUT = 60.0
TRIES = 8
POLL_SECONDS = 0.2
RETRIED = (429, 503, 504)

Json = Mapping[str, Any]


class ApiError(Exception):
    """The suite refused a call; the text is what it says to people."""

    def __init__(self, status: int, error: Json) -> None:
        details = {detail.get("@type", "").rpartition(".")[2]: detail for detail in error.get("details", ())}
        self.status = status
        self.reason = details.get("ErrorInfo", {}).get("reason", "")
        fields = [violation["description"] for violation in details.get("BadRequest", {}).get("fieldViolations", ())]
        super().__init__(" ".join([f"{self.reason or status}: {error.get('message', '')}", *fields]))


class Api:
    """Calls the gateway. Safe for several threads."""

    def __init__(self, url: str) -> None:
        self.client = httpx2.Client(base_url=url, timeout=TIMEOUT, headers={"accept-language": "en"})

    def post(self, path: str, body: Json, token: str) -> Any:  # noqa: ANN401  (JSON)
        """Send a body; what the suite cannot do at present is tried again, for every call is safe to repeat."""
        return self._send("POST", path, token, json=body)

    def get(self, path: str, token: str, **query: str) -> Any:  # noqa: ANN401  (JSON)
        """Read."""
        return self._send("GET", path, token, params=query)

    def wait(self, operation: Json, token: str, progress: Any = None) -> Any:  # noqa: ANN401  (JSON)
        """Poll an operation until it is done; answer its response."""
        while not operation.get("done"):
            time.sleep(POLL_SECONDS)
            operation = self.get(f"/v1/{operation['name']}", token)
            if progress is not None:
                progress(operation.get("metadata", {}))
        if "error" in operation:
            raise ApiError(500, operation["error"])
        return operation["response"]

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _send(self, verb: str, path: str, token: str, **content: Any) -> Any:  # noqa: ANN401  (JSON)
        headers = {"authorization": f"Bearer {token}"}
        for attempt in range(TRIES):
            try:
                response = self.client.request(verb, path, headers=headers, **content)
            except httpx2.TransportError:
                if attempt == TRIES - 1:
                    raise
            else:
                if response.status_code not in RETRIED or attempt == TRIES - 1:
                    break
            time.sleep(min(0.2 * 2**attempt, 2))
        if response.status_code != httpx2.codes.OK:
            raise ApiError(response.status_code, response.json().get("error", {}))
        return response.json()
