"""`shuke admin`: what an operator does to a service beside its calls. The service's own commands do it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click
from rich.console import Console

from cli.caller import home
from cli.failures import INTERRUPTED, Failure, Problem, plainly
from cli.progress import Bar

SERVICES = ("customer", "tiering", "ticketing", "notify")
SO_FAR = re.compile(r"(?P<stage>\S+): (?P<done>\d+) of (?P<total>\d+) events")


@click.group()
def admin() -> None:
    """Mend a service: rebuild what it keeps of others, tell of a restore, replay what is parked.

    It works on the databases of the suite on SHUKE_HOME, or on those that SHUKE_<SERVICE>_DATABASE_URL and the
    service's other settings name.
    """


def _of_service(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--service", type=click.Choice(SERVICES), required=True, help="Which service.")(command)


@admin.command()
@_of_service
@click.option("--source", default="", help="Only what it keeps of this service's events, such as customer.shuke.")
@plainly
def rebuild(service: str, source: str) -> None:
    """Build what a service keeps of others' events anew, beside what is there; the running service does it.

    Ctrl-C leaves it going on, and the same command shows it again.
    """
    words = ("rebuild", "--source", source) if source else ("rebuild",)
    try:
        with _progress(Console()) as tell:
            _run(tell, service, *words)
    except KeyboardInterrupt:
        raise Failure(INTERRUPTED, f"{service} goes on by itself; the same command shows how far it is") from None


@admin.command()
@_of_service
@plainly
def restored(service: str) -> None:
    """Tell a service, before it starts again, that its database was restored to an earlier time."""
    _run(click.echo, service, "restored")


@admin.command()
@click.option("--service", "services", type=click.Choice(SERVICES), multiple=True, help="Only this service.")
@plainly
def parked(services: tuple[str, ...]) -> None:
    """List the subjects whose events wait, because the effect of the first one failed."""
    for service in services or SERVICES:
        _run(click.echo, service, "parked")


@admin.command()
@_of_service
@click.argument("subject")
@plainly
def replay(service: str, subject: str) -> None:
    """Apply the parked events of SUBJECT, such as customers/{id}, in order, up to the first that fails."""
    _run(click.echo, service, "replay", subject)


def _run(tell: Callable[[str], None], service: str, *words: str) -> None:
    """Run a command of a service and tell its lines as they come; raise `Problem` with its last word."""
    from cli.suite import environment_of  # noqa: PLC0415  (loads for two seconds, which no other command waits for)

    command = [sys.executable, "-m", f"services.{service}", *words]
    environ = environment_of(home().resolve(), os.environ)
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                tell(line.rstrip())
        except KeyboardInterrupt:
            process.terminate()
            raise
        if process.wait():
            errors.seek(0)
            said = errors.read().strip().splitlines() or [f"{service} ended with {process.returncode}"]
            raise Problem(said[-1].removeprefix("Error: "))


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """Tell of progress by a bar for each source on a terminal, and by the lines that they are elsewhere."""
    with ExitStack() as bars:
        shown: dict[str, Bar] = {}

        def tell(line: str) -> None:
            so_far = SO_FAR.fullmatch(line)
            if so_far is None or not console.is_terminal:
                console.print(line, highlight=False)
                return
            source = so_far["stage"]
            if source not in shown:
                shown[source] = bars.enter_context(Bar(console, source, int(so_far["total"])))
            shown[source].follow(so_far.groupdict())

        yield tell
