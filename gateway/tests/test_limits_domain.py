"""How fast the calls of a key may come, whatever they come like."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import SECOND
from gateway.errors import RateLimited
from gateway.limits.domain import Bucket, Limit, take

LIMITS = st.builds(Limit, st.integers(1, 2000), st.integers(1, 20))
# Many at once, a few milliseconds apart, and after a rest.
PAUSES = st.lists(st.one_of(st.just(0), st.integers(0, 5000), st.integers(0, 3 * SECOND)), min_size=1, max_size=60)
START = 1_000 * SECOND


def let_through(limit: Limit, times: Sequence[int]) -> list[int]:
    """Let calls come at instants; answer the instants of those that got through."""
    bucket, through = Bucket(), []
    for now in times:
        try:
            bucket = take(bucket, limit, now)
        except RateLimited:
            continue
        through.append(now)
    return through


def instants(pauses: Sequence[int]) -> list[int]:
    """Turn pauses into instants."""
    return [START + sum(pauses[: count + 1]) for count in range(len(pauses))]


@given(LIMITS, PAUSES)
def test_no_window_holds_more_than_the_burst_and_what_filled_up(limit: Limit, pauses: list[int]) -> None:
    """Between any two instants at most the burst gets through, and the rate times what lies between them."""
    through = let_through(limit, instants(pauses))
    for first, begin in enumerate(through):
        for last, end in enumerate(through[first:], 1):
            assert last * SECOND <= limit.burst * SECOND + limit.rate * (end - begin)


@given(LIMITS, PAUSES)
def test_a_call_is_refused_only_when_one_more_would_be_too_many(limit: Limit, pauses: list[int]) -> None:
    """Whoever is refused would have passed the limit in some window that ends with the call."""
    times = instants(pauses)
    through = let_through(limit, times)
    for refused in set(times) - set(through):
        before = [time for time in through if time <= refused]
        assert any(
            (len(before) - first + 1) * SECOND > limit.burst * SECOND + limit.rate * (refused - begin)
            for first, begin in enumerate(before)
        )


@given(LIMITS, st.integers(1, 100))
def test_the_steady_rate_is_never_refused(limit: Limit, calls: int) -> None:
    """Calls that come no faster than the rate get through for any length of time, after a burst as well."""
    pause = -(-SECOND // limit.rate)
    times = [START] * (limit.burst - 1) + [START + count * pause for count in range(calls)]
    assert let_through(limit, times) == times


def test_a_refusal_tells_the_rate() -> None:
    """The sentence can name what the caller may do."""
    with pytest.raises(RateLimited) as refused:
        take(Bucket(2 * SECOND, START), Limit(7, 2), START)
    assert refused.value.metadata == {"rate": "7"}


def test_a_clock_that_is_set_back_neither_gives_nor_takes() -> None:
    """The bucket stays as it was and fills up from there."""
    limit = Limit(1, 2)
    bucket = take(take(Bucket(), limit, START), limit, START - 100 * SECOND)
    with pytest.raises(RateLimited):
        take(bucket, limit, START - 100 * SECOND)
    assert take(bucket, limit, START - 99 * SECOND) == Bucket(2 * SECOND, START - 99 * SECOND)
