"""What holds for all commands: their help, their completion, and how an import ends that was refused in part."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from cli.commands import shuke
from cli.failures import PARTLY
from cli.groups.completion import SHELLS
from cli.tests.running import Shell, Suite

HEADING = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """List the commands below a group with their names."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


ALL = dict(commands(shuke))


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_every_command_explains_itself(names: tuple[str, ...]) -> None:
    """A command and each of its options says what it is for."""
    command = ALL[names]
    assert (command.help or "").strip()
    assert [param.name for param in command.params if isinstance(param, click.Option) and not param.help] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_a_script_for_the_shell(suite: Suite, shell: str) -> None:
    """The script of each shell asks this command for completions."""
    script = suite.shell.type("completion", shell)
    assert script.exit_code == 0
    assert f"_SHUKE_COMPLETE={shell}_complete" in script.stdout


def completed(*words: str) -> list[str]:
    """Answer what the last word may become."""
    complete = ShellComplete(shuke, {}, "shuke", "_SHUKE_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_words_complete() -> None:
    """Commands, choices and the keys of policies complete."""
    assert completed("po") == ["policy"]
    assert completed("policy", "list", "ti") == ["tiering", "ticketing"]
    assert completed("policy", "list", "ticketing", "s") == ["sla"]
    assert completed("ticket", "open", "comp") == ["complaint"]
    assert completed("ticket", "list", "--state", "closed_s") == ["closed_satisfied"]


def test_commands_do_not_load_what_the_suite_is_made_of() -> None:
    """Help and completion answer without the libraries of services, which take seconds to load."""
    heavy = "import sys, cli.commands; sys.exit(bool({'sqlalchemy', 'structlog', 'grpc'} & sys.modules.keys()))"
    environ = {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", heavy], check=False, env=environ).returncode == 0


@pytest.mark.requirement("C-23")
def test_an_import_that_is_refused_in_part_is_code_4(suite: Suite, tmp_path: Path) -> None:
    """A receipt that the suite knows with another content is refused and named; the rest is recorded, exit code 4."""
    suite.door.store("UNITED-KINGDOM")
    assert imported(suite.shell, tmp_path, "536365,A,Cup,6,2010-12-01 08:26:00,2.55,17850,United Kingdom\n")[0] == 0
    code, shown = imported(
        suite.shell,
        tmp_path,
        "536365,A,Cup,7,2010-12-01 08:26:00,2.55,17850,United Kingdom\n"
        "536366,A,Cup,1,2010-12-01 09:26:00,2.55,17850,United Kingdom\n",
    )
    assert code == PARTLY
    assert "536365" in shown
    assert "purchases_recorded: 1" in shown


def imported(shell: Shell, folder: Path, rows: str) -> tuple[int, str]:
    """Import rows; answer the exit code and what was shown."""
    file = folder / "rows.csv.xz"
    file.write_bytes(lzma.compress((HEADING + rows).encode()))
    result = shell.type("import", "online-retail", str(file))
    return result.exit_code, result.output
