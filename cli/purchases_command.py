"""The command `shuke import purchases`, and what it tells people and programs."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
import httpx2
from rich.console import Console

from cli.api import RETRIED, Api, ApiError
from cli.caller import addressed
from cli.failures import AWAY, INTERRUPTED, PARTLY, REFUSED, USAGE, Failure, plainly
from cli.purchases_file import FileError
from cli.purchases_import import Done, Import, ResumeError
from cli.purchases_mapping import MappingError
from cli.purchases_sending import Sender

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("file", type=FILE)
@click.option("--mapping", type=FILE, required=True, help="Which column is what; see docs/importing.md.")
@click.option("--dry-run", is_flag=True, is_eager=True, help="Read and check everything, and send nothing.")
@addressed
@click.option("--resume", is_flag=True, help="Go on where the last import of the file stopped.")
@click.option("--rejects", type=click.Path(path_type=Path, dir_okay=False), help="CSV for what is refused, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")
@plainly
def purchases(
    file: Path,
    mapping: Path,
    url: str,
    token: str,
    rejects: Path | None,
    *,
    dry_run: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Import old sales and refunds from the CSV FILE. Sending it again changes nothing."""
    if dry_run and resume:
        raise click.UsageError("--dry-run begins at the beginning; leave out --resume")
    given = Import(file, mapping, url, rejects, Console(stderr=True))
    try:
        with stopping() as stop, closing(Api(url)) as api:
            done = given.run(None if dry_run else Sender(api, token), stop.is_set, resume=resume)
    except (MappingError, FileError, ResumeError) as error:
        raise Failure(USAGE, str(error)) from error
    except (httpx2.TransportError, ApiError) as error:
        answers = isinstance(error, ApiError) and error.status not in RETRIED
        further = "; go on with --resume" if given.progress_file.exists() else ""
        raise Failure(REFUSED if answers else AWAY, f"{url}: {error}{further}") from error
    report = json.dumps({"dry_run": dry_run, **told(done)}, ensure_ascii=False, indent=2) if as_json else text(done)
    click.echo(report)
    if not done.finished:
        raise Failure(INTERRUPTED, "stopped at a safe point; go on with --resume")
    if done.outcome.refused:
        raise click.exceptions.Exit(PARTLY)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a wish to stop at a safe point; the second one ends at once."""
    stop = threading.Event()

    def wish(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, wish)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def told(done: Done) -> dict[str, Any]:
    """Tell a program how an import ended."""
    problems = [
        {"rows": where, "field": each.field, "reason": each.reason, "text": each.text} for where, each in done.problems
    ]
    return {"finished": done.finished, **done.outcome.to_json(), "first_problems": problems}


def text(done: Done) -> str:
    """Tell people how an import ended."""
    outcome = done.outcome.to_json()
    lines = [f"{name.replace('_', ' ')}: {number:,}" for name, number in outcome.items() if isinstance(number, int)]
    lines += [f"{name}: {number:,}" for name, number in outcome["anomalies"].items()]
    lines += [
        f"{currency}: purchases {sums['purchases']}, refunds {sums['refunds']}, net {sums['net']}"
        for currency, sums in outcome["totals"].items()
    ]
    lines += [f"rows {where}: {each.reason}: {each.text}" for where, each in done.problems]
    return "\n".join(lines)
