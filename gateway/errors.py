"""What the gateway itself refuses."""

from __future__ import annotations

from chassis.errors import Code, FailedPrecondition, MethodUnknown, NotFound, Refused


class Malformed(Refused):
    """The request is no message of the method; `problem` names fields of the contract, never what was put there."""

    code = Code.INVALID_ARGUMENT
    reason = "JSON_MALFORMED"

    def __init__(self, problem: str) -> None:
        super().__init__(problem=problem)


class VerbUnknown(MethodUnknown):
    """The path exists, but not with this HTTP verb."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(method=method)


class Late(Refused):
    """A service did not answer in time; whether it did its work is not known."""

    code = Code.DEADLINE_EXCEEDED
    reason = "ANSWER_LATE"


class RequestLate(Refused):
    """The body did not come in time."""

    code = Code.DEADLINE_EXCEEDED
    reason = "REQUEST_LATE"

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds=f"{seconds:g}")


class RateLimited(Refused):
    """The calls of a key come too fast."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "RATE_LIMITED"


class CustomerNotFound(NotFound):
    """There is no such customer."""

    reason = "CUSTOMER_NOT_FOUND"


class CustomerUnmatched(NotFound):
    """A key leads to no customer."""

    reason = "CUSTOMER_UNMATCHED"


class CustomerAmbiguous(FailedPrecondition):
    """A key leads to several customers."""

    reason = "CUSTOMER_AMBIGUOUS"
