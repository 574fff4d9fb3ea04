"""The command `shuke import purchases`, and what it tells people and programs."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
import httpx2
from rich.console import Console

from cli.api import RETRIED, Api, ApiError
from cli.purchases_file import FileError
from cli.purchases_import import Done, Import, ResumeError
from cli.purchases_mapping import MappingError
from cli.purchases_sending import Sender

OTHER, WRONG_USAGE, UNREACHABLE, SOME_REFUSED, STOPPED = 1, 2, 3, 4, 130
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("file", type=FILE)
@click.option("--mapping", type=FILE, required=True, help="Which column is what; see docs/importing.md.")
@click.option(
    "--url",
    envvar="SHUKE_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the gateway answers HTTP.",
)
@click.option("--token", envvar="SHUKE_TOKEN", help="API key that may act for all stores; SHUKE_TOKEN.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and send nothing.")
@click.option("--resume", is_flag=True, help="Go on where the last import of the file stopped.")
@click.option("--rejects", type=click.Path(path_type=Path, dir_okay=False), help="CSV for what is refused, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")
def purchases(
    file: Path,
    mapping: Path,
    url: str,
    token: str | None,
    rejects: Path | None,
    *,
    dry_run: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Import old sales and refunds from the CSV FILE. Sending it again changes nothing.

    Exits with 0 when all is in, 4 when some was refused, 2 for a mapping or a file that cannot be used, 3 when the
    suite does not answer, 130 when it was stopped, and 1 for anything else.
    """
    if dry_run and resume:
        raise click.UsageError("--dry-run begins at the beginning; leave out --resume")
    if not (dry_run or token):
        raise click.UsageError("give --token or SHUKE_TOKEN; a --dry-run needs neither")
    given = Import(file, mapping, url, rejects, Console(stderr=True))
    try:
        with stopping() as stop, closing(Api(url)) as api:
            sender = Sender(api, token) if token and not dry_run else None
            done = given.run(sender, stop.is_set, resume=resume)
    except (MappingError, FileError, ResumeError) as error:
        end(error, WRONG_USAGE)
    except (httpx2.TransportError, ApiError) as error:
        answers = isinstance(error, ApiError) and error.status not in RETRIED
        further = "; go on with --resume" if given.progress_file.exists() else ""
        end(f"{url}: {error}{further}", OTHER if answers else UNREACHABLE)
    except OSError as error:
        end(error, OTHER)
    report = json.dumps({"dry_run": dry_run, **told(done)}, ensure_ascii=False, indent=2) if as_json else text(done)
    click.echo(report)
    if not done.finished:
        end("stopped at a safe point; go on with --resume", STOPPED)
    if done.outcome.refused:
        raise SystemExit(SOME_REFUSED)


def end(reason: Exception | str, exit_code: int) -> NoReturn:
    """Say why it ends early, and end."""
    click.echo(f"Error: {reason}", err=True)
    raise SystemExit(exit_code)


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
