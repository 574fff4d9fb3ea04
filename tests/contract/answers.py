"""The form that every refusal must have, over gRPC and over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from tempfile import gettempdir

from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status

from chassis.errors import Code
from chassis.texts import Texts

LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|SELECT |INSERT |UPDATE |sqlite|psycopg|sqlalchemy|127\.0\.0\.1|localhost|"
    + re.escape(gettempdir())
)
# What is left of a sentence whose part was not given.
UNFILLED = re.compile(r"(?<!/)\{[a-z_]+\}|\((?!request\))[a-z_]+\)")
EXPECTED = {code.value for code in Code} - {Code.INTERNAL.value}


@dataclass(frozen=True)
class Wrong:
    """What a refused call told; no code where it was answered."""

    status: Status
    reason: str = ""
    fields: frozenset[str] = frozenset()
    metadata: str = ""


def read(status: Status, texts: Texts, *languages: str) -> Wrong:
    """Hold a status to the contract's form, in one of some languages, and tell what it says."""
    info, said, wrong = details.ErrorInfo(), details.LocalizedMessage(), details.BadRequest()
    for detail in status.details:
        for part in (info, said, wrong):
            detail.Unpack(part)
    assert status.code in EXPECTED, status
    sentence = texts.of(info.reason)
    assert sentence is not None, status
    assert info.domain == sentence.domain, status
    assert said.locale in languages, status
    sentences = [status.message, said.message]
    for violation in wrong.field_violations:
        assert violation.reason, status
        sentences += [violation.description, violation.localized_message.message]
    for each in sentences:
        assert each, status
        assert not LEAKS.search(each), each
        assert not UNFILLED.search(each), each
    fields = frozenset(violation.field for violation in wrong.field_violations)
    return Wrong(status, info.reason, fields, info.metadata.get("permission", info.metadata.get("store", "")))
