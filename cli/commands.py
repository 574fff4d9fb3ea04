"""The `shuke` command: run the suite on this machine, show what it does, import data."""

from __future__ import annotations

import lzma
import os
import signal
import sys
import threading
from contextlib import closing
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from cli.api import Api
from cli.caller import DEFAULT_HOME, addressed, home
from cli.failures import EXIT_CODES, PARTLY, Problem, plainly
from cli.groups.admin import admin
from cli.groups.completion import completion
from cli.groups.evaluate import evaluate, evaluation, operation
from cli.groups.keys import keys
from cli.groups.policy import policy
from cli.groups.report import report
from cli.groups.tail import tail
from cli.groups.ticket import ticket
from cli.progress import Bar
from cli.purchases_command import purchases

LOOK_SECONDS = 0.5
MOST_REPLICAS = 9


@click.group(epilog=EXIT_CODES)
def shuke() -> None:
    """Keep the customers of a retail chain: run the suite here, show what it does, and work with one that runs.

    Commands that call a suite find it by --url and --token, or by SHUKE_URL and SHUKE_TOKEN.
    """


for _command in (evaluate, evaluation, operation, report, keys, policy, ticket, tail, admin, completion):
    shuke.add_command(_command)


@shuke.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@plainly
def init(folder: Path) -> None:
    """Make FOLDER with the keys of a suite whose services are deployed one by one. What is there is kept."""
    from cli.suite import prepare  # noqa: PLC0415  (loads for two seconds, which no other command waits for)

    if folder.is_dir() and any(folder.iterdir()) and not (folder / "trust.json").exists():
        raise Problem(f"{folder} holds something else; name a new folder")
    prepare(folder, {})
    click.echo(f"{folder}: keys/, trust.json and admin.token; docs/operations.md tells who gets which")


@shuke.command()
@click.option(
    "--replicas",
    type=click.IntRange(1, MOST_REPLICAS),
    default=1,
    show_default=True,
    help="Processes of each service and of the gateway; more than one need PostgreSQL.",
)
@click.option(
    "--engine",
    type=click.Choice(["embedded", "production"]),
    default="embedded",
    show_default=True,
    help="embedded is SQLite. production is PostgreSQL and NATS: those that SHUKE_<SERVICE>_DATABASE_URL and "
    "SHUKE_NATS_URL name, else servers of its own, with their data in SHUKE_HOME.",
)
@plainly
def up(replicas: int, engine: str) -> None:
    """Run the suite in the foreground until Ctrl-C, on SHUKE_HOME (default .shuke)."""
    from cli.suite import Suite, SuiteError  # noqa: PLC0415  (as above)

    suite = Suite(home().resolve(), os.environ, replicas=replicas, production=engine == "production")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        suite.start()
        for line in suite.engines.told:
            click.echo(line)
        grpc = ", ".join(f"{name} {address}" for name, address in suite.addresses.items())
        key = suite.home / "admin.token"
        click.echo(
            f"ready: {' '.join(suite.urls)} (gRPC: {grpc}), described at {suite.url}/docs; first administrator's key "
            f"in {key}"
        )
        while not stop.wait(LOOK_SECONDS):
            if ended := suite.ended():
                raise SuiteError(f"{ended} has ended; see {suite.home / 'logs'}")
    finally:
        suite.stop()


@shuke.command()
@plainly
def demo() -> None:
    """Start a suite on a new folder, play a year of real purchases through it, and stop it."""
    from cli.demo import playing  # noqa: PLC0415  (as above)

    folder = Path(
        os.environ.get("SHUKE_HOME", DEFAULT_HOME / f"demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}")
    ).resolve()
    if folder.exists() and any(folder.iterdir()):
        raise Problem(f"{folder} is not empty; name a new folder in SHUKE_HOME")
    console = Console()
    with playing(folder, console) as played:
        console.print(f"suite on {folder}, gateway at {played.suite.url}", highlight=False)
        played.run()


@shuke.group(name="import")
def importing() -> None:
    """Import data into a running suite."""


@importing.command("online-retail")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@addressed
@plainly
def online_retail(file: Path, url: str, token: str) -> None:
    """Replay the UCI Online Retail FILE. Sending it again changes nothing: every receipt answers that it was there."""
    from cli.online_retail import plan  # noqa: PLC0415  (as above)
    from cli.replay import receipts_in, replay  # noqa: PLC0415

    console = Console()
    try:
        retail = plan(file)
    except (lzma.LZMAError, EOFError, ValueError) as wrong:
        raise click.BadParameter(f"{file} is not the data set: {wrong}", param_hint="FILE") from wrong
    with closing(Api(url)) as api, Bar(console, "receipts", receipts_in(retail)) as bar:
        outcome = replay(api, retail, lambda _store: token, bar.advance)
    for name, number in sorted(outcome.counts.items()):
        console.print(f"{name}: {number:,}")
    for error in outcome.errors:
        console.print(error, style="red")
    if outcome.errors:
        sys.exit(PARTLY)


importing.add_command(purchases)
