"""What goes wrong ends a command with its own exit code and one clear text, and never with a traceback."""

from __future__ import annotations

import http.server
import json
import lzma
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands import shuke
from cli.suite import free_port
from cli.tests.running import Shell, Suite, serving

LIST = ("keys", "list")


def test_a_wrong_key_is_refused_by_the_suite(shell: Shell) -> None:
    """A key that does not open is exit code 1, with the reason that the API gives."""
    assert "TOKEN_INVALID" in shell.using("wrong").refused(1, *LIST)


def test_with_json_the_error_is_the_apis_own(shell: Shell) -> None:
    """With --json standard error holds the API's error as one JSON document, and standard output nothing."""
    error = json.loads(shell.using("wrong").refused(1, *LIST, "--json"))["error"]
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
    assert error["details"][0]["reason"] == "TOKEN_INVALID"


def test_what_is_wrong_in_one_field_is_said_once(shell: Shell) -> None:
    """A refusal whose message is that of its field tells it once."""
    said = shell.refused(1, "evaluate", "--as-of", "2999-01-01")
    assert said.count("must be a day before today") == 1


def test_a_suite_that_is_away_is_code_3(shell: Shell) -> None:
    """Where nobody listens the exit code is 3, and the text names the address and what to look at, in both forms."""
    away = replace(shell, url=f"http://127.0.0.1:{free_port()}")
    said = away.refused(3, *LIST)
    assert away.url in said
    assert "shuke up" in said
    assert json.loads(away.refused(3, *LIST, "--json"))["error"]["message"] in said


def test_a_service_that_is_away_is_code_3(suite: Suite) -> None:
    """A gateway that answers, before a service that does not, is exit code 3 too."""
    assert "UNAVAILABLE" in suite.shell.refused(3, "policy", "list", "notify", "loyalty").upper()


class Stranger(http.server.BaseHTTPRequestHandler):
    """A web server that is no gateway."""

    answer = b""

    def do_GET(self) -> None:
        """Answer something."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.mark.parametrize("answer", [b"<html>welcome</html>", b"[]"])
def test_another_server_is_no_suite(shell: Shell, answer: bytes) -> None:
    """An address where something else answers is told as such, exit code 3."""
    with serving(type("One", (Stranger,), {"answer": answer})) as url:
        assert "no gateway" in replace(shell, url=url).refused(3, *LIST)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--url", "127.0.0.1:8080"), "no address"),
        (("--url", "http://[::1"), "--url"),
        (("--token", "zwölf"), "visible ASCII"),
        (("--token", "a b"), "visible ASCII"),
        (("--page-size", "0"), "--page-size"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_wrong_usage_is_code_2(shell: Shell, words: tuple[str, ...], named: str) -> None:
    """What the command itself can see to be wrong is exit code 2, and named."""
    assert named in shell.refused(2, *LIST, *words)


def test_without_any_key_the_command_says_where_to_get_one(shell: Shell, tmp_path: Path) -> None:
    """No option, no variable and no file of a suite here: exit code 2, and the text names all three."""
    said = replace(shell, token="", home=tmp_path).refused(2, *LIST)
    assert all(place in said for place in ("--token", "SHUKE_TOKEN", str(tmp_path / "admin.token")))


def test_the_first_administrators_key_is_found(shell: Shell, tmp_path: Path) -> None:
    """Without another key that of the suite on SHUKE_HOME is used."""
    (tmp_path / "admin.token").write_text(f"{shell.token}\n")
    assert replace(shell, token="", home=tmp_path).type(*LIST).exit_code == 0


def test_a_name_from_outside_stays_one_part_of_the_path(shell: Shell) -> None:
    """A name with signs that mean something in an address reaches the suite as a name, and is refused as one."""
    assert "name must match" in shell.refused(1, "keys", "revoke", "apiKeys/x?y=1#z")


@pytest.mark.parametrize(
    "content",
    [b"else", b"no archive, but a longer text", lzma.compress(b"no,columns\n1,2\n")],
    ids=["cut off", "of another form", "of other columns"],
)
def test_an_import_of_something_else_is_wrong_usage(shell: Shell, tmp_path: Path, content: bytes) -> None:
    """A file that is not the data set, cut off, of another form or of other columns, is exit code 2."""
    file = tmp_path / "something.txt"
    file.write_bytes(content)
    assert "is not the data set" in shell.refused(2, "import", "online-retail", str(file))


def test_help_tells_what_exit_codes_mean() -> None:
    """`shuke --help` lists every exit code."""
    shown = CliRunner().invoke(shuke, ["--help"], prog_name="shuke").stdout
    assert all(f"\n    {code} " in shown for code in (0, 1, 2, 3, 4, 130))
