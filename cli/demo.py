"""The demonstration: a year of real purchases, from tills to tiers, through the public HTTP API alone."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.api import Api
from cli.online_retail import Plan, plan
from cli.online_retail_file import FILE
from cli.progress import Bar
from cli.replay import IN_FLIGHT, NANOS_PER_PENNY, PENCE, Outcome, receipts_in, replay
from cli.suite import Suite

CHAIN = {"SHUKE_CHAIN_ZONE": "Europe/London", "SHUKE_CHAIN_CURRENCY": "GBP", "SHUKE_CHAIN_REGION": "GB"}
EXAMPLES = Path(__file__).parent / "example_policies"
# The example policies that the demo puts in force: the API and the key of each, in this order.
POLICIES = (("customer", "notice"), ("tiering", "loyalty"))
SCHEME = "loyalty"
DATES = (dt.date(2011, 3, 31), dt.date(2011, 6, 30), dt.date(2011, 9, 30), dt.date(2011, 12, 9))
# The people of the demo: staff code and role of whoever takes a step of the approval.
PEOPLE = {
    "author": ("M-0001", "marketing"),
    "reviewer": ("D-0001", "department_manager"),
    "approver": ("C-0001", "centre_director"),
}
# The steps of an approval, and who takes each.
STEPS = (("submit", "author"), ("review", "reviewer"), ("approve", "approver"), ("activate", "approver"))
BAR_WIDTH = 40
MIB = 1024 * 1024


@dataclass(slots=True)
class Demo:
    """One run of the demonstration on a running suite."""

    suite: Suite
    api: Api
    console: Console
    result: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Play all steps and write demo.json."""
        with self._timed("plan"):
            retail = plan(FILE)
        with self._timed("keys"):
            people, tills = self._keys(retail)
        with self._timed("policies"):
            self._policies(people)
        with self._timed("replay"):
            outcome = self._replay(retail, tills)
        with self._timed("net"):
            self._net(outcome, people["manager"])
        with self._timed("evaluations"):
            self._evaluate(people["approver"])
        self._write()

    def _keys(self, retail: Plan) -> tuple[dict[str, str], dict[str, str]]:
        """Step 1: make keys for the people and for the till of each store."""
        self.console.rule("1 keys")

        def key(**wanted: object) -> str:
            answer = self.api.post("/v1/apiKeys", {"apiKey": wanted}, self.suite.admin_token)
            return str(answer["token"])

        people = {
            who: key(kind="STAFF", displayName=who, staff=staff, roles=[role], stores=["*"])
            for who, (staff, role) in PEOPLE.items()
        }
        people["manager"] = key(
            kind="STAFF", displayName="manager", staff="S-0001", roles=["store_manager"], stores=["*"]
        )
        tills = {
            store.code: key(kind="TILL", displayName=f"Till of {store.country}", roles=["till"], stores=[store.code])
            for store in retail.stores
        }
        self.console.print(f"{len(people)} staff keys, {len(tills)} till keys, one for each store")
        return people, tills

    def _policies(self, people: dict[str, str]) -> None:
        """Step 2: draft, submit, review, approve and activate the example policies, each step by its own person."""
        self.console.rule("2 policies")
        self.result["policies"] = {}
        for api, key in POLICIES:
            policy = json.loads((EXAMPLES / f"{key}.json").read_text())
            drafted = self.api.post(f"/v1/{api}/policies/{key}/versions", {"policy": policy}, people["author"])
            path = f"/v1/{api}/{drafted['name']}"
            for verb, who in STEPS:
                stepped = self.api.post(f"{path}:{verb}", {}, people[who])
            self.console.print(f"{stepped['name']} is {stepped['state']}: an example, not a recommendation")
            self.result["policies"][key] = stepped["name"]

    def _replay(self, retail: Plan, tills: dict[str, str]) -> Outcome:
        """Step 3: replay the file."""
        self.console.rule("3 a year of purchases")
        totals = retail.totals
        self.console.print(
            f"Online Retail (UCI, CC BY 4.0): {totals.invoices:,} invoices: {totals.sales:,} sales, "
            f"{totals.refunds:,} refunds, {totals.not_sales:,} not a sale. Names, phones and profits are generated."
        )
        with Bar(self.console, "receipts", receipts_in(retail)) as bar:
            outcome = replay(self.api, retail, tills.__getitem__, bar.advance, self.result["policies"]["notice"])
        counts = outcome.counts
        self.result["replay"] = {**counts, "not_a_sale": totals.not_sales, "linked_refunds": totals.linked_refunds}
        self.result["enrolled"] = counts["enrolled"]
        self.console.print(", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())))
        if outcome.errors:
            raise DemoError("\n".join(outcome.errors))
        return outcome

    def _net(self, outcome: Outcome, token: str) -> None:
        """Add up what the ledger answers for every customer."""

        def net(customer: str) -> int:
            answer = self.api.get(f"/v1/{customer}:spendSummary", token)["net"]
            return int(answer["units"]) * PENCE + int(answer["nanos"]) // NANOS_PER_PENNY

        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            total = sum(pool.map(net, outcome.customers.values()))
        self.result["ledger_customers"] = len(outcome.customers)
        self.result["net"] = total / PENCE
        self.console.print(f"{len(outcome.customers):,} customers in the ledger, net GBP {total / PENCE:,.2f}")

    def _evaluate(self, token: str) -> None:
        """Step 4: grade all customers at four dates."""
        self.console.rule("4 tiers")
        self.result["runs"] = [self._run(day, token) for day in DATES]
        show_runs(self.console, self.result["runs"])

    def _run(self, day: dt.date, token: str) -> dict[str, Any]:
        as_of = {"year": day.year, "month": day.month, "day": day.day}
        started = self.api.post("/v1/evaluations:run", {"scheme": f"schemes/{SCHEME}", "asOf": as_of}, token)
        with Bar(self.console, f"as of {day}", None) as bar:
            evaluation = self.api.wait(started, token, bar.follow)
        return run_figures(day, evaluation)

    def _write(self) -> None:
        self.result["seconds"] = {name: round(took, 1) for name, took in self.seconds.items()}
        self.result["rss_mib"] = {name: peak // MIB for name, peak in sorted(self.suite.peak_rss.items())}
        (self.suite.home / "demo.json").write_text(json.dumps(self.result, indent=2) + "\n")
        self.console.print(f"seconds {self.result['seconds']}, peak memory in MiB {self.result['rss_mib']}")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


class DemoError(Exception):
    """The demonstration did not do what it should."""


def run_figures(day: dt.date, evaluation: dict[str, Any]) -> dict[str, Any]:
    """Answer the figures of a run; who stands in a class has reached the bounds of all below it."""
    ladder = {held["classKey"]: int(held["count"]) for held in evaluation["classes"]}
    counts = list(ladder.values())
    bounds = {"500": 1, "2000": 2, "5000": 3}
    return {
        "as_of": day.isoformat(),
        "evaluation": evaluation["name"],
        "denominator": int(evaluation["denominator"]),
        "ladder": ladder,
        "none": int(evaluation["noneCount"]),
        "at_least": {bound: sum(counts[rank:]) for bound, rank in bounds.items()},
        "up": int(evaluation["upCount"]),
        "down": int(evaluation["downCount"]),
    }


def show_runs(console: Console, runs: list[dict[str, Any]]) -> None:
    """Show the classes at each date, as a table and as bars."""
    classes = list(runs[0]["ladder"])
    table = Table(title="Customers per class")
    for heading in ("as of", *classes, "none", "up", "down"):
        table.add_column(heading, justify="right")
    for run in runs:
        numbers = (*run["ladder"].values(), run["none"], run["up"], run["down"])
        table.add_row(run["as_of"], *(f"{number:,}" for number in numbers))
    console.print(table)
    most = max(max(run["ladder"].values()) for run in runs)
    for run in runs:
        console.print(run["as_of"])
        for name, number in run["ladder"].items():
            console.print(f"  {name:8} {'█' * round(number * BAR_WIDTH / most)} {number:,}", highlight=False)
