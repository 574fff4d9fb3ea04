"""`shuke evaluate`, `evaluation` and `operation`: grade customers, and look after runs and work that takes its time."""

from __future__ import annotations

import datetime as dt

import click
from rich.console import Console

from cli.api import Json
from cli.caller import DAY, Caller, calling, paged
from cli.dates import date_of, text_of
from cli.failures import INTERRUPTED, Failure
from cli.progress import Bar
from cli.sheets import Sheet, facts


@click.command()
@click.option("--scheme", default="loyalty", show_default=True, help="Key of the scheme.")
@click.option("--as-of", type=DAY, required=True, help="The last day whose purchases count, before today.")
@click.option("--apply/--no-apply", default=True, help="Whether movements take effect, or are only worked out.")
@click.option("--wait/--no-wait", default=True, help="Whether to stay until it is done.")
@calling
def evaluate(caller: Caller, scheme: str, as_of: dt.datetime, *, apply: bool, wait: bool) -> None:
    """Grade the customers of a scheme as of a day, and show how many stand in each class.

    Ctrl-C ends the waiting and not the work; `shuke operation` waits for it again, or cancels it.
    """
    asked = {"scheme": f"schemes/{scheme}", "asOf": date_of(as_of), "apply": apply}
    started = caller.post("/v1/evaluations:run", asked)
    if wait:
        _finish(caller, started)
    else:
        caller.answer(started, _stage(started))


@click.group()
def evaluation() -> None:
    """List the runs of a scheme, apply one that was tried, take the last one back."""


@evaluation.command("list")
@click.option("--scheme", default="loyalty", show_default=True, help="Key of the scheme.")
@paged
@calling
def list_runs(caller: Caller, scheme: str, page_size: int | None, page_token: str | None) -> None:
    """List the runs of a scheme, the newest first."""
    answer = caller.get(f"/v1/schemes/{scheme}/evaluations", pageSize=page_size, pageToken=page_token)
    rows = [
        (
            one["name"],
            text_of(one["asOf"]),
            _effect(one),
            int(one["denominator"]),
            int(one["upCount"]),
            int(one["downCount"]),
        )
        for one in answer["evaluations"]
    ]
    headings = ("evaluation", "as of", "takes effect", "customers", "moved up", "moved down")
    caller.answer(answer, Sheet(f"schemes/{scheme}", headings, rows))


@evaluation.command("apply")
@click.argument("name")
@calling
def apply_run(caller: Caller, name: str) -> None:
    """Let the run NAME take effect, which was made with --no-apply."""
    _finish(caller, caller.post(f"/v1/{name}:apply", {}))


@evaluation.command("revert")
@click.argument("name")
@calling
def revert_run(caller: Caller, name: str) -> None:
    """Take back the run NAME, the last of its scheme that was applied."""
    _finish(caller, caller.post(f"/v1/{name}:revert", {}))


@click.group()
def operation() -> None:
    """Wait for work that was begun, look at it, cancel it."""


@operation.command("wait")
@click.argument("name")
@calling
def wait_for(caller: Caller, name: str) -> None:
    """Wait until the operation NAME is done, and show what came of it."""
    _finish(caller, caller.get(f"/v1/{name}"))


@operation.command("show")
@click.argument("name")
@calling
def look(caller: Caller, name: str) -> None:
    """Show how far the operation NAME has come."""
    found = caller.get(f"/v1/{name}")
    caller.answer(found, _stage(found))


@operation.command("cancel")
@click.argument("name")
@calling
def cancel(caller: Caller, name: str) -> None:
    """Ask the operation NAME to end; nothing of it takes effect."""
    caller.answer(caller.post(f"/v1/{name}:cancel", {}))
    click.echo(f"{name} is asked to end", err=True)


def _finish(caller: Caller, begun: Json) -> None:
    """Follow an operation to its end, on standard error, and show its outcome."""
    name = begun["name"]
    try:
        click.echo(f"{name} has begun", err=True)
        with Bar(Console(stderr=True), name, None) as bar:
            done = caller.api.finish(begun, caller.token, bar.follow)
    except KeyboardInterrupt:
        again = f"shuke operation wait {name}; or end it: shuke operation cancel {name}"
        raise Failure(INTERRUPTED, f"{name} goes on. Wait for it again: {again}") from None
    caller.answer(done, *_outcome(done["response"]))


def _stage(begun: Json) -> Sheet:
    told = begun["metadata"]
    error = begun.get("error", {}).get("message", "")
    done = f"{told['done']} of {told['total']}" if told["total"] != "0" else told["done"]
    return facts(begun["name"], {"operation": begun["name"], "stage": told["stage"], "done": done, "error": error})


def _effect(run: Json) -> str:
    if run.get("revertTime"):
        return "taken back"
    return "yes" if run["applied"] else "no"


def _outcome(run: Json) -> tuple[Sheet, Sheet]:
    as_of = text_of(run["asOf"])
    counts = [(one["classKey"], int(one["count"])) for one in run["classes"]]
    classes = Sheet(
        f"{run['scheme']} as of {as_of}",
        ("class", "customers"),
        [*counts, ("none", int(run["noneCount"]))],
    )
    told = facts(
        "the run",
        {
            "evaluation": run["name"],
            "as of": as_of,
            "policy": run["policy"],
            "takes effect": _effect(run),
            "customers with an entry": int(run["denominator"]),
            "moved up": int(run["upCount"]),
            "moved down": int(run["downCount"]),
        },
    )
    return classes, told
