"""`shuke tail`: the logs of the suite on this machine, as they grow."""

from __future__ import annotations

import time
from collections import deque
from itertools import chain

import click

from cli.caller import home
from cli.failures import Problem, plainly
from cli.logs import LEVELS, Choice, Line, Log, in_order, readable

LOOK_SECONDS = 0.25
PARTS = ("customer", "tiering", "ticketing", "notify", "gateway")


@click.command()
@click.option(
    "--service", "services", type=click.Choice(PARTS), multiple=True, help="Only this part's; may be given again."
)
@click.option("--request-id", default="", help="Only lines of this request, in whichever part.")
@click.option("--level", type=click.Choice(LEVELS), default=LEVELS[0], show_default=True, help="The least level.")
@click.option("--errors", is_flag=True, help="Only errors, and calls that were refused or failed.")
@click.option("--all", "everything", is_flag=True, help="Also the calls by which services read each other's events.")
@click.option(
    "-n", "--lines", "number", type=click.IntRange(0), default=20, show_default=True, help="How many to begin with."
)
@click.option("--follow/--no-follow", default=True, help="Whether to go on as the logs grow, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Show the lines as they stand in the logs.")
@plainly
def tail(
    services: tuple[str, ...],
    request_id: str,
    level: str,
    *,
    errors: bool,
    everything: bool,
    number: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what the suite on SHUKE_HOME logs: time, part, level, call, code, reason, time taken, request id."""
    folder = home() / "logs"
    if not folder.is_dir():
        raise Problem(f"{folder} is not there; name the suite's folder in SHUKE_HOME")
    choice = Choice(request_id, level, errors=errors, everything=everything)
    names = ((f"{part}.log", f"{part}-*.log") for part in services or PARTS)
    logs = [Log(path) for first, others in names for path in (folder / first, *sorted(folder.glob(others)))]

    def new() -> list[Line]:
        return in_order(filter(choice.wants, chain.from_iterable(log.lines() for log in logs)))

    def write(lines: list[Line] | deque[Line]) -> None:
        for line in lines:
            click.echo(line.raw if as_json else readable(line))

    write(deque(new(), maxlen=number))
    while follow:
        time.sleep(LOOK_SECONDS)
        write(new())
