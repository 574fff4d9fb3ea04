"""The mail channel against a real server: encryption, sign-in, and what a letter looks like on the wire."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.notify.channels.file import FileChannel
from services.notify.channels.smtp import Server, SmtpChannel
from services.notify.delivery.domain import Answer, ChannelDown, Letter
from services.notify.messages.domain import Outcome
from services.notify.tests import mail
from services.notify.tests.mail import SENDER
from tests.running import CHAIN, START

LETTER = Letter("m1", "EMAIL", "anna@home.example", "您的等级 Gold", ".dots\n..and more\n\nend.", START)
USER, PASSWORD = "notify", "s3cret"


def sign_in(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
    """Know one user."""
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known)


def server(address: str, **fields: object) -> Server:
    """Describe a server."""
    host, _, port = address.rpartition(":")
    plain = Server(host, int(port), SENDER, "none", "", "", 2.0)
    return replace(plain, **fields)  # type: ignore[arg-type]


@contextmanager
def channel(address: str, **fields: object) -> Iterator[SmtpChannel]:
    """Open a channel to a server, and close it at the end."""
    made = SmtpChannel(server(address, **fields))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of 127.0.0.1 that signs itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def encrypted(certificate: Path) -> ssl.SSLContext:
    """Make the server's side of an encrypted line."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def test_a_letter_arrives_as_it_was_written() -> None:
    """Subject and text in any letters, dots at the start of lines, the date and a message id that never changes."""
    with mail.serving() as (box, address), channel(address) as out:
        for _ in range(2):
            out.ready()
            assert out.send(LETTER) == Answer(Outcome.ACCEPTED, 250, "BODY 2.0.0")
        first, second = box.taken
        assert (first["Subject"], first.get_content()) == ("您的等级 Gold", ".dots\r\n..and more\r\n\r\nend.\r\n")
        assert (first["From"], first["To"]) == (SENDER, "anna@home.example")
        assert first["Date"] == "Mon, 02 Mar 2026 04:00:00 +0000"
        assert first["Message-ID"] == second["Message-ID"] == "<m1@shop.example>"
        assert (first["Auto-Submitted"], box.sessions) == ("auto-generated", 1)


def test_a_line_is_encrypted_before_anybody_signs_in(
    encrypted: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTTLS and sign-in with the right password work; a certificate that is not known, or no TLS, does not."""
    settings = {"tls_context": encrypted, "require_starttls": True, "authenticator": sign_in, "auth_required": True}
    with mail.serving(**settings) as (box, address):
        port = address.rpartition(":")[2]
        known = {"tls": "starttls", "user": USER, "password": PASSWORD}
        with channel(f"localhost:{port}", **known) as out, pytest.raises(ChannelDown, match="SSLCert"):
            out.ready()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with channel(f"localhost:{port}", **known) as out:
            out.ready()
            assert out.send(LETTER).outcome is Outcome.ACCEPTED
        for wrong in ({"password": "wrong"}, {"user": ""}, {"tls": "none", "user": ""}):
            with channel(f"localhost:{port}", **{**known, **wrong}) as out, pytest.raises(ChannelDown) as down:
                out.ready()
            assert PASSWORD not in str(down.value)
        assert len(box.taken) == 1


def test_a_line_is_encrypted_from_its_start(
    encrypted: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Implicit TLS works too."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail.serving(ssl_context=encrypted, server_hostname="localhost") as (box, address):
        with channel(f"localhost:{address.rpartition(':')[2]}", tls="tls") as out:
            out.ready()
            assert out.send(LETTER).outcome is Outcome.ACCEPTED
        assert len(box.taken) == 1


def test_nobody_there_is_no_fault_of_a_letter() -> None:
    """A port where nobody listens, and a server that was there a moment ago, are a channel that is down."""
    with mail.serving() as (_, address), channel(address) as out:
        out.ready()
        kept = out
    with channel(address) as gone:
        for each in (kept, gone):
            with pytest.raises(ChannelDown):
                each.ready()
        with pytest.raises(ChannelDown):
            gone.send(LETTER)


def test_a_folder_that_cannot_be_written_is_no_fault_of_a_letter(tmp_path: Path) -> None:
    """Where a file stands in the place of the folder, or a folder in the place of the file, nothing is lost."""
    (tmp_path / "file").write_text("")
    zone = ZoneInfo(CHAIN["SHUKE_CHAIN_ZONE"])
    with pytest.raises(ChannelDown):
        FileChannel(tmp_path / "file" / "out", zone).ready()
    (tmp_path / "email-2026-03-02.jsonl").mkdir()
    out = FileChannel(tmp_path, zone)
    out.ready()
    assert out.send(LETTER) == Answer(Outcome.CHANNEL_FAULT, detail="open IsADirectoryError")
