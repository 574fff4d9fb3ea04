"""The queries of memberships."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx, upsert
from services.tiering.memberships.domain import Cause, Movement, Standing
from services.tiering.memberships.tables import MEMBERS, MOVEMENTS, NO_RUN, OF_RUN, STANDS

CHUNK = 2000


def standings(tx: Tx, scheme: str, customers: Iterable[str]) -> dict[str, Standing]:
    """Read where customers stand in a scheme, those without a movement aside. By the primary key of `members`."""
    query = sa.select(MEMBERS).where(MEMBERS.c.scheme == scheme, MEMBERS.c.customer_id.in_(sorted(set(customers))))
    return {row.customer_id: _standing(row) for row in tx.execute(query)}


def classes_held(tx: Tx, schemes: Iterable[str], customer: str, now: int) -> dict[str, str]:
    """Read, by scheme, the classes that a customer holds by now. By the primary key of `members`."""
    mine = (MEMBERS.c.scheme.in_(sorted(schemes)), MEMBERS.c.customer_id == customer)
    query = sa.select(MEMBERS.c.scheme, MEMBERS.c.class_key).where(
        *mine, MEMBERS.c.class_key.is_not(None), MEMBERS.c.since_time <= now
    )
    return {row.scheme: row.class_key for row in tx.execute(query)}


def add(tx: Tx, movements: Sequence[Movement]) -> None:
    """Add movements to the ledger and let members follow; at most one for each customer of a scheme."""
    if not movements:
        return
    rows = [_row(movement) for movement in movements]
    tx.execute(sa.insert(MOVEMENTS), rows)
    state = [
        {
            "scheme": row["scheme"],
            "customer_id": row["customer_id"],
            "class_key": row["to_class"],
            "since_time": row["effective_time"],
            "record_time": row["record_time"],
            "evaluation_id": row["evaluation_id"],
            "began_time": row["effective_time"],
        }
        for row in sorted(rows, key=lambda row: (row["scheme"], row["customer_id"]))
    ]
    tx.execute(_follow(tx), state)


def add_all(tx: Tx, moves: sa.Select[Any]) -> None:
    """Add movements that a query answers, in the columns of `movements`; at most one for each customer."""
    new = moves.subquery("moves").c
    columns = [new[column.name] for column in MOVEMENTS.c]
    tx.execute(sa.insert(MOVEMENTS).from_select(list(MOVEMENTS.c), sa.select(*columns)))
    state = sa.select(
        *(new.scheme, new.customer_id, new.to_class, new.effective_time),
        *(new.record_time, new.evaluation_id, new.effective_time.label("began_time")),
    ).where(new.customer_id.is_not(None))  # SQLite needs some condition here, or it reads ON CONFLICT as a join's ON.
    tx.execute(_follow(tx, state))


def stream(tx: Tx, moves: sa.Select[Any]) -> Generator[list[Movement], None, None]:
    """Read movements that a query answers, in the columns of `movements`, a chunk at a time."""
    with closing(chunks(tx, moves)) as found:
        for rows in found:
            yield [_movement(row) for row in rows]


def chunks(tx: Tx, query: sa.Select[Any]) -> Generator[Sequence[sa.Row[Any]], None, None]:
    """Read what a query answers, a chunk at a time; whoever stops early has to close it."""
    with tx.execute(query, execution_options={"yield_per": CHUNK}) as result:
        yield from result.partitions()


def _follow(tx: Tx, moves: sa.Select[Any] | None = None) -> sa.Insert:
    """Write members anew where a new movement decides from now on: the SQL of `domain.deciding` without a time."""
    statement = upsert(tx, MEMBERS)
    if moves is not None:
        statement = statement.from_select(list(MEMBERS.c), moves)
    old, new = MEMBERS.c, statement.excluded
    later = sa.tuple_(new.since_time, new.record_time, new.evaluation_id) > sa.tuple_(
        old.since_time, old.record_time, old.evaluation_id
    )
    # A movement of a run outranks all others; those others are added only when they begin earlier than all before.
    decides = sa.or_(old.evaluation_id == NO_RUN, sa.and_(new.evaluation_id != NO_RUN, later))
    changed = {
        name: sa.case((decides, new[name]), else_=old[name])
        for name in ("class_key", "since_time", "record_time", "evaluation_id")
    }
    changed["began_time"] = sa.case((new.began_time < old.began_time, new.began_time), else_=old.began_time)
    return statement.on_conflict_do_update(index_elements=["scheme", "customer_id"], set_=changed)


# The movement that decides comes first: the SQL of `domain.deciding`.
OF_A_RUN = MOVEMENTS.c.evaluation_id != NO_RUN
DECIDING = (
    sa.case((OF_A_RUN, 0), else_=1),
    sa.case((OF_A_RUN, -MOVEMENTS.c.effective_time), else_=MOVEMENTS.c.effective_time),
    sa.case((OF_A_RUN, -MOVEMENTS.c.record_time), else_=MOVEMENTS.c.record_time),
    MOVEMENTS.c.evaluation_id.desc(),
)


def held(scheme: str, time: int) -> sa.Subquery:
    """Find for all members the class that holds at a time: rows of customer_id and to_class, NULL for none.

    It is the SQL of `domain.class_at`. What decides at present decides at the time too, where it is effective by then.
    Before a first purchase nothing is; only before the latest run does one have to look for what came earlier. By the
    primary keys.
    """
    column, member = MOVEMENTS.c, MEMBERS.c
    mine = (column.scheme == scheme, column.customer_id == member.customer_id, column.effective_time <= time)
    earlier = sa.select(column.to_class).where(*mine, STANDS).order_by(*DECIDING).limit(1).scalar_subquery()
    to_class = sa.case(
        (member.since_time <= time, member.class_key), (member.evaluation_id == NO_RUN, sa.null()), else_=earlier
    )
    return sa.select(member.customer_id, to_class.label("to_class")).where(member.scheme == scheme).subquery("held")


def revert(tx: Tx, scheme: str, evaluation: str, effective_time: int, now: int) -> None:
    """Add the movements that undo a run, and let members stand where they do without it. By `ix_movements_run`.

    `effective_time` is the run's own: from then on the classes hold that held without it.
    """
    made, column = MOVEMENTS.alias("made"), MOVEMENTS.c
    mine = (column.scheme == scheme, column.customer_id == made.c.customer_id, column.effective_time <= effective_time)
    without = (
        sa.select(column.to_class)
        .where(*mine, column.evaluation_id != evaluation, STANDS)
        .order_by(*DECIDING)
        .limit(1)
        .scalar_subquery()
    )
    back = sa.select(
        *(made.c.scheme, made.c.customer_id, made.c.effective_time, made.c.evaluation_id),
        *(made.c.to_class, without, sa.literal(Cause.REVERT.value), sa.literal(now)),
    ).where(made.c.evaluation_id == evaluation, made.c.effective_time == effective_time)
    tx.execute(sa.insert(MOVEMENTS).from_select(list(MOVEMENTS.c), back))
    moved = sa.select(made.c.customer_id).where(made.c.evaluation_id == evaluation)
    tx.execute(sa.delete(MEMBERS).where(MEMBERS.c.scheme == scheme, MEMBERS.c.customer_id.in_(moved)))
    tx.execute(sa.insert(MEMBERS).from_select(list(MEMBERS.c), _members(scheme, moved)))


def _members(scheme: str, customers: sa.Select[Any]) -> sa.Select[Any]:
    """Find what members are by their movements alone. By the primary key of `movements`."""
    column = MOVEMENTS.c
    place = sa.func.row_number().over(partition_by=column.customer_id, order_by=DECIDING).label("place")
    began = sa.func.min(column.effective_time).over(partition_by=column.customer_id).label("began_time")
    ranked = (
        sa.select(*column, place, began)
        .where(column.scheme == scheme, column.customer_id.in_(customers), STANDS)
        .subquery("ranked")
        .c
    )
    return sa.select(
        *(ranked.scheme, ranked.customer_id, ranked.to_class, ranked.effective_time),
        *(ranked.record_time, ranked.evaluation_id, ranked.began_time),
    ).where(ranked.place == 1)


def back(evaluation: str) -> sa.Select[Any]:
    """Ask for what the revert of a run means at present, in the columns of `movements`: to the class held, since when.

    By `ix_movements_run` and the primary key of `members`.
    """
    column, member = MOVEMENTS.c, MEMBERS.c
    same = sa.and_(member.scheme == column.scheme, member.customer_id == column.customer_id)
    since = sa.func.coalesce(member.since_time, column.effective_time)
    return (
        sa.select(
            *(column.scheme, column.customer_id, since.label("effective_time"), column.evaluation_id),
            *(column.from_class, member.class_key.label("to_class"), column.cause, column.record_time),
        )
        .select_from(MOVEMENTS.outerjoin(MEMBERS, same))
        .where(column.evaluation_id == evaluation, column.cause == Cause.REVERT.value)
    )


def movements(tx: Tx, scheme: str, customer: str) -> list[Movement]:
    """Read all movements of a customer in a scheme. By the primary key of `movements`."""
    query = sa.select(MOVEMENTS).where(MOVEMENTS.c.scheme == scheme, MOVEMENTS.c.customer_id == customer)
    return [_movement(row) for row in tx.execute(query)]


def list_history(
    tx: Tx, scheme: str, customer: str, *, before: tuple[int, int, str] | None, limit: int
) -> list[Movement]:
    """List a customer's movements, the latest effective time first. By the primary key of `movements`."""
    order = (MOVEMENTS.c.effective_time, MOVEMENTS.c.record_time, MOVEMENTS.c.evaluation_id)
    query = sa.select(MOVEMENTS).where(MOVEMENTS.c.scheme == scheme, MOVEMENTS.c.customer_id == customer)
    if before is not None:
        query = query.where(sa.tuple_(*order) < sa.tuple_(*before))
    query = query.order_by(*(column.desc() for column in order)).limit(limit)
    return [_movement(row) for row in tx.execute(query)]


def list_of_run(tx: Tx, evaluation: str, *, after: tuple[str, int, int] | None, limit: int) -> list[Movement]:
    """List the movements that a run and its revert made, in the order of the customers. By `ix_movements_run`."""
    order = (MOVEMENTS.c.customer_id, MOVEMENTS.c.effective_time, MOVEMENTS.c.record_time)
    query = sa.select(MOVEMENTS).where(MOVEMENTS.c.evaluation_id == evaluation, OF_RUN)
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*after))
    return [_movement(row) for row in tx.execute(query.order_by(*order).limit(limit))]


def list_members(
    tx: Tx, scheme: str, class_key: str, now: int, *, after: str, limit: int
) -> list[tuple[str, Standing]]:
    """List who holds a class, or any, in the order of the customers. By `ix_members_class` or the primary key.

    What a till dated in the future does not hold yet.
    """
    wanted = MEMBERS.c.class_key == class_key if class_key else MEMBERS.c.class_key.is_not(None)
    query = (
        sa.select(MEMBERS)
        .where(MEMBERS.c.scheme == scheme, wanted, MEMBERS.c.since_time <= now, MEMBERS.c.customer_id > after)
        .order_by(MEMBERS.c.customer_id)
        .limit(limit)
    )
    return [(row.customer_id, _standing(row)) for row in tx.execute(query)]


def _row(movement: Movement) -> dict[str, Any]:
    return {
        "scheme": movement.scheme,
        "customer_id": movement.customer,
        "effective_time": movement.effective_time,
        "evaluation_id": movement.evaluation or NO_RUN,
        "from_class": movement.from_class,
        "to_class": movement.to_class,
        "cause": movement.cause,
        "record_time": movement.record_time,
    }


def _standing(row: sa.Row[Any]) -> Standing:
    return Standing(row.class_key, row.since_time, row.began_time, graded=row.evaluation_id != NO_RUN)


def _movement(row: sa.Row[Any]) -> Movement:
    return Movement(
        scheme=row.scheme,
        customer=row.customer_id,
        from_class=row.from_class,
        to_class=row.to_class,
        cause=Cause(row.cause),
        effective_time=row.effective_time,
        record_time=row.record_time,
        evaluation=row.evaluation_id or None,
    )
