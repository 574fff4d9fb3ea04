"""The ledger of consents on both engines: whatever is said in whatever order, the latest word decides."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database import Database
from chassis.migrations import upgrade
from services.customer.consents import repository
from services.customer.consents.domain import Basis, Channel, Decision, Record, Source, Use, Word, decide
from services.customer.policies.domain import Purpose
from services.customer.server import PROGRAM
from services.customer.tables import METADATA
from tests.databases import MakeDatabase

# One database serves all examples of a test: each has a customer of its own.
examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@dataclass(frozen=True)
class Said:
    """One request: what a customer said of some uses, and what the clock showed."""

    decision: Decision
    uses: tuple[Use, ...]
    clock: int


# Few purposes, channels and instants, so that words meet; clocks of several processes may run behind each other.
uses = st.builds(Use, st.sampled_from((Purpose.SERVICE, Purpose.OFFERS)), st.sampled_from(list(Channel)[:3]))
said = st.builds(
    Said,
    st.sampled_from(Decision),
    st.lists(uses, min_size=1, max_size=3, unique=True).map(tuple),
    st.integers(0, 6),
)


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make the service's database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, METADATA), PROGRAM.name)


def tell(database: Database, words: Sequence[Said]) -> tuple[str, list[list[Record]]]:
    """Record what a new customer says, and what stands in the ledger after each word, the oldest first."""
    customer_id, seen = str(uuid.uuid4()), []
    for number, each in enumerate(words):
        word = Word(each.decision, Source.WEB, f"O{number}", "apiKeys/1", f"version {number}")
        database.transact(
            lambda tx, each=each, word=word: repository.append(tx, customer_id, each.uses, word, each.clock)  # type: ignore[misc]
        )
        with database.read() as tx:
            seen.append(repository.records(tx, customer_id, limit=1000)[::-1])
    return customer_id, seen


def reference(words: Sequence[Said], use: Use, until: int | None, *, opt_in: bool) -> Basis:
    """Keep a switch per purpose and channel and turn it word by word; time never runs back."""
    first = Basis.NEVER_GRANTED if opt_in or use.purpose is not Purpose.SERVICE else Basis.NO_OPT_IN_NEEDED
    switches = {(use.purpose, channel): first for channel in Channel}
    time = 0
    for each in words:
        time = max(time, each.clock)
        for spoken in each.uses:
            if until is None or time <= until:
                for channel in Channel if spoken.channel is Channel.ALL else (spoken.channel,):
                    switches[(spoken.purpose, channel)] = Basis(each.decision)
    return switches[(use.purpose, use.channel)]


@pytest.mark.requirement("C-38", "X-13")
@examples
@given(words=st.lists(said, max_size=8), use=uses, opt_in=st.booleans())
def test_the_decision_at_any_time_is_the_references(
    database: Database, words: list[Said], use: Use, *, opt_in: bool
) -> None:
    """For any order of grants and withdrawals, at every instant and now, the query decides as turning switches does."""
    customer_id, _ = tell(database, words)
    with database.read() as tx:
        for until in (None, *range(-1, 8)):
            record = repository.deciding(tx, customer_id, use, until)
            basis = decide(use.purpose, record, service_opt_in=opt_in)
            assert basis is reference(words, use, until, opt_in=opt_in), until


@pytest.mark.requirement("C-38")
@examples
@given(words=st.lists(said, min_size=1, max_size=6))
def test_nothing_that_was_said_is_changed(database: Database, words: list[Said]) -> None:
    """Each word is added behind the others, numbered without a gap and never earlier; they stay as they are."""
    _, seen = tell(database, words)
    for earlier, later in zip([[], *seen], seen, strict=False):
        assert later[: len(earlier)] == earlier
    assert [record.sequence for record in seen[-1]] == list(range(1, 1 + sum(len(each.uses) for each in words)))
    times = [record.record_time for record in seen[-1]]
    assert times == sorted(times)
    expected = [(each.decision, use) for each in words for use in each.uses]
    assert [(record.word.decision, record.use) for record in seen[-1]] == expected


def test_one_customers_word_counts_for_nobody_else(database: Database) -> None:
    """Records are read by customer."""
    tell(database, [Said(Decision.GRANTED, (Use(Purpose.OFFERS),), 1)])
    with database.read() as tx:
        assert repository.deciding(tx, str(uuid.uuid4()), Use(Purpose.OFFERS), None) is None
