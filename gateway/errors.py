"""What the gateway itself refuses, and what it passes on from the service that it asked."""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from chassis.errors import Code, MethodUnknown, Refused


class Malformed(Refused):
    """The request is no message of the method; `problem` names fields of the contract, never what was put there."""

    code = Code.INVALID_ARGUMENT
    reason = "JSON_MALFORMED"

    def __init__(self, problem: str) -> None:
        super().__init__(problem=problem)


class BodyTooLarge(Refused):
    """The body is larger than the gateway, or a service behind it, takes."""

    code = Code.INVALID_ARGUMENT
    reason = "BODY_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(limit_mib=str(limit // 2**20))


class VerbUnknown(MethodUnknown):
    """The path exists, but not with this HTTP verb."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(method=method)


class Late(Refused):
    """A service did not answer in time; whether it did its work is not known."""

    code = Code.DEADLINE_EXCEEDED
    reason = "ANSWER_LATE"


class UpstreamError(Exception):
    """A service refused the call; its status goes to the caller as it is."""

    def __init__(self, status: Status) -> None:
        self.status = status
        super().__init__(status.code)
