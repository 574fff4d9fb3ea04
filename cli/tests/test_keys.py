"""API keys made, listed and revoked by the command."""

from __future__ import annotations

import pytest

from cli.tests.running import Shell


def test_the_token_stands_alone_on_standard_output(shell: Shell) -> None:
    """What a shell keeps of `keys create` is the token and nothing else, and it opens; notes go to standard error."""
    made = shell.type("keys", "create", "staff", "--role", "administrator", "--store", "*", "--staff", "K01")
    assert made.exit_code == 0, made.stderr
    [token] = made.stdout.splitlines()
    assert token.startswith("shk_")
    assert made.stderr.startswith("apiKeys/")
    assert shell.using(token).type("keys", "list").exit_code == 0


def test_json_is_the_apis_answer_with_the_token(shell: Shell) -> None:
    """With --json the answer holds the key, with all that was asked for, and its token."""
    words = ("till", "--role", "till", "--store", "LEEDS", "--store", "YORK", "--display-name", "Till 1")
    made = shell.json("keys", "create", *words, "--expires", "2026-12-01", "--purpose", "SERVICE_DESK")
    assert made["token"].startswith("shk_")
    key = made["apiKey"]
    assert (key["kind"], key["roles"], key["stores"]) == ("TILL", ["till"], ["LEEDS", "YORK"])
    assert (key["displayName"], key["purpose"], key["expireTime"][:7]) == ("Till 1", "SERVICE_DESK", "2026-12")


def test_a_key_is_listed_until_it_is_revoked_and_after(shell: Shell) -> None:
    """A key stands among the active ones, then among the revoked ones, never with its token."""
    made = shell.json("keys", "create", "system", "--role", "marketing", "--store", "*")
    name, token = made["apiKey"]["name"], made["token"]
    assert name in column(shell.rows("keys", "list", "--kind", "system", "--state", "active"))
    assert column(shell.rows("keys", "revoke", name)) == [name]
    assert name not in column(shell.rows("keys", "list", "--state", "active"))
    assert name in column(shell.rows("keys", "list", "--state", "revoked"))
    assert token not in shell.type("keys", "list").stdout


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("create", "till", "--role", "till"), 1, "STORES_MISSING"),
        (("create", "till", "--role", "nothing", "--store", "LEEDS"), 1, "ROLE_UNKNOWN"),
        (("create", "till"), 2, "--role"),
        (("create", "robot", "--role", "till"), 2, "robot"),
        (("create", "till", "--role", "till", "--store", "LEEDS", "--expires", "2020-01-01"), 1, "EXPIRY_PAST"),
        (("revoke", "apiKeys/01950000-0000-7000-8000-00000000ffff"), 1, "API_KEY_NOT_FOUND"),
    ],
)
def test_wrong_keys_are_refused(shell: Shell, words: tuple[str, ...], code: int, named: str) -> None:
    """What is wrong with a key is told, and nothing stands where a token would."""
    answered = shell.refused(code, "keys", *words, "--json") if code == 1 else shell.refused(code, "keys", *words)
    assert named in answered


def column(rows: list[list[str]]) -> list[str]:
    """Read the names below their heading."""
    return [row[0] for row in rows[1:]]
