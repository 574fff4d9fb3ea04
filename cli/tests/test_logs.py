"""The logs of a suite, chosen and written for people, and followed while they grow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cli.groups.tail import PARTS
from cli.logs import Choice, Line, Log, in_order, readable
from cli.suite import PARTS as PROCESSES
from cli.tests.running import Shell

CALL = {
    "service": "customer",
    "method": "/shuke.customer.v1.PurchaseService/RecordPurchase",
    "code": "OK",
    "reason": "",
    "ms": 14.9,
    "caller": "apiKeys/1",
    "event": "call",
    "request_id": "abc",
    "level": "info",
    "timestamp": "2026-03-02T04:00:01.500000Z",
}
FEED = {**CALL, "method": "/shuke.event.v1.EventFeedService/ReadEvents"}
REFUSED = {**CALL, "code": "INVALID_ARGUMENT", "reason": "FIELDS_INVALID"}
FAULT = {**CALL, "level": "error", "event": "fault", "code": "INTERNAL", "exception": "Traceback:\n  boom"}


def line(told: Mapping[str, object] | str, service: str = "customer") -> Line:
    """Read a line as it would stand in a log."""
    return Line.read(service, told if isinstance(told, str) else json.dumps(told))


@pytest.fixture
def quiet_shell(tmp_path: Path) -> Shell:
    """Type on a folder with logs, and without a suite."""
    (tmp_path / "logs").mkdir()
    return Shell("http://127.0.0.1:1", tmp_path)


def write(shell: Shell, part: str, *told: Mapping[str, object]) -> None:
    """Add lines to a part's log."""
    with (shell.home / "logs" / f"{part}.log").open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in told)


@pytest.mark.parametrize(
    ("choice", "told", "wanted"),
    [
        (Choice(), CALL, True),
        (Choice(), FEED, False),
        (Choice(everything=True), FEED, True),
        (Choice(), {**FEED, "code": "UNAVAILABLE"}, True),
        (Choice(request_id="abc"), CALL, True),
        (Choice(request_id="other"), FAULT, False),
        (Choice(level="warning"), CALL, False),
        (Choice(level="warning"), FAULT, True),
        (Choice(level="error"), {**CALL, "level": "warning"}, False),
        (Choice(level="error"), {**CALL, "level": "critical"}, True),
        (Choice(errors=True), CALL, False),
        (Choice(errors=True), {**CALL, "code": 200}, False),
        (Choice(errors=True), REFUSED, True),
        (Choice(errors=True), {**CALL, "code": 503}, True),
        (Choice(errors=True), FAULT, True),
        (Choice(errors=True), "Fatal Python error", True),
        (Choice(level="error"), "Fatal Python error", True),
        (Choice(), "[1, 2]", True),
    ],
)
def test_lines_are_chosen(choice: Choice, told: Mapping[str, object] | str, *, wanted: bool) -> None:
    """Each choice leaves what was asked for; whatever no logger wrote counts as an error."""
    assert choice.wants(line(told)) is wanted


def test_a_line_for_people_holds_what_they_look_for() -> None:
    """Time, part, level, call, code, reason, time taken and request stand in a line, in this order, then a trace."""
    first, *trace = readable(line({**FAULT, "reason": "INTERNAL_FAULT"})).splitlines()
    words = ["customer", "error", "customer.v1.PurchaseService/RecordPurchase", "INTERNAL", "INTERNAL_FAULT", "14.9 ms"]
    places = [first.index(word) for word in (*words, "caller=apiKeys/1", "abc")]
    assert places == sorted(places)
    assert first[2] == first[5] == ":"
    assert trace == ["    Traceback:", "      boom"]


def test_a_line_cannot_steer_the_terminal() -> None:
    """Whatever a line holds, the signs that a terminal obeys are not written."""
    hostile = {**CALL, "event": "a\x1b[2Jb", "method": "", "exception": "c\x1b]0;d\x07"}
    assert "\x1b" not in readable(line(hostile))
    assert "\x1b" not in readable(line("\x1b[2J"))


def test_lines_of_several_logs_stand_in_the_order_of_time() -> None:
    """Lines are ordered by time; one that tells none stays behind the line before it."""
    early, late = (line({**CALL, "timestamp": f"2026-03-02T04:00:0{second}Z"}) for second in (0, 2))
    bare = line("bare")
    assert in_order(iter([late, bare, early])) == [early, late, bare]


def test_a_log_is_read_on_as_it_grows(tmp_path: Path) -> None:
    """A log that is not there has no lines; later each line comes once, half a line when its end has come."""
    path = tmp_path / "customer.log"
    log = Log(path)
    assert raws(log) == []
    sign = "熟".encode()
    with path.open("ab", buffering=0) as file:
        file.write(b"one\ntwo " + sign[:1])
        assert raws(log) == ["one"]
        file.write(sign[1:] + b"\n")
        assert raws(log) == ["two 熟"]
    assert raws(log) == []


def test_a_log_that_shrinks_or_is_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    """After a rotation, by emptying the file or by another file under its name, nothing new is missed."""
    path = tmp_path / "customer.log"
    log = Log(path)
    path.write_text("first line\nhalf a li")
    assert raws(log) == ["first line"]
    path.write_text("two\n")
    assert raws(log) == ["two"]
    path.rename(tmp_path / "customer.log.1")
    assert raws(log) == []
    path.write_text("another, and a longer line\n")
    assert raws(log) == ["another, and a longer line"]


def raws(log: Log) -> list[str]:
    """Read what is new as it stands."""
    return [one.raw for one in log.lines()]


def test_tail_begins_with_the_last_lines_of_all_parts(quiet_shell: Shell) -> None:
    """The last lines that are wanted come first, of all parts in the order of time, or of those chosen."""
    for second in range(4):
        part = "customer" if second % 2 else "gateway"
        told = {**CALL, "service": part, "timestamp": f"2026-03-02T04:00:0{second}Z", "request_id": f"r{second}"}
        write(quiet_shell, part, told, {**FEED, "timestamp": f"2026-03-02T04:00:0{second}Z"})
    words = ("tail", "--no-follow")
    assert [row[0].split()[-1] for row in quiet_shell.rows(*words, "-n", "3")] == ["r1", "r2", "r3"]
    assert [row[0].split()[-1] for row in quiet_shell.rows(*words, "--service", "gateway")] == ["r0", "r2"]
    assert [row[0].split()[-1] for row in quiet_shell.rows(*words, "--request-id", "r1")] == ["r1"]
    assert quiet_shell.rows(*words, "--errors") == []
    raw = quiet_shell.type(*words, "--json", "-n", "1").stdout
    assert json.loads(raw)["request_id"] == "r3"


def test_tail_shows_every_replica_of_a_part(quiet_shell: Shell) -> None:
    """The lines of a part's further replicas are among its own, and what is no part's is left out."""
    for number, log in enumerate(("customer", "customer-2", "tiering-2", "postgresql")):
        write(quiet_shell, log, {**CALL, "timestamp": f"2026-03-02T04:00:0{number}Z", "event": log})
    shown = quiet_shell.type("tail", "--no-follow", "--service", "customer", "--json").stdout.splitlines()
    assert [json.loads(line)["event"] for line in shown] == ["customer", "customer-2"]


def test_every_process_of_the_suite_has_a_log() -> None:
    """The parts that can be chosen are the suite's processes."""
    assert set(PARTS) == {part.name for part in PROCESSES}


def test_without_logs_the_folder_is_named(tmp_path: Path) -> None:
    """Where no suite has run the exit code is 1, and the text says where was looked."""
    said = Shell("http://127.0.0.1:1", tmp_path).refused(1, "tail")
    assert str(tmp_path / "logs") in said
    assert "SHUKE_HOME" in said


@pytest.mark.timeout(60)
def test_tail_goes_on_until_ctrl_c(quiet_shell: Shell) -> None:
    """What is written later, also to a log that was not there, is shown; Ctrl-C is exit code 130."""
    write(quiet_shell, "customer", {**CALL, "request_id": "before"})
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "cli", "tail"],
        env={**os.environ, **quiet_shell.environ(), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline().split()[-1] == "before"
            write(quiet_shell, "gateway", {**CALL, "request_id": "later"})
            assert process.stdout.readline().split()[-1] == "later"
            process.send_signal(signal.SIGINT)
            assert (process.wait(30), process.stderr.read()) == (130, "interrupted\n")
        finally:
            # It would be waited for without end where it heard nothing.
            process.kill()


def test_a_home_that_is_a_file_is_no_folder(tmp_path: Path) -> None:
    """A folder that cannot be one is told as missing."""
    file = tmp_path / "file"
    file.write_text("")
    assert "SHUKE_HOME" in replace(Shell("http://127.0.0.1:1", file)).refused(1, "tail")
