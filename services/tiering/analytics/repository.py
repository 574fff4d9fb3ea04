"""The queries of figures about classes."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from chassis.database import Tx
from services.tiering.spend.tables import SPENDERS


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
