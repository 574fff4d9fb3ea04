"""Rotation: a new key takes over from the old one bit by bit, while everything opens and is found all the time."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chassis.database import Database, Tx, metadata
from chassis.tests.events import at_once
from chassis.vault import REWRAP, Rewrapping, SealBroken, Vault, vault_table

TABLES = metadata()
KEYS = vault_table(TABLES)

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
OLD_INDEX, NEW_INDEX = bytes(range(32, 64)), bytes(range(64, 96))
CONTEXT = "people.address"

BEFORE = Vault(KEYS, [OLD], [OLD_INDEX])
BETWEEN = Vault(KEYS, [NEW, OLD], [NEW_INDEX, OLD_INDEX])
AFTER = Vault(KEYS, [NEW], [NEW_INDEX])


def subjects(count: int) -> list[str]:
    """Name subjects."""
    return [f"customers/{number}" for number in range(count)]


def seal(database: Database, vault: Vault, names: list[str]) -> dict[str, bytes]:
    """Seal each name for its own subject."""
    with database.write() as tx:
        return dict(zip(names, vault.seal_many(tx, [(name, name.encode(), CONTEXT) for name in names]), strict=True))


def opened(database: Database, vault: Vault, sealed: dict[str, bytes]) -> list[bytes | None]:
    """Open all."""
    with database.read() as tx:
        return vault.open_many(tx, [(name, value, CONTEXT) for name, value in sealed.items()])


def counts(database: Database) -> dict[str, int]:
    """Count subjects by the service key that wraps theirs."""
    with database.read() as tx:
        return BETWEEN.counts(tx)


def rewrap(database: Database, limit: int = 1000) -> int:
    """Re-wrap once."""
    return database.transact(lambda tx: BETWEEN.rewrap(tx, limit))


@pytest.mark.requirement("G-22")
def test_the_newest_key_wraps_and_the_others_open(database: Database) -> None:
    """What was sealed before the rotation opens, and what is new is wrapped by the new key alone."""
    old = seal(database, BEFORE, subjects(3))
    assert opened(database, BETWEEN, old) == [name.encode() for name in old]
    new = seal(database, BETWEEN, ["customers/new"])
    assert opened(database, AFTER, new) == [b"customers/new"]
    with pytest.raises(SealBroken, match=BETWEEN.key_id):
        opened(database, BEFORE, new)
    assert counts(database) == {BEFORE.key_id: 3, AFTER.key_id: 1}


@pytest.mark.requirement("G-22")
def test_after_re_wrapping_the_old_key_may_go(database: Database) -> None:
    """In batches every key of a living subject passes to the new service key; then the new one alone opens all."""
    sealed = seal(database, BEFORE, subjects(25))
    with database.write() as tx:
        BEFORE.erase(tx, "customers/7")
    assert [rewrap(database, 10) for _ in range(4)] == [10, 10, 4, 0]
    assert counts(database) == {AFTER.key_id: 24}
    expected = [None if name == "customers/7" else name.encode() for name in sealed]
    assert opened(database, AFTER, sealed) == expected
    with pytest.raises(SealBroken):
        opened(database, BEFORE, sealed)


def test_re_wrapping_that_breaks_off_goes_on(database: Database) -> None:
    """A batch that is undone is done again, and everything opens in between."""
    sealed = seal(database, BEFORE, subjects(10))

    def break_off(tx: Tx) -> None:
        BETWEEN.rewrap(tx, 4)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.transact(break_off)
    assert counts(database) == {BEFORE.key_id: 10}
    rewrap(database, 4)
    assert counts(database) == {BEFORE.key_id: 6, AFTER.key_id: 4}
    assert opened(database, BETWEEN, sealed) == [name.encode() for name in sealed]


def test_without_an_older_key_nothing_is_re_wrapped(database: Database) -> None:
    """A ring of one key has nothing to do, also where keys are wrapped by one that is not configured."""
    seal(database, BEFORE, subjects(2))
    assert database.transact(lambda tx: AFTER.rewrap(tx, 10)) == 0
    assert Rewrapping(database, AFTER).step() == 0
    assert counts(database) == {BEFORE.key_id: 2}


def test_two_processes_may_re_wrap_at_once(database: Database) -> None:
    """However many do the work, each key is whole and opens under the new service key."""
    sealed = seal(database, BEFORE, subjects(60))

    def work() -> None:
        while rewrap(database, 7):
            pass

    at_once(*[work] * 3)
    assert counts(database) == {AFTER.key_id: 60}
    assert opened(database, AFTER, sealed) == [name.encode() for name in sealed]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_an_erasure_meanwhile_stands(database: Database) -> None:
    """A subject that is erased while its key is being re-wrapped stays erased."""
    sealed = seal(database, BEFORE, subjects(3))

    def overtaken(tx: Tx) -> int:
        sa.event.listen(tx, "after_cursor_execute", partial(erase, database), once=True)
        return BETWEEN.rewrap(tx, 10)

    assert database.transact(overtaken) == 3
    assert opened(database, BETWEEN, sealed) == [b"customers/0", None, b"customers/2"]
    assert counts(database) == {AFTER.key_id: 2}


def erase(database: Database, *_: object) -> None:
    """Erase a subject in a transaction of its own."""
    with database.write() as tx:
        BETWEEN.erase(tx, "customers/1")


def test_the_background_work_tells_where_it_stands(database: Database) -> None:
    """It logs how many keys each service key wraps when it begins and when none is left, and not at every step."""
    seal(database, BEFORE, subjects(2 * REWRAP + 1))
    work = Rewrapping(database, BETWEEN)
    with capture_logs() as logs:
        assert [work.step() for _ in range(6)] == [REWRAP, REWRAP, 1, 0, 0, 0]
    assert [(line["event"], line["newest"], line["subjects"]) for line in logs] == [
        ("vault keys", AFTER.key_id, {AFTER.key_id: REWRAP, BEFORE.key_id: REWRAP + 1}),
        ("vault keys", AFTER.key_id, {AFTER.key_id: 2 * REWRAP + 1}),
    ]
    # A replica that was started with the old settings still makes keys for a while.
    seal(database, BEFORE, ["customers/late"])
    with capture_logs():
        assert [work.step(), work.step()] == [1, 0]


def test_digests_of_all_keys_answer() -> None:
    """A value is written under the newest index key and found under each."""
    digests = BETWEEN.digests("phone", "+8613800138000")
    assert digests == (AFTER.digest("phone", "+8613800138000"), BEFORE.digest("phone", "+8613800138000"))
    assert BETWEEN.digest("phone", "+8613800138000") == digests[0]
    assert len(set(digests)) == 2
