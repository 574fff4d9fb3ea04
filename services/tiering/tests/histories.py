"""Walks of one customer through a scheme, and the class at any time told slowly: what tests of movements share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from services.tiering.memberships.domain import Cause, Movement, Standing, class_at, deciding, on_sale
from services.tiering.tests.owner import ANNA


@dataclass(frozen=True)
class History:
    """What happened to Anna; `first`, `runs` and `refunds` are all that is left of it in the end."""

    moved: list[Movement]  # in the order in which they became known
    first: tuple[str, int] | None  # the first class, and since when
    runs: list[list[Movement]]  # the movements of each run that was not reverted
    refunds: list[Movement]

    def class_at(self, time: int) -> str | None:
        """Tell the class that holds at a time."""
        graded = [one for some in (*self.runs, self.refunds) for one in some if one.effective_time <= time]
        if graded:
            return max(graded, key=lambda one: (one.effective_time, one.record_time)).to_class
        return self.first[0] if self.first and self.first[1] <= time else None


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw sales, losses of sales, runs of any day, classes lost by refunds, and reverts of the last run, all mixed."""
    moved, first, runs, refunds = list[Movement](), None, list[list[Movement]](), list[Movement]()
    for number in range(draw(st.integers(0, 9))):
        time, what = draw(st.integers(0, 6)), draw(st.sampled_from(["SALE", "LOSS", "RUN", "RUN", "REFUND", "REVERT"]))
        if what in ("SALE", "LOSS"):
            # A first sale may be lost to a later one, too; the clock may stand still or go back.
            begun, now = None if what == "LOSS" else time, draw(st.integers(0, 3))
            change = on_sale("s", ANNA, f"NEW_{number}", standing_of(moved), begun, now)
            moved += [change] if change else []
            if begun is None or first is None or first[1] != begun:
                first = None if begun is None else (f"NEW_{number}", begun)
        elif what == "RUN":
            made = Movement("s", ANNA, None, draw(CLASSES), Cause.EVALUATION, time, number, f"run-{number}")
            # One of an earlier day than another's says, too, what holds from that day on.
            back = replace(made, effective_time=draw(st.integers(time + 1, 7)), to_class=draw(CLASSES))
            runs.append([made, back] if draw(st.booleans()) else [made])
            moved += runs[-1]
        elif what == "REFUND":
            refunds.append(Movement("s", ANNA, None, draw(CLASSES), Cause.REFUND, time, number))
            moved.append(refunds[-1])
        elif runs:
            moved.append(reverting(moved, runs.pop()[0], number))
    return History(moved, first, runs, refunds)


CLASSES = st.sampled_from([None, "A", "B"])


def reverting(moved: Sequence[Movement], made: Movement, now: int) -> Movement:
    """Write the movement that takes a run back, by the first that the run made."""
    back = replace(made, from_class=made.to_class, cause=Cause.REVERT, record_time=now)
    return replace(back, to_class=class_at([*moved, back], made.effective_time))


def standing_of(movements: Sequence[Movement]) -> Standing | None:
    """Tell where a customer with these movements stands, as the repository keeps it."""
    decided = deciding(movements, 10**18)
    if decided is None:
        return None
    corrections = [one for one in movements if one.cause in (Cause.FIRST_PURCHASE, Cause.CORRECTION)]
    last = max(corrections, key=lambda one: one.record_time, default=None)
    return Standing(
        class_key=decided.to_class,
        since_time=decided.effective_time,
        record_time=decided.record_time,
        began_time=last.effective_time if last and last.to_class else None,
        corrected_time=last.record_time if last else None,
        graded=decided.cause in (Cause.EVALUATION, Cause.REFUND),
    )
