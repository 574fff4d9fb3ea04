"""The queries of memberships."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from chassis.among import Among
from chassis.database import Tx, upsert
from services.tiering.memberships.domain import Cause, Movement, Standing
from services.tiering.memberships.tables import (
    BY_REFUND,
    MEMBERS,
    MOVEMENTS,
    NO_RUN,
    OF_RUN,
    STANDS,
    holds_since,
)

# Written down once: building an expression takes longer than running it.
STANDINGS = sa.select(MEMBERS).where(MEMBERS.c.scheme == sa.bindparam("scheme"), Among("ids", MEMBERS.c.customer_id))

Columns = ReadOnlyColumnCollection[str, Any]

CHUNK = 2000
# What members have of the movement that decides.
DECIDED = ("class_key", "since_time", "record_time", "evaluation_id")


def standings(tx: Tx, scheme: str, customers: Iterable[str]) -> dict[str, Standing]:
    """Read where customers stand in a scheme, those without a movement aside. By the primary key of `members`."""
    wanted = {"scheme": scheme, "ids": sorted(set(customers))}
    return {row.customer_id: _standing(row) for row in tx.execute(STANDINGS, wanted)}


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
            "began_time": row["effective_time"] if row["evaluation_id"] == NO_RUN and row["to_class"] else None,
            "corrected_time": row["record_time"] if row["evaluation_id"] == NO_RUN else None,
        }
        for row in sorted(rows, key=lambda row: (row["scheme"], row["customer_id"]))
    ]
    tx.execute(_follow(tx), state)


def add_all(tx: Tx, moves: sa.Select[Any]) -> None:
    """Add movements that a query answers, in the columns of `movements`; at most one for each customer."""
    move = moves.subquery("moves").c
    tx.execute(sa.insert(MOVEMENTS).from_select(list(MOVEMENTS.c), sa.select(*(move[one.name] for one in MOVEMENTS.c))))
    correction = move.evaluation_id == NO_RUN
    state = sa.select(
        *(move.scheme, move.customer_id, move.to_class.label("class_key"), move.effective_time.label("since_time")),
        *(move.record_time, move.evaluation_id),
        sa.case((sa.and_(correction, move.to_class.is_not(None)), move.effective_time)).label("began_time"),
        sa.case((correction, move.record_time)).label("corrected_time"),
    )
    # Whoever held a class is a member: a join finds them all at once, an upsert looks for each.
    regraded = sa.and_(~correction, move.from_class.is_not(None))
    new = state.where(regraded).subquery("new").c
    theirs = (MEMBERS.c.scheme == new.scheme, MEMBERS.c.customer_id == new.customer_id, _decides(MEMBERS.c, new))
    tx.execute(sa.update(MEMBERS).where(*theirs).values({name: new[name] for name in DECIDED}))
    tx.execute(_follow(tx, state.where(~regraded)))


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
    decides = _decides(old, new)
    changed = {name: sa.case((decides, new[name]), else_=old[name]) for name in DECIDED}
    for name in ("began_time", "corrected_time"):
        changed[name] = sa.case((new.evaluation_id == NO_RUN, new[name]), else_=old[name])
    return statement.on_conflict_do_update(index_elements=["scheme", "customer_id"], set_=changed)


def _decides(old: Columns, new: Columns) -> sa.ColumnElement[bool]:
    """Tell whether a new movement decides where an old one did.

    One that grades outranks all others; of those others the one that is added is the one recorded last.
    """
    order = ("since_time", "record_time", "evaluation_id")
    later = sa.tuple_(*(new[name] for name in order)) > sa.tuple_(*(old[name] for name in order))
    return sa.or_(old.evaluation_id == NO_RUN, sa.and_(new.evaluation_id != NO_RUN, later))


# Of a member's movements, as `domain.deciding` has it: what counts, and the one that decides before all others.
GRADES = MOVEMENTS.c.evaluation_id != NO_RUN
COUNTS = sa.and_(STANDS, sa.or_(GRADES, MOVEMENTS.c.record_time == MEMBERS.c.corrected_time))
DECIDING = (
    GRADES.desc(),
    *(MOVEMENTS.c[name].desc() for name in ("effective_time", "record_time", "evaluation_id")),
)


def held(scheme: str, time: int) -> sa.Subquery:
    """Find for all members the class that holds at a time: rows of customer_id and to_class, NULL for none.

    It is the SQL of `domain.class_at`. What decides at present decides at the time too, where it is effective by then.
    Before a first purchase nothing is; only before the latest grading does one have to look for what came earlier: one
    more, or else the last correction. By the primary keys.
    """
    column, member = MOVEMENTS.c, MEMBERS.c
    mine = (column.scheme == scheme, column.customer_id == member.customer_id, column.effective_time <= time)
    earlier = sa.select(column.to_class).where(*mine, COUNTS).order_by(*DECIDING).limit(1).scalar_subquery()
    to_class = sa.case(
        (member.since_time <= time, member.class_key), (member.evaluation_id == NO_RUN, sa.null()), else_=earlier
    )
    return sa.select(member.customer_id, to_class.label("to_class")).where(member.scheme == scheme).subquery("held")


def revert(tx: Tx, scheme: str, evaluation: str, effective_time: int, now: int) -> None:
    """Add the movements that undo a run, and let members stand where they do without it. By `ix_movements_run`.

    `effective_time` is the run's own: from then on the classes hold that held without it.
    """
    made, column, member = MOVEMENTS.alias("made"), MOVEMENTS.c, MEMBERS.c
    mine = (column.scheme == scheme, column.customer_id == member.customer_id, column.effective_time <= effective_time)
    without = (
        sa.select(column.to_class)
        .where(*mine, column.evaluation_id != evaluation, COUNTS)
        .order_by(*DECIDING)
        .limit(1)
        .scalar_subquery()
    )
    same = sa.and_(member.scheme == made.c.scheme, member.customer_id == made.c.customer_id)
    back = (
        sa.select(
            *(made.c.scheme, made.c.customer_id, made.c.effective_time, sa.literal(now), made.c.evaluation_id),
            *(made.c.to_class, without, sa.literal(Cause.REVERT.value)),
        )
        .select_from(made.join(MEMBERS, same))
        .where(made.c.evaluation_id == evaluation, made.c.effective_time == effective_time)
    )
    tx.execute(sa.insert(MOVEMENTS).from_select(list(MOVEMENTS.c), back))
    left = _left(scheme, evaluation).c
    theirs = (member.scheme == scheme, member.customer_id == left.customer_id, left.place == 1)
    tx.execute(sa.update(MEMBERS).where(*theirs).values({name: left[name] for name in DECIDED}))
    # Of whoever the run still decides nothing else is left.
    tx.execute(sa.delete(MEMBERS).where(member.scheme == scheme, member.evaluation_id == evaluation))


def _left(scheme: str, evaluation: str) -> sa.Subquery:
    """Rank the movements that count of the members whom a run decided that was reverted. By the primary keys."""
    column, member = MOVEMENTS.c, MEMBERS.c
    same = sa.and_(column.scheme == member.scheme, column.customer_id == member.customer_id)
    place = sa.func.row_number().over(partition_by=column.customer_id, order_by=DECIDING).label("place")
    decided = (column.to_class.label("class_key"), column.effective_time.label("since_time"))
    query = (
        sa.select(column.customer_id, *decided, column.record_time, column.evaluation_id, place)
        .select_from(MEMBERS.join(MOVEMENTS, same))
        .where(member.scheme == scheme, member.evaluation_id == evaluation, COUNTS)
    )
    return query.subquery("ranked")


def back(evaluation: str) -> sa.Select[Any]:
    """Ask for what the revert of a run means at present, in the columns of `movements`: to the class held, since when.

    Whom a refund has graded since stays where it is. By `ix_movements_run` and the primary key of `members`.
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
        .where(
            *(column.evaluation_id == evaluation, column.cause == Cause.REVERT.value),
            holds_since(column.effective_time),
        )
    )


def movements(tx: Tx, scheme: str, customer: str) -> list[Movement]:
    """Read all movements of a customer in a scheme. By the primary key of `movements`."""
    query = sa.select(MOVEMENTS).where(MOVEMENTS.c.scheme == scheme, MOVEMENTS.c.customer_id == customer)
    return [_movement(row) for row in tx.execute(query)]


def place_in_history(movement: Movement) -> tuple[int, int, str]:
    """Answer where a movement stands in `list_history`."""
    return movement.effective_time, movement.record_time, _run_id(movement)


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
        "evaluation_id": _run_id(movement),
        "from_class": movement.from_class,
        "to_class": movement.to_class,
        "cause": movement.cause,
        "record_time": movement.record_time,
    }


def _run_id(movement: Movement) -> str:
    return BY_REFUND if movement.cause is Cause.REFUND else movement.evaluation or NO_RUN


def _standing(row: sa.Row[Any]) -> Standing:
    graded = row.evaluation_id != NO_RUN
    return Standing(row.class_key, row.since_time, row.record_time, row.began_time, row.corrected_time, graded=graded)


def _movement(row: sa.Row[Any]) -> Movement:
    return Movement(
        scheme=row.scheme,
        customer=row.customer_id,
        from_class=row.from_class,
        to_class=row.to_class,
        cause=Cause(row.cause),
        effective_time=row.effective_time,
        record_time=row.record_time,
        evaluation=None if row.evaluation_id in (NO_RUN, BY_REFUND) else row.evaluation_id,
    )
