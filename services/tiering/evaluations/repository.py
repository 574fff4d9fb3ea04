"""The queries of runs: all customers at once, in a few statements."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from services.tiering.evaluations.domain import Evaluation, Figures, Outcome, Run
from services.tiering.evaluations.tables import EVALUATIONS, GRADES, MOVES
from services.tiering.memberships.domain import Cause, Movement
from services.tiering.memberships.tables import MEMBERS, MOVEMENTS, NO_RUN, STANDS, holds_since, refunded_since
from services.tiering.scoring.domain import ClassRange
from services.tiering.spend.tables import SPENDERS
from services.tiering.tables import CURSORS

MOVED = GRADES.c.from_class.is_distinct_from(GRADES.c.to_class)


@contextmanager
def workspace(tx: Tx) -> Iterator[None]:
    """Make and drop the tables that a run works on, within its transaction; a rollback takes them away too.

    `keep_grades` makes the other one.
    """
    MOVES.create(tx)
    yield
    for table in (MOVES, GRADES):
        tx.execute(sa.schema.DropTable(table, if_exists=True))


def take_time(tx: Tx, work_mem: str, seconds: float) -> None:
    """Let the transaction sort and join everybody in memory, and its statements take longer than those of a call."""
    if tx.dialect.name == "postgresql":
        # Its estimate of what looks up a few is far too high, so that it would compile every expression of the grading.
        local = {"work_mem": work_mem, "statement_timeout": str(int(seconds * 1000)), "jit": "off"}
        tx.execute(sa.select(*(sa.func.set_config(name, value, sa.true()) for name, value in local.items())))


def hold_cursors(tx: Tx, source: str) -> dict[int, int]:
    """Read how far a source's events are in, and keep it so until the transaction ends, however long that takes."""
    query = sa.select(CURSORS).where(CURSORS.c.source == source).order_by(CURSORS.c.partition).with_for_update()
    return {row.partition: row.position for row in tx.execute(query)}


def find_first_moves(tx: Tx, run: Run, first_class: str) -> None:
    """Find who has a sale by the run's day and not the class of the first purchase since then: it begins then.

    It is the SQL of `memberships.domain.on_sale`.
    """
    same = sa.and_(MEMBERS.c.scheme == run.scheme, MEMBERS.c.customer_id == SPENDERS.c.customer_id)
    ungraded = sa.or_(MEMBERS.c.customer_id.is_(None), MEMBERS.c.evaluation_id == NO_RUN)
    corrected, recorded = MEMBERS.c.corrected_time, sa.literal(run.record_time)
    moves = (
        sa.select(
            sa.literal(run.scheme),
            SPENDERS.c.customer_id,
            SPENDERS.c.first_sale_time,
            sa.case((corrected >= recorded, corrected + 1), else_=recorded),
            sa.literal(NO_RUN),
            sa.null(),
            sa.literal(first_class),
            sa.case(
                (sa.and_(MEMBERS.c.began_time.is_(None), ungraded), Cause.FIRST_PURCHASE.value),
                else_=Cause.CORRECTION.value,
            ),
            ungraded,
        )
        .select_from(SPENDERS.outerjoin(MEMBERS, same))
        .where(
            SPENDERS.c.first_sale_date <= run.as_of,
            MEMBERS.c.began_time.is_distinct_from(SPENDERS.c.first_sale_time),
        )
    )
    tx.execute(sa.insert(MOVES).from_select(list(MOVES.c), moves))


def keep_grades(tx: Tx, grades: sa.Select[Any]) -> dict[Outcome, int]:
    """Keep what a query of columns of `run_grades` finds; answer how many customers each outcome has."""
    found = grades.subquery("found").c
    columns = (sa.cast(found.get(column.name, sa.null()), column.type).label(column.name) for column in GRADES.c)
    # Made of the query and not filled by it: only so does PostgreSQL sum up days in several processes at once.
    tx.execute(sa.select(*columns).into(GRADES.name, temporary=True))
    _analyze(tx, GRADES)
    count = sa.func.count().label("customers")
    query = sa.select(GRADES.c.from_class, GRADES.c.to_class, count).group_by(GRADES.c.from_class, GRADES.c.to_class)
    return {Outcome(row.from_class, row.to_class): row.customers for row in tx.execute(query)}


def _analyze(tx: Tx, table: sa.Table) -> None:
    """Let PostgreSQL know what has just been written, which nobody else can: the table is this transaction's."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.text(f"ANALYZE {table.name}"))


def class_ranges(tx: Tx) -> tuple[ClassRange, ...]:
    """Read how far each class of a score reaches in the grades kept; of a ladder there is nothing to tell."""
    amount, score = GRADES.c.amount, GRADES.c.score
    ends = (sa.func.min(amount), sa.func.max(amount), sa.func.min(score), sa.func.max(score))
    query = sa.select(GRADES.c.to_class, *ends).where(score.is_not(None)).group_by(GRADES.c.to_class)
    return tuple(ClassRange(*row) for row in tx.execute(query))


def find_leavers(tx: Tx, run: Run) -> None:
    """Find who holds a class of a run though no entry of theirs counts any more: nobody else grades them."""
    member = MEMBERS.c
    left = _move(run, run.effective_time, member.customer_id, member.class_key, sa.null()).add_columns(sa.true())
    left = left.select_from(MEMBERS.outerjoin(SPENDERS, SPENDERS.c.customer_id == member.customer_id))
    gone = (member.scheme == run.scheme, member.class_key.is_not(None), SPENDERS.c.customer_id.is_(None))
    tx.execute(sa.insert(MOVES).from_select(list(MOVES.c), left.where(*gone, holds_since(run.effective_time))))


def find_moves_back(tx: Tx, run: Run, later: int, then: sa.Subquery) -> None:
    """Find who has to be put back, at the time of a later run, to the class held then.

    `then` holds customer_id and to_class: the classes held at that time without this run. Whom the later run moved, or
    a refund before it, is where it belongs; about all others it has said, by moving them not, that they stay what they
    were.
    """
    same = (MOVEMENTS.c.scheme == run.scheme, MOVEMENTS.c.customer_id == GRADES.c.customer_id)
    since = (MOVEMENTS.c.effective_time > run.effective_time, MOVEMENTS.c.effective_time <= later)
    moved_then = sa.exists().where(*same, *since, MOVEMENTS.c.evaluation_id != NO_RUN, STANDS)
    back = _move(run, later, GRADES.c.customer_id, GRADES.c.to_class, then.c.to_class).add_columns(sa.false())
    back = back.select_from(GRADES.outerjoin(then, then.c.customer_id == GRADES.c.customer_id))
    query = back.where(MOVED, then.c.to_class.is_distinct_from(GRADES.c.to_class), ~moved_then)
    tx.execute(sa.insert(MOVES).from_select(list(MOVES.c), query))


def _move(
    run: Run,
    time: int,
    customer_id: sa.ColumnElement[Any],
    from_class: sa.ColumnElement[Any],
    to_class: sa.ColumnElement[Any],
) -> sa.Select[Any]:
    """Ask for what a run moves at a time, in the columns of `movements`."""
    values = {
        "scheme": sa.literal(run.scheme),
        "customer_id": customer_id,
        "effective_time": sa.literal(time),
        "record_time": sa.literal(run.record_time),
        "evaluation_id": sa.literal(run.id),
        "from_class": from_class,
        "to_class": to_class,
        "cause": sa.literal(Cause.EVALUATION.value),
    }
    return sa.select(*(values[column.name].label(column.name) for column in MOVEMENTS.c))


def _refunded_since(run: Run) -> sa.ColumnElement[bool]:
    """Tell of whom a grade is whether a refund after a run's day decides: there are few of them."""
    same = (MEMBERS.c.scheme == run.scheme, MEMBERS.c.customer_id == GRADES.c.customer_id)
    return sa.exists().where(*same, refunded_since(run.effective_time))


def regraded(run: Run) -> sa.Select[Any]:
    """Ask for the movements of those whose class the run found to be another."""
    grade = GRADES.c
    return _move(run, run.effective_time, grade.customer_id, grade.from_class, grade.to_class).where(MOVED)


def moves(run: Run) -> sa.Select[Any]:
    """Ask for the other movements found that the run makes."""
    return _moves_of(run.id)


def first_moves() -> sa.Select[Any]:
    """Ask for the movements found that no run makes."""
    return _moves_of(NO_RUN)


def current_first_moves() -> sa.Select[Any]:
    """Ask for those of them that change what holds at present."""
    return first_moves().where(MOVES.c.current)


def _moves_of(run: str) -> sa.Select[Any]:
    return sa.select(*(MOVES.c[column.name] for column in MOVEMENTS.c)).where(MOVES.c.evaluation_id == run)


def _told(run: Run) -> sa.Subquery:
    """Ask whom a run of the present moves, and how, those aside whom a refund has graded since its day."""
    columns = ("customer_id", "from_class", "to_class")
    moved = sa.select(*(GRADES.c[name] for name in columns)).where(MOVED, ~_refunded_since(run))
    left = sa.select(*(MOVES.c[name] for name in columns)).where(MOVES.c.evaluation_id == run.id)
    return sa.union_all(moved, left).subquery("told")


def count_told(tx: Tx, run: Run) -> dict[Outcome, int]:
    """Count whom a run of the present moves, by the classes."""
    one = _told(run).c
    query = sa.select(one.from_class, one.to_class, sa.func.count()).group_by(one.from_class, one.to_class)
    return {Outcome(from_class, to_class): number for from_class, to_class, number in tx.execute(query)}


def told(run: Run, outcome: Outcome) -> sa.Select[str]:
    """Ask whom a run of the present moves so."""
    one = _told(run).c
    same = (one[name].is_not_distinct_from(value) for name, value in dataclasses.asdict(outcome).items())
    return sa.select(one.customer_id).where(*same)


def confirmed(run: Run, class_key: str) -> sa.Select[str]:
    """Ask who keeps a class, those aside of whom a movement is told.

    Whom a refund has graded since the run's day holds another class than the run found.
    """
    told = sa.exists().where(MOVES.c.customer_id == GRADES.c.customer_id, MOVES.c.current)
    kept = (GRADES.c.from_class == class_key, GRADES.c.to_class == class_key)
    return sa.select(GRADES.c.customer_id).where(*kept, ~told, ~_refunded_since(run))


def count(tx: Tx, query: sa.Select[Any]) -> int:
    """Count what a query answers."""
    return tx.scalar(sa.select(sa.func.count()).select_from(query.order_by(None).subquery())) or 0


def next_run(tx: Tx, run: Run) -> int | None:
    """Find when the next run of a later day, of those in effect, takes effect. By `ix_evaluations_scheme`."""
    column = EVALUATIONS.c
    later = (*_in_effect(run.scheme), column.effective_time > run.effective_time)
    time: int | None = tx.scalar(sa.select(sa.func.min(column.effective_time)).where(*later))
    return time


def newest(tx: Tx, scheme: str) -> Evaluation | None:
    """Find, of a scheme's runs in effect, the one that was applied last. By `ix_evaluations_scheme`."""
    column = EVALUATIONS.c
    order = (column.apply_time.desc(), column.id.desc())
    row = tx.execute(sa.select(EVALUATIONS).where(*_in_effect(scheme)).order_by(*order).limit(1)).one_or_none()
    return None if row is None else _evaluation(row)


def _in_effect(scheme: str) -> tuple[sa.ColumnElement[bool], ...]:
    column = EVALUATIONS.c
    return column.scheme == scheme, column.apply_time.is_not(None), column.revert_time.is_(None)


def add(tx: Tx, evaluation: Evaluation) -> None:
    """Write a run down."""
    run, figures = evaluation.run, evaluation.figures
    row = {
        "id": run.id,
        "scheme": run.scheme,
        "as_of": run.as_of,
        "policy_version": run.policy_version,
        "effective_time": run.effective_time,
        "create_time": run.record_time,
        "apply_time": evaluation.apply_time,
        "revert_time": evaluation.revert_time,
        "known_through": json.dumps(evaluation.known_through),
        "class_counts": json.dumps(figures.class_counts),
        "class_ranges": json.dumps([dataclasses.astuple(one) for one in evaluation.class_ranges]),
        "denominator": figures.denominator,
        "none_count": figures.none_count,
        "up_count": figures.up_count,
        "down_count": figures.down_count,
    }
    tx.execute(sa.insert(EVALUATIONS).values(row))


def save(tx: Tx, evaluation: Evaluation) -> None:
    """Write down that a run was applied or reverted, and what it then knew. By the primary key."""
    values = {
        "apply_time": evaluation.apply_time,
        "revert_time": evaluation.revert_time,
        "known_through": json.dumps(evaluation.known_through),
    }
    tx.execute(sa.update(EVALUATIONS).where(EVALUATIONS.c.id == evaluation.run.id).values(values))


def find(tx: Tx, evaluation: str) -> Evaluation | None:
    """Read a run, if it is there. By the primary key."""
    row = tx.execute(sa.select(EVALUATIONS).where(EVALUATIONS.c.id == evaluation)).one_or_none()
    return None if row is None else _evaluation(row)


def behind(tx: Tx, movement: Movement) -> Evaluation | None:
    """Find the run that decided by a movement, None for a first purchase or a refund. By `ix_evaluations_scheme`.

    It is the run that made the movement. One that only put the customer back decided nothing at that time: then it is
    the last run that did take effect there.
    """
    column = EVALUATIONS.c
    same = (*_in_effect(movement.scheme), column.effective_time == movement.effective_time)
    order = (sa.case((column.id == movement.evaluation, 0), else_=1), column.apply_time.desc(), column.id.desc())
    if movement.evaluation is None:
        return None
    row = tx.execute(sa.select(EVALUATIONS).where(*same).order_by(*order).limit(1)).one_or_none()
    return None if row is None else _evaluation(row)


def list_runs(tx: Tx, scheme: str, *, before: str | None, limit: int) -> Sequence[Evaluation]:
    """List the runs of a scheme, the newest first: ids grow with time. By `ix_evaluations_scheme`."""
    query = sa.select(EVALUATIONS).where(EVALUATIONS.c.scheme == scheme)
    if before is not None:
        query = query.where(EVALUATIONS.c.id < before)
    return [_evaluation(row) for row in tx.execute(query.order_by(EVALUATIONS.c.id.desc()).limit(limit))]


def _evaluation(row: sa.Row[Any]) -> Evaluation:
    run = Run(row.id, row.scheme, row.as_of, row.policy_version, row.effective_time, row.create_time)
    counts = tuple((key, count) for key, count in json.loads(row.class_counts))
    figures = Figures(row.denominator, counts, row.none_count, row.up_count, row.down_count)
    known = {int(partition): position for partition, position in json.loads(row.known_through).items()}
    ranges = tuple(ClassRange(*one) for one in json.loads(row.class_ranges))
    return Evaluation(run, row.apply_time, row.revert_time, known, figures, ranges)
