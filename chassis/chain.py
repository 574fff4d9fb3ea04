"""The chain's settings as the database remembers them: a ledger must never change its currency or zone."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Database, Text, Tx, upsert
from chassis.settings import Chain


class ChainChangedError(Exception):
    """The service was started with other chain settings than at its first start."""


def chain_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the table of remembered settings."""
    return sa.Table(
        "chain", metadata, sa.Column("key", Text, primary_key=True), sa.Column("value", Text, nullable=False)
    )


def remember(database: Database, table: sa.Table, chain: Chain) -> None:
    """Store the settings at the first start; raise `ChainChangedError` when a later one differs."""

    def work(tx: Tx) -> None:
        rows = [{"key": name, "value": getattr(chain, name)} for name in type(chain).model_fields]
        tx.execute(upsert(tx, table).on_conflict_do_nothing(), rows)
        kept = {row.key: row.value for row in tx.execute(sa.select(table))}
        for row in rows:
            if kept[row["key"]] != row["value"]:
                was = kept[row["key"]]
                raise ChainChangedError(
                    f"{chain.prefix}{row['key'].upper()} was {was} at the first start and cannot change"
                )

    database.transact(work)
