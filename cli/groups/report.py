"""`shuke report`: figures about the classes of customers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import click

from cli.api import Json
from cli.caller import DAY, Caller, calling, paged
from cli.dates import asked, text_of
from cli.sheets import Cell, Sheet, amount, facts, moment

NONE = "none"
scheme_option = click.option("--scheme", default="loyalty", show_default=True, help="Key of the scheme.")


@click.group()
def report() -> None:
    """Show figures about the classes of customers."""


@report.command()
@scheme_option
@click.option("--date", "day", type=DAY, help="The day at whose end classes are counted; today by default.")
@calling
def distribution(caller: Caller, scheme: str, day: dt.datetime | None) -> None:
    """Count the customers in each class at the end of a day."""
    answer = caller.get(f"/v1/schemes/{scheme}:classDistribution", **(asked("date", day) if day else {}))
    rows: list[tuple[Cell, ...]] = [
        (one["classKey"], one["displayName"], int(one["count"])) for one in answer["classes"]
    ]
    rows += [(NONE, "", int(answer["noneCount"])), ("all with an entry", "", int(answer["denominator"]))]
    title = f"{answer['scheme']} at the end of {text_of(answer['date'])}"
    caller.answer(answer, Sheet(title, ("class", "called", "customers"), rows))


@report.command()
@scheme_option
@click.option("--from", "first", type=DAY, required=True, help="First day.")
@click.option("--to", "last", type=DAY, required=True, help="Last day.")
@calling
def movements(caller: Caller, scheme: str, first: dt.datetime, last: dt.datetime) -> None:
    """Count who moved from which class (rows, before the first day) to which class (columns, after the last)."""
    days = asked("firstDate", first) | asked("lastDate", last)
    answer = caller.get(f"/v1/schemes/{scheme}:movementMatrix", **days)
    rows: list[tuple[Cell, ...]] = [
        (row["classKey"] or NONE, *(int(one["count"]) for one in row["counts"]), int(row["total"]))
        for row in answer["rows"]
    ]
    rows.append(("all", *(int(one["count"]) for one in answer["totals"]), int(answer["denominator"])))
    title = f"{answer['scheme']} from {text_of(answer['firstDate'])} to {text_of(answer['lastDate'])}"
    classes = (one["classKey"] or NONE for one in answer["totals"])
    caller.answer(answer, Sheet(title, ("from", *classes, "all"), rows))


@report.command()
@click.option("--as-of", type=DAY, help="The last day that counts; today by default.")
@click.option("--top", type=click.IntRange(1, 100), help="Per cent of the customers to look at; 20 by default.")
@click.option("--largest", type=click.IntRange(1, 100), help="How many of the largest customers to name; 5 by default.")
@calling
def concentration(caller: Caller, as_of: dt.datetime | None, top: int | None, largest: int | None) -> None:
    """Tell which share of net spend and profit the customers with the highest net spend bring."""
    days = asked("asOf", as_of) if as_of else {}
    answer = caller.get("/v1/analytics:valueConcentration", **days, topPercent=top, largestCount=largest)
    looked_at: dict[str, Cell] = {
        "as of": text_of(answer["asOf"]),
        "customers with an entry": int(answer["denominator"]),
        f"of them the top {answer['topPercent']} %": int(answer["numerator"]),
    }
    brought = [_brought("net spend", answer["netSpend"]), _brought("profit", answer["profit"])]
    named = [(one["customer"], amount(one["netSpend"])) for one in answer["largest"]]
    caller.answer(
        answer,
        facts("customers", looked_at),
        Sheet("what they bring", ("of", "by the top", "by all", "per cent"), brought),
        Sheet("the largest", ("customer", "net spend"), named),
    )


@report.command()
@scheme_option
@click.option("--class", "class_key", help="Key of a class, such as GOLD; all classes by default.")
@paged
@calling
def members(caller: Caller, scheme: str, class_key: str | None, page_size: int | None, page_token: str | None) -> None:
    """List the customers of a scheme with their classes."""
    answer = caller.get(f"/v1/schemes/{scheme}/members", classKey=class_key, pageSize=page_size, pageToken=page_token)
    rows = [
        (one["customer"], one["effectiveClass"] or NONE, one["effectiveDisplayName"], moment(one.get("sinceTime")))
        for one in answer["members"]
    ]
    caller.answer(answer, Sheet(f"schemes/{scheme}", ("customer", "class", "called", "since"), rows))


def _brought(name: str, told: Json) -> tuple[Cell, ...]:
    share = told.get("shareBasisPoints")
    return name, amount(told["topAmount"]), amount(told["totalAmount"]), Decimal(share) / 100 if share else NONE
