"""Figures about classes and value as the contract has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date

from chassis import names, wire
from chassis.money import Currency
from services.tiering.analytics.domain import Concentration, basis_points, class_keys
from services.tiering.memberships.convert import counts_to_proto, display
from services.tiering.policies.domain import Rules
from shuke.tiering.v1 import tiering_pb2 as pb


def distribution_to_proto(
    scheme: str, day: date, found: Mapping[str | None, int], rules: Rules, language: str
) -> pb.ClassDistribution:
    """Write how many customers hold each class."""
    keys = class_keys([one.class_key for one in rules.classes], found)
    return pb.ClassDistribution(
        scheme=scheme,
        date=wire.to_date(day),
        denominator=sum(found.values()),
        classes=counts_to_proto(rules, [(key, found.get(key, 0)) for key in keys], language),
        none_count=found.get(None, 0),
    )


def matrix_to_proto(
    request: pb.GetMovementMatrixRequest,
    found: Mapping[tuple[str | None, str | None], int],
    rules: Rules,
    language: str,
) -> pb.MovementMatrix:
    """Write how many customers went from which class to which; the same classes are rows and columns."""
    own = [one.class_key for one in rules.classes]
    keys = [None, *class_keys(own, [key for pair in found for key in pair])]
    rows, columns = Counter[str | None](), Counter[str | None]()
    for (before, after), count in found.items():
        rows[before] += count
        columns[after] += count
    return pb.MovementMatrix(
        scheme=request.scheme,
        first_date=request.first_date,
        last_date=request.last_date,
        denominator=rows.total(),
        rows=[
            pb.MatrixRow(
                class_key=before or "",
                display_name=display(rules, before, language),
                counts=counts_to_proto(
                    rules, [(after or "", found.get((before, after), 0)) for after in keys], language
                ),
                total=rows[before],
            )
            for before in keys
        ],
        totals=counts_to_proto(rules, [(after or "", columns[after]) for after in keys], language),
    )


def concentration_to_proto(
    found: Concentration, as_of: date, top_percent: int, currency: Currency
) -> pb.ValueConcentration:
    """Write what the customers with the highest net spend bring."""

    def amount(top: int, total: int) -> pb.ConcentratedAmount:
        return pb.ConcentratedAmount(
            top_amount=wire.to_money(top, currency),
            total_amount=wire.to_money(total, currency),
            share_basis_points=basis_points(top, total),
        )

    return pb.ValueConcentration(
        as_of=wire.to_date(as_of),
        top_percent=top_percent,
        denominator=found.customers,
        numerator=found.top_customers,
        net_spend=amount(found.top_net, found.net),
        profit=amount(found.top_profit, found.profit),
        largest=[
            pb.LargestCustomer(customer=names.name("customers", customer), net_spend=wire.to_money(net, currency))
            for customer, net in found.largest
        ],
    )
