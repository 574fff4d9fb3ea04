"""What `shuke.tiering.v1.PolicyService` knows of its payloads; the handlers are the chassis's."""

from __future__ import annotations

from chassis.documents.rpc import Payloads
from chassis.errors import Problems
from chassis.money import Currency
from services.tiering.policies import convert
from services.tiering.policies.domain import check
from shuke.tiering.v1 import policies_pb2 as pb


def ladders(money: Currency) -> Payloads:
    """Read and check ladders in the chain's currency."""

    def read(problems: Problems, _scheme: str, policy: pb.Policy) -> None:
        convert.ladder_from_proto(problems, money, policy.ladder, "policy.ladder")

    def fit(problems: Problems, policy: pb.Policy) -> None:
        check(problems, convert.ladder_from_proto(Problems(), money, policy.ladder))

    return Payloads(read, fit)
