"""Evaluations and reports: started, waited for, left alone, and read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from chassis.calendar import SECOND
from cli.tests.running import Shell, Suite, opened_suite
from services.customer.tests.builders import line, sale
from services.tiering.server import PROGRAM as TIERING
from tests.contract.house import quiet
from tests.databases import Lender

AS_OF = ("--as-of", "2026-03-01")
# The example policy's ladder; two customers bought, for 600 and for 10 pounds.
CLASSES = [["NEW", "1"], ["REGULAR", "1"], ["SILVER", "0"], ["GOLD", "0"], ["DIAMOND", "0"], ["none", "0"]]


@pytest.fixture(scope="module")
def graded(sqlite_lender: Lender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Start a suite of its own, in which two customers have bought, under the example policy."""
    with opened_suite(sqlite_lender, tmp_path_factory.mktemp("graded")) as suite:
        suite.tiering.activate()
        for number, pounds in enumerate((600, 10)):
            suite.shop.record(sale(f"G{number}", line(1, pounds * 100), customer=suite.shop.customer()))
        yield suite


def facts(rows: list[list[str]]) -> dict[str, str]:
    """Read lines of a name and a value."""
    return {row[0]: row[1] for row in rows if len(row) == 2}


@pytest.mark.requirement("T-13")
def test_an_evaluation_is_followed_to_its_outcome(graded: Suite) -> None:
    """The outcome stands on standard output, progress and the operation's name on standard error."""
    result = graded.shell.type("evaluate", *AS_OF)
    assert result.exit_code == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[:7] == [["class", "customers"], *CLASSES]
    told = facts(rows[7:])
    assert (told["as of"], told["takes effect"], told["customers with an entry"]) == ("2026-03-01", "yes", "2")
    assert result.stderr.startswith("operations/tiering-")


def test_what_is_only_worked_out_does_not_take_effect(graded: Suite) -> None:
    """With --no-apply the run says so; with --json the finished operation is all that stands on standard output."""
    done = graded.shell.json("evaluate", *AS_OF, "--no-apply")
    assert (done["done"], done["response"]["applied"]) == (True, False)


def test_a_run_that_was_left_is_waited_for_by_its_name(graded: Suite) -> None:
    """With --no-wait the operation is answered at once; waiting for it later shows its outcome."""
    begun = facts(graded.shell.rows("evaluate", *AS_OF, "--no-apply", "--no-wait"))
    rows = graded.shell.rows("operation", "wait", begun["operation"])
    assert rows[1:7] == CLASSES
    assert facts(graded.shell.rows("operation", "show", begun["operation"]))["stage"] == "DONE"


@pytest.mark.requirement("T-13")
def test_a_run_that_was_tried_is_applied_and_taken_back(graded: Suite) -> None:
    """The list says of each run whether it takes effect, and only the last one applied can be taken back."""
    graded.clock.now += SECOND  # after the runs of other tests
    name = graded.shell.json("evaluate", *AS_OF, "--no-apply")["response"]["name"]

    def effect() -> str:
        return next(row[2] for row in graded.shell.rows("evaluation", "list") if row[0] == name)

    assert effect() == "no"
    assert facts(graded.shell.rows("evaluation", "apply", name)[7:])["takes effect"] == "yes"
    assert effect() == "yes"
    assert facts(graded.shell.rows("evaluation", "revert", name)[7:])["takes effect"] == "taken back"
    assert effect() == "taken back"
    assert "EVALUATION_NOT_APPLIED" in graded.shell.refused(1, "evaluation", "revert", name)


@pytest.mark.parametrize("verb", ["wait", "show", "cancel"])
def test_an_operation_that_is_not_there_is_refused(shell: Shell, verb: str) -> None:
    """A name that names no operation is exit code 1, with the reason."""
    assert "OPERATION_NOT_FOUND" in shell.refused(1, "operation", verb, "operations/tiering-none")


def test_a_day_that_is_none_is_wrong_usage(shell: Shell) -> None:
    """A day in another form is exit code 2."""
    assert "--as-of" in shell.refused(2, "evaluate", "--as-of", "yesterday")


@pytest.fixture
def slow(sqlite_lender: Lender, tmp_path: Path) -> Iterator[Suite]:
    """Start a suite whose tiering takes up no operation."""
    with opened_suite(sqlite_lender, tmp_path, quiet(TIERING)) as suite:
        suite.tiering.activate()
        yield suite


@pytest.mark.timeout(60)
def test_ctrl_c_ends_the_waiting_and_not_the_run(slow: Suite) -> None:
    """Ctrl-C is exit code 130 and says how to look again; the run goes on, and can be asked to end."""
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "evaluate", *AS_OF],
        env={**os.environ, **slow.shell.environ(), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        name = process.stderr.readline().split()[0]
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert (process.wait(), process.stdout.read()) == (130, "")
    assert f"shuke operation wait {name}" in said
    assert "Traceback" not in said
    assert slow.shell.json("operation", "show", name)["done"] is False
    assert f"{name} is asked to end" in slow.shell.type("operation", "cancel", name).stderr
    again = slow.shell.refused(1, "evaluate", *AS_OF)
    assert "OPERATION_RUNNING" in again
    assert name in again


def test_the_distribution_states_its_denominator(graded: Suite) -> None:
    """Classes are counted as they stood at the end of the day, then nobody's, then all."""
    graded.shell.type("evaluate", *AS_OF)
    rows = graded.shell.rows("report", "distribution", "--date", "2026-03-01")
    assert [[row[0], row[2]] for row in rows[1:]] == [*CLASSES, ["all with an entry", "2"]]
    before = graded.shell.rows("report", "distribution", "--date", "2026-02-01")
    assert {row[2] for row in before[1:]} == {"0"}


def test_movements_stand_in_a_row_for_each_class_before(graded: Suite) -> None:
    """Whoever had no class before the days stands in the row of none, under the class held at their end."""
    graded.shell.type("evaluate", *AS_OF)
    rows = graded.shell.rows("report", "movements", "--from", "2026-02-01", "--to", "2026-03-01")
    assert rows[0] == ["from", "none", "NEW", "REGULAR", "SILVER", "GOLD", "DIAMOND", "all"]
    assert rows[1] == ["none", "0", "1", "1", "0", "0", "0", "2"]
    assert rows[-1] == ["all", "0", "1", "1", "0", "0", "0", "2"]


def test_concentration_tells_shares_and_names_the_largest(graded: Suite) -> None:
    """Half of two customers bring 600 of 610 pounds, and the largest are named as many as asked for."""
    graded.shell.type("evaluate", *AS_OF)
    words = ("report", "concentration", "--as-of", "2026-03-01", "--top", "50", "--largest", "1")
    rows = graded.shell.rows(*words)
    assert ["of them the top 50 %", "1"] in rows
    assert ["net spend", "600.00", "610.00", str(Decimal("98.36"))] in rows
    assert [row[1] for row in rows if row[0].startswith("customers/")] == ["600.00"]


def test_members_are_listed_page_by_page(graded: Suite) -> None:
    """A page ends with the words that lead to the next one, on standard error; the pages together are all members."""
    graded.shell.type("evaluate", *AS_OF)
    words = ("report", "members", "--page-size", "1")
    first = graded.shell.type(*words)
    assert first.exit_code == 0
    token = first.stderr.split("--page-token ")[1].strip()
    second = graded.shell.type(*words, "--page-token", token)
    assert (second.exit_code, second.stderr) == (0, "")
    found = {page.stdout.splitlines()[1].split("\t")[1] for page in (first, second)}
    assert found == {"NEW", "REGULAR"}
    assert [row[1] for row in graded.shell.rows("report", "members", "--class", "REGULAR")[1:]] == ["REGULAR"]


def test_a_scheme_that_is_not_there_is_refused(shell: Shell) -> None:
    """A report on an unknown scheme is exit code 1, with the reason."""
    assert "SCHEME_UNKNOWN" in shell.refused(1, "report", "distribution", "--scheme", "nothing")


def test_a_caller_who_may_not_is_refused(suite: Suite) -> None:
    """A key without the permission is exit code 1, and the permission is named."""
    desk = replace(suite.shell, token=suite.key("A01", "specialist"))
    assert "tiering.analytics.get" in desk.refused(1, "report", "distribution")
