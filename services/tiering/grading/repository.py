"""Figures of customers and the class that they give: for one as values, for all as SQL beside `grading.domain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from services.tiering.grading.domain import Metrics
from services.tiering.policies.domain import (
    Condition,
    Demotion,
    Ladder,
    LadderClass,
    Metric,
    RefundCountsAt,
    Rules,
    Score,
    grace_days,
    window_start,
)
from services.tiering.spend.tables import DAYS, SPENDERS


def metrics(tx: Tx, customer: str, rules: Rules, as_of: date) -> Metrics | None:
    """Read one customer's figures as of a day; None without an entry. By the primary keys."""
    mine = SPENDERS.c.customer_id == customer
    first = tx.execute(sa.select(SPENDERS.c.first_sale_date).where(mine)).one_or_none()
    if first is None:
        return None
    found = tx.execute(_sums(rules, as_of, frozenset(Metric)).where(DAYS.c.customer_id == customer)).mappings().one()
    day = first.first_sale_date
    return Metrics(
        net_spend=found[Metric.NET_SPEND],
        profit=found[Metric.PROFIT],
        purchase_count=found[Metric.PURCHASE_COUNT],
        active_days=found[Metric.ACTIVE_DAYS],
        first_date=day if day is not None and day <= as_of else None,
    )


def grades(ladder: Ladder, as_of: date, held: sa.Subquery) -> sa.Select[Any]:
    """Grade everybody with an entry by a day: rows of customer_id, from_class and to_class, in one pass.

    `held` holds customer_id and to_class, the class effective at the end of the day, for those who have one.
    It is the SQL of `grading.domain.graded`.
    """
    before = grace_days(ladder, as_of)
    found = {day: sums(ladder, day) for day in (as_of, *before)}
    tables = SPENDERS.outerjoin(held, held.c.customer_id == SPENDERS.c.customer_id)
    for figures in found.values():
        tables = tables.outerjoin(figures, figures.c.customer_id == SPENDERS.c.customer_id)
    current = held.c.to_class

    def holds(condition: Condition, day: date) -> sa.ColumnElement[bool]:
        if condition.metric is Metric.TENURE_DAYS:
            # A tenure longer than the calendar is reached by nobody.
            longest = (day - date.min).days
            if condition.at_least > longest:
                return sa.false()
            return SPENDERS.c.first_sale_date <= day - timedelta(days=condition.at_least)
        return sa.func.coalesce(found[day].c[condition.metric], 0) >= condition.at_least

    def all_hold(conditions: Sequence[Condition], day: date) -> sa.ColumnElement[bool]:
        has_sale = sa.and_(SPENDERS.c.first_sale_date.is_not(None), SPENDERS.c.first_sale_date <= day)
        return sa.and_(has_sale, *(holds(condition, day) for condition in conditions))

    def can_have(step: LadderClass) -> sa.ColumnElement[bool]:
        so_high = current.in_([other.class_key for other in ladder.classes[ladder.rank(step.class_key) :]])
        kept = (all_hold(step.keep or step.entry, day) for day in found)
        entered_before = (all_hold(step.entry, day) for day in before)
        reached = sa.or_(all_hold(step.entry, as_of), sa.and_(so_high, sa.or_(*kept, *entered_before)))
        return sa.or_(reached, current == step.class_key) if ladder.demotion is Demotion.NONE else reached

    # From the top down, the first class that can be had is the highest; nobody falls below one that is never lost.
    graded = sa.case(*((can_have(step), step.class_key) for step in reversed(ladder.classes)), else_=sa.null())
    return (
        sa.select(SPENDERS.c.customer_id, current.label("from_class"), graded.label("to_class"))
        .select_from(tables)
        .where(SPENDERS.c.first_entry_date <= as_of)
    )


def sums(rules: Ladder | Score, as_of: date) -> sa.Subquery:
    """Sum up for all customers what the rules measure: rows of customer_id and a column for each metric but tenure."""
    query = _sums(rules, as_of, rules.metrics).add_columns(DAYS.c.customer_id)
    return query.group_by(DAYS.c.customer_id).subquery()


def _sums(rules: Rules, as_of: date, wanted: frozenset[Metric]) -> sa.Select[Any]:
    """Sum the days of a window up: a column, named as its metric, for each figure that is wanted.

    Only days have figures: tenure is not among them.
    """
    day = DAYS.c
    at_sale = rules.refund_counts_at is RefundCountsAt.SALE_TIME
    refunds, refunds_profit = (day.returns, day.returns_profit) if at_sale else (day.refunds, day.refunds_profit)
    figures: dict[Metric, sa.ColumnElement[int]] = {
        Metric.NET_SPEND: _total(day.sales - refunds),
        Metric.PROFIT: _total(day.sales_profit - refunds_profit),
        Metric.PURCHASE_COUNT: _total(day.purchase_count),
        # A day with sales of two kinds is one day.
        Metric.ACTIVE_DAYS: sa.func.count(sa.distinct(sa.case((day.purchase_count > 0, day.business_date)))),
    }
    columns: list[sa.Label[Any]] = [figure.label(metric) for metric, figure in figures.items() if metric in wanted]
    query = sa.select(*columns).where(day.business_date >= window_start(rules, as_of), day.business_date <= as_of)
    return query.where(day.kind.in_(rules.kinds)) if rules.kinds else query


def _total(amounts: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(amounts), 0), sa.BigInteger)
