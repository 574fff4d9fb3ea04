"""What `shuke.tiering.v1.PolicyService` knows of its payloads; the handlers are the chassis's."""

from __future__ import annotations

from chassis.documents.rpc import Payloads
from chassis.errors import Problems
from chassis.money import Currency
from services.tiering.policies import convert
from services.tiering.policies.domain import check
from shuke.tiering.v1 import policies_pb2 as pb


def rules(money: Currency) -> Payloads:
    """Read and check the rules of schemes in the chain's currency."""

    def read(problems: Problems, _scheme: str, policy: pb.Policy) -> None:
        convert.rules_from_proto(problems, money, policy, "policy.")

    def fit(problems: Problems, policy: pb.Policy) -> None:
        check(problems, convert.rules_from_proto(Problems(), money, policy))

    return Payloads(read, fit)
