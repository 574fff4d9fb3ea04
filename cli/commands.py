"""The `shuke` command: run the suite on this machine, show what it does, import data."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click
import httpx2
from rich.console import Console

from cli.api import Api, ApiError
from cli.demo import DemoError, playing
from cli.mail import MailError
from cli.online_retail import plan
from cli.progress import Bar
from cli.purchases_command import purchases
from cli.replay import receipts_in, replay
from cli.suite import Suite, SuiteError

P = ParamSpec("P")

DEFAULT_HOME = Path(".shuke")
LOOK_SECONDS = 0.5


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Tell what went wrong in one line, and exit with 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (SuiteError, MailError, ApiError, DemoError, httpx2.HTTPError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return run


@click.group()
def shuke() -> None:
    """Keep the customers of a retail chain: run the suite here, show what it does, import data."""


@shuke.command()
@plainly
def up() -> None:
    """Run the suite in the foreground until Ctrl-C, on SHUKE_HOME (default .shuke)."""
    suite = Suite(Path(os.environ.get("SHUKE_HOME", DEFAULT_HOME)).resolve(), os.environ)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        suite.start()
        grpc = ", ".join(f"{name} {address}" for name, address in suite.addresses.items())
        key = suite.home / "admin.token"
        click.echo(
            f"ready: {suite.url} (gRPC: {grpc}), described at {suite.url}/docs; first administrator's key in {key}"
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
    home = Path(
        os.environ.get("SHUKE_HOME", DEFAULT_HOME / f"demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}")
    ).resolve()
    if home.exists() and any(home.iterdir()):
        raise click.ClickException(f"{home} is not empty; name a new folder in SHUKE_HOME")
    console = Console()
    with playing(home, console) as played:
        console.print(f"suite on {home}, gateway at {played.suite.url}", highlight=False)
        played.run()


@shuke.group(name="import")
def importing() -> None:
    """Import data into a running suite."""


@importing.command("online-retail")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Where the gateway answers HTTP.")
@click.option("--token", envvar="SHUKE_TOKEN", required=True, help="API key that may act for all stores.")
@plainly
def online_retail(file: Path, url: str, token: str) -> None:
    """Replay the UCI Online Retail FILE. Sending it again changes nothing: every receipt answers that it was there."""
    console, retail = Console(), plan(file)
    with closing(Api(url)) as api, Bar(console, "receipts", receipts_in(retail)) as bar:
        outcome = replay(api, retail, lambda _store: token, bar.advance)
    for name, number in sorted(outcome.counts.items()):
        console.print(f"{name}: {number:,}")
    for error in outcome.errors:
        console.print(error, style="red")
    if outcome.errors:
        sys.exit(1)


importing.add_command(purchases)
