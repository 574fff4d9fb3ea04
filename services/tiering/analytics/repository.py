"""The queries of figures about classes and value: one statement each, so that a figure is of one moment."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from chassis.database import Tx
from services.tiering.analytics.domain import Concentration
from services.tiering.spend.tables import DAYS, SPENDERS


def distribution(tx: Tx, day: date, held: sa.Subquery) -> dict[str | None, int]:
    """Count customers with an entry by a day per class that they hold; None counts those without one.

    `held` holds customer_id and to_class for those who have one.
    """
    query = (
        sa.select(held.c.to_class, sa.func.count().label("customers"))
        .select_from(SPENDERS.outerjoin(held, held.c.customer_id == SPENDERS.c.customer_id))
        .where(SPENDERS.c.first_entry_date <= day)
        .group_by(held.c.to_class)
    )
    return {row.to_class: row.customers for row in tx.execute(query)}


def moved(tx: Tx, day: date, before: sa.Subquery, after: sa.Subquery) -> dict[tuple[str | None, str | None], int]:
    """Count customers with an entry by a day per class held before and after; None is no class.

    Both hold customer_id and to_class for those who have one.
    """
    first, last = before.alias("before"), after.alias("after")
    tables = SPENDERS.outerjoin(first, first.c.customer_id == SPENDERS.c.customer_id).outerjoin(
        last, last.c.customer_id == SPENDERS.c.customer_id
    )
    classes = (first.c.to_class.label("from_class"), last.c.to_class)
    query = (
        sa.select(*classes, sa.func.count().label("customers"))
        .select_from(tables)
        .where(SPENDERS.c.first_entry_date <= day)
        .group_by(first.c.to_class, last.c.to_class)
    )
    return {(row.from_class, row.to_class): row.customers for row in tx.execute(query)}


def concentration(tx: Tx, as_of: date, top_percent: int, largest: int) -> Concentration:
    """Sum up what the top of the customers with an entry by a day brings, and what all do; name the largest few.

    It goes through all days up to then. The order is by net spend, the highest first, then by the customer.
    """
    day = DAYS.c
    counted = sa.and_(day.customer_id == SPENDERS.c.customer_id, day.business_date <= as_of)
    sums = (
        sa.select(
            SPENDERS.c.customer_id,
            sa.func.coalesce(sa.func.sum(day.sales - day.refunds), 0).label("net"),
            sa.func.coalesce(sa.func.sum(day.sales_profit - day.refunds_profit), 0).label("profit"),
        )
        .select_from(SPENDERS.outerjoin(DAYS, counted))
        .where(SPENDERS.c.first_entry_date <= as_of)
        .group_by(SPENDERS.c.customer_id)
        .subquery("sums")
        .c
    )
    place = sa.func.row_number().over(order_by=(sums.net.desc(), sums.customer_id)).label("place")
    ranked = sa.select(*sums, place, sa.func.count().over().label("customers")).subquery("ranked").c
    # place <= round_half_up(customers * top_percent / 100), without a fraction
    in_top = 100 * ranked.place <= ranked.customers * top_percent + 50
    figures = {
        "top_customers": sa.case((in_top, 1), else_=0),
        "top_net": sa.case((in_top, ranked.net), else_=0),
        "net": ranked.net,
        "top_profit": sa.case((in_top, ranked.profit), else_=0),
        "profit": ranked.profit,
    }
    totals = [sa.cast(sa.func.sum(figure).over(), sa.BigInteger).label(name) for name, figure in figures.items()]
    own = (ranked.customer_id, ranked.place, ranked.customers, sa.cast(ranked.net, sa.BigInteger).label("own_net"))
    summed = sa.select(*own, *totals).subquery("summed")
    rows = tx.execute(sa.select(summed).where(summed.c.place <= largest).order_by(summed.c.place)).all()
    if not rows:
        return Concentration()
    return Concentration(
        customers=rows[0].customers,
        **{name: getattr(rows[0], name) for name in figures},
        largest=tuple((row.customer_id, row.own_net) for row in rows),
    )
