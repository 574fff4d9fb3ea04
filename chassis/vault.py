"""Personal data, encrypted in the column: AES-256-GCM with a key per subject, wrapped by the service's key.

Destroying a subject's key erases all that was ever sealed for it. What must be found again is found by a keyed digest
(a blind index) in a column beside the sealed one; whoever erases a subject clears its digests too.

Keys rotate: a service has a ring of them, the newest first. The newest wraps and digests; the others unwrap, and find.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence

import sqlalchemy as sa
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chassis.among import Among
from chassis.database import Database, Text, Tx, upsert

log = structlog.get_logger("vault")

KEY_BYTES = 32
NONCE_BYTES = 12
# The first byte of all that is sealed, so that another way of sealing can come beside this one.
FORMAT = b"\x01"
# Keys that are re-wrapped in one transaction: on SQLite other writers wait for it.
REWRAP = 200

Item = tuple[str, bytes, str]


class SealBroken(Exception):
    """Sealed data does not open: it was altered, belongs to another subject or column, or to another service key."""


class SubjectErased(Exception):
    """The subject's key was destroyed; nothing may be sealed for it any more."""


def generate_key() -> str:
    """Make a key in the form that a setting holds: 32 random bytes as base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def read_keys(text: str) -> tuple[bytes, ...]:
    """Read the keys of a setting, the newest first, separated by commas; the error of a bad one does not show it."""
    return tuple(_read_key(part.strip()) for part in text.split(","))


def _read_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key is the base64 of {KEY_BYTES} bytes")
    return key


def vault_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the wrapped keys of subjects; the row of an erased subject stays, without its key."""
    return sa.Table(
        "vault_keys",
        metadata,
        sa.Column("subject", Text, primary_key=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=True),
        sa.Column("key_id", Text, nullable=True, index=True),
    )


class Vault:
    """Seals and opens personal data of subjects such as `customers/0190...`.

    A `context` names the column, such as `customers.address`: what was sealed opens only for its own subject and
    context.
    """

    def __init__(
        self,
        table: sa.Table,
        service_keys: Sequence[bytes],
        index_keys: Sequence[bytes],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        keys = [*service_keys, *index_keys]
        if (
            not service_keys
            or not index_keys
            or len(set(keys)) < len(keys)
            or {len(key) for key in keys} != {KEY_BYTES}
        ):
            raise ValueError(f"the vault needs service keys and index keys, all different, of {KEY_BYTES} bytes")
        self._table = table
        # Written down once: every call that opens a file runs it.
        self._keys_of = sa.select(table).where(Among("subjects", table.c.subject))
        self._random = random_bytes
        self._service_keys = {_key_id(key): AESGCM(key) for key in service_keys}
        self.key_id, *self.older_ids = self._service_keys
        self._index_keys = tuple(index_keys)
        self._digest_keys: dict[str, list[bytes]] = {}

    def seal(self, tx: Tx, subject: str, plaintext: bytes, context: str) -> bytes:
        """Encrypt one value; the subject's key is made at the first use. Raises `SubjectErased`."""
        return self.seal_many(tx, [(subject, plaintext, context)])[0]

    def seal_many(self, tx: Tx, items: Sequence[Item]) -> list[bytes]:
        """Encrypt many values, each `(subject, plaintext, context)`, with two or three queries for all of them."""
        subjects = {subject for subject, _, _ in items}
        keys = self._find_keys(tx, subjects)
        missing = subjects - keys.keys()
        if missing:
            self._make_keys(tx, missing)
            # Read again: another transaction may have made one of them first, and that one counts.
            keys |= self._find_keys(tx, missing)
        return [self._seal(keys[subject], subject, plaintext, context) for subject, plaintext, context in items]

    def open(self, tx: Tx, subject: str, sealed: bytes, context: str) -> bytes | None:
        """Decrypt one value; None when the subject was erased. Raises `SealBroken`."""
        return self.open_many(tx, [(subject, sealed, context)])[0]

    def open_many(self, tx: Tx, items: Sequence[Item]) -> list[bytes | None]:
        """Decrypt many values, each `(subject, sealed, context)`, with one query; None for each that was erased."""
        keys = self._find_keys(tx, {subject for subject, _, _ in items})
        return [self._open(keys.get(subject), subject, sealed, context) for subject, sealed, context in items]

    def erase(self, tx: Tx, subject: str) -> None:
        """Destroy a subject's key, for good: what comes later for the subject is refused."""
        gone = {"wrapped": None, "key_id": None}
        statement = upsert(tx, self._table).values(subject=subject, **gone)
        tx.execute(statement.on_conflict_do_update(index_elements=["subject"], set_=gone))

    def digest(self, kind: str, value: str) -> bytes:
        """Answer the blind index of a value that the caller has normalised; `kind` keeps phones from matching codes."""
        return self.digests(kind, value)[0]

    def digests(self, kind: str, value: str) -> tuple[bytes, ...]:
        """Answer every blind index under which a value may be stored, the newest first; it is written under that."""
        keys = self._digest_keys.get(kind)
        if keys is None:
            info = b"shuke blind index " + kind.encode()
            keys = [HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key) for key in self._index_keys]
            self._digest_keys[kind] = keys
        return tuple(hmac.digest(key, value.encode(), "sha256") for key in keys)

    def rewrap(self, tx: Tx, limit: int) -> int:
        """Wrap keys by the newest service key that an older one wraps; answer how many. By `ix_vault_keys_key_id`.

        An erasure meanwhile stands. Raises `SealBroken`.
        """
        table = self._table
        query = sa.select(table).where(table.c.key_id.in_(self.older_ids)).limit(limit)
        rows = [
            {
                "of": row.subject,
                "old_id": row.key_id,
                "wrapped": self._wrap(row.subject, self._unwrap(row.subject, row.wrapped, row.key_id)),
                "key_id": self.key_id,
            }
            for row in tx.execute(query)
        ]
        if rows:
            same = sa.and_(table.c.subject == sa.bindparam("of"), table.c.key_id == sa.bindparam("old_id"))
            tx.execute(sa.update(table).where(same), rows)
        return len(rows)

    def counts(self, tx: Tx) -> dict[str, int]:
        """Count subjects by the id of the service key that wraps theirs. By `ix_vault_keys_key_id`."""
        key_id = self._table.c.key_id
        query = sa.select(key_id, sa.func.count().label("subjects")).where(key_id.is_not(None)).group_by(key_id)
        return {row.key_id: row.subjects for row in tx.execute(query)}

    def _find_keys(self, tx: Tx, subjects: Iterable[str]) -> dict[str, AESGCM | None]:
        """Read the keys of subjects; None for an erased one, no entry for one that never had a key."""
        found: dict[str, AESGCM | None] = {}
        for subject, wrapped, key_id in tx.execute(self._keys_of, {"subjects": sorted(subjects)}):
            found[subject] = None if wrapped is None else AESGCM(self._unwrap(subject, wrapped, key_id))
        return found

    def _make_keys(self, tx: Tx, subjects: Iterable[str]) -> None:
        # Sorted, so that two transactions that make the same keys wait for each other in one direction only.
        rows = [
            {"subject": subject, "wrapped": self._wrap(subject, self._random(KEY_BYTES)), "key_id": self.key_id}
            for subject in sorted(subjects)
        ]
        tx.execute(upsert(tx, self._table).on_conflict_do_nothing(), rows)

    def _wrap(self, subject: str, key: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        return nonce + self._service_keys[self.key_id].encrypt(nonce, key, _bound("vault_keys", subject))

    def _unwrap(self, subject: str, wrapped: bytes, key_id: str) -> bytes:
        service_key = self._service_keys.get(key_id)
        if service_key is None:
            raise SealBroken(f"the key of {subject} is wrapped by service key {key_id}, which is not configured")
        try:
            return service_key.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound("vault_keys", subject))
        except InvalidTag as error:
            raise SealBroken(f"the key of {subject} does not open") from error

    def _seal(self, key: AESGCM | None, subject: str, plaintext: bytes, context: str) -> bytes:
        if key is None:
            raise SubjectErased(subject)
        nonce = self._random(NONCE_BYTES)
        return FORMAT + nonce + key.encrypt(nonce, plaintext, _bound(subject, context))

    @staticmethod
    def _open(key: AESGCM | None, subject: str, sealed: bytes, context: str) -> bytes | None:
        if key is None:
            return None
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if sealed[:1] == FORMAT and len(nonce) == NONCE_BYTES:
                return key.decrypt(nonce, ciphertext, _bound(subject, context))
        except InvalidTag:
            pass
        raise SealBroken(f"sealed data of {subject} in {context} does not open")


class Rewrapping:
    """Re-wraps in the background until no older service key wraps anything, and tells how many are left."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.database = database
        self.vault = vault
        self._working: bool | None = None

    def step(self) -> int:
        """Re-wrap some; answer how many. The first and the last step log the number of subjects by key id."""
        done = self.database.transact(lambda tx: self.vault.rewrap(tx, REWRAP)) if self.vault.older_ids else 0
        working = done > 0
        if working is not self._working:
            self._working = working
            with self.database.read() as tx:
                log.info("vault keys", newest=self.vault.key_id, subjects=self.vault.counts(tx))
        return done


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"shuke vault key id" + key).hexdigest()[:16]


def _bound(*names: str) -> bytes:
    """Write names so that no two lists of names give the same bytes."""
    return "\0".join(names).encode()
