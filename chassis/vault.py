"""Personal data, encrypted in the column: AES-256-GCM with a key per subject, wrapped by the service's key.

Destroying a subject's key erases all that was ever sealed for it. What must be found again is found by a keyed digest
(a blind index) in a column beside the sealed one; whoever erases a subject clears its digests too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chassis.database import Text, Tx, upsert

KEY_BYTES = 32
NONCE_BYTES = 12
# The first byte of all that is sealed, so that another way of sealing can come beside this one.
FORMAT = b"\x01"
# Both engines limit the parameters of one statement.
CHUNK = 500

Item = tuple[str, bytes, str]


class SealBroken(Exception):
    """Sealed data does not open: it was altered, belongs to another subject or column, or to another service key."""


class SubjectErased(Exception):
    """The subject's key was destroyed; nothing may be sealed for it any more."""


def generate_key() -> str:
    """Make a key in the form that a setting holds: 32 random bytes as base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def read_key(text: str) -> bytes:
    """Read a key from a setting; the error that a bad one raises does not show it."""
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
        sa.Column("key_id", Text, nullable=True),
    )


class Vault:
    """Seals and opens personal data of subjects such as `customers/0190...`.

    A `context` names the column, such as `customers.address`: what was sealed opens only for its own subject and
    context.
    """

    def __init__(
        self,
        table: sa.Table,
        master_key: bytes,
        index_key: bytes,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if len(master_key) != KEY_BYTES or len(index_key) != KEY_BYTES or master_key == index_key:
            raise ValueError(f"the vault needs two different keys of {KEY_BYTES} bytes")
        self._table = table
        self._random = random_bytes
        self._key_id = hashlib.sha256(b"shuke vault key id" + master_key).hexdigest()[:16]
        self._service_keys = {self._key_id: AESGCM(master_key)}
        self._index_key = index_key
        self._digest_keys: dict[str, bytes] = {}

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
        key = self._digest_keys.get(kind)
        if key is None:
            info = b"shuke blind index " + kind.encode()
            key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._index_key)
            self._digest_keys[kind] = key
        return hmac.digest(key, value.encode(), "sha256")

    def _find_keys(self, tx: Tx, subjects: Iterable[str]) -> dict[str, AESGCM | None]:
        """Read the keys of subjects; None for an erased one, no entry for one that never had a key."""
        found: dict[str, AESGCM | None] = {}
        for chunk in _chunks(sorted(subjects)):
            query = sa.select(self._table).where(self._table.c.subject.in_(chunk))
            for subject, wrapped, key_id in tx.execute(query):
                found[subject] = None if wrapped is None else self._unwrap(subject, wrapped, key_id)
        return found

    def _make_keys(self, tx: Tx, subjects: Iterable[str]) -> None:
        # Sorted, so that two transactions that make the same keys wait for each other in one direction only.
        rows = [
            {"subject": subject, "wrapped": self._wrap(subject, self._random(KEY_BYTES)), "key_id": self._key_id}
            for subject in sorted(subjects)
        ]
        tx.execute(upsert(tx, self._table).on_conflict_do_nothing(), rows)

    def _wrap(self, subject: str, key: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        return nonce + self._service_keys[self._key_id].encrypt(nonce, key, _bound("vault_keys", subject))

    def _unwrap(self, subject: str, wrapped: bytes, key_id: str) -> AESGCM:
        service_key = self._service_keys.get(key_id)
        if service_key is None:
            raise SealBroken(f"the key of {subject} is wrapped by service key {key_id}, which is not configured")
        try:
            return AESGCM(
                service_key.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound("vault_keys", subject))
            )
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


def _bound(*names: str) -> bytes:
    """Write names so that no two lists of names give the same bytes."""
    return "\0".join(names).encode()


def _chunks(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]
