"""The order of all customers as SQL, beside `scoring.domain`: sums per customer, three ranks, a score and a place."""

from __future__ import annotations

from datetime import date
from itertools import accumulate
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from services.tiering.policies.domain import RANKED, WHOLE, Metric, Score
from services.tiering.scoring.domain import Place, Ranks
from services.tiering.spend.tables import SPENDERS


def grades(placed: sa.Subquery, as_of: date, held: sa.Subquery) -> sa.Select[Any]:
    """Grade everybody with an entry by a day: rows of customer_id, from_class, to_class, amount and score.

    `placed` holds the places of the day. `held` holds customer_id and to_class, the class effective at the end of the
    day, for those who have one. Who has no sale by the day has no place and no class.
    """
    tables = SPENDERS.outerjoin(placed, placed.c.customer_id == SPENDERS.c.customer_id).outerjoin(
        held, held.c.customer_id == SPENDERS.c.customer_id
    )
    return (
        sa.select(
            SPENDERS.c.customer_id,
            held.c.to_class.label("from_class"),
            placed.c.class_key.label("to_class"),
            placed.c[Metric.NET_SPEND].label("amount"),
            placed.c.score,
        )
        .select_from(tables)
        .where(SPENDERS.c.first_entry_date <= as_of)
    )


def place(tx: Tx, customer: str, placed: sa.Subquery) -> Place | None:
    """Read one customer's place among all places of a day; None without a sale by the day. Everybody is ordered."""
    row = tx.execute(sa.select(placed).where(placed.c.customer_id == customer)).mappings().one_or_none()
    if row is None:
        return None
    return Place(
        customer=customer,
        net_spend=row[Metric.NET_SPEND],
        profit=row[Metric.PROFIT],
        purchase_count=row[Metric.PURCHASE_COUNT],
        ranks=Ranks(*(row[_rank(metric)] for metric in RANKED)),
        score=row["score"],
        place=row["place"],
        class_key=row["class_key"],
        population=row["population"],
    )


def places(rules: Score, as_of: date, sums: sa.Subquery) -> sa.Subquery:
    """Place every customer with a sale by a day: the SQL of `scoring.domain.places`, each step on top of the last.

    `sums` holds customer_id and each figure that is ranked, named as its metric, for those who have one.
    """
    figures = (
        sa.select(SPENDERS.c.customer_id, *(sa.func.coalesce(sums.c[metric], 0).label(metric) for metric in RANKED))
        .select_from(SPENDERS.outerjoin(sums, sums.c.customer_id == SPENDERS.c.customer_id))
        .where(SPENDERS.c.first_sale_date <= as_of)
        .subquery("figures")
    )
    ranks = (sa.func.rank().over(order_by=figures.c[metric]).label(_rank(metric)) for metric in RANKED)
    ranked = sa.select(figures, *ranks, sa.func.count().over().label("population")).subquery("ranked")
    score = sum(
        ((weight or 0) * (ranked.c[_rank(metric)] - 1) for metric, weight in zip(RANKED, rules.weights, strict=True)),
        sa.literal_column("0", sa.BigInteger),
    )
    scored = sa.select(ranked, score.label("score")).subquery("scored")
    order = (scored.c.score.desc(), scored.c[Metric.NET_SPEND].desc(), scored.c.customer_id)
    placed = sa.select(scored, sa.func.row_number().over(order_by=order).label("place")).subquery("placed")
    # place <= floor((2 x population x share + 100) / 200), without the division.
    shares = accumulate(one.share for one in rules.listed)
    ends = (
        (2 * WHOLE * placed.c.place <= 2 * share * placed.c.population + WHOLE, one.class_key)
        for one, share in zip(rules.listed, shares, strict=True)
    )
    return sa.select(placed, sa.case(*ends).label("class_key")).subquery("places")


def _rank(metric: Metric) -> str:
    return f"rank_{metric}"
