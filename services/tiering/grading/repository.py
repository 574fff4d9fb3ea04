"""Figures of customers and the class that they give: for one as values, for all as SQL beside `grading.domain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from services.tiering.grading.domain import Metrics
from services.tiering.policies.domain import Condition, Demotion, Ladder, LadderClass, Metric, window_start
from services.tiering.spend.tables import DAYS, SPENDERS


def metrics(tx: Tx, customer: str, ladder: Ladder, as_of: date) -> Metrics | None:
    """Read one customer's figures as of a day; None without an entry. By the primary keys."""
    mine = SPENDERS.c.customer_id == customer
    first = tx.execute(sa.select(SPENDERS.c.first_sale_date).where(mine)).one_or_none()
    if first is None:
        return None
    sums = tx.execute(_sums(ladder, as_of).where(DAYS.c.customer_id == customer)).mappings().one()
    day = first.first_sale_date
    return Metrics(
        net_spend=sums[Metric.NET_SPEND],
        profit=sums[Metric.PROFIT],
        purchase_count=sums[Metric.PURCHASE_COUNT],
        active_days=sums[Metric.ACTIVE_DAYS],
        first_date=day if day is not None and day <= as_of else None,
    )


def grades(ladder: Ladder, as_of: date, held: sa.Subquery) -> sa.Select[Any]:
    """Grade everybody with an entry by a day: rows of customer_id, from_class and to_class, in one pass.

    `held` holds customer_id and to_class, the class effective at the end of the day, for those who have one.
    It is the SQL of `grading.domain.graded`.
    """
    sums = _sums(ladder, as_of).add_columns(DAYS.c.customer_id).group_by(DAYS.c.customer_id).subquery("sums")
    tables = SPENDERS.outerjoin(sums, sums.c.customer_id == SPENDERS.c.customer_id).outerjoin(
        held, held.c.customer_id == SPENDERS.c.customer_id
    )
    has_sale = sa.and_(SPENDERS.c.first_sale_date.is_not(None), SPENDERS.c.first_sale_date <= as_of)
    current = held.c.to_class

    def holds(condition: Condition) -> sa.ColumnElement[bool]:
        if condition.metric is Metric.TENURE_DAYS:
            # A tenure longer than the calendar is reached by nobody.
            longest = (as_of - date.min).days
            if condition.at_least > longest:
                return sa.false()
            return SPENDERS.c.first_sale_date <= as_of - timedelta(days=condition.at_least)
        return sa.func.coalesce(sums.c[condition.metric], 0) >= condition.at_least

    def all_hold(conditions: Sequence[Condition]) -> sa.ColumnElement[bool]:
        return sa.and_(sa.true(), *map(holds, conditions))

    def can_have(step: LadderClass) -> sa.ColumnElement[bool]:
        so_high = [other.class_key for other in ladder.classes[ladder.rank(step.class_key) :]]
        keeps = sa.and_(current.in_(so_high), all_hold(step.keep or step.entry))
        reached = sa.and_(has_sale, sa.or_(all_hold(step.entry), keeps))
        return sa.or_(reached, current == step.class_key) if ladder.demotion is Demotion.NONE else reached

    # From the top down, the first class that can be had is the highest; nobody falls below one that is never lost.
    graded = sa.case(*((can_have(step), step.class_key) for step in reversed(ladder.classes)), else_=sa.null())
    return (
        sa.select(SPENDERS.c.customer_id, current.label("from_class"), graded.label("to_class"))
        .select_from(tables)
        .where(SPENDERS.c.first_entry_date <= as_of)
    )


def _sums(ladder: Ladder, as_of: date) -> sa.Select[Any]:
    """Sum the days of a ladder's window up: a column for each figure, named as its metric."""
    day = DAYS.c
    figures: dict[Metric, sa.ColumnElement[int]] = {
        Metric.NET_SPEND: day.sales - day.refunds,
        Metric.PROFIT: day.sales_profit - day.refunds_profit,
        Metric.PURCHASE_COUNT: day.purchase_count,
    }
    sums: list[sa.Label[Any]] = [
        sa.cast(sa.func.coalesce(sa.func.sum(figure), 0), sa.BigInteger).label(metric)
        for metric, figure in figures.items()
    ]
    # A day with sales of two kinds is one day.
    days = sa.func.count(sa.distinct(sa.case((day.purchase_count > 0, day.business_date))))
    return sa.select(*sums, days.label(Metric.ACTIVE_DAYS)).where(
        day.business_date >= window_start(ladder, as_of), day.business_date <= as_of
    )
