"""The catalogue of benefits between the contract and the domain."""

from __future__ import annotations

from collections.abc import Mapping

from chassis import names, wire
from chassis.errors import Problems
from chassis.money import Currency
from services.tiering.benefits.domain import Benefit, Catalogue, ClassBenefits, Entitlement, Kind, Period
from services.tiering.memberships.convert import display
from services.tiering.policies.convert import choice
from services.tiering.policies.domain import Rules
from shuke.tiering.v1 import benefits_pb2 as pb
from shuke.tiering.v1 import policies_pb2


def catalogue_from_proto(
    problems: Problems, currency: Currency, message: pb.BenefitCatalogue, field: str = "benefits"
) -> Catalogue:
    """Read a catalogue whose shape the contract has checked; `field` is its path. A draft may be incomplete."""
    return Catalogue(
        benefits=tuple(
            benefit_from_proto(problems, currency, benefit, f"{field}.benefits[{index}]")
            for index, benefit in enumerate(message.benefits)
        ),
        classes=tuple(
            ClassBenefits(names.identity(one.scheme), one.class_key, tuple(one.adds)) for one in message.classes
        ),
    )


def catalogue_of(payload: bytes, currency: Currency) -> Catalogue:
    """Read a catalogue that was read before, as it is stored: a policy with nothing but its payload."""
    return catalogue_from_proto(Problems(), currency, policies_pb2.Policy.FromString(payload).benefits)


def benefit_from_proto(problems: Problems, currency: Currency, message: pb.Benefit, field: str) -> Benefit:
    """Read a benefit; note an amount that cannot be read."""
    return Benefit(
        code=message.code,
        kind=Kind(pb.Benefit.Kind.Name(message.kind)),
        display_zh=message.display_name.zh,
        display_en=message.display_name.en,
        price_list_code=message.price_list_code,
        percent=message.percent,
        amount=currency.read(problems, f"{field}.amount", message.amount) if message.HasField("amount") else 0,
        quota=message.quota,
        period=choice(Period, pb.Benefit.Period.Name(message.period)),
        first_purchase=message.first_purchase,
    )


def benefit_to_proto(benefit: Benefit, currency: Currency) -> pb.Benefit:
    """Write a benefit."""
    message = pb.Benefit(
        code=benefit.code,
        kind=pb.Benefit.Kind.Value(benefit.kind),
        price_list_code=benefit.price_list_code,
        percent=benefit.percent,
        amount=wire.to_money(benefit.amount or None, currency),
        quota=benefit.quota,
        period=pb.Benefit.Period.Value(benefit.period) if benefit.period else pb.Benefit.PERIOD_UNSPECIFIED,
        first_purchase=benefit.first_purchase,
    )
    message.display_name.zh, message.display_name.en = benefit.display_zh, benefit.display_en
    return message


def entitlement_to_proto(
    entitlement: Entitlement, rules: Mapping[str, Rules], currency: Currency, language: str
) -> pb.Entitlement:
    """Write a benefit and where it comes from; `rules`, by scheme, know what classes are called."""
    return pb.Entitlement(
        benefit=benefit_to_proto(entitlement.benefit, currency),
        origins=[
            pb.BenefitOrigin(
                scheme=names.name("schemes", one.scheme),
                class_key=one.class_key,
                display_name=display(rules[one.scheme], one.class_key, language)
                if one.scheme in rules
                else one.class_key,
            )
            for one in entitlement.origins
        ],
    )
