"""The gateway's public HTTP API, as the command line calls it: JSON in, JSON out, errors with their reason."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import httpx2

TIMEOUT = 60.0
TRIES = 8
POLL_SECONDS = 0.2
RETRIED = (429, 503, 504)
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

Json = Mapping[str, Any]


class ApiError(Exception):
    """The suite refused a call; the text is what it says to people."""

    def __init__(self, status: int, error: Json) -> None:
        details = {detail.get("@type", "").rpartition(".")[2]: detail for detail in error.get("details", ())}
        self.status = status
        self.error = error
        self.reason = details.get("ErrorInfo", {}).get("reason", "")
        message = error.get("message", "")
        fields = [violation["description"] for violation in details.get("BadRequest", {}).get("fieldViolations", ())]
        # Where one thing is wrong in one field, the message says it already.
        more = (text for text in fields if text != message)
        super().__init__(" ".join([f"{self.reason or status}: {message}", *more]))


class Api:
    """Calls the gateway. Safe for several threads."""

    def __init__(self, url: str, tries: int = TRIES) -> None:
        self.tries = tries
        self.client = httpx2.Client(base_url=url, timeout=TIMEOUT, headers={"accept-language": "en"})

    def post(self, path: str, body: Json, token: str, headers: Mapping[str, str] = NO_HEADERS) -> Any:  # noqa: ANN401  (JSON)
        """Send a body; what the suite cannot do at present is tried again, so that the call must be safe to repeat."""
        return self._send("POST", path, token, headers, json=body)

    def get(self, path: str, token: str, **query: str | int | Sequence[str]) -> Any:  # noqa: ANN401  (JSON)
        """Read."""
        return self._send("GET", path, token, params=query)

    def wait(self, operation: Json, token: str, progress: Any = None) -> Any:  # noqa: ANN401  (JSON)
        """Poll an operation until it is done; answer its response."""
        return self.finish(operation, token, progress)["response"]

    def finish(self, operation: Json, token: str, progress: Any = None) -> Json:  # noqa: ANN401  (a function)
        """Poll an operation until it is done; answer the whole of it, or raise the error that it ended with."""
        while not operation.get("done"):
            time.sleep(POLL_SECONDS)
            operation = self.get(f"/v1/{operation['name']}", token)
            if progress is not None:
                progress(operation.get("metadata", {}))
        if "error" in operation:
            raise ApiError(500, operation["error"])
        return operation

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _send(self, verb: str, path: str, token: str, headers: Mapping[str, str] = NO_HEADERS, **content: Any) -> Any:  # noqa: ANN401  (JSON)
        headers = {"authorization": f"Bearer {token}", **headers}
        for attempt in range(self.tries):
            try:
                response = self.client.request(verb, path, headers=headers, **content)
            except httpx2.TransportError:
                if attempt == self.tries - 1:
                    raise
            else:
                if response.status_code not in RETRIED or attempt == self.tries - 1:
                    break
            time.sleep(min(0.2 * 2**attempt, 2))
        answer = _object_in(response)
        if response.status_code != httpx2.codes.OK:
            raise ApiError(response.status_code, answer.get("error", {}))
        return answer


def _object_in(response: httpx2.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise httpx2.DecodingError("what answers there is no gateway", request=response.request)
    return answer
