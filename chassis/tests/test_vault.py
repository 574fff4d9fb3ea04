"""The vault: what is sealed stays secret, opens only where it belongs, and is gone once its subject is erased."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chassis.database import Database, Text, metadata
from chassis.vault import SealBroken, SubjectErased, Vault, generate_key, read_keys, vault_table

TABLES = metadata()
KEYS = vault_table(TABLES)
PEOPLE = sa.Table(
    "people",
    TABLES,
    sa.Column("subject", Text, primary_key=True),
    sa.Column("address", sa.LargeBinary, nullable=False),
    sa.Column("phone_digest", sa.LargeBinary, nullable=False),
)

MASTER_KEY = bytes(range(32))
INDEX_KEY = bytes(range(32, 64))
ADDRESS = "people.address"
LIN, WANG = "customers/lin", "customers/wang"
WHERE_LIN_LIVES = "北京市海淀区中关村大街59号"
PHONE_OF_LIN = "+8613800138000"


@pytest.fixture
def vault() -> Vault:
    """Make a vault over the test's tables."""
    return Vault(KEYS, [MASTER_KEY], [INDEX_KEY])


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    """Note every statement that is sent."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    for engine in (database.writer, database.reader):
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        for engine in (database.writer, database.reader):
            sa.event.remove(engine, "before_cursor_execute", note)


def everything_in(database: Database) -> bytes:
    """Answer all bytes that the database keeps: SQLite's files, or every row of PostgreSQL as it writes it out."""
    if database.sqlite:
        path = Path(str(database.url.database))
        return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    with database.read() as tx:
        rows = [tx.execute(sa.text(f"SELECT * FROM {table.name}")).all() for table in TABLES.sorted_tables]  # noqa: S608
    values = [value for table in rows for row in table for value in row]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(plaintext=st.binary(max_size=300), subject=st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
@example(plaintext=b"", subject="")
def test_what_is_sealed_opens(database: Database, vault: Vault, plaintext: bytes, subject: str) -> None:
    """Any bytes come back as they were, for any subject."""
    with database.write() as tx:
        sealed = vault.seal(tx, subject, plaintext, ADDRESS)
    with database.read() as tx:
        assert vault.open(tx, subject, sealed, ADDRESS) == plaintext


@pytest.mark.requirement("G-22")
def test_plaintext_is_nowhere_in_the_database(database: Database, vault: Vault) -> None:
    """Neither what was sealed nor what was digested stands anywhere in the database, in the write-ahead log either."""

    def keep(address: bytes, digest: bytes, subject: str) -> None:
        with database.write() as tx:
            tx.execute(sa.insert(PEOPLE).values(subject=subject, address=address, phone_digest=digest))

    with database.write() as tx:
        sealed = vault.seal(tx, LIN, WHERE_LIN_LIVES.encode(), ADDRESS)
    keep(sealed, vault.digest("phone", PHONE_OF_LIN), LIN)
    found = everything_in(database)
    assert sealed in found
    for secret in (WHERE_LIN_LIVES, PHONE_OF_LIN):
        for encoding in ("utf-8", "utf-16-le", "gb18030"):
            assert secret.encode(encoding) not in found
    assert MASTER_KEY not in found

    # The search itself bites: what is written plainly is found.
    keep(WHERE_LIN_LIVES.encode(), PHONE_OF_LIN.encode(), WANG)
    assert WHERE_LIN_LIVES.encode() in everything_in(database)
    assert PHONE_OF_LIN.encode() in everything_in(database)


def test_one_value_sealed_twice_looks_different(database: Database, vault: Vault) -> None:
    """Equal values cannot be told by their sealed form, not even for one subject."""
    with database.write() as tx:
        first, second = vault.seal_many(tx, [(LIN, b"same", ADDRESS)] * 2)
    assert first != second


@pytest.mark.parametrize(
    ("subject", "context"), [(WANG, ADDRESS), (LIN, "people.name")], ids=["other subject", "other column"]
)
def test_a_swapped_value_does_not_open(database: Database, vault: Vault, subject: str, context: str) -> None:
    """A sealed value that was moved to another subject's row or to another column is refused, not shown."""
    with database.write() as tx:
        sealed, _ = vault.seal_many(tx, [(LIN, b"Lin's", ADDRESS), (WANG, b"Wang's", ADDRESS)])
        with pytest.raises(SealBroken, match=subject):
            vault.open(tx, subject, sealed, context)


def test_an_altered_value_does_not_open(database: Database, vault: Vault) -> None:
    """Whichever bit is turned, and wherever the value is cut, it is refused."""
    with database.write() as tx:
        sealed = vault.seal(tx, LIN, b"x", ADDRESS)
        altered = [sealed[:length] for length in range(len(sealed))]
        altered += [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
        for wrong in altered:
            with pytest.raises(SealBroken):
                vault.open(tx, LIN, wrong, ADDRESS)


def test_a_subject_s_key_opens_in_its_own_row_only(database: Database, vault: Vault) -> None:
    """A wrapped key that was copied into another subject's row is refused."""
    with database.write() as tx:
        sealed, _ = vault.seal_many(tx, [(LIN, b"Lin's", ADDRESS), (WANG, b"Wang's", ADDRESS)])
        wrapped = tx.scalar(sa.select(KEYS.c.wrapped).where(KEYS.c.subject == LIN))
        tx.execute(sa.update(KEYS).where(KEYS.c.subject == WANG).values(wrapped=wrapped))
        with pytest.raises(SealBroken, match=WANG):
            vault.open(tx, WANG, sealed, ADDRESS)


def test_another_service_key_opens_nothing(database: Database, vault: Vault) -> None:
    """A service that was started with another master key says so, and names the key that it lacks by its id."""
    with database.write() as tx:
        sealed = vault.seal(tx, LIN, b"x", ADDRESS)
        key_id = tx.scalar(sa.select(KEYS.c.key_id))
        assert key_id
        with pytest.raises(SealBroken, match=key_id):
            Vault(KEYS, [bytes(32)], [INDEX_KEY]).open(tx, LIN, sealed, ADDRESS)
        assert Vault(KEYS, [MASTER_KEY], [bytes(32)]).open(tx, LIN, sealed, ADDRESS) == b"x"


def test_the_erased_read_as_erased(database: Database, vault: Vault) -> None:
    """After a subject is erased its values read as None, and everybody else's as before."""
    with database.write() as tx:
        items = [(LIN, b"Lin's", ADDRESS), (WANG, b"Wang's", ADDRESS)]
        sealed = vault.seal_many(tx, items)
        vault.erase(tx, LIN)
    with database.read() as tx:
        assert vault.open(tx, LIN, sealed[0], ADDRESS) is None
        assert vault.open(tx, "customers/never-seen", sealed[0], ADDRESS) is None
        again = [(LIN, sealed[0], ADDRESS), (WANG, sealed[1], ADDRESS)]
        assert vault.open_many(tx, again) == [None, b"Wang's"]


@pytest.mark.parametrize("known", [True, False], ids=["with a key", "never seen"])
def test_nothing_is_sealed_for_the_erased(database: Database, vault: Vault, *, known: bool) -> None:
    """A write that comes late cannot bring an erased subject back."""
    with database.write() as tx:
        if known:
            vault.seal(tx, LIN, b"x", ADDRESS)
        vault.erase(tx, LIN)
        vault.erase(tx, LIN)
        with pytest.raises(SubjectErased, match=LIN):
            vault.seal_many(tx, [(WANG, b"x", ADDRESS), (LIN, b"x", ADDRESS)])


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_erased_key_is_gone_from_the_file(database: Database, vault: Vault) -> None:
    """Once the write-ahead log is worked in, the key's bytes stand nowhere in a SQLite file."""
    with database.write() as tx:
        vault.seal(tx, LIN, b"x", ADDRESS)
        wrapped = tx.execute(sa.select(KEYS.c.wrapped)).scalar_one()
    assert wrapped in everything_in(database)
    with database.write() as tx:
        vault.erase(tx, LIN)
    with database.read() as tx:
        tx.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    assert wrapped not in everything_in(database)


def test_the_first_use_may_happen_twice_at_once(database: Database, vault: Vault) -> None:
    """Transactions that seal for the same new subjects at once agree on their keys."""
    subjects = [f"customers/{number}" for number in range(20)]
    start = Barrier(4)

    def seal(worker: int) -> list[bytes]:
        start.wait()
        order = subjects if worker % 2 else subjects[::-1]
        return database.transact(lambda tx: vault.seal_many(tx, [(name, b"%d" % worker, ADDRESS) for name in order]))

    with ThreadPoolExecutor(4) as pool:
        sealed = list(pool.map(seal, range(4)))
    with database.read() as tx:
        for worker, values in enumerate(sealed):
            order = subjects if worker % 2 else subjects[::-1]
            opened = vault.open_many(tx, [(name, value, ADDRESS) for name, value in zip(order, values, strict=True)])
            assert opened == [b"%d" % worker] * len(subjects)


def test_lists_cost_few_queries(database: Database, vault: Vault) -> None:
    """A page of customers opens with one query, and an import seals with three, or one where the keys are known."""
    items = [(f"customers/{number}", b"%d" % number, ADDRESS) for number in range(200)]
    with queries(database) as sent, database.write() as tx:
        vault.seal_many(tx, items)
    assert len([statement for statement in sent if not statement.startswith("BEGIN")]) == 3
    with queries(database) as sent, database.write() as tx:
        sealed = vault.seal_many(tx, items)
    assert len([statement for statement in sent if not statement.startswith("BEGIN")]) == 1
    with queries(database) as sent, database.read() as tx:
        wanted = [(item[0], value, ADDRESS) for item, value in zip(items, sealed, strict=True)]
        assert vault.open_many(tx, wanted) == [plaintext for _, plaintext, _ in items]
    assert len(sent) == 1


def test_a_batch_may_be_large(database: Database, vault: Vault) -> None:
    """More subjects than one statement may name are sealed and opened all the same, and none is fine too."""
    items = [(f"customers/{number}", b"%d" % number, ADDRESS) for number in range(1100)]
    with database.write() as tx:
        sealed = vault.seal_many(tx, items)
        wanted = [(item[0], value, ADDRESS) for item, value in zip(items, sealed, strict=True)]
        assert vault.open_many(tx, wanted) == [plaintext for _, plaintext, _ in items]
        assert vault.seal_many(tx, []) == vault.open_many(tx, []) == []


def test_digests_find_and_do_not_tell(vault: Vault) -> None:
    """The same value of the same kind has the same digest; another kind, value or key has another."""
    assert vault.digest("phone", PHONE_OF_LIN) == Vault(KEYS, [bytes(32)], [INDEX_KEY]).digest("phone", PHONE_OF_LIN)
    others = [
        vault.digest("phone", PHONE_OF_LIN),
        vault.digest("phone", PHONE_OF_LIN[:-1]),
        vault.digest("member_code", PHONE_OF_LIN),
        vault.digest("", PHONE_OF_LIN),
        Vault(KEYS, [MASTER_KEY], [bytes(32)]).digest("phone", PHONE_OF_LIN),
    ]
    assert len(set(others)) == len(others)
    assert {len(digest) for digest in others} == {32}


def test_keys_come_from_settings_and_are_not_shown(vault: Vault) -> None:
    """A generated key can be read; no error and no repr shows a key."""
    keys = [generate_key() for _ in range(10)]
    assert len(set(keys)) == 10
    ring = read_keys(" ,\n".join(keys))
    assert ring == tuple(base64.b64decode(key) for key in keys)
    for wrong in (
        "",
        "s3cret",
        f"{generate_key()},s3cret",
        f"{generate_key()},",
        base64.b64encode(b"s3cret").decode(),
        "s3cret schlüssel",
        generate_key() + "s3cret",
    ):
        with pytest.raises(ValueError, match="base64 of 32 bytes") as refused:
            read_keys(wrong)
        assert "s3cret" not in str(refused.value)
    shown = repr(vault) + str(vault)
    assert not any(form in shown for form in (repr(MASTER_KEY), repr(INDEX_KEY), INDEX_KEY.hex(), MASTER_KEY.hex()))


@pytest.mark.parametrize(
    ("service", "index"),
    [
        ([b"short"], [INDEX_KEY]),
        ([MASTER_KEY], [b""]),
        ([MASTER_KEY], [MASTER_KEY]),
        ([MASTER_KEY, MASTER_KEY], [INDEX_KEY]),
        ([], [INDEX_KEY]),
        ([MASTER_KEY], []),
    ],
    ids=["short service key", "short index key", "one key for both", "one key twice", "no service key", "no index key"],
)
def test_unfit_keys_are_refused(service: list[bytes], index: list[bytes]) -> None:
    """Keys that are missing or too short, or one key for two uses, stop the start."""
    with pytest.raises(ValueError, match="all different"):
        Vault(KEYS, service, index)
